/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses: of IP, with prefix or port, and of Ethernet; checked, and in canonical form. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "proto/model/schema_internal.h"

#define DEFAULT_PORT 4655

struct addr {
    int family; /* AF_INET, AF_INET6 */
    unsigned char bytes[16];
    int length; /* Of the prefix; -1 = none given. */
};

static int addr_bits(const struct addr *a)
{
    return a->family == AF_INET ? 32 : 128;
}

/* ADDRESS[/LENGTH] */
static bool parse_addr(const char *text, struct addr *a)
{
    char copy[INET6_ADDRSTRLEN];
    size_t size = strcspn(text, "/");
    int64_t length;

    if (size >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text, size);
    copy[size] = '\0';
    *a = (struct addr){.family = strchr(copy, ':') ? AF_INET6 : AF_INET, .length = -1};
    if (inet_pton(a->family, copy, a->bytes) != 1) {
        return false;
    }
    if (text[size]) {
        if (!schema_parse_number(text + size + 1, addr_bits(a), &length)) {
            return false;
        }
        a->length = (int)length;
    }
    return true;
}

static void print_addr(const struct addr *a, char *buffer, size_t size)
{
    char text[INET6_ADDRSTRLEN] = "";

    inet_ntop(a->family, a->bytes, text, sizeof(text));
    if (a->length < 0) {
        snprintf(buffer, size, "%s", text);
    } else {
        snprintf(buffer, size, "%s/%d", text, a->length);
    }
}

/* Clears the host's bits; true if there were none. */
static bool mask_addr(struct addr *a)
{
    bool clean = true;

    for (int i = a->length; i < addr_bits(a); i++) {
        unsigned char bit = (unsigned char)(0x80 >> (i % 8));

        clean = clean && !(a->bytes[i / 8] & bit);
        a->bytes[i / 8] &= (unsigned char)~bit;
    }
    return clean;
}

/* Addresses that no endpoint can have: unspecified, loopback, multicast. */
static bool unusable(const struct addr *a)
{
    static const unsigned char zero[15];

    if (a->family == AF_INET) {
        return a->bytes[0] == 0 || a->bytes[0] == 127 || a->bytes[0] >= 224;
    }
    return a->bytes[0] == 0xff || (!memcmp(a->bytes, zero, 15) && a->bytes[15] <= 1);
}

struct node *schema_value_subnet(const struct field *f, const char *text, char *why,
                                 size_t size)
{
    int family = f->type == FIELD_CIDR4 ? AF_INET : AF_INET6;
    struct addr a;
    char canonical[64];

    if (schema_has_word(f->words, text)) {
        return node_text(text);
    }
    if (!parse_addr(text, &a) || a.family != family || a.length < 0) {
        return schema_refuse(f, text, why, size);
    }
    if (a.length < f->min || a.length > f->max) {
        if (f->min == f->max) {
            REFUSE("/%d is not a size for an address plan (/%lld)", a.length,
                   (long long)f->min);
        }
        REFUSE("/%d is not a size for an address plan (/%lld to /%lld)", a.length,
               (long long)f->min, (long long)f->max);
    }
    if (!mask_addr(&a)) {
        print_addr(&a, canonical, sizeof(canonical));
        REFUSE("%s has bits set behind its length (%s)", text, canonical);
    }
    if (unusable(&a)) {
        REFUSE("%s cannot be used for endpoints", text);
    }
    print_addr(&a, canonical, sizeof(canonical));
    return node_text(canonical);
}

struct node *schema_value_address(const struct field *f, const char *text, char *why,
                                  size_t size)
{
    struct addr a;
    char canonical[64];

    if (!parse_addr(text, &a) || (f->type == FIELD_IP && a.length >= 0)) {
        return schema_refuse(f, text, why, size);
    }
    if (unusable(&a)) {
        REFUSE("%s is not an address of an endpoint", text);
    }
    print_addr(&a, canonical, sizeof(canonical));
    return node_text(canonical);
}

/* 192.0.2.1:4655, [2001:db8::1]:4655; without a port it is 4655. */
struct node *schema_value_addr_port(const struct field *f, const char *text, char *why,
                                    size_t size)
{
    char host[64], canonical[96];
    const char *p = text;
    size_t n;
    int64_t port = DEFAULT_PORT;
    bool bracket = *p == '[';
    struct addr a;

    p += bracket;
    n = strcspn(p, bracket ? "]" : ":");
    if (n >= sizeof(host)) {
        return schema_refuse(f, text, why, size);
    }
    memcpy(host, p, n);
    host[n] = '\0';
    p += n;
    if (bracket && *p++ != ']') {
        return schema_refuse(f, text, why, size);
    }
    if ((*p && (*p != ':' || !schema_parse_number(p + 1, 65535, &port) || !port)) ||
        !parse_addr(host, &a) || a.length >= 0 || (a.family == AF_INET6) != bracket) {
        return schema_refuse(f, text, why, size);
    }
    print_addr(&a, host, sizeof(host));
    snprintf(canonical, sizeof(canonical), bracket ? "[%s]:%lld" : "%s:%lld", host,
             (long long)port);
    return node_text(canonical);
}

struct node *schema_value_mac(const struct field *f, const char *text, char *why,
                              size_t size)
{
    char canonical[18];
    unsigned char any = 0;

    if (strlen(text) != 17) {
        return schema_refuse(f, text, why, size);
    }
    for (size_t i = 0; i < 17; i++) {
        bool colon = i % 3 == 2;

        if (colon ? text[i] != ':' && text[i] != '-' : !isxdigit((unsigned char)text[i])) {
            return schema_refuse(f, text, why, size);
        }
        canonical[i] = colon ? ':' : (char)tolower((unsigned char)text[i]);
        any |= !colon && text[i] != '0';
    }
    canonical[17] = '\0';
    if (!any || strchr("13579bdf", canonical[1])) {
        REFUSE("%s is not the MAC of one station", canonical);
    }
    return node_text(canonical);
}
