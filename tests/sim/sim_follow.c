/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A founding host and its followers in virtual time: the real pipes, sources and followers over
 * links that break at any moment, hosts that restart, disks that refuse.
 *
 *        founder (the store)
 *        /     |      \
 *      f0     f1  …   f5      each with a copy and a mark of how far it is
 *
 * Held to: a change that was accepted stays; who is told of a result finds it in its own copy;
 * once all is quiet, all copies are the store.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/xalloc.h"
#include "proto/sync/follower.h"
#include "proto/sync/pipe.h"
#include "proto/sync/source.h"

#define N_FOLLOWERS  6
#define N_KEYS       40
#define HISTORY_KEPT 60 /* Revisions; a follower that is further back needs a snapshot. */
#define STORE_ID     77u
#define FRAMES_MAX   4096

struct copy {
    char *value[N_KEYS]; /* NULL = not there. */
    uint64_t revision[N_KEYS];
};

struct change {
    uint64_t revision;
    int key;
    char *value;
};

struct wire {
    uint8_t *frame[FRAMES_MAX];
    size_t size[FRAMES_MAX];
    unsigned head, tail;
};

struct world;

struct node_f {
    struct world *world;
    int index;
    bool connected;
    struct wire down, up; /* Towards the follower, towards the founder. */
    struct pipe_end at_founder, at_follower;
    struct source source;
    struct follower follower;
    /* On its disk: */
    struct copy copy;
    struct sync_follow mark;
    uint32_t asked;
    uint64_t accepted; /* Results that said yes. */
};

struct world {
    uint32_t seed;
    mtime_t now;
    struct copy store;
    uint64_t revision;
    struct change *log;
    size_t n_log, room_log;
    struct node_f f[N_FOLLOWERS];
    unsigned disk_full; /* One in so many writes fails; 0 = none. */
    uint64_t snapshots, refused;
};

static uint32_t chance(struct world *w, uint32_t n)
{
    w->seed = w->seed * 1664525u + 1013904223u;
    return (w->seed >> 8) % n;
}

/* --- the founder's store ------------------------------------------------------------------ */

static void commit(struct world *w, int key, const char *value)
{
    if (w->n_log == w->room_log) {
        w->room_log = w->room_log * 2 + 64;
        w->log = xrealloc(w->log, w->room_log * sizeof(*w->log));
    }
    w->revision++;
    w->log[w->n_log++] = (struct change){
        .revision = w->revision, .key = key, .value = value ? xstrdup(value) : NULL};
    free(w->store.value[key]);
    w->store.value[key] = value ? xstrdup(value) : NULL;
    w->store.revision[key] = w->revision;
}

static void make_row(struct sync_row *row, char name[16], int key, uint64_t revision,
                     char *value)
{
    static char kind[] = "network", network[] = "", owner[] = "cli";

    snprintf(name, 16, "k%03d", key);
    *row = (struct sync_row){.revision = revision,
                             .kind = kind,
                             .network = network,
                             .name = name,
                             .owner = owner,
                             .body = value};
}

static uint64_t store_revision_now(void *aux)
{
    const struct node_f *f = aux;

    return f->world->revision;
}

static int store_history_from(void *aux, uint64_t from, source_row_fn *each, void *x)
{
    struct node_f *f = aux;
    struct world *w = f->world;
    int r = 0;

    if (from > w->revision || from + HISTORY_KEPT < w->revision) {
        return -ERANGE;
    }
    for (size_t i = 0; i < w->n_log && !r; i++) {
        struct sync_row row;
        char name[16];

        if (w->log[i].revision > from) {
            make_row(&row, name, w->log[i].key, w->log[i].revision, w->log[i].value);
            r = each(x, &row);
        }
    }
    return r;
}

static int store_page(void *aux, const struct sync_row *after, source_row_fn *each, void *x)
{
    struct node_f *f = aux;
    struct world *w = f->world;
    int r = 0;

    for (int key = 0; key < N_KEYS && !r; key++) {
        struct sync_row row;
        char name[16];

        make_row(&row, name, key, w->store.revision[key], w->store.value[key]);
        if (row.body && (!after || strcmp(name, after->name) > 0)) {
            r = each(x, &row);
        }
    }
    return r;
}

/* --- wires -------------------------------------------------------------------------------- */

static void put_frame(struct wire *wire, const uint8_t *data, size_t size)
{
    unsigned at = wire->tail++ % FRAMES_MAX;

    assert_true(wire->tail - wire->head <= FRAMES_MAX);
    wire->frame[at] = xcalloc(1, size);
    memcpy(wire->frame[at], data, size);
    wire->size[at] = size;
}

