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

int sock_opt_bool(const void *value, socklen_t size, bool *out)
{
    int n, r = sock_opt_int(value, size, &n);

    if (r == 0)
        *out = n != 0;
    return r;
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

/* Flags that are kept as they are set, to 0 or 1. */
static uint8_t *flag_of(struct sock *s, int name)
{
    switch (name) {
    case SO_REUSEADDR:
        return &s->reuse_addr;
    case SO_REUSEPORT:
        return &s->reuse_port;
    case SO_KEEPALIVE:
        return &s->keep_alive;
    case SO_BROADCAST:
        return &s->broadcast;
    case SO_NO_CHECK:
        return &s->no_check;
    case SO_RXQ_OVFL:
        return &s->tells_drops;
    case SO_DEBUG:
        return &s->debug;
    default:
        return NULL;
    }
}

/* Other numbers; -ENOPROTOOPT. */
static int get_number(struct sock *s, int name, int *n)
{
    switch (name) {
    case SO_TYPE:
        *n = s->type;
        return 0;
    case SO_DOMAIN:
        *n = s->domain;
        return 0;
    case SO_PROTOCOL:
        *n = s->protocol;
        return 0;
    case SO_ERROR:
        *n = sock_take_error(s);
        return 0;
    case SO_RCVBUF:
        *n = 2 * (int)s->rcv_size;
        return 0;
    case SO_SNDBUF:
        *n = 2 * (int)s->snd_size;
        return 0;
    case SO_RCVLOWAT:
        *n = s->rcv_low;
        return 0;
    case SO_SNDLOWAT: /* As in Linux, where it cannot be set. */
        *n = 1;
        return 0;
    case SO_PRIORITY:
        *n = s->priority;
        return 0;
    case SO_OOBINLINE: /* Urgent data is data like any other. */
        *n = 1;
        return 0;
    case SO_ACCEPTCONN: /* TCP has its own. */
    case SO_MARK:
        *n = 0;
        return 0;
    case SO_BINDTOIFINDEX:
        *n = s->bound_if;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

static int get_stamps(const struct sock *s, int name, void *value, socklen_t *size)
{
    if (s->type == SOCK_STREAM)
        return -ENOPROTOOPT;
    return sock_opt_put_int(
        value, size, s->stamps == (name == SO_TIMESTAMP ? SOCK_STAMPS_US : SOCK_STAMPS_NS));
}

int sock_getopt(struct sock *s, int name, void *value, socklen_t *size)
{
    const uint8_t *flag = flag_of(s, name);
    int n, r;

    if (flag)
        return sock_opt_put_int(value, size, *flag);
    switch (name) {
    case SO_LINGER:
        return sock_opt_put(value, size, &s->linger, sizeof s->linger);
    case SO_RCVTIMEO_OLD:
    case SO_RCVTIMEO_NEW:
        return get_time(value, size, s->rcv_timeout);
    case SO_SNDTIMEO_OLD:
    case SO_SNDTIMEO_NEW:
        return get_time(value, size, s->snd_timeout);
    case SO_BINDTODEVICE:
        return get_device(s, value, size);
    case SO_TIMESTAMP:
    case SO_TIMESTAMPNS:
        return get_stamps(s, name, value, size);
    case SO_COOKIE:
        return *size < sizeof s->ino ? -EINVAL
                                     : sock_opt_put(value, size, &s->ino, sizeof s->ino);
    case SO_PASSCRED:
    case SO_PASSSEC:
        return -EOPNOTSUPP;
    default:
        r = get_number(s, name, &n);
        return r < 0 ? r : sock_opt_put_int(value, size, n);
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

static int set_index(struct sock *s, const void *value, socklen_t size)
{
    int n, r = sock_opt_int(value, size, &n);

    if (r < 0)
        return r;
    if (n < 0)
        return -EINVAL;
    if (n && !iface_by_index((unsigned)n))
        return -ENODEV;
    s->bound_if = n;
    return 0;
}

static int set_stamps(struct sock *s, int name, const void *value, socklen_t size)
{
    bool on;
    int r = s->type == SOCK_STREAM ? -ENOPROTOOPT : sock_opt_bool(value, size, &on);

    if (r == 0)
        s->stamps = !on                    ? SOCK_STAMPS_NONE
                    : name == SO_TIMESTAMP ? SOCK_STAMPS_US
                                           : SOCK_STAMPS_NS;
    return r;
}

/* Options that are numbers; -ENOPROTOOPT. */
static int set_number(struct sock *s, int name, int n)
{
    switch (name) {
    case SO_RCVLOWAT:
        s->rcv_low = n < 0 ? INT32_MAX : n ? n : 1;
        return 0;
    case SO_PRIORITY:
        if (n < 0)
            return -EINVAL;
        s->priority = n;
        return 0;
    case SO_OOBINLINE:
        return n ? 0 : -EINVAL;
    case SO_MARK: /* As of one without privilege: nothing here looks at marks. */
        return -EPERM;
    case SO_PASSCRED:
    case SO_PASSSEC:
        return -EOPNOTSUPP;
    default:
        return -ENOPROTOOPT;
    }
}

static int set_linger(struct sock *s, const void *value, socklen_t size)
{
    if (size < sizeof s->linger)
        return -EINVAL;
    memcpy(&s->linger, value, sizeof s->linger);
    return 0;
}

int sock_setopt(struct sock *s, int name, const void *value, socklen_t size)
{
    uint8_t *flag = flag_of(s, name);
    int n, r;

    if (size < sizeof n && name != SO_BINDTODEVICE)
        return -EINVAL;
    if (flag)
        return set_flag(flag, value, size);
    switch (name) {
    case SO_RCVBUF:
    case SO_RCVBUFFORCE:
        return set_buf(&s->rcv_size, value, size, SOCK_RCV_MIN);
    case SO_SNDBUF:
    case SO_SNDBUFFORCE:
        return set_buf(&s->snd_size, value, size, SOCK_SND_MIN);
    case SO_LINGER:
        return set_linger(s, value, size);
    case SO_RCVTIMEO_OLD:
    case SO_RCVTIMEO_NEW:
        return set_time(&s->rcv_timeout, value, size);
    case SO_SNDTIMEO_OLD:
    case SO_SNDTIMEO_NEW:
        return set_time(&s->snd_timeout, value, size);
    case SO_BINDTODEVICE:
        return set_device(s, value, size);
    case SO_BINDTOIFINDEX:
        return set_index(s, value, size);
    case SO_TIMESTAMP:
    case SO_TIMESTAMPNS:
        return set_stamps(s, name, value, size);
    default:
        r = sock_opt_int(value, size, &n);
        return r < 0 ? r : set_number(s, name, n);
    }
}
