/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding and loading the shared object of a kind of stack. */
#ifndef LIBIOTH_API_PLUGIN_H
#define LIBIOTH_API_PLUGIN_H

#include <poll.h>
#include <signal.h>
#include <stdint.h>

#include "libioth/api/ioth.h"
#include "proto/base/err.h"

struct plugin {
    void *handle;
    int copy; /* The memfd that a copy was loaded from, which stays open; -1. */
    int *(*errno_at)(void);     /* Of its own C library, if it has one; else NULL. */
    const char *(*error)(void); /* ioth_NAME_error, if it is there. */
    int (*dup)(int fd, int as); /* ioth_NAME_dup, likewise, and so on. */
    int (*edges)(int fd);
    int (*set)(const char *settings);
    char *(*get)(void);
    unsigned (*failed)(int *fds, unsigned max);
    void (*flush)(void);
    void (*interrupt)(void);
    int (*poll)(struct pollfd *fds, unsigned n, int64_t deadline_us, const sigset_t *mask);
};

/*
 * Loads the plugin of a kind (letters, digits, '_'), checks its licence against the program's, and
 * fills `f` with what it exports. Returns 0; -ENOTSUP, -ENOENT or -EPERM as ioth_newstack(). Unloaded
 * by plugin_unload().
 */
int plugin_load(const char *kind, struct plugin *p, struct ioth_functions *f,
                struct err *err) __attribute__((warn_unused_result));
void plugin_unload(struct plugin *p);

#endif
