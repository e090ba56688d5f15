/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Applies among several hosts in virtual time: the control side's own changes, plans, stores, trials,
 * roll-backs and local parts. What is played is the way between hosts: rows, requests, results and
 * reports take their time, links break, hosts end and come back with what their stores have.
 *
 *        alpha (the store)
 *        /     |     \
 *     beta   gamma   delta        each applies, now and then two at once
 *
 * Each apply writes its number into two networks, some into a local one of their host as well; some ask
 * for what a host cannot carry out, some wait for a second word that comes or not. Held to: whoever is
 * refused is told whose apply stands; and when all is quiet, all hosts have both networks as one and the same
 * apply that was kept left them, and each local one is of the last kept apply that had one there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fabricd/control/events/events.h"
#include "fabricd/control/observe/observe.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "fabricd/control/seen/seen.h"
#include "fabricd/control/trial/part.h"
#include "fabricd/control/trial/standing.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"
#include "tests/sim/agenda.h"
#include "tests/unit/control_fixture.h"

#define N_HOSTS    4
#define BUSY_FOR   (12 * MTIME_SEC) /* So long things happen, */
#define QUIET_FOR  (20 * MTIME_SEC) /* and so long after nothing breaks any more. */
#define WITHIN_MS  1500
#define CONFIRM_MS 2000
#define FIRST      1300 /* The MTU that apply 0 would write. */

/* The clock of everything here, in place of the machine's (proto/base/mtime.h). */
static mtime_t clock_now = MTIME_SEC;

mtime_t mtime_now(void)
{
    return clock_now;
}

wall_t wall_now(void)
{
    return 1700000000 + clock_now / MTIME_SEC;
}

int64_t wall_now_us(void)
{
    return INT64_C(1700000000) * MTIME_SEC + clock_now;
}

enum step_kind { ROWS, REPORT, REQUEST, RESULT, BEGIN, APPLY, ACCEPT, BREAK };

struct request;

struct step {
    struct due due;
    enum step_kind kind;
    unsigned host;
    unsigned epoch; /* Of the host's link: what was under way when it broke is lost. */
    uint64_t revision;
    struct request *request;
};

/* A change on its way to the founder; its result on the way back. */
struct request {
    struct list link; /* In requests of the world, until it is over at both ends. */
    unsigned host;
    unsigned epoch;
    struct node *change;
    change_done_fn *done; /* NULL: nobody waits for it any more. */
    void *aux;
    struct change_result result;
};

struct host {
    struct control *control; /* NULL: it is down. */
    struct store *store;
    uint64_t mark; /* It has the founder's store up to there. */
    unsigned epoch;
    bool connected, current, cut;
};

static const char *const names[N_HOSTS] = {"alpha", "beta", "gamma", "delta"};

static struct world {
    uint64_t random;
    struct agenda agenda;
    struct host host[N_HOSTS];
    struct list requests;
    struct store_watch watch; /* On the founder's store. */
    unsigned applies;
    int with_local[512]; /* By apply: the host that it had a local part on; 0 = none. */
    unsigned kept, refused, rolled_back;
} w;

static uint32_t below(uint32_t n)
{
    w.random = w.random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(w.random >> 33) % n;
}

static void put(enum step_kind kind, unsigned host, mtime_t wait, uint64_t revision,
                struct request *request)
{
    struct step e = {.due = {.at = clock_now + wait},
                     .kind = kind,
                     .host = host,
                     .epoch = w.host[host].epoch,
                     .revision = revision,
                     .request = request};

    agenda_add(&w.agenda, &e);
}

static mtime_t some_time(mtime_t most)
{
    return 1 + (mtime_t)below((uint32_t)most);
}

/* --- links ----------------------------------------------------------------------------------- */

static void lose(struct request *request)
{
    change_done_fn *done = request->done;
    struct change_result lost;

    if (done == NULL)
        return;
    request->done = NULL;
    change_result_init(&lost);
    change_fail(&lost, 503,
                "alpha was lost before it answered; the change may have been made");
    done(request->aux, &lost);
    change_result_done(&lost);
}

