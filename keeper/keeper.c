/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The keeper of one service: a process of its own that outlives the others of the daemon. Control
 * tells it what the service is, over RUN/keep.sock; it makes the node, supervises the program,
 * checks it, keeps its log, and tells what is. The daemon's parent starts it, as the user of the service, and
 * ends it by SIGTERM. Whoever ends it otherwise ends the service: its node ends with it.
 *
 *   ioth-keeper NAME RUN-FOLDER, with the folder of the log as descriptor 3
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "keeper/copy.h"
#include "keeper/line.h"
#include "keeper/output.h"
#include "keeper/place.h"
#include "keeper/probe.h"
#include "keeper/spec.h"
#include "keeper/state.h"
#include "proto/base/fd.h"
#include "proto/base/xalloc.h"

#define LOG_FOLDER    3
#define PROGRESS_TOLD (1 << 20) /* Bytes of state between two reports. */
/* The whole daemon ends within a second. */
#define HASTE (250 * MTIME_MS)

struct keeper {
    const char *name;
    char *plug_path, *api_path, *keep_path;
    struct loop *loop;
    struct supervise sup;
    struct loop_timer timer, failed;
    struct line line;
    struct place place;
    struct probe probe;
    struct output output;
    struct state state; /* Of a service that leaves, … */
    struct copy copy;   /* … and of one that comes. */
    int64_t progress;   /* As it was told last. */
    struct loop_watch signals;
    struct spec *spec, *running; /* As wanted; as the place has it, if that is another. */
    char **environment;
    int64_t revision;       /* Of the object as it was told last. */
    int64_t restarts_asked; /* How often somebody has asked for a restart. */
    const char *word;       /* The state as it was told last, … */
    int64_t since;          /* … and since when: milliseconds since 1970. */
    char exit[160], problem[320];
    bool changed; /* The status has to be told. */
    bool ending;
    bool forgotten; /* The service is no more, and neither is its log to be. */
};

static struct keeper *keeper_of_place(struct place *place)
{
    return list_entry(place, struct keeper, place);
}

/* --- the engine's effects ---------------------------------------------------------------- */

static void drop_running(struct keeper *k)
{
    if (k->running != k->spec)
        spec_free(k->running);
    k->running = NULL;
    spec_free_environment(k->environment);
    k->environment = NULL;
}

static void set_problem(struct keeper *k, const char *why)
{
    if (strcmp(k->problem, why) != 0)
        output_note(&k->output, "%s", why);
    (void)snprintf(k->problem, sizeof k->problem, "%s", why);
    k->changed = true;
}

static void start(void *aux)
{
    struct keeper *k = aux;
    struct err err = {.why = ""};
    int r = -EINVAL;

    drop_running(k);
    k->running = k->spec;
    k->environment = spec_environment(k->spec, &err);
    if (k->environment)
        r = place_take(&k->place, k->spec, k->environment, &err);
    if (r == 0)
        return;
    set_problem(k, err.why[0] ? err.why : err_text(r));
    loop_timer_set(k->loop, &k->failed, loop_now(k->loop));
}

static void start_failed(struct loop_timer *timer, mtime_t now)
{
    struct keeper *k = list_entry(timer, struct keeper, failed);

    supervise_exited(&k->sup, false, now);
}

static void terminate(void *aux)
{
    struct keeper *k = aux;

    probe_stop(&k->probe);
    place_terminate(&k->place);
}

static void end_it(void *aux)
{
    struct keeper *k = aux;

    output_note(&k->output, "does not end, killing it");
    place_kill(&k->place);
}

static void check(void *aux)
{
    struct keeper *k = aux;

    probe_start(&k->probe, k->spec, k->place.pid, k->environment);
}

static void changed(void *aux)
{
    struct keeper *k = aux;

    k->changed = true;
}

static const struct supervise_ops engine_ops = {.start = start,
                                                .terminate = terminate,
                                                .kill = end_it,
                                                .check = check,
                                                .changed = changed};

