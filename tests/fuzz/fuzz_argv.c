/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of iothctl: arguments are the input's lines. Whatever they are, parsing ends,
 * stays inside its tables, and a refusal says why. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/commands.h"
#include "ctl/grammar.h"

#define MOST 400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct args *a, int r, const struct err *err, int argc, char **argv)
{
    if ((r < 0) != (err->why[0] != '\0') || a->n_words > ARGS_MAX || a->n_given > ARGS_MAX)
        abort();
    if (r == 0 && a->command && !args_has(a, "help") &&
        (a->n_words < a->command->min || a->n_words > a->command->max))
        abort();
    if (a->has_rest && a->rest + a->n_rest != argv + argc)
        abort();
    for (unsigned i = 0; i < a->n_given; i++)
        if ((a->given[i].option->value != NULL) != (a->given[i].value != NULL))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *argv[MOST + 2], name[] = "iothctl";
    struct args *a = calloc(1, sizeof(*a));
    struct err err = {0};
    int argc = 0;
    if (!text || !a)
        abort();
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    argv[argc++] = name;
    for (char *p = text; *p && argc <= MOST;) {
        argv[argc++] = p;
        p += strcspn(p, "\n");
        if (*p)
            *p++ = '\0';
    }
    argv[argc] = NULL;
    int r = args_parse(argc, argv, commands, global_options, a, &err);
    check(a, r, &err, argc, argv);
    args_done(a);
    free(a);
    free(text);
    return 0;
}
