/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* State folders from one keeper to another: what arrives is what was there; and what a keeper that
 * lies can do. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "keeper/copy.h"
#include "keeper/state.h"
#include "proto/base/xalloc.h"

struct world {
    char base[64];
    struct loop *loop;
    struct spec from, to;
    struct state state;
    struct copy copy;
    struct node *asked; /* The question that is out. */
    bool runs;          /* The program there. */
    unsigned done, failed, reads;
    char why[320];
};

static void take_question(struct copy *copy, struct node *node)
{
    struct world *w = list_entry(copy, struct world, copy);

    assert_null(w->asked);
    w->asked = node;
}

static void pass_done(struct copy *copy)
{
    list_entry(copy, struct world, copy)->done++;
}

static void pass_failed(struct copy *copy, const char *why)
{
    struct world *w = list_entry(copy, struct world, copy);

    w->failed++;
    (void)snprintf(w->why, sizeof w->why, "%s", why);
}

static struct node *body_of(const char *base, const char *name)
{
    struct node *body = node_map(), *list = node_list();
    char *path = xasprintf("%s/%s", base, name);

    node_append(list, node_text(path));
    node_set(body, "state", list);
    free(path);
    return body;
}

static int setup(void **state)
{
    static struct world w;

    memset(&w, 0, sizeof w);
    (void)snprintf(w.base, sizeof w.base, "/tmp/ioth-copy-XXXXXX");
    if (!mkdtemp(w.base))
        return -1;
    w.loop = loop_new();
    w.from.body = body_of(w.base, "from");
    w.to.body = body_of(w.base, "to");
    state_init(&w.state);
    copy_init(&w.copy, w.loop);
    w.copy.ask = take_question;
    w.copy.done = pass_done;
    w.copy.failed = pass_failed;
    *state = &w;
    return 0;
}

static int run(const struct world *w, const char *command)
{
    char *line = xasprintf("cd %s && %s", w->base, command);
    int r = system(line); /* NOLINT: of this test's own making. */

    free(line);
    return r;
}

static int teardown(void **state)
{
    struct world *w = *state;

    copy_free(&w->copy);
    state_done(&w->state);
    node_free(w->asked);
    node_free(w->from.body);
    node_free(w->to.body);
    loop_free(w->loop);
    return run(w, "chmod -R u+rwx . && rm -r $PWD");
}

static void answer(struct world *w, const struct node *node)
{
    int64_t id = node_get_int(w->asked, "id", 0);

    node_free(w->asked);
    w->asked = NULL;
    copy_heard(&w->copy, id, node);
}

/* Answers whatever is asked until the pass is done or has failed. */
static void answer_all(struct world *w)
{
    unsigned failed = w->failed, done = w->done;

    while (w->asked && w->failed == failed && w->done == done) {
        struct node *node = state_answer(&w->state, &w->from, w->runs, w->asked);

        w->reads += strcmp(node_get_text(w->asked, "op", ""), "read") == 0;
        answer(w, node);
        node_free(node);
        if (!w->asked && w->failed == failed && w->done == done)
            loop_turn(w->loop, mtime_now() + MTIME_SEC);
    }
}

static void pass_of(struct world *w, int64_t move, unsigned number)
{
    unsigned done = w->done;

    w->reads = 0;
    copy_want(&w->copy, &w->to, move, number);
    answer_all(w);
    assert_string_equal(w->why, "");
    assert_int_equal(w->done, done + 1);
}

static void pass(struct world *w, unsigned number)
{
    pass_of(w, 1, number);
}

/* All files are older than any step in which a file system tells the time. */
static void age(const struct world *w)
{
    assert_int_equal(
        run(w, "find from -type f -newermt '-10 seconds' -exec touch -d '-1 minute' {} +"),
        0);
}

static void what_was_there_arrives(void **state)
{
    struct world *w = *state;

    assert_int_equal(
        run(w,
            "mkdir -p from/a/b from/empty && head -c 200000 /dev/urandom >from/a/b/large &&"
            "echo text >from/small && : >from/none && chmod 600 from/small &&"
            "ln -s ../outside from/a/link && mkfifo from/fifo && chmod 500 from/empty &&"
            "for i in $(seq 450); do : >from/a/$i; done"),
        0);
    age(w);
    pass(w, 1);
    /* Whether the folder is the same one is asked for; the large file comes in four parts. */
    assert_int_equal(w->reads, 1 + 4 + 1 + 1 + 450);
    assert_int_equal(run(w, "rm from/fifo && diff -r --no-dereference from to"), 0);
    assert_int_equal(run(w, "[ $(stat -c %a to/small) = 600 ]"), 0);
    assert_int_equal(run(w, "[ $(stat -c %Y to/small) = $(stat -c %Y from/small) ]"), 0);

    /* The next pass fetches what differs, and takes away what went. */
    assert_int_equal(run(w, "rm -r from/a/b from/a/7 && echo longer >>from/small &&"
                            "rm from/a/link && mkdir from/a/link && rm -r from/empty &&"
                            "echo now a file >from/empty"),
                     0);
    age(w);
    pass(w, 2);
    assert_int_equal(w->reads, 2);
    assert_int_equal(run(w, "diff -r --no-dereference from to"), 0);
    pass_of(w, 2, 1);
    assert_int_equal(w->reads, 1);
}