/* --- what happens ------------------------------------------------------------------------ */

static void place_started(struct place *place)
{
    struct keeper *k = keeper_of_place(place);

    k->problem[0] = '\0';
    output_note(&k->output, "started");
    supervise_started(&k->sup, loop_now(k->loop));
}

static void place_ended(struct place *place, int status, const char *why)
{
    struct keeper *k = keeper_of_place(place);

    probe_stop(&k->probe);
    if (status == -1) {
        set_problem(k, why);
    } else {
        output_note(&k->output, "ended: %s", why);
        if (k->sup.health != SUPERVISE_UNHEALTHY) /* Else that is why. */
            k->problem[0] = '\0';
        (void)snprintf(k->exit, sizeof k->exit, "%s", why);
    }
    if (k->output.lost > 0) {
        output_note(&k->output, "%lu bytes are lost: the disk is full", k->output.lost);
        k->output.lost = 0;
    }
    supervise_exited(&k->sup, status == 0, loop_now(k->loop));
}

static void place_refused(struct place *place, const char *why)
{
    set_problem(keeper_of_place(place), why);
}

static const struct place_ops place_ops = {
    .started = place_started, .ended = place_ended, .refused = place_refused};

/* What is wrong with it by its check, or "". */
static void note_check(struct keeper *k, const char *why)
{
    char problem[sizeof k->problem] = "";

    if (*why)
        (void)snprintf(problem, sizeof problem, "its check fails: %s", why);
    k->changed |= strcmp(problem, k->problem) != 0;
    memcpy(k->problem, problem, sizeof problem);
}

static void probe_done(struct probe *probe, bool well, const char *why)
{
    struct keeper *k = list_entry(probe, struct keeper, probe);

    if (!well && k->sup.health == SUPERVISE_HEALTHY)
        output_note(&k->output, "check failed: %s", why);
    note_check(k, well ? "" : why);
    supervise_checked(&k->sup, well, loop_now(k->loop));
    if (k->sup.health == SUPERVISE_UNHEALTHY)
        output_note(&k->output, "unhealthy");
}

