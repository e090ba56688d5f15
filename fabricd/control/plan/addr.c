/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/plan/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool parse_len(const char *text, unsigned most, uint8_t *out)
{
    unsigned value = 0;
    size_t n = strlen(text);

    if (n == 0 || n > 3 || (n > 1 && text[0] == '0'))
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (unsigned)(*text - '0');
    }
    *out = (uint8_t)value;
    return value <= most;
}

bool addr_parse(const char *text, struct addr *out)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct addr a = {.prefix = ADDR_NO_LEN};
    const char *slash = strchr(text, '/');
    size_t size = slash != NULL ? (size_t)(slash - text) : strlen(text);
    char host[INET6_ADDRSTRLEN];

    if (size == 0 || size >= sizeof(host))
        return false;
    memcpy(host, text, size);
    host[size] = '\0';
    if (inet_pton(AF_INET, host, a.bytes) == 1)
        a.family = 4;
    else if (inet_pton(AF_INET6, host, a.bytes) == 1)
        a.family = 6;
    else
        return false;
    if (slash != NULL && !parse_len(slash + 1, a.family == 4 ? 32 : 128, &a.prefix))
        return false;
    if (a.family == 6 && memcmp(a.bytes, mapped, sizeof(mapped)) == 0) {
        if (a.prefix != ADDR_NO_LEN && a.prefix < 96)
            return false;
        memmove(a.bytes, a.bytes + 12, 4);
        memset(a.bytes + 4, 0, 12);
        a.family = 4;
        a.prefix = a.prefix == ADDR_NO_LEN ? a.prefix : (uint8_t)(a.prefix - 96);
    }
    *out = a;
    return true;
}

char *addr_print_bare(const struct addr *a, char *out)
{
    if (inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->bytes, out, ADDR_TEXT_SIZE) ==
        NULL)
        out[0] = '\0';
    return out;
}

char *addr_print(const struct addr *a, char *out)
{
    size_t n;

    addr_print_bare(a, out);
    n = strlen(out);
    if (a->prefix != ADDR_NO_LEN)
        snprintf(out + n, ADDR_TEXT_SIZE - n, "/%u", a->prefix);
    return out;
}

int addr_compare(const struct addr *a, const struct addr *b)
{
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    uint8_t mask = (uint8_t)(0xff00u >> rest);

    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ b[whole]) & mask) == 0;
}

bool addr_in_net(const struct addr *a, const struct addr *net)
{
    return a->family == net->family && same_bits(a->bytes, net->bytes, net->prefix);
}

bool addr_nets_overlap(const struct addr *a, const struct addr *b)
{
    return a->family == b->family &&
           same_bits(a->bytes, b->bytes, a->prefix < b->prefix ? a->prefix : b->prefix);
}

void addr_mask(struct addr *a)
{
    unsigned size = a->family == 4 ? 4 : 16;

    for (unsigned i = 0; i < size; i++) {
        if (i * 8 >= a->prefix)
            a->bytes[i] = 0;
        else if (a->prefix - i * 8 < 8)
            a->bytes[i] &= (uint8_t)(0xff00u >> (a->prefix - i * 8));
    }
}

uint32_t addr_to_v4(const struct addr *a)
{
    return (uint32_t)a->bytes[0] << 24 | (uint32_t)a->bytes[1] << 16 |
           (uint32_t)a->bytes[2] << 8 | a->bytes[3];
}

struct addr addr_from_v4(uint32_t value, uint8_t prefix)
{
    return (struct addr){
        .family = 4,
        .prefix = prefix,
        .bytes = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                  (uint8_t)value},
    };
}
