/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/parent/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/err.h"
#include "proto/base/fd.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"

#define CHANNEL        3 /* The descriptor of the channel in a forked process. */
#define READS_PER_TURN 32
#define CHANNEL_BUFFER (1 << 20)
#define END_WAIT       (200 * MTIME_MS)

struct queued {
    struct list link;
    enum ipc_type type;
    uint32_t request;
    int fds[IPC_MAX_FDS];
    unsigned n_fds;
    union ipc_body *body; /* As long as the type's; NULL = none. */
};

/* --- the queue ---------------------------------------------------------------------------- */

static void queued_free(struct queued *q)
{
    list_remove(&q->link);
    for (unsigned i = 0; i < q->n_fds; i++)
        fd_close(&q->fds[i]);
    free(q->body);
    free(q);
}

static void enqueue(struct child *c, enum ipc_type type, uint32_t request, const void *body,
                    const int *fds, unsigned n_fds)
{
    struct queued *q = xcalloc(1, sizeof *q);
    size_t size = body ? ipc_body_size(type, body) : 0;

    q->type = type;
    q->request = request;
    if (size) {
        q->body = xcalloc(1, size);
        memcpy(q->body, body, size);
    }
    for (unsigned i = 0; i < n_fds; i++)
        q->fds[q->n_fds++] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
    list_append(&c->queue, &q->link);
    child_wait(c);
}

void child_wait(struct child *c)
{
    bool queued = !list_empty(&c->queue);

    loop_set_events(c->loop, &c->channel, queued ? EPOLLOUT : EPOLLIN | EPOLLOUT);
}

void child_send(struct child *c, enum ipc_type type, uint32_t request, const void *body,
                const int *fds, unsigned n_fds)
{
    int r;

    if (!c->running)
        return;
    if (!list_empty(&c->queue)) {
        enqueue(c, type, request, body, fds, n_fds);
        return;
    }
    r = ipc_send(c->sock, type, request, body, fds, n_fds);
    if (r == -EAGAIN)
        enqueue(c, type, request, body, fds, n_fds);
    else if (r < 0 && r != -EPIPE && r != -ECONNRESET)
        log_warn("%s: cannot send %s: %s", c->name, ipc_type_name(type), err_text(r));
}

/* Returns false while the channel is full. */
static bool flush(struct child *c)
{
    while (!list_empty(&c->queue)) {
        struct queued *q = list_entry(list_first(&c->queue), struct queued, link);
        int r = ipc_send(c->sock, q->type, q->request, q->body, q->fds, q->n_fds);

        if (r == -EAGAIN)
            return false;
        queued_free(q);
    }
    return true;
}

/* --- its end ------------------------------------------------------------------------------ */

static void drop_queue(struct child *c)
{
    while (!list_empty(&c->queue))
        queued_free(list_entry(list_first(&c->queue), struct queued, link));
}

static void release(struct child *c)
{
    loop_remove(c->loop, &c->channel);
    loop_remove(c->loop, &c->process);
    loop_timer_set(c->loop, &c->late, MTIME_NEVER);
    fd_close(&c->sock);
    fd_close(&c->pidfd);
    drop_queue(c);
    c->running = false;
    c->pid = 0;
}

/* Returns whether it ended by itself, with a failure. */
static bool say_how(struct child *c, char *how, size_t size)
{
    siginfo_t info = {0};

    snprintf(how, size, "gone");
    if (!c->forked || waitid(P_PIDFD, (id_t)c->pidfd, &info, WEXITED) < 0)
        return false;
    if (info.si_code == CLD_EXITED)
        snprintf(how, size, "exit status %d", info.si_status);
    else
        snprintf(how, size, "signal %d", info.si_status);
    return info.si_code == CLD_EXITED && info.si_status != 0;
}

static void ended(struct child *c)
{
    char how[32];
    bool gave_up = say_how(c, how, sizeof how);

    release(c);
    c->ops->gone(c, how, gave_up);
}

/* Reads up to `most` messages. Returns false when the channel has ended or is broken. */
static bool drain(struct child *c, unsigned most)
{
    static struct ipc_message msg; /* 60 KB: too much for a stack, and one at a time. */

    while (most--) {
        int r = ipc_recv(c->sock, &msg);

        if (r == -EAGAIN)
            return true;
        if (r == -EPROTO || r == -EMSGSIZE) { /* Or no descriptors are left to take it. */
            log_warn("%s: a message is dropped: %s", c->name, err_text(r));
            continue;
        }
        if (r <= 0)
            return false;
        c->ops->message(c, &msg);
        explicit_bzero(&msg, sizeof msg.head + msg.head.size);
        if (!c->running || !list_empty(&c->queue))
            return true;
    }
    return true;
}

static void too_late(struct loop_timer *t, mtime_t now)
{
    struct child *c = list_entry(t, struct child, late);

    (void)now;
    child_kill(c); /* process_ready() hears of it. */
}

