/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `iothctl exec`: one more program in the namespaces of a node that runs on this host. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/api.h"
#include "ctl/ctl.h"
#include "ctl/run/run.h"
#include "libioth/http/http.h"
#include "libioth/node/enter.h"
#include "libioth/node/program.h"
#include "proto/base/fd.h"

/* The process id of the node NET/NAME on this host, or 0 with the failure recorded. */
static pid_t find_node(struct ctl *ctl, const char *what)
{
    const char *slash = strchr(what, '/');
    struct node *endpoint = NULL;
    char *network, *path;
    int64_t pid;

    if (!slash || slash == what || !slash[1] || strchr(slash + 1, '/')) {
        ctl_fail(ctl, CTL_OURS, "%s is not NET/NAME", what);
        return 0;
    }
    network = strndup(what, (size_t)(slash - what));
    path = network ? http_path("/v1/endpoints/%s/%s", network, slash + 1) : NULL;
    free(network);
    if (!path || api_get(ctl, path, &endpoint)) {
        if (!path)
            ctl_fail(ctl, CTL_OURS, "no memory");
        free(path);
        return 0;
    }
    free(path);
    pid = node_get_int(node_get(endpoint, "status"), "pid", 0);
    if (pid <= 0 || pid > INT_MAX) {
        const char *state = node_get_text(node_get(endpoint, "status"), "state", "down");

        pid = 0;
        if (strcmp(state, "up") == 0)
            ctl_fail(ctl, CTL_OURS, "%s runs on host %s, not on this one", what,
                     node_get_text(endpoint, "host", "no host"));
        else
            ctl_fail(ctl, CTL_OURS, "no program runs as %s now", what);
    }
    node_free(endpoint);
    return (pid_t)pid;
}

/* Waits for the program, passing signals on. Returns its exit status. */
static int attend(pid_t program, int signals, bool terminal)
{
    for (;;) {
        struct signalfd_siginfo info;
        int status;

        if (waitpid(program, &status, WNOHANG | WUNTRACED) == program) {
            if (!WIFSTOPPED(status))
                return program_status(status);
            if (terminal) {
                program_give_terminal(0);
                kill(getpid(), WSTOPSIG(status) == SIGSTOP ? SIGSTOP : SIGTSTP);
                if (tcgetpgrp(0) == getpgrp())
                    program_give_terminal(program);
                kill(-program, SIGCONT);
            }
            continue;
        }
        if (read(signals, &info, sizeof info) != (ssize_t)sizeof info)
            continue;
        if (info.ssi_signo == SIGCHLD || (info.ssi_code == SI_KERNEL && !terminal))
            continue;
        kill(program, (int)info.ssi_signo);
    }
}

static int start(struct ctl *ctl, const struct enter *inside, char **argv,
                 const char *folder)
{
    bool terminal = program_wants_terminal();
    sigset_t signals = program_signals(), mask;
    struct err err = {.why = ""};
    int started[2], fd, status;
    pid_t pid;

    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, &mask);
    fd = signalfd(-1, &signals, SFD_CLOEXEC);
    if (fd < 0 || pipe2(started, O_CLOEXEC) < 0)
        return ctl_fail(ctl, CTL_OURS, "no descriptors: %s", err_text(errno));
    (void)fflush(NULL);
    pid = fork();
    if (pid == 0) {
        status = enter_become(inside, &err) ? PROGRAM_OURS : 0;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (status == 0 && chdir(folder) < 0)
            (void)!chdir("/");
        if (status == 0)
            status = program_exec(argv, &mask, terminal, inside->root, &err);
        (void)!write(started[1], &err, sizeof err);
        _exit(status);
    }
    close(started[1]);
    if (pid < 0)
        return ctl_fail(ctl, CTL_OURS, "cannot fork: %s", err_text(errno));
    if (read(started[0], &err, sizeof err) == (ssize_t)sizeof err)
        (void)ctl_fail_err(ctl, CTL_OURS, &err);
    status = attend(pid, fd, terminal);
    if (terminal)
        program_give_terminal(0);
    return status;
}

int exec_main(struct ctl *ctl, const struct args *args)
{
    char folder[PATH_MAX] = "/";
    struct enter inside = {.uid = 0};
    struct err err = {.why = ""};
    pid_t pid;

    program_hold_standard();
    if (args->n_rest == 0) {
        ctl_fail(ctl, CTL_OURS, "no program to run");
        ctl_hint(ctl, "iothctl exec %s -- COMMAND", args->words[0]);
        return CTL_OURS;
    }
    if (ctl_connect(ctl))
        return CTL_OURS;
    pid = find_node(ctl, args->words[0]);
    /* Its connection to the daemon speaks for us: the program must not inherit it. */
    http_free(ctl->http);
    ctl->http = NULL;
    if (pid == 0)
        return CTL_OURS;
    if (!getcwd(folder, sizeof folder))
        memcpy(folder, "/", 2);
    if (enter_join(pid, &inside, &err))
        return ctl_fail_err(ctl, CTL_OURS, &err);
    return start(ctl, &inside, args->rest, folder);
}
