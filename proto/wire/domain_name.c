/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/wire/domain_name.h"

#include "proto/base/cur.h"

#define POINTERS_MAX 16u /* In one name. */

/* The next label: its size, 0 at the name's end, or -1. Pointers on the way are followed; the first one's end
 * goes to *end. */
static int next_label(struct cur *c, const uint8_t *data, size_t size, unsigned *jumps,
                      size_t *end)
{
    for (;;) {
        uint8_t len = cur_u8(c);
        size_t to;

        if (c->bad)
            return -1;
        if (len <= DOMAIN_LABEL_MAX)
            return len;
        if (len < DOMAIN_POINTER || *jumps == 0)
            return -1;
        to = (size_t)(len & ~DOMAIN_POINTER) << 8 | cur_u8(c);
        if (c->bad || to >= size)
            return -1;
        if (!*end)
            *end = (size_t)(c->p - data);
        (*jumps)--;
        *c = cur_init(data + to, size - to);
    }
}

/* Appends a label, behind a dot if it is not the first. False: it cannot be written as a text. */
static bool append(char *name, size_t *n, const uint8_t *label, size_t len)
{
    if (*n)
        name[(*n)++] = '.';
    for (size_t i = 0; i < len; i++) {
        if (label[i] <= ' ' || label[i] >= 0x7f || label[i] == '.' || label[i] == '\\')
            return false;
        name[(*n)++] = (char)label[i];
    }
    return true;
}

enum domain_name domain_name_read(const uint8_t *data, size_t size, size_t *at,
                                  bool pointers, char name[DOMAIN_NAME_SIZE])
{
    struct cur c = cur_init(data + *at, size - *at);
    unsigned jumps = pointers ? POINTERS_MAX : 0;
    enum domain_name result = DOMAIN_NAME_READ;
    size_t end = 0, n = 0, bytes = 1;
    int len;

    name[0] = 0;
    while ((len = next_label(&c, data, size, &jumps, &end)) > 0) {
        const uint8_t *label = cur_bytes(&c, (size_t)len);

        bytes += 1 + (size_t)len;
        if (!label || bytes >= DOMAIN_NAME_SIZE)
            return DOMAIN_NAME_BROKEN;
        if (result == DOMAIN_NAME_READ && !append(name, &n, label, (size_t)len))
            result = DOMAIN_NAME_UNSPOKEN;
    }
    name[result == DOMAIN_NAME_READ && len == 0 ? n : 0] = 0;
    if (len < 0)
        return DOMAIN_NAME_BROKEN;
    *at = end ? end : (size_t)(c.p - data);
    return result;
}
