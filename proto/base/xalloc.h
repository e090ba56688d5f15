/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Allocation for the programs at set-up: it aborts when there is no memory. libioth does not
 * use it, and nobody uses it on the data path. */
#ifndef PROTO_BASE_XALLOC_H
#define PROTO_BASE_XALLOC_H

#include <stdarg.h>
#include <stddef.h>

void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *text) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *format, ...)
    __attribute__((malloc, returns_nonnull, format(printf, 1, 2)));
char *xvasprintf(const char *format, va_list args)
    __attribute__((malloc, returns_nonnull, format(printf, 1, 0)));

#endif
