/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The log of the programs (libraries do not log). One line per event on stderr, or on the
 * descriptor given; never blocks: a line that cannot be written at once is lost and counted.
 */
#ifndef PROTO_BASE_LOG_H
#define PROTO_BASE_LOG_H

#include <stdbool.h>

#include "proto/base/mtime.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* `who` names the process in each line and must outlive it. */
void log_init(const char *who, enum log_level level, int fd);

/* "error", "warn", "info", "debug". */
bool log_level_parse(const char *text, enum log_level *level);

void log_at(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

/*
 * For lines that somebody outside can cause: LOG_LIMIT_LINES in LOG_LIMIT_TIME, and the first line
 * after that tells how many were left out. One for each kind of line, zero at first.
 */
#define LOG_LIMIT_LINES 10u
#define LOG_LIMIT_TIME  (10 * MTIME_SEC)

struct log_limit {
    mtime_t since;
    unsigned said;
    unsigned long left_out;
};

void log_limited(struct log_limit *, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same at a time that the caller tells: whether the line may be written. */
bool log_limit_pass(struct log_limit *, mtime_t now);

#endif
