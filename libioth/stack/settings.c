/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/stack/settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/err.h"

#define SEC          1000u
#define MTU_LEAST    1280u          /* IPv6's. */
#define SND_SIZE_MAX (2u << 20)     /* TCP_SND_BUF */
#define RCV_SIZE_MAX (0xffffu << 7) /* As much as the scale of windows allows. */
#define DAY          (24 * 3600 * SEC)
#define KEEP_MAX     (32767 * SEC)
#define RATE_LEAST   1000u
#define RATE_MAX     1000000000000u

struct stack_settings stack_settings = {
    .rcv_size = 1u << 20,
    .snd_size = 1u << 20,
    .rto_initial = 1 * SEC,
    .rto_min = 200,
    .ack_delay = 10,
    .syn_retries = 6,
    .time_wait = 4 * SEC,
    .keep_idle = 7200 * SEC,
    .keep_interval = 75 * SEC,
    .keep_count = 9,
};

enum form { FORM_FLAG, FORM_COUNT, FORM_SIZE, FORM_TIME, FORM_RATE };

/* `none`: 0 is allowed, too. */
static const struct setting {
    const char *name;
    enum form form;
    size_t at;
    uint64_t least, most;
    bool none, once;
} settings[] = {
#define AT(field) offsetof(struct stack_settings, field)
    {.name = "dhcp", .form = FORM_FLAG, .at = AT(dhcp), .once = true},
    {.name = "slaac", .form = FORM_FLAG, .at = AT(slaac), .once = true},
    {.name = "mtu",
     .form = FORM_COUNT,
     .at = AT(mtu),
     .least = MTU_LEAST,
     .most = UINT16_MAX,
     .once = true},
    {.name = "rcvbuf",
     .form = FORM_SIZE,
     .at = AT(rcv_size),
     .least = 1152,
     .most = RCV_SIZE_MAX},
    {.name = "sndbuf",
     .form = FORM_SIZE,
     .at = AT(snd_size),
     .least = 2304,
     .most = SND_SIZE_MAX},
    {.name = "rtoinit",
     .form = FORM_TIME,
     .at = AT(rto_initial),
     .least = 20,
     .most = 120 * SEC},
    {.name = "rtomin",
     .form = FORM_TIME,
     .at = AT(rto_min),
     .least = 20,
     .most = 120 * SEC},
    {.name = "delack",
     .form = FORM_TIME,
     .at = AT(ack_delay),
     .least = 10,
     .most = 500,
     .none = true},
    {.name = "synretries",
     .form = FORM_COUNT,
     .at = AT(syn_retries),
     .least = 1,
     .most = 127},
    {.name = "usertimeout",
     .form = FORM_TIME,
     .at = AT(user_timeout),
     .least = 20,
     .most = DAY,
     .none = true},
    {.name = "timewait",
     .form = FORM_TIME,
     .at = AT(time_wait),
     .least = 20,
     .most = 600 * SEC,
     .none = true},
    {.name = "keepidle",
     .form = FORM_TIME,
     .at = AT(keep_idle),
     .least = 1 * SEC,
     .most = KEEP_MAX},
    {.name = "keepintvl",
     .form = FORM_TIME,
     .at = AT(keep_interval),
     .least = 1 * SEC,
     .most = KEEP_MAX},
    {.name = "keepcnt", .form = FORM_COUNT, .at = AT(keep_count), .least = 1, .most = 127},
    {.name = "rate",
     .form = FORM_RATE,
     .at = AT(rate),
     .least = RATE_LEAST,
     .most = RATE_MAX,
     .none = true},
#undef AT
};
#define N_SETTINGS (sizeof settings / sizeof *settings)

static const struct unit {
    enum form form;
    const char *name;
    uint64_t worth;
} units[] = {
    {FORM_SIZE, "K", 1u << 10}, {FORM_SIZE, "M", 1u << 20}, {FORM_TIME, "ms", 1},
    {FORM_TIME, "s", SEC},      {FORM_TIME, "m", 60 * SEC}, {FORM_TIME, "h", 3600 * SEC},
    {FORM_RATE, "k", 1000},     {FORM_RATE, "M", 1000000},  {FORM_RATE, "G", 1000000000u},
};

static const char *const what[] = {
    [FORM_FLAG] = "a word",
    [FORM_COUNT] = "a number",
    [FORM_SIZE] = "a size in bytes (65536, 64K, 1M)",
    [FORM_TIME] = "a time with its unit (200ms, 5s, 2m, 1h)",
    [FORM_RATE] = "a rate in bits per second (64k, 10M, 1G)",
};

