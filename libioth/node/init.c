/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/node/init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libioth/node/names.h"
#include "libioth/node/program.h"
#include "proto/base/fd.h"

struct init {
    const struct init_plan *plan;
    int channel;
    int signals;      /* SIGCHLD, SIGTERM */
    int hosts;        /* To append to, or -1. */
    off_t hosts_size; /* Before the node's own names; -1: not known yet. */
    int moved;        /* Keeps port 53 free, or -errno. */
    pid_t program;
};

int init_send(int channel, const struct init_message *message, const int *fds,
              unsigned n_fds)
{
    return fd_send(channel, message, sizeof *message, fds, n_fds);
}

int init_recv(int channel, struct init_message *message, int *fds, unsigned *n_fds)
{
    unsigned none = 0;
    ssize_t n = fd_recv(channel, message, sizeof *message, fds, n_fds ? n_fds : &none);

    if (n < 0)
        return (int)n;
    if (n == 0)
        return -ENOTCONN;
    return (size_t)n == sizeof *message ? 0 : -EPROTO;
}

_Noreturn static void fail(const struct init *init, int status, const struct err *err)
{
    struct init_message message = {.kind = INIT_FAILED, .code = status};

    message.err = *err;
    (void)!init_send(init->channel, &message, NULL, 0);
    _exit(PROGRAM_OURS);
}

/* Waits for a message of that kind; the launcher's end is ours. */
static void expect(const struct init *init, int kind, struct init_message *message)
{
    if (init_recv(init->channel, message, NULL, NULL) || message->kind != kind)
        _exit(PROGRAM_OURS);
}

static int become_user(const struct init *init, struct err *err)
{
    struct init_message message;

    if (!init->plan->root)
        return netns_map_self(init->plan->user, err);
    expect(init, INIT_MAPPED, &message);
    return netns_become_root(err);
}

/* The interfaces and the DNS sockets, for the launcher. */
static int make_interfaces(struct init *init, struct err *err)
{
    const struct netns_port_move names = {
        .port = DNS_PORT, .behind = DNS_PORT_BEHIND, .guarded = init->plan->root};
    struct init_message message = {.kind = INIT_READY};
    int fds[FD_PASS_MAX], sockets[DNS_SOCKETS];
    unsigned n = 0;
    int r = 0;

    for (unsigned i = 0; i < init->plan->n_nets && r == 0; i++) {
        char name[16];

        (void)snprintf(name, sizeof name, "eth%u", i);
        fds[n] = netns_tap(name, err);
        if (fds[n] < 0)
            r = fds[n];
        else
            n++;
    }
    init->moved = netns_port_move(&names, &message.err);
    if (r == 0)
        r = dns_open(sockets, init->moved < 0 ? DNS_PORT : DNS_PORT_BEHIND, err);
    for (unsigned i = 0; i < DNS_SOCKETS && r == 0; i++) {
        message.sockets[i] = sockets[i] >= 0;
        if (sockets[i] >= 0)
            fds[n++] = sockets[i];
    }
    if (r == 0 && init_send(init->channel, &message, fds, n))
        _exit(PROGRAM_OURS);
    while (n > 0)
        close(fds[--n]);
    return r;
}

