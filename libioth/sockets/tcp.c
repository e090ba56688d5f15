/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/sockets/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include <lwip/priv/tcp_priv.h>

#include "libioth/sockets/addr.h"
#include "libioth/sockets/icmp.h"
#include "libioth/sockets/ipopt.h"
#include "libioth/sockets/kinds.h"
#include "libioth/sockets/mtu.h"

#define BACKLOG_MAX 255

static const struct sock_ops ops;

static struct tcp_sock *new_sock(int domain)
{
    struct tcp_sock *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    sock_init(&t->sock, &ops, domain, SOCK_STREAM, IPPROTO_TCP);
    ipopt_init(&t->sock);
    list_init(&t->link);
    list_init(&t->waiting);
    t->set = (struct tcp_settings){
        .keep_idle_ms = stack_settings.keep_idle,
        .keep_interval_ms = stack_settings.keep_interval,
        .keep_count = stack_settings.keep_count,
        .limits = tcp_limits_default(),
    };
    return t;
}

int tcp_sock_new(int domain, struct sock **out)
{
    struct tcp_sock *t = new_sock(domain);

    if (!t)
        return -ENOMEM;
    *out = &t->sock;
    return 0;
}

void tcp_sock_free(struct tcp_sock *t)
{
    sock_done(&t->sock);
    list_remove(&t->link);
    byteq_clear(&t->rx);
    byteq_clear(&t->tx);
    free(t);
}

static uint32_t receive_limit(const struct tcp_sock *t)
{
    uint32_t clamp = t->set.clamp;

    return clamp && clamp < t->sock.rcv_size ? clamp : t->sock.rcv_size;
}

void tcp_sock_apply(struct tcp_sock *t)
{
    struct tcp_pcb *pcb = t->pcb;

    t->rx.most = t->sock.rcv_size;
    t->tx.most = t->sock.snd_size;
    if (!pcb)
        return;
    ipopt_apply(&t->sock, (struct ip_pcb *)(void *)pcb);
    if (t->state == TCP_SOCK_LISTENING) {
        struct tcp_pcb_listen *l = (struct tcp_pcb_listen *)(void *)pcb;

        l->limits = t->set.limits;
        l->limits.rcv_max = receive_limit(t);
        return;
    }
    tcp_limits_set(&pcb->limits, &t->set.limits);
    if (pcb->limits.rcv_max != receive_limit(t))
        tcp_set_rcv_max(pcb, receive_limit(t));
    if (t->no_delay)
        tcp_nagle_disable(pcb);
    else
        tcp_nagle_enable(pcb);
    pcb->keep_idle = t->set.keep_idle_ms;
    pcb->keep_intvl = t->set.keep_interval_ms;
    pcb->keep_cnt = t->set.keep_count;
}

/* The control block is gone: reset, given up, or closed by both sides. */
static void on_error(void *arg, err_t err)
{
    struct tcp_sock *t = arg;

    if (!t)
        return;
    t->pcb = NULL;
    if (t->state == TCP_SOCK_ORPHAN) {
        tcp_sock_free(t);
        return;
    }
    byteq_clear(&t->tx);
    if (t->state == TCP_SOCK_CONNECTING) {
        t->sock.error = err == ERR_RST ? ECONNREFUSED : ETIMEDOUT;
        if (t->reported)
            t->sock.error = t->reported;
        t->reported = 0;
        t->state = TCP_SOCK_NEW;
        t->failed = true;
    } else {
        if (err != ERR_CLSD)
            t->sock.error = err == ERR_RST ? ECONNRESET
                            : t->reported  ? t->reported
                                           : ETIMEDOUT;
        t->state = TCP_SOCK_DEAD;
    }
    sock_changed(&t->sock, SOCK_IN | SOCK_OUT | SOCK_RDHUP | SOCK_HUP);
}

static void adopt(struct tcp_sock *t, struct tcp_pcb *pcb)
{
    t->pcb = pcb;
    tcp_arg(pcb, t);
    tcp_err(pcb, on_error);
    tcp_recv(pcb, tcp_sock_on_recv);
    tcp_sent(pcb, tcp_sock_on_sent);
    tcp_sock_apply(t);
}

int tcp_sock_need_pcb(struct tcp_sock *t)
{
    bool dual = t->sock.domain == AF_INET6 && !t->sock.only_v6;
    struct tcp_pcb *pcb;

    if (t->pcb)
        return 0;
    pcb = tcp_new_ip_type(t->sock.domain == AF_INET ? IPADDR_TYPE_V4
                          : dual                    ? IPADDR_TYPE_ANY
                                                    : IPADDR_TYPE_V6);
    if (!pcb)
        return -ENOBUFS;
    adopt(t, pcb);
    return 0;
}

/* --- connections -------------------------------------------------------------------------------- */