static void disconnect(unsigned h)
{
    struct host *host = &w.host[h];
    struct control *founder = w.host[0].control;

    host->epoch++;
    host->connected = host->current = false;
    list_for_each_safe (it, &w.requests) {
        struct request *request = list_entry(it, struct request, link);
        if (request->host == h)
            lose(request);
    }
    if (founder != NULL) {
        seen_forget(founder->seen, (uint16_t)(h + 1));
        standing_noticed(founder->standing);
    }
}

static void connect_if_can(unsigned h)
{
    struct host *host = &w.host[h];

    if (h == 0 || host->connected || host->cut || host->control == NULL ||
        w.host[0].control == NULL)
        return;
    host->connected = true;
    host->epoch++;
    put(ROWS, h, some_time(20 * MTIME_MS), 0, NULL);
}

/* --- the founder's rows ------------------------------------------------------------------------ */

static void committed(struct store_watch *watch, uint64_t revision,
                      const struct store_object *changes, size_t n)
{
    (void)watch;
    (void)revision;
    (void)changes;
    (void)n;
    for (unsigned h = 1; h < N_HOSTS; h++) {
        if (w.host[h].connected)
            put(ROWS, h, some_time(15 * MTIME_MS), 0, NULL);
    }
}

static int replicate(void *aux, const struct store_object *o)
{
    struct store_op op = {.verb = o->body != NULL ? STORE_PUT : STORE_DELETE,
                          .scope = STORE_FABRIC,
                          .kind = o->kind,
                          .network = o->network,
                          .name = o->name,
                          .expect = STORE_ANY,
                          .revision = o->revision,
                          .owner = o->owner,
                          .body = o->body};
    struct err err;

    assert_int_equal(change_replicate(aux, &op, 1, false, NULL, 0, &err), 0);
    return 0;
}

static void take_rows(unsigned h)
{
    struct host *host = &w.host[h];
    uint64_t revision = store_revision(w.host[0].store);
    bool first = !host->current;

    if (host->mark < revision)
        assert_int_equal(store_history(w.host[0].store, STORE_FABRIC, host->mark, replicate,
                                       host->control),
                         0);
    host->mark = revision;
    host->current = true;
    if (first)
        part_noticed(host->control->part);
    put(REPORT, h, some_time(200 * MTIME_MS), revision, NULL);
}

static void report(unsigned h, uint64_t revision)
{
    struct control *founder = w.host[0].control;
    struct sync_seen_wrong wrong = {.why = "it cannot be"};
    struct sync_seen seen = {.host = (uint16_t)(h + 1), .revision = revision};
    char bad[16];

    snprintf(bad, sizeof(bad), "bad%u", h);
    if (view_port(w.host[h].control->view, "one", bad) != NULL) {
        snprintf(wrong.what, sizeof(wrong.what), "port one/%s", bad);
        seen.wrong = &wrong;
        seen.n_wrong = 1;
    }
    seen_put(founder->seen, &seen);
    standing_noticed(founder->standing);
}

/* --- changes on their way ------------------------------------------------------------------------ */

static void forward(struct control *control, struct change *change, change_done_fn *done,
                    void *aux)
{
    unsigned h = control->id.self.host - 1u;
    struct request *request = xcalloc(1, sizeof(*request));

    request->host = h;
    request->epoch = w.host[h].epoch;
    request->change = change_to_node(change);
    request->done = done;
    request->aux = aux;
    change_result_init(&request->result);
    change_free(change);
    list_append(&w.requests, &request->link);
    if (w.host[h].connected)
        put(REQUEST, h, some_time(15 * MTIME_MS), 0, request);
    else
        lose(request);
}

static bool reachable(const struct control *control)
{
    return w.host[control->id.self.host - 1].connected;
}

static bool current(const struct control *control)
{
    return w.host[control->id.self.host - 1].current;
}

static const struct member_ops member_ops = {
    .forward = forward, .founder_reachable = reachable, .is_current = current};

