/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The grammar of iothctl, on a table of its own and on the real one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/commands.h"
#include "ctl/grammar.h"
#include "ctl/help.h"
#include "ctl/words.h"

static const struct option_row globals[] = {
    {.name = "socket", .value = "PATH"},
    {.name = "output", .letter = 'o', .value = "F", .words = "table|json"},
    {.name = "quiet", .letter = 'q'},
    {.name = "help", .letter = 'h'},
    {0},
};

static const struct option_row make_options[] = {
    {.name = "vlan", .flags = OPTION_REPEATED, .value = "ID"},
    {.name = "local"},
    {.name = "mode",
     .value = "M",
     .words = "one|two|three",
     .later = "later",
     .later_words = "three"},
    {.name = "gone", .later = "comes later"},
    {0},
};

static const struct option_row own_output[] = {
    {.name = "output", .letter = 'o', .value = "F", .words = "dot"},
    {0},
};

static const struct command table[] = {
    {.noun = "net",
     .verb = "make",
     .min = 1,
     .max = 2,
     .usage = "NAME [X]",
     .options = make_options},
    {.noun = "net", .verb = "ls", .usage = ""},
    {.noun = "net", .verb = "heal", .usage = "", .later = "not yet"},
    {.noun = "run",
     .flags = COMMAND_REST | COMMAND_PROGRAM,
     .usage = "",
     .options = make_options},
    {.noun = "draw", .usage = "", .options = own_output},
    {.noun = "mix", .max = 3, .usage = ""},
    {.noun = "mix", .verb = "up", .usage = ""},
    {0},
};

struct line {
    char *argv[32];
    int argc;
    char text[512];
};

/* Splits at blanks. */
static void split(struct line *l, const char *text)
{
    *l = (struct line){0};
    snprintf(l->text, sizeof(l->text), "iothctl %s", text);
    for (char *p = l->text; *p && l->argc < 31;) {
        l->argv[l->argc++] = p;
        p += strcspn(p, " ");
        if (*p)
            *p++ = '\0';
    }
}

static int parse(struct line *l, const char *text, struct args *a, struct err *err)
{
    split(l, text);
    *err = (struct err){0};
    return args_parse(l->argc, l->argv, table, globals, a, err);
}

