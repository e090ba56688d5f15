/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kind of stack `netns`, of which `vdestack` is another name: the kernel's own TCP/IP in a namespace for
 * each stack, plugged into its networks by TAPs. Its sockets are the kernel's, at the kernel's speed, with
 * all that they can; each is made by the stack's holder (holder.h) and handed over.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libioth/api/kernel_calls.h"
#include "libioth/vdestack/holder.h"
#include "libioth/vdestack/jack.h"
#include "proto/base/fd.h"

#define EXPORT __attribute__((visibility("default")))

struct space {
    pthread_mutex_t lock; /* Of the holder. */
    struct holder holder;
    struct jacks jacks;
};

static _Thread_local struct err why; /* Why newstack failed. */
static void *(*data_of_call)(void);

/* --- interfaces --------------------------------------------------------------------------------- */

static int add_interface(struct space *s, const char *text)
{
    struct holder_question q = {.op = HOLDER_TAP};
    const char *vnl = port_name(text, q.config.ifname, &why);
    int tap, none, r;

    if (!vnl)
        return -EINVAL;
    if (!q.config.ifname[0])
        snprintf(q.config.ifname, sizeof q.config.ifname, "vde%u", s->jacks.n);
    if (s->jacks.n == JACKS_MAX)
        return err_set(&why, -E2BIG, "more than %u interfaces", JACKS_MAX);
    r = holder_ask(&s->holder, &q, &tap, &why);
    if (r < 0)
        return r;
    r = jack_open(vnl, tap, &s->jacks.of[s->jacks.n], &q.config, &why);
    if (r < 0) {
        fd_close(&tap);
        return r;
    }
    s->jacks.n++;
    q.op = HOLDER_CONFIGURE;
    return holder_ask(&s->holder, &q, &none, &why);
}

/* --- the plugin --------------------------------------------------------------------------------- */

static void end(struct space *s)
{
    jacks_end(&s->jacks);
    holder_end(&s->holder);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static int open_socket(int domain, int type, int protocol)
{
    struct space *s = data_of_call();
    struct holder_question q = {
        .op = HOLDER_SOCKET, .domain = domain, .type = type, .protocol = protocol};
    int fd, r;

    pthread_mutex_lock(&s->lock);
    r = holder_ask(&s->holder, &q, &fd, NULL);
    pthread_mutex_unlock(&s->lock);
    if (r == 0 && fd < 0)
        r = -EPROTO;
    if (r < 0) {
        errno = -r;
        return -1;
    }
    if (!(type & SOCK_CLOEXEC))
        (void)fcntl(fd, F_SETFD, 0);
    return fd;
}

EXPORT void *ioth_vdestack_newstack(const char *vnlv[], const char *options,
                                    struct ioth_functions *f);
EXPORT int ioth_vdestack_delstack(void *data);
EXPORT const char *ioth_vdestack_error(void);
EXPORT int ioth_vdestack_dup(int fd, int as);
EXPORT void *ioth_netns_newstack(const char *vnlv[], const char *options,
                                 struct ioth_functions *f);
EXPORT int ioth_netns_delstack(void *data);
EXPORT const char *ioth_netns_error(void);
EXPORT int ioth_netns_dup(int fd, int as);

const char *ioth_netns_error(void)
{
    return why.why;
}

void *ioth_netns_newstack(const char *vnlv[], const char *options, struct ioth_functions *f)
{
    static const struct ioth_functions calls = KERNEL_CALLS;
    void *(*data)(void) = f->getstackdata;
    struct space *s = calloc(1, sizeof *s);
    int r = s ? 0 : -ENOMEM;

    why.why[0] = 0;
    if (r == 0 && options && *options)
        r = err_set(&why, -EINVAL, "the stack netns has no option %.80s", options);
    if (r < 0) {
        free(s);
        errno = -r;
        return NULL;
    }
    pthread_mutex_init(&s->lock, NULL);
    r = holder_start(&s->holder, &why);
    for (unsigned n = 0; r == 0 && vnlv && vnlv[n]; n++)
        r = add_interface(s, vnlv[n]);
    if (r == 0)
        r = jacks_start(&s->jacks);
    if (r < 0) {
        end(s);
        errno = -r;
        return NULL;
    }
    data_of_call = data;
    *f = calls;
    f->getstackdata = data;
    f->newstack = ioth_netns_newstack;
    f->delstack = ioth_netns_delstack;
    f->socket = open_socket;
    return s;
}

int ioth_netns_delstack(void *data)
{
    end(data);
    return 0;
}

int ioth_netns_dup(int fd, int as)
{
    return kernel_dup(fd, as);
}

/* The other name. */
const char *ioth_vdestack_error(void)
{
    return ioth_netns_error();
}

void *ioth_vdestack_newstack(const char *vnlv[], const char *options,
                             struct ioth_functions *f)
{
    return ioth_netns_newstack(vnlv, options, f);
}

int ioth_vdestack_delstack(void *data)
{
    return ioth_netns_delstack(data);
}

int ioth_vdestack_dup(int fd, int as)
{
    return ioth_netns_dup(fd, as);
}