static void executed(void *aux, struct change_result *result)
{
    struct request *request = aux;

    if (request->epoch != w.host[request->host].epoch)
        return; /* Nobody is there to hear it. */
    request->result = *result;
    change_result_init(result);
    put(RESULT, request->host, some_time(15 * MTIME_MS), 0, request);
}

static void execute(struct request *request)
{
    change_execute(w.host[0].control, change_from_node(request->change), executed, request);
}

static void hand_back(struct request *request)
{
    change_done_fn *done = request->done;

    take_rows(request->host); /* They come before the answer. */
    request->done = NULL;
    if (done != NULL)
        done(request->aux, &request->result);
}

/* --- hosts come and go --------------------------------------------------------------------------- */

static void begin(unsigned h)
{
    struct host *host = &w.host[h];
    struct control *control = xcalloc(1, sizeof(*control));
    struct err err;

    control->parent.watch.fd = control->switch_.watch.fd = -1;
    control->loop = loop_new();
    list_init(&control->in_flight);
    control->store = host->store;
    control->events = events_new(control);
    control->view = view_new(control->store, &err);
    control->observe = observe_new(control);
    control->seen = seen_new();
    control->reconcile = reconcile_new(control);
    control->id.self.host = (uint16_t)(h + 1);
    control->id.self.fabric = 0x1234;
    control->id.founder = h == 0;
    snprintf(control->id.self.name, sizeof(control->id.self.name), "%s", names[h]);
    control->standing = standing_new(control);
    control->part = part_new(control);
    control->member_ops = h == 0 ? NULL : &member_ops;
    assert_non_null(control->view);
    host->control = control;
    loop_turn(control->loop, 0); /* Its time begins. */
    if (h == 0)
        store_watch_add(control->store, &w.watch);
    standing_start(control->standing);
    part_start(control->part);
    for (unsigned i = 1; i < N_HOSTS; i++)
        connect_if_can(i);
}

static void end(unsigned h)
{
    struct host *host = &w.host[h];
    struct control *control = host->control;

    if (control == NULL)
        return;
    for (unsigned i = 1; i < N_HOSTS; i++) {
        if (i == h || h == 0)
            disconnect(i);
    }
    if (h == 0)
        store_watch_remove(&w.watch);
    standing_stop(control->standing);
    host->control = NULL;
    part_free(control->part);
    standing_free(control->standing);
    reconcile_free(control->reconcile);
    observe_free(control->observe);
    seen_free(control->seen);
    events_free(control->events);
    view_free(control->view);
    loop_free(control->loop);
    free(control);
}

/* --- people -------------------------------------------------------------------------------------- */

static void judge(void *aux, struct change_result *result)
{
    const char *why = result->err.why;

    (void)aux;
    w.kept += result->status < 300;
    if (result->status != 409)
        return;
    w.rolled_back += strstr(why, "rolled back") != NULL;
    w.refused += strstr(why, "there is the apply of revision") != NULL;
    if (strstr(why, "rolled back") == NULL && strstr(why, "not decided on yet") == NULL &&
        (strstr(why, "apply of revision ") == NULL || strstr(why, " by n") == NULL))
        fail_msg("a refusal that says not whose apply it is: %s", why);
}

static char *file_of(unsigned number, unsigned h)
{
    unsigned mtu = FIRST + number, bad = below(6);
    char *port =
        bad > 0 && bad < N_HOSTS
            ? xasprintf("ports: {bad%u: {host: %s, tap: bad%u}}", bad, names[bad], bad)
            : xstrdup("ports: {}");
    bool local = h != 0 && below(2) == 0;
    char *here = local ? xasprintf("  here: {local: true, mtu: %u}\n", mtu) : xstrdup("");
    char *text =
        xasprintf("version: 1\nnetworks:\n  one: {mtu: %u, %s}\n  two: {mtu: %u}\n%s", mtu,
                  port, mtu, here);

    w.with_local[number] = local ? (int)h : 0;
    free(port);
    free(here);
    return text;
}