static void cut(struct wire *wire)
{
    while (wire->head != wire->tail) {
        free(wire->frame[wire->head++ % FRAMES_MAX]);
    }
}

static void founder_frame(void *aux, const uint8_t *data, size_t size)
{
    struct node_f *f = aux;

    put_frame(&f->down, data, size);
}

static void follower_frame(void *aux, const uint8_t *data, size_t size)
{
    struct node_f *f = aux;

    put_frame(&f->up, data, size);
}

static void founder_send(void *aux, const void *data, size_t size)
{
    struct node_f *f = aux;

    assert_int_equal(pipe_send(&f->at_founder, data, size), 0);
}

static void follower_send(void *aux, const void *data, size_t size)
{
    struct node_f *f = aux;

    assert_int_equal(pipe_send(&f->at_follower, data, size), 0);
}

/* --- what hosts do with messages ---------------------------------------------------------- */

/* A request is "KEY VALUE": the founder commits it and answers behind the rows. */
static void serve(struct node_f *f, const struct sync_request *request)
{
    struct world *w = f->world;
    struct sync_message m = {.type = SYNC_RESULT};
    char value[400];
    int key;
    size_t size;
    uint8_t *data;

    assert_int_equal(sscanf(request->json, "%d %399s", &key, value), 2);
    commit(w, key, value);
    m.u.result.id = request->id;
    m.u.result.revision = w->revision;
    m.u.result.json = request->json;
    data = sync_encode(&m, &size);
    assert_non_null(data);
    source_after(&f->source, w->revision, data, size);
    free(data);
    for (int i = 0; i < N_FOLLOWERS; i++) {
        if (w->f[i].connected) {
            source_changed(&w->f[i].source);
        }
    }
}

static void at_founder(void *aux, const uint8_t *data, size_t size)
{
    struct node_f *f = aux;
    struct sync_message m;

    assert_int_equal(sync_decode(data, size, &m), 0);
    if (m.type == SYNC_FOLLOW) {
        source_follow(&f->source, &m.u.follow);
    } else if (m.type == SYNC_HAVE) {
        source_have(&f->source);
    } else {
        assert_int_equal(m.type, SYNC_REQUEST);
        serve(f, &m.u.request);
    }
    sync_done(&m);
}

static int apply(void *aux, const struct sync_rows *rows, bool snapshot)
{
    struct node_f *f = aux;
    struct world *w = f->world;

    if (w->disk_full && !chance(w, w->disk_full)) {
        w->refused++;
        return -ENOSPC;
    }
    for (int key = 0; snapshot && key < N_KEYS; key++) {
        free(f->copy.value[key]);
        f->copy.value[key] = NULL;
    }
    w->snapshots += snapshot;
    for (size_t i = 0; i < rows->n; i++) {
        int key = (int)strtol(rows->row[i].name + 1, NULL, 10);

        free(f->copy.value[key]);
        f->copy.value[key] = rows->row[i].body ? xstrdup(rows->row[i].body) : NULL;
        f->copy.revision[key] = rows->row[i].revision;
    }
    f->mark.store = rows->store;
    f->mark.revision = rows->revision;
    return 0;
}

/* The copy has the key's row of that revision, or a newer one. */
static void check_result(struct node_f *f, const struct sync_result *result)
{
    int key;

    if (f->world->refused) {
        return; /* Its own disk may have refused what it asked for; it will catch up. */
    }
    assert_int_equal(sscanf(result->json, "%d", &key), 1);
    assert_true(f->copy.revision[key] >= result->revision ||
                f->mark.revision >= result->revision);
    f->accepted++;
}

static void at_follower(void *aux, const uint8_t *data, size_t size)
{
    struct node_f *f = aux;
    struct sync_message m;

    assert_int_equal(sync_decode(data, size, &m), 0);
    if (m.type == SYNC_ROWS) {
        (void)follower_rows(&f->follower, &m.u.rows, f->world->now);
    } else {
        assert_int_equal(m.type, SYNC_RESULT);
        check_result(f, &m.u.result);
    }
    sync_done(&m);
}

static const struct source_ops source_ops = {store_revision_now, store_history_from,
                                             store_page, founder_send};
static const struct follower_ops follower_ops = {apply, follower_send};
static void founder_began(void *aux)
{
    struct node_f *f = aux;

    source_done(&f->source);
    source_init(&f->source, &source_ops, f, STORE_ID);
}

