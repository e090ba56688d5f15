/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Error text for people. Library code returns -errno and, where the caller passed one, fills a
 * struct err with one clear line (WHY, without the WHAT that the caller knows) and, where there
 * is a remedy, the command that mends it. Outputs other than the err are untouched on failure.
 */
#ifndef PROTO_BASE_ERR_H
#define PROTO_BASE_ERR_H

struct err {
    char why[320];  /* "" = no error recorded. */
    char hint[160]; /* A command, or "". */
};

/* Records the text, if `err` is not NULL, and returns `code` (a negative errno). */
int err_set(struct err *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds the remedy to an error already recorded. */
void err_hint(struct err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The C library's text for an errno value of either sign, thread-safe. */
const char *err_text(int code);

#endif
