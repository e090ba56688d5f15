/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The filtering database against a table that is searched from end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fabricd/switch/fdb.h"
#include "tests/unit/frames.h"

#define ROOM    24u
#define N_PORTS 4u
#define N_KEYS  64u
#define AGEING  (20 * MTIME_SEC)

struct naive_entry {
    bool used, fixed, dead;
    uint64_t key;
    unsigned port;
    mtime_t seen;
    uint64_t heard; /* Order of hearing. */
    unsigned moves;
    mtime_t moves_since;
};

struct naive {
    struct naive_entry e[ROOM];
    uint64_t clock;
};

static struct naive_entry *naive_find(struct naive *m, uint64_t key)
{
    for (unsigned i = 0; i < ROOM; i++) {
        if (m->e[i].used && m->e[i].key == key)
            return &m->e[i];
    }
    return NULL;
}

static unsigned naive_learnt(const struct naive *m, unsigned port)
{
    unsigned n = 0;

    for (unsigned i = 0; i < ROOM; i++)
        n += m->e[i].used && !m->e[i].fixed && m->e[i].port == port;
    return n;
}

/* The port with the most, the first of equals, loses what it heard longest ago. */
static struct naive_entry *naive_evict(struct naive *m)
{
    unsigned most = 0;
    struct naive_entry *oldest = NULL;

    for (unsigned p = 1; p < N_PORTS; p++) {
        if (naive_learnt(m, p) > naive_learnt(m, most))
            most = p;
    }
    for (unsigned i = 0; i < ROOM; i++) {
        struct naive_entry *e = &m->e[i];

        if (e->used && !e->fixed && e->port == most &&
            (!oldest || e->heard < oldest->heard))
            oldest = e;
    }
    if (oldest)
        oldest->used = false;
    return oldest;
}

static struct naive_entry *naive_take(struct naive *m, uint64_t key)
{
    struct naive_entry *e = NULL;

    for (unsigned i = 0; i < ROOM && !e; i++)
        e = m->e[i].used ? NULL : &m->e[i];
    if (!e)
        e = naive_evict(m);
    if (e)
        *e = (struct naive_entry){.used = true, .key = key};
    return e;
}

/* More than five moves in three minutes, and it stays for three minutes. */
static bool naive_may_move(struct naive_entry *e, mtime_t now)
{
    if (!e->moves || now / MTIME_SEC - e->moves_since >= 180) {
        e->moves = 0;
        e->moves_since = now / MTIME_SEC;
    }
    if (e->moves > 5)
        return false;
    if (++e->moves > 5)
        e->moves_since = now / MTIME_SEC;
    return e->moves <= 5;
}

static void naive_learn(struct naive *m, uint64_t key, unsigned port, mtime_t now)
{
    struct naive_entry *e = naive_find(m, key);

    if (e && e->fixed)
        return;
    if (e && e->port == port && !e->dead && now - e->seen < MTIME_SEC)
        return;
    if (e && e->dead)
        e->moves = 0;
    else if (e && e->port != port && !naive_may_move(e, now))
        return;
    if (!e)
        e = naive_take(m, key);
    if (!e)
        return;
    e->port = port;
    e->seen = now;
    e->dead = false;
    e->heard = ++m->clock;
}

static void naive_fix(struct naive *m, uint64_t key, unsigned port)
{
    struct naive_entry *e = naive_find(m, key);

    if (e)
        e->used = false;
    e = naive_take(m, key);
    if (!e)
        return;
    e->port = port;
    e->fixed = true;
}

static void naive_forget(struct naive *m, unsigned port, bool fixed_too)
{
    for (unsigned i = 0; i < ROOM; i++) {
        if (m->e[i].port == port && (fixed_too || !m->e[i].fixed))
            m->e[i].used = false;
    }
}

static void naive_kill_vlan(struct naive *m, uint16_t vlan)
{
    for (unsigned i = 0; i < ROOM; i++) {
        if (m->e[i].key % 4096 == vlan && !m->e[i].fixed)
            m->e[i].dead = true;
    }
}

static void naive_age(struct naive *m, mtime_t now)
{
    for (unsigned i = 0; i < ROOM; i++) {
        if (!m->e[i].fixed && m->e[i].seen + AGEING <= now)
            m->e[i].used = false;
    }
}

static uint64_t key_of(uint32_t i)
{
    const uint8_t mac[6] = {2, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i};

    return fdb_key(mac, (uint16_t)(i % 3));
}

