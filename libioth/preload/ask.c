/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* DNS, of the launcher's answerer, as over TCP. Messages are read by the C library's own parser. */
#include <arpa/nameser.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "libioth/preload/preload.h"

#define MESSAGE_MAX  4096
#define PATIENCE_SEC 6 /* The answerer waits four for the daemon. */

static int open_door(void)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int n = snprintf(un.sun_path + 1, sizeof un.sun_path - 1, "%s.names", node_door());
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1U + (size_t)n);
    const struct timeval patience = {.tv_sec = PATIENCE_SEC};
    int fd;

    if (!*node_door())
        return -1;
    fd = libc()->socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    (void)libc()->setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (libc()->connect(fd, (const struct sockaddr *)&un, size) < 0) {
        libc()->close(fd);
        return -1;
    }
    return fd;
}

static bool receive(int fd, unsigned char *out, size_t size)
{
    size_t have = 0;

    while (have < size) {
        ssize_t n = libc()->recv(fd, out + have, size - have, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        have += (size_t)n;
    }
    return true;
}

/* Sends a query and receives its reply; returns its size, 0 if there is none. */
static size_t talk(const unsigned char *query, size_t size, unsigned char out[MESSAGE_MAX])
{
    unsigned char framed[2 + MESSAGE_MAX];
    int fd = open_door();
    size_t got = 0;

    if (fd < 0)
        return 0;
    framed[0] = (unsigned char)(size >> 8);
    framed[1] = (unsigned char)size;
    memcpy(framed + 2, query, size);
    if (libc()->send(fd, framed, size + 2, MSG_NOSIGNAL) == (ssize_t)(size + 2) &&
        receive(fd, framed, 2)) {
        got = (size_t)framed[0] << 8 | framed[1];
        if (got > MESSAGE_MAX || !receive(fd, out, got))
            got = 0;
    }
    libc()->close(fd);
    return got;
}

static bool take(ns_msg *msg, const ns_rr *rr, int type, struct asked *out)
{
    unsigned size = type == ns_t_a ? 4 : 16;

    if ((int)ns_rr_type(*rr) != type)
        return false;
    if (type == ns_t_ptr)
        return dn_expand(ns_msg_base(*msg), ns_msg_end(*msg), ns_rr_rdata(*rr),
                         out->of[out->n].name, ASK_NAME_SIZE) >= 0;
    if (ns_rr_rdlen(*rr) != size)
        return false;
    memcpy(out->of[out->n].addr, ns_rr_rdata(*rr), size);
    return true;
}

int ask(const char *name, int type, struct asked *out)
{
    unsigned char query[NS_PACKETSZ], reply[MESSAGE_MAX];
    int size = res_mkquery(ns_o_query, name, ns_c_in, type, NULL, 0, NULL, query,
                           (int)sizeof query);
    size_t got;
    ns_msg msg;

    memset(out, 0, sizeof *out);
    if (size <= 0)
        return -ENOENT; /* No name that DNS could have. */
    got = talk(query, (size_t)size, reply);
    if (!got || ns_initparse(reply, (int)got, &msg) < 0)
        return -EAGAIN;
    if (ns_msg_getflag(msg, ns_f_rcode) == ns_r_nxdomain)
        return -ENOENT;
    if (ns_msg_getflag(msg, ns_f_rcode) != ns_r_noerror)
        return -EAGAIN;
    for (int i = 0; i < ns_msg_count(msg, ns_s_an) && out->n < ASK_MAX; i++) {
        ns_rr rr;

        if (ns_parserr(&msg, ns_s_an, i, &rr) < 0)
            return -EAGAIN;
        out->n += take(&msg, &rr, type, out);
    }
    return 0;
}

int ask_reverse(int family, const void *addr, struct asked *out)
{
    const unsigned char *a = addr;
    char name[80];

    if (family == AF_INET) {
        (void)snprintf(name, sizeof name, "%u.%u.%u.%u.in-addr.arpa", a[3], a[2], a[1],
                       a[0]);
    } else {
        size_t at = 0;

        for (int i = 15; i >= 0; i--)
            at += (size_t)snprintf(name + at, sizeof name - at, "%x.%x.", a[i] & 15U,
                                   (unsigned)a[i] >> 4);
        (void)snprintf(name + at, sizeof name - at, "ip6.arpa");
    }
    return ask(name, ns_t_ptr, out);
}
