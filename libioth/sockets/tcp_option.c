/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

/* The system's, whose names are not lwIP's. */
#include <linux/tcp.h>

#include "libioth/sockets/ipopt.h"
#include "libioth/sockets/mtu.h"
#include "libioth/sockets/tcp.h"

#include <lwip/priv/tcp_priv.h>

/* Bounds, as Linux has them. */
#define MS_PER_SEC     1000
#define KEEP_SEC_MAX   32767
#define COUNT_MAX      127
#define MSS_LEAST      88
#define MSS_MOST       32767
#define MSS_DEFAULT    536
#define LINGER2_MAX    120
#define ALGORITHM_SIZE 16

#define RCV_SIZE_MAX (0xffffu << TCP_RCV_SCALE)

/* How the congestion window grows and shrinks: the only one there is. */
static const char algorithm[ALGORITHM_SIZE] = "reno";

/* --- getting ------------------------------------------------------------------------------------ */

static int mss_now(const struct tcp_sock *t)
{
    if (t->pcb && t->state == TCP_SOCK_OPEN)
        return t->pcb->mss;
    return t->set.limits.mss ? t->set.limits.mss : MSS_DEFAULT;
}

static int get_time(const struct tcp_sock *t, int name, int *n)
{
    switch (name) {
    case TCP_KEEPIDLE:
        *n = (int)(t->set.keep_idle_ms / MS_PER_SEC);
        return 0;
    case TCP_KEEPINTVL:
        *n = (int)(t->set.keep_interval_ms / MS_PER_SEC);
        return 0;
    case TCP_KEEPCNT:
        *n = (int)t->set.keep_count;
        return 0;
    case TCP_SYNCNT:
        *n = t->set.limits.syn_retries;
        return 0;
    case TCP_LINGER2:
        *n = t->set.limits.fin_wait ? (int)(t->set.limits.fin_wait / MS_PER_SEC) : -1;
        return 0;
    case TCP_USER_TIMEOUT:
        *n = (int)t->set.limits.user_timeout;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

static int get_int(const struct tcp_sock *t, int name, int *n)
{
    switch (name) {
    case TCP_NODELAY:
        *n = t->no_delay;
        return 0;
    case TCP_CORK:
        *n = t->cork;
        return 0;
    case TCP_QUICKACK:
        *n = t->set.limits.ack_delay == 0;
        return 0;
    case TCP_MAXSEG:
        *n = mss_now(t);
        return 0;
    case TCP_WINDOW_CLAMP:
        *n = (int)t->set.clamp;
        return 0;
    case TCP_NOTSENT_LOWAT:
        *n = (int)t->set.unsent_most;
        return 0;
    default:
        return get_time(t, name, n);
    }
}

static int get_tcp(const struct tcp_sock *t, int name, void *value, socklen_t *size)
{
    struct tcp_info info;
    int n, r;

    if (name == TCP_INFO) {
        tcp_sock_info(t, &info);
        return sock_opt_put(value, size, &info, sizeof info);
    }
    if (name == TCP_CONGESTION)
        return sock_opt_put(value, size, algorithm, sizeof algorithm);
    r = get_int(t, name, &n);
    return r < 0 ? r : sock_opt_put_int(value, size, n);
}

int tcp_sock_getopt(struct sock *s, int level, int name, void *value, socklen_t *size)
{
    const struct tcp_sock *t = tcp_sock_of(s);
    int r;

    if (level == SOL_SOCKET && name == SO_ACCEPTCONN)
        return sock_opt_put_int(value, size, tcp_sock_of(s)->state == TCP_SOCK_LISTENING);
    if (level == SOL_SOCKET)
        return sock_getopt(s, name, value, size);
    if (level == IPPROTO_TCP)
        return get_tcp(tcp_sock_of(s), name, value, size);
    r = mtu_getopt(s, t->state == TCP_SOCK_OPEN && t->pcb ? &t->pcb->remote_ip : NULL,
                   level, name, value, size);
    return r == -ENOPROTOOPT ? ipopt_get(s, level, name, value, size) : r;
}

/* --- setting ------------------------------------------------------------------------------------ */

static int set_seconds(uint32_t *ms, int n)
{
    if (n < 1 || n > KEEP_SEC_MAX)
        return -EINVAL;
    *ms = (uint32_t)n * MS_PER_SEC;
    return 0;
}

/* 0: the stack's; less: it is not waited for. */
static uint32_t fin_wait(int n)
{
    if (n == 0)
        return tcp_limits_default().fin_wait;
    return n < 0 ? 0 : (uint32_t)(n < LINGER2_MAX ? n : LINGER2_MAX) * MS_PER_SEC;
}

static int set_time(struct tcp_sock *t, int name, int n)
{
    struct tcp_settings *set = &t->set;

    switch (name) {
    case TCP_KEEPIDLE:
        return set_seconds(&set->keep_idle_ms, n);
    case TCP_KEEPINTVL:
        return set_seconds(&set->keep_interval_ms, n);
    case TCP_KEEPCNT:
        if (n < 1 || n > COUNT_MAX)
            return -EINVAL;
        set->keep_count = (uint32_t)n;
        return 0;
    case TCP_SYNCNT:
        if (n < 1 || n > COUNT_MAX)
            return -EINVAL;
        set->limits.syn_retries = (uint8_t)n;
        return 0;
    case TCP_LINGER2:
        set->limits.fin_wait = fin_wait(n);
        return 0;
    case TCP_USER_TIMEOUT:
        if (n < 0)
            return -EINVAL;
        set->limits.user_timeout = (uint32_t)n;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

/* What is kept back goes now, and nothing is for as long as this is set. */
static void acknowledge_quickly(struct tcp_sock *t, bool on)
{
    t->set.limits.ack_delay = on ? 0 : stack_settings.ack_delay;
    if (on && t->pcb && t->state == TCP_SOCK_OPEN && t->pcb->flags & TF_ACK_DELAY) {
        tcp_ack_now(t->pcb);
        tcp_output(t->pcb);
    }
}

static int set_clamp(struct tcp_sock *t, int n)
{
    if (n == 0 && t->state != TCP_SOCK_NEW)
        return -EINVAL;
    t->set.clamp = n == 0 ? 0 : n < (int)SOCK_RCV_MIN ? SOCK_RCV_MIN : (uint32_t)n;
    return 0;
}

static int set_int(struct tcp_sock *t, int name, int n)
{
    switch (name) {
    case TCP_NODELAY:
        t->no_delay = n != 0;
        return 0;
    case TCP_CORK:
        t->cork = n != 0;
        return 0;
    case TCP_QUICKACK:
        acknowledge_quickly(t, n != 0);
        return 0;
    case TCP_MAXSEG:
        if (n != 0 && (n < MSS_LEAST || n > MSS_MOST))
            return -EINVAL;
        t->set.limits.mss = (uint16_t)n;
        return 0;
    case TCP_WINDOW_CLAMP:
        return set_clamp(t, n);
    case TCP_NOTSENT_LOWAT:
        t->set.unsent_most = (uint32_t)n;
        return 0;
    case TCP_FASTOPEN:
    case TCP_FASTOPEN_CONNECT:
        return -EOPNOTSUPP;
    case TCP_REPAIR:
        return -EPERM;
    default:
        return set_time(t, name, n);
    }
}

static int set_algorithm(const char *value, socklen_t size)
{
    if (size < 1)
        return -EINVAL;
    return strnlen(value, size) == strlen(algorithm) &&
                   !memcmp(value, algorithm, strlen(algorithm))
               ? 0
               : -ENOENT;
}

static int set_tcp(struct tcp_sock *t, int name, const void *value, socklen_t size)
{
    int n;

    if (name == TCP_CONGESTION)
        return set_algorithm(value, size);
    if (name == TCP_ULP) /* There is none. */
        return -ENOENT;
    if (size < sizeof n)
        return -EINVAL;
    memcpy(&n, value, sizeof n);
    return set_int(t, name, n);
}

static void bound_buffers(struct sock *s)
{
    if (s->snd_size > TCP_SND_BUF)
        s->snd_size = TCP_SND_BUF;
    if (s->rcv_size > RCV_SIZE_MAX)
        s->rcv_size = RCV_SIZE_MAX;
}

int tcp_sock_setopt(struct sock *s, int level, int name, const void *value, socklen_t size)
{
    struct tcp_sock *t = tcp_sock_of(s);
    int r = level == SOL_SOCKET    ? sock_setopt(s, name, value, size)
            : level == IPPROTO_TCP ? set_tcp(t, name, value, size)
                                   : mtu_setopt(s, level, name, value, size);

    if (r == -ENOPROTOOPT && level != SOL_SOCKET && level != IPPROTO_TCP)
        r = ipopt_set(s, level, name, value, size);
    if (r < 0)
        return r;
    bound_buffers(s);
    tcp_sock_apply(t);
    /* What waited for more goes now. */
    if (level == IPPROTO_TCP && t->pcb && t->state == TCP_SOCK_OPEN && !t->cork)
        tcp_output(t->pcb);
    sock_changed(s, 0);
    return 0;
}
