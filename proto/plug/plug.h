/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plugging into a network: the exchange on RUN/plug.sock (SOCK_SEQPACKET), between a client
 * (the run launcher, libioth, the libvdeplug plugin) and the daemon.
 *
 *   client -> PLUG_REQUEST  with descriptors: TAP: [tap]; RING and CAPTURE: none
 *   daemon -> PLUG_REPLY    with descriptors: RING: [memfd, doorbell]
 *
 * The doorbell is one end of a stream socketpair. Either side sends a byte to wake the other one
 * where that said in the ring that it sleeps, and reads away what came. A bell that is closed is
 * the end of the port.
 *
 * After the reply both sides are silent: the connection is the lifeline of the port, which goes
 * when either side closes it. A client that loses it connects again and offers the same again,
 * with the name it had. Messages are of one datagram, native byte order, same machine.
 * A CAPTURE lifeline carries captured frames to the client (struct plug_captured + bytes).
 */
#ifndef PROTO_PLUG_PLUG_H
#define PROTO_PLUG_PLUG_H

#include <stddef.h>
#include <stdint.h>

#define PLUG_VERSION   1
#define PLUG_MAX_ADDRS 8
#define PLUG_MAX_SIZE  2048 /* Of a request or a reply. */
#define PLUG_NAME_SIZE 64

enum plug_kind { PLUG_TAP = 1, PLUG_RING = 2, PLUG_CAPTURE = 3 };

enum {
    PLUG_ENDPOINT =
        1, /* Register an endpoint: name or anonymous, addresses, MAC; pin the port. */
    PLUG_ANONYMOUS = 2, /* With ENDPOINT: the daemon makes up the name. */
    PLUG_SERVICE = 4,   /* With ENDPOINT: from the keeper of the service of that name. */
    PLUG_STATION =
        8, /* Nothing is behind the port but the program, with the MAC that it names: no hello and
                         * no loop probe is sent to it, until another MAC or a bridge is heard there. */
};

struct plug_addr {
    uint8_t family; /* 4 or 6; 0 = none */
    uint8_t prefix; /* 255 = the plan's length */
    uint8_t addr[16];
};

struct plug_request {
    uint8_t kind;
    uint8_t flags;
    char network[PLUG_NAME_SIZE];
    uint16_t vlan;             /* 0 = none named. */
    char name[PLUG_NAME_SIZE]; /* Endpoint, or CAPTURE: the port to look at; "" = any. */
    uint8_t mac[6];            /* All zero = the daemon chooses. */
    uint8_t n_addrs;           /* Asked for; 0 = out of the plan. */
    struct plug_addr addrs[PLUG_MAX_ADDRS];
    uint64_t rate; /* Bits per second towards the program; 0 = none. */
    uint32_t caps; /* FRAME_CAP_* that the client takes. */
    uint32_t
        node_pid;  /* TAP: the process whose namespaces `iothctl exec` joins. 0 = none. */
    uint32_t snap; /* CAPTURE: most bytes of a frame; 0 = all. */
};

struct plug_reply {
    int32_t code; /* 0, or a negative errno; then why and hint are filled in. */
    char why[320];
    char hint[160];
    char name[PLUG_NAME_SIZE]; /* The endpoint's name, made up if anonymous. */
    uint16_t vlan;
    uint32_t mtu;
    uint8_t mac[6];
    uint8_t n_addrs;
    struct plug_addr addrs[PLUG_MAX_ADDRS];
    struct plug_addr gateway4, gateway6; /* family 0 = none. */
};

/* As the switch sees it: the frame came in by the port, or leaves by it. */
enum plug_direction { PLUG_IN = 1, PLUG_OUT = 2 };

/* In front of each captured frame on a CAPTURE lifeline; `size` bytes follow. */
struct plug_captured {
    uint64_t time_ns; /* Since 1970. */
    uint32_t port_id;
    uint32_t frame_size; /* Before it was cut to `size`. */
    uint32_t size;
    uint16_t tci;
    uint8_t direction; /* enum plug_direction */
    uint8_t reserved;
    char port[PLUG_NAME_SIZE];
};

/* Encoders return the size written, or 0 if it does not fit; decoders 0 or -EPROTO, with `out`
 * untouched on failure. Texts are checked to be NUL-terminated, counts to be in range. */
size_t plug_request_encode(const struct plug_request *, void *out, size_t room);
int plug_request_decode(const void *data, size_t size, struct plug_request *out)
    __attribute__((warn_unused_result));
size_t plug_reply_encode(const struct plug_reply *, void *out, size_t room);
int plug_reply_decode(const void *data, size_t size, struct plug_reply *out)
    __attribute__((warn_unused_result));

#endif
