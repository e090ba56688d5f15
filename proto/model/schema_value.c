/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Scalars of every field type: checked, and brought into canonical form. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/model/node_internal.h"
#include "proto/model/schema_internal.h"

#define DIGITS       "0123456789"
#define DEFAULT_PORT 4655

bool schema_name_ok(const char *name)
{
    size_t size = strlen(name);

    return size >= 1 && size <= 63 && name[0] >= 'a' && name[0] <= 'z' &&
           !name[strspn(name, "abcdefghijklmnopqrstuvwxyz" DIGITS "-")];
}

bool schema_has_word(const char *words, const char *word)
{
    size_t size = strlen(word);

    while (words && *words) {
        size_t n = strcspn(words, "|");

        if (n == size && !memcmp(words, word, n)) {
            return true;
        }
        words += n + (words[n] == '|');
    }
    return false;
}

/* An unsigned decimal number without sign or leading zeros, up to `max`. */
static bool parse_number(const char *text, int64_t max, int64_t *value)
{
    size_t size = strlen(text);

    if (!size || size > 18 || text[strspn(text, DIGITS)] || (size > 1 && *text == '0')) {
        return false;
    }
    *value = strtoll(text, NULL, 10);
    return *value <= max;
}

/* --- units ------------------------------------------------------------------------------- */

struct unit {
    const char *name;
    int64_t size;
};

static const struct unit bit_units[] = {
    {"", 1}, {"k", 1000}, {"M", 1000000}, {"G", 1000000000}, {"T", 1000000000000}};

static const struct unit time_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};

#define N_UNITS (sizeof(time_units) / sizeof(*time_units))

/* DIGITS[.DIGITS]UNIT with a whole result; *text moves behind it. */
static bool parse_with_unit(const char **text, const struct unit *units, int64_t *value)
{
    const char *p = *text;
    size_t whole = strspn(p, DIGITS), part, letters;
    int64_t number = 0, scale = 1;

    if (!whole || whole > 12) {
        return false;
    }
    for (size_t i = 0; i < whole; i++) {
        number = number * 10 + (*p++ - '0');
    }
    if (*p == '.') {
        part = strspn(++p, DIGITS);
        if (!part || part > 3) {
            return false;
        }
        for (size_t i = 0; i < part; i++, scale *= 10) {
            number = number * 10 + (*p++ - '0');
        }
    }
    letters = strspn(p, "kMGTmshd");
    for (size_t i = 0; i < N_UNITS; i++) {
        int64_t size = units[i].size;

        if (strlen(units[i].name) == letters && !memcmp(units[i].name, p, letters)) {
            if (number > INT64_MAX / 2 / size || number * size % scale) {
                return false;
            }
            *value = number * size / scale;
            *text = p + letters;
            return true;
        }
    }
    return false;
}

bool schema_parse_bits(const char *text, int64_t *bits)
{
    return parse_with_unit(&text, bit_units, bits) && !*text;
}

bool schema_parse_time(const char *text, int64_t *ms)
{
    int64_t total = 0, part;

    do {
        if (!parse_with_unit(&text, time_units, &part) || part > INT64_MAX / 2 - total) {
            return false;
        }
        total += part;
    } while (*text);
    *ms = total;
    return true;
}

static void print_unit(int64_t value, const struct unit *units, char buffer[24])
{
    size_t i = N_UNITS - 1;

    while (i && (!value || value % units[i].size)) {
        i--;
    }
    snprintf(buffer, 24, "%lld%s", (long long)(value / units[i].size), units[i].name);
}

bool schema_parse_rate(const char *text, int64_t *rate, bool *frames)
{
    const char *p = text;

    if (schema_parse_bits(text, rate)) {
        *frames = false;
        return true;
    }
    *frames = true;
    return parse_with_unit(&p, bit_units, rate) ? !strcmp(p, "pps") : false;
}

void schema_print_bits(int64_t bits, char buffer[24])
{
    print_unit(bits, bit_units, buffer);
}

void schema_print_time(int64_t ms, char buffer[24])
{
    print_unit(ms, time_units, buffer);
}

