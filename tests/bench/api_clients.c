/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * api_clients SOCKET PATH SECONDS CLIENTS: how many GETs a second the API answers, over the Unix
 * socket, on CLIENTS connections that are kept open, each with one request under way (no
 * pipelining). Prints a line "requests/s  median us  99th us". Any answer but 200 ends it.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 192
#define SAMPLES     (1u << 20)

struct client {
    int fd;
    char in[65536];
    size_t have;
    int64_t asked;
};

static char request[1024];
static size_t request_size;
static uint32_t samples[SAMPLES];
static size_t n_answers;

static int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void die(const char *what)
{
    fprintf(stderr, "api_clients: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void ask(struct client *c)
{
    c->asked = now_us();
    c->have = 0;
    if (write(c->fd, request, request_size) != (ssize_t)request_size)
        die("write");
}

/* Whether the answer is whole. */
static int is_whole(const struct client *c)
{
    static const char length[] = "\r\nContent-Length: ";
    const char *head_end = strstr(c->in, "\r\n\r\n"), *at;

    if (head_end == NULL)
        return 0;
    at = strstr(c->in, length);
    if (at == NULL || strncmp(c->in, "HTTP/1.1 200", 12) != 0) {
        fprintf(stderr, "api_clients: %.200s\n", c->in);
        exit(1);
    }
    return c->have >= (size_t)(head_end + 4 - c->in) +
                          (size_t)strtoul(at + sizeof(length) - 1, NULL, 10);
}

static void take(struct client *c)
{
    ssize_t n = read(c->fd, c->in + c->have, sizeof(c->in) - 1 - c->have);

    if (n <= 0)
        die("the daemon hung up");
    c->have += (size_t)n;
    c->in[c->have] = '\0';
    if (!is_whole(c))
        return;
    if (n_answers < SAMPLES)
        samples[n_answers] = (uint32_t)(now_us() - c->asked);
    n_answers++;
    ask(c);
}

static void open_client(struct client *c, const char *path, int epoll)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = c}};
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
    c->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&un, sizeof(un)) < 0)
        die(path);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
        die("epoll");
    ask(c);
}

static int by_value(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

int main(int argc, char **argv)
{
    int n = argc == 5 ? (int)strtol(argv[4], NULL, 10) : 0, epoll = epoll_create1(0);
    double seconds = argc == 5 ? strtod(argv[3], NULL) : 0;
    struct client *clients;
    int64_t begin, end;
    size_t kept;

    if (n < 1 || n > CLIENTS_MAX || seconds <= 0) {
        fprintf(stderr, "usage: api_clients SOCKET PATH SECONDS CLIENTS (1-%d)\n",
                CLIENTS_MAX);
        return 2;
    }
    request_size = (size_t)snprintf(request, sizeof(request),
                                    "GET %s HTTP/1.1\r\nHost: ioth\r\n\r\n", argv[2]);
    clients = calloc((size_t)n, sizeof(*clients));
    if (clients == NULL || epoll < 0)
        die("memory");
    for (int i = 0; i < n; i++)
        open_client(&clients[i], argv[1], epoll);
    begin = now_us();
    end = begin + (int64_t)(seconds * 1e6);
    while (now_us() < end) {
        struct epoll_event ready[64];
        int r = epoll_wait(epoll, ready, 64, 1000);

        for (int i = 0; i < r; i++)
            take(ready[i].data.ptr);
    }
    seconds = (double)(now_us() - begin) / 1e6;
    kept = n_answers < SAMPLES ? n_answers : SAMPLES;
    qsort(samples, kept, sizeof(samples[0]), by_value);
    if (kept == 0)
        die("no answer");
    printf("%.0f %u %u\n", (double)n_answers / seconds, samples[kept / 2],
           samples[kept * 99 / 100]);
    free(clients);
    return 0;
}