static void accepts(void **state)
{
    static const struct {
        const char *text;
        int command; /* Index in the table, -1 = none. */
        unsigned n_words, n_given;
        int n_rest;
    } cases[] = {
        {"", -1, 0, 0, 0},
        {"-q", -1, 0, 1, 0},
        {"--help", -1, 0, 1, 0},
        {"net ls", 1, 0, 0, 0},
        {"-o json net ls", 1, 0, 1, 0},
        {"net -o json ls", 1, 0, 1, 0},
        {"net ls -ojson -q", 1, 0, 2, 0},
        {"-qo json net ls", 1, 0, 2, 0},
        {"--output=json --socket make net ls", 1, 0, 2, 0},
        {"net make a --vlan 1 b --vlan=2 --local", 0, 2, 3, 0},
        {"net make --mode two a", 0, 1, 1, 0},
        {"net make -", 0, 1, 0, 0},
        {"net make --help --vlan 3", 0, 0, 2, 0},
        {"net heal --help", 2, 0, 1, 0},
        {"net --help", -1, 0, 1, 0},
        {"run -- ls -l --vlan", 3, 0, 0, 3},
        {"run --vlan 3 -q -- ls -- x", 3, 0, 2, 3},
        {"draw -o dot", 4, 0, 1, 0},
        {"-o dot draw", 4, 0, 1, 0},
        {"mix a b", 5, 2, 0, 0},
        {"mix up", 6, 0, 0, 0},
        {"mix", 5, 0, 0, 0},
        {"net ls --", 1, 0, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct line l;
        struct args a;
        struct err err;
        int r = parse(&l, cases[i].text, &a, &err);
        if (r)
            print_error("\"%s\": %s\n", cases[i].text, err.why);
        assert_int_equal(r, 0);
        assert_ptr_equal(a.command, cases[i].command < 0 ? NULL : &table[cases[i].command]);
        assert_int_equal(a.n_words, cases[i].n_words);
        assert_int_equal(a.n_given, cases[i].n_given);
        assert_int_equal(a.n_rest, cases[i].n_rest);
        args_done(&a);
    }
}

static void refuses(void **state)
{
    static const struct {
        const char *text;
        int code;
        const char *why; /* A part of it. */
    } cases[] = {
        {"nte ls", -EINVAL, "did you mean net?"},
        {"net", -EINVAL, "a verb is missing (make, ls)"},
        {"net mkae a", -EINVAL, "did you mean make?"},
        {"net heal", -ENOSYS, "not yet"},
        {"net make", -EINVAL, "NAME [X]"},
        {"net make a b c", -EINVAL, "too many, \"c\""},
        {"net ls a", -EINVAL, "too many"},
        {"net make a --vlna 3", -EINVAL, "did you mean --vlan?"},
        {"net make a --vl 3", -EINVAL, "unknown option --vl "},
        {"net make a --vlan", -EINVAL, "--vlan needs a value"},
        {"net make a --local=1", -EINVAL, "--local takes no value"},
        {"net make a -x", -EINVAL, "unknown option -x"},
        {"net make a --mode four", -EINVAL, "(valid: one, two)"},
        {"net make a --mode three", -ENOSYS, "--mode three: later"},
        {"net make a --mode one --mode two", -EINVAL, "twice"},
        {"net make a --gone", -ENOSYS, "--gone: comes later"},
        {"net ls --local", -EINVAL, "unknown option --local"},
        {"-o dot net ls", -EINVAL, "\"dot\""},
        {"--sokcet x net ls", -EINVAL, "did you mean --socket?"},
        {"net ls -- x", -EINVAL, "nothing may follow --"},
        {"run", -EINVAL, "(-- CMD"},
        {"run --", -EINVAL, "(-- CMD"},
        {"run ls", -EINVAL, "behind --"},
        {"run ls -l /", -EINVAL, "behind -- (-- ls"},
        {"run -l ls", -EINVAL, "unknown option -l"},
        {"mix a b c d", -EINVAL, "too many, \"d\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct line l;
        struct args a;
        struct err err;
        int r = parse(&l, cases[i].text, &a, &err);
        if (r != cases[i].code || !strstr(err.why, cases[i].why))
            print_error("\"%s\": %d %s\n", cases[i].text, r, err.why);
        assert_int_equal(r, cases[i].code);
        assert_non_null(strstr(err.why, cases[i].why));
        args_done(&a);
    }
}

static void values(void **state)
{
    struct line l;
    struct args a;
    struct err err;
    unsigned at = 0;
    (void)state;
    assert_int_equal(parse(&l, "net make --vlan 1 a --vlan=2 --local x", &a, &err), 0);
    assert_string_equal(a.words[0], "a");
    assert_string_equal(a.words[1], "x");
    assert_string_equal(args_next(&a, "vlan", &at), "1");
    assert_string_equal(args_next(&a, "vlan", &at), "2");
    assert_null(args_next(&a, "vlan", &at));
    assert_string_equal(args_value(&a, "vlan"), "2");
    assert_true(args_has(&a, "local"));
    assert_false(args_has(&a, "mode"));
    assert_null(args_value(&a, "local"));
    args_done(&a);

    assert_int_equal(parse(&l, "run -- a --vlan -- b", &a, &err), 0);
    assert_string_equal(a.rest[1], "--vlan");
    assert_string_equal(a.rest[3], "b");
    assert_null(a.rest[a.n_rest]);
    args_done(&a);
}

/* More words and options than a line may have are refused, not overrun. */
static void bounded(void **state)
{
    enum { N = ARGS_MAX + 50 };
    static const struct command many[] = {
        {.noun = "n", .max = 2 * N, .usage = "", .options = make_options}, {0}};
    char word[] = "w", option[] = "--local", noun[] = "n", name[] = "iothctl";
    char *argv[N + 3] = {name, noun};
    (void)state;
    for (int pass = 0; pass < 2; pass++) {
        struct args a;
        struct err err = {0};
        for (int i = 2; i < N + 2; i++)
            argv[i] = pass ? option : word;
        assert_int_equal(args_parse(N + 2, argv, many, globals, &a, &err), -EINVAL);
        assert_non_null(strstr(err.why, "more than 256"));
        args_done(&a);
    }
}

/* The real table: every row is either built or says why not, has help, and its options do not
 * shadow global ones but for those that mean the same. */
static void real_table(void **state)
{
    (void)state;
    for (const struct command *c = commands; c->noun; c++) {
        assert_true((c->run != NULL) != (c->later != NULL));
        assert_non_null(c->usage);
        assert_non_null(c->help);
        assert_true(c->min <= c->max || (c->flags & COMMAND_REST));
        for (const struct command *d = c + 1; d->noun; d++)
            assert_false(strcmp(c->noun, d->noun) == 0 && (!c->verb) == (!d->verb) &&
                         (!c->verb || strcmp(c->verb, d->verb) == 0));
        for (const struct option_row *o = c->options; o && o->name; o++) {
            assert_non_null(o->help);
            for (const struct option_row *g = global_options; g->name; g++) {
                /* --host of service create is where it runs. */
                assert_true(
                    strcmp(o->name, "output") == 0 || strcmp(o->name, g->name) != 0 ||
                    (strcmp(c->noun, "service") == 0 && strcmp(o->name, "host") == 0));
                assert_true(!o->letter || o->letter != g->letter ||
                            strcmp(o->name, "output") == 0);
            }
        }
        if (c->later)
            continue;
        char *text = NULL;
        size_t size = 0;
        FILE *out = open_memstream(&text, &size);
        assert_non_null(out);
        help_print(out, c->noun, c);
        assert_int_equal(fclose(out), 0);
        assert_non_null(strstr(text, c->help));
        free(text);
    }
}

static void near_words(void **state)
{
    struct words w = {0};
    (void)state;
    words_add_split(&w, "alpha|beta|gamma", "beta");
    words_add_once(&w, "alpha");
    assert_int_equal(w.n, 2);
    char *near = words_near(&w, "gama");
    assert_string_equal(near, "did you mean gamma?");
    free(near);
    near = words_near(&w, "zzzzzzzz");
    assert_string_equal(near, "valid: alpha, gamma");
    free(near);
    words_done(&w);
    assert_true(words_in("a|bc", "bc"));
    assert_true(words_in("a|bc", "a"));
    assert_false(words_in("a|bc", "b"));
    assert_false(words_in("a|bc", ""));
    assert_false(words_in("a|bc", NULL));
}

/* Every command that changes what a fabric file can say prints that file when asked to. */
static void changes_print_files(void **state)
{
    static const char *const verbs = "create|add|set|rm|rename";
    static const char *const not_objects = "token|store|router";
    unsigned n = 0;
    (void)state;
    for (const struct command *c = commands; c->noun; c++) {
        if (c->later || !c->verb || !words_in(verbs, c->verb) ||
            words_in(not_objects, c->noun))
            continue;
        const struct option_row *o = c->options;
        while (o && o->name && strcmp(o->name, "print-yaml") != 0)
            o++;
        if (!o || !o->name)
            fail_msg("%s %s has no --print-yaml", c->noun, c->verb);
        n++;
    }
    assert_true(n >= 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts),
        cmocka_unit_test(refuses),
        cmocka_unit_test(values),
        cmocka_unit_test(bounded),
        cmocka_unit_test(real_table),
        cmocka_unit_test(near_words),
        cmocka_unit_test(changes_print_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