/* --- addresses --------------------------------------------------------------------------- */

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
        if (!parse_number(text + size + 1, addr_bits(a), &length)) {
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

#define REFUSE(...)                                                                        \
    do {                                                                                   \
        snprintf(why, size, __VA_ARGS__);                                                  \
        return NULL;                                                                       \
    } while (0)

/* "WHAT is not ALLOWED", with a word that is too long cut. */
static struct node *refuse(const struct field *f, const char *text, char *why, size_t size)
{
    char allowed[128];

    schema_allowed(f, allowed, sizeof(allowed));
    REFUSE("\"%.80s%s\" is not valid (%s)", text, strlen(text) > 80 ? "…" : "", allowed);
}

static struct node *value_subnet(const struct field *f, const char *text, char *why,
                                 size_t size)
{
    int family = f->type == FIELD_CIDR4 ? AF_INET : AF_INET6;
    struct addr a;
    char canonical[64];

    if (schema_has_word(f->words, text)) {
        return node_text(text);
    }
    if (!parse_addr(text, &a) || a.family != family || a.length < 0) {
        return refuse(f, text, why, size);
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

static struct node *value_address(const struct field *f, const char *text, char *why,
                                  size_t size)
{
    struct addr a;
    char canonical[64];

    if (!parse_addr(text, &a) || (f->type == FIELD_IP && a.length >= 0)) {
        return refuse(f, text, why, size);
    }
    if (unusable(&a)) {
        REFUSE("%s is not an address of an endpoint", text);
    }
    print_addr(&a, canonical, sizeof(canonical));
    return node_text(canonical);
}

/* 192.0.2.1:4655, [2001:db8::1]:4655; without a port it is 4655. */
static struct node *value_addr_port(const struct field *f, const char *text, char *why,
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
        return refuse(f, text, why, size);
    }
    memcpy(host, p, n);
    host[n] = '\0';
    p += n;
    if (bracket && *p++ != ']') {
        return refuse(f, text, why, size);
    }
    if ((*p && (*p != ':' || !parse_number(p + 1, 65535, &port) || !port)) ||
        !parse_addr(host, &a) || a.length >= 0 || (a.family == AF_INET6) != bracket) {
        return refuse(f, text, why, size);
    }
    print_addr(&a, host, sizeof(host));
    snprintf(canonical, sizeof(canonical), bracket ? "[%s]:%lld" : "%s:%lld", host,
             (long long)port);
    return node_text(canonical);
}

static struct node *value_mac(const struct field *f, const char *text, char *why,
                              size_t size)
{
    char canonical[18];
    unsigned char any = 0;

    if (strlen(text) != 17) {
        return refuse(f, text, why, size);
    }
    for (size_t i = 0; i < 17; i++) {
        bool colon = i % 3 == 2;

        if (colon ? text[i] != ':' && text[i] != '-' : !isxdigit((unsigned char)text[i])) {
            return refuse(f, text, why, size);
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

static struct node *value_principal(const struct field *f, const char *text, char *why,
                                    size_t size)
{
    const char *rest = strchr(text, ':');
    int64_t number;

    if (!rest) {
        return refuse(f, text, why, size);
    }
    rest++;
    if (!strncmp(text, "uid:", 4) || !strncmp(text, "gid:", 4)) {
        /* The last number means "no user" to the kernel. */
        if (!parse_number(rest, UINT32_MAX - 1, &number)) {
            return refuse(f, text, why, size);
        }
    } else if (!strncmp(text, "user:", 5) || !strncmp(text, "group:", 6)) {
        static const char others[] = "abcdefghijklmnopqrstuvwxyz"
                                     "ABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "_.-@$";

        if (!*rest || *rest == '-' || strlen(rest) > 64 || rest[strspn(rest, others)]) {
            return refuse(f, text, why, size);
        }
    } else {
        return refuse(f, text, why, size);
    }
    return node_text(text);
}

/* --- numbers and words ------------------------------------------------------------------- */

static struct node *value_int(const struct field *f, const struct node *x, char *why,
                              size_t size)
{
    if (x->kind != NODE_INT) {
        REFUSE("not a whole number (%lld to %lld)", (long long)f->min, (long long)f->max);
    }
    if (x->integer < f->min || x->integer > f->max) {
        REFUSE("%lld is out of range (%lld to %lld)", (long long)x->integer,
               (long long)f->min, (long long)f->max);
    }
    return node_int(x->integer);
}

static struct node *value_bits(const struct field *f, const struct node *x, char *why,
                               size_t size)
{
    char low[24], high[24];
    int64_t bits = x->integer;

    if (x->kind == NODE_TEXT && !schema_parse_bits(x->text, &bits)) {
        return refuse(f, x->text, why, size);
    }
    if (x->kind != NODE_TEXT && x->kind != NODE_INT) {
        REFUSE("not a rate (bits per second, as 64k, 10M or 1.5G)");
    }
    if (bits < f->min || bits > f->max) {
        schema_print_bits(f->min, low);
        schema_print_bits(f->max, high);
        REFUSE("out of range (%s to %s)", low, high);
    }
    return node_int(bits);
}

/* The limits are of bits; frames are at least 1 and at most of a thousandth of them. */
static struct node *value_rate(const struct field *f, const char *text, char *why,
                               size_t size)
{
    char canonical[24];
    int64_t rate;
    bool frames;

    if (!schema_parse_rate(text, &rate, &frames)) {
        return refuse(f, text, why, size);
    }
    if (rate < (frames ? 1 : f->min) || rate > (frames ? f->max / 1000 : f->max)) {
        REFUSE("\"%s\" is out of range", text);
    }
    if (frames) {
        snprintf(canonical, sizeof(canonical), "%lldpps", (long long)rate);
    } else {
        schema_print_bits(rate, canonical);
    }
    return node_text(canonical);
}

static struct node *value_time(const struct field *f, const char *text, char *why,
                               size_t size)
{
    char canonical[24];
    int64_t ms;

    if (!schema_parse_time(text, &ms)) {
        return refuse(f, text, why, size);
    }
    if (ms < f->min || (f->max && ms > f->max)) {
        REFUSE("\"%s\" is out of range", text);
    }
    schema_print_time(ms, canonical);
    return node_text(canonical);
}

/* The nearest of the words that '|' separates, in nearest[]. */
static bool nearest_of(const char *words, const char *text, char nearest[32])
{
    char copy[128];
    const char *list[16] = {NULL};
    const char *found;
    size_t n = 0;

    snprintf(copy, sizeof(copy), "%s", words);
    for (char *p = copy; *p && n < 15; n++) {
        list[n] = p;
        p += strcspn(p, "|");
        if (*p) {
            *p++ = '\0';
        }
    }
    found = schema_nearest(text, list);
    snprintf(nearest, 32, "%s", found ? found : "");
    return found;
}

static struct node *value_enum(const struct field *f, const char *text, char *why,
                               size_t size)
{
    char allowed[128], nearest[32];

    if (schema_has_word(f->words, text)) {
        return node_text(text);
    }
    schema_allowed(f, allowed, sizeof(allowed));
    if (schema_has_word(f->words_later, text)) {
        REFUSE("%s %s is not built yet (%s)", text, f->name, allowed);
    }
    if (nearest_of(f->words, text, nearest)) {
        REFUSE("\"%.80s\" is not valid, did you mean %s? (%s)", text, nearest, allowed);
    }
    return refuse(f, text, why, size);
}

static struct node *value_text(const struct field *f, const char *text, char *why,
                               size_t size)
{
    size_t n = strlen(text);

    if (n < (size_t)f->min || (f->max && n > (size_t)f->max)) {
        return refuse(f, text, why, size);
    }
    return node_text(text);
}

void schema_allowed(const struct field *f, char *buffer, size_t size)
{
    static const char *const forms[] = {
        [FIELD_BOOL] = "true or false",
        [FIELD_NAME] = "1-63 of a-z 0-9 -, beginning with a letter",
        [FIELD_MAC] = "a MAC as 02:00:00:00:00:09",
        [FIELD_IP] = "an IPv4 or IPv6 address",
        [FIELD_CIDR4] = "an IPv4 prefix as 10.80.0.0/24",
        [FIELD_CIDR6] = "an IPv6 prefix as fd42:80::/64",
        [FIELD_CIDR] = "an address as 10.64.0.2/24 or fd42::2/64",
        [FIELD_ADDR_PORT] = "ADDRESS:PORT as 192.0.2.1:4655 or [2001:db8::1]:4655",
        [FIELD_BITS] = "bits per second, as 64k, 10M or 1.5G",
        [FIELD_RATE] = "frames or bits per second, as 1000pps or 10M",
        [FIELD_TIME] = "a time as 250ms, 30s or 1h",
        [FIELD_PRINCIPAL] = "uid:N, gid:N, user:NAME or group:NAME",
        [FIELD_SECRET] = "{file: PATH}",
        [FIELD_MAP] = "a map of keys",
        [FIELD_MAP_OF] = "a map of keys",
    };
    size_t n = 0;

    if (f->type == FIELD_INT) {
        snprintf(buffer, size, "%lld to %lld", (long long)f->min, (long long)f->max);
    } else if (f->type == FIELD_TEXT) {
        snprintf(buffer, size, "a text of %lld to %lld bytes", (long long)f->min,
                 (long long)f->max);
    } else if (f->type == FIELD_ENUM) {
        buffer[0] = '\0';
    } else {
        n = (size_t)snprintf(buffer, size, "%s", forms[f->type]);
    }
    if (f->flags & FIELD_LINK || !f->words || n >= size) {
        return;
    }
    for (const char *p = f->words; *p && n + 4 < size; p++) { /* a|b -> a, b */
        if (p == f->words && n) {
            buffer[n++] = ',';
            buffer[n++] = ' ';
        }
        buffer[n++] = *p == '|' ? ',' : *p;
        if (*p == '|') {
            buffer[n++] = ' ';
        }
    }
    buffer[n] = '\0';
}

static struct node *value_of_text(const struct field *f, const char *text, char *why,
                                  size_t size)
{
    switch (f->type) {
    case FIELD_TEXT:
        return value_text(f, text, why, size);
    case FIELD_NAME:
        return schema_name_ok(text) ? node_text(text) : refuse(f, text, why, size);
    case FIELD_ENUM:
        return value_enum(f, text, why, size);
    case FIELD_MAC:
        return value_mac(f, text, why, size);
    case FIELD_IP:
    case FIELD_CIDR:
        return value_address(f, text, why, size);
    case FIELD_CIDR4:
    case FIELD_CIDR6:
        return value_subnet(f, text, why, size);
    case FIELD_ADDR_PORT:
        return value_addr_port(f, text, why, size);
    case FIELD_TIME:
        return value_time(f, text, why, size);
    case FIELD_PRINCIPAL:
        return value_principal(f, text, why, size);
    case FIELD_BOOL:
    case FIELD_INT:
    case FIELD_BITS:
    case FIELD_SECRET:
    case FIELD_RATE:
    case FIELD_MAP:
    case FIELD_MAP_OF:
        break;
    }
    return refuse(f, text, why, size);
}

struct node *schema_value(const struct field *f, const struct node *x, char *why,
                          size_t size)
{
    char allowed[128];

    schema_allowed(f, allowed, sizeof(allowed));
    if (x->kind == NODE_LIST || x->kind == NODE_MAP) {
        REFUSE("a %s is not allowed here (%s)", x->kind == NODE_LIST ? "list" : "map",
               allowed);
    }
    switch (f->type) {
    case FIELD_INT:
        return value_int(f, x, why, size);
    case FIELD_BITS:
        return value_bits(f, x, why, size);
    case FIELD_BOOL:
        if (x->kind != NODE_BOOL) {
            REFUSE("not a truth value (%s)", allowed);
        }
        return node_bool(x->boolean);
    case FIELD_RATE: /* A plain number is of bits. */
        if (x->kind == NODE_INT) {
            snprintf(allowed, sizeof(allowed), "%lld", (long long)x->integer);
            return value_rate(f, allowed, why, size);
        }
        return x->kind == NODE_TEXT ? value_rate(f, x->text, why, size)
                                    : refuse(f, "this", why, size);
    default:
        if (f->type == FIELD_ENUM && x->kind == NODE_BOOL) {
            return value_of_text(f, x->boolean ? "true" : "false", why, size);
        }
        /* Among arguments a number is a text: [sleep, 10]. */
        if (f->flags & FIELD_REPEAT && x->kind == NODE_INT) {
            snprintf(allowed, sizeof(allowed), "%lld", (long long)x->integer);
            return value_of_text(f, x->text ? x->text : allowed, why, size);
        }
        if (x->kind != NODE_TEXT) {
            REFUSE("not a text (%s)", allowed);
        }
        return value_of_text(f, x->text, why, size);
    }
}

struct node *schema_default(const struct field *f)
{
    struct node raw = {.kind = NODE_TEXT};
    char why[256];
    struct node *value, *list;
    /* node_resolve_plain() sets the kind; the text is only looked at. */
    union {
        const char *in;
        char *out;
    } text = {.in = f->otherwise};

    if (!f->otherwise) {
        return NULL;
    }
    raw.text = text.out;
    if (!node_resolve_plain(&raw, f->otherwise)) {
        return NULL;
    }
    value = schema_value(f, &raw, why, sizeof(why));
    if (!value || !(f->flags & FIELD_LIST)) {
        return value;
    }
    list = node_list();
    node_append(list, value);
    return list;
}
