/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Scalars: what a plain one means (YAML 1.2.2, 10.3.2), and how they are printed. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/model/node_internal.h"

#define DIGITS "0123456789"

static bool among(const char *text, const char *const *words)
{
    for (; *words; words++) {
        if (!strcmp(text, *words)) {
            return true;
        }
    }
    return false;
}

static bool number(struct node *x, const char *text, int base, bool *finite)
{
    char *end;

    errno = 0;
    if (base) {
        x->integer = strtoll(text, &end, base);
        x->kind = NODE_INT;
        if (!errno && !*end) {
            return true;
        }
        if (base == 8) { /* strtod() would take it for decimal. */
            *finite = false;
            return true;
        }
    }
    x->kind = NODE_REAL;
    x->real = strtod(text, &end);
    *finite = isfinite(x->real);
    return !*end;
}

/* [-+]? digits, or 0o and 0x forms without a sign. */
static int integer_base(const char *text)
{
    size_t sign = *text == '-' || *text == '+';

    if (text[0] == '0' && text[1] == 'o') {
        return text[2] && !text[2 + strspn(text + 2, "01234567")] ? 8 : 0;
    }
    if (text[0] == '0' && text[1] == 'x') {
        return text[2] && !text[2 + strspn(text + 2, DIGITS "abcdefABCDEF")] ? 16 : 0;
    }
    text += sign;
    return *text && !text[strspn(text, DIGITS)] ? 10 : 0;
}

/* [-+]? ( . digits | digits ( . digits? )? ) ( [eE] [-+]? digits )? */
static bool looks_real(const char *text)
{
    size_t whole, part = 0;

    text += *text == '-' || *text == '+';
    whole = strspn(text, DIGITS);
    text += whole;
    if (*text == '.') {
        part = strspn(++text, DIGITS);
        text += part;
    }
    if (!whole && !part) {
        return false;
    }
    if (*text == 'e' || *text == 'E') {
        text++;
        text += *text == '-' || *text == '+';
        if (!*text) {
            return false;
        }
        text += strspn(text, DIGITS);
    }
    return !*text;
}

bool node_resolve_plain(struct node *x, const char *text)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const yes[] = {"true", "True", "TRUE", NULL};
    static const char *const no[] = {"false", "False", "FALSE", NULL};
    static const char *const odd[] = {".inf",  ".Inf",  ".INF",  "-.inf", "-.Inf",
                                      "-.INF", "+.inf", "+.Inf", "+.INF", ".nan",
                                      ".NaN",  ".NAN",  NULL};
    bool finite = true;
    int base = integer_base(text);

    if (among(text, nulls)) {
        x->kind = NODE_NULL;
    } else if (among(text, yes) || among(text, no)) {
        x->kind = NODE_BOOL;
        x->boolean = among(text, yes);
    } else if (among(text, odd)) {
        return false;
    } else if (base) {
        /* strtoll() takes 0x for base 16, but not 0o for base 8. */
        return number(x, base == 8 ? text + 2 : text, base, &finite) && finite;
    } else if (looks_real(text)) {
        return number(x, text, 0, &finite) && finite;
    } else {
        x->kind = NODE_TEXT;
    }
    return true;
}

/* A real number so that both languages read the same number back. */
static void print_real(struct text *out, double value)
{
    char buffer[40];

    for (int precision = 15; precision <= 17;
         precision++) { /* The shortest that is exact. */
        double back;

        snprintf(buffer, sizeof(buffer), "%.*g", precision, value);
        back = strtod(buffer, NULL);
        if (back >= value && back <= value) {
            break;
        }
    }
    text_add(out, buffer);
    if (!strpbrk(buffer, ".eE")) {
        text_add(out, ".0");
    }
}

void node_print_plain(struct text *out, const struct node *x)
{
    if (x->kind == NODE_BOOL)
        text_add(out, x->boolean ? "true" : "false");
    else if (x->kind == NODE_INT)
        text_printf(out, "%lld", (long long)x->integer);
    else if (x->kind == NODE_REAL)
        print_real(out, x->real);
    else
        text_add(out, "null");
}

static bool yaml_unprintable(uint32_t code)
{
    return (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 ||
           code == 0xfeff || code == 0xfffe || code == 0xffff;
}

static void print_escape(struct text *out, uint32_t code)
{
    static const char from[] = "\"\\\n\r\t\b\f";
    static const char to[] = "\"\\nrtbf";
    const char *at = code < 0x80 ? strchr(from, (int)code) : NULL;

    if (at) {
        text_char(out, '\\');
        text_char(out, to[at - from]);
    } else {
        text_printf(out, "\\u%04x", code);
    }
}

void node_print_quoted(struct text *out, const char *text, bool yaml)
{
    text_char(out, '"');
    while (*text) {
        size_t size;
        uint32_t code = text_utf8(text, &size);

        if (code < 0x20 || code == '"' || code == '\\' ||
            (yaml && yaml_unprintable(code))) {
            print_escape(out, code);
        } else if (code == 0xfffd) { /* A broken byte becomes a whole character. */
            text_add(out, "\xef\xbf\xbd");
        } else {
            text_add_bytes(out, text, size);
        }
        text += size;
    }
    text_char(out, '"');
}
