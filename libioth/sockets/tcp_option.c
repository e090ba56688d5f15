/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <netinet/in.h>

/* The system's, whose names are not lwIP's. */
#include <linux/tcp.h>

#include "libioth/sockets/ipopt.h"
#include "libioth/sockets/mtu.h"
#include "libioth/sockets/tcp.h"

#define MS_PER_SEC     1000
#define KEEP_SEC_MAX   32767
#define KEEP_COUNT_MAX 127
#define MSS_DEFAULT    536

static int get_tcp(const struct tcp_sock *t, int name, void *value, socklen_t *size)
{
    switch (name) {
    case TCP_NODELAY:
        return sock_opt_put_int(value, size, t->no_delay);
    case TCP_CORK:
        return sock_opt_put_int(value, size, t->cork);
    case TCP_MAXSEG:
        return sock_opt_put_int(
            value, size, t->pcb && t->state == TCP_SOCK_OPEN ? t->pcb->mss : MSS_DEFAULT);
    case TCP_KEEPIDLE:
        return sock_opt_put_int(value, size, (int)(t->keep_idle_ms / MS_PER_SEC));
    case TCP_KEEPINTVL:
        return sock_opt_put_int(value, size, (int)(t->keep_interval_ms / MS_PER_SEC));
    case TCP_KEEPCNT:
        return sock_opt_put_int(value, size, (int)t->keep_count);
    default:
        return -ENOPROTOOPT;
    }
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

static int set_seconds(uint32_t *ms, int n)
{
    if (n < 1 || n > KEEP_SEC_MAX)
        return -EINVAL;
    *ms = (uint32_t)n * MS_PER_SEC;
    return 0;
}

static int set_tcp(struct tcp_sock *t, int name, const void *value, socklen_t size)
{
    int n, r = sock_opt_int(value, size, &n);

    if (r < 0)
        return r;
    switch (name) {
    case TCP_NODELAY:
        t->no_delay = n != 0;
        break;
    case TCP_CORK:
        t->cork = n != 0;
        break;
    case TCP_QUICKACK: /* Every superframe is acknowledged at once as it is. */
        return 0;
    case TCP_KEEPIDLE:
        r = set_seconds(&t->keep_idle_ms, n);
        break;
    case TCP_KEEPINTVL:
        r = set_seconds(&t->keep_interval_ms, n);
        break;
    case TCP_KEEPCNT:
        if (n < 1 || n > KEEP_COUNT_MAX)
            return -EINVAL;
        t->keep_count = (uint32_t)n;
        break;
    default:
        return -ENOPROTOOPT;
    }
    return r;
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
    if (s->snd_size > TCP_SND_BUF)
        s->snd_size = TCP_SND_BUF;
    tcp_sock_apply(t);
    /* What waited for more goes now. */
    if (level == IPPROTO_TCP && t->pcb && t->state == TCP_SOCK_OPEN && !t->cork)
        tcp_output(t->pcb);
    sock_changed(s, 0);
    return 0;
}
