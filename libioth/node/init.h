/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The first process of a node, and what it says to the launcher and hears from it.
 *
 * The launcher (`iothctl run`, the keeper of a service) forks it into the node's namespaces. It makes the interfaces there, hands their
 * descriptors (and the sockets of the DNS answerer) out, waits for the addresses, starts the
 * program, reaps what is orphaned, passes signals on, and tells how the program ended. Its end is
 * the end of everything in the node; it ends with the launcher, however that ends.
 *
 * Both sides are the same binary, so messages are structs over a SOCK_SEQPACKET pair:
 *   node -> launcher  READY [interfaces…, DNS sockets…], FAILED, STARTED, STOPPED, EXITED
 *   launcher -> node  MAPPED, CONFIG, SIGNAL, RESUME
 */
#ifndef LIBIOTH_NODE_INIT_H
#define LIBIOTH_NODE_INIT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "libioth/netns/netcfg.h"
#include "libioth/netns/netns.h"
#include "libioth/node/dns.h"
#include "proto/base/err.h"

#define NODE_MAX_NETS 8

enum init_message_kind {
    INIT_READY =
        1,        /* sockets: which of the DNS sockets follow the interfaces; err: why names
                     * are served at port 53 itself, or nothing. */
    INIT_FAILED,  /* code: the exit status; err */
    INIT_STOPPED, /* code: the signal that stopped the program. */
    INIT_EXITED,  /* code: as waitpid() gives it. */
    INIT_MAPPED,  /* The ids of the namespace are there (with --root). */
    INIT_CONFIG,  /* config; the first one starts the program. */
    INIT_SIGNAL,  /* code: for the program. */
    INIT_RESUME,  /* code: 1 = and it gets the terminal. */
    INIT_STARTED, /* The program runs. */
};

struct init_config {
    char hostname[64];
    unsigned n_nets;
    struct netcfg nets[NODE_MAX_NETS];
    /* Addresses of an earlier configuration, to be removed. */
    unsigned n_gone[NODE_MAX_NETS];
    struct netcfg_addr gone[NODE_MAX_NETS][NETCFG_MAX_ADDRS];
};

struct init_message {
    int kind;
    int code;
    bool sockets[DNS_SOCKETS];
    union {
        struct err err;
        struct init_config config;
    };
};

/* Texts are borrowed, and read by the process that is forked. */
struct init_plan {
    unsigned n_nets;
    const char *networks[NODE_MAX_NETS]; /* Names, for eth0, eth1, … */
    bool
        root; /* The namespace has a root and subordinate ids; the program keeps its rights. */
    char **argv;
    char **environment; /* NULL = this process's own. */
    const char *folder; /* Where the program starts; NULL = here. */
    int output;         /* Its standard output and error, and no input; -1 = as they are. */
    struct netns_user user;
    sigset_t mask; /* The program's signal mask. */
    bool terminal; /* The program is a job of its own and gets the terminal. */
};

/* Descriptors 3 and up that are not close-on-exec are the program's, as they are a shell's; with an
 * output of its own it gets none. */
_Noreturn void init_main(const struct init_plan *, int channel);

/* Sends or receives one whole message. Returns 0, -ENOTCONN at the end, or -errno. */
int init_send(int channel, const struct init_message *, const int *fds, unsigned n_fds)
    __attribute__((warn_unused_result));
int init_recv(int channel, struct init_message *, int *fds, unsigned *n_fds)
    __attribute__((warn_unused_result));

#endif
