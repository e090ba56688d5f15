/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A holder is a small process, ioth-holder, that is in namespaces of its own for a stack of the kind netns: a
 * program with threads cannot enter them itself. It makes interfaces and sockets there and hands
 * their descriptors out, one answer for each question, over a SOCK_SEQPACKET socket; the end of that is
 * its end. This is what the two say; both come from one build, so structures go as they are.
 */
#ifndef LIBIOTH_VDESTACK_HOLDER_H
#define LIBIOTH_VDESTACK_HOLDER_H

#include <stdint.h>
#include <sys/types.h>

#include "libioth/netns/netcfg.h"
#include "proto/base/err.h"

#define HOLDER_FD 3 /* Where the holder has its socket. */

enum holder_op {
    HOLDER_START,     /* Namespaces, loopback. */
    HOLDER_TAP,       /* Makes config.ifname: a descriptor comes back. */
    HOLDER_CONFIGURE, /* Of an interface. */
    HOLDER_SOCKET,    /* A descriptor comes back. */
};

struct holder_question {
    int32_t op;
    int32_t domain, type, protocol; /* HOLDER_SOCKET */
    struct netcfg config;           /* HOLDER_TAP, HOLDER_CONFIGURE */
};

struct holder_answer {
    int32_t code; /* 0 or -errno. */
    struct err err;
};

/* --- the program's side --------------------------------------------------------------------------- */

struct holder {
    pid_t pid;
    int sock;
};

/* Starts one; nothing of the program is in it, and its end is no SIGCHLD. Returns 0 or -errno. */
int holder_start(struct holder *h, struct err *err) __attribute__((warn_unused_result));

/* Asks; *fd is what came back, or -1. Returns the answer's code, or -errno if the holder is gone. One
 * thread at a time. */
int holder_ask(struct holder *h, const struct holder_question *q, int *fd, struct err *err)
    __attribute__((warn_unused_result));

/* Ends it, and with it what nobody else has of its namespaces. */
void holder_end(struct holder *h);

#endif
