/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command line in two passes. The first finds noun and verb, so that the second knows the
 * options of the command; that one is libpopt's, which takes its options from a table, keeps
 * arguments and options in their order, and abbreviates nothing (getopt_long does).
 */
#include "ctl/grammar.h"

#include <errno.h>
#include <popt.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/words.h"
#include "proto/base/xalloc.h"

/* What an args keeps alive. */
struct parse {
    poptContext context;
    struct poptOption *table;
    const char **argv; /* Without noun, verb, and what follows `--`. */
    char *owned[2 * ARGS_MAX + 1];
    unsigned n_owned;
};

static const struct option_row *row_by_name(const struct option_row *rows, const char *name,
                                            size_t size)
{
    for (; rows && rows->name; rows++)
        if (strlen(rows->name) == size && memcmp(rows->name, name, size) == 0)
            return rows;
    return NULL;
}

static const struct option_row *row_by_letter(const struct option_row *rows, char letter)
{
    for (; rows && rows->name; rows++)
        if (rows->letter && rows->letter == letter)
            return rows;
    return NULL;
}

/* Whether this argument is a global option whose value is the next argument. */
static bool takes_next(const struct option_row *global, const char *arg)
{
    const struct option_row *row;
    if (arg[1] == '-') {
        row = row_by_name(global, arg + 2, strcspn(arg + 2, "="));
        return row && row->value && !strchr(arg, '=');
    }
    for (const char *letter = arg + 1; *letter; letter++) {
        row = row_by_letter(global, *letter);
        if (row && row->value)
            return letter[1] == '\0';
    }
    return false;
}

/* The index of the next argument from `i` on that is no option, or argc. */
static int next_word(int argc, char **argv, int i, const struct option_row *global)
{
    while (i < argc && argv[i][0] == '-' && argv[i][1] != '\0')
        i += takes_next(global, argv[i]) ? 2 : 1;
    return i < argc ? i : argc;
}

/* In front of the noun only global options may stand, since no others are known there. */
static int check_front(char **argv, int end, const struct option_row *global,
                       struct err *err)
{
    for (int i = 1; i < end; i += takes_next(global, argv[i]) ? 2 : 1) {
        const char *name = argv[i] + 2;
        size_t size = strcspn(name, "=");
        if (argv[i][1] != '-' || row_by_name(global, name, size))
            continue;
        struct words words = {0};
        for (const struct option_row *o = global; o->name; o++)
            if (!o->later)
                words_add_option(&words, o->name);
        char *bad = xasprintf("--%.*s", (int)size, name), *near = words_near(&words, bad);
        int r = err_set(err, -EINVAL, "unknown option %s (%s)", bad, near);
        free(bad);
        free(near);
        words_done(&words);
        return r;
    }
    return 0;
}

static bool asks_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0)
            return true;
    return false;
}

static int unknown_noun(const struct command *commands, const char *noun, struct err *err)
{
    struct words words = {0};
    for (const struct command *c = commands; c->noun; c++)
        if (!(c->flags & COMMAND_HIDDEN))
            words_add_once(&words, c->noun);
    char *near = words_near(&words, noun);
    int r = err_set(err, -EINVAL, "there is no command \"%s\" (%s)", noun, near);
    free(near);
    words_done(&words);
    return r;
}

static int unknown_verb(const struct command *commands, const char *noun, const char *verb,
                        struct err *err)
{
    struct words words = {0};
    int r;
    for (const struct command *c = commands; c->noun; c++)
        if (strcmp(c->noun, noun) == 0 && c->verb && !c->later)
            words_add_once(&words, c->verb);
    if (!verb) {
        char *all = words_all(&words);
        r = err_set(err, -EINVAL, "a verb is missing (%s)", all);
        free(all);
    } else {
        char *near = words_near(&words, verb);
        r = err_set(err, -EINVAL, "\"%s\" has no verb \"%s\" (%s)", noun, verb, near);
        free(near);
    }
    words_done(&words);
    return r;
}

/* Finds the row. *noun_at and *verb_at are argc where there is none. */
static int find_command(int argc, char **argv, const struct command *commands,
                        const struct option_row *global, struct args *out, int *noun_at,
                        int *verb_at, struct err *err)
{
    const struct command *row = NULL, *bare = NULL;
    bool known = false;
    *verb_at = argc;
    *noun_at = next_word(argc, argv, 1, global);
    int r = check_front(argv, *noun_at, global, err);
    if (r || *noun_at == argc)
        return r;
    out->noun = argv[*noun_at];
    int at = next_word(argc, argv, *noun_at + 1, global);
    const char *verb = at < argc ? argv[at] : NULL;
    for (const struct command *c = commands; c->noun; c++) {
        if (strcmp(c->noun, out->noun) != 0)
            continue;
        known = true;
        if (!c->verb)
            bare = c;
        else if (verb && strcmp(c->verb, verb) == 0)
            row = c;
    }
    if (!known)
        return unknown_noun(commands, out->noun, err);
    if (row)
        *verb_at = at;
    out->command = row ? row : bare;
    if (!out->command && !asks_help(argc, argv))
        return unknown_verb(commands, out->noun, verb, err);
    return 0;
}