static void follower_began(void *aux)
{
    struct node_f *f = aux;

    follower_up(&f->follower, &f->mark);
}

static const struct pipe_ops founder_pipe = {founder_frame, founder_began, at_founder};
static const struct pipe_ops follower_pipe = {follower_frame, follower_began, at_follower};

/* --- events ------------------------------------------------------------------------------- */

static uint64_t number(struct world *w)
{
    return 1 + ((uint64_t)chance(w, 1u << 24) << 24 | chance(w, 1u << 24));
}

static void disconnect(struct node_f *f)
{
    if (!f->connected) {
        return;
    }
    f->connected = false;
    cut(&f->down);
    cut(&f->up);
    pipe_done(&f->at_founder);
    pipe_done(&f->at_follower);
    source_done(&f->source);
    follower_down(&f->follower);
}

static void connect_again(struct node_f *f)
{
    if (f->connected) {
        return;
    }
    f->connected = true;
    source_init(&f->source, &source_ops, f, STORE_ID);
    pipe_init(&f->at_founder, &founder_pipe, f, SYNC_MAX_MESSAGE, number(f->world));
    pipe_init(&f->at_follower, &follower_pipe, f, SYNC_MAX_MESSAGE, number(f->world));
}

/* A process of one end goes and comes again; the stream between the hosts stays. */
static void restart_founder_end(struct node_f *f)
{
    if (!f->connected) {
        return;
    }
    pipe_done(&f->at_founder);
    source_done(&f->source);
    source_init(&f->source, &source_ops, f, STORE_ID);
    pipe_init(&f->at_founder, &founder_pipe, f, SYNC_MAX_MESSAGE, number(f->world));
}

static void restart_follower_end(struct node_f *f)
{
    if (!f->connected) {
        return;
    }
    pipe_done(&f->at_follower);
    follower_done(&f->follower);
    follower_init(&f->follower, &follower_ops, f);
    pipe_init(&f->at_follower, &follower_pipe, f, SYNC_MAX_MESSAGE, number(f->world));
}

static void restart_follower(struct node_f *f)
{
    disconnect(f);
    follower_done(&f->follower);
    follower_init(&f->follower, &follower_ops, f);
}

static void ask(struct node_f *f)
{
    struct world *w = f->world;
    struct sync_message m = {.type = SYNC_REQUEST};
    char json[512], value[360];
    size_t size;
    uint8_t *data;

    memset(value, 'a' + (int)chance(w, 26), sizeof(value) - 1);
    value[1 + chance(w, sizeof(value) - 2)] = '\0';
    snprintf(json, sizeof(json), "%d %s", (int)chance(w, N_KEYS), value);
    m.u.request =
        (struct sync_request){.id = ++f->asked, .verb = SYNC_CHANGE, .json = json};
    data = sync_encode(&m, &size);
    assert_non_null(data);
    follower_send(f, data, size);
    free(data);
}

static bool deliver(struct node_f *f, bool down)
{
    struct wire *wire = down ? &f->down : &f->up;
    unsigned at = wire->head % FRAMES_MAX;
    int r;

    if (wire->head == wire->tail) {
        return false;
    }
    wire->head++;
    r = pipe_input(down ? &f->at_follower : &f->at_founder, wire->frame[at],
                   wire->size[at]);
    free(wire->frame[at]);
    assert_int_equal(r, 0);
    return true;
}

static void local_change(struct world *w)
{
    char value[24];

    if (!chance(w, 4)) {
        w->revision++; /* Something that is the founder's alone. */
        return;
    }
    snprintf(value, sizeof(value), "v%u", chance(w, 1000000));
    commit(w, (int)chance(w, N_KEYS), chance(w, 4) ? value : NULL);
    for (int i = 0; i < N_FOLLOWERS; i++) {
        if (w->f[i].connected) {
            source_changed(&w->f[i].source);
        }
    }
}

static void happen(struct world *w)
{
    struct node_f *f = &w->f[chance(w, N_FOLLOWERS)];
    uint32_t what = chance(w, 200);

    w->now += MTIME_MS;
    if (what < 150) {
        (void)deliver(f, what & 1);
    } else if (what < 165) {
        local_change(w);
    } else if (what < 185 && f->connected && f->at_follower.open) {
        ask(f);
    } else if (what < 195) {
        connect_again(f);
    } else if (what < 196) {
        disconnect(f);
    } else if (what < 197) {
        if (chance(w, 2)) {
            restart_founder_end(f);
        } else {
            restart_follower_end(f);
        }
    } else if (what < 198) {
        restart_follower(f);
    } else {
        follower_run(&f->follower, w->now);
    }
}

