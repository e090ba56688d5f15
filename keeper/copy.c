/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keeper/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper/state.h"
#include "proto/base/fd.h"
#include "proto/base/xalloc.h"

#define NO_ANSWER   (15 * MTIME_SEC)
#define AGAIN_LATER (200 * MTIME_MS)
#define AGAIN_SOON  (5 * MTIME_MS) /* While everybody waits. */

enum { SHARED_UNKNOWN, SHARED_NOT, SHARED_YES };

static void go_on(struct copy *);

static void drop_mark(struct copy *c)
{
    if (c->mark[0] && c->root >= 0)
        (void)unlinkat(c->root, TREE_PART_NAME, 0);
    c->mark[0] = '\0';
}

static void forget(struct copy *c)
{
    drop_mark(c);
    fd_close(&c->fd);
    fd_close(&c->root);
    tree_done(&c->tree);
    c->at = 0;
}

static void again(struct copy *c, mtime_t wait)
{
    loop_timer_set(c->loop, &c->again, loop_now(c->loop) + wait);
}

/* The pass begins anew in a while. */
static void fail(struct copy *c, const char *why)
{
    forget(c);
    c->folder = 0;
    c->id = 0;
    c->failures++;
    c->failed(c, why);
    again(c, AGAIN_LATER);
}

static void fail_at(struct copy *c, const char *path, int code)
{
    char why[320];

    (void)snprintf(why, sizeof why, "copying its state: %.200s: %s", path, err_text(code));
    fail(c, why);
}

static void ask(struct copy *c, const char *op, struct node *node)
{
    c->id = ++c->last_id;
    node_set_text(node, "type", "fetch");
    node_set_int(node, "id", c->id);
    node_set_text(node, "op", op);
    node_set_int(node, "folder", c->folder);
    if (c->stopped)
        node_set_bool(node, "stopped", true);
    again(c, NO_ANSWER);
    c->ask(c, node);
}

static void ask_list(struct copy *c)
{
    struct node *node = node_map();

    node_set_int(node, "from", (int64_t)c->tree.n);
    ask(c, "list", node);
}

/* --- making entries ------------------------------------------------------------------------- */

/* Whether it need not be fetched again. */
static bool is_same_file(const struct tree_entry *e, const struct stat *st)
{
    return !e->fresh && S_ISREG(st->st_mode) && (uint64_t)st->st_size == e->size &&
           (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000 ==
               e->mtime_us &&
           (st->st_mode & 07777) == e->mode;
}

static int make_link(int at, const char *name, const struct tree_entry *e)
{
    char now[TREE_PATH_MAX + 1];
    ssize_t n = readlinkat(at, name, now, sizeof now - 1);

    if (n >= 0 && (size_t)n == strlen(e->target) && memcmp(now, e->target, (size_t)n) == 0)
        return 0;
    if (unlinkat(at, name, 0) < 0 && errno != ENOENT)
        return -errno;
    return symlinkat(e->target, at, name) < 0 ? -errno : 0;
}

static int make_folder(int at, const char *name, const struct tree_entry *e)
{
    int fd;

    if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
        return -errno;
    fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    /* Whoever copies has to get in. */
    (void)fchmod(fd, (mode_t)e->mode | 0700);
    (void)unlinkat(fd, TREE_PART_NAME, 0);
    close(fd);
    return 0;
}

/* Makes the entry, or opens the file that is to be fetched: 1. */
static int make_entry(struct copy *c, const struct tree_entry *e)
{
    const char *name;
    int at = tree_parent(c->root, e->path, &name), r = 0;
    struct stat st;

    if (at < 0)
        return at;
    if (e->type == 'l') {
        r = make_link(at, name, e);
    } else if (e->type == 'd') {
        r = make_folder(at, name, e);
    } else if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !is_same_file(e, &st)) {
        (void)unlinkat(at, TREE_PART_NAME, 0);
        c->fd = openat(at, TREE_PART_NAME,
                       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        c->offset = 0;
        r = c->fd < 0 ? -errno : 1;
    }
    close(at);
    return r;
}

/* The file is whole: it takes its place. One that may change once more without showing it gets a time
 * that is not its own, so that the last pass fetches it again. */
static int finish_file(struct copy *c, const struct tree_entry *e)
{
    int64_t mtime_us = e->mtime_us - (e->fresh && !c->stopped ? 1 : 0);
    const struct timespec times[2] = {
        {.tv_nsec = UTIME_OMIT},
        {.tv_sec = mtime_us / 1000000, .tv_nsec = mtime_us % 1000000 * 1000}};
    const char *name;
    int at = tree_parent(c->root, e->path, &name), r = at < 0 ? at : 0;

    if (r == 0 && (fchmod(c->fd, (mode_t)e->mode) < 0 || futimens(c->fd, times) < 0 ||
                   renameat(at, TREE_PART_NAME, at, name) < 0))
        r = -errno;
    fd_close(&c->fd);
    fd_close(&at);
    return r;
}

/* --- what is not there any more -------------------------------------------------------------- */

/* Of what no tree shows. */
static void empty(int at, const char *name)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd >= 0)
        (void)unlinkat(fd, TREE_PART_NAME, 0);
    fd_close(&fd);
}

