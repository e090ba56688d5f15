/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A port of any network that libvdeplug reaches. It takes plain frames, one system call each, so
 * superframes are cut and checksums completed here. Where the network's descriptor is full, what is left
 * of a superframe stays here, and further frames are refused until there is room; modules of libvdeplug
 * may wait in their send otherwise, whatever its flags say, and we hold the stack.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <libvdeplug.h>
#include <sodium.h>

#include "libioth/port/port.h"
#include "proto/wire/checksum.h"
#include "proto/wire/segment.h"
#include "proto/wire/vnet.h"

#define VDE_MTU   1500u
#define CUT_ROOM  (FRAME_HEADROOM + FRAME_SIZE_MAX)
#define PER_LOOK  16u
#define SLOT_SIZE (FRAME_HEADROOM + VDE_ETHBUFSIZE + 6)

struct vde_port {
    struct port port;
    VDECONN *conn;
    bool down;
    bool never_full;  /* Its descriptor does not tell: what cannot go is lost. */
    bool wants_room;  /* Somebody was refused. */
    unsigned cutting; /* Segments of `whole` that are still to be sent. */
    struct segmenter cutter;
    uint8_t whole[FRAME_HEADROOM + FRAME_SUPER_MAX]; /* What is being sent, in one piece. */
    uint8_t cut[CUT_ROOM];
    uint8_t in[PER_LOOK][SLOT_SIZE];
};

static struct vde_port *mine(struct port *port)
{
    return (struct vde_port *)(void *)port;
}

static bool writable(const struct vde_port *p)
{
    struct pollfd fd = {.fd = vde_datafd(p->conn), .events = POLLOUT};

    return p->never_full || poll(&fd, 1, 0) > 0;
}

/* Goes on with what is being cut; true if all of it has gone. */
static bool go_on(struct vde_port *p)
{
    struct frame f;

    while (p->cutting && writable(p)) {
        if (segment_fill(&p->cutter, p->cut, sizeof p->cut, &f, 1, NULL) == 1)
            (void)!vde_send(p->conn, f.data, f.size, MSG_DONTWAIT);
        p->cutting = segment_left(&p->cutter);
    }
    return p->cutting == 0;
}

static int send_frame(struct port *port, const struct frame *meta,
                      const struct ring_piece *pieces, unsigned n)
{
    struct vde_port *p = mine(port);
    struct frame f = *meta;
    uint8_t *at = f.data = p->whole + FRAME_HEADROOM;

    if (p->down)
        return -ENETDOWN;
    if (f.size > FRAME_SUPER_MAX)
        return -EMSGSIZE;
    if (!go_on(p) || !writable(p))
        return -ENOBUFS;
    for (unsigned i = 0; i < n; i++) {
        memcpy(at, pieces[i].data, pieces[i].size);
        at += pieces[i].size;
    }
    if (frame_check(&f) < 0)
        return -EBADMSG;
    if (f.gso == FRAME_GSO_NONE) {
        checksum_complete(&f);
        (void)!vde_send(p->conn, f.data, f.size, MSG_DONTWAIT);
        return 0;
    }
    if (segment_init(&p->cutter, &f, 0, 0) < 0)
        return -EBADMSG;
    p->cutting = segment_left(&p->cutter);
    go_on(p);
    return 0;
}

static void flush(struct port *port)
{
    go_on(mine(port));
}

static bool room(struct port *port)
{
    struct vde_port *p = mine(port);

    if (!p->down && (!go_on(p) || !writable(p)))
        return false;
    p->wants_room = false;
    return true;
}

static bool sleep_room(struct port *port)
{
    struct vde_port *p = mine(port);

    p->wants_room = !room(port);
    return p->wants_room;
}

static bool taken(struct port *port)
{
    struct vde_port *p = mine(port);

    return p->down || go_on(p);
}

