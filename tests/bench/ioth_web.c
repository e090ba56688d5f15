/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The test of the paper on the Internet of Threads: files by HTTP between two processes, through ioth.h, on a stack of any
 * kind (ends.h).
 *
 *   ioth_web serve STACK VNL ADDR/LEN PORT FOLDER            one answer a connection, for ever
 *   ioth_web fetch STACK VNL ADDR/LEN PORT PEER NAME COUNT   gets a file COUNT times, a connection each
 *
 * The second prints: fetched BYTES median_seconds S count N
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/mtime.h"
#include "tests/bench/ends.h"

#define BLOCK     (64u << 10)
#define HEAD_MAX  1024u
#define FETCH_MAX 1000u

static char block[BLOCK];

/* A terminated head of a message, up to the empty line; what came behind it is at *body. Returns its size, 0 at the end. */
static size_t read_head(int fd, char head[HEAD_MAX + 1], char **body)
{
    size_t size = 0;

    while (size < HEAD_MAX) {
        ssize_t n = ioth_recv(fd, head + size, HEAD_MAX - size, 0);

        if (n < 0)
            ends_fail("receiving a head");
        if (n == 0)
            return 0;
        size += (size_t)n;
        head[size] = 0;
        *body = strstr(head, "\r\n\r\n");
        if (*body) {
            *body += 4;
            return size;
        }
    }
    errno = EMSGSIZE;
    ends_fail("receiving a head");
}

static void send_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = ioth_send(fd, data, size, MSG_NOSIGNAL);

        if (n < 0)
            ends_fail("sending");
        data += n;
        size -= (size_t)n;
    }
}

static void answer(int fd, int folder)
{
    char head[HEAD_MAX + 1], name[64], *body;
    struct stat about;
    ssize_t n;
    int file;

    if (!read_head(fd, head, &body))
        return;
    if (sscanf(head, "GET /%63[0-9a-z] HTTP/1.", name) != 1 ||
        (file = openat(folder, name, O_RDONLY | O_CLOEXEC)) < 0 ||
        fstat(file, &about) < 0) {
        static const char none[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

        send_all(fd, none, sizeof none - 1);
        return;
    }
    n = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %lld\r\n\r\n",
                 (long long)about.st_size);
    send_all(fd, head, (size_t)n);
    while ((n = read(file, block, sizeof block)) > 0)
        send_all(fd, block, (size_t)n);
    if (n < 0)
        ends_fail("reading the file");
    close(file);
}

static void serve(struct ioth *stack, const char *addr, const char *port, const char *path)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), door, fd;

    if (folder < 0)
        ends_fail(path);
    door = ends_listen(stack, addr, port);
    while ((fd = ioth_accept(door, NULL, NULL)) >= 0) {
        answer(fd, folder);
        ioth_close(fd);
    }
    ends_fail("accepting");
}

/* Returns how many bytes came. */
static unsigned long long fetch(struct ioth *stack, const char *peer, const char *port,
                                const char *name)
{
    int fd = ends_dial(stack, peer, port);
    char head[HEAD_MAX + 1], *body;
    unsigned long long size, got;
    ssize_t n =
        snprintf(head, sizeof head, "GET /%s HTTP/1.1\r\nHost: %s\r\n\r\n", name, peer);
    size_t came;

    send_all(fd, head, (size_t)n);
    came = read_head(fd, head, &body);
    if (!came || sscanf(head, "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n", &size) != 1) {
        errno = EPROTO;
        ends_fail("no such file");
    }
    got = came - (size_t)(body - head);
    while (got < size && (n = ioth_recv(fd, block, sizeof block, 0)) > 0)
        got += (size_t)n;
    if (got != size)
        ends_fail("receiving");
    ioth_close(fd);
    return got;
}

static int compare(const void *a, const void *b)
{
    mtime_t x = *(const mtime_t *)a, y = *(const mtime_t *)b;

    return (x > y) - (x < y);
}

static void fetch_many(struct ioth *stack, const char *port, char **argv)
{
    static mtime_t took[FETCH_MAX];
    unsigned long count = strtoul(argv[2], NULL, 10);
    unsigned long long bytes = 0;

    if (count < 1 || count > FETCH_MAX) {
        errno = ERANGE;
        ends_fail("COUNT");
    }
    for (unsigned long i = 0; i < count; i++) {
        mtime_t start = mtime_now();

        bytes = fetch(stack, argv[0], port, argv[1]);
        took[i] = mtime_now() - start;
    }
    qsort(took, count, sizeof took[0], compare);
    printf("fetched %llu median_seconds %.6f count %lu\n", bytes,
           (double)took[count / 2] / MTIME_SEC, count);
}

int main(int argc, char **argv)
{
    if (argc == 7 && !strcmp(argv[1], "serve")) {
        serve(ends_stack(argv[2], argv[3], argv[4]), argv[4], argv[5], argv[6]);
    } else if (argc == 9 && !strcmp(argv[1], "fetch")) {
        fetch_many(ends_stack(argv[2], argv[3], argv[4]), argv[5], argv + 6);
        return 0;
    }
    fprintf(stderr, "usage: ioth_web serve STACK VNL ADDR/LEN PORT FOLDER\n"
                    "       ioth_web fetch STACK VNL ADDR/LEN PORT PEER NAME COUNT\n");
    return 2;
}
