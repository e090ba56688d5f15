/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between sockets and files, and sockets as streams. */
#include <stdarg.h>
#include <string.h>

#include "libioth/preload/preload.h"

#define BLOCK (64 * 1024)

/* --- from files ----------------------------------------------------------------------------------- */

static ssize_t take_block(int from, void *block, size_t size, const off_t *at)
{
    return at ? pread(from, block, size, *at) : libc()->read(from, block, size);
}

/* As the kernel's: from where the file stands, or from *at, which is moved; what was sent before an error
 * counts. */
static ssize_t send_file(int to, int from, off_t *at, size_t count)
{
    unsigned char block[BLOCK];
    size_t done = 0;

    while (done < count) {
        size_t want = count - done < sizeof block ? count - done : sizeof block;
        ssize_t n = take_block(from, block, want, at), sent;

        if (n <= 0)
            return done ? (ssize_t)done : n;
        sent = send(to, block, (size_t)n, 0);
        if (!at && sent < n)
            (void)!lseek(from, (sent > 0 ? sent : 0) - n, SEEK_CUR);
        if (sent < 0)
            return done ? (ssize_t)done : -1;
        if (at)
            *at += sent;
        done += (size_t)sent;
        if (sent < n)
            break;
    }
    return (ssize_t)done;
}

EXPORT ssize_t sendfile(int to, int from, off_t *at, size_t count)
{
    if (!ours(to))
        return libc()->sendfile(to, from, at, count);
    if (at && *at < 0) {
        errno = EINVAL;
        return -1;
    }
    return send_file(to, from, at, count);
}

ssize_t sendfile64(int to, int from, off_t *at, size_t count);
EXPORT ssize_t sendfile64(int to, int from, off_t *at, size_t count)
{
    return sendfile(to, from, at, count);
}

EXPORT ssize_t splice(int from, off64_t *from_at, int to, off64_t *to_at, size_t size,
                      unsigned flags)
{
    if (ours(from) || ours(to))
        return refuse(REFUSE_SPLICE);
    return libc()->splice(from, from_at, to, to_at, size, flags);
}

EXPORT ssize_t tee(int from, int to, size_t size, unsigned flags)
{
    return ours(from) || ours(to) ? refuse(REFUSE_SPLICE)
                                  : libc()->tee(from, to, size, flags);
}

EXPORT ssize_t vmsplice(int fd, const struct iovec *iov, size_t n, unsigned flags)
{
    return ours(fd) ? refuse(REFUSE_SPLICE) : libc()->vmsplice(fd, iov, n, flags);
}

/* --- as streams ------------------------------------------------------------------------------------- */

/* A stream over a socket: the C library's own would read past us. */
struct cookie {
    int fd;
    FILE *file;
    struct cookie *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct cookie *cookies;

static ssize_t read_cookie(void *aux, char *buf, size_t size)
{
    return read(((struct cookie *)aux)->fd, buf, size);
}

static ssize_t write_cookie(void *aux, const char *buf, size_t size)
{
    ssize_t n = write(((struct cookie *)aux)->fd, buf, size);

    return n < 0 ? 0 : n; /* What fopencookie() calls an error. */
}

static int close_cookie(void *aux)
{
    struct cookie *c = aux, **at;
    int r;

    pthread_mutex_lock(&lock);
    for (at = &cookies; *at; at = &(*at)->next) {
        if (*at == c) {
            *at = c->next;
            break;
        }
    }
    pthread_mutex_unlock(&lock);
    r = close(c->fd);
    free(c);
    return r;
}

static FILE *open_cookie(int fd, const char *mode)
{
    const cookie_io_functions_t functions = {
        .read = read_cookie, .write = write_cookie, .close = close_cookie};
    struct cookie *c = malloc(sizeof *c);

    if (!c)
        return NULL;
    c->fd = fd;
    c->file = fopencookie(c, mode, functions);
    if (!c->file) {
        free(c);
        return NULL;
    }
    pthread_mutex_lock(&lock);
    c->next = cookies;
    cookies = c;
    pthread_mutex_unlock(&lock);
    return c->file;
}

EXPORT FILE *fdopen(int fd, const char *mode)
{
    return ours(fd) ? open_cookie(fd, mode) : libc()->fdopen(fd, mode);
}

static int cookie_fd(const FILE *file)
{
    int fd = -1;

    if (fds_count() == 0)
        return -1;
    pthread_mutex_lock(&lock);
    for (const struct cookie *c = cookies; c && fd < 0; c = c->next)
        if (c->file == file)
            fd = c->fd;
    pthread_mutex_unlock(&lock);
    return fd;
}

EXPORT int fileno(FILE *file)
{
    int fd = cookie_fd(file);

    return fd >= 0 ? fd : libc()->fileno(file);
}

EXPORT int fileno_unlocked(FILE *file)
{
    return fileno(file);
}

/* --- printing ---------------------------------------------------------------------------------------- */

static int print(int fd, const char *format, va_list args)
{
    char *text;
    int n = vasprintf(&text, format, args);
    int done = 0;

    while (n > 0 && done < n) {
        ssize_t sent = write(fd, text + done, (size_t)(n - done));

        if (sent < 0)
            break;
        done += (int)sent;
    }
    if (n >= 0)
        free(text);
    return n < 0 || done < n ? -1 : n;
}

EXPORT int vdprintf(int fd, const char *format, va_list args)
{
    return ours(fd) ? print(fd, format, args) : libc()->vdprintf(fd, format, args);
}

EXPORT int dprintf(int fd, const char *format, ...)
{
    va_list args;
    int r;

    va_start(args, format);
    r = vdprintf(fd, format, args);
    va_end(args);
    return r;
}

int __vdprintf_chk(int fd, int flag, const char *format, va_list args);
EXPORT int __vdprintf_chk(int fd, int flag, const char *format, va_list args)
{
    (void)flag;
    return vdprintf(fd, format, args);
}

int __dprintf_chk(int fd, int flag, const char *format, ...);
EXPORT int __dprintf_chk(int fd, int flag, const char *format, ...)
{
    va_list args;
    int r;

    (void)flag;
    va_start(args, format);
    r = vdprintf(fd, format, args);
    va_end(args);
    return r;
}