static int take_away(struct copy *c)
{
    struct tree here;
    struct err err = {.why = ""};
    int r = tree_read(c->root, &here, &err);

    for (size_t i = here.n; r == 0 && i-- > 0;) {
        const struct tree_entry *e = &here.list[i];
        const struct tree_entry *there = tree_find(&c->tree, e->path);
        const char *name;
        int at;

        if (there && there->type == e->type)
            continue;
        at = tree_parent(c->root, e->path, &name);
        if (e->type == 'd')
            empty(at, name);
        if (at < 0 ||
            (unlinkat(at, name, e->type == 'd' ? AT_REMOVEDIR : 0) < 0 && errno != ENOENT))
            r = at < 0 ? at : -errno;
        fd_close(&at);
    }
    tree_done(&here);
    return r;
}

/* --- the pass ------------------------------------------------------------------------------- */

static int open_root(struct copy *c)
{
    const struct node *list = node_get(c->spec->body, "state");
    const char *path = list->child[c->folder]->text;

    c->root = state_open(c->spec, c->folder);
    if (c->root == -ENOENT && c->tree.n == 0)
        return -ENOENT; /* It is nowhere. */
    if (c->root == -ENOENT && mkdir(path, 0700) == 0)
        c->root = state_open(c->spec, c->folder);
    return c->root < 0 ? c->root : 0;
}

static void next_folder(struct copy *c)
{
    forget(c);
    if (++c->folder < (int64_t)state_folders(c->spec)) {
        ask_list(c);
        return;
    }
    loop_timer_set(c->loop, &c->again, MTIME_NEVER);
    c->running = false;
    c->failures = 0;
    c->passed = c->pass;
    c->done(c);
}

static void ask_file(struct copy *c, const char *name)
{
    struct node *node = node_map();
    char *path = tree_text(name, strlen(name));

    node_set_text(node, "path", path);
    node_set_int(node, "offset", (int64_t)c->offset);
    free(path);
    ask(c, "read", node);
}

/* Leaves something in the folder that nobody else can have. False where that cannot be done: then nothing
 * can be copied there either. */