static void signal_ready(struct loop_watch *watch, uint32_t events)
{
    struct keeper *k = list_entry(watch, struct keeper, signals);
    struct signalfd_siginfo info;

    (void)events;
    if (read(watch->fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    k->ending = true;
    k->sup.policy.stop_wait = HASTE;
    supervise_want(&k->sup, false, loop_now(k->loop));
}

/* --- state on its way -------------------------------------------------------------------- */

static void copy_ask(struct copy *copy, struct node *node)
{
    struct keeper *k = list_entry(copy, struct keeper, copy);

    line_say(&k->line, node, -1);
    node_free(node);
    k->changed |= copy->progress > k->progress + PROGRESS_TOLD;
    if (k->changed)
        k->progress = copy->progress;
}

static void copy_done(struct copy *copy)
{
    struct keeper *k = list_entry(copy, struct keeper, copy);

    k->problem[0] = '\0';
    k->changed = true;
}

static void copy_failed(struct copy *copy, const char *why)
{
    struct keeper *k = list_entry(copy, struct keeper, copy);

    set_problem(k, why);
    k->changed = true;
}

static void heard_state(struct keeper *k, const struct node *request)
{
    struct node *answer;

    if (!k->spec)
        return;
    answer = state_answer(&k->state, k->spec, k->place.pid != 0, request);
    node_set_text(answer, "type", "state");
    node_set_int(answer, "id", node_get_int(request, "id", 0));
    line_say(&k->line, answer, -1);
    node_free(answer);
}

/* --- what control says ------------------------------------------------------------------- */

static void take_spec(struct keeper *k, struct spec *spec)
{
    bool again = k->spec && spec_needs_restart(k->spec, spec);

    if (k->spec != k->running)
        spec_free(k->spec);
    k->spec = spec;
    if (!k->sup.ops)
        supervise_init(&k->sup, &spec->policy, &engine_ops, k);
    else
        supervise_configure(&k->sup, &spec->policy, loop_now(k->loop));
    if (again) {
        output_note(&k->output, "the service was changed");
        supervise_restart(&k->sup, loop_now(k->loop));
    }
}

static void wanted(struct keeper *k, const struct node *message)
{
    const struct node *body = node_get(message, "service");
    int64_t asked = node_get_int(message, "restarts", 0);
    bool hold = node_get_bool(message, "hold", false);
    bool first = k->spec == NULL;
    struct err err = {.why = ""};
    struct spec *spec = body ? spec_new(node_copy(body), &err) : NULL;

    if (!spec || k->ending) {
        spec_free(spec);
        return;
    }
    copy_want(&k->copy, spec, node_get_int(message, "move", 0),
              (unsigned)node_get_int(message, "copy", 0));
    take_spec(k, spec);
    k->revision = node_get_int(message, "revision", 0);
    supervise_want(&k->sup, !hold, loop_now(k->loop));
    k->changed = true;
    if (!first && asked != k->restarts_asked) {
        output_note(&k->output, "a restart is asked for");
        supervise_restart(&k->sup, loop_now(k->loop));
    }
    k->restarts_asked = asked;
}

static void heard(struct line *line, struct node *message)
{
    struct keeper *k = list_entry(line, struct keeper, line);
    const char *type = node_get_text(message, "type", "");

    if (strcmp(type, "want") == 0) {
        wanted(k, message);
    } else if (strcmp(type, "state") == 0) {
        heard_state(k, message);
    } else if (strcmp(type, "fetched") == 0) {
        copy_heard(&k->copy, node_get_int(message, "id", 0), node_get(message, "answer"));
    } else if (strcmp(type, "end") == 0) {
        copy_want(&k->copy, k->spec, 0, 0);
        k->ending = true;
        k->forgotten = node_get_bool(message, "forget", false);
        if (k->sup.ops)
            supervise_want(&k->sup, false, loop_now(k->loop));
    }
    node_free(message);
}

/* --- what it tells ----------------------------------------------------------------------- */

static struct node *status_of(struct keeper *k)
{
    const char *word = k->sup.ops ? supervise_word(&k->sup) : "starting";
    const char *health = k->sup.ops ? supervise_health_word(&k->sup) : "";
    struct node *status = node_map();

    if (!k->word || strcmp(k->word, word) != 0) {
        k->word = word;
        k->since = wall_now_us() / 1000;
    }
    node_set_text(status, "type", "status");
    node_set_text(status, "name", k->name);
    node_set_text(status, "state", word);
    if (*health)
        node_set_text(status, "health", health);
    node_set_int(status, "since", k->since);
    node_set_int(status, "restarts", k->sup.restarts);
    node_set_int(status, "revision", k->revision);
    node_set_int(status, "move", k->copy.move);
    node_set_int(status, "copied", k->copy.passed);
    node_set_int(status, "copy_failures", k->copy.failures);
    node_set_int(status, "progress", k->copy.progress);
    if (k->place.pid > 0)
        node_set_int(status, "pid", k->place.pid);
    node_set_bool(status, "up", k->place.up);
    if (k->sup.ops && k->sup.state == SUPERVISE_BACKOFF)
        node_set_int(status, "starts_at",
                     (wall_now_us() + (k->sup.due - loop_now(k->loop)) / MTIME_US) / 1000);
    if (k->exit[0])
        node_set_text(status, "exit", k->exit);
    if (k->problem[0])
        node_set_text(status, "problem", k->problem);
    return status;
}

static void tell(struct keeper *k, int fd)
{
    struct node *status = status_of(k);

    line_say(&k->line, status, fd);
    node_free(status);
}

/* The first thing that control hears: who it is, by a descriptor of this process. */
static void line_up(struct line *line)
{
    struct keeper *k = list_entry(line, struct keeper, line);
    int fd = (int)syscall(SYS_pidfd_open, getpid(), 0U);

    tell(k, fd);
    fd_close(&fd);
    if (k->copy.id) /* Whoever was asked is not there any more. */
        copy_heard(&k->copy, k->copy.id, NULL);
}

static void turn_end(void *aux)
{
    struct keeper *k = aux;

    if (k->changed)
        tell(k, -1);
    k->changed = false;
    if (k->sup.ops)
        loop_timer_set(k->loop, &k->timer, supervise_deadline(&k->sup));
    if (k->ending && k->place.pid == 0 &&
        (!k->sup.ops || k->sup.state == SUPERVISE_STOPPED))
        loop_stop(k->loop);
}

static void timer_expired(struct loop_timer *timer, mtime_t now)
{
    struct keeper *k = list_entry(timer, struct keeper, timer);
    char why[48];

    (void)snprintf(why, sizeof why, "no answer within %lld ms",
                   (long long)(k->sup.policy.timeout / MTIME_MS));
    if (k->sup.check_late <= now)
        note_check(k, why);
    supervise_run(&k->sup, now);
}

/* --- life -------------------------------------------------------------------------------- */

static int watch_signals(struct keeper *k)
{
    sigset_t set;
    int fd;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_SETMASK, &set, NULL);
    for (int i = 1; i < 32; i++) /* A terminal's signals are the daemon's business. */
        if (i == SIGINT || i == SIGHUP || i == SIGQUIT || i == SIGPIPE)
            signal(i, SIG_IGN);
    fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    k->signals = (struct loop_watch){.ready = signal_ready, .fd = -1};
    return fd < 0 ? -errno : loop_add(k->loop, &k->signals, fd, EPOLLIN);
}

static int set_up(struct keeper *k, const char *name, const char *run_dir)
{
    *k = (struct keeper){.name = name,
                         .plug_path = xasprintf("%s/plug.sock", run_dir),
                         .api_path = xasprintf("%s/api.sock", run_dir),
                         .keep_path = xasprintf("%s/keep.sock", run_dir),
                         .loop = loop_new()};
    if (!k->loop)
        return -errno;
    output_open(&k->output, LOG_FOLDER);
    k->timer.expired = timer_expired;
    k->failed.expired = start_failed;
    k->place.ops = &place_ops;
    k->place.loop = k->loop;
    k->place.output = &k->output;
    k->place.name = name;
    k->place.plug_path = k->plug_path;
    k->place.api_path = k->api_path;
    place_init(&k->place);
    probe_init(&k->probe, k->loop, probe_done);
    state_init(&k->state);
    copy_init(&k->copy, k->loop);
    k->copy.ask = copy_ask;
    k->copy.done = copy_done;
    k->copy.failed = copy_failed;
    k->line = (struct line){
        .path = k->keep_path, .loop = k->loop, .up = line_up, .message = heard};
    line_start(&k->line);
    loop_set_turn_end(k->loop, turn_end, k);
    return watch_signals(k);
}

int main(int argc, char **argv)
{
    struct keeper k;
    struct stat st;
    int r;

    if (argc != 3 || fstat(LOG_FOLDER, &st) < 0 || !S_ISDIR(st.st_mode)) {
        fprintf(stderr, "ioth-keeper keeps one service; fabricd starts it\n");
        return 2;
    }
    prctl(PR_SET_NAME, "ioth-keeper");
    (void)setsid();
    umask(022);
    r = set_up(&k, argv[1], argv[2]);
    if (r < 0) {
        fprintf(stderr, "ioth-keeper %s: %s\n", argv[1], err_text(r));
        return 1;
    }
    loop_run(k.loop);
    place_clear(&k.place);
    if (k.forgotten)
        output_forget(&k.output);
    return 0;
}
