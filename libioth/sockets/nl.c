/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/sockets/nl.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>

#include "libioth/sockets/dgramq.h"
#include "libioth/sockets/kinds.h"

#define REQUEST_MAX 16384u

struct nl_sock {
    struct sock sock;
    struct dgramq rx;
    uint32_t port; /* The socket's netlink address. */
};

struct nl_reply {
    struct nl_sock *sock;
    struct dgram *message; /* Being written. */
    const struct nlmsghdr *request;
    bool dump;
};

static struct nl_sock *nl_of(struct sock *s)
{
    return (struct nl_sock *)(void *)s;
}

/* --- replies ------------------------------------------------------------------------------------ */

struct nlmsghdr *nl_reply_begin(struct nl_reply *r, unsigned type, size_t body_size,
                                void **body)
{
    struct dgram *d = dgramq_new(&r->sock->rx, NL_ROOM, r->sock->sock.rcv_size);
    struct nlmsghdr *h;

    if (!d)
        return NULL;
    memset(d->data, 0, NL_ROOM);
    h = mnl_nlmsg_put_header(d->data);
    h->nlmsg_type = (uint16_t)type;
    h->nlmsg_flags = r->dump ? NLM_F_MULTI : 0;
    h->nlmsg_seq = r->request->nlmsg_seq;
    h->nlmsg_pid = r->sock->port;
    if (body_size)
        *body = mnl_nlmsg_put_extra_header(h, body_size);
    r->message = d;
    return h;
}

void nl_reply_end(struct nl_reply *r, struct nlmsghdr *h)
{
    r->message->size = h->nlmsg_len;
    dgramq_put(&r->sock->rx, r->message);
    sock_changed(&r->sock->sock, SOCK_IN);
}

static void acknowledge(struct nl_reply *r, int error)
{
    void *body;
    struct nlmsghdr *h = nl_reply_begin(r, NLMSG_ERROR, sizeof(struct nlmsgerr), &body);

    if (!h)
        return;
    h->nlmsg_flags = 0;
    ((struct nlmsgerr *)body)->error = error;
    ((struct nlmsgerr *)body)->msg = *r->request;
    nl_reply_end(r, h);
}

static void end_dump(struct nl_reply *r)
{
    void *body;
    struct nlmsghdr *h = nl_reply_begin(r, NLMSG_DONE, sizeof(int), &body);

    if (h)
        nl_reply_end(r, h);
}

/* --- requests ----------------------------------------------------------------------------------- */

int nl_attrs(const struct nlmsghdr *h, size_t body_size, const struct nlattr **out,
             unsigned max)
{
    const uint8_t *at = (const uint8_t *)h + MNL_NLMSG_HDRLEN + MNL_ALIGN(body_size);
    const uint8_t *end = (const uint8_t *)h + h->nlmsg_len;

    for (unsigned i = 0; i <= max; i++)
        out[i] = NULL;
    while (at + sizeof(struct nlattr) <= end) {
        const struct nlattr *a = (const struct nlattr *)(const void *)at;

        if (a->nla_len < sizeof *a || a->nla_len > end - at)
            return -EINVAL;
        if (mnl_attr_get_type(a) <= max)
            out[mnl_attr_get_type(a)] = a;
        at += MNL_ALIGN(a->nla_len);
    }
    return 0;
}

const void *nl_attr_bytes(const struct nlattr *a, size_t size)
{
    return a && mnl_attr_get_payload_len(a) == size ? mnl_attr_get_payload(a) : NULL;
}

static const struct {
    uint16_t type;
    uint16_t body_size;
    int (*get)(const struct nlmsghdr *, struct nl_reply *);
    int (*change)(const struct nlmsghdr *);
} requests[] = {
    {RTM_GETLINK, sizeof(struct ifinfomsg), nl_get_link, NULL},
    {RTM_NEWLINK, sizeof(struct ifinfomsg), NULL, nl_new_link},
    {RTM_SETLINK, sizeof(struct ifinfomsg), NULL, nl_new_link},
    {RTM_DELLINK, sizeof(struct ifinfomsg), NULL, nl_del_link},
    {RTM_GETADDR, sizeof(struct ifaddrmsg), nl_get_addr, NULL},
    {RTM_NEWADDR, sizeof(struct ifaddrmsg), NULL, nl_change_addr},
    {RTM_DELADDR, sizeof(struct ifaddrmsg), NULL, nl_change_addr},
    {RTM_GETROUTE, sizeof(struct rtmsg), nl_get_route, NULL},
    {RTM_NEWROUTE, sizeof(struct rtmsg), NULL, nl_change_route},
    {RTM_DELROUTE, sizeof(struct rtmsg), NULL, nl_change_route},
};

