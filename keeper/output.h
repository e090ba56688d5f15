/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The log of a service: `log` in its folder, and `log.1` before it. At OUTPUT_MAX bytes the one
 * becomes the other, so a program that floods it fills twice that and no more.
 */
#ifndef KEEPER_OUTPUT_H
#define KEEPER_OUTPUT_H

#include <stddef.h>

#define OUTPUT_MAX (1u << 20)

struct output {
    int folder; /* A descriptor of it; the caller's. */
    int fd;     /* -1: cannot be written now. */
    size_t size;
    unsigned long lost; /* Bytes that the disk had no room for. */
};

void output_open(struct output *, int folder);
void output_done(struct output *);

/* Removes both files. */
void output_forget(struct output *);

/* What the program wrote, as it is. */
void output_write(struct output *, const char *data, size_t size);

/* A line of the keeper's own, with the time: "[2026-11-28T01:02:03Z] started". */
void output_note(struct output *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
