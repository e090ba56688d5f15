/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/run/start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "libioth/node/program.h"

pid_t start_program(struct ctl *ctl, const struct start *s)
{
    const pid_t launcher = getpid();
    struct err err = {.why = ""};
    int started[2], status;
    pid_t pid;

    if (pipe2(started, O_CLOEXEC) < 0)
        return ctl_fail(ctl, CTL_OURS, "no descriptors: %s", err_text(errno)), 0;
    (void)fflush(NULL);
    pid = fork();
    if (pid == 0) {
        status = s->before(s->aux, &err) ? PROGRAM_OURS : 0;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (status == 0 && getppid() != launcher && getppid() != 0)
            _exit(PROGRAM_OURS); /* It died before it was asked to tell. */
        if (status == 0)
            status = program_exec(s->argv, &s->mask, s->terminal, s->privileged, &err);
        (void)!write(started[1], &err, sizeof err);
        _exit(status);
    }
    close(started[1]);
    if (pid < 0) {
        ctl_fail(ctl, CTL_OURS, "cannot fork: %s", err_text(errno));
        pid = 0;
    } else if (read(started[0], &err, sizeof err) == (ssize_t)sizeof err) {
        (void)ctl_fail_err(ctl, CTL_OURS, &err);
    }
    close(started[0]);
    return pid;
}

void start_stopped(pid_t program, int signal, bool terminal)
{
    if (!terminal)
        return;
    program_give_terminal(0);
    kill(getpid(), signal == SIGSTOP ? SIGSTOP : SIGTSTP);
    if (tcgetpgrp(0) == getpgrp())
        program_give_terminal(program);
    kill(-program, SIGCONT);
}
