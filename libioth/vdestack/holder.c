/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starting a holder and asking it. It is started like posix_spawn() does, by a child that shares our memory
 * until it is another program: nothing is copied, whatever the size of the program, and no lock that
 * another thread holds matters. Not by posix_spawn() itself, since a program that waits for its children
 * must not find this one among them.
 */
#include "libioth/vdestack/holder.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/fd.h"

#define STACK_SIZE 65536
#define PATH_SIZE  4096

struct start {
    char path[PATH_SIZE];
    int sock;
    int error; /* Of the child. */
};

/* ioth-holder, beside the shared object that this is in. */
static int find(char out[PATH_SIZE])
{
    Dl_info info;
    const char *slash;
    int n;

    if (!dladdr((void *)(uintptr_t)&holder_start, &info) || !info.dli_fname)
        return -ENOENT;
    slash = strrchr(info.dli_fname, '/');
    n = snprintf(out, PATH_SIZE, "%.*s/ioth-holder",
                 slash ? (int)(slash - info.dli_fname) : 1, slash ? info.dli_fname : ".");
    return n < PATH_SIZE ? 0 : -ENAMETOOLONG;
}

/* In the child: async-signal-safe calls only. Signals stay blocked: ^C is the program's affair, and the
 * holder ends with it. */
static int become(void *aux)
{
    struct start *s = aux;
    char name[] = "ioth-holder";
    char *argv[] = {name, NULL}, *none[] = {NULL};
    int fd =
        fcntl(s->sock, F_DUPFD, HOLDER_FD + 1); /* dup2() onto itself would keep CLOEXEC. */

    if (fd >= 0 && dup2(fd, HOLDER_FD) == HOLDER_FD)
        execve(s->path, argv, none);
    s->error = errno;
    _exit(127);
}

static int spawn(struct start *s, pid_t *pid)
{
    sigset_t all, before;
    uint8_t *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    int child, r = 0;

    if (stack == MAP_FAILED)
        return -ENOMEM;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    child = clone(become, stack + STACK_SIZE, CLONE_VM | CLONE_VFORK, s);
    if (child < 0)
        r = -errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    munmap(stack, STACK_SIZE);
    if (r == 0 && s->error) {
        r = -s->error;
        waitpid(child, NULL, __WALL);
    }
    *pid = child;
    return r;
}

int holder_start(struct holder *h, struct err *err)
{
    struct holder_question q = {.op = HOLDER_START};
    struct start s = {.error = 0};
    int pair[2], none, r;

    *h = (struct holder){.sock = -1};
    r = find(s.path);
    if (r == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        r = -errno;
    if (r < 0)
        return err_set(err, r, "no holder of namespaces: %s", err_text(r));
    s.sock = pair[1];
    r = spawn(&s, &h->pid);
    close(pair[1]);
    if (r < 0) {
        close(pair[0]);
        return err_set(err, r, "%.250s cannot be started: %s", s.path, err_text(r));
    }
    h->sock = pair[0];
    r = holder_ask(h, &q, &none, err);
    if (r < 0)
        holder_end(h);
    return r;
}

int holder_ask(struct holder *h, const struct holder_question *q, int *fd, struct err *err)
{
    struct holder_answer a;
    unsigned n_fds = 1;
    ssize_t n;
    int r;

    *fd = -1;
    r = fd_send(h->sock, q, sizeof *q, NULL, 0);
    n = r < 0 ? r : fd_recv(h->sock, &a, sizeof a, fd, &n_fds);
    if (n != sizeof a) {
        if (n > 0)
            fd_close(fd);
        return err_set(err, -ENETDOWN, "the stack's namespaces are gone");
    }
    if (n_fds == 0)
        *fd = -1;
    if (a.code < 0 && err)
        *err = a.err;
    return a.code;
}

void holder_end(struct holder *h)
{
    fd_close(&h->sock);
    if (h->pid > 0)
        while (waitpid(h->pid, NULL, __WALL) < 0 && errno == EINTR)
            ;
    h->pid = 0;
}
