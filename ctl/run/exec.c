/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `iothctl exec`: one more program in the namespaces of a node that runs on this host. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/api.h"
#include "ctl/ctl.h"
#include "ctl/run/run.h"
#include "libioth/http/http.h"
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

struct inside {
    unsigned long uid, gid;
    unsigned long owner; /* The user outside. */
    bool root;           /* It has more than one user: a node made with --root. */
};

/* The first id inside, of the map of a process, what it is outside, and whether there are more. */
static unsigned long first_id(pid_t pid, const char *map, unsigned long *outside,
                              bool *more)
{
    char path[64], line[128];
    unsigned long inside = 0, count = 0;
    FILE *f;

    (void)snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, map);
    f = fopen(path, "re");
    if (f && fgets(line, sizeof line, f)) {
        char *rest;

        inside = strtoul(line, &rest, 10);
        *outside = strtoul(rest, &rest, 10);
        count = strtoul(rest, NULL, 10);
        *more = count > 1 || fgets(line, sizeof line, f);
    }
    if (f)
        (void)fclose(f);
    return inside;
}

/* Joins the namespaces of `pid`; this process's children will be inside. */
static int join(pid_t pid, struct inside *inside, struct err *err)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0U);
    unsigned long group = 0;
    bool more_groups = false;
    int r = 0;

    if (fd < 0)
        return err_set(err, -errno, "the node has gone: %s", err_text(errno));
    /* Before: inside, this process is not in /proc. */
    inside->uid = first_id(pid, "uid_map", &inside->owner, &inside->root);
    inside->gid = first_id(pid, "gid_map", &group, &more_groups);
    /* Root enters anybody's node, but whoever it belongs to must not come by root's groups. */
    if (geteuid() == 0 && inside->owner != 0 && setgroups(0, NULL) < 0)
        r = err_set(err, -errno, "cannot give up groups: %s", err_text(errno));
    if (r == 0 && setns(fd, CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS |
                                CLONE_NEWPID) < 0)
        r = err_set(err, -errno, "cannot enter the node: %s",
                    errno == EPERM ? "it belongs to another user" : err_text(errno));
    close(fd);
    return r;
}

/* Becomes the node's user, who need not be ours (root enters anybody's node). */
static int become(const struct inside *inside, struct err *err)
{
    gid_t gid = (gid_t)inside->gid;
    uid_t uid = (uid_t)inside->uid;

    if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        return err_set(err, -errno, "cannot become the node's user: %s", err_text(errno));
    return 0;
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

static int start(struct ctl *ctl, const struct inside *inside, char **argv,
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
        status = become(inside, &err) ? PROGRAM_OURS : 0;
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
    struct inside inside = {.uid = 0};
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
    if (join(pid, &inside, &err))
        return ctl_fail_err(ctl, CTL_OURS, &err);
    return start(ctl, &inside, args->rest, folder);
}
