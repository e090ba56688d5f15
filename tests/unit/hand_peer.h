/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The other end of TCP connections of a stack under test, by hand and under virtual time: each segment of the stack's is
 * handed to the test, which says by itself what comes back. There is one stack in a process: 10.0.0.1, and the
 * other end is 10.0.0.2.
 */
#ifndef TESTS_UNIT_HAND_PEER_H
#define TESTS_UNIT_HAND_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "libioth/sockets/sock.h"
#include "proto/base/mtime.h"

enum { HAND_FIN = 1, HAND_SYN = 2, HAND_RST = 4, HAND_PSH = 8, HAND_ACK = 16 };

#define HAND_PORT 5001u

/* A segment; `at` is when the stack has sent it. Scale and MSS: -1 and 0 are none. */
struct hand_segment {
    mtime_t at;
    uint16_t from, to;
    uint32_t seq, ack, len;
    uint16_t window;
    uint8_t flags;
    int scale;
    uint16_t mss;
};

/* Makes the stack, once. */
void hand_init(void);

/* Ends all connections, and forgets what was sent. */
void hand_clear(void);

/* These two for cmocka. */
int hand_setup(void **state);
int hand_teardown(void **state);

mtime_t hand_now(void);

/* The next segment that the stack sends, within a time; false: none. */
bool hand_next(struct hand_segment *out, mtime_t within);

/* The stack runs for a time, and what it sends is thrown away; returns how many segments that were. */
unsigned hand_run(mtime_t time);

/* Sends the stack a segment, whose `len` bytes are of any value. */
void hand_say(const struct hand_segment *);

/* A connection that the stack's socket `s` has opened, or (with `listener`) accepts: as seen from the peer. */
struct hand_conn {
    struct sock *sock;
    uint16_t port; /* The stack's. */
    uint16_t peer_port;
    uint32_t seq, ack;   /* The peer's next number, and what it expects. */
    uint32_t edge;       /* The highest number that the stack has offered to take. */
    int scale;           /* Of the windows of both, -1: none. */
    uint16_t window;     /* What the peer tells, scaled. */
    uint16_t syn_window; /* What the stack's SYN has told. */
    uint16_t mss;        /* Likewise. */
};

/* Opens one: the peer's SYN has this MSS, and a scale if it is not -1. */
void hand_connect(struct hand_conn *, struct sock *s, uint16_t mss, int scale);
/* The same in steps: the answer to a SYN that has come. */
void hand_answer(struct hand_conn *, struct sock *s, const struct hand_segment *syn,
                 uint16_t mss, int scale);
void hand_accept(struct hand_conn *, struct sock *listener, uint16_t mss, int scale);

/* The peer sends `len` bytes, or acknowledges what has come. */
void hand_send(struct hand_conn *, uint32_t len);
void hand_ack(struct hand_conn *);

/* The peer has nothing more. */
void hand_finish(struct hand_conn *);

/* Takes the stack's next segment of it, within a time: false if there is none. */
bool hand_take(struct hand_conn *, struct hand_segment *out, mtime_t within);

/* Takes all that the stack still has to say. */
void hand_settle(struct hand_conn *c);

/* A new TCP socket, and one that listens at HAND_PORT. */
struct sock *hand_socket(void);
struct sock *hand_listener(struct sock *s);

/* Reads what is there, up to a size; sends so many bytes. */
ssize_t hand_read(struct sock *s, size_t size);
ssize_t hand_write(struct sock *s, size_t size);

int hand_set(struct sock *s, int level, int name, int value);
int hand_get(struct sock *s, int level, int name);

#endif