static unsigned receive(struct port *port, struct frame *frames, unsigned max)
{
    struct vde_port *p = mine(port);
    unsigned n = 0;

    while (n < max && n < PER_LOOK && !p->down) {
        uint8_t *data = p->in[n] + FRAME_HEADROOM;
        struct pollfd fd = {.fd = vde_datafd(p->conn), .events = POLLIN};
        ssize_t size;

        /* Some modules of libvdeplug mind no MSG_DONTWAIT. */
        if (poll(&fd, 1, 0) <= 0)
            break;
        size = vde_recv(p->conn, data, VDE_ETHBUFSIZE, MSG_DONTWAIT);
        if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR))
            p->down = true;
        if (size <= 0)
            break;
        if (size < (ssize_t)FRAME_SIZE_MIN)
            continue; /* 1: nothing for us, says libvdeplug. */
        frames[n++] = (struct frame){.data = data, .size = (uint32_t)size};
    }
    return n;
}

static void receive_done(struct port *port)
{
    (void)port;
}

/* The descriptor tells: nothing is to be announced. */
static bool sleep_begin(struct port *port)
{
    (void)port;
    return true;
}

static unsigned fds(struct port *port, struct pollfd out[PORT_FDS])
{
    struct vde_port *p = mine(port);
    int control = vde_ctlfd(p->conn);

    if (p->down)
        return 0;
    out[0] = (struct pollfd){.fd = vde_datafd(p->conn), .events = POLLIN};
    if (p->cutting || p->wants_room)
        out[0].events |= POLLOUT;
    if (control < 0)
        return 1;
    out[1] = (struct pollfd){.fd = control, .events = POLLIN};
    return 2;
}

static bool down(struct port *port)
{
    struct vde_port *p = mine(port);
    struct pollfd control = {.fd = vde_ctlfd(p->conn), .events = POLLIN};
    uint8_t byte;

    /* The control connection says nothing but its end. */
    if (!p->down && control.fd >= 0 && poll(&control, 1, 0) > 0 &&
        recv(control.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
        p->down = true;
    return p->down;
}

static void free_port(struct port *port)
{
    vde_close(mine(port)->conn);
    free(port);
}

static const struct port_ops ops = {
    .send = send_frame,
    .flush = flush,
    .recv = receive,
    .recv_done = receive_done,
    .room = room,
    .taken = taken,
    .sleep = sleep_begin,
    .sleep_room = sleep_room,
    .awake = receive_done,
    .fds = fds,
    .down = down,
    .free = free_port,
};

/* Modules that have several descriptors (vxvde, vxlan, hub, switch, …) give an epoll, which can only be read. */
static bool tells_room(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 &&
           (S_ISSOCK(st.st_mode) || S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode));
}

int port_vde_open(const char *vnl, struct port **out, struct err *err)
{
    struct vde_port *p = calloc(1, sizeof *p);
    char *name = strdup(vnl);
    char who[] = "ioth";

    if (p && name)
        p->conn = vde_open(name, who, NULL);
    free(name);
    if (!p || !p->conn) {
        int r = p && errno ? -errno : -ENOMEM;

        free(p);
        return err_set(err, r, "%s cannot be opened: %s", vnl, err_text(r));
    }
    p->port.ops = &ops;
    p->port.mtu = VDE_MTU;
    p->never_full = !tells_room(vde_datafd(p->conn));
    if (sodium_init() >= 0)
        randombytes_buf(p->port.mac, sizeof p->port.mac);
    p->port.mac[0] = (uint8_t)((p->port.mac[0] & 0xfc) | 2);
    *out = &p->port;
    return 0;
}

int port_open(const char *vnl, struct port **out, struct err *err)
{
    static const char fabric[] = "ioth://", place[] = "place://";

    if (!strncmp(vnl, place, sizeof place - 1) && vnl[sizeof place - 1] == '@')
        return port_ring_open(vnl + sizeof place - 1, out, err);

    if (!strncmp(vnl, fabric, sizeof fabric - 1))
        return port_ring_open(vnl + sizeof fabric - 1, out, err);
    return port_vde_open(vnl, out, err);
}
