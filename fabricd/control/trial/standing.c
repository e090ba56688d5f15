/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/trial/standing.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fabricd/control/events/events.h"
#include "fabricd/control/observe/observe.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "fabricd/control/seen/seen.h"
#include "fabricd/control/services/services.h"
#include "fabricd/control/trial/settling.h"
#include "fabricd/control/trial/touched.h"
#include "fabricd/control/view/view.h"
#include "proto/base/fault.h"
#include "proto/base/log.h"
#include "proto/base/map.h"
#include "proto/base/xalloc.h"

#define AGAIN (1 * MTIME_SEC) /* The store could not be written: tried again so often. */

struct standing {
    struct control *control;
    struct loop_timer timer;
    struct trial trial;
    bool open;
    bool ended;             /* The trial is over; its end could not be stored yet. */
    char failed[TRIAL_WHY]; /* Why; "" = it was verified, or accepted. */
    uint64_t revision;      /* Of the apply. */
    struct node *row;
    struct map touched; /* "port lan1/core"; and "in lan1" for what lives in a network. */
    struct change_result result;
    change_done_fn *done; /* NULL: nobody waits. */
    void *aux;
};

/* --- clocks -------------------------------------------------------------------------------- */

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Names this run of the machine; "" where it cannot be read. */
static void boot_id(char out[40])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, out, 36) : 0;

    out[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
}

/* When the phase ends, on a clock that nobody sets, for as long as the machine runs; and on that of
 * the wall for when it was started anew. */
static void set_deadline(struct node *row, int64_t left_ms)
{
    char boot[40];

    boot_id(boot);
    node_set_text(row, "boot", boot);
    node_set_int(row, "until_boot", clock_ms(CLOCK_BOOTTIME) + left_ms);
    node_set_int(row, "until", clock_ms(CLOCK_REALTIME) + left_ms);
}

/* What is left of the phase; never more than the whole, however the clock was set. */
static int64_t time_left(const struct node *row)
{
    int64_t all = node_get_int(row, "confirm", 0), left;
    char boot[40];

    boot_id(boot);
    if (boot[0] != '\0' && strcmp(boot, node_get_text(row, "boot", "")) == 0)
        left = node_get_int(row, "until_boot", 0) - clock_ms(CLOCK_BOOTTIME);
    else
        left = node_get_int(row, "until", 0) - clock_ms(CLOCK_REALTIME);
    left = left > all ? all : left;
    return left > 0 ? left : 0;
}

/* --- the row ------------------------------------------------------------------------------- */

struct node *standing_row(const struct change *change, const char *what)
{
    struct node *row = node_map();
    int64_t within = change->terms.within_ms;

    node_set_text(row, "who", change->who);
    node_set_text(row, "host", change->host);
    node_set_text(row, "owner", change->owner);
    node_set_text(row, "what", what);
    node_set_text(row, "phase", "verify");
    node_set_text(row, "require", trial_require_name(change->terms.require));
    node_set_int(row, "within", within > 0 ? within : CHANGE_WITHIN);
    node_set_int(row, "confirm", change->terms.confirm_ms);
    set_deadline(row, within > 0 ? within : CHANGE_WITHIN);
    return row;
}

/* The row, the caller's, or NULL; *revision becomes the apply's. */
static struct node *read_row(const struct control *control, uint64_t *revision)
{
    struct store_object object;
    struct diags diags;
    struct node *row;

    if (store_get(control->store, STORE_FABRIC, STANDING_KIND, "", STANDING_NAME, &object) <
        0)
        return NULL;
    diags_init(&diags);
    row = node_from_json(object.body, strlen(object.body), NULL, &diags);
    diags_done(&diags);
    *revision = (uint64_t)node_get_int(row, "applied", (int64_t)object.revision);
    store_object_done(&object);
    return row;
}

bool standing_is(const struct control *control)
{
    uint64_t revision;
    struct node *row = read_row(control, &revision);

    node_free(row);
    return row != NULL;
}

bool standing_is_verified(const struct control *control)
{
    uint64_t revision;
    struct node *row = read_row(control, &revision);
    bool is = row != NULL && strcmp(node_get_text(row, "phase", ""), "verify") == 0;

    node_free(row);
    return is;
}

