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

bool preload_enter(void)
{
    if (preload_self.interrupted) {
        refuse(REFUSE_HANDLER);
        return false;
    }
    if (preload_self.inside++ == 0) {
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
        pthread_setcancelstate(preload_self.cancel_state, NULL);
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

void node_give_back(void)
{
    if (!node_is_ours() || !preload_enter())
        return;
    if (ioth_delstack(stack) == 0)
        stack = NULL;
    (void)preload_leave(false);
}

void node_flush(void)
{
    if (!node_is_ours() || preload_self.interrupted || preload_self.inside)
        return;
    for (int fd = fds_next(0); fd >= 0; fd = fds_next(fd + 1))
        close(fd);
    node_give_back();
}

/* exit() has the same done by the stack itself, but for sockets that are still open. */
__attribute__((destructor)) static void at_exit(void)
{
    node_flush();
}

__attribute__((constructor)) static void at_start(void)
{
    real_find();
    signals_catch_traps();
}