static void apply(unsigned h)
{
    struct control *control = w.host[h].control;
    unsigned number = ++w.applies;
    struct change *change;
    char *yaml, who[16];

    if (control == NULL || number >= 500)
        return;
    yaml = file_of(number, h);
    change = change_new(names[h], "file");
    snprintf(who, sizeof(who), "n%u", number);
    change_set_who(change, who);
    change->prune = change->allow_destroy = false;
    change->terms.within_ms = WITHIN_MS;
    change->terms.require = below(4) == 0 ? TRIAL_QUORUM : TRIAL_ALL;
    change->terms.confirm_ms = below(3) == 0 ? CONFIRM_MS : 0;
    change_add(change, CHANGE_APPLY, NULL, NULL, NULL, fixture_yaml(yaml));
    free(yaml);
    change_submit(control, change, judge, NULL);
}

static void ignore(void *aux, struct change_result *result)
{
    (void)aux;
    (void)result;
}

static void accept_it(unsigned h)
{
    struct change *change = change_new(names[h], "cli");

    change_add(change, CHANGE_ACCEPT, NULL, NULL, NULL, NULL);
    change_submit(w.host[h].control, change, ignore, NULL);
}

static void break_something(unsigned h)
{
    struct host *host = &w.host[h];

    if (below(2) == 0 || h == 0) {
        end(h);
        put(BEGIN, h, some_time(800 * MTIME_MS), 0, NULL);
        return;
    }
    host->cut = !host->cut;
    if (host->cut)
        disconnect(h);
    else
        connect_if_can(h);
}

/* --- time ---------------------------------------------------------------------------------------- */

static void happen(struct step *e)
{
    struct host *host = &w.host[e->host];
    bool link =
        e->kind == ROWS || e->kind == REPORT || e->kind == REQUEST || e->kind == RESULT;

    if (link && (e->epoch != host->epoch || !host->connected))
        return;
    if (e->kind == ROWS)
        take_rows(e->host);
    else if (e->kind == REPORT)
        report(e->host, e->revision);
    else if (e->kind == REQUEST)
        execute(e->request);
    else if (e->kind == RESULT)
        hand_back(e->request);
    else if (e->kind == BEGIN && host->control == NULL)
        begin(e->host);
    else if (e->kind == APPLY)
        apply(e->host);
    else if (e->kind == ACCEPT && host->control != NULL)
        accept_it(e->host);
    else if (e->kind == BREAK)
        break_something(e->host);
}

static void turn_all(void)
{
    for (unsigned h = 0; h < N_HOSTS; h++) {
        if (w.host[h].control != NULL)
            loop_turn(w.host[h].control->loop, 0);
    }
}

static void run_until(mtime_t until)
{
    struct step e;

    while (clock_now < until) {
        while (agenda_take(&w.agenda, clock_now, &e)) {
            happen(&e);
            turn_all();
        }
        turn_all();
        clock_now += 5 * MTIME_MS;
    }
}

/* --- the end ------------------------------------------------------------------------------------- */

/* Which apply is the last that was kept, of all, and of those with a local part, by host. */
struct truth {
    uint64_t back[512]; /* Revisions that were rolled back. */
    size_t n_back;
    unsigned last, local[N_HOSTS];
};

static int read_entry(void *aux, const struct store_entry *e) /* The newest first. */
{
    struct truth *t = aux;
    unsigned long long revision;
    unsigned number;

    if (sscanf(e->note.what, "revision %llu rolled back", &revision) == 1)
        t->back[t->n_back++] = revision;
    for (size_t i = 0; i < t->n_back; i++) {
        if (t->back[i] == e->revision)
            return 0;
    }
    if (sscanf(e->note.who, "n%u", &number) != 1)
        return 0;
    if (t->last == 0)
        t->last = number;
    if (w.with_local[number] != 0 && t->local[w.with_local[number]] == 0)
        t->local[w.with_local[number]] = number;
    return 0;
}

