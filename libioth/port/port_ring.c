/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A port of a fabric network, by a ring. The VNL is ioth://NET[:VLAN] and, in brackets or behind a
 * slash, options separated by '/':
 *
 *   name=N      be the endpoint N: its MAC and its addresses, given or kept by the fabric
 *   ip=A[,LEN]  with name: this address, of the plan's length if none is given; may be repeated
 *   mac=M       this MAC
 *   rate=BITS   bits per second towards the program
 *
 * Without a name the port is no endpoint: the program chooses its addresses.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "libioth/plug/locate.h"
#include "libioth/plug/plug.h"
#include "libioth/port/port.h"
#include "proto/wire/mac.h"

#define RATE_MAX  1e15 /* Bits per second. */
#define TEXT_SIZE 256

struct ring_port {
    struct port port;
    struct plug *plug;
    bool down;
};

static struct ring_port *mine(struct port *port)
{
    return (struct ring_port *)(void *)port;
}

static int send_frame(struct port *port, const struct frame *meta,
                      const struct ring_piece *pieces, unsigned n)
{
    struct ring_port *p = mine(port);
    int r = p->down ? -ENETDOWN : plug_put(p->plug, meta, pieces, n);

    if (r == -EPROTO)
        p->down = true;
    return r;
}

static struct pool *pool(struct port *port)
{
    return mine(port)->down ? NULL : plug_pool(mine(port)->plug);
}

static void flush(struct port *port)
{
    if (!mine(port)->down)
        plug_flush(mine(port)->plug);
}

static unsigned receive(struct port *port, struct frame *frames, unsigned max)
{
    struct ring_port *p = mine(port);
    int n = p->down ? 0 : plug_recv(p->plug, frames, max);

    if (n < 0)
        p->down = true;
    return n > 0 ? (unsigned)n : 0;
}

static void receive_back(struct port *port, unsigned n)
{
    plug_recv_back(mine(port)->plug, n);
}

static void receive_done(struct port *port)
{
    plug_recv_done(mine(port)->plug);
}

static bool room(struct port *port)
{
    return mine(port)->down || plug_has_room(mine(port)->plug, FRAME_SUPER_MAX);
}

static bool taken(struct port *port)
{
    struct ring_port *p = mine(port);

    return p->down || plug_taken(p->plug);
}

static bool sleep_begin(struct port *port)
{
    struct ring_port *p = mine(port);

    return p->down || plug_wait_begin(p->plug);
}

static void awake(struct port *port)
{
    if (!mine(port)->down)
        plug_wait_end(mine(port)->plug);
}

static bool sleep_room(struct port *port)
{
    struct ring_port *p = mine(port);

    return p->down || plug_wait_room_begin(p->plug, FRAME_SUPER_MAX);
}

static unsigned fds(struct port *port, struct pollfd out[PORT_FDS])
{
    struct ring_port *p = mine(port);

    if (p->down)
        return 0;
    out[0] = (struct pollfd){.fd = plug_bell(p->plug), .events = POLLIN};
    out[1] = (struct pollfd){.fd = plug_fd(p->plug), .events = POLLIN};
    return 2;
}

static bool down(struct port *port)
{
    struct ring_port *p = mine(port);

    if (!p->down && !plug_alive(p->plug))
        p->down = true;
    return p->down;
}

static int again(struct port *port)
{
    return plug_again(mine(port)->plug, NULL);
}

static void back(struct port *port)
{
    mine(port)->down = false;
}

static void free_port(struct port *port)
{
    plug_free(mine(port)->plug);
    free(port);
}

static const struct port_ops ops = {
    .send = send_frame,
    .pool = pool,
    .flush = flush,
    .recv = receive,
    .recv_back = receive_back,
    .recv_done = receive_done,
    .room = room,
    .taken = taken,
    .sleep = sleep_begin,
    .sleep_room = sleep_room,
    .awake = awake,
    .fds = fds,
    .down = down,
    .again = again,
    .back = back,
    .free = free_port,
};

/* --- the name -------------------------------------------------------------------------------- */

static int copy_name(char out[PLUG_NAME_SIZE], const char *text, struct err *err)
{
    if (strlen(text) >= PLUG_NAME_SIZE)
        return err_set(err, -EINVAL, "the name %.20s… is too long", text);
    memcpy(out, text, strlen(text) + 1);
    return 0;
}

static int parse_ip(struct plug_request *q, char *text, struct err *err)
{
    struct plug_addr *a = &q->addrs[q->n_addrs];
    char *comma = strchr(text, ','), *end;
    unsigned long prefix = 255;

    if (q->n_addrs == PLUG_MAX_ADDRS)
        return err_set(err, -EINVAL, "more than %u addresses", PLUG_MAX_ADDRS);
    if (comma) {
        *comma++ = 0;
        prefix = strtoul(comma, &end, 10);
        if (end == comma || *end || prefix > 128)
            return err_set(err, -EINVAL, "%s is no prefix length", comma);
    }
    a->family = inet_pton(AF_INET, text, a->addr) == 1    ? 4
                : inet_pton(AF_INET6, text, a->addr) == 1 ? 6
                                                          : 0;
    if (!a->family || (a->family == 4 && prefix > 32 && prefix != 255))
        return err_set(err, -EINVAL, "%s is no address", text);
    a->prefix = (uint8_t)prefix;
    q->n_addrs++;
    return 0;
}