/* "the apply of revision 41 by root on alpha, which …" */
static void describe(const struct node *row, uint64_t revision, char *out, size_t size)
{
    bool confirm = strcmp(node_get_text(row, "phase", ""), "confirm") == 0;

    snprintf(out, size, "the apply of revision %llu by %s on %s, which %s",
             (unsigned long long)revision, node_get_text(row, "who", "somebody"),
             node_get_text(row, "host", "some host"),
             confirm ? "waits to be accepted" : "is being verified");
}

bool standing_refuses(const struct control *control, const char *kind, const char *network,
                      const char *name, struct change_result *result)
{
    const struct standing *s = control->standing;
    char text[300];
    bool touched;

    if (s == NULL || !s->open)
        return false;
    touched = kind == NULL || touched_has(&s->touched, kind, network, name);
    if (!touched)
        return false;
    describe(s->row, s->revision, text, sizeof(text));
    if (kind == NULL)
        change_fail(result, 409, "there is %s", text);
    else
        change_fail(result, 409, "%s %s%s%s is part of %s", kind, network,
                    network[0] != '\0' ? "/" : "", name, text);
    err_hint(&result->err, "%s",
             s->trial.phase == TRIAL_CONFIRM ? "iothctl apply --accept"
                                             : "iothctl history");
    return true;
}

/* --- hosts --------------------------------------------------------------------------------- */

static bool is_there(const struct control *control, const struct view_host *host)
{
    return host->number == control->id.self.host || seen_alive(control, host->number);
}

struct node *standing_unreachable(const struct control *control)
{
    struct node *names = node_list();

    list_for_each (it, &control->view->hosts) {
        const struct view_host *host = list_entry(it, struct view_host, link);

        if (host->number != 0 && !is_there(control, host))
            node_append(names, node_text(host->name));
    }
    return names;
}

static char *join_names(const struct node *names)
{
    char *text = xstrdup("");

    for (size_t i = 0; i < names->n && i < 8; i++) {
        char *longer = xasprintf("%s%s%s", text, i > 0 ? ", " : "", names->child[i]->text);

        free(text);
        text = longer;
    }
    return text;
}

bool standing_may_begin(const struct control *control, enum trial_require require,
                        struct change_result *result)
{
    struct node *away = standing_unreachable(control);
    size_t all = 0;
    char *names;
    bool ok;

    if (control->standing == NULL) {
        node_free(away);
        return true;
    }
    list_for_each (it, &control->view->hosts)
        all += list_entry(it, struct view_host, link)->number != 0;
    ok = trial_may_begin(require, all - away->n, all);
    if (!ok) {
        names = join_names(away);
        change_fail(result, 503, "host%s %s cannot be reached, and %s required",
                    away->n > 1 ? "s" : "", names,
                    require == TRIAL_ALL ? "all joined hosts are" : "more than half are");
        err_hint(&result->err, "iothctl host ls; --require %s does without",
                 require == TRIAL_ALL ? "quorum or reachable" : "reachable");
        free(names);
    }
    node_free(away);
    return ok;
}

/* What is wrong with one of the things that were touched. */
struct search {
    const struct standing *standing;
    char found[TRIAL_WHY];
};

static void match_wrong(void *aux, const char *what, const char *why)
{
    struct search *search = aux;

    if (search->found[0] == '\0' && map_get(&search->standing->touched, what) != NULL)
        snprintf(search->found, sizeof(search->found), "%.120s: %.180s", what, why);
}

/* A service of the host that was touched and is ill is what was searched for; one that is neither well nor
 * ill is waited for. */
static void services_wait(struct search *search, const char *host, char *waits, size_t size)
{
    const struct control *control = search->standing->control;

    list_for_each (it, &control->view->services) {
        const struct view_service *service = list_entry(it, struct view_service, link);
        char what[VIEW_NAME_SIZE + 16], why[TRIAL_WHY] = "";
        enum services_verdict verdict;

        snprintf(what, sizeof(what), "service %s", service->name);
        if (strcmp(service->host, host) != 0 ||
            map_get(&search->standing->touched, what) == NULL)
            continue;
        verdict = services_judge(control, service, why, sizeof(why));
        if (verdict == SERVICES_BAD)
            match_wrong(search, what, why);
        else if (verdict == SERVICES_YET && waits[0] == '\0')
            snprintf(waits, size, "%.80s: %.180s", what, why);
    }
}

