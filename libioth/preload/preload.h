/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libioth-preload.so: the stack of `iothctl run --stack lwip`, for programs that know nothing of libioth. The
 * loader puts it before the C library, so the program's calls come here. A call that is about a
 * descriptor of the stack goes to libioth, any other on to the C library.
 *
 * The stack is made by the first call that needs it, at the places that the launcher holds
 * (ctl/run/process.h says what it tells us). While a thread is in libioth it is *inside*: what libioth and
 * the stack call then is meant for the C library, as is all that the stack's own thread calls.
 *
 * What cannot work is refused, with a message that says what can (refusals.c). Files: node.c the stack and its
 * process, fds.c which descriptors are ours, sockets.c and data.c the calls about them, dup.c the life of
 * descriptors, raw_calls.c syscall(), files.c streams and files, wait.c poll() and the like, names.c and names_old.c who is who,
 * ask.c the launcher's DNS, ifaces.c interfaces, process.c forks and programs, programs.c
 * which program there is, signals.c handlers.
 */
#ifndef LIBIOTH_PRELOAD_PRELOAD_H
#define LIBIOTH_PRELOAD_PRELOAD_H

#include <errno.h>
#include <stdbool.h>
#include <sys/types.h>

#include "libioth/preload/real.h"

#define EXPORT __attribute__((visibility("default")))

struct ioth;

/* What a thread is at. */
struct preload_thread {
    unsigned inside;      /* In libioth. */
    unsigned interrupted; /* In a signal handler that interrupted a call of the stack. */
    unsigned handled;     /* Handlers that ran during the call … */
    bool broken;          /* … and one of them does not want it to go on (SA_RESTART). */
    int cancel_state;
};
extern _Thread_local struct preload_thread preload_self
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

/* --- node.c ------------------------------------------------------------------------------------- */

/* Goes into libioth; false, with errno, in a handler that interrupted a call of the stack. */
bool preload_enter(void) __attribute__((warn_unused_result));

/* And out again; true if the call has failed because of signals after which it is to go on. */
bool preload_leave(bool failed);

/* A call of libioth's, made again where it must be, whose result is returned. */
#define IN_STACK(type, call)                                                               \
    do {                                                                                   \
        type result_;                                                                      \
                                                                                           \
        do {                                                                               \
            if (!preload_enter())                                                          \
                return -1;                                                                 \
            result_ = (call);                                                              \
        } while (preload_leave(result_ < 0));                                              \
        return result_;                                                                    \
    } while (0)

/* The stack, made if there is none yet. NULL with errno, after a message. Not inside. */
struct ioth *node_stack(void);

/* There is one, and a signal handler ends the wait of its thread in it. */
void node_interrupt(void);

/* Is there one, and is it this process's? (A child of vfork() looks at its parent's memory.) */
bool node_is_ours(void);

/* Gives the stack back, if there is one; false if sockets are open or threads in it. */
bool node_give_back(void);

/* Before the process ends: sockets are closed, and what it has sent goes out. */
void node_flush(void);

/* It did not end: another program could not be executed. */
void node_go_on(void);

/* The node's name, and the launcher's sockets' (an abstract one); "" outside of iothctl run. */
const char *node_name(void);
const char *node_door(void);

/* --- refusals.c ----------------------------------------------------------------------------------- */

enum refusal {
    REFUSE_FORK,
    REFUSE_INHERIT,
    REFUSE_PASS,
    REFUSE_SPLICE,
    REFUSE_ASYNC,
    REFUSE_HIDDEN,
    REFUSE_HANDLER,
    REFUSE_NETLINK,
    REFUSE_FAMILY,
    REFUSE_CHANGE,
    REFUSE_RAW_SOCKET,
    REFUSE_IO_URING,
    REFUSALS
};

/* Says on stderr what is not possible and what is, once per process; sets errno and returns -1. */
int refuse(enum refusal);

/* A line for the program's user, and a hint with it; WHAT failed: WHY. */
void preload_line(const char *line);
void preload_say(const char *what, const char *why);

/* --- signals.c ----------------------------------------------------------------------------------- */

/* Lets system calls that the launcher has made a trap fail, rather than the program. */
void signals_catch_traps(void);

/* --- resolver.c ---------------------------------------------------------------------------------- */

/* A socket of the stack sends to, or connects to: says so, once, if that is a name server of the host. */
void resolver_note(const struct sockaddr *to, socklen_t len);

/* --- programs.c ----------------------------------------------------------------------------------- */

/* Will execve(), execvpe() of it execute a program? Better true than false. */
bool programs_may_run(const char *path);
bool programs_may_find(const char *file);

/* --- fds.c ---------------------------------------------------------------------------------------- */

/* A descriptor of the stack's sockets comes, with the FD_CLOEXEC that the program sees (the real one is
 * always set: a socket of a stack is of no use in another program), or goes. */
void fds_add(int fd, bool cloexec);
void fds_drop(int fd);

bool fds_is_stack(int fd);
bool fds_cloexec(int fd);
void fds_set_cloexec(int fd, bool);

/* How many there are, and the first from `fd` on, -1 = none. */
int fds_count(void);
int fds_next(int fd);

/* Descriptors of libioth's own, which the program does not know of: moved where it will not want another,
 * and not its to close. Returns the number (negative ones unchanged). */
int fds_hide(int fd);
bool fds_is_hidden(int fd);

/* Is it a socket of the stack, called for by the program? */
static inline bool ours(int fd)
{
    return preload_self.inside == 0 && fds_is_stack(fd);
}

/* --- ask.c ----------------------------------------------------------------------------------------- */

#define ASK_MAX       16
#define ASK_NAME_SIZE 256

/* What DNS says of a name: 4 or 16 bytes each for A and AAAA, for PTR names. */
struct asked {
    unsigned n;
    union {
        unsigned char addr[16];
        char name[ASK_NAME_SIZE];
    } of[ASK_MAX];
};

/* Asks the launcher for records of a type (ns_t_a, ns_t_aaaa, ns_t_ptr). Returns 0, -ENOENT if there is
 * no such name, -EAGAIN if there is no saying. */
int ask(const char *name, int type, struct asked *out) __attribute__((warn_unused_result));

/* The names of an address (4 or 16 bytes). */
int ask_reverse(int family, const void *addr, struct asked *out)
    __attribute__((warn_unused_result));

#endif
