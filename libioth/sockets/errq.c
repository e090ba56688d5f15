/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/sockets/errq.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <time.h> /* Which the next one needs. */

#include <linux/errqueue.h>

#include <lwip/ip.h>

#include "libioth/sockets/addr.h"

/* In front of the payload in the queue; the other end's address is the datagram's `from`, our own its `to`. */
struct note {
    struct sock_extended_err what;
    ip_addr_t about; /* Where the packet went. */
    uint16_t port;
};

static bool is_asked(const struct sock *s, bool ip6)
{
    return ip6 ? s->errors6 : s->errors4;
}

static struct dgram *new_note(struct ip_sock *u, const struct note *n, size_t payload)
{
    size_t limit = u->sock.rcv_size < ERRQ_MAX ? u->sock.rcv_size : ERRQ_MAX;
    struct dgram *d = dgramq_new(&u->errors, sizeof *n + payload, limit);

    if (d)
        memcpy(d->data, n, sizeof *n);
    return d;
}

static void keep(struct ip_sock *u, const struct icmp_failure *f, uint16_t port,
                 unsigned ofs)
{
    const struct note n = {
        .what = {.ee_errno = (uint32_t)f->error,
                 .ee_origin = f->ip6 ? SO_EE_ORIGIN_ICMP6 : SO_EE_ORIGIN_ICMP,
                 .ee_type = f->type,
                 .ee_code = f->code,
                 .ee_info = f->info},
        .about = f->packet.to,
        .port = port};
    size_t there = f->message->tot_len > ofs ? f->message->tot_len - ofs : 0u;
    size_t size = there < ERRQ_PAYLOAD_MAX ? there : ERRQ_PAYLOAD_MAX;
    struct dgram *d = new_note(u, &n, size);

    if (!d)
        return;
    pbuf_copy_partial(f->message, d->data + sizeof n, (u16_t)size, (u16_t)ofs);
    d->from = *ip_current_src_addr();
    ip_sock_mark(d);
    dgramq_put(&u->errors, d);
}

void errq_came(struct ip_sock *u, const struct icmp_failure *f, uint16_t port, unsigned ofs)
{
    bool asked = is_asked(&u->sock, f->ip6);

    if (asked)
        keep(u, f, port, ofs);
    else if (!u->connected || !f->is_final)
        return;
    sock_failed(&u->sock, f->error);
}

/* As Linux has it: of IPv4 the port that the socket is connected to, of IPv6 the one that it sent to. */
static uint16_t port_of(const struct ip_sock *u, const struct ip_sock_way *way)
{
    if (u->sock.type == SOCK_RAW)
        return 0;
    return IP_IS_V6(&way->to) ? way->port : u->connected ? u->remote_port : 0;
}

void errq_too_large(struct ip_sock *u, const struct ip_sock_way *way, uint16_t mtu)
{
    const struct note n = {
        .what = {.ee_errno = EMSGSIZE, .ee_origin = SO_EE_ORIGIN_LOCAL, .ee_info = mtu},
        .about = way->to,
        .port = port_of(u, way)};
    struct dgram *d = is_asked(&u->sock, IP_IS_V6(&way->to)) ? new_note(u, &n, 0) : NULL;

    if (!d)
        return;
    d->to = way->to;
    dgramq_put(&u->errors, d);
    sock_changed(&u->sock, SOCK_IN);
}

/* The next one in the queue is the socket's error then; where ICMP has told of none any more it has none. */
static void pop(struct ip_sock *u, bool was_icmp)
{
    const struct dgram *d;
    struct note n = {.what = {.ee_origin = SO_EE_ORIGIN_NONE}};

    dgramq_pop(&u->errors);
    d = dgramq_first(&u->errors);
    if (d)
        memcpy(&n, d->data, sizeof n);
    if (n.what.ee_origin == SO_EE_ORIGIN_ICMP || n.what.ee_origin == SO_EE_ORIGIN_ICMP6)
        u->sock.error = (int)n.what.ee_errno;
    else if (was_icmp)
        u->sock.error = 0;
    sock_changed(&u->sock, d ? SOCK_IN : 0);
}

ssize_t errq_recv(struct sock *s, struct msghdr *msg, int flags)
{
    struct ip_sock *u = ip_sock_of(s);
    const struct dgram *d = dgramq_first(&u->errors);
    struct {
        struct sock_extended_err what;
        union {
            struct sockaddr_in in;
            struct sockaddr_in6 in6;
        } offender;
    } told = {.what = {.ee_errno = 0}};
    socklen_t offender_size = sizeof told.offender;
    bool four = s->domain == AF_INET, local;
    struct ip_sock_controls c;
    struct note n;
    size_t size, got;

    (void)flags; /* As in Linux, MSG_PEEK takes it, too. */
    if (!d)
        return -EAGAIN;
    memcpy(&n, d->data, sizeof n);
    size = d->size - sizeof n;
    got = sock_iov_out(msg, 0, d->data + sizeof n, size);
    if (msg->msg_name)
        addr_put(s->domain, &n.about, n.port, msg->msg_name, &msg->msg_namelen);
    told.what = n.what;
    local = n.what.ee_origin == SO_EE_ORIGIN_LOCAL;
    if (!local)
        addr_put(s->domain, &d->from, 0, (struct sockaddr *)(void *)&told.offender,
                 &offender_size);
    msg->msg_flags = MSG_ERRQUEUE | (got < size ? MSG_TRUNC : 0);
    c = ip_sock_controls(msg);
    if (!local)
        ip_sock_put_controls(u, d, &c);
    ip_sock_control(
        &c, four ? IPPROTO_IP : IPPROTO_IPV6, four ? IP_RECVERR : IPV6_RECVERR, &told,
        sizeof told.what + (four ? sizeof told.offender.in : sizeof told.offender.in6));
    msg->msg_controllen = c.used;
    pop(u, !local);
    return (ssize_t)got;
}

void errq_asked(struct ip_sock *u)
{
    if (u->sock.errors4 || u->sock.errors6)
        return;
    dgramq_clear(&u->errors);
    sock_changed(&u->sock, 0);
}
