/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Processes and programs come. A stack is in one process: a fork() while sockets are open cannot be, while
 * none is, the stack goes first, and has it who opens a socket next. A child that only starts another
 * program (vfork(), posix_spawn(), system()) leaves the stack alone; sockets are never there in that.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <string.h>

#include "libioth/preload/preload.h"

#define ARGS_FIRST 64

/* May there be another process now? */
static bool may_fork(void)
{
    if (preload_self.inside || !node_is_ours())
        return true;
    if (node_give_back())
        return true;
    refuse(REFUSE_FORK);
    return false;
}

EXPORT pid_t fork(void)
{
    return may_fork() ? libc()->fork() : -1;
}

pid_t __fork(void);
EXPORT pid_t __fork(void)
{
    return fork();
}

pid_t _Fork(void);
EXPORT pid_t _Fork(void)
{
    return fork();
}

EXPORT int daemon(int no_chdir, int no_close)
{
    return may_fork() ? libc()->daemon(no_chdir, no_close) : -1;
}

EXPORT pid_t forkpty(int *master, char *name, const struct termios *term,
                     const struct winsize *size)
{
    return may_fork() ? libc()->forkpty(master, name, term, size) : -1;
}

EXPORT int clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
    void *rest[3];
    va_list args;

    va_start(args, arg);
    for (unsigned i = 0; i < 3; i++)
        rest[i] = va_arg(args, void *);
    va_end(args);
    if (!(flags & CLONE_VM) && !may_fork())
        return -1;
    return libc()->clone(fn, stack, flags, arg, rest[0], rest[1], rest[2]);
}

/* --- vfork() ---------------------------------------------------------------------------------------- */

/*
 * It returns twice into its caller's frame, so there can be none of ours in between: a jump to the C
 * library's, with what the caller gave. Its child does not get the sockets, and what it does to their
 * descriptors happens to its own copies (node_is_ours()).
 */
void *preload_vfork(void);
__attribute__((visibility("hidden"))) void *preload_vfork(void)
{
    static void *_Atomic at;

    if (!at)
        at = dlsym(RTLD_NEXT, "vfork");
    return at;
}

#if defined(__x86_64__)
__asm__(".pushsection .text\n"
        ".globl vfork\n"
        ".type vfork, @function\n"
        "vfork:\n"
        "    endbr64\n"
        "    subq $8, %rsp\n"
        "    call preload_vfork\n"
        "    addq $8, %rsp\n"
        "    jmp *%rax\n"
        ".size vfork, .-vfork\n"
        ".popsection\n");
#elif defined(__aarch64__)
__asm__(".pushsection .text\n"
        ".globl vfork\n"
        ".type vfork, %function\n"
        "vfork:\n"
        "    stp x29, x30, [sp, #-16]!\n"
        "    bl preload_vfork\n"
        "    ldp x29, x30, [sp], #16\n"
        "    br x0\n"
        ".size vfork, .-vfork\n"
        ".popsection\n");
#endif

EXPORT int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int fd,
                                            int as)
{
    if (fds_is_stack(fd)) {
        refuse(REFUSE_INHERIT);
        return ENOTSUP;
    }
    return libc()->posix_spawn_file_actions_adddup2(actions, fd, as);
}

/* --- another program in this process ---------------------------------------------------------------- */

static bool has_sockets(void)
{
    return !preload_self.inside && node_is_ours() && fds_count() > 0;
}

/* Sockets that the program wants closed by it are closed in order; others cannot be kept. */
static bool may_exec(void)
{
    if (preload_self.inside || !node_is_ours())
        return true;
    for (int fd = fds_next(0); fd >= 0; fd = fds_next(fd + 1)) {
        if (!fds_cloexec(fd)) {
            refuse(REFUSE_INHERIT);
            return false;
        }
    }
    node_flush();
    return true;
}

/* It could not be executed after all. */
static int after_exec(int r)
{
    int why = errno;

    if (!preload_self.inside)
        node_go_on();
    errno = why;
    return r;
}

EXPORT int execve(const char *path, char *const argv[], char *const env[])
{
    if (has_sockets() && !programs_may_run(path))
        return libc()->execve(path, argv, env);
    return after_exec(may_exec() ? libc()->execve(path, argv, env) : -1);
}

EXPORT int execv(const char *path, char *const argv[])
{
    return execve(path, argv, environ);
}

