/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A check of the service: a child that enters its node and asks there. One at a time. */
#ifndef KEEPER_PROBE_H
#define KEEPER_PROBE_H

#include <sys/types.h>

#include "keeper/spec.h"
#include "proto/base/loop.h"

struct probe {
    struct loop *loop;
    void (*done)(struct probe *, bool well, const char *why);

    /* Private. */
    pid_t pid; /* 0 = none is under way. */
    int reason;
    struct loop_watch watch;
};

void probe_init(struct probe *, struct loop *,
                void (*done)(struct probe *, bool well, const char *why));

/* Begins one in the node of process `node`; done() tells. One that still goes on is given up. */
void probe_start(struct probe *, const struct spec *, pid_t node, char **environment);

/* Gives up what goes on. */
void probe_stop(struct probe *);

#endif