static void report(struct standing *s, const struct view_host *host, bool there, bool done,
                   struct search *search)
{
    struct control *control = s->control;
    char waits[TRIAL_WHY] = "";
    struct trial_report report = {.there = there, .done = done};

    if (done)
        services_wait(search, host->name, waits, sizeof(waits));
    if (done && waits[0] == '\0')
        settling_waits(control, &s->touched, host, waits, sizeof(waits));
    report.problem = search->found[0] != '\0' ? search->found : NULL;
    report.waits = waits;
    trial_report(&s->trial, host->name, &report, loop_now(control->loop));
}

static void report_self(struct standing *s, const struct view_host *host)
{
    struct control *control = s->control;
    struct search search = {.standing = s};
    bool done = reconcile_steady(control->reconcile);

    if (done)
        reconcile_each_problem(control->reconcile, match_wrong, &search);
    settling_kick(control->settling);
    done = done && settling_is_known(control->settling);
    if (done)
        fault_at(FAULT_TRIAL_CARRIED_OUT);
    report(s, host, true, done, &search);
}

static void report_other(struct standing *s, const struct view_host *host)
{
    struct control *control = s->control;
    const struct sync_seen *seen = seen_of(control->seen, host->number);
    struct search search = {.standing = s};
    bool done = seen != NULL && seen->revision >= s->revision;

    for (unsigned i = 0; done && i < seen->n_wrong; i++)
        match_wrong(&search, seen->wrong[i].what, seen->wrong[i].why);
    report(s, host, is_there(control, host), done, &search);
}

static void set_timer(struct standing *s)
{
    struct loop *loop = s->control->loop;
    mtime_t due = s->ended ? loop_now(loop) + AGAIN : trial_deadline(&s->trial);

    loop_timer_set(loop, &s->timer, s->open ? due : MTIME_NEVER);
}

static void check(struct standing *s)
{
    struct control *control = s->control;
    size_t n = control->view->n_hosts, at = 0;
    struct view_host **hosts = xcalloc(n + 1, sizeof(struct view_host *));

    list_for_each (it, &control->view->hosts)
        hosts[at++] = list_entry(it, struct view_host, link);
    /* The end of the trial writes to the store, and with that the view's hosts may change. */
    for (size_t i = 0; i < at && s->open && s->trial.phase == TRIAL_VERIFY; i++) {
        if (hosts[i]->number == control->id.self.host)
            report_self(s, hosts[i]);
        else if (hosts[i]->number != 0)
            report_other(s, hosts[i]);
    }
    free(hosts);
    set_timer(s);
}

void standing_noticed(struct standing *s)
{
    if (s != NULL && s->open && s->trial.phase == TRIAL_VERIFY)
        check(s);
}

/* --- the end ------------------------------------------------------------------------------- */

static void close_it(struct standing *s)
{
    s->open = s->ended = false;
    s->failed[0] = '\0';
    map_clear(&s->touched);
    node_free(s->row);
    s->row = NULL;
    trial_done(&s->trial);
    set_timer(s);
}

/* The one who waits gets the result that was kept for it. */
static void answer(struct standing *s)
{
    change_done_fn *done = s->done;
    struct change_result result = s->result;

    if (done == NULL)
        return;
    s->done = NULL;
    change_result_init(&s->result);
    done(s->aux, &result);
    change_result_done(&result);
}

static int commit_row(struct standing *s, const struct node *row, struct err *err)
{
    char *text = row != NULL ? node_to_json(row, 0) : NULL;
    struct store_op op = {
        .verb = row != NULL ? STORE_PUT : STORE_DELETE,
        .scope = STORE_FABRIC,
        .kind = STANDING_KIND,
        .network = "",
        .name = STANDING_NAME,
        .expect = STORE_ANY,
        .owner = "daemon",
        .body = text,
    };
    int r = store_commit(s->control->store, &op, 1, NULL, NULL, err);

    free(text);
    return r;
}

