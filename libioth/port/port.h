/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where an interface of a stack is plugged in: a fabric network by a ring (port_ring.c), or any
 * network of libvdeplug (port_vde.c). Frames as in proto/wire/frame.h: superframes and open
 * checksums go in both directions; a port whose other side takes none cuts and completes.
 *
 * All calls are made by whoever holds the stack's lock, and none blocks.
 */
#ifndef LIBIOTH_PORT_PORT_H
#define LIBIOTH_PORT_PORT_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/base/err.h"
#include "proto/plug/plug.h"
#include "proto/ring/ring.h"
#include "proto/wire/frame.h"

#define PORT_FDS       2u /* The most that a port has to be polled. */
#define PORT_NAME_SIZE 16

struct port;

struct port_ops {
    /* Takes a frame whose bytes are in `pieces` (meta->data is not used). 0; -ENOBUFS: not now,
     * port_room() tells when; another: the frame is lost. */
    int (*send)(struct port *, const struct frame *meta, const struct ring_piece *pieces,
                unsigned n);
    /* Where what send() is given is best put, since it is not copied from there then. NULL where there is no
     * such place. */
    struct pool *(*pool)(struct port *);
    /* Shows the other side what was sent. */
    void (*flush)(struct port *);
    /* True if the other side has taken all that was sent, or is gone. */
    bool (*taken)(struct port *);
    /* Looks at up to `max` frames, which stay valid and writable until recv_done(). 0: none. */
    unsigned (*recv)(struct port *, struct frame *frames, unsigned max);
    void (*recv_done)(struct port *);
    /* Before recv_done(): the last n of the frames come again with the next recv(). NULL where they cannot. */
    void (*recv_back)(struct port *, unsigned n);
    /* True if a send that was refused may be tried again. */
    bool (*room)(struct port *);
    /* Announces that nobody will look until a descriptor of fds() says so; false: something is
     * there. awake() takes it back. */
    bool (*sleep)(struct port *);
    /* Beside sleep(), for who was refused: false if there is room by now. */
    bool (*sleep_room)(struct port *);
    void (*awake)(struct port *);
    unsigned (*fds)(struct port *, struct pollfd fds[PORT_FDS]);
    /* True if the other side is gone: nothing comes, what is sent is lost. again() then tries to
     * plug in anew, once; the only call that may block, made with the stack unlocked while nobody
     * else uses the port. NULL where there is no way back. */
    bool (*down)(struct port *);
    int (*again)(struct port *);
    /* After an again() that succeeded: the port is up. */
    void (*back)(struct port *);
    void (*free)(struct port *);
};

struct port {
    const struct port_ops *ops;
    uint32_t mtu; /* Of the network: what a plain frame may carry. */
    uint8_t mac[6];
    /* What the fabric has given to an endpoint with a name; n_addrs = 0 for others. */
    uint8_t n_addrs;
    struct plug_addr addrs[PLUG_MAX_ADDRS];
    struct plug_addr gateway4, gateway6;
};

/* The VNL in "[NAME:]VNL", and the interface's name ("" if there is none). NULL: the name is too long or
 * empty. */
const char *port_name(const char *text, char name[PORT_NAME_SIZE], struct err *err)
    __attribute__((warn_unused_result));

/* Reads what follows "ioth://" in NET[:VLAN][OPTIONS] into a request, and finds a MAC if it names none and
 * is for no endpoint. Returns 0 or -EINVAL. */
int port_ring_parse(const char *where, struct plug_request *, struct err *err)
    __attribute__((warn_unused_result));

/* Plugs in there, or at the place that a launcher holds for this process, by its abstract name ('@' in
 * front). Returns 0 or -errno. */
int port_ring_open(const char *where, struct port **out, struct err *err)
    __attribute__((warn_unused_result));

/* Plugs in at any other VNL, by libvdeplug. */
int port_vde_open(const char *vnl, struct port **out, struct err *err)
    __attribute__((warn_unused_result));

/* Either, by what stands before "://"; "place://@NAME" is the second. */
int port_open(const char *vnl, struct port **out, struct err *err)
    __attribute__((warn_unused_result));

#endif
