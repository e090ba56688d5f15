/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Scalars of every field type: checked, and brought into canonical form. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/model/node_internal.h"
#include "proto/model/schema_internal.h"

#define DIGITS "0123456789"

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

/* "WHAT is not ALLOWED", with a word that is too long cut. */
struct node *schema_refuse(const struct field *f, const char *text, char *why, size_t size)
{
    char allowed[128];

    schema_allowed(f, allowed, sizeof(allowed));
    REFUSE("\"%.80s%s\" is not valid (%s)", text, strlen(text) > 80 ? "…" : "", allowed);
}

static struct node *value_principal(const struct field *f, const char *text, char *why,
                                    size_t size)
{
    const char *rest = strchr(text, ':');
    int64_t number;

    if (!rest) {
        return schema_refuse(f, text, why, size);
    }
    rest++;
    if (!strncmp(text, "uid:", 4) || !strncmp(text, "gid:", 4)) {
        /* The last number means "no user" to the kernel. */
        if (!schema_parse_number(rest, UINT32_MAX - 1, &number)) {
            return schema_refuse(f, text, why, size);
        }
    } else if (!strncmp(text, "user:", 5) || !strncmp(text, "group:", 6)) {
        static const char others[] = "abcdefghijklmnopqrstuvwxyz"
                                     "ABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "_.-@$";

        if (!*rest || *rest == '-' || strlen(rest) > 64 || rest[strspn(rest, others)]) {
            return schema_refuse(f, text, why, size);
        }
    } else {
        return schema_refuse(f, text, why, size);
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
        return schema_refuse(f, x->text, why, size);
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
        return schema_refuse(f, text, why, size);
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
        return schema_refuse(f, text, why, size);
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
    return schema_refuse(f, text, why, size);
}

static struct node *value_text(const struct field *f, const char *text, char *why,
                               size_t size)
{
    size_t n = strlen(text);

    if (n < (size_t)f->min || (f->max && n > (size_t)f->max)) {
        return schema_refuse(f, text, why, size);
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
    } else if (f->type == FIELD_TEXT && f->form) {
        snprintf(buffer, size, "%s", f->form);
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
        return schema_name_ok(text) ? node_text(text) : schema_refuse(f, text, why, size);
    case FIELD_ENUM:
        return value_enum(f, text, why, size);
    case FIELD_MAC:
        return schema_value_mac(f, text, why, size);
    case FIELD_IP:
    case FIELD_CIDR:
        return schema_value_address(f, text, why, size);
    case FIELD_CIDR4:
    case FIELD_CIDR6:
        return schema_value_subnet(f, text, why, size);
    case FIELD_ADDR_PORT:
        return schema_value_addr_port(f, text, why, size);
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
    return schema_refuse(f, text, why, size);
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
                                    : schema_refuse(f, "this", why, size);
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