/* Bits per second as in the fabric's own commands: 10M, 1.5G; 0: none. */
static int parse_rate(struct plug_request *q, const char *text, struct err *err)
{
    static const char units[] = "kMGT";
    double rate = 0, digit = 1;
    const char *at = text, *unit;
    bool good;

    for (; *at >= '0' && *at <= '9'; at++)
        rate = rate * 10 + (*at - '0');
    good = at > text;
    if (good && *at == '.') {
        for (at++; *at >= '0' && *at <= '9'; at++)
            rate += (*at - '0') * (digit /= 10);
    }
    unit = *at ? strchr(units, *at) : NULL;
    if (unit) {
        for (ptrdiff_t i = unit - units; i >= 0; i--)
            rate *= 1000;
        at++;
    }
    if (!good || *at || rate > RATE_MAX)
        return err_set(err, -EINVAL, "%s is no rate (bits per second: 10M, 1.5G)", text);
    q->rate = (uint64_t)(rate + 0.5);
    return 0;
}

static int parse_option(struct plug_request *q, char *option, struct err *err)
{
    char *value = strchr(option, '=');

    if (!value)
        return err_set(err, -EINVAL, "option %s has no value", option);
    *value++ = 0;
    if (!strcmp(option, "name")) {
        q->flags |= PLUG_ENDPOINT;
        return copy_name(q->name, value, err);
    }
    if (!strcmp(option, "ip"))
        return parse_ip(q, value, err);
    if (!strcmp(option, "mac"))
        return mac_parse(value, q->mac) ? 0 : err_set(err, -EINVAL, "%s is no MAC", value);
    if (!strcmp(option, "rate"))
        return parse_rate(q, value, err);
    return err_set(err, -EINVAL, "unknown option %s (name, ip, mac, rate)", option);
}

/* NET[:VLAN]: the text is changed. */
static int parse_network(struct plug_request *q, char *net, struct err *err)
{
    char *colon = strchr(net, ':'), *end;
    unsigned long vlan = 0;

    if (colon) {
        *colon++ = 0;
        vlan = strtoul(colon, &end, 10);
        if (end == colon || *end || vlan < 1 || vlan > 4094)
            return err_set(err, -EINVAL, "%s is no VLAN (1-4094)", colon);
    }
    if (!*net)
        return err_set(err, -EINVAL, "no network is named");
    q->vlan = (uint16_t)vlan;
    return copy_name(q->network, net, err);
}

/* A locally administered one at random, for a port that is no endpoint. */
static void make_mac(uint8_t mac[6])
{
    if (sodium_init() >= 0)
        randombytes_buf(mac, 6);
    mac[0] = (uint8_t)((mac[0] & 0xfc) | 2);
}

int port_ring_parse(const char *where, struct plug_request *q, struct err *err)
{
    char text[TEXT_SIZE], *net = text, *options, *option, *save = NULL;
    size_t size = strlen(where);
    int r;

    if (size >= sizeof text)
        return err_set(err, -EINVAL, "the VNL is too long");
    memcpy(text, where, size + 1);
    options = text + strcspn(text, "[/]");
    if ((*options == '[') != (size && text[size - 1] == ']'))
        return err_set(err, -EINVAL, "the brackets of ioth://%s do not close", where);
    if (*options == '[')
        text[size - 1] = 0;
    if (*options)
        *options++ = 0;
    r = parse_network(q, net, err);
    for (option = strtok_r(options, "/", &save); option && r == 0;
         option = strtok_r(NULL, "/", &save))
        r = parse_option(q, option, err);
    if (r == 0 && q->n_addrs && !(q->flags & PLUG_ENDPOINT))
        return err_set(err, -EINVAL, "ip needs a name");
    if (r == 0 && !(q->flags & PLUG_ENDPOINT) && mac_is_zero(q->mac))
        make_mac(q->mac);
    return r;
}

static void adopt(struct port *port, const struct plug_reply *reply)
{
    port->mtu = reply->mtu;
    memcpy(port->mac, reply->mac, sizeof port->mac);
    port->n_addrs = reply->n_addrs;
    memcpy(port->addrs, reply->addrs, sizeof port->addrs);
    port->gateway4 = reply->gateway4;
    port->gateway6 = reply->gateway6;
}

int port_ring_open(const char *where, struct port **out, struct err *err)
{
    /* A stack has one MAC, and bridges nothing. */
    struct plug_request q = {.flags = PLUG_STATION,
                             .caps = FRAME_CAP_CSUM | FRAME_CAP_TSO4 | FRAME_CAP_TSO6};
    struct plug_reply reply;
    struct ring_port *p;
    struct locate at;
    bool place = where[0] == '@'; /* What is asked for there its holder knows. */
    int r = port_ring_parse(place ? "place" : where, &q, err);

    if (r == 0 && !place)
        r = locate_daemon(NULL, &at, err);
    if (r < 0)
        return r;
    p = calloc(1, sizeof *p);
    if (!p)
        return err_set(err, -ENOMEM, "out of memory");
    p->port.ops = &ops;
    r = plug_ring(place ? where : at.plug, &q, &reply, &p->plug, err);
    if (r < 0) {
        free(p);
        return r;
    }
    adopt(&p->port, &reply);
    if (mac_is_zero(p->port.mac))
        memcpy(p->port.mac, q.mac, sizeof q.mac);
    *out = &p->port;
    return 0;
}
