/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `iothctl exec`: one more program in the namespaces of a node that runs on this host. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/object.h"
#include "ctl/run/run.h"
#include "ctl/run/start.h"
#include "libioth/http/http.h"
#include "libioth/node/enter.h"
#include "libioth/node/program.h"
#include "proto/base/fd.h"

/* Is it a process with a stack of its own, and no namespaces to join? */
static bool is_process(struct ctl *ctl, const char *what)
{
    struct node *port;
    bool is = false;

    if (object_get(ctl, "port", what, &port) == 0)
        is = strcmp(node_get_text(node_get(port, "status"), "kind", ""), "ring") == 0;
    else
        ctl_forget(ctl);
    node_free(port);
    return is;
}

/* If it is a service: why its program does not run, when it does again, and where it tells of itself. */
static bool explain_service(struct ctl *ctl, const char *what, const char *name)
{
    struct node *service;
    const struct node *status;
    const char *state, *why;
    int64_t left;
    bool is = object_get(ctl, "service", name, &service) == 0;

    ctl_forget(ctl);
    if (!is)
        return false;
    status = node_get(service, "status");
    state = node_get_text(status, "state", "down");
    why = node_get_text(status, "problem", node_get_text(status, "exit", ""));
    left = node_get_int(status, "starts_in_ms", 0);
    if (strcmp(state, "backoff") == 0)
        ctl_fail(ctl, CTL_OURS, "service %s starts again in %.1f s; its last end: %s", name,
                 (double)left / 1000, *why ? why : "unknown");
    else
        ctl_fail(ctl, CTL_OURS, "%s is a service, which is %s%s%s", what, state,
                 *why ? ": " : "", why);
    ctl_hint(ctl, "iothctl service logs %s", name);
    node_free(service);
    return true;
}

/* The process id of the node NET/NAME on this host, or 0 with the failure recorded. */
static pid_t find_node(struct ctl *ctl, const char *what)
{
    const char *slash = strchr(what, '/');
    struct node *endpoint;
    int64_t pid;

    if (!slash || slash == what || !slash[1] || strchr(slash + 1, '/')) {
        ctl_fail(ctl, CTL_OURS, "%s is not NET/NAME", what);
        return 0;
    }
    if (is_process(ctl, what)) {
        ctl_fail(ctl, CTL_OURS, "%s has its stack in its own process (--stack lwip)", what);
        ctl_hint(ctl, "iothctl run --stack netns …");
        return 0;
    }
    if (object_get(ctl, "endpoint", what, &endpoint))
        return 0;
    pid = node_get_int(node_get(endpoint, "status"), "pid", 0);
    if (pid <= 0 || pid > INT_MAX) {
        const char *state = node_get_text(node_get(endpoint, "status"), "state", "down");

        pid = 0;
        if (strcmp(state, "up") == 0) {
            const char *host = node_get_text(endpoint, "host", "?");

            ctl_fail(ctl, CTL_OURS, "%s runs on host %s, not on this one", what, host);
            ctl_hint(ctl, "on host %s: iothctl exec %s -- COMMAND", host, what);
        } else if (!explain_service(ctl, what, slash + 1)) {
            ctl_fail(ctl, CTL_OURS, "no program runs as %s now", what);
        }
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
            start_stopped(program, WSTOPSIG(status), terminal);
            continue;
        }
        if (read(signals, &info, sizeof info) != (ssize_t)sizeof info)
            continue;
        if (info.ssi_signo == SIGCHLD || (info.ssi_code == SI_KERNEL && !terminal))
            continue;
        kill(program, (int)info.ssi_signo);
    }
}

struct inside {
    struct enter enter;
    char folder[PATH_MAX];
};

static int go_inside(void *aux, struct err *err)
{
    const struct inside *inside = aux;
    int r = enter_become(&inside->enter, err);

    if (r == 0 && chdir(inside->folder) < 0)
        (void)!chdir("/");
    return r;
}

static int start(struct ctl *ctl, struct inside *inside, char **argv)
{
    struct start s = {
        .argv = argv,
        .terminal = program_wants_terminal(),
        .privileged = inside->enter.root,
        .before = go_inside,
        .aux = inside,
    };
    sigset_t signals = program_signals();
    int fd, status;
    pid_t pid;

    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, &s.mask);
    fd = signalfd(-1, &signals, SFD_CLOEXEC);
    if (fd < 0)
        return ctl_fail(ctl, CTL_OURS, "no descriptors: %s", err_text(errno));
    pid = start_program(ctl, &s);
    if (pid == 0)
        return CTL_OURS;
    status = attend(pid, fd, s.terminal);
    if (s.terminal)
        program_give_terminal(0);
    return status;
}

int exec_main(struct ctl *ctl, const struct args *args)
{
    struct inside inside = {.folder = "/"};
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
    if (!getcwd(inside.folder, sizeof inside.folder))
        memcpy(inside.folder, "/", 2);
    if (enter_join(pid, &inside.enter, &err))
        return ctl_fail_err(ctl, CTL_OURS, &err);
    return start(ctl, &inside, args->rest);
}