struct both {
    struct fdb *fdb;
    struct fdb_port ports[N_PORTS];
    struct naive model;
    mtime_t now;
};

static void compare(struct both *b)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < N_KEYS; i++) {
        struct naive_entry *e = naive_find(&b->model, key_of(i));
        struct fdb_port *want = e && !e->dead ? &b->ports[e->port] : NULL;

        assert_ptr_equal(fdb_lookup(b->fdb, key_of(i), 0), want);
        n += e != NULL;
    }
    assert_int_equal(fdb_count(b->fdb), n);
}

static void one_step(struct both *b, uint32_t r)
{
    uint64_t key = key_of((r >> 8) % N_KEYS);
    unsigned port = (r >> 16) % N_PORTS;

    switch (r % 64) {
    case 0:
        fdb_flush_port(b->fdb, &b->ports[port]);
        naive_forget(&b->model, port, false);
        break;
    case 1:
        fdb_flush_vlan(b->fdb, (uint16_t)(r >> 20) % 3);
        naive_kill_vlan(&b->model, (uint16_t)(r >> 20) % 3);
        break;
    case 2:
        (void)!fdb_fix(b->fdb, key, &b->ports[port], b->now);
        naive_fix(&b->model, key, port);
        break;
    case 3:
        fdb_remove_port(b->fdb, &b->ports[N_PORTS - 1]);
        naive_forget(&b->model, N_PORTS - 1, true);
        fdb_add_port(b->fdb, &b->ports[N_PORTS - 1]);
        break;
    case 4:
        b->now += (r >> 20) % 5000 * MTIME_MS;
        break;
    default:
        fdb_learn(b->fdb, key, 0, &b->ports[port], b->now);
        naive_learn(&b->model, key, port, b->now);
    }
    if (fdb_deadline(b->fdb) <= b->now) {
        fdb_run(b->fdb, b->now);
        naive_age(&b->model, b->now);
    }
}

static void random_operations(void **state)
{
    static struct both b;
    uint64_t seed = 20261123;

    (void)state;
    b.fdb = fdb_new(ROOM, 42);
    assert_non_null(b.fdb);
    fdb_set_ageing(b.fdb, AGEING);
    for (unsigned i = 0; i < N_PORTS; i++)
        fdb_add_port(b.fdb, &b.ports[i]);
    for (unsigned i = 0; i < 20000; i++) {
        one_step(&b, frames_random(&seed));
        compare(&b);
    }
    for (unsigned i = 0; i < N_PORTS; i++)
        fdb_remove_port(b.fdb, &b.ports[i]);
    assert_int_equal(fdb_count(b.fdb), 0);
    fdb_free(b.fdb);
}

/* Whoever floods the table with MACs loses his own, not those of others. */
static void full_table_is_fair(void **state)
{
    struct fdb *fdb = fdb_new(16, 1);
    struct fdb_port quiet = {.limit = 0}, loud = {.limit = 0};

    (void)state;
    fdb_add_port(fdb, &quiet);
    fdb_add_port(fdb, &loud);
    for (uint32_t i = 0; i < 4; i++)
        fdb_learn(fdb, key_of(i), 0, &quiet, 0);
    for (uint32_t i = 100; i < 1000; i++)
        fdb_learn(fdb, key_of(i), 0, &loud, 1);
    for (uint32_t i = 0; i < 4; i++)
        assert_ptr_equal(fdb_lookup(fdb, key_of(i), 0), &quiet);
    assert_int_equal(fdb_count(fdb), 16);
    fdb_remove_port(fdb, &quiet);
    fdb_remove_port(fdb, &loud);
    fdb_free(fdb);
}

static void list_shows_everything_once(void **state)
{
    struct fdb *fdb = fdb_new(64, 1);
    struct fdb_port port = {.limit = 0};
    struct fdb_mac found[7];
    uint32_t cursor = 0;
    unsigned total = 0;
    uint32_t sum = 0;

    (void)state;
    fdb_add_port(fdb, &port);
    for (uint32_t i = 0; i < 50; i++)
        fdb_learn(fdb, key_of(i), 0, &port, i);
    do {
        unsigned n = fdb_list(fdb, found, 7, &cursor);

        for (unsigned i = 0; i < n; i++) {
            sum += found[i].mac[5];
            assert_int_equal(found[i].vlan, found[i].mac[5] % 3);
            assert_int_equal(found[i].seen, found[i].mac[5]);
        }
        total += n;
    } while (cursor);
    assert_int_equal(total, 50);
    assert_int_equal(sum, 49 * 50 / 2);
    fdb_remove_port(fdb, &port);
    fdb_free(fdb);
}

