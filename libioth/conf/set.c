/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/conf/set.h"

#include <ctype.h>
#include <string.h>

#include "proto/base/cur.h"
#include "proto/wire/domain_name.h"

struct conf_addr conf_addr4(const uint8_t bytes[4], uint8_t prefix)
{
    struct conf_addr a = {.family = 4, .prefix = prefix};

    memcpy(a.bytes, bytes, 4);
    return a;
}

struct conf_addr conf_addr6(const uint8_t bytes[16], uint8_t prefix)
{
    struct conf_addr a = {.family = 6, .prefix = prefix};

    memcpy(a.bytes, bytes, 16);
    return a;
}

bool conf_addr_equal(const struct conf_addr *a, const struct conf_addr *b)
{
    return a->family == b->family && a->prefix == b->prefix &&
           memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool conf_is_link_local(const uint8_t addr[16])
{
    return addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80;
}

mtime_t conf_end_of(mtime_t now, uint32_t sec)
{
    return sec == CONF_FOR_EVER ? MTIME_NEVER : now + sec * MTIME_SEC;
}

bool conf_has(const struct conf_addr *list, unsigned n, const struct conf_addr *a)
{
    for (unsigned i = 0; i < n; i++) {
        if (conf_addr_equal(&list[i], a))
            return true;
    }
    return false;
}

void conf_put(struct conf_addr *list, unsigned *n, unsigned max, const struct conf_addr *a)
{
    if (*n < max && !conf_has(list, *n, a))
        list[(*n)++] = *a;
}

void conf_take(struct conf_addr *list, unsigned *n, const struct conf_addr *a)
{
    for (unsigned i = 0; i < *n; i++) {
        if (!conf_addr_equal(&list[i], a))
            continue;
        (*n)--;
        memmove(&list[i], &list[i + 1], (*n - i) * sizeof *list);
        return;
    }
}

/* --- names -------------------------------------------------------------------------------------- */

bool conf_name_ok(const char *name)
{
    size_t n = 0;

    for (; name[n]; n++) {
        unsigned char c = (unsigned char)name[n];

        if (n >= CONF_NAME_SIZE - 1 || !(isalnum(c) || c == '-' || c == '_' || c == '.') ||
            (c == '.' && (n == 0 || name[n - 1] == '.')))
            return false;
    }
    return n > 0;
}

void conf_put_domain(struct conf_set *s, const char *name)
{
    if (s->n_domains == CONF_DOMAINS_MAX || !conf_name_ok(name))
        return;
    for (unsigned i = 0; i < s->n_domains; i++) {
        if (!strcmp(s->domains[i], name))
            return;
    }
    memcpy(s->domains[s->n_domains++], name, strlen(name) + 1);
}

void conf_take_domain(struct conf_set *s, const char *name)
{
    for (unsigned i = 0; i < s->n_domains; i++) {
        if (strcmp(s->domains[i], name) != 0)
            continue;
        s->n_domains--;
        memmove(s->domains[i], s->domains[i + 1], (s->n_domains - i) * CONF_NAME_SIZE);
        return;
    }
}

void conf_put_domain_list(struct conf_set *s, const uint8_t *data, size_t size,
                          bool pointers)
{
    char name[DOMAIN_NAME_SIZE];
    size_t at = 0;

    /* Zeroes that fill up the option of a router are names without labels. */
    while (at < size &&
           domain_name_read(data, size, &at, pointers, name) != DOMAIN_NAME_BROKEN) {
        if (name[0])
            conf_put_domain(s, name);
    }
}

size_t conf_name_encode(const char *name, uint8_t *out, size_t room)
{
    struct wr w = wr_init(out, room);

    if (!conf_name_ok(name))
        return 0;
    while (*name) {
        size_t n = strcspn(name, ".");

        if (n > DOMAIN_LABEL_MAX)
            return 0;
        wr_u8(&w, (uint8_t)n);
        wr_bytes(&w, name, n);
        name += n + (name[n] == '.');
    }
    wr_u8(&w, 0);
    return w.bad ? 0 : wr_size(&w);
}
