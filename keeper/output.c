/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keeper/output.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/fd.h"

static void open_log(struct output *out)
{
    struct stat st;

    out->fd = openat(out->folder, "log",
                     O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0644);
    out->size = out->fd >= 0 && fstat(out->fd, &st) == 0 ? (size_t)st.st_size : 0;
}

void output_open(struct output *out, int folder)
{
    *out = (struct output){.folder = folder};
    open_log(out);
}

void output_done(struct output *out)
{
    fd_close(&out->fd);
}

void output_forget(struct output *out)
{
    fd_close(&out->fd);
    (void)unlinkat(out->folder, "log", 0);
    (void)unlinkat(out->folder, "log.1", 0);
}

static void rotate(struct output *out)
{
    fd_close(&out->fd);
    (void)renameat(out->folder, "log", out->folder, "log.1");
    open_log(out);
}

void output_write(struct output *out, const char *data, size_t size)
{
    if (out->size >= OUTPUT_MAX)
        rotate(out);
    if (out->fd < 0)
        open_log(out);
    while (size > 0) {
        ssize_t n = out->fd >= 0 ? write(out->fd, data, size) : -1;

        if (n <= 0) {
            out->lost += size;
            return;
        }
        out->size += (size_t)n;
        data += n;
        size -= (size_t)n;
    }
}

void output_note(struct output *out, const char *format, ...)
{
    char line[512];
    time_t now = time(NULL);
    struct tm utc;
    va_list args;
    size_t size;

    size = strftime(line, sizeof line, "[%Y-%m-%dT%H:%M:%SZ] ", gmtime_r(&now, &utc));
    va_start(args, format);
    size += (size_t)vsnprintf(line + size, sizeof line - size - 1, format, args);
    va_end(args);
    if (size > sizeof line - 2)
        size = sizeof line - 2;
    line[size++] = '\n';
    output_write(out, line, size);
}
