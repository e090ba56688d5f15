/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The grammar of the command line: rows of commands (commands.c) and what a line that matches
 * one becomes. Pure: it prints nothing and touches nothing.
 *
 *   iothctl [GLOBAL…] NOUN [VERB] [ARGUMENT | OPTION | GLOBAL]… [-- REST…]
 *
 * Global options stand anywhere before `--`; those of a command follow its verb. Long options
 * are never abbreviated: a script that says --vl today must not mean something else tomorrow.
 */
#ifndef CTL_GRAMMAR_H
#define CTL_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/base/err.h"

struct ctl;
struct args;

enum {
    OPTION_REPEATED = 1, /* May be given several times. */
    OPTION_SETTINGS =
        2, /* Behind its word there may be a comma, and what the command knows. */
};

struct option_row {
    const char *name; /* Without the dashes; NULL ends a table. */
    char letter;      /* Or 0. */
    unsigned flags;
    const char *value; /* What its value is called in the help; NULL = takes none. */
    const char *words; /* The only values allowed, separated by '|', or NULL = any. */
    const char *help;
    const char *later;       /* Not built yet, or never: why it is refused. */
    const char *later_words; /* Then only these of its values are, or NULL = all. */
};

enum {
    COMMAND_REST = 1,    /* What follows `--` is a command to run. */
    COMMAND_SECRET = 2,  /* Its arguments never appear in a message. */
    COMMAND_PROGRAM = 4, /* Exits with a program's status: our own failures are 125. */
    COMMAND_COMPARE =
        8, /* Exit status 1 means "differs": our own failures are 2 and more. */
    COMMAND_HIDDEN = 16, /* Not in the help. */
    COMMAND_HERE = 32,   /* Works on the machine that it is run on only: not with --host. */
};

struct command {
    const char *noun; /* NULL ends the table. */
    const char *verb; /* NULL: the noun is the whole command. */
    unsigned flags;
    unsigned min, max;                             /* How many arguments. */
    const char *usage;                             /* "NET [NAME]" */
    const struct option_row *options;              /* Or NULL. */
    int (*run)(struct ctl *, const struct args *); /* Returns the exit status. */
    const char *help;                              /* One line. */
    const char
        *later; /* Not built yet: why it is refused; then only noun and verb count. */
};

struct given {
    const struct option_row *option;
    const char *value; /* NULL if it takes none. */
};

#define ARGS_MAX 256 /* Arguments, and options, of one line. */

struct args {
    const struct command *command; /* NULL: no noun was given. */
    const char *noun;              /* As typed, or NULL. */
    unsigned n_words;
    const char *words[ARGS_MAX]; /* The arguments, without noun and verb. */
    unsigned n_given;
    struct given given[ARGS_MAX]; /* The options, global ones too, in their order. */
    int n_rest;
    char **rest; /* What followed `--`, NULL-ended as argv is. */
    bool has_rest;
    void *popt; /* Holds the texts. */
};

/*
 * Matches a command line (argv[0] is skipped, argv[argc] is NULL) with the table `commands` and
 * the options `global`. Returns 0; -EINVAL for wrong usage, -ENOSYS for what is not built yet,
 * each with `err` recorded; then too `out` holds what was recognised. args_done() in any case;
 * texts in `out` live until then, or are argv's.
 * With -h or --help among the options nothing is missing and nothing refused.
 */
int args_parse(int argc, char **argv, const struct command *commands,
               const struct option_row *global, struct args *out, struct err *err)
    __attribute__((warn_unused_result));
void args_done(struct args *);

/* The value of an option, the last one if it stands several times; NULL if it is absent. */
const char *args_value(const struct args *, const char *name);
bool args_has(const struct args *, const char *name);

/* The same of an option of that table alone: a command may have one of a global one's name. */
const char *args_of(const struct args *, const struct option_row *table, const char *name);

/* Walks the values of a repeated option: *at starts at 0; NULL at the end. */
const char *args_next(const struct args *, const char *name, unsigned *at);

#endif