static unsigned mtu_of(unsigned h, enum store_scope scope, const char *name)
{
    const struct view_network *net = view_network_in(w.host[h].control->view, scope, name);

    return net != NULL ? (unsigned)net->mtu : FIRST;
}

static void check_end(uint32_t seed)
{
    struct truth truth = {.last = 0};

    assert_false(standing_is(w.host[0].control));
    assert_int_equal(store_entries(w.host[0].store, 0, read_entry, &truth), 0);
    for (unsigned h = 0; h < N_HOSTS; h++) {
        unsigned one = mtu_of(h, STORE_FABRIC, "one"), two = mtu_of(h, STORE_FABRIC, "two");
        unsigned here = mtu_of(h, STORE_LOCAL, "here");

        if (one != FIRST + truth.last || two != FIRST + truth.last)
            fail_msg("seed %u: %s has %u and %u, the last kept apply is %u", seed, names[h],
                     one, two, FIRST + truth.last);
        if (here != FIRST + truth.local[h])
            fail_msg("seed %u: what is local to %s is of apply %u, and the last kept is %u",
                     seed, names[h], here - FIRST, truth.local[h]);
    }
}

static void free_requests(void)
{
    while (!list_empty(&w.requests)) {
        struct request *request = list_entry(list_first(&w.requests), struct request, link);

        list_remove(&request->link);
        node_free(request->change);
        change_result_done(&request->result);
        free(request);
    }
}

static void one_world(uint32_t seed)
{
    struct err err;

    memset(&w, 0, sizeof(w));
    w.random = seed * 0x9e3779b97f4a7c15u + 1;
    w.agenda.size = sizeof(struct step);
    w.watch.changed = committed;
    list_init(&w.requests);
    for (unsigned h = 0; h < N_HOSTS; h++)
        assert_int_equal(
            store_open("sqlite::memory:", "/nonexistent", &w.host[h].store, &err), 0);
    for (unsigned h = 0; h < N_HOSTS; h++)
        begin(h);
    for (unsigned h = 0; h < N_HOSTS; h++)
        fixture_add_host(w.host[0].control, names[h], h + 1);
    run_until(clock_now + MTIME_SEC);
    for (unsigned i = 0; i < 24; i++) {
        put(APPLY, below(N_HOSTS), some_time(BUSY_FOR), 0, NULL);
        put(ACCEPT, below(N_HOSTS), some_time(BUSY_FOR), 0, NULL);
    }
    for (unsigned i = below(12); i > 0; i--)
        put(BREAK, below(N_HOSTS), some_time(BUSY_FOR), 0, NULL);
    run_until(clock_now + BUSY_FOR + MTIME_SEC);
    for (unsigned h = 0; h < N_HOSTS; h++) {
        w.host[h].cut = false;
        connect_if_can(h);
    }
    run_until(clock_now + QUIET_FOR);
    check_end(seed);
    for (unsigned h = N_HOSTS; h-- > 0;)
        end(h);
    free_requests();
    for (unsigned h = 0; h < N_HOSTS; h++)
        store_close(w.host[h].store);
    agenda_free(&w.agenda);
}

static uint32_t n_seeds = 40, first_seed = 1;

static void worlds(void **state)
{
    unsigned kept = 0, refused = 0, rolled_back = 0;

    (void)state;
    for (uint32_t seed = first_seed; seed < first_seed + n_seeds; seed++) {
        one_world(seed);
        kept += w.kept;
        refused += w.refused;
        rolled_back += w.rolled_back;
    }
    print_message("%u worlds: %u kept, %u refused for another one, %u rolled back\n",
                  n_seeds, kept, refused, rolled_back);
    assert_true(kept > n_seeds && refused > 0 && rolled_back > 0);
}

/* sim_apply [WORLDS [FIRST SEED]] */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(worlds)};

    log_init("sim", LOG_LEVEL_ERROR, STDERR_FILENO);
    if (argc > 1)
        n_seeds = (uint32_t)strtoul(argv[1], NULL, 10);
    if (argc > 2)
        first_seed = (uint32_t)strtoul(argv[2], NULL, 10);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
