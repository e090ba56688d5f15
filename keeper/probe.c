/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keeper/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libioth/node/enter.h"
#include "libioth/node/program.h"
#include "proto/base/fd.h"

#define WHY_SIZE 200

/* --- the child --------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) _Noreturn static void unwell(int reason,
                                                                   const char *format, ...)
{
    char why[WHY_SIZE];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why, sizeof why, format, args);
    va_end(args);
    (void)!write(reason, why, strlen(why));
    _exit(1);
}

/* A connection to the service's own address. */
static int connect_to(const struct spec *s, int reason)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(s->check_port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(s->check_port)};
    bool is6 = s->n_addrs > 0 && s->addrs[0].family == 6;
    int fd = socket(is6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r;

    if (s->n_addrs == 0)
        unwell(reason, "the service has no address");
    if (fd < 0)
        unwell(reason, "no socket: %s", err_text(errno));
    memcpy(&in4.sin_addr, s->addrs[0].addr, sizeof in4.sin_addr);
    memcpy(&in6.sin6_addr, s->addrs[0].addr, sizeof in6.sin6_addr);
    r = is6 ? connect(fd, (const struct sockaddr *)(const void *)&in6, sizeof in6)
            : connect(fd, (const struct sockaddr *)(const void *)&in4, sizeof in4);
    if (r < 0)
        unwell(reason, "%s %u: %s", s->check == SPEC_TCP ? "tcp" : "http port",
               s->check_port, err_text(errno));
    return fd;
}

/* The rest of the answer: a server whose client hangs up on it says so in its log. A service that
 * never stops sending is cut off by the check's time, or here. */
static void read_rest(int fd)
{
    char text[4096];
    size_t left = 1 << 20;
    ssize_t n;

    while (left > 0 && (n = recv(fd, text, sizeof text, 0)) > 0)
        left -= (size_t)n < left ? (size_t)n : left;
}

static void ask_http(const struct spec *s, int reason)
{
    char text[1400];
    int fd = connect_to(s, reason);
    int size = snprintf(text, sizeof text,
                        "GET %s HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                        s->check_path);
    ssize_t n = write(fd, text, (size_t)size);
    unsigned status = 0;

    if (n == size)
        n = recv(fd, text, sizeof "HTTP/1.1 200" - 1, MSG_WAITALL);
    text[n > 0 ? n : 0] = '\0';
    if (n <= 0)
        unwell(reason, "GET %.100s: no answer", s->check_path);
    if (strncmp(text, "HTTP/1.", 7) != 0 || strlen(text) < 12)
        unwell(reason, "GET %.100s: the answer is not HTTP", s->check_path);
    status = (unsigned)strtoul(text + 9, NULL, 10);
    if (status < 200 || status >= 400)
        unwell(reason, "GET %.100s: status %u", s->check_path, status);
    read_rest(fd);
}

static void run_command(const struct spec *s, const struct enter *inside,
                        char **environment, int reason)
{
    struct err err = {.why = ""};
    sigset_t none;
    int status = 0;
    pid_t pid = fork();

    if (pid < 0)
        unwell(reason, "cannot fork: %s", err_text(errno));
    if (pid == 0) {
        sigemptyset(&none);
        if (enter_become(inside, &err) == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (chdir(s->folder) < 0)
                (void)!chdir("/");
            environ = environment;
            (void)program_exec(s->check_argv, &none, false, false, &err);
        }
        unwell(reason, "%s", err.why);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (status != 0)
        unwell(reason, "%s ended with status %d", s->check_argv[0], program_status(status));
}

_Noreturn static void probe_main(const struct spec *s, pid_t node, char **environment,
                                 int reason)
{
    struct enter inside = {.uid = 0};
    struct err err = {.why = ""};
    int keep[1] = {reason};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int fd = 0; fd < 3; fd++)
        dup2(null, fd);
    fd_close_others(keep, 1);
    if (enter_join(node, &inside, &err))
        unwell(reason, "%s", err.why);
    if (s->check == SPEC_HTTP)
        ask_http(s, reason);
    else if (s->check == SPEC_TCP)
        (void)connect_to(s, reason);
    else
        run_command(s, &inside, environment, reason);
    _exit(0);
}

/* --- the keeper's side ------------------------------------------------------------------- */

/* Lets go of the child, which has ended or is made to. Returns its status. */
static int reap(struct probe *p)
{
    int fd = p->watch.fd, status = -1;

    loop_remove(p->loop, &p->watch);
    p->watch.fd = -1;
    fd_close(&fd);
    kill(p->pid, SIGKILL);
    while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
        ;
    p->pid = 0;
    return status;
}

static void ended(struct loop_watch *watch, uint32_t events)
{
    struct probe *p = list_entry(watch, struct probe, watch);
    char why[WHY_SIZE + 1] = "";
    int status = reap(p);
    ssize_t n = read(p->reason, why, WHY_SIZE);

    (void)events;
    why[n > 0 ? n : 0] = '\0';
    fd_close(&p->reason);
    p->done(p, status == 0, why);
}

void probe_init(struct probe *p, struct loop *loop,
                void (*done)(struct probe *, bool well, const char *why))
{
    *p = (struct probe){
        .loop = loop, .done = done, .reason = -1, .watch = {.ready = ended, .fd = -1}};
}

void probe_stop(struct probe *p)
{
    if (p->pid > 0)
        (void)reap(p);
    fd_close(&p->reason);
}

void probe_start(struct probe *p, const struct spec *s, pid_t node, char **environment)
{
    int ends[2], fd = -1;

    probe_stop(p);
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return; /* The time of the check runs out. */
    p->pid = fork();
    if (p->pid == 0)
        probe_main(s, node, environment, ends[1]);
    fd_close(&ends[1]);
    p->reason = ends[0];
    if (p->pid > 0)
        fd = (int)syscall(SYS_pidfd_open, p->pid, 0U);
    if (p->pid < 0)
        p->pid = 0;
    if (fd < 0 || loop_add(p->loop, &p->watch, fd, EPOLLIN) < 0) {
        fd_close(&fd);
        probe_stop(p);
    }
}