/* What the end of a number is worth; 0: it is none of the form's. */
static uint64_t unit_of(enum form form, const char *text, size_t n)
{
    if (n == 0)
        return form != FORM_TIME;
    for (unsigned i = 0; i < sizeof units / sizeof *units; i++) {
        if (units[i].form == form && strlen(units[i].name) == n &&
            !memcmp(units[i].name, text, n))
            return units[i].worth;
    }
    return 0;
}

static bool number(const struct setting *o, const char *text, size_t n, uint64_t *out)
{
    uint64_t v = 0, unit;
    size_t i = 0;

    for (; i < n && text[i] >= '0' && text[i] <= '9' && v < RATE_MAX; i++)
        v = v * 10 + (uint64_t)(text[i] - '0');
    if (i == 0)
        return false;
    if (v == 0 && i == n && o->none) {
        *out = 0;
        return true;
    }
    unit = unit_of(o->form, text + i, n - i);
    *out = v * unit;
    return unit && v <= o->most && *out >= o->least && *out <= o->most;
}

static void put(struct stack_settings *s, const struct setting *o, uint64_t v)
{
    char *at = (char *)s + o->at;
    uint32_t v32 = (uint32_t)v;

    if (o->form == FORM_FLAG)
        memcpy(at, &(bool){true}, sizeof(bool));
    else if (o->form == FORM_RATE)
        memcpy(at, &v, sizeof v);
    else
        memcpy(at, &v32, sizeof v32);
}

static uint64_t get(const struct stack_settings *s, const struct setting *o)
{
    const char *at = (const char *)s + o->at;
    uint64_t v = 0;
    uint32_t v32;

    if (o->form == FORM_RATE) {
        memcpy(&v, at, sizeof v);
        return v;
    }
    memcpy(&v32, at, sizeof v32);
    return v32;
}

/* A number as it is written, with the largest unit that it is a multiple of. */
static void describe(char *out, size_t size, enum form form, uint64_t v)
{
    const struct unit *best = NULL;

    for (unsigned i = 0; i < sizeof units / sizeof *units; i++) {
        const struct unit *u = &units[i];

        if (u->form == form && v && v % u->worth == 0 && (!best || u->worth > best->worth))
            best = u;
    }
    (void)snprintf(out, size, "%llu%s", (unsigned long long)(best ? v / best->worth : v),
                   best ? best->name : "");
}

static int wrong(const struct setting *o, struct err *err)
{
    char least[32], most[32];

    describe(least, sizeof least, o->form, o->least);
    describe(most, sizeof most, o->form, o->most);
    return err_set(err, -EINVAL, "%s is %s, from %s to %s%s", o->name, what[o->form], least,
                   most, o->none ? ", or 0 for none" : "");
}

static int unknown(const char *text, size_t n, struct err *err)
{
    char names[256] = "";
    size_t used = 0;

    for (unsigned i = 0; i < N_SETTINGS; i++)
        used +=
            (size_t)snprintf(names + used, sizeof names - used, "%s%s%s", i ? ", " : "",
                             settings[i].name, settings[i].form == FORM_FLAG ? "" : "=");
    return err_set(err, -EINVAL, "the stack lwip has no option %.*s (%s)",
                   (int)(n > 60 ? 60 : n), text, names);
}

static int read_one(struct stack_settings *s, const char *text, size_t n, bool later,
                    struct err *err)
{
    size_t name = strcspn(text, "=,");

    for (unsigned i = 0; i < N_SETTINGS; i++) {
        const struct setting *o = &settings[i];
        uint64_t v = 0;

        if (strlen(o->name) != name || memcmp(o->name, text, name) != 0 ||
            (o->form == FORM_FLAG) != (name == n))
            continue;
        if (later && o->once)
            return err_set(err, -EBUSY, "%s is for a stack that is made", o->name);
        if (o->form != FORM_FLAG && !number(o, text + name + 1, n - name - 1, &v))
            return wrong(o, err);
        put(s, o, v);
        return 0;
    }
    return unknown(text, n, err);
}

int settings_read(struct stack_settings *s, const char *text, bool later, struct err *err)
{
    struct stack_settings made = *s;
    int r = 0;

    while (*text && r == 0) {
        size_t n = strcspn(text, ",");

        r = read_one(&made, text, n, later, err);
        text += n + (text[n] == ',');
    }
    if (r == 0)
        *s = made;
    return r;
}

void settings_write(const struct stack_settings *s, char text[SETTINGS_TEXT])
{
    size_t used = 0;

    *text = 0;
    for (unsigned i = 0; i < N_SETTINGS; i++) {
        const struct setting *o = &settings[i];
        char value[32];

        if (o->once)
            continue;
        describe(value, sizeof value, o->form, get(s, o));
        used += (size_t)snprintf(text + used, SETTINGS_TEXT - used, "%s%s=%s",
                                 used ? "," : "", o->name, value);
    }
}