static size_t count_rows(const struct option_row *rows)
{
    size_t n = 0;
    for (; rows && rows[n].name; n++)
        ;
    return n;
}

static size_t fill_table(struct poptOption *table, size_t at, const struct option_row *rows)
{
    for (; rows && rows->name; rows++, at++)
        table[at] = (struct poptOption){
            .longName = rows->name,
            .shortName = rows->letter,
            .argInfo = rows->value ? POPT_ARG_STRING : POPT_ARG_NONE,
            .val = (int)at + 1,
        };
    return at;
}

static int behind_dashes(const struct args *a, struct err *err)
{
    return err_set(err, -EINVAL, "the command to run stands behind -- (-- %s …)",
                   a->words[a->command->max]);
}

/* A word of a command that stands where it may not. */
static bool lacks_dashes(const struct args *a)
{
    const struct command *c = a->command;
    return c && (c->flags & COMMAND_REST) && !a->has_rest && a->n_words > c->max;
}

static int bad_option(struct parse *p, const struct args *a,
                      const struct option_row *global, int code, struct err *err)
{
    const char *typed = poptBadOption(p->context, POPT_BADOPTION_NOALIAS);
    char *bad = xstrdup(typed ? typed : "");
    int r;
    bad[strcspn(bad, "=")] = '\0';
    if (code == POPT_ERROR_NOARG) {
        r = err_set(err, -EINVAL, "%s needs a value", bad);
    } else if (code == POPT_ERROR_UNWANTEDARG) {
        r = err_set(err, -EINVAL, "%s takes no value", bad);
    } else if (code == POPT_ERROR_BADOPT) {
        struct words words = {0};
        const struct option_row *tables[] = {a->command ? a->command->options : NULL,
                                             global};
        for (size_t i = 0; i < 2; i++)
            for (const struct option_row *o = tables[i]; o && o->name; o++)
                if (!o->later || o->later_words)
                    words_add_option(&words, o->name);
        char *near = words_near(&words, bad);
        r = err_set(err, -EINVAL, "unknown option %s (%s)", bad, near);
        if (a->command && !words_nearest(&words, bad))
            err_hint(err, "iothctl %s%s%s --help", a->command->noun,
                     a->command->verb ? " " : "", a->command->verb ? a->command->verb : "");
        free(near);
        words_done(&words);
    } else {
        r = err_set(err, -EINVAL, "%s: %s", bad, poptStrerror(code));
    }
    free(bad);
    return r;
}

static bool is_word_with_settings(const struct option_row *row, const char *value)
{
    size_t size = strcspn(value, ",");
    char word[64];

    if (!(row->flags & OPTION_SETTINGS) || size >= sizeof word || !value[size])
        return false;
    (void)snprintf(word, sizeof word, "%.*s", (int)size, value);
    return words_in(row->words, word);
}

static int check_value(const struct option_row *row, const char *value, struct err *err)
{
    if (row->later && (!row->later_words || words_in(row->later_words, value)))
        return err_set(err, -ENOSYS, "--%s%s%s: %s", row->name, row->later_words ? " " : "",
                       row->later_words ? value : "", row->later);
    if (!row->words || words_in(row->words, value) || is_word_with_settings(row, value))
        return 0;
    struct words words = {0};
    words_add_split(&words, row->words, row->later_words);
    char *near = words_near(&words, value);
    int r = err_set(err, -EINVAL, "--%s: \"%s\" is not one of its values (%s)", row->name,
                    value, near);
    free(near);
    words_done(&words);
    return r;
}

static int take_option(struct args *a, const struct option_row *row, const char *value,
                       struct err *err)
{
    if (a->n_given == ARGS_MAX)
        return err_set(err, -EINVAL, "more than %d options", ARGS_MAX);
    if (row->value && !(row->flags & OPTION_REPEATED) && args_has(a, row->name))
        return err_set(err, -EINVAL, "--%s is given twice", row->name);
    a->given[a->n_given++] = (struct given){.option = row, .value = value};
    return check_value(row, value, err);
}

static int take_word(struct args *a, const char *word, struct err *err)
{
    if (a->n_words == ARGS_MAX)
        return err_set(err, -EINVAL, "more than %d arguments", ARGS_MAX);
    a->words[a->n_words++] = word;
    return 0;
}

