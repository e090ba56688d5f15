/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The completion of the shell: words out of the table, put into a script that needs no daemon. */
#include <stdio.h>
#include <string.h>

#include "ctl/commands.h"
#include "ctl/ctl.h"

static void print_nouns(void)
{
    const char *last = "";
    for (const struct command *c = commands; c->noun; c++) {
        if (c->later || (c->flags & COMMAND_HIDDEN) || strcmp(c->noun, last) == 0)
            continue;
        printf("%s%s", *last ? " " : "", c->noun);
        last = c->noun;
    }
}

static void print_options(const struct option_row *rows)
{
    for (; rows && rows->name; rows++)
        if (!rows->later || rows->later_words)
            printf(" --%s", rows->name);
}

/* The verbs of each noun, then the options of each command. */
static void print_cases(void)
{
    for (const struct command *c = commands; c->noun; c++) {
        if (c->later || !c->verb || (c->flags & COMMAND_HIDDEN))
            continue;
        printf("    \"%s %s\") words=\"$globals", c->noun, c->verb);
        print_options(c->options);
        puts("\" ;;");
    }
    for (const struct command *c = commands; c->noun; c++) {
        if (!c->verb || c->later || (c > commands && strcmp(c[-1].noun, c->noun) == 0))
            continue;
        printf("    \"%s \"*) words=\"", c->noun);
        for (const struct command *v = c; v->noun && strcmp(v->noun, c->noun) == 0; v++)
            if (!v->later)
                printf("%s%s", v == c ? "" : " ", v->verb);
        puts("\" ;;");
    }
}

int cmd_completion(struct ctl *ctl, const struct args *args)
{
    if (strcmp(args->words[0], "bash") != 0)
        return ctl_fail(ctl, CTL_USAGE, "there is no completion for \"%s\" (valid: bash)",
                        args->words[0]);
    puts("# bash completion of iothctl\n"
         "_iothctl() {\n"
         "    local cur=\"${COMP_WORDS[COMP_CWORD]}\" words globals i\n"
         "    local -a plain=()\n"
         "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "        [[ ${COMP_WORDS[i]} == -- ]] && return\n"
         "        [[ ${COMP_WORDS[i]} == -* ]] || plain+=(\"${COMP_WORDS[i]}\")\n"
         "    done");
    fputs("    globals=\"", stdout);
    print_options(global_options);
    fputs("\"\n    case \"${plain[0]-} ${plain[1]-}\" in\n    \" \") words=\"", stdout);
    print_nouns();
    puts("\" ;;");
    for (const struct command *c = commands; c->noun; c++) {
        if (c->verb || c->later || (c->flags & COMMAND_HIDDEN))
            continue;
        printf("    \"%s \"*) words=\"$globals", c->noun);
        print_options(c->options);
        puts("\" ;;");
    }
    print_cases();
    puts("    *) words=\"$globals\" ;;\n"
         "    esac\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
         "}\n"
         "complete -o default -F _iothctl iothctl");
    return CTL_DONE;
}