/* The channel has ended: the process is about to, or is made to. */
static void channel_lost(struct child *c)
{
    if (c->pidfd < 0) {
        ended(c);
        return;
    }
    loop_remove(c->loop, &c->channel);
    loop_timer_set(c->loop, &c->late, loop_now(c->loop) + END_WAIT);
}

static void channel_ready(struct loop_watch *w, uint32_t events)
{
    struct child *c = list_entry(w, struct child, channel);

    if (events & EPOLLOUT && flush(c) && c->ops->idle(c))
        loop_set_events(c->loop, w, EPOLLIN);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && list_empty(&c->queue) &&
        !drain(c, READS_PER_TURN) && c->running)
        channel_lost(c);
}

/* Nobody reads what is queued any more, but its own last words count. */
static void process_ready(struct loop_watch *w, uint32_t events)
{
    struct child *c = list_entry(w, struct child, process);
    struct pollfd p = {.fd = c->sock, .events = POLLIN};

    (void)events;
    do
        drop_queue(c);
    while (poll(&p, 1, 0) > 0 && (p.revents & POLLIN) && drain(c, 1) && c->running);
    ended(c);
}

/* --- its beginning ------------------------------------------------------------------------ */

static int watch(struct child *c, int channel, int process)
{
    int r;

    c->channel.ready = channel_ready;
    c->process.ready = process_ready;
    r = loop_add(c->loop, &c->channel, channel, EPOLLIN);
    if (!r && process >= 0)
        r = loop_add(c->loop, &c->process, process, EPOLLIN);
    if (r < 0) {
        loop_remove(c->loop, &c->channel);
        fd_close(&channel);
        fd_close(&process);
        return r;
    }
    c->sock = channel;
    c->pidfd = process;
    c->running = true;
    return 0;
}

void child_init(struct child *c, const char *name, struct loop *loop,
                const struct child_ops *ops, void *aux)
{
    *c = (struct child){.name = name, .ops = ops, .aux = aux, .loop = loop};
    c->sock = c->pidfd = -1;
    c->late.expired = too_late;
    list_init(&c->queue);
}

static void in_the_child(int channel, int (*main_)(void *aux, int channel), void *aux)
{
    static const int defaults[] = {SIGTERM, SIGCHLD, SIGUSR1, SIGUSR2};
    static const int ignored[] = {SIGINT, SIGHUP, SIGPIPE, SIGQUIT};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    sigset_t none;

    for (unsigned i = 0; i < sizeof defaults / sizeof *defaults; i++)
        signal(defaults[i], SIG_DFL);
    for (unsigned i = 0; i < sizeof ignored / sizeof *ignored; i++)
        signal(ignored[i],
               SIG_IGN); /* A terminal's signals reach the parent, who decides. */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (null >= 0)
        dup2(null, STDIN_FILENO);
    if (channel != CHANNEL && dup3(channel, CHANNEL, O_CLOEXEC) < 0)
        _exit(1);
    if (close_range(CHANNEL + 1, ~0U, 0) < 0)
        _exit(1);
    _exit(main_(aux, CHANNEL));
}

void child_widen(int sock)
{
    int size = CHANNEL_BUFFER;

    if (setsockopt(sock, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
        (void)setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

int child_fork(struct child *c, int (*main_)(void *aux, int channel))
{
    int ends[2];
    pid_t pid;
    int process;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    child_widen(ends[0]);
    child_widen(ends[1]);
    pid = fork();
    if (pid < 0) {
        int code = -errno;

        close(ends[0]);
        close(ends[1]);
        return code;
    }
    if (pid == 0)
        in_the_child(ends[1], main_, c->aux);
    close(ends[1]);
    process = pidfd_open(pid, 0);
    c->forked = true;
    c->pid = pid;
    if (process < 0) { /* No descriptors left: without one it cannot be watched. */
        int code = -errno;

        close(ends[0]);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return code;
    }
    return watch(c, ends[0], process);
}

/* The process that a descriptor stands for, as the kernel tells it. */
static pid_t pid_of(int process)
{
    char path[64], line[128];
    long pid = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", process);
    f = fopen(path, "re");
    if (!f)
        return 0;
    while (fgets(line, sizeof line, f)) {
        if (!strncmp(line, "Pid:", 4))
            pid = strtol(line + 4, NULL, 10);
    }
    fclose(f);
    return pid > 0 ? (pid_t)pid : 0;
}

int child_take(struct child *c, int channel, int process)
{
    c->forked = false;
    c->pid = process >= 0 ? pid_of(process) : 0;
    return watch(c, channel, process);
}

void child_kill(struct child *c)
{
    if (c->pidfd >= 0)
        (void)pidfd_send_signal(c->pidfd, SIGKILL, NULL, 0);
}

void child_done(struct child *c)
{
    release(c);
}
