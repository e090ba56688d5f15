/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Handlers of the program are called by one of ours, for two reasons: a handler may run while its thread
 * is inside, where its calls would be taken for the stack's own; and a call of the stack that a signal has
 * interrupted must know whether it goes on afterwards (SA_RESTART).
 */
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "libioth/preload/preload.h"

static struct sigaction wanted[NSIG];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void handle(int sig, siginfo_t *info, void *context)
{
    struct sigaction act = wanted[sig];
    unsigned inside = preload_self.inside;
    int why = errno;

    if (inside) {
        preload_self.handled++;
        preload_self.interrupted++;
        if (!(act.sa_flags & SA_RESTART))
            preload_self.broken = true;
        node_interrupt(); /* Where the call is to go on it is made again. */
    }
    preload_self.inside = 0;
    if (act.sa_flags & SA_SIGINFO)
        act.sa_sigaction(sig, info, context);
    else
        act.sa_handler(sig);
    preload_self.inside = inside;
    if (inside)
        preload_self.interrupted--;
    errno = why;
}

static bool is_handler(const struct sigaction *act)
{
    return act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN;
}

/* What the program is told of what it had set. */
static void tell_old(const struct sigaction *had, const struct sigaction *known,
                     struct sigaction *old)
{
    *old = *had;
    if (had->sa_flags & SA_SIGINFO && had->sa_sigaction == handle) {
        old->sa_handler = known->sa_handler;
        if (known->sa_flags & SA_SIGINFO)
            old->sa_sigaction = known->sa_sigaction;
        old->sa_flags = known->sa_flags;
    }
}

static int set(int sig, const struct sigaction *act, struct sigaction *old)
{
    struct sigaction ours_, had, known = wanted[sig];
    sigset_t every, before;
    int r;

    if (!act) {
        r = libc()->sigaction(sig, NULL, &had);
    } else {
        ours_ = *act;
        if (is_handler(act)) {
            ours_.sa_flags |= SA_SIGINFO;
            ours_.sa_sigaction = handle;
        }
        /* Not between the two: the one would be called with the other's flags. */
        sigfillset(&every);
        pthread_sigmask(SIG_BLOCK, &every, &before);
        pthread_mutex_lock(&lock);
        if (is_handler(act))
            wanted[sig] = *act;
        r = libc()->sigaction(sig, &ours_, &had);
        if (r < 0)
            wanted[sig] = known;
        pthread_mutex_unlock(&lock);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (r == 0 && old)
        tell_old(&had, &known, old);
    return r;
}

EXPORT int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
    if (sig <= 0 || sig >= NSIG || preload_self.inside)
        return libc()->sigaction(sig, act, old);
    return set(sig, act, old);
}

int __sigaction(int sig, const struct sigaction *act, struct sigaction *old);
EXPORT int __sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
    return sigaction(sig, act, old);
}

static bool interrupts[NSIG]; /* siginterrupt() */

static sighandler_t simple(int sig, sighandler_t handler, int flags)
{
    struct sigaction act = {.sa_handler = handler, .sa_flags = flags}, old;

    sigemptyset(&act.sa_mask);
    if (!(flags & SA_NODEFER) && sig > 0 && sig < NSIG)
        sigaddset(&act.sa_mask, sig);
    return sigaction(sig, &act, &old) < 0 ? SIG_ERR : old.sa_handler;
}

EXPORT sighandler_t signal(int sig, sighandler_t handler)
{
    return simple(sig, handler, sig > 0 && sig < NSIG && interrupts[sig] ? 0 : SA_RESTART);
}

sighandler_t bsd_signal(int sig, sighandler_t handler);
EXPORT sighandler_t bsd_signal(int sig, sighandler_t handler)
{
    return signal(sig, handler);
}

EXPORT sighandler_t ssignal(int sig, sighandler_t handler)
{
    return signal(sig, handler);
}

EXPORT sighandler_t sysv_signal(int sig, sighandler_t handler)
{
    return simple(sig, handler, (int)(SA_RESETHAND | SA_NODEFER));
}

sighandler_t __sysv_signal(int sig, sighandler_t handler);
EXPORT sighandler_t __sysv_signal(int sig, sighandler_t handler)
{
    return sysv_signal(sig, handler);
}

EXPORT int siginterrupt(int sig, int on)
{
    struct sigaction act;

    if (sigaction(sig, NULL, &act) < 0)
        return -1;
    interrupts[sig] = on;
    if (on)
        act.sa_flags &= ~SA_RESTART;
    else
        act.sa_flags |= SA_RESTART;
    return sigaction(sig, &act, NULL);
}

/* --- traps -------------------------------------------------------------------------------------------- */

static void fail_call(ucontext_t *context, int error)
{
#if defined(__x86_64__)
    context->uc_mcontext.gregs[REG_RAX] = -error;
#elif defined(__aarch64__)
    context->uc_mcontext.regs[0] = (unsigned long long)-error;
#else
    (void)context;
    (void)error;
    libc()->_exit(128 + SIGSYS);
#endif
}

static void trapped(int sig, siginfo_t *info, void *context)
{
    enum refusal r = info->si_syscall == SYS_socket ? REFUSE_RAW_SOCKET : REFUSE_IO_URING;
    int why = errno;

    (void)sig;
    (void)refuse(r);
    fail_call(context, errno);
    errno = why;
}

void signals_catch_traps(void)
{
    struct sigaction act = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO | SA_NODEFER};

    sigemptyset(&act.sa_mask);
    (void)libc()->sigaction(SIGSYS, &act, NULL);
}
