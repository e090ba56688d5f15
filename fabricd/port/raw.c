/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Physical interfaces through a packet socket (packet(7)) with a virtio header in front of each
 * frame: segments go in and out whole where the interface cuts and merges them. The kernel takes
 * the VLAN tag off what comes in and hands it over beside the frame; here it goes back to its
 * place.
 *
 * The interface stays the host's: what is addressed to its own MAC is the host's and does not
 * enter the switch, and nothing leaves with that MAC as its source.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "fabricd/port/port.h"
#include "proto/wire/bytes.h"
#include "proto/wire/vnet.h"

#define HEADER_SIZE 10u /* struct virtio_net_hdr: the first bytes of VNET_HDR_SIZE. */
#define TAG_SIZE    4u
#define LOOK_AGAIN  MTIME_SEC
#define MACS_SIZE   12u
#define FRAME_ROOM  (FRAME_HEADROOM + FRAME_SUPER_MAX)
/* Superframes that are read before they are written out: few enough to stay in the L2 cache. */
#define BURST_BYTES (4u * FRAME_ROOM)

struct raw {
    struct port port;
    struct loop_watch watch;
    struct loop_timer down; /* The interface is, and is looked at again. */
    struct carrier_look look;
    bool is_off;     /* It was set down, */
    bool no_carrier; /* or nothing is at its other end. */
    uint8_t mac[6];  /* The interface's own. */
};

struct received {
    uint8_t header[VNET_HDR_SIZE];
    uint8_t *data;
    size_t size;
    bool ours; /* The switch's, not the host's. */
    bool cut;  /* It was longer than a frame may be. */
    uint16_t tpid, tci;
};

static struct raw *raw_of(struct port *p)
{
    return list_entry(p, struct raw, port);
}

/* The tag that the kernel took off, if it did. */
static void take_tag(struct msghdr *msg, struct received *r)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        struct tpacket_auxdata aux;

        if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
            continue;
        memcpy(&aux, CMSG_DATA(c), sizeof aux);
        if (aux.tp_status & TP_STATUS_VLAN_VALID) {
            r->tci = aux.tp_vlan_tci;
            r->tpid =
                aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid : ETH_P_8021Q;
        }
    }
}

/* Receives one frame to r->data. Returns 1, 0 if there is none, or -errno. */
static int receive(const struct raw *raw, struct received *r)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
    } control;
    struct sockaddr_ll from = {.sll_pkttype = PACKET_OUTGOING};
    struct iovec to[] = {{.iov_base = r->header, .iov_len = HEADER_SIZE},
                         {.iov_base = r->data, .iov_len = FRAME_SUPER_MAX}};
    struct msghdr msg = {.msg_name = &from,
                         .msg_namelen = sizeof from,
                         .msg_iov = to,
                         .msg_iovlen = 2,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof control.bytes};
    ssize_t n = recvmsg(raw->watch.fd, &msg, MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    r->size = (size_t)n > HEADER_SIZE ? (size_t)n - HEADER_SIZE : 0;
    r->cut = msg.msg_flags & MSG_TRUNC;
    r->ours = from.sll_pkttype != PACKET_HOST && from.sll_pkttype != PACKET_OUTGOING;
    take_tag(&msg, r);
    return 1;
}

/* Adds the tag's four bytes to an offset of the header, in native byte order. */
static void move_offset(uint8_t *field)
{
    uint16_t value;

    memcpy(&value, field, sizeof value);
    value = (uint16_t)(value + TAG_SIZE);
    memcpy(field, &value, sizeof value);
}

/* Puts the tag back between the MACs and the type; what the header says of places moves along. */
static void restore_tag(struct received *r)
{
    if (!r->tpid || r->size < FRAME_SIZE_MIN)
        return;
    r->data -= TAG_SIZE;
    memmove(r->data, r->data + TAG_SIZE, MACS_SIZE);
    store_be16(r->data + MACS_SIZE, r->tpid);
    store_be16(r->data + MACS_SIZE + 2, r->tci);
    r->size += TAG_SIZE;
    move_offset(r->header + 2); /* hdr_len */
    move_offset(r->header + 6); /* csum_start */
}