static int prepare(struct init *init, struct err *err)
{
    int r = become_user(init, err);

    /* After that: a change of user takes it back. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (r == 0)
        r = netns_mounts(err);
    if (r == 0)
        r = netns_prepare(err);
    if (r == 0)
        r = make_interfaces(init, err);
    return r ? r
             : names_install(init->plan->networks, init->plan->n_nets, &init->hosts, err);
}

/* The node's own name resolves even while nobody answers. */
static void write_hosts(struct init *init, const struct init_config *config)
{
    char text[2048];
    size_t size = 0;

    for (unsigned i = 0; i < config->n_nets; i++) {
        const struct netcfg *net = &config->nets[i];
        const char *network = init->plan->networks[i];

        for (unsigned j = 0; j < net->n_addrs && size < sizeof text; j++) {
            const uint8_t *a = net->addrs[j].addr;

            if (net->addrs[j].family == 4)
                size += (size_t)snprintf(text + size, sizeof text - size, "%u.%u.%u.%u",
                                         a[0], a[1], a[2], a[3]);
            else
                for (unsigned k = 0; k < 16 && size < sizeof text; k += 2)
                    size += (size_t)snprintf(text + size, sizeof text - size, "%s%02x%02x",
                                             k ? ":" : "", a[k], a[k + 1]);
            if (size < sizeof text)
                size += (size_t)snprintf(
                    text + size, sizeof text - size, "\t%s.%s.ioth %s.%s %s\n",
                    config->hostname, network, config->hostname, network, config->hostname);
        }
    }
    if (init->hosts < 0 || size >= sizeof text)
        return;
    /* What an earlier configuration put behind the loopback's names goes. */
    if (init->hosts_size < 0)
        init->hosts_size = lseek(init->hosts, 0, SEEK_END);
    if (ftruncate(init->hosts, init->hosts_size) == 0)
        (void)!write(init->hosts, text, size);
}

static int configure(const struct init_config *config, struct err *err)
{
    int r = 0;

    for (unsigned i = 0; i < config->n_nets && r == 0; i++) {
        for (unsigned j = 0; j < config->n_gone[i] && r == 0; j++)
            r = netns_address_remove(config->nets[i].ifname, &config->gone[i][j], err);
        if (r == 0)
            r = netns_configure(&config->nets[i], err);
    }
    return r;
}

/* What the launcher chose for the program, in its process. */
static int set_surroundings(const struct init_plan *plan, struct err *err)
{
    int null;

    if (plan->output >= 0) {
        null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
            dup2(plan->output, STDOUT_FILENO) < 0 ||
            dup2(plan->output, STDERR_FILENO) < 0 ||
            close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
            return err_set(err, -errno, "no standard descriptors: %s", err_text(errno));
    }
    if (plan->folder && chdir(plan->folder) < 0)
        return err_set(err, -errno, "%s: %s", plan->folder, err_text(errno));
    if (plan->environment)
        environ = plan->environment;
    return 0;
}

static int become_program(const struct init_plan *plan, struct err *err)
{
    if (set_surroundings(plan, err))
        return PROGRAM_OURS;
    return program_exec(plan->argv, &plan->mask, plan->terminal, plan->root, err);
}

/* Forks the program. A failure to start it comes back by a pipe that a start closes. */
static void start_program(struct init *init)
{
    const struct init_plan *plan = init->plan;
    struct init_message failure = {.kind = INIT_FAILED};
    int started[2];
    ssize_t n;

    if (pipe2(started, O_CLOEXEC) < 0)
        _exit(PROGRAM_OURS);
    init->program = fork();
    if (init->program == 0) {
        failure.code = become_program(plan, &failure.err);
        (void)!write(started[1], &failure, sizeof failure);
        _exit(failure.code);
    }
    if (init->program < 0) {
        err_set(&failure.err, -errno, "cannot fork: %s", err_text(errno));
        fail(init, PROGRAM_OURS, &failure.err);
    }
    close(started[1]);
    do
        n = read(started[0], &failure, sizeof failure);
    while (n < 0 && errno == EINTR);
    close(started[0]);
    if (n == (ssize_t)sizeof failure)
        fail(init, failure.code, &failure.err);
}

static void hear(struct init *init)
{
    struct init_message message;
    struct err err;

    if (init_recv(init->channel, &message, NULL, NULL))
        _exit(PROGRAM_OURS);
    if (message.kind == INIT_SIGNAL) {
        kill(init->program, message.code);
    } else if (message.kind == INIT_RESUME) {
        if (message.code)
            program_give_terminal(init->program);
        kill(-init->program, SIGCONT);
    } else if (message.kind == INIT_CONFIG) {
        write_hosts(init, &message.config);
        (void)!configure(&message.config, &err);
    }
}

/* Reaps. Ends the node when its program has ended. Who asks the process that status shows as the
 * node's to end means the program. */
static void reap(const struct init *init)
{
    struct init_message message = {.kind = INIT_STOPPED};
    struct signalfd_siginfo info;
    pid_t pid;
    int status;

    if (read(init->signals, &info, sizeof info) == (ssize_t)sizeof info &&
        info.ssi_signo == SIGTERM)
        kill(init->program, SIGTERM);
    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
        if (pid != init->program)
            continue;
        if (WIFSTOPPED(status)) {
            message.code = WSTOPSIG(status);
        } else {
            message.kind = INIT_EXITED;
            message.code = status;
        }
        (void)!init_send(init->channel, &message, NULL, 0);
        if (message.kind == INIT_EXITED)
            _exit(0);
    }
}

_Noreturn static void serve(struct init *init)
{
    for (;;) {
        struct pollfd fds[] = {{.fd = init->channel, .events = POLLIN},
                               {.fd = init->signals, .events = POLLIN}};

        if (poll(fds, 2, -1) < 0)
            continue;
        if (fds[0].revents)
            hear(init);
        if (fds[1].revents)
            reap(init);
    }
}

_Noreturn void init_main(const struct init_plan *plan, int channel)
{
    struct init init = {.plan = plan, .channel = channel, .hosts = -1, .hosts_size = -1};
    struct init_message message;
    struct err err = {.why = ""};
    sigset_t all;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigemptyset(&all);
    sigaddset(&all, SIGCHLD);
    sigaddset(&all, SIGTERM);
    init.signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    if (init.signals < 0)
        _exit(PROGRAM_OURS);
    if (prepare(&init, &err))
        fail(&init, PROGRAM_OURS, &err);
    expect(&init, INIT_CONFIG, &message);
    write_hosts(&init, &message.config);
    if (sethostname(message.config.hostname, strlen(message.config.hostname)) < 0)
        err_set(&err, -errno, "cannot set the host name: %s", err_text(errno));
    if (err.why[0] || configure(&message.config, &err))
        fail(&init, PROGRAM_OURS, &err);
    start_program(&init);
    message.kind = INIT_STARTED;
    (void)!init_send(channel, &message, NULL, 0);
    serve(&init);
}
