/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entering a node from outside: for one more program in it. */
#ifndef LIBIOTH_NODE_ENTER_H
#define LIBIOTH_NODE_ENTER_H

#include <stdbool.h>
#include <sys/types.h>

#include "proto/base/err.h"

struct enter {
    unsigned long uid, gid;
    unsigned long owner; /* The user outside. */
    bool root;           /* It has more than one user: a node made with --root. */
};

/* Joins all namespaces of the process `pid`; this process's children will be inside. Only in a
 * process with one thread. Returns 0 or -errno. */
int enter_join(pid_t pid, struct enter *out, struct err *err)
    __attribute__((warn_unused_result));

/* In such a child: becomes the node's user, who need not be ours (root enters anybody's node). */
int enter_become(const struct enter *, struct err *err) __attribute__((warn_unused_result));

#endif
