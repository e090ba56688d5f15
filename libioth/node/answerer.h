/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The DNS answerer of a node as its launcher has it: a process apart, since it waits for the
 * daemon and reads what the node's programs send. Should it die, another takes its sockets over.
 */
#ifndef LIBIOTH_NODE_ANSWERER_H
#define LIBIOTH_NODE_ANSWERER_H

#include <sys/types.h>

#include "libioth/node/dns.h"
#include "libioth/node/init.h"
#include "proto/base/err.h"
#include "proto/base/loop.h"

struct answerer {
    int sockets[DNS_SOCKETS]; /* Ours; -1 = none. */
    const char *api_path;     /* Borrowed, as the networks' names. */
    const char *networks[NODE_MAX_NETS];
    unsigned n_networks;

    /* Private. */
    pid_t pid; /* 0 = none. */
    struct loop *loop;
    struct loop_watch watch; /* fd: of the process, readable when it has ended. */
    struct loop_timer again;
};

/* No sockets, no process. */
void answerer_init(struct answerer *);

/* Forks it. Returns 0 or -errno. */
int answerer_start(struct answerer *, struct err *err) __attribute__((warn_unused_result));

/* From now on the loop replaces one that died. */
void answerer_keep(struct answerer *, struct loop *);

/* Ends the process and closes the sockets. */
void answerer_done(struct answerer *);

#endif
