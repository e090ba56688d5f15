/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/help.h"

#include <stdlib.h>
#include <string.h>

#include "ctl/commands.h"
#include "ctl/ctl.h"
#include "ctl/output.h"
#include "proto/base/xalloc.h"
#include "proto/model/schema.h"

/* "port add NET [NAME]" */
static char *synopsis(const struct command *c, const char *options)
{
    return xasprintf("%s%s%s%s%s%s%s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "",
                     *c->usage ? " " : "", c->usage, options,
                     c->flags & COMMAND_REST ? " -- CMD…" : "");
}

static void print_pair(FILE *out, const char *left, size_t width, const char *right)
{
    size_t size = text_width(left);
    fprintf(out, "  %s", left);
    print_blanks(out, size < width ? width - size + 1 : 1);
    fputs(right, out);
}

static void print_commands(FILE *out, const char *noun)
{
    for (const struct command *c = commands; c->noun; c++) {
        if (c->later || (c->flags & COMMAND_HIDDEN) || (noun && strcmp(c->noun, noun) != 0))
            continue;
        char *text = synopsis(c, "");
        print_pair(out, text, 34, c->help);
        fputc('\n', out);
        free(text);
    }
}

static bool is_shown(const struct option_row *row)
{
    return !row->later || row->later_words;
}

/* Whether there is an option that is not refused anyway. */
static bool has_options(const struct option_row *rows)
{
    for (; rows && rows->name; rows++)
        if (is_shown(rows))
            return true;
    return false;
}

static void print_options(FILE *out, const char *title, const struct option_row *rows)
{
    if (!has_options(rows))
        return;
    fprintf(out, "%s:\n", title);
    for (; rows->name; rows++) {
        if (!is_shown(rows))
            continue;
        char *text =
            xasprintf("%c%c%s--%s%s%s", rows->letter ? '-' : ' ',
                      rows->letter ? rows->letter : ' ', rows->letter ? ", " : "  ",
                      rows->name, rows->value ? " " : "", rows->value ? rows->value : "");
        print_pair(out, text, 28, rows->help);
        fputs(rows->flags & OPTION_REPEATED ? " (may be repeated)\n" : "\n", out);
        free(text);
    }
}

void help_print(FILE *out, const char *noun, const struct command *command)
{
    if (command) {
        /* What follows -- is the program's, options too. */
        char *text = synopsis(command, has_options(command->options) ? " [OPTION…]" : "");
        fprintf(out, "usage: iothctl %s\n\n%s.\n\n", text, command->help);
        free(text);
        print_options(out, "options", command->options);
        fputs(has_options(command->options) ? "\n" : "", out);
    } else {
        fputs("usage: iothctl [OPTION…] NOUN [VERB] …\n\n", out);
        print_commands(out, noun);
        fputc('\n', out);
    }
    print_options(out, "options of every command", global_options);
    if (!command && !noun)
        fputs("\nexit status: 0 done, 1 refused or failed, 2 wrong usage, 3 not found, "
              "4 no daemon\n",
              out);
}

int cmd_help(struct ctl *ctl, const struct args *args)
{
    if (args_has(args, "manual")) {
        manual_print(stdout);
        return CTL_DONE;
    }
    if (args_has(args, "reference")) {
        char *text = schema_reference();
        fputs(text, stdout);
        free(text);
        return CTL_DONE;
    }
    const char *noun = args->n_words > 0 ? args->words[0] : NULL;
    const char *verb = args->n_words > 1 ? args->words[1] : NULL;
    const struct command *found = NULL;
    unsigned n = 0;
    for (const struct command *c = commands; noun && c->noun; c++) {
        if (strcmp(c->noun, noun) != 0 ||
            (verb && (!c->verb || strcmp(c->verb, verb) != 0)))
            continue;
        found = c;
        n++;
    }
    if (noun && n == 0)
        return ctl_fail(ctl, CTL_USAGE, "there is no such command");
    if (found && found->later)
        return ctl_fail(ctl, CTL_REFUSED, "%s", found->later);
    help_print(stdout, noun, n == 1 ? found : NULL);
    return CTL_DONE;
}