static void tell(struct standing *s, const char *verb, const char *why)
{
    log_info("the apply of revision %llu: %s%s%s", (unsigned long long)s->revision, verb,
             why[0] != '\0' ? ": " : "", why);
    events_apply(s->control, verb, s->revision, node_get_text(s->row, "who", ""),
                 node_get_text(s->row, "host", ""));
}

/* It stays. */
static void keep(struct standing *s)
{
    struct err err = {.why = ""};

    s->failed[0] = '\0';
    s->ended = true;
    if (commit_row(s, NULL, &err) < 0) {
        log_error("the end of an apply cannot be stored: %s", err.why);
        set_timer(s);
        return;
    }
    fault_at(FAULT_APPLY_KEPT);
    tell(s, "kept", "");
    close_it(s);
    answer(s);
}

static void verified(void *aux)
{
    struct standing *s = aux;
    struct err err = {.why = ""};
    struct node *confirm;

    fault_at(FAULT_TRIAL_VERIFIED);
    if (s->trial.phase != TRIAL_CONFIRM) {
        keep(s);
        return;
    }
    node_set_text(s->row, "phase", "confirm");
    node_set_int(s->row, "applied", (int64_t)s->revision);
    set_deadline(s->row, node_get_int(s->row, "confirm", 0));
    if (commit_row(s, s->row, &err) < 0)
        log_error("that an apply waits to be accepted cannot be stored: %s", err.why);
    fault_at(FAULT_CONFIRM_BEGUN);
    tell(s, "verified", "");
    if (s->result.value != NULL) {
        confirm = node_map();
        node_set_int(confirm, "within", node_get_int(s->row, "confirm", 0));
        node_set_int(confirm, "until", node_get_int(s->row, "until", 0));
        node_set(s->result.value, "confirm", confirm);
    }
    answer(s);
}

static void take_back(struct standing *s)
{
    struct err err = {.why = ""};
    char what[TRIAL_WHY + 64], why[TRIAL_WHY];
    struct store_note note = {
        .who = "daemon", .host = control_host(s->control), .owner = "daemon", .what = what};

    snprintf(why, sizeof(why), "%s", s->failed);
    snprintf(what, sizeof(what), "revision %llu rolled back: %s",
             (unsigned long long)s->revision, why);
    if (restore_commit(s->control, s->revision, true, &note, &err) < 0) {
        log_error("an apply cannot be rolled back yet: %s", err.why);
        set_timer(s);
        return;
    }
    fault_at(FAULT_APPLY_RESTORED);
    tell(s, "rolled-back", why);
    change_result_done(&s->result);
    change_result_init(&s->result);
    change_fail(&s->result, 409, "the apply was rolled back: %s", why);
    close_it(s);
    answer(s);
}

static void failed(void *aux, const char *why)
{
    struct standing *s = aux;

    snprintf(s->failed, sizeof(s->failed), "%s", why);
    s->ended = true;
    fault_at(FAULT_TRIAL_FAILED);
    take_back(s);
}

static const struct trial_ops trial_ops = {verified, failed};

static void expired(struct loop_timer *timer, mtime_t now)
{
    struct standing *s = list_entry(timer, struct standing, timer);

    if (s->open && s->ended && s->failed[0] != '\0')
        take_back(s);
    else if (s->open && s->ended)
        keep(s);
    else if (s->open)
        trial_run(&s->trial, now);
    if (s->open)
        set_timer(s);
}

void standing_accept(struct standing *s, struct change_result *result)
{
    if (s == NULL || !s->open) {
        change_fail(result, 404, "no apply waits to be accepted");
        err_hint(&result->err, "iothctl history");
    } else if (!trial_accept(&s->trial)) {
        change_fail(result, 409, "the apply of revision %llu is still being verified",
                    (unsigned long long)s->revision);
    } else {
        result->status = 200;
        result->value = node_map();
        node_set_int(result->value, "revision", (int64_t)s->revision);
        node_set_bool(result->value, "accepted", true);
        fault_at(FAULT_CONFIRM_ACCEPTED);
        keep(s);
    }
}

/* --- life ---------------------------------------------------------------------------------- */

