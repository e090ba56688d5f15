/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "libioth/api/ioth.h"
#include "libioth/preload/preload.h"

#define NETS_MAX 8
#define VNL_SIZE 128

_Thread_local struct preload_thread preload_self;

static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
static struct ioth *_Atomic stack;
static pid_t owner;
static _Atomic int n_inside; /* Threads. */
static _Atomic bool ending;
static pthread_t ender;

/* The process ends, by one of its threads, and sockets are closed meanwhile: the others are not to see that, as
 * they would not of the kernel. */
static void hold(void)
{
    while (ending && !pthread_equal(ender, pthread_self()))
        (void)libc()->poll(NULL, 0, 1);
}

bool preload_enter(void)
{
    hold();
    if (preload_self.interrupted) {
        refuse(REFUSE_HANDLER);
        return false;
    }
    if (preload_self.inside++ == 0) {
        atomic_fetch_add(&n_inside, 1);
        preload_self.handled = 0;
        preload_self.broken = false;
        /* A thread that ended in there would leave the stack locked. */
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &preload_self.cancel_state);
    }
    return true;
}

bool preload_leave(bool failed)
{
    int why = errno;

    if (--preload_self.inside == 0) {
        atomic_fetch_sub(&n_inside, 1);
        pthread_setcancelstate(preload_self.cancel_state, NULL);
        hold();
        if (failed && why == EINTR)
            pthread_testcancel();
    }
    errno = why;
    return failed && why == EINTR && preload_self.handled && !preload_self.broken;
}

const char *node_door(void)
{
    const char *node = getenv("IOTH_NODE"), *at = node ? strchr(node, '@') : NULL;

    return at ? at + 1 : "";
}

const char *node_name(void)
{
    static char name[HOST_NAME_MAX + 1];
    const char *node = getenv("IOTH_NODE");

    if (!*name && node)
        (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(node, "@"), node);
    return name;
}

/* A place for each word of IOTH_NET. */
static unsigned list_places(char texts[NETS_MAX][VNL_SIZE], const char *vnls[NETS_MAX + 1])
{
    const char *net = getenv("IOTH_NET");
    unsigned n = 0;

    while (net && *net && n < NETS_MAX) {
        size_t len = strcspn(net, " ");

        if (len) {
            (void)snprintf(texts[n], VNL_SIZE, "eth%u:place://@%s.%u", n, node_door(), n);
            vnls[n] = texts[n];
            n++;
        }
        net += len + (net[len] == ' ');
    }
    vnls[n] = NULL;
    return n;
}

static struct ioth *make(void)
{
    char texts[NETS_MAX][VNL_SIZE];
    const char *vnls[NETS_MAX + 1], *kind = getenv("IOTH_STACK");
    struct ioth *made;

    if (!*node_door() || !list_places(texts, vnls)) {
        preload_say("socket()", "the program was not started by iothctl run --stack lwip");
        errno = ENETDOWN;
        return NULL;
    }
    if (!preload_enter())
        return NULL;
    made = ioth_newstackv(kind && *kind ? kind : "lwip", vnls);
    if (!made) {
        preload_say("socket()", ioth_error());
        errno = ENETDOWN;
    }
    (void)preload_leave(false);
    return made;
}

bool node_is_ours(void)
{
    return stack && owner == getpid();
}

struct ioth *node_stack(void)
{
    struct ioth *is = stack;

    if (is && owner == getpid())
        return is;
    if (is) { /* A child of vfork() that does not keep to its rules. */
        refuse(REFUSE_FORK);
        return NULL;
    }
    pthread_mutex_lock(&making);
    if (!stack) {
        owner = getpid();
        stack = make();
    }
    is = stack;
    pthread_mutex_unlock(&making);
    return is;
}

void node_interrupt(void)
{
    ioth_interrupt(stack);
}

bool node_give_back(void)
{
    bool gone;

    if (!node_is_ours())
        return true;
    if (fds_count() > 0 || n_inside > 0 || !preload_enter())
        return false;
    gone = ioth_delstack(stack) == 0;
    if (gone)
        stack = NULL;
    (void)preload_leave(false);
    return gone;
}

/* Threads may be inside: the stack stays, and they do (hold()). Descriptors go on being known for the same
 * reason. */
void node_flush(void)
{
    if (!node_is_ours() || preload_self.interrupted || preload_self.inside)
        return;
    ender = pthread_self();
    ending = true;
    if (!preload_enter())
        return;
    for (int fd = fds_next(0); fd >= 0; fd = fds_next(fd + 1))
        (void)ioth_close(fd);
    (void)ioth_flush(stack);
    (void)preload_leave(false);
}

void node_go_on(void)
{
    if (!node_is_ours() || !ending)
        return;
    for (int fd = fds_next(0); fd >= 0; fd = fds_next(fd + 1))
        fds_drop(fd);
    ending = false;
}

__attribute__((destructor)) static void at_exit(void)
{
    node_flush();
}

__attribute__((constructor)) static void at_start(void)
{
    real_find();
    signals_catch_traps();
}
