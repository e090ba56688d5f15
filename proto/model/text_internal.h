/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A text that grows: what the printers of this room write into. */
#ifndef PROTO_MODEL_TEXT_INTERNAL_H
#define PROTO_MODEL_TEXT_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

struct text {
    char *p; /* NUL-terminated once something was added; the owner's to free(). */
    size_t size;
    size_t room;
};

void text_add(struct text *, const char *what);
void text_add_bytes(struct text *, const char *what, size_t size);
void text_char(struct text *, char c);
void text_spaces(struct text *, size_t n);
void text_printf(struct text *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The text, never NULL; the caller's to free(). Leaves the struct empty. */
char *text_take(struct text *) __attribute__((returns_nonnull));

/* The code point at *p (UTF-8) and its size in *size; a byte that begins no valid sequence
 * gives U+FFFD and size 1. */
uint32_t text_utf8(const char *p, size_t *size);

#endif