static int bind_sock(struct sock *s, const struct sockaddr *sa, socklen_t size)
{
    struct tcp_sock *t = tcp_sock_of(s);
    ip_addr_t ip;
    u16_t port;
    int r = addr_get(s->domain, s->only_v6, sa, size, &ip, &port);

    if (r == 0 && (t->state != TCP_SOCK_NEW || (t->pcb && t->pcb->local_port)))
        r = -EINVAL;
    if (r == 0 && !s->free_bind && !ipopt_is_local(&ip))
        r = -EADDRNOTAVAIL;
    if (r == 0)
        r = tcp_sock_need_pcb(t);
    if (r < 0)
        return r;
    if (s->domain == AF_INET6 && !s->only_v6 && ip_addr_isany(&ip))
        IP_SET_TYPE(&ip, IPADDR_TYPE_ANY);
    return addr_error(tcp_bind(t->pcb, &ip, port));
}

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
    struct tcp_sock *t = arg;

    (void)pcb;
    (void)err; /* Failures come as errors. */
    t->state = TCP_SOCK_OPEN;
    t->reported = 0;
    sock_changed(&t->sock, SOCK_OUT);
    return ERR_OK;
}

static int connect_sock(struct sock *s, const struct sockaddr *sa, socklen_t size)
{
    struct tcp_sock *t = tcp_sock_of(s);
    ip_addr_t ip;
    u16_t port;
    int r;

    switch (t->state) {
    case TCP_SOCK_NEW:
        break;
    case TCP_SOCK_CONNECTING:
        return -EALREADY;
    case TCP_SOCK_OPEN:
        return -EISCONN;
    case TCP_SOCK_LISTENING:
    case TCP_SOCK_DEAD:
    case TCP_SOCK_ORPHAN:
        return -EINVAL;
    }
    r = addr_get(s->domain, s->only_v6, sa, size, &ip, &port);
    if (r == 0)
        r = tcp_sock_need_pcb(t);
    if (r < 0)
        return r;
    if (ip_addr_isany(&ip)) /* As everywhere: this host. */
        ip_addr_copy(ip, *(IP_IS_V4(&ip) ? ipopt_loopback4() : ipopt_loopback6()));
    s->error = 0;
    t->failed = false;
    t->remote_ip = ip;
    t->remote_port = port;
    r = addr_error(tcp_connect(t->pcb, &ip, port, on_connected));
    if (r < 0)
        return r;
    t->state = TCP_SOCK_CONNECTING;
    sock_changed(s, 0);
    return -EINPROGRESS;
}

/* The connection of which the segment is one that is not acknowledged yet. */
static struct tcp_pcb *sender(const struct mtu_packet *p)
{
    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next) {
        if (pcb->local_port == p->from_port && pcb->remote_port == p->to_port &&
            ip_addr_eq(&pcb->remote_ip, &p->to) && ip_addr_eq(&pcb->local_ip, &p->from))
            return p->seq - pcb->lastack < pcb->snd_nxt - pcb->lastack ? pcb : NULL;
    }
    return NULL;
}

void tcp_sock_failed(const struct icmp_failure *f)
{
    struct tcp_pcb *pcb = sender(&f->packet);
    struct tcp_sock *t = pcb ? pcb->callback_arg : NULL;

    if (!t || t->state == TCP_SOCK_ORPHAN)
        return;
    if (pcb->state != SYN_SENT && (f->ip6 ? t->sock.errors6 : t->sock.errors4)) {
        sock_failed(&t->sock, f->error);
        return;
    }
    t->reported = f->error;
    if (pcb->state == SYN_SENT)
        tcp_abort(pcb);
}

bool tcp_sock_sent(const struct mtu_packet *p)
{
    return sender(p) != NULL;
}

/* All connections to there send less at a time, and what was too large at once. */
void tcp_sock_too_large(const struct mtu_packet *p)
{
    struct tcp_pcb *next;

    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = next) {
        u16_t mss;

        next = pcb->next;
        if (!ip_addr_eq(&pcb->remote_ip, &p->to) || pcb->state == SYN_SENT)
            continue;
        mss = tcp_eff_send_mss(pcb->mss, &pcb->local_ip, &pcb->remote_ip);
        if (mss == 0 || mss >= pcb->mss)
            continue;
        pcb->mss = mss;
        recovery_resend(pcb);
    }
}

/* A connection for a listener is there. */
static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t err)
{
    struct tcp_sock *l = arg, *t;

    if (err != ERR_OK || !pcb)
        return ERR_VAL;
    t = new_sock(l->sock.domain);
    if (!t)
        return ERR_MEM;
    ipopt_inherit(&t->sock, &l->sock);
    t->no_delay = l->no_delay;
    t->set = l->set;
    t->state = TCP_SOCK_OPEN;
    t->remote_ip = pcb->remote_ip;
    t->remote_port = pcb->remote_port;
    t->local_ip = pcb->local_ip;
    t->local_port = pcb->local_port;
    adopt(t, pcb);
    tcp_backlog_delayed(pcb);
    list_append(&l->waiting, &t->link);
    sock_changed(&l->sock, SOCK_IN);
    return ERR_OK;
}