/* Opens the trial of what the row says. Takes the row. */
static void open_it(struct standing *s, struct node *row, uint64_t revision)
{
    enum trial_require require = TRIAL_ALL;
    mtime_t now = loop_now(s->control->loop);

    s->open = true;
    s->row = row;
    s->revision = revision;
    if (touched_read(&s->touched, s->control->store, STORE_FABRIC, revision) < 0 ||
        touched_read(&s->touched, s->control->store, STORE_LOCAL, revision) < 0)
        log_error("what the apply of revision %llu touched cannot be read",
                  (unsigned long long)revision);
    if (strcmp(node_get_text(row, "phase", ""), "confirm") == 0) {
        trial_resume_confirm(&s->trial, time_left(row) * MTIME_MS, now);
        set_timer(s);
        return;
    }
    (void)trial_require_parse(node_get_text(row, "require", "all"), &require);
    trial_begin(&s->trial, require, node_get_int(row, "within", CHANGE_WITHIN) * MTIME_MS,
                node_get_int(row, "confirm", 0) * MTIME_MS, now);
    list_for_each (it, &s->control->view->hosts) {
        const struct view_host *host = list_entry(it, struct view_host, link);

        if (host->number != 0)
            trial_add(&s->trial, host->name, is_there(s->control, host));
    }
    set_timer(s);
}

void standing_begin(struct standing *s, uint64_t revision, struct change_result *result,
                    change_done_fn *done, void *aux)
{
    struct node *row = read_row(s->control, &revision);

    s->result = *result;
    change_result_init(result);
    s->done = done;
    s->aux = aux;
    open_it(s, row != NULL ? row : node_map(), revision);
    fault_at(FAULT_TRIAL_BEGUN);
    check(s);
}

void standing_start(struct standing *s)
{
    struct node *row;
    uint64_t revision;

    if (s->open || !s->control->id.founder)
        return;
    row = read_row(s->control, &revision);
    if (row == NULL)
        return;
    log_info("taking up the apply of revision %llu again", (unsigned long long)revision);
    open_it(s, row, revision);
    check(s);
}

static struct node *waiting_hosts(const struct control *control, uint64_t revision)
{
    struct node *names = node_list();

    list_for_each (it, &control->view->hosts) {
        const struct view_host *host = list_entry(it, struct view_host, link);
        const struct sync_seen *seen = seen_of(control->seen, host->number);
        bool self = host->number == control->id.self.host;

        if (host->number != 0 && (self ? !reconcile_steady(control->reconcile)
                                       : seen == NULL || seen->revision < revision))
            node_append(names, node_text(host->name));
    }
    return names;
}

struct node *standing_show(const struct control *control)
{
    static const char *const keys[] = {"phase", "who", "host", "what", "require"};
    uint64_t revision;
    struct node *row = read_row(control, &revision), *shown;

    if (row == NULL)
        return NULL;
    shown = node_map();
    node_set_int(shown, "revision", (int64_t)revision);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        node_set_text(shown, keys[i], node_get_text(row, keys[i], ""));
    node_set_int(shown, "until", node_get_int(row, "until", 0));
    if (strcmp(node_get_text(row, "phase", ""), "verify") == 0)
        node_set(shown, "waiting", waiting_hosts(control, revision));
    node_free(row);
    return shown;
}

struct standing *standing_new(struct control *control)
{
    struct standing *s = xcalloc(1, sizeof(*s));

    s->control = control;
    s->timer.expired = expired;
    trial_init(&s->trial, &trial_ops, s);
    change_result_init(&s->result);
    return s;
}

void standing_stop(struct standing *s)
{
    if (s == NULL || s->done == NULL)
        return;
    change_result_done(&s->result);
    change_result_init(&s->result);
    change_fail(&s->result, 503,
                "the daemon ends; the apply of revision %llu is decided when it is back",
                (unsigned long long)s->revision);
    answer(s);
}

void standing_free(struct standing *s)
{
    if (s == NULL)
        return;
    loop_timer_set(s->control->loop, &s->timer, MTIME_NEVER);
    map_clear(&s->touched);
    node_free(s->row);
    trial_done(&s->trial);
    change_result_done(&s->result);
    free(s);
}