static bool leave_mark(struct copy *c)
{
    uint8_t random[16];
    int fd;

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return false;
    (void)unlinkat(c->root, TREE_PART_NAME, 0);
    fd = openat(c->root, TREE_PART_NAME,
                O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    for (size_t i = 0; i < sizeof random; i++)
        (void)snprintf(c->mark + 2 * i, 3, "%02x", random[i]);
    if (write(fd, c->mark, strlen(c->mark)) != (ssize_t)strlen(c->mark))
        drop_mark(c);
    close(fd);
    return c->mark[0] != '\0';
}

/* What is listed is to be here too. */
static void make_same(struct copy *c)
{
    const struct node *list = node_get(c->spec->body, "state");
    int r = take_away(c);

    if (r < 0)
        fail_at(c, list->child[c->folder]->text, r);
    else
        go_on(c);
}

static void heard_mark(struct copy *c, const struct node *answer)
{
    size_t size = 0;
    uint8_t *data = tree_data(node_get_text(answer, "data", ""), &size);
    bool shared = data && size == strlen(c->mark) && memcmp(data, c->mark, size) == 0;

    free(data);
    drop_mark(c);
    c->shared[c->folder] = shared ? SHARED_YES : SHARED_NOT;
    if (shared)
        next_folder(c);
    else
        make_same(c);
}

static void listed(struct copy *c)
{
    const struct node *list = node_get(c->spec->body, "state");
    int r = open_root(c);

    if (r == -ENOENT && c->tree.n == 0) {
        next_folder(c);
        return;
    }
    c->offset = 0;
    if (r < 0)
        fail_at(c, list->child[c->folder]->text, r);
    else if (c->shared[c->folder] == SHARED_YES)
        next_folder(c);
    else if (c->shared[c->folder] == SHARED_UNKNOWN && leave_mark(c))
        ask_file(c, TREE_PART_NAME);
    else
        make_same(c);
}

/* From entry to entry, until one has to be fetched. */
static void go_on(struct copy *c)
{
    for (; c->at < c->tree.n; c->at++) {
        int r = make_entry(c, &c->tree.list[c->at]);

        if (r < 0) {
            fail_at(c, c->tree.list[c->at].path, r);
            return;
        }
        if (r == 1) {
            ask_file(c, c->tree.list[c->at].path);
            return;
        }
    }
    next_folder(c);
}

static void heard_list(struct copy *c, const struct node *answer)
{
    const struct node *entries = node_get(answer, "entries");

    for (size_t i = 0; entries && i < entries->n; i++) {
        struct tree_entry e;

        if (c->tree.n >= TREE_MAX || !tree_entry_parse(entries->child[i], &e))
            continue;
        /* In order, so that it can be searched. */
        if (c->tree.n && strcmp(c->tree.list[c->tree.n - 1].path, e.path) >= 0) {
            tree_entry_done(&e);
            continue;
        }
        if (c->tree.n == c->tree.room) {
            c->tree.room = c->tree.room * 2 + 64;
            c->tree.list = xrealloc(c->tree.list, c->tree.room * sizeof *c->tree.list);
        }
        c->tree.list[c->tree.n++] = e;
        c->progress++;
    }
    if (node_get_bool(answer, "more", false) && entries && entries->n)
        ask_list(c);
    else
        listed(c);
}

static void heard_part(struct copy *c, const struct node *answer)
{
    const struct tree_entry *e = &c->tree.list[c->at];
    size_t size = 0;
    uint8_t *data = tree_data(node_get_text(answer, "data", "?"), &size);
    int r = 0;

    if (!data || (size && write(c->fd, data, size) != (ssize_t)size))
        r = data ? -EIO : -EBADMSG;
    free(data);
    c->offset += size;
    c->progress += (int64_t)size + 1;
    if (r == 0 && size == STATE_PART) {
        ask_file(c, e->path);
        return;
    }
    if (r == 0)
        r = finish_file(c, e);
    if (r < 0) {
        fail_at(c, e->path, r);
        return;
    }
    c->at++;
    go_on(c);
}

/* The file that is asked for went after it was listed, and so it goes here. */
static void heard_gone(struct copy *c)
{
    const char *name;
    int at = tree_parent(c->root, c->tree.list[c->at].path, &name);

    fd_close(&c->fd);
    if (at >= 0) {
        (void)unlinkat(at, TREE_PART_NAME, 0);
        (void)unlinkat(at, name, 0);
    }
    fd_close(&at);
    c->at++;
    go_on(c);
}

void copy_heard(struct copy *c, int64_t id, const struct node *answer)
{
    const char *error = node_get_text(answer, "error", NULL);

    if (!c->running || !c->id || id != c->id)
        return;
    c->id = 0;
    if (!answer || (!node_get(answer, "entries") && !node_get(answer, "data") &&
                    !node_get(answer, "gone") && !error)) {
        forget(c); /* Not now: its program has not stopped, or nobody was there. */
        c->folder = 0;
        again(c, c->stopped && answer ? AGAIN_SOON : AGAIN_LATER);
    } else if (c->mark[0]) { /* An error is an answer, too: there is no such file. */
        heard_mark(c, answer);
    } else if (error) {
        fail(c, error);
    } else if (c->fd >= 0 && node_get(answer, "gone")) {
        heard_gone(c);
    } else if (c->fd >= 0) {
        heard_part(c, answer);
    } else {
        heard_list(c, answer);
    }
}

static void expired(struct loop_timer *timer, mtime_t now)
{
    struct copy *c = list_entry(timer, struct copy, again);

    (void)now;
    if (c->running && c->id)
        copy_heard(c, c->id, NULL);
    else if (c->running)
        ask_list(c);
}

static void stop(struct copy *c)
{
    forget(c);
    loop_timer_set(c->loop, &c->again, MTIME_NEVER);
    c->running = false;
    c->id = 0;
    c->folder = 0;
}

static void start(struct copy *c, unsigned pass)
{
    stop(c);
    if (!c->shared)
        c->shared = xcalloc(state_folders(c->spec) + 1, 1);
    c->failures = 0;
    c->pass = pass;
    c->stopped = pass == 2;
    c->running = true;
    ask_list(c);
}

/* What is known is of no use. */
static void begin_anew(struct copy *c)
{
    stop(c);
    free(c->shared);
    c->shared = NULL;
    c->passed = 0;
    c->failures = 0;
}

static bool has_same_folders(const struct spec *a, const struct spec *b)
{
    return a && b && node_equal(node_get(a->body, "state"), node_get(b->body, "state"));
}

void copy_want(struct copy *c, const struct spec *spec, int64_t move, unsigned passes)
{
    if (passes == 0 || move != c->move || !has_same_folders(c->spec, spec))
        begin_anew(c);
    c->spec = spec;
    c->move = move;
    if (c->passed < passes && (!c->running || c->pass != passes))
        start(c, passes);
}

void copy_free(struct copy *c)
{
    begin_anew(c);
}

void copy_init(struct copy *c, struct loop *loop)
{
    c->loop = loop;
    c->root = c->fd = -1;
    c->again.expired = expired;
}
