/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/port/capture.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "proto/plug/plug.h"

void capture_init(struct capture *c, const struct ipc_port *config, int fd)
{
    *c = (struct capture){.fd = fd, .snap = config->snap};
    memcpy(c->watch, config->watch, sizeof c->watch);
    list_init(&c->link);
}

static bool watches(const struct capture *c, const struct swport *port)
{
    return port->name && strcmp(c->watch, port->name) == 0;
}

static uint64_t wall_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void copy_frame(struct capture *c, struct plug_captured *head, const struct frame *f)
{
    struct iovec parts[2] = {{.iov_base = head, .iov_len = sizeof *head},
                             {.iov_base = f->data, .iov_len = f->size}};
    struct msghdr msg = {.msg_iov = parts, .msg_iovlen = 2};

    if (c->snap && f->size > c->snap)
        parts[1].iov_len = c->snap;
    head->frame_size = f->size;
    head->size = (uint32_t)parts[1].iov_len;
    head->tci = f->tci;
    if (sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        c->counters.tx_drops[errno == EAGAIN ? SWPORT_DROP_FULL : SWPORT_DROP_IO]++;
        return;
    }
    c->counters.tx_frames++;
    c->counters.tx_bytes += head->size;
}

static struct plug_captured head_for(const struct swport *port,
                                     enum plug_direction direction)
{
    struct plug_captured head = {
        .time_ns = wall_ns(), .port_id = port->id, .direction = (uint8_t)direction};

    if (port->name)
        strncpy(head.port, port->name, sizeof head.port - 1);
    return head;
}

void capture_in(struct list *captures, const struct swport *port,
                const struct frame *frames, unsigned n)
{
    struct plug_captured head = head_for(port, PLUG_IN);

    list_for_each (it, captures) {
        struct capture *c = list_entry(it, struct capture, link);

        if (c->watch[0] && !watches(c, port))
            continue;
        for (unsigned i = 0; i < n; i++)
            copy_frame(c, &head, &frames[i]);
    }
}

void capture_out(struct list *captures, const struct swport *port,
                 struct frame *const *frames, unsigned n)
{
    struct plug_captured head = head_for(port, PLUG_OUT);

    list_for_each (it, captures) {
        struct capture *c = list_entry(it, struct capture, link);

        if (!watches(c, port))
            continue;
        for (unsigned i = 0; i < n; i++)
            copy_frame(c, &head, frames[i]);
    }
}
