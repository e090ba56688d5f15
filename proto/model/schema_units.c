/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers with units: rates and times, in and out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/model/schema_internal.h"

#define DIGITS "0123456789"

bool schema_parse_number(const char *text, int64_t max, int64_t *value)
{
    size_t size = strlen(text);

    if (!size || size > 18 || text[strspn(text, DIGITS)] || (size > 1 && *text == '0')) {
        return false;
    }
    *value = strtoll(text, NULL, 10);
    return *value <= max;
}

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
