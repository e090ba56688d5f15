/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/model/text_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"

static void text_reserve(struct text *t, size_t more)
{
    if (t->size + more + 1 <= t->room) {
        return;
    }
    t->room = (t->size + more + 1) * 2;
    t->p = xrealloc(t->p, t->room);
}

void text_add_bytes(struct text *t, const char *what, size_t size)
{
    text_reserve(t, size);
    memcpy(t->p + t->size, what, size);
    t->size += size;
    t->p[t->size] = '\0';
}

void text_add(struct text *t, const char *what)
{
    text_add_bytes(t, what, strlen(what));
}

void text_char(struct text *t, char c)
{
    text_add_bytes(t, &c, 1);
}

void text_spaces(struct text *t, size_t n)
{
    text_reserve(t, n);
    memset(t->p + t->size, ' ', n);
    t->size += n;
    t->p[t->size] = '\0';
}

void text_printf(struct text *t, const char *format, ...)
{
    va_list args;
    char *line;

    va_start(args, format);
    line = xvasprintf(format, args);
    va_end(args);
    text_add(t, line);
    free(line);
}

char *text_take(struct text *t)
{
    char *p = t->p ? t->p : xstrdup("");

    *t = (struct text){0};
    return p;
}

uint32_t text_utf8(const char *p, size_t *size)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)p[0];
    unsigned more;
    uint32_t code;

    *size = 1;
    if (first < 0x80) {
        return first;
    }
    if (first < 0xc2 || first > 0xf4) {
        return 0xfffd;
    }
    more = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    code = first & (0x3fU >> more);
    for (unsigned i = 1; i <= more; i++) {
        unsigned char next = (unsigned char)p[i];

        if ((next & 0xc0) != 0x80) { /* The final NUL ends here too. */
            return 0xfffd;
        }
        code = code << 6 | (next & 0x3f);
    }
    if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
        return 0xfffd;
    }
    *size = more + 1;
    return code;
}
