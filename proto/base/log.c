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

void log_at(enum log_level level, const char *format, ...)
{
    char line[1024];
    char when[32];
    struct timespec ts;
    struct tm tm;
    va_list args;
    int n;

    if (level > state.level)
        return;
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
    n = snprintf(line, sizeof line, "%s.%03ldZ %s[%d] %s: ", when, ts.tv_nsec / 1000000,
                 state.who, (int)getpid(), level_names[level]);
    va_start(args, format);
    n += vsnprintf(line + n, sizeof line - (size_t)n, format, args);
    va_end(args);
    if (n > (int)sizeof line - 2)
        n = (int)sizeof line - 2;
    line[n++] = '\n';
    if (write(state.fd, line, (size_t)n) != n)
        state.lost++;
}