static bool to_frame(struct received *r, struct frame *f)
{
    restore_tag(r);
    *f = (struct frame){.data = r->data, .size = (uint32_t)r->size};
    return !r->cut && f->size >= FRAME_SIZE_MIN && vnet_decode(r->header, f) == 0;
}

/* Only what the parent makes: a packet socket bound to an Ethernet interface. */
static int check_socket(int fd, uint8_t mac[6], int *index)
{
    struct sockaddr_ll at = {.sll_family = 0};
    socklen_t size = sizeof at;
    int header = 0;
    socklen_t header_size = sizeof header;

    if (getsockname(fd, (struct sockaddr *)&at, &size) < 0 || at.sll_family != AF_PACKET ||
        at.sll_halen != ETH_ALEN)
        return -EINVAL;
    if (getsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &header, &header_size) < 0 || !header)
        return -EINVAL;
    memcpy(mac, at.sll_addr, ETH_ALEN);
    *index = at.sll_ifindex;
    return 0;
}

/* While an interface is down it takes nothing; when it is up it finds fault with a frame of no size. */
static bool is_down(const struct raw *raw)
{
    return send(raw->watch.fd, "", 0, MSG_DONTWAIT) < 0 && errno == ENETDOWN;
}

/* The interface is down and may come up again, or be no more: of that the kernel does not tell
 * once it was down. */
static void look_again(struct loop_timer *timer, mtime_t now)
{
    struct raw *raw = list_entry(timer, struct raw, down);
    struct sockaddr_ll at = {.sll_ifindex = -1};
    socklen_t size = sizeof at;

    if (getsockname(raw->watch.fd, (struct sockaddr *)&at, &size) < 0 ||
        at.sll_ifindex <= 0) {
        port_gone(&raw->port);
        return;
    }
    raw->is_off = is_down(raw);
    port_note_down(&raw->port, raw->is_off || raw->no_carrier);
    loop_timer_set(raw->port.env->loop, timer,
                   raw->is_off ? now + LOOK_AGAIN : MTIME_NEVER);
}

/* The MAC may be another one, too. */
static void carrier_told(struct carrier_look *look, bool up)
{
    struct raw *raw = list_entry(look, struct raw, look);
    int index;

    (void)check_socket(raw->watch.fd, raw->mac, &index);
    raw->no_carrier = !up;
    raw->is_off = raw->is_off && !up;
    port_note_down(&raw->port, raw->is_off || raw->no_carrier);
}

/* Reads a burst; false when there is no more for now. */
static bool read_burst(struct raw *raw, unsigned *n_frames)
{
    struct port_env *env = raw->port.env;
    size_t used = 0;
    unsigned n = 0;

    while (n < FRAME_BURST && used < BURST_BYTES) {
        struct received r = {.data = env->arena + used + FRAME_HEADROOM + TAG_SIZE};
        int code = receive(raw, &r);

        if (code < 0)
            look_again(&raw->down, loop_now(env->loop));
        if (code <= 0) {
            *n_frames = n;
            return false;
        }
        if (!r.ours)
            continue;
        if (!to_frame(&r, &env->frames[n])) {
            port_count_malformed(&raw->port, (uint32_t)r.size);
            continue;
        }
        used += (FRAME_HEADROOM + TAG_SIZE + r.size + 63u) / 64u * 64u;
        n++;
    }
    *n_frames = n;
    return true;
}

static void raw_ready(struct loop_watch *w, uint32_t events)
{
    struct raw *raw = list_entry(w, struct raw, watch);
    struct port_env *env = raw->port.env;
    bool more = true;

    (void)events;
    for (unsigned i = 0; more && i < PORT_TURN_BURSTS && !raw->port.is_gone; i++) {
        unsigned n;

        more = read_burst(raw, &n);
        switch_input(&raw->port.sw, env->frames, n, loop_now(env->loop));
    }
}

