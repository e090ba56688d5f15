/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is wrong with an input, all of it: each with its place and the path of the key. */
#ifndef PROTO_MODEL_DIAG_H
#define PROTO_MODEL_DIAG_H

#include <stddef.h>

struct diag {
    char *file;            /* Or NULL. */
    unsigned line, column; /* 0 = unknown. */
    char *path;            /* networks.office.vlans.10, or "". */
    char *text;            /* "what is wrong (what is allowed)" */
};

struct diags {
    struct diag *list;
    size_t n;
    size_t room;
    size_t suppressed; /* Over DIAGS_MAX. */
};

#define DIAGS_MAX 200

void diags_init(struct diags *);
void diags_done(struct diags *);
void diags_add(struct diags *, const char *file, unsigned line, unsigned column,
               const char *path, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

/* Adds what another look at the same files found, but for what it says of places that are in there: it
 * follows from what is wrong with them. */
void diags_add_more(struct diags *, const struct diags *more);

/* FILE:LINE:COLUMN: PATH: text, or PATH: text without a file. The caller's to free(). */
char *diag_print(const struct diag *);

/* All of them, a line each; "" if there are none. The caller's to free(). */
char *diags_print(const struct diags *);

/* A path as a JSON pointer (RFC 6901). The caller's to free(). */
char *diag_pointer(const struct diag *);

#endif
