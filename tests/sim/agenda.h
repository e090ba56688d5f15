/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is to happen in a simulated world: the earliest first, of the same time in the order in which
 * it was put down. A binary heap of records of one size, each of which begins with a `struct due`.
 */
#ifndef TESTS_SIM_AGENDA_H
#define TESTS_SIM_AGENDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/mtime.h"

struct due {
    mtime_t at;
    uint64_t order; /* The agenda's. */
};

/* All bytes 0, but for `size`, is an empty one. */
struct agenda {
    size_t size; /* Of a record, in bytes. */
    unsigned n;
    unsigned room;
    uint64_t order;
    unsigned char *records; /* The first is the next. */
};

/* Puts a copy of the record down. */
void agenda_add(struct agenda *, const void *record);

/* The next record into `out`, if it is due by then. */
bool agenda_take(struct agenda *, mtime_t until, void *out);

/* Record i < n, in no order: for those that go through all of them, and do not change their time. */
void *agenda_at(struct agenda *, unsigned i);

void agenda_free(struct agenda *);

#endif