/* Sends a vector of at most FRAME_BURST frames, whose headers lie in `headers`. */
static void send_vector(struct raw *raw, struct mmsghdr *msgs, struct frame *const *frames,
                        unsigned n)
{
    struct swport_counters *count = &raw->port.sw.counters;
    unsigned done = 0;

    while (done < n) {
        int sent = sendmmsg(raw->watch.fd, msgs + done, n - done, MSG_DONTWAIT);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <=
            0) { /* This one it does not take: too long, the interface down or busy. */
            bool full = errno == EAGAIN || errno == ENOBUFS;

            count->tx_drops[full ? SWPORT_DROP_FULL : SWPORT_DROP_IO]++;
            done++;
            continue;
        }
        for (unsigned i = 0; i < (unsigned)sent; i++)
            port_count_sent(&raw->port, frames[done + i]);
        done += (unsigned)sent;
    }
}

static void raw_send(struct swport *sw, struct frame *const *frames, unsigned n)
{
    struct raw *raw = raw_of(port_of_swport(sw));
    uint8_t headers[FRAME_BURST][VNET_HDR_SIZE];
    struct mmsghdr msgs[FRAME_BURST];
    struct iovec iov[FRAME_BURST][2];
    struct frame *out[FRAME_BURST];
    unsigned n_out = 0;

    for (unsigned i = 0; i < n; i++) {
        struct frame *f = frames[i];

        if (memcmp(f->data + 6, raw->mac, sizeof raw->mac) == 0) {
            sw->counters.tx_drops[SWPORT_DROP_SOURCE]++;
            continue;
        }
        vnet_encode(f, headers[n_out]);
        iov[n_out][0] = (struct iovec){.iov_base = headers[n_out], .iov_len = HEADER_SIZE};
        iov[n_out][1] = (struct iovec){.iov_base = f->data, .iov_len = f->size};
        msgs[n_out].msg_hdr = (struct msghdr){.msg_iov = iov[n_out], .msg_iovlen = 2};
        out[n_out++] = f;
    }
    send_vector(raw, msgs, out, n_out);
}

/* The kernel counts from one time that it is asked to the next. */
static void raw_count(struct port *p)
{
    struct tpacket_stats stats = {0};
    socklen_t size = sizeof stats;

    if (getsockopt(raw_of(p)->watch.fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0)
        p->sw.counters.rx_drops[SWPORT_DROP_FULL] += stats.tp_drops;
}

static void raw_free(struct port *p)
{
    struct raw *raw = raw_of(p);

    carrier_remove(&raw->look);
    loop_remove(p->env->loop, &raw->watch);
    loop_timer_set(p->env->loop, &raw->down, MTIME_NEVER);
    free(raw);
}

int raw_new(struct port_env *env, const struct ipc_port *config, int fd, struct port **out)
{
    static const struct port_ops ops = {.free = raw_free, .count = raw_count};
    static const struct swport_ops sw_ops = {.send = raw_send};
    struct raw *raw = calloc(1, sizeof *raw);
    int code;

    if (!raw)
        return -ENOMEM;
    port_init(&raw->port, env, config, &ops, &sw_ops);
    raw->port.sw.caps = FRAME_CAP_CSUM | FRAME_CAP_TSO4 | FRAME_CAP_TSO6;
    raw->watch.ready = raw_ready;
    raw->down.expired = look_again;
    code = check_socket(fd, raw->mac, &raw->look.index);
    if (code == 0)
        code = loop_add(env->loop, &raw->watch, fd, EPOLLIN);
    if (code < 0) {
        free(raw);
        return code;
    }
    raw->look.told = carrier_told;
    carrier_add(env->carrier, &raw->look);
    *out = &raw->port;
    return 0;
}
