/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/node/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libioth/netns/netns.h"
#include "proto/base/fd.h"

static const int passed_on[] = {SIGHUP,  SIGINT,  SIGQUIT,  SIGTERM,
                                SIGUSR1, SIGUSR2, SIGWINCH, SIGPWR};

#define N_PASSED_ON (sizeof passed_on / sizeof passed_on[0])

sigset_t program_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    for (unsigned i = 0; i < N_PASSED_ON; i++)
        sigaddset(&set, passed_on[i]);
    return set;
}

int program_status(int wait_status)
{
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status)
                                    : WEXITSTATUS(wait_status);
}

void program_hold_standard(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= 2);
    fd_close(&fd);
}

bool program_wants_terminal(void)
{
    return isatty(0) && isatty(1) && isatty(2) && tcgetpgrp(0) == getpgrp();
}

void program_give_terminal(int pid)
{
    sigset_t stop, before;

    /* Who is in the background may do this only so. */
    sigemptyset(&stop);
    sigaddset(&stop, SIGTTOU);
    sigprocmask(SIG_BLOCK, &stop, &before);
    (void)tcsetpgrp(0, pid ? pid : getpgrp());
    sigprocmask(SIG_SETMASK, &before, NULL);
}

/* Whether a program of that name is anywhere in PATH. execvp() says "permission denied" also for
 * one that is nowhere, if a folder of PATH may not be searched; a shell does not. */
static bool in_path(const char *name)
{
    const char *path = getenv("PATH");
    char file[PATH_MAX];

    while (path && *path) {
        size_t len = strcspn(path, ":");

        if (snprintf(file, sizeof file, "%.*s/%s", (int)len, path, name) <
                (int)sizeof file &&
            access(file, F_OK) == 0)
            return true;
        path += len;
        path += *path == ':';
    }
    return false;
}

int program_exec(char **argv, const sigset_t *mask, bool terminal, bool privileged,
                 struct err *err)
{
    int code;

    if (terminal) {
        setpgid(0, 0);
        program_give_terminal(0);
    }
    if (!privileged && netns_drop(err))
        return PROGRAM_OURS;
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(argv[0], argv);
    code = errno;
    if (code == EACCES && !strchr(argv[0], '/') && !in_path(argv[0]))
        code = ENOENT;
    err_set(err, -code, "%s: %s", argv[0], err_text(code));
    return code == ENOENT ? PROGRAM_NOT_FOUND : PROGRAM_CANNOT_RUN;
}
