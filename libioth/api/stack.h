/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stacks as the calls of ioth.h see them, and which descriptor is of which. */
#ifndef LIBIOTH_API_STACK_H
#define LIBIOTH_API_STACK_H

#include <stdatomic.h>
#include <stdbool.h>

#include "libioth/api/ioth.h"
#include "libioth/api/plugin.h"

struct ioth {
    struct ioth_functions f;
    void *data; /* The plugin's. */
    struct plugin plugin;
    _Atomic int n_fds; /* Sockets that are open … */
    _Atomic int n_own; /* … those of the library's own among them. */

    /* What configures it (libioth/conf), and ends that when it is deleted; NULL: nothing does. */
    void *conf;
    void (*conf_end)(struct ioth *);
};

/* The host's own stack (kernel.c). */
extern struct ioth stack_kernel;

/* The stack that a call means: `stack`, or the default one. */
struct ioth *stack_or_default(struct ioth *stack);

/* The stack of a descriptor, whose data getstackdata() then gives; NULL with errno EBADF. */
struct ioth *stack_of(int fd);

/* Makes getstackdata() give this stack's. */
void stack_enter(struct ioth *);

/* A descriptor has come to a stack, or goes. */
int fdtab_add(int fd, struct ioth *) __attribute__((warn_unused_result));
struct ioth *fdtab_get(int fd);
void fdtab_remove(int fd);
/* Finds out the descriptors of a stack that were closed without telling. */
void fdtab_sweep(struct ioth *);

/* A stack goes: no epoll is waited for with it any more. */
void poll_forget(const struct ioth *);

/* Records why a call failed, for ioth_error(); sets errno and returns -1. */
int stack_failed(const struct err *, int r);

#endif
