/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/parent/parent.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fabricd/parent/open.h"
#include "fabricd/parent/parent_internal.h"
#include "fabricd/parent/store_folder.h"
#include "fabricd/parent/vde.h"
#include "fabricd/sandbox/sandbox.h"
#include "proto/base/fd.h"
#include "proto/base/log.h"

/* Everything ends within a second of SIGTERM: each of the two has this long before it is made to. */
#define STOP_WAIT   (350 * MTIME_MS)
#define RESTART_MIN (50 * MTIME_MS)
#define RESTART_MAX (10 * MTIME_SEC)
#define MAX_FILES   65536 /* Enough for VAULT_MAX ports. */
#define STEADY_AFTER                                                                       \
    (10 * MTIME_SEC) /* A process that ran this long starts again at once. */

static const char *const process_names[N_CHILDREN] = {"fabricd-switch", "fabricd-control"};

static void start_process(struct parent *, unsigned which);

/* --- the vault and the switch ------------------------------------------------------------ */

static void fill_secret(void *aux, struct ipc_self *self)
{
    struct parent *p = aux;

    if (keys_noise_secret(p->keys, self->noise_secret) < 0)
        log_error("the key of this host cannot be read");
}

bool parent_sync(struct parent *p)
{
    struct child *c = &p->processes[SWITCH].child;
    int r;

    if (!c->running || !list_empty(&c->queue))
        return false; /* Its queue first; child_ops.idle comes back here. */
    r = vault_sync(p->vault, c->sock, fill_secret, p);
    if (r == -EAGAIN) {
        child_wait(c);
        return false;
    }
    if (r < 0 && r != -EPIPE && r != -ECONNRESET)
        log_error("the switch cannot be told of a change: %s", err_text(r));
    if (r == 0 && p->replaying) {
        p->replaying = false;
        child_send(c, IPC_REPLAY_END, 0, NULL, NULL, 0);
    }
    if (closer_is_to_ask(p->closer)) {
        closer_asked(p->closer);
        child_send(c, IPC_FENCE, PARENT_FENCE, NULL, NULL, 0);
    }
    if (p->fence && !p->fence_set) {
        p->fence_set = true;
        child_send(c, IPC_FENCE, p->fence, NULL, NULL, 0);
    }
    return true;
}

/* --- starting ---------------------------------------------------------------------------- */

static struct ipc_pids pids_now(const struct parent *p)
{
    return (struct ipc_pids){.parent = (uint32_t)getpid(),
                             .switch_ = (uint32_t)p->processes[SWITCH].child.pid,
                             .control = (uint32_t)p->processes[CONTROL].child.pid};
}

/* This process's end of a channel to its sibling. The other end goes there now; a control that
 * is still to start finds it in its IPC_START. A switch that is still to start gets a channel of
 * its own, so that control hears of it. */