/* What was copied for a move that failed is old when the next one comes; and so it is if the folders are others
 * than they were. */
static void each_move_has_its_passes(void **state)
{
    struct world *w = *state;
    struct node *other = body_of(w->base, "other");

    assert_int_equal(run(w, "mkdir from && echo 1 >from/count"), 0);
    pass_of(w, 1, 1);
    pass_of(w, 1, 2);
    assert_int_equal(w->copy.passed, 2);
    copy_want(&w->copy, &w->to, 1, 2); /* It is done. */
    assert_null(w->asked);
    assert_int_equal(w->copy.passed, 2);

    assert_int_equal(run(w, "echo 22 >from/count"), 0);
    copy_want(&w->copy, &w->to, 2, 1);
    assert_int_equal(w->copy.passed, 0);
    answer_all(w);
    assert_int_equal(w->copy.passed, 1);
    assert_int_equal(run(w, "diff -r from to"), 0);
    pass_of(w, 2, 2);

    struct spec elsewhere = {.body = other};
    copy_want(&w->copy, &elsewhere, 2, 2);
    assert_int_equal(w->copy.passed, 0);
    answer_all(w);
    assert_int_equal(w->copy.passed, 2);
    assert_int_equal(run(w, "diff -r from other"), 0);
    copy_want(&w->copy, &elsewhere, 2, 0);
    assert_int_equal(w->copy.passed, 0);
    copy_want(&w->copy, NULL, 0, 0);
    node_free(other);
}

static void the_last_pass_waits_for_the_end(void **state)
{
    struct world *w = *state;
    struct node *node;

    assert_int_equal(run(w, "mkdir from && echo 1 >from/count"), 0);
    pass(w, 1);
    w->runs = true;
    copy_want(&w->copy, &w->to, 1, 2);
    for (int i = 0; i < 3; i++) {
        assert_non_null(w->asked);
        node = state_answer(&w->state, &w->from, true, w->asked);
        answer(w, node);
        node_free(node);
        assert_null(w->asked);
        while (!w->asked)
            loop_turn(w->loop, mtime_now() + MTIME_SEC);
    }
    assert_int_equal(run(w, "echo 22 >from/count"), 0);
    w->runs = false;
    answer_all(w);
    assert_int_equal(w->done, 2);
    assert_int_equal(run(w, "diff -r from to"), 0);
}

/* NFS, or two daemons of one machine: what the program has open stays what it is. */
static void a_shared_folder_is_left_alone(void **state)
{
    struct world *w = *state;
    struct node *node;

    node_free(w->to.body);
    w->to.body = body_of(w->base, "from");
    assert_int_equal(run(w,
                         "mkdir -p from/sub && echo 1 >from/count && echo 2 >from/sub/x &&"
                         "stat -c '%n %i %y' from/count from/sub/x >before"),
                     0);
    w->runs = true;
    pass(w, 1);
    assert_int_equal(w->reads, 1);
    copy_want(&w->copy, &w->to, 1, 2); /* It waits for the end all the same. */
    node = state_answer(&w->state, &w->from, true, w->asked);
    answer(w, node);
    node_free(node);
    while (!w->asked)
        loop_turn(w->loop, mtime_now() + MTIME_SEC);
    assert_int_equal(w->done, 1);
    w->runs = false;
    answer_all(w);
    assert_int_equal(w->done, 2);
    assert_int_equal(w->reads, 1);
    assert_int_equal(run(w, "stat -c '%n %i %y' from/count from/sub/x | cmp - before &&"
                            "[ \"$(ls -A from | tr '\\n' ' ')\" = 'count sub ' ]"),
                     0);
}

/* Size and time are the same, as where a file system tells the time in coarse steps: it had changed
 * just before it was listed, so that is no reason to leave it. */
static void a_fresh_file_comes_again(void **state)
{
    struct world *w = *state;

    assert_int_equal(run(w, "mkdir from && echo 1 >from/count && touch -r from/count mark"),
                     0);
    pass(w, 1);
    assert_int_equal(run(w, "echo 2 >from/count && touch -r mark from/count"), 0);
    pass(w, 2);
    assert_int_equal(run(w, "diff -r from to"), 0);
    assert_int_equal(run(w, "[ $(stat -c %Y to/count) = $(stat -c %Y mark) ]"), 0);
}