/* An entry that is heard all the time is not written all the time, and does not age. */
static void heard_entries_stay(void **state)
{
    struct fdb *fdb = fdb_new(16, 1);
    struct fdb_port port = {.limit = 0};
    uint32_t version;

    (void)state;
    fdb_set_ageing(fdb, AGEING);
    fdb_add_port(fdb, &port);
    fdb_learn(fdb, key_of(1), 0, &port, 0);
    fdb_learn(fdb, key_of(2), 0, &port, 0);
    version = fdb_version(fdb);
    for (mtime_t now = 0; now < AGEING; now += 100 * MTIME_MS)
        fdb_learn(fdb, key_of(1), 0, &port, now);
    assert_int_equal(fdb_version(fdb), version);
    assert_true(fdb_deadline(fdb) <= AGEING);
    fdb_run(fdb, AGEING);
    assert_ptr_equal(fdb_lookup(fdb, key_of(1), 0), &port);
    assert_null(fdb_lookup(fdb, key_of(2), 0));
    assert_true(fdb_deadline(fdb) > AGEING);
    fdb_run(fdb, 3 * AGEING);
    assert_int_equal(fdb_deadline(fdb), MTIME_NEVER);
    fdb_remove_port(fdb, &port);
    fdb_free(fdb);
}

/* What is flushed is forgotten whole, whatever it was, and its room is used again first. */
static void flush_forgets(void **state)
{
    struct fdb *fdb = fdb_new(16, 1);
    struct fdb_port a = {.limit = 0}, b = {.limit = 0};
    uint8_t kept[4096 / 8] = {0};

    (void)state;
    fdb_add_port(fdb, &a);
    fdb_add_port(fdb, &b);
    for (uint32_t i = 0; i < 12; i++)
        fdb_learn(fdb, key_of(i), 0, &a, 0);
    assert_true(fdb_fix(fdb, key_of(20), &a, 0));
    fdb_flush_port(fdb, &a);
    assert_int_equal(fdb_count(fdb), 1);
    assert_ptr_equal(fdb_lookup(fdb, key_of(20), 0), &a);
    fdb_learn(fdb, key_of(3), 0, &b, 0); /* One of the dead, elsewhere. */
    for (uint32_t i = 30; i < 44; i++)
        fdb_learn(fdb, key_of(i), 0, &b, 0);
    assert_int_equal(fdb_count(fdb), 16); /* Nothing was evicted. */
    fdb_remove_port(fdb, &a);
    assert_int_equal(fdb_count(fdb), 15);
    fdb_add_port(fdb, &a); /* In the same slot: nothing is inherited. */
    assert_null(fdb_lookup(fdb, key_of(4), 0));
    kept[0] = 1; /* VLAN 0 */
    fdb_keep_vlans(fdb, &b, kept);
    assert_ptr_equal(fdb_lookup(fdb, key_of(3), 0), &b);
    assert_ptr_equal(fdb_lookup(fdb, key_of(30), 0), &b);
    assert_null(fdb_lookup(fdb, key_of(31), 0));
    fdb_remove_port(fdb, &a);
    fdb_remove_port(fdb, &b);
    fdb_free(fdb);
}

