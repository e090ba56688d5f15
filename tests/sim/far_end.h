/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The other end of a connection of a stack under test, and the path to it, under virtual time: a receiver as the
 * standards have it (cumulative acknowledgements, every second segment, at once where something is missing, with or
 * without SACK, and then it tells what came twice), behind a path with a rate, a queue, a delay and loss. Superframes are cut before they are lost, as
 * on a link. There is one stack in a process, so this is a model and no second one. It checks every byte.
 */
#ifndef TESTS_SIM_FAR_END_H
#define TESTS_SIM_FAR_END_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/mtime.h"

struct far_end_setup {
    mtime_t delay;           /* One way. */
    uint64_t rate;           /* Bits per second. */
    uint32_t queue;          /* Bytes that wait at the most. */
    uint32_t loss, ack_loss; /* Of a million. */
    uint32_t late;           /* The same, that come */
    mtime_t lateness;        /* so much later, behind others. */
    uint32_t mss;
    mtime_t delay_ack; /* Of single segments. */
    uint32_t piece;    /* So many bytes are written at a time, */
    mtime_t pause;     /* so much apart; 0: all as fast as it goes. */
    bool sack;
    uint32_t seed;
};

struct far_end_result {
    uint64_t bytes; /* That arrived in order. */
    mtime_t time;
    uint64_t lost, sent_again; /* Segments that the path lost, and bytes that came twice. */
    bool done;
};

/* Sends `bytes` by a socket of the stack's, until they have arrived or `limit` has passed. */
struct far_end_result far_end_run(const struct far_end_setup *, uint64_t bytes,
                                  mtime_t limit);

/* Before the first one: makes the stack. */
void far_end_init(void);

#endif