static int listen_sock(struct sock *s, int backlog)
{
    struct tcp_sock *t = tcp_sock_of(s);
    struct tcp_pcb *l;
    err_t err = ERR_OK;
    int r;

    if (backlog < 1)
        backlog = 1;
    if (backlog > BACKLOG_MAX)
        backlog = BACKLOG_MAX;
    if (t->state == TCP_SOCK_LISTENING) {
        tcp_backlog_set((struct tcp_pcb_listen *)(void *)t->pcb, backlog);
        return 0;
    }
    if (t->state != TCP_SOCK_NEW)
        return -EINVAL;
    r = tcp_sock_need_pcb(t);
    if (r == 0 && !t->pcb->local_port) {
        ip_addr_t any = t->pcb->local_ip;

        r = addr_error(tcp_bind(t->pcb, &any, 0));
    }
    if (r < 0)
        return r;
    tcp_err(t->pcb, NULL); /* A listener has no errors, and another structure. */
    l = tcp_listen_with_backlog_and_err(t->pcb, (u8_t)backlog, &err);
    if (!l) {
        tcp_err(t->pcb, on_error);
        return addr_error(err);
    }
    t->pcb = l;
    t->state = TCP_SOCK_LISTENING;
    tcp_arg(l, t);
    tcp_accept(l, on_accept);
    sock_changed(s, 0);
    return 0;
}

static int accept_sock(struct sock *s, struct sock **out)
{
    struct tcp_sock *l = tcp_sock_of(s), *t;
    struct list *first = list_first(&l->waiting);

    if (l->state != TCP_SOCK_LISTENING)
        return -EINVAL;
    if (!first)
        return -EAGAIN;
    t = list_entry(first, struct tcp_sock, link);
    list_remove(first);
    if (t->pcb)
        tcp_backlog_accepted(t->pcb);
    sock_changed(s, 0);
    *out = &t->sock;
    return 0;
}

static int name_sock(struct sock *s, bool peer, struct sockaddr *sa, socklen_t *size)
{
    struct tcp_sock *t = tcp_sock_of(s);
    ip_addr_t any = *IP_ANY_TYPE;

    if (peer) {
        if (t->state != TCP_SOCK_OPEN && t->state != TCP_SOCK_DEAD)
            return -ENOTCONN;
        addr_put(s->domain, &t->remote_ip, t->remote_port, sa, size);
    } else if (t->pcb) {
        addr_put(s->domain, &t->pcb->local_ip, t->pcb->local_port, sa, size);
    } else if (t->state == TCP_SOCK_DEAD) {
        addr_put(s->domain, &t->local_ip, t->local_port, sa, size);
    } else {
        addr_put(s->domain, &any, 0, sa, size);
    }
    return 0;
}

/* --- the end ------------------------------------------------------------------------------------ */

static int shutdown_sock(struct sock *s, int how)
{
    struct tcp_sock *t = tcp_sock_of(s);

    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -EINVAL;
    if (t->state != TCP_SOCK_OPEN)
        return -ENOTCONN;
    if (how != SHUT_WR)
        t->rx_shut = true;
    if (how != SHUT_RD && !t->tx_shut) {
        t->tx_shut = true;
        tcp_shutdown(t->pcb, 0, 1);
    }
    sock_changed(s, SOCK_IN | SOCK_OUT);
    return 0;
}

static void forget(struct tcp_pcb *pcb)
{
    tcp_arg(pcb, NULL);
    tcp_err(pcb, NULL);
    tcp_recv(pcb, NULL);
    tcp_sent(pcb, NULL);
}

static void close_listener(struct tcp_sock *l)
{
    list_for_each_safe (it, &l->waiting) {
        struct tcp_sock *t = list_entry(it, struct tcp_sock, link);

        if (t->pcb) {
            forget(t->pcb);
            tcp_abort(t->pcb);
        }
        tcp_sock_free(t);
    }
    tcp_close(l->pcb);
    tcp_sock_free(l);
}

static void close_sock(struct sock *s)
{
    struct tcp_sock *t = tcp_sock_of(s);
    struct tcp_pcb *pcb = t->pcb;
    bool at_once = t->rx.size || (s->linger.l_onoff && s->linger.l_linger == 0);

    if (t->state == TCP_SOCK_LISTENING) {
        close_listener(t);
        return;
    }
    if (pcb && t->state == TCP_SOCK_OPEN && !at_once && t->tx.size) {
        /* lwIP sends what is left; its bytes stay here until they are acknowledged. */
        t->state = TCP_SOCK_ORPHAN;
        sock_done(s);
        tcp_recv(pcb, NULL);
        tcp_close(pcb);
        return;
    }
    if (pcb) {
        forget(pcb);
        if (at_once && t->state == TCP_SOCK_OPEN)
            tcp_abort(pcb);
        else if (tcp_close(pcb) != ERR_OK)
            tcp_abort(pcb);
    }
    tcp_sock_free(t);
}

static const struct sock_ops ops = {
    .bind = bind_sock,
    .connect = connect_sock,
    .listen = listen_sock,
    .accept = accept_sock,
    .name = name_sock,
    .send = tcp_sock_send,
    .recv = tcp_sock_recv,
    .shutdown = shutdown_sock,
    .getopt = tcp_sock_getopt,
    .setopt = tcp_sock_setopt,
    .ready = tcp_sock_ready,
    .pending = tcp_sock_pending,
    .outgoing = tcp_sock_outgoing,
    .close = close_sock,
};