/* The second pass: options and arguments in their order. */
static int take_all(struct parse *p, struct args *a, const struct option_row *global,
                    struct err *err)
{
    const struct option_row *own = a->command ? a->command->options : NULL;
    int n_own = (int)count_rows(own), code, r = 0;
    while (!r && (code = poptGetNextOpt(p->context)) >= 0) {
        char *value = poptGetOptArg(p->context);
        if (value && p->n_owned < sizeof(p->owned) / sizeof(p->owned[0]))
            p->owned[p->n_owned++] = value;
        if (code == 0)
            r = take_word(a, value ? value : "", err);
        else if (code <= n_own)
            r = take_option(a, &own[code - 1], value, err);
        else
            r = take_option(a, &global[code - 1 - n_own], value, err);
    }
    if (!r && code < -1 && lacks_dashes(a)) /* The option is that command's. */
        r = behind_dashes(a, err);
    else if (!r && code < -1)
        r = bad_option(p, a, global, code, err);
    return r;
}

static int check_counts(const struct args *a, struct err *err)
{
    const struct command *c = a->command;
    if (a->n_words < c->min)
        return err_set(err, -EINVAL, "an argument is missing (usage: iothctl %s%s%s %s)",
                       c->noun, c->verb ? " " : "", c->verb ? c->verb : "", c->usage);
    if (lacks_dashes(a))
        return behind_dashes(a, err);
    if (a->n_words > c->max)
        return err_set(err, -EINVAL, "there is one argument too many, \"%s\"",
                       a->words[c->max]);
    if ((c->flags & COMMAND_REST) && a->n_rest == 0)
        return err_set(err, -EINVAL, "the command to run is missing (-- CMD…)");
    if (!(c->flags & COMMAND_REST) && a->has_rest && a->n_rest > 0)
        return err_set(err, -EINVAL, "nothing may follow --");
    return 0;
}

static void open_popt(struct parse *p, struct args *a, int argc, char **argv,
                      const int skip[2], const struct option_row *global)
{
    const struct option_row *own = a->command ? a->command->options : NULL;
    size_t n = count_rows(own) + count_rows(global);
    int n_kept = 0;
    p->table = xcalloc(n + 1, sizeof(*p->table));
    fill_table(p->table, fill_table(p->table, 0, own), global);
    p->argv = xcalloc((size_t)argc + 1, sizeof(*p->argv));
    for (int i = 0; i < argc; i++)
        if (i == 0 || (i != skip[0] && i != skip[1]))
            p->argv[n_kept++] = argv[i];
    p->context = poptGetContext(NULL, n_kept, p->argv, p->table, POPT_CONTEXT_ARG_OPTS);
    if (!p->context)
        abort();
}

int args_parse(int argc, char **argv, const struct command *commands,
               const struct option_row *global, struct args *out, struct err *err)
{
    struct parse *p = xcalloc(1, sizeof(*p));
    int end = 1, skip[2];
    *out = (struct args){.popt = p};
    while (end < argc && strcmp(argv[end], "--") != 0)
        end++;
    if (end < argc) {
        out->has_rest = true;
        out->rest = argv + end + 1;
        out->n_rest = argc - end - 1;
    }
    int r = find_command(end, argv, commands, global, out, &skip[0], &skip[1], err);
    if (r)
        return r;
    bool help = asks_help(end, argv);
    if (out->command && out->command->later && !help)
        return err_set(err, -ENOSYS, "%s", out->command->later);
    open_popt(p, out, end, argv, skip, global);
    r = take_all(p, out, global, err);
    if (!r && out->command && !help)
        r = check_counts(out, err);
    return r == -ENOSYS && help ? 0 : r;
}

void args_done(struct args *a)
{
    struct parse *p = a->popt;
    if (!p)
        return;
    for (unsigned i = 0; i < p->n_owned; i++)
        free(p->owned[i]);
    if (p->context)
        poptFreeContext(p->context);
    free(p->table);
    free(p->argv);
    free(p);
    a->popt = NULL;
}

const char *args_value(const struct args *a, const char *name)
{
    for (unsigned i = a->n_given; i-- > 0;)
        if (strcmp(a->given[i].option->name, name) == 0)
            return a->given[i].value;
    return NULL;
}

const char *args_of(const struct args *a, const struct option_row *table, const char *name)
{
    for (const struct option_row *row = table; row && row->name; row++)
        for (unsigned i = a->n_given; i-- > 0 && strcmp(row->name, name) == 0;)
            if (a->given[i].option == row)
                return a->given[i].value;
    return NULL;
}

bool args_has(const struct args *a, const char *name)
{
    for (unsigned i = 0; i < a->n_given; i++)
        if (strcmp(a->given[i].option->name, name) == 0)
            return true;
    return false;
}

const char *args_next(const struct args *a, const char *name, unsigned *at)
{
    while (*at < a->n_given) {
        const struct given *g = &a->given[(*at)++];
        if (strcmp(g->option->name, name) == 0)
            return g->value;
    }
    return NULL;
}