/* Between the listing and the reading: the others come, and what was here of it goes. */
static void a_file_may_go(void **state)
{
    struct world *w = *state;

    assert_int_equal(run(w, "mkdir -p from/sub to && echo 1 >from/a && echo 2 >from/b &&"
                            "echo 3 >from/c && echo 4 >from/sub/d && echo old >to/a"),
                     0);
    copy_want(&w->copy, &w->to, 1, 1);
    while (w->asked &&
           (strcmp(node_get_text(w->asked, "op", ""), "read") != 0 || w->copy.mark[0])) {
        struct node *node = state_answer(&w->state, &w->from, false, w->asked);

        answer(w, node);
        node_free(node);
    }
    /* One went, one is a link now, and one is below what is a file. */
    assert_int_equal(
        run(w, "rm -r from/a from/c from/sub && ln -s b from/c && : >from/sub"), 0);
    answer_all(w);
    assert_string_equal(w->why, "");
    assert_int_equal(w->done, 1);
    assert_int_equal(run(w, "[ ! -e to/a ] && cmp from/b to/b && [ ! -e to/c ]"), 0);
    pass(w, 2);
    assert_int_equal(run(w, "diff -r --no-dereference from to"), 0);
}

static void no_folder_is_no_hindrance(void **state)
{
    struct world *w = *state;

    pass(w, 1);
    assert_int_equal(run(w, "[ ! -e to ]"), 0);
}

static struct node *listing(const struct tree_entry *entries, size_t n)
{
    struct node *node = node_map(), *list = node_list();

    for (size_t i = 0; i < n; i++)
        node_append(list, tree_entry_node(&entries[i]));
    node_set(node, "entries", list);
    return node;
}

/* The answer to whether the folder is the same. */
static void is_another(struct world *w)
{
    struct node *node = node_map();

    node_set_text(node, "data", "bGll");
    answer(w, node);
    node_free(node);
}

/* The same, but that the second listing is so much later that the change is an old one by then. */
static void what_was_fresh_once_comes_again(void **state)
{
    struct world *w = *state;
    char path[] = "count";
    struct tree_entry e = {.path = path,
                           .type = 'f',
                           .mode = 0600,
                           .size = 2,
                           .mtime_us = (int64_t)1700000000 * 1000000,
                           .fresh = true};

    assert_int_equal(run(w, "mkdir from && echo 1 >from/count"), 0);
    for (unsigned number = 1; number <= 2; number++) {
        struct node *node = listing(&e, 1);

        copy_want(&w->copy, &w->to, 1, number);
        answer(w, node);
        node_free(node);
        answer_all(w);
        assert_int_equal(w->done, number);
        assert_int_equal(run(w, "diff -r from to && echo 2 >from/count"), 0);
        e.fresh = false;
    }
    assert_int_equal(run(w, "[ $(stat -c %Y to/count) = 1700000000 ]"), 0);
}

/* Nothing outside of the folder is touched, whatever the other side says. */
static void a_liar_stays_inside(void **state)
{
    struct world *w = *state;
    char up[] = "../outside/x", root[] = "/etc/x", dots[] = "a/../../outside/x",
         link[] = "link", below[] = "link/x", target[] = "../outside", fine[] = "z";
    const struct tree_entry lies[] = {
        {.path = up, .type = 'f', .mode = 0600},
        {.path = root, .type = 'f', .mode = 0600},
        {.path = dots, .type = 'd', .mode = 0700},
        {.path = link, .type = 'l', .target = target},
        {.path = below, .type = 'f', .mode = 0600},
        {.path = fine, .type = 'd', .mode = 0700},
    };
    struct node *node = listing(lies, sizeof lies / sizeof lies[0]);

    assert_int_equal(run(w, "mkdir outside to && echo mine >outside/y"), 0);
    copy_want(&w->copy, &w->to, 1, 1);
    answer(w, node);
    node_free(node);
    is_another(w);
    assert_int_equal(w->done, 0);
    assert_int_equal(w->failed, 1);
    assert_non_null(strstr(w->why, "link/x"));
    assert_int_equal(run(w, "[ \"$(ls outside)\" = y ] && [ -L to/link ]"), 0);

    /* What is no entry at all is passed over; an empty list empties the folder. */
    node = node_map();
    node_set(node, "entries", node_list());
    node_append(node_get(node, "entries"), node_text("nonsense"));
    copy_want(&w->copy, &w->to, 2, 1);
    answer(w, node);
    node_free(node);
    is_another(w);
    assert_int_equal(w->done, 1);
    assert_int_equal(run(w, "[ -z \"$(ls to)\" ] && [ \"$(ls outside)\" = y ]"), 0);

    node = node_map();
    node_set_text(node, "error", "no such folder");
    copy_want(&w->copy, &w->to, 3, 1);
    answer(w, node);
    node_free(node);
    assert_string_equal(w->why, "no such folder");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_was_there_arrives),
        TEST(each_move_has_its_passes),
        TEST(the_last_pass_waits_for_the_end),
        TEST(a_shared_folder_is_left_alone),
        TEST(no_folder_is_no_hindrance),
        TEST(a_file_may_go),
        TEST(a_fresh_file_comes_again),
        TEST(what_was_fresh_once_comes_again),
        TEST(a_liar_stays_inside),

    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