static void flapping_is_damped(void **state)
{
    struct fdb *fdb = fdb_new(16, 1);
    struct fdb_port port[2] = {{.limit = 0}};
    uint64_t key = key_of(0);
    mtime_t now = 7 * MTIME_SEC;

    (void)state;
    fdb_add_port(fdb, &port[0]);
    fdb_add_port(fdb, &port[1]);
    for (unsigned i = 0; i <= FDB_MOVES_MAX; i++)
        assert_int_equal(fdb_learn(fdb, key, 0, &port[i % 2], now), FDB_HEARD);
    assert_int_equal(fdb_learn(fdb, key, 0, &port[0], now), FDB_FLAPPED);
    assert_int_equal(fdb_learn(fdb, key, 0, &port[0], now), FDB_DAMPED);
    assert_int_equal(fdb_learn(fdb, key, 0, &port[1], now), FDB_HEARD);
    assert_ptr_equal(fdb_lookup(fdb, key, 0), &port[1]);
    /* Not for ever, */
    assert_int_equal(fdb_learn(fdb, key, 0, &port[0], now + FDB_MOVES_TIME), FDB_HEARD);
    assert_ptr_equal(fdb_lookup(fdb, key, 0), &port[0]);
    /* and expected moves are none. */
    for (unsigned i = 1; i < 20; i++) {
        fdb_expect_move(fdb, key);
        assert_int_equal(fdb_learn(fdb, key, 0, &port[i % 2], now), FDB_HEARD);
    }
    for (unsigned i = 0; i < 20; i++) { /* Nor are those after a flush. */
        fdb_flush_port(fdb, &port[0]);
        fdb_flush_port(fdb, &port[1]);
        assert_int_equal(fdb_learn(fdb, key, 0, &port[i % 2], now), FDB_HEARD);
    }
    fdb_expect_move(fdb, key_of(9)); /* Of nobody. */
    fdb_remove_port(fdb, &port[0]);
    fdb_remove_port(fdb, &port[1]);
    fdb_free(fdb);
}

/* Whoever was damped before a pardon is not after it; what moves from then on counts. */
static void pardoned_macs_move(void **state)
{
    struct fdb *fdb = fdb_new(16, 1);
    struct fdb_port port[2] = {{.limit = 0}}, inner[2] = {{.inner = true}, {.inner = true}};
    uint64_t key = key_of(0);
    mtime_t now = 7 * MTIME_SEC;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        fdb_add_port(fdb, &port[i]);
        fdb_add_port(fdb, &inner[i]);
    }
    for (unsigned i = 0; i < 9; i++)
        (void)fdb_learn(fdb, key, 0, &port[i % 2], now);
    assert_int_equal(fdb_learn(fdb, key, 0, &port[0], now), FDB_DAMPED);
    fdb_pardon(fdb, now);
    assert_int_equal(fdb_learn(fdb, key, 0, &port[0], now), FDB_HEARD);
    now += MTIME_SEC;
    for (unsigned i = 1; i < 6; i++)
        assert_int_equal(fdb_learn(fdb, key, 0, &port[i % 2], now), FDB_HEARD);
    (void)fdb_learn(fdb, key, 0, &port[0], now);
    assert_int_equal(fdb_learn(fdb, key, 0, &port[0], now), FDB_DAMPED);
    /* Between inner ports nothing is counted. */
    key = key_of(1);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(fdb_learn(fdb, key, 0, &inner[i % 2], now), FDB_HEARD);
    for (unsigned i = 0; i < 2; i++) {
        fdb_remove_port(fdb, &port[i]);
        fdb_remove_port(fdb, &inner[i]);
    }
    fdb_free(fdb);
}

static void limit_holds(void **state)
{
    struct fdb *fdb = fdb_new(16, 1);
    struct fdb_port a = {.limit = 2}, b = {.limit = 0};

    (void)state;
    fdb_add_port(fdb, &a);
    fdb_add_port(fdb, &b);
    fdb_learn(fdb, key_of(0), 0, &a, 0);
    fdb_learn(fdb, key_of(1), 0, &a, 0);
    fdb_learn(fdb, key_of(2), 0, &b, 0);
    assert_int_equal(fdb_learn(fdb, key_of(3), 0, &a, 0), FDB_LIMIT);
    assert_int_equal(fdb_learn(fdb, key_of(2), 0, &a, 0), FDB_LIMIT);
    assert_int_equal(fdb_learn(fdb, key_of(1), 0, &a, 0), FDB_HEARD);
    assert_ptr_equal(fdb_lookup(fdb, key_of(2), 0), &b);
    fdb_flush_port(fdb, &a);
    assert_int_equal(fdb_learn(fdb, key_of(3), 0, &a, 0), FDB_HEARD);
    fdb_remove_port(fdb, &a);
    fdb_remove_port(fdb, &b);
    fdb_free(fdb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations),
        cmocka_unit_test(full_table_is_fair),
        cmocka_unit_test(list_shows_everything_once),
        cmocka_unit_test(heard_entries_stay),
        cmocka_unit_test(flush_forgets),
        cmocka_unit_test(flapping_is_damped),
        cmocka_unit_test(pardoned_macs_move),
        cmocka_unit_test(limit_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