EXPORT int fexecve(int fd, char *const argv[], char *const env[])
{
    char path[32];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (has_sockets() && !programs_may_run(path))
        return libc()->fexecve(fd, argv, env);
    return after_exec(may_exec() ? libc()->fexecve(fd, argv, env) : -1);
}

EXPORT int execvpe(const char *file, char *const argv[], char *const env[])
{
    if (has_sockets() && !programs_may_find(file))
        return libc()->execvpe(file, argv, env);
    return after_exec(may_exec() ? libc()->execvpe(file, argv, env) : -1);
}

EXPORT int execvp(const char *file, char *const argv[])
{
    return execvpe(file, argv, environ);
}

/* The arguments of an execl(), up to the NULL that ends them; the caller frees. */
static char **gather(const char *first, va_list args, char *const **env)
{
    size_t n = 0, room = ARGS_FIRST;
    char **argv = malloc(room * sizeof *argv);

    for (const char *arg = first; argv; arg = va_arg(args, const char *)) {
        if (n == room) {
            char **more = realloc(argv, 2 * room * sizeof *argv);

            if (!more)
                free(argv);
            argv = more;
            room *= 2;
        }
        if (!argv)
            break;
        memcpy(&argv[n++], &arg, sizeof arg);
        if (!arg)
            break;
    }
    if (argv && env)
        *env = va_arg(args, char *const *);
    return argv;
}

enum form { BY_PATH, BY_NAME, WITH_ENV };

static int exec_list(enum form form, const char *file, const char *first, va_list args)
{
    char *const *env = environ;
    char **argv = gather(first, args, form == WITH_ENV ? &env : NULL);
    int r = -1;

    if (argv)
        r = form == BY_NAME ? execvpe(file, argv, env) : execve(file, argv, env);
    free(argv);
    return r;
}

#define EXEC_LIST(name, form)                                                              \
    EXPORT int name(const char *file, const char *arg, ...)                                \
    {                                                                                      \
        va_list args;                                                                      \
        int r;                                                                             \
                                                                                           \
        va_start(args, arg);                                                               \
        r = exec_list(form, file, arg, args);                                              \
        va_end(args);                                                                      \
        return r;                                                                          \
    }

EXEC_LIST(execl, BY_PATH)
EXEC_LIST(execlp, BY_NAME)
EXEC_LIST(execle, WITH_ENV)

/* --- its end ------------------------------------------------------------------------------------------ */

/* The kernel would send what is left; so do we. */
EXPORT void _exit(int status)
{
    node_flush();
    libc()->_exit(status);
    __builtin_unreachable();
}

EXPORT void _Exit(int status)
{
    _exit(status);
}

/* --- threads ----------------------------------------------------------------------------------------- */

struct begin {
    void *(*fn)(void *);
    void *arg;
};

static void *begin_inside(void *aux)
{
    struct begin begin = *(struct begin *)aux;

    free(aux);
    preload_self.inside = 1;
    return begin.fn(begin.arg);
}

/* A thread of the stack's own is inside for good. */
EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*fn)(void *), void *arg)
{
    struct begin *begin;
    int r;

    if (!preload_self.inside)
        return libc()->pthread_create(thread, attr, fn, arg);
    begin = malloc(sizeof *begin);
    if (!begin)
        return EAGAIN;
    *begin = (struct begin){fn, arg};
    r = libc()->pthread_create(thread, attr, begin_inside, begin);
    if (r)
        free(begin);
    return r;
}

static void nudge(int sig)
{
    (void)sig;
    if (preload_self.inside)
        node_interrupt();
}

/* Inside, a thread is not ended but has its call interrupted, and ends when it is out (preload_leave()). Not
 * where the program has a use for the signal. */
EXPORT int pthread_cancel(pthread_t thread)
{
    struct sigaction act = {.sa_handler = nudge, .sa_flags = SA_RESTART}, had;
    int r = libc()->pthread_cancel(thread);

    sigemptyset(&act.sa_mask);
    if (r || !node_is_ours() || libc()->sigaction(SIGRTMAX, NULL, &had) < 0)
        return r;
    if (had.sa_handler == SIG_DFL)
        (void)libc()->sigaction(SIGRTMAX, &act, NULL);
    if (had.sa_handler == SIG_DFL || had.sa_handler == nudge)
        (void)pthread_kill(thread, SIGRTMAX);
    return r;
}