static void handle(struct nl_sock *n, const struct nlmsghdr *h)
{
    struct nl_reply reply = {.sock = n, .request = h};
    int r = -EOPNOTSUPP;

    for (unsigned i = 0; i < sizeof requests / sizeof *requests; i++) {
        if (requests[i].type != h->nlmsg_type)
            continue;
        /* A dump may come with the general header alone; its body is then all zero. */
        if (h->nlmsg_len < MNL_NLMSG_HDRLEN + requests[i].body_size && !requests[i].get) {
            r = -EINVAL;
            break;
        }
        reply.dump = requests[i].get && (h->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
        if (!reply.dump && h->nlmsg_len < MNL_NLMSG_HDRLEN + requests[i].body_size)
            r = -EINVAL;
        else
            r = requests[i].get ? requests[i].get(h, &reply) : requests[i].change(h);
    }
    if (reply.dump && r == 0) {
        end_dump(&reply);
    } else if (r != 0 || h->nlmsg_flags & NLM_F_ACK) {
        reply.dump = false;
        acknowledge(&reply, r);
    }
}

static ssize_t send_sock(struct sock *s, const struct msghdr *msg, int flags)
{
    size_t size = sock_iov_size(msg);
    int left = (int)size;
    struct nlmsghdr *h, *request;

    (void)flags;
    if (size > REQUEST_MAX)
        return -EMSGSIZE;
    request = malloc(size ? size : 1);
    if (!request)
        return -ENOBUFS;
    sock_iov_in(msg, 0, request, size);
    for (h = request; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
        if (h->nlmsg_flags & NLM_F_REQUEST)
            handle(nl_of(s), h);
    }
    free(request);
    return (ssize_t)size;
}

/* --- ops ---------------------------------------------------------------------------------------- */

static int bind_sock(struct sock *s, const struct sockaddr *sa, socklen_t size)
{
    struct sockaddr_nl nl;

    if (!sa || size < sizeof nl)
        return -EINVAL;
    memcpy(&nl, sa, sizeof nl);
    if (nl.nl_family != AF_NETLINK)
        return -EINVAL;
    if (nl.nl_pid)
        nl_of(s)->port = nl.nl_pid;
    return 0;
}

static int connect_sock(struct sock *s, const struct sockaddr *sa, socklen_t size)
{
    (void)s;
    return sa && size >= sizeof(struct sockaddr_nl) && sa->sa_family == AF_NETLINK
               ? 0
               : -EINVAL;
}

static void put_name(uint32_t port, void *sa, socklen_t *size)
{
    struct sockaddr_nl nl = {.nl_family = AF_NETLINK, .nl_pid = port};

    memcpy(sa, &nl, *size < sizeof nl ? *size : sizeof nl);
    *size = sizeof nl;
}

static int name_sock(struct sock *s, bool peer, struct sockaddr *sa, socklen_t *size)
{
    put_name(peer ? 0 : nl_of(s)->port, sa, size);
    return 0;
}

static ssize_t recv_sock(struct sock *s, struct msghdr *msg, int flags)
{
    struct nl_sock *n = nl_of(s);
    const struct dgram *d = dgramq_first(&n->rx);
    ssize_t size;

    if (!d)
        return -EAGAIN;
    size = dgramq_copy(d, msg, flags);
    msg->msg_controllen = 0;
    if (msg->msg_name)
        put_name(0, msg->msg_name, &msg->msg_namelen);
    if (!(flags & MSG_PEEK)) {
        dgramq_pop(&n->rx);
        sock_changed(s, 0);
    }
    return size;
}

static int get_option(struct sock *s, int level, int name, void *value, socklen_t *size)
{
    return level == SOL_SOCKET ? sock_getopt(s, name, value, size) : -ENOPROTOOPT;
}

static int set_option(struct sock *s, int level, int name, const void *value,
                      socklen_t size)
{
    return level == SOL_SOCKET ? sock_setopt(s, name, value, size) : -ENOPROTOOPT;
}

static unsigned ready(const struct sock *s)
{
    return SOCK_OUT |
           (dgramq_first(&((const struct nl_sock *)(const void *)s)->rx) ? SOCK_IN : 0);
}

static size_t pending(const struct sock *s)
{
    const struct dgram *d = dgramq_first(&((const struct nl_sock *)(const void *)s)->rx);

    return d ? d->size : 0;
}

static void close_sock(struct sock *s)
{
    sock_done(s);
    dgramq_clear(&nl_of(s)->rx);
    free(s);
}

static const struct sock_ops ops = {
    .bind = bind_sock,
    .connect = connect_sock,
    .name = name_sock,
    .send = send_sock,
    .recv = recv_sock,
    .getopt = get_option,
    .setopt = set_option,
    .ready = ready,
    .pending = pending,
    .close = close_sock,
};

int nl_sock_new(int type, int protocol, struct sock **out)
{
    static uint32_t last_port;
    struct nl_sock *n = calloc(1, sizeof *n);

    if (!n)
        return -ENOMEM;
    sock_init(&n->sock, &ops, AF_NETLINK, type, protocol);
    dgramq_init(&n->rx);
    n->port = ++last_port;
    *out = &n->sock;
    return 0;
}
