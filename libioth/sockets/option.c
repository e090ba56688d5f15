/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Options of the level SOL_SOCKET. */
#include <errno.h>
#include <string.h>
#include <sys/time.h>

#include "libioth/sockets/sock.h"
#include "libioth/stack/iface.h"

int sock_opt_int(const void *value, socklen_t size, int *out)
{
    if (size >= sizeof(int))
        memcpy(out, value, sizeof(int));
    else if (size >= 1)
        *out = *(const uint8_t *)value;
    else
        return -EINVAL;
    return 0;
}

int sock_opt_put(void *value, socklen_t *size, const void *from, size_t from_size)
{
    if (*size > from_size)
        *size = (socklen_t)from_size;
    memcpy(value, from, *size);
    return 0;
}

int sock_opt_put_int(void *value, socklen_t *size, int from)
{
    return sock_opt_put(value, size, &from, sizeof from);
}

static int get_time(void *value, socklen_t *size, mtime_t t)
{
    struct timeval tv = {.tv_sec = t / MTIME_SEC, .tv_usec = t % MTIME_SEC};

    return sock_opt_put(value, size, &tv, sizeof tv);
}

static int get_device(const struct sock *s, void *value, socklen_t *size)
{
    const struct iface *i = s->bound_if ? iface_by_index((unsigned)s->bound_if) : NULL;

    return i ? sock_opt_put(value, size, i->name, strlen(i->name) + 1)
             : sock_opt_put(value, size, "", 1);
}

int sock_getopt(struct sock *s, int name, void *value, socklen_t *size)
{
    switch (name) {
    case SO_TYPE:
        return sock_opt_put_int(value, size, s->type);
    case SO_DOMAIN:
        return sock_opt_put_int(value, size, s->domain);
    case SO_PROTOCOL:
        return sock_opt_put_int(value, size, s->protocol);
    case SO_ERROR:
        return sock_opt_put_int(value, size, sock_take_error(s));
    case SO_REUSEADDR:
        return sock_opt_put_int(value, size, s->reuse_addr);
    case SO_REUSEPORT:
        return sock_opt_put_int(value, size, s->reuse_port);
    case SO_KEEPALIVE:
        return sock_opt_put_int(value, size, s->keep_alive);
    case SO_BROADCAST:
        return sock_opt_put_int(value, size, s->broadcast);
    case SO_RCVBUF:
        return sock_opt_put_int(value, size, 2 * (int)s->rcv_size);
    case SO_SNDBUF:
        return sock_opt_put_int(value, size, 2 * (int)s->snd_size);
    case SO_RCVLOWAT:
        return sock_opt_put_int(value, size, 1);
    case SO_LINGER:
        return sock_opt_put(value, size, &s->linger, sizeof s->linger);
    case SO_RCVTIMEO:
        return get_time(value, size, s->rcv_timeout);
    case SO_SNDTIMEO:
        return get_time(value, size, s->snd_timeout);
    case SO_BINDTODEVICE:
        return get_device(s, value, size);
    default:
        return -ENOPROTOOPT;
    }
}

static int set_flag(uint8_t *flag, const void *value, socklen_t size)
{
    int n, r = sock_opt_int(value, size, &n);

    if (r == 0)
        *flag = n != 0;
    return r;
}

static int set_buf(uint32_t *buf, const void *value, socklen_t size, uint32_t least)
{
    int n, r = sock_opt_int(value, size, &n);

    /* As in Linux, less than nothing is very much. */
    if (r == 0)
        *buf = (uint32_t)n < least          ? least
               : (uint32_t)n > SOCK_BUF_MAX ? SOCK_BUF_MAX
                                            : (uint32_t)n;
    return r;
}

static int set_time(mtime_t *t, const void *value, socklen_t size)
{
    struct timeval tv;

    if (size < sizeof tv)
        return -EINVAL;
    memcpy(&tv, value, sizeof tv);
    if (tv.tv_usec < 0 || tv.tv_usec >= MTIME_SEC)
        return -EDOM;
    *t = tv.tv_sec < 0 || tv.tv_sec > INT32_MAX ? 0 : tv.tv_sec * MTIME_SEC + tv.tv_usec;
    return 0;
}

static int set_device(struct sock *s, const void *value, socklen_t size)
{
    char name[IF_NAMESIZE] = "";
    const struct iface *i;

    memcpy(name, value, size < sizeof name ? size : sizeof name - 1);
    if (!*name) {
        s->bound_if = 0;
        return 0;
    }
    i = iface_by_name(name);
    if (!i)
        return -ENODEV;
    s->bound_if = (int)iface_index(i);
    return 0;
}

int sock_setopt(struct sock *s, int name, const void *value, socklen_t size)
{
    switch (name) {
    case SO_REUSEADDR:
        return set_flag(&s->reuse_addr, value, size);
    case SO_REUSEPORT:
        return set_flag(&s->reuse_port, value, size);
    case SO_KEEPALIVE:
        return set_flag(&s->keep_alive, value, size);
    case SO_BROADCAST:
        return set_flag(&s->broadcast, value, size);
    case SO_RCVBUF:
    case SO_RCVBUFFORCE:
        return set_buf(&s->rcv_size, value, size, SOCK_RCV_MIN);
    case SO_SNDBUF:
    case SO_SNDBUFFORCE:
        return set_buf(&s->snd_size, value, size, SOCK_SND_MIN);
    case SO_LINGER:
        if (size < sizeof s->linger)
            return -EINVAL;
        memcpy(&s->linger, value, sizeof s->linger);
        return 0;
    case SO_RCVTIMEO:
        return set_time(&s->rcv_timeout, value, size);
    case SO_SNDTIMEO:
        return set_time(&s->snd_timeout, value, size);
    case SO_BINDTODEVICE:
        return set_device(s, value, size);
    default:
        return -ENOPROTOOPT;
    }
}
