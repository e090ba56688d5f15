/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static struct {
    const char *who;
    enum log_level level;
    int fd;
    unsigned long lost;
} state = {.who = "ioth", .level = LOG_LEVEL_INFO, .fd = STDERR_FILENO};

void log_init(const char *who, enum log_level level, int fd)
{
    state.who = who;
    state.level = level;
    state.fd = fd;
}

bool log_level_parse(const char *text, enum log_level *level)
{
    for (unsigned i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
        if (!strcmp(text, level_names[i])) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

static void write_line(enum log_level level, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void write_line(enum log_level level, const char *format, va_list args)
{
    char line[1024];
    char when[32];
    struct timespec ts;
    struct tm tm;
    int n;

    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
    n = snprintf(line, sizeof line, "%s.%03ldZ %s[%d] %s: ", when, ts.tv_nsec / 1000000,
                 state.who, (int)getpid(), level_names[level]);
    n += vsnprintf(line + n, sizeof line - (size_t)n, format, args);
    if (n > (int)sizeof line - 2)
        n = (int)sizeof line - 2;
    line[n++] = '\n';
    if (write(state.fd, line, (size_t)n) != n)
        state.lost++;
}

void log_at(enum log_level level, const char *format, ...)
{
    va_list args;

    if (level > state.level)
        return;
    va_start(args, format);
    write_line(level, format, args);
    va_end(args);
}

bool log_limit_pass(struct log_limit *limit, mtime_t now)
{
    if (!limit->said || now - limit->since >= LOG_LIMIT_TIME) {
        limit->since = now;
        limit->said = 0;
    }
    if (limit->said < LOG_LIMIT_LINES) {
        limit->said++;
        return true;
    }
    limit->left_out++;
    return false;
}

void log_limited(struct log_limit *limit, enum log_level level, const char *format, ...)
{
    va_list args;

    if (level > state.level || !log_limit_pass(limit, mtime_now()))
        return;
    if (limit->left_out)
        log_at(level, "%lu lines like the next one were left out", limit->left_out);
    limit->left_out = 0;
    va_start(args, format);
    write_line(level, format, args);
    va_end(args);
}