static int sibling_channel(struct parent *p, unsigned which)
{
    struct child *other = &p->processes[!which].child;
    struct ipc_pids pids = pids_now(p);
    int ends[2];

    if (which == CONTROL && p->spare >= 0) {
        int end = p->spare;

        p->spare = -1;
        return end;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    child_widen(ends[0]);
    child_widen(ends[1]);
    if (other->running) {
        child_send(other, IPC_CHANNEL, 0, &pids, &ends[1], 1);
        close(ends[1]);
    } else if (which == SWITCH) {
        fd_close(&p->spare);
        p->spare = ends[1];
    } else {
        close(ends[1]);
    }
    return ends[0];
}

static int adoption_socket(struct parent *p)
{
    char path[128];
    struct err err = {0};
    int fd;

    snprintf(path, sizeof path, "%s/switch.sock", p->config->start.run_dir);
    unlink(path); /* Its switch is dead: we would have adopted it. */
    fd = open_unix(path, SOCK_SEQPACKET, 0600, &err);
    if (fd < 0)
        log_error("%s", err.why);
    return fd;
}

static void send_start(struct parent *p, unsigned which, const int *fds, unsigned n_fds)
{
    struct ipc_start start = p->config->start;

    start.pids = pids_now(p);
    start.group = p->group;
    start.adopted = which == CONTROL && !p->cold;
    start.api_fds = (uint8_t)(which == CONTROL ? n_fds - 4 : 0);
    child_send(&p->processes[which].child, IPC_START, 0, &start, fds, n_fds);
}

static void begin_switch(struct parent *p)
{
    int fds[3] = {sibling_channel(p, SWITCH), adoption_socket(p), open_interfaces()};

    if (fds[0] >= 0 && fds[1] >= 0)
        send_start(p, SWITCH, fds, fds[2] >= 0 ? 3 : 2);
    else
        child_kill(&p->processes[SWITCH].child);
    for (unsigned i = 0; i < 3; i++)
        fd_close(&fds[i]);
    vault_mark_all(p->vault);
    p->replaying = true;
    p->fence_set = p->fence_passed = false;
    closer_release(p->closer, true); /* The switch that had them is dead. */
    parent_sync(p);
}

static bool replay_to_control(void *aux, const struct vault_entry *e)
{
    child_send(aux, (enum ipc_type)e->type, 0, e->body, NULL, 0);
    return true;
}

/* The API's entry also carries the process descriptor of control, for a parent after this. */
static void note_control(struct parent *p)
{
    const struct vault_entry *e = vault_find(p->vault, IPC_LISTEN, LISTEN_API);
    struct child *c = &p->processes[CONTROL].child;
    struct ipc_listen body = e->body->listen;
    int fds[2] = {fcntl(e->fds[0], F_DUPFD_CLOEXEC, 0),
                  fcntl(c->pidfd, F_DUPFD_CLOEXEC, 0)};

    if (vault_put_body(p->vault, IPC_LISTEN, &body, fds, 2, true) < 0)
        log_warn("control: cannot be noted in the vault");
    parent_sync(p);
}

/* The operator's files, which control itself may not reach. Read anew by each control. */
static int open_pem(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        log_error("%s: %s", path, err_text(errno));
    return fd;
}

/* The API over TCP: its socket, and the operator's certificate and key, into fds. How many. */
static unsigned api_fds(const struct parent *p, int fds[3])
{
    const struct vault_entry *tcp = vault_find(p->vault, IPC_LISTEN, LISTEN_API_TCP);
    const struct ipc_start *start = &p->config->start;

    if (!tcp)
        return 0;
    fds[0] = tcp->fds[0];
    if (!*start->api_cert)
        return 1;
    fds[1] = open_pem(start->api_cert);
    fds[2] = open_pem(start->api_key);
    return fds[1] >= 0 && fds[2] >= 0 ? 3 : 0;
}

static void begin_control(struct parent *p)
{
    const struct vault_entry *api = vault_find(p->vault, IPC_LISTEN, LISTEN_API);
    const struct vault_entry *plug = vault_find(p->vault, IPC_LISTEN, LISTEN_PLUG);
    const struct vault_entry *keep = vault_find(p->vault, IPC_LISTEN, LISTEN_KEEP);
    struct child *c = &p->processes[CONTROL].child;
    int fds[4 + 3] = {
        sibling_channel(p, CONTROL), api->fds[0], plug->fds[0], keep->fds[0], -1, -1, -1};
    int *tcp = fds + 4; /* The vault's, and the two files of the operator's. */
    unsigned n_tcp;

    if (fds[0] < 0) {
        child_kill(c);
        return;
    }
    n_tcp = api_fds(p, tcp);
    send_start(p, CONTROL, fds, 4 + n_tcp);
    p->cold = false;
    fd_close(&fds[0]);
    fd_close(&tcp[1]);
    fd_close(&tcp[2]);
    vault_each(p->vault, replay_to_control, c);
    child_send(c, IPC_REPLAY_END, 0, NULL, NULL, 0);
    note_control(p);
}

/* Before control is confined, what it must find is put in its place. */
static int confine_control(const struct ipc_start *start)
{
    char folder[STORE_PATH_SIZE], keys[STORE_PATH_SIZE];
    char api[STORE_PATH_SIZE], logs[STORE_PATH_SIZE];
    struct err err = {0};
    bool has_folder;
    int fd, r;

    if (store_folder(start, folder, &has_folder, &err) < 0)
        log_error("%s", err.why); /* The store says the rest. */
    snprintf(api, sizeof api, "%s/" IPC_API_FOLDER, start->state_dir);
    if (mkdir(api, 0700) < 0 && errno != EEXIST)
        log_error("%s: %s", api, err_text(errno));
    snprintf(logs, sizeof logs, "%s/services", start->state_dir);
    if (mkdir(logs, 0755) < 0 && errno != EEXIST)
        log_error("%s: %s", logs, err_text(errno));
    r = sandbox_control(&(struct sandbox_folders){
        .store = has_folder ? folder : NULL, .api = api, .logs = logs});
    snprintf(keys, sizeof keys, "%s/keys", start->state_dir);
    fd = r < 0 || !sandbox_has_landlock() ? -1
                                          : open(keys, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        log_warn(
            "%s is in reach of the control process: keep the store, or the state folder, "
            "in a folder of its own",
            keys);
    fd_close(&fd);
    return r;
}

/* The first function of a forked process. */
static int process_main(void *aux, int channel)
{
    struct process *self = aux;
    const struct parent_config *config = self->parent->config;
    bool is_switch = self == &self->parent->processes[SWITCH];
    int r;

    log_init(self->child.name, (enum log_level)config->start.log_level, STDERR_FILENO);
    prctl(PR_SET_NAME, self->child.name);
    r = is_switch ? sandbox_switch() : confine_control(&config->start);
    if (r < 0) {
        log_error("cannot be confined: %s", err_text(r));
        return 1;
    }
    return is_switch ? config->switch_main(channel) : config->control_main(channel);
}

static void restart_later(struct process *self)
{
    mtime_t wait = 0;

    if (self->failures)
        wait = mtime_min(RESTART_MIN << (self->failures > 8 ? 8 : self->failures - 1),
                         RESTART_MAX);
    self->failures++;
    loop_timer_set(self->parent->loop, &self->restart, mtime_now() + wait);
}

static void start_process(struct parent *p, unsigned which)
{
    struct process *self = &p->processes[which];
    int r = child_fork(&self->child, process_main);

    self->started = mtime_now();
    if (r < 0) {
        log_error("%s cannot be started: %s", self->child.name, err_text(r));
        restart_later(self);
        return;
    }
    log_debug("%s started, pid %d", self->child.name, (int)self->child.pid);
    if (which == SWITCH)
        begin_switch(p);
    else
        begin_control(p);
}

static void restart_due(struct loop_timer *t, mtime_t now)
{
    struct process *self = list_entry(t, struct process, restart);

    (void)now;
    start_process(self->parent, (unsigned)(self - self->parent->processes));
}

/* --- what the children do ---------------------------------------------------------------- */

static void process_message(struct child *c, struct ipc_message *msg)
{
    struct process *self = c->aux;
    struct parent *p = self->parent;

    if (self == &p->processes[SWITCH])
        state_from_switch(p, msg);
    else
        state_from_control(p, msg);
}

static bool process_idle(struct child *c)
{
    struct process *self = c->aux;

    if (self == &self->parent->processes[SWITCH] && !parent_sync(self->parent))
        return false;
    return list_empty(&c->queue);
}

/* While the daemon ends: control first, which would miss the switch; then the switch. */
void parent_end_next(struct parent *p)
{
    if (!p->processes[CONTROL].child.running && !p->switch_told) {
        p->switch_told = true;
        child_send(&p->processes[SWITCH].child, IPC_STOP, 0, NULL, NULL, 0);
    }
    if (!p->processes[SWITCH].child.running && !p->processes[CONTROL].child.running &&
        list_empty(&p->keepers))
        loop_stop(p->loop);
}

/* Where all three were told at once to end (a service manager does), a child may be the first. */
static bool told_to_end(void)
{
    sigset_t set;

    return sigpending(&set) == 0 &&
           (sigismember(&set, SIGTERM) || sigismember(&set, SIGINT) ||
            sigismember(&set, SIGHUP));
}

/* A control process that gives up at once, where there is nothing yet that could be lost: a
 * person at a terminal, or a service manager, is to know. Later ones are started again, since
 * forwarding goes on meanwhile and disks come back. */
static bool is_hopeless(const struct parent *p, const struct process *self)
{
    return self == &p->processes[CONTROL] && p->fresh && !self->failures &&
           mtime_now() - self->started < STEADY_AFTER;
}

static void process_gone(struct child *c, const char *how, bool gave_up)
{
    struct process *self = c->aux;
    struct parent *p = self->parent;

    if (told_to_end())
        parent_stop(p);
    fd_close(&p->spare); /* Whatever it was to be joined with is starting anew as well. */
    if (p->stopping) {
        parent_end_next(p);
        return;
    }
    if (gave_up && is_hopeless(p, self)) {
        p->hopeless = true;
        parent_stop(p);
        return;
    }
    if (mtime_now() - self->started > STEADY_AFTER)
        self->failures = 0;
    if (self == &p->processes[CONTROL])
        p->fresh = false;
    log_warn("%s ended (%s), starting it again", c->name, how);
    restart_later(self);
}

static const struct child_ops process_ops = {
    .message = process_message, .idle = process_idle, .gone = process_gone};

/* --- ending ------------------------------------------------------------------------------ */

static void stop_is_late(struct loop_timer *t, mtime_t now)
{
    struct parent *p = list_entry(t, struct parent, stop_late);

    (void)now;
    loop_timer_set(p->loop, t, mtime_now() + STOP_WAIT);
    service_kill_all(p);
    for (unsigned i = 0; i < N_CHILDREN; i++) {
        struct child *c = &p->processes[i].child;

        if (!c->running || (i == SWITCH && !p->switch_told))
            continue;
        log_warn("%s does not end, killing it", c->name);
        child_kill(c);
        if (c->pidfd < 0) /* Adopted, and not known: it ends with its channel. */
            child_done(c);
    }
    parent_end_next(p);
}

void parent_stop(struct parent *p)
{
    if (p->stopping)
        return;
    p->stopping = true;
    log_info("ending");
    for (unsigned i = 0; i < N_CHILDREN; i++)
        loop_timer_set(p->loop, &p->processes[i].restart, MTIME_NEVER);
    child_send(&p->processes[CONTROL].child, IPC_STOP, 0, NULL, NULL, 0);
    service_stop_all(p);
    loop_timer_set(p->loop, &p->stop_late, mtime_now() + STOP_WAIT);
    parent_end_next(p);
}

static void signal_ready(struct loop_watch *w, uint32_t events)
{
    struct parent *p = list_entry(w, struct parent, signals);
    struct signalfd_siginfo info;

    (void)events;
    if (read(w->fd, &info, sizeof info) == (ssize_t)sizeof info)
        parent_stop(p);
}

static bool remove_path(void *aux, const struct vault_entry *e)
{
    const struct parent *p = aux;

    if (e->type == IPC_PORT && e->body->port.kind == IPC_PORT_VDE)
        vde_unlink_data(p->config->start.run_dir, e->body->port.path);
    return true;
}

static void remove_own_paths(struct parent *p)
{
    static const char *const names[] = {"api.sock", "plug.sock", "keep.sock",
                                        "switch.sock"};
    char path[128];

    vault_each(p->vault, remove_path, p);
    vde_remove_all(p->config->start.run_dir);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", p->config->start.run_dir, names[i]);
        unlink(path);
    }
}

/* --- the whole --------------------------------------------------------------------------- */

/* The lock file stays when the daemon ends: removing it would let two hold "the" lock. */
static int take_lock(struct parent *p, struct err *err)
{
    char path[128], text[32] = {0};

    snprintf(path, sizeof path, "%s/fabricd.lock", p->config->start.run_dir);
    p->lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (p->lock < 0)
        return err_set(err, -errno, "%s: %s", path, err_text(errno));
    if (flock(p->lock, LOCK_EX | LOCK_NB) < 0) {
        if (read(p->lock, text, sizeof text - 1) < 0)
            text[0] = '\0';
        text[strcspn(text, "\n")] = '\0';
        err_set(err, -EBUSY, "a fabricd (pid %s) is running in %s already", text,
                p->config->start.run_dir);
        err_hint(err, "fabricd --run-dir DIR, for one more beside it");
        return -EBUSY;
    }
    snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (ftruncate(p->lock, 0) < 0 || write(p->lock, text, strlen(text)) < 0)
        return err_set(err, -errno, "%s: %s", path, err_text(errno));
    return 0;
}

static int watch_signals(struct parent *p, struct err *err)
{
    sigset_t set;
    int fd;
    int r;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return err_set(err, -errno, "signalfd: %s", err_text(errno));
    p->signals.ready = signal_ready;
    r = loop_add(p->loop, &p->signals, fd, EPOLLIN);
    return r < 0 ? err_set(err, r, "epoll: %s", err_text(r)) : 0;
}

/* Every port takes two to four descriptors, here and in the switch. */
static void raise_limit(struct parent *p)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    p->files = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max < MAX_FILES ? limit.rlim_max : MAX_FILES;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Looked up once, here: the switch can open no file. */
static uint32_t group_ioth(void)
{
    const struct group *gr = getgrnam("ioth");

    return gr ? gr->gr_gid : 0;
}

static int begin(struct parent *p, struct err *err)
{
    int r = take_lock(p, err);

    if (!r)
        r = sandbox_common();
    if (r < 0)
        return r;
    raise_limit(p);
    if (!sandbox_has_landlock())
        log_debug("this kernel has no Landlock: files are guarded by their modes only");
    p->keys = keys_open(p->config->start.state_dir, err);
    if (!p->keys)
        return -EIO;
    r = watch_signals(p, err);
    if (!r)
        r = adopt(p, err);
    if (r != 0)
        return r < 0 ? r : 0;
    p->cold = p->fresh = true;
    vde_remove_all(p->config->start.run_dir);
    return request_open_own(p, err);
}

static void begin_missing(struct parent *p)
{
    for (unsigned i = 0; i < N_CHILDREN; i++) {
        if (!p->processes[i].child.running)
            start_process(p, i);
    }
}

static void parent_init(struct parent *p, const struct parent_config *config)
{
    *p = (struct parent){.config = config, .lock = -1, .spare = -1};
    p->next_listen = LISTEN_FIRST_VDE;
    p->group = group_ioth();
    p->signals.fd = -1;
    list_init(&p->keepers);
    list_init(&p->waiting);
    p->stop_late.expired = stop_is_late;
    p->loop = loop_new();
    p->vault = vault_new();
    if (p->loop)
        p->closer = closer_new(p->loop, request_closed, p);
    for (unsigned i = 0; i < N_CHILDREN; i++) {
        struct process *self = &p->processes[i];

        self->parent = p;
        self->restart.expired = restart_due;
        if (p->loop)
            child_init(&self->child, process_names[i], p->loop, &process_ops, self);
    }
}

static bool close_device(void *aux, const struct vault_entry *e)
{
    state_close_device(aux, e);
    return true;
}

static void parent_done(struct parent *p)
{
    int signals = p->signals.fd;

    if (p->closer) {
        vault_each(p->vault, close_device, p);
        closer_free(p->closer);
        request_done(p);
    }
    if (p->loop) {
        for (unsigned i = 0; i < N_CHILDREN; i++)
            child_done(&p->processes[i].child);
        loop_remove(p->loop, &p->signals);
        service_done(p);
    }
    fd_close(&signals);
    fd_close(&p->spare);
    fd_close(&p->lock);
    keys_close(p->keys);
    vault_free(p->vault);
    loop_free(p->loop);
}

int parent_run(const struct parent_config *config, struct err *err)
{
    struct parent p;
    int r;

    parent_init(&p, config);
    r = p.closer ? begin(&p, err) : err_set(err, -errno, "epoll: %s", err_text(errno));
    if (!r) {
        begin_missing(&p);
        loop_run(p.loop);
        remove_own_paths(&p);
        if (p.hopeless)
            r = err_set(err, -ECANCELED, "cannot begin, for the reason above");
    }
    parent_done(&p);
    return r;
}