static void settle(struct world *w)
{
    bool moved = true;

    w->disk_full = 0;
    for (int i = 0; i < N_FOLLOWERS; i++) {
        connect_again(&w->f[i]);
    }
    w->now += 2 * FOLLOWER_RETRY;
    for (int i = 0; i < N_FOLLOWERS; i++) {
        follower_run(&w->f[i].follower, w->now);
    }
    while (moved) {
        moved = false;
        for (int i = 0; i < N_FOLLOWERS; i++) {
            moved = deliver(&w->f[i], true) || moved;
            moved = deliver(&w->f[i], false) || moved;
        }
    }
}

static void check_copies(const struct world *w)
{
    for (int i = 0; i < N_FOLLOWERS; i++) {
        const struct node_f *f = &w->f[i];

        assert_true(f->follower.current);
        assert_int_equal(f->mark.store, STORE_ID);
        for (int key = 0; key < N_KEYS; key++) {
            const char *is = f->copy.value[key], *wanted = w->store.value[key];

            if (!is != !wanted || (is && strcmp(is, wanted) != 0)) {
                fail_msg("follower %d, key %d: %s instead of %s", i, key,
                         is ? is : "nothing", wanted ? wanted : "nothing");
            }
        }
    }
}

/* The store itself is what its accepted changes make of it. */
static void check_store(const struct world *w)
{
    const char *value[N_KEYS] = {NULL};

    for (size_t i = 0; i < w->n_log; i++) {
        value[w->log[i].key] = w->log[i].value;
    }
    for (int key = 0; key < N_KEYS; key++) {
        assert_true(!value[key] == !w->store.value[key]);
        assert_true(!value[key] || !strcmp(value[key], w->store.value[key]));
    }
}

static void world_init(struct world *w, uint32_t seed)
{
    memset(w, 0, sizeof(*w));
    w->seed = seed;
    for (int i = 0; i < N_FOLLOWERS; i++) {
        w->f[i].world = w;
        w->f[i].index = i;
        follower_init(&w->f[i].follower, &follower_ops, &w->f[i]);
    }
}

static void world_done(struct world *w)
{
    for (int i = 0; i < N_FOLLOWERS; i++) {
        disconnect(&w->f[i]);
        follower_done(&w->f[i].follower);
        for (int key = 0; key < N_KEYS; key++) {
            free(w->f[i].copy.value[key]);
        }
    }
    for (int key = 0; key < N_KEYS; key++) {
        free(w->store.value[key]);
    }
    for (size_t i = 0; i < w->n_log; i++) {
        free(w->log[i].value);
    }
    free(w->log);
}

static void run(uint32_t seed, unsigned disk_full)
{
    struct world *w = xcalloc(1, sizeof(*w));
    uint64_t accepted = 0;

    world_init(w, seed);
    for (int round = 0; round < 6; round++) {
        w->disk_full = disk_full;
        for (int i = 0; i < 4000; i++) {
            happen(w);
        }
        settle(w);
        check_copies(w);
        check_store(w);
    }
    for (int i = 0; i < N_FOLLOWERS; i++) {
        accepted += w->f[i].accepted;
    }
    /* The run did what it is for. */
    assert_true(w->snapshots > 5);
    assert_true(disk_full ? w->refused > 5 : accepted > 100);
    world_done(w);
    free(w);
}

static void partitions_and_restarts(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 20; seed++) {
        run(seed, 0);
    }
}

static void full_disks(void **state)
{
    (void)state;
    for (uint32_t seed = 100; seed <= 110; seed++) {
        run(seed, 7);
    }
}

/* Rows far larger than a frame and than the window, in both kinds of catching up. */
static void large_stores(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    char *large = xcalloc(1, 200001);

    (void)state;
    world_init(w, 5);
    memset(large, 'x', 200000);
    for (int key = 0; key < N_KEYS; key++) {
        commit(w, key, large);
    }
    settle(w);
    check_copies(w);
    for (int i = 0; i < N_FOLLOWERS; i++) {
        disconnect(&w->f[i]);
    }
    large[0] = 'y';
    for (int key = 0; key < N_KEYS; key++) {
        commit(w, key, large);
    }
    settle(w);
    check_copies(w);
    assert_int_equal(w->snapshots, N_FOLLOWERS);
    free(large);
    world_done(w);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partitions_and_restarts),
        cmocka_unit_test(full_disks),
        cmocka_unit_test(large_stores),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
