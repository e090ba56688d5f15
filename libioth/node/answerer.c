/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/node/answerer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libioth/node/lookup.h"
#include "proto/base/fd.h"

#define AGAIN_MS 50 /* Until one that died is replaced. */

void answerer_init(struct answerer *a)
{
    *a = (struct answerer){.watch.fd = -1};
    for (unsigned i = 0; i < DNS_SOCKETS; i++)
        a->sockets[i] = -1;
}

_Noreturn static void answerer_main(const struct answerer *a, pid_t launcher)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    struct lookup *lookup;
    sigset_t all;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* What a terminal sends to all of the job: the program may go on, and needs names. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    /* Whoever reads the program's output must not wait for us. */
    for (int fd = 0; fd < 3; fd++)
        if (null >= 0)
            dup2(null, fd);
    if (getppid() != launcher) /* It died before it was asked to tell. */
        _exit(1);
    /* What else is open in the launcher is none of its business. */
    fd_close_others(a->sockets, DNS_SOCKETS);
    lookup = lookup_new(a->api_path, a->networks, a->n_networks);
    if (lookup)
        (void)dns_serve(a->sockets, lookup_ask, lookup);
    _exit(1);
}

int answerer_start(struct answerer *a, struct err *err)
{
    const pid_t launcher = getpid();

    a->pid = fork();
    if (a->pid == 0)
        answerer_main(a, launcher);
    if (a->pid > 0)
        return 0;
    a->pid = 0;
    return err_set(err, -errno, "cannot fork: %s", err_text(errno));
}

/* Without a descriptor of the process it serves all the same, but is not replaced. */
static void watch(struct answerer *a)
{
    int fd = (int)syscall(SYS_pidfd_open, a->pid, 0U);

    if (fd >= 0 && loop_add(a->loop, &a->watch, fd, EPOLLIN))
        fd_close(&fd);
}

static void end(struct answerer *a)
{
    if (a->pid <= 0)
        return;
    kill(a->pid, SIGKILL);
    while (waitpid(a->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    a->pid = 0;
}

static void stop_watching(struct answerer *a)
{
    int fd = a->watch.fd;

    if (a->loop == NULL)
        return;
    loop_remove(a->loop, &a->watch);
    a->watch.fd = -1;
    fd_close(&fd);
}

/* Names must not be gone because the process that read what the node's programs sent is. */
static void ended(struct loop_watch *w, uint32_t events)
{
    struct answerer *a = list_entry(w, struct answerer, watch);

    (void)events;
    stop_watching(a);
    end(a);
    loop_timer_set(a->loop, &a->again, loop_now(a->loop) + AGAIN_MS * MTIME_MS);
}

static void due(struct loop_timer *timer, mtime_t now)
{
    struct answerer *a = list_entry(timer, struct answerer, again);

    if (answerer_start(a, NULL) == 0)
        watch(a);
    else
        loop_timer_set(a->loop, timer, now + AGAIN_MS * MTIME_MS);
}

void answerer_keep(struct answerer *a, struct loop *loop)
{
    a->loop = loop;
    a->watch.ready = ended;
    a->again.expired = due;
    watch(a);
}

void answerer_done(struct answerer *a)
{
    stop_watching(a);
    if (a->loop != NULL)
        loop_timer_set(a->loop, &a->again, MTIME_NEVER);
    end(a);
    for (unsigned i = 0; i < DNS_SOCKETS; i++)
        fd_close(&a->sockets[i]);
}
