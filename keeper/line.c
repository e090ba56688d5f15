/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keeper/line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/base/fd.h"
#include "proto/base/xalloc.h"

#define AGAIN_MIN_MS 10
#define AGAIN_MAX_MS 500

static void lose(struct line *l)
{
    int fd = l->watch.fd;

    loop_remove(l->loop, &l->watch);
    l->watch.fd = -1;
    fd_close(&fd);
    loop_timer_set(l->loop, &l->again, loop_now(l->loop) + l->again_ms * MTIME_MS);
    l->again_ms = l->again_ms * 2 < AGAIN_MAX_MS ? l->again_ms * 2 : AGAIN_MAX_MS;
}

static void ready(struct loop_watch *watch, uint32_t events)
{
    struct line *l = list_entry(watch, struct line, watch);
    char *text = xcalloc(1, LINE_MAX_BYTES);
    struct node *node = NULL;
    struct diags diags;
    ssize_t n = recv(watch->fd, text, LINE_MAX_BYTES, MSG_DONTWAIT);

    (void)events;
    if (n > 0) {
        diags_init(&diags);
        node = node_from_json(text, (size_t)n, NULL, &diags);
        diags_done(&diags);
    } else if (n == 0 || errno != EAGAIN) {
        lose(l);
    }
    free(text);
    if (node)
        l->message(l, node);
}

static int dial(const char *path)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int size = LINE_MAX_BYTES;

    if (fd < 0 || strlen(path) >= sizeof sun.sun_path)
        return fd;
    memcpy(sun.sun_path, path, strlen(path) + 1);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (connect(fd, (const struct sockaddr *)(const void *)&sun, sizeof sun) < 0)
        fd_close(&fd);
    return fd;
}

static void due(struct loop_timer *timer, mtime_t now)
{
    struct line *l = list_entry(timer, struct line, again);
    int fd = dial(l->path);

    (void)now;
    if (fd < 0 || loop_add(l->loop, &l->watch, fd, EPOLLIN) < 0) {
        fd_close(&fd);
        lose(l);
        return;
    }
    l->again_ms = AGAIN_MIN_MS;
    l->up(l);
}

void line_start(struct line *l)
{
    l->watch = (struct loop_watch){.ready = ready, .fd = -1};
    l->again = (struct loop_timer){.expired = due};
    l->again_ms = AGAIN_MIN_MS;
    loop_timer_set(l->loop, &l->again, loop_now(l->loop));
}

void line_say(struct line *l, const struct node *node, int fd)
{
    char *text;

    if (l->watch.fd < 0)
        return;
    text = node_to_json(node, 0);
    if (fd_send(l->watch.fd, text, strlen(text), &fd, fd >= 0) < 0)
        lose(l);
    free(text);
}
