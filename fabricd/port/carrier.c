/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/port/carrier.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "proto/base/fd.h"

#define READS 64u /* Messages in one turn. */

struct carrier {
    struct loop *loop;
    struct loop_watch watch;
    struct list looks;
};

/* What a message of the kernel says of an interface. */
struct heard {
    int index;
    char name[IFNAMSIZ];
    bool up;
};

static void tell(struct carrier *c, const struct heard *h)
{
    list_for_each (it, &c->looks) {
        struct carrier_look *look = list_entry(it, struct carrier_look, link);

        if (look->index ? look->index == h->index
                        : h->name[0] && strcmp(look->name, h->name) == 0)
            look->told(look, h->up);
    }
}

static void read_name(const char *data, size_t size, char name[IFNAMSIZ])
{
    struct rtattr attr;

    for (size_t at = 0; at + sizeof attr <= size; at += RTA_ALIGN(attr.rta_len)) {
        memcpy(&attr, data + at, sizeof attr);
        if (attr.rta_len < sizeof attr || attr.rta_len > size - at)
            return;
        if (attr.rta_type != IFLA_IFNAME)
            continue;
        size = attr.rta_len - sizeof attr;
        memcpy(name, data + at + sizeof attr, size < IFNAMSIZ ? size : IFNAMSIZ - 1);
        return;
    }
}

static void read_messages(struct carrier *c, const char *data, size_t size)
{
    struct nlmsghdr head;

    for (size_t at = 0; at + sizeof head <= size; at += NLMSG_ALIGN(head.nlmsg_len)) {
        const size_t start = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct ifinfomsg));
        struct heard h = {.index = 0};
        struct ifinfomsg info;

        memcpy(&head, data + at, sizeof head);
        if (head.nlmsg_len < sizeof head || head.nlmsg_len > size - at)
            return;
        if (head.nlmsg_type != RTM_NEWLINK || head.nlmsg_len < start)
            continue;
        memcpy(&info, data + at + NLMSG_HDRLEN, sizeof info);
        h.index = info.ifi_index;
        h.up = info.ifi_flags & IFF_UP && info.ifi_flags & IFF_RUNNING;
        read_name(data + at + start, head.nlmsg_len - start, h.name);
        tell(c, &h);
    }
}

/* The kernel answers before this returns. */
static void ask(const struct carrier *c, int index)
{
    struct {
        struct nlmsghdr head;
        struct ifinfomsg info;
    } request = {.head = {.nlmsg_len = sizeof request,
                          .nlmsg_type = RTM_GETLINK,
                          .nlmsg_flags = NLM_F_REQUEST},
                 .info = {.ifi_family = AF_UNSPEC, .ifi_index = index}};
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

    (void)sendto(c->watch.fd, &request, sizeof request, MSG_DONTWAIT,
                 (struct sockaddr *)&kernel, sizeof kernel);
}

/* Messages were lost: all may have changed. */
static void look_again(struct carrier *c)
{
    list_for_each (it, &c->looks) {
        struct carrier_look *look = list_entry(it, struct carrier_look, link);

        if (look->index)
            ask(c, look->index);
        else
            look->told(look, true); /* It looks for itself. */
    }
}

static void receive(struct carrier *c)
{
    char data[16384];
    bool lost = false;

    for (unsigned i = 0; i < READS; i++) {
        struct sockaddr_nl from = {.nl_pid = 1};
        socklen_t size = sizeof from;
        ssize_t n = recvfrom(c->watch.fd, data, sizeof data, MSG_DONTWAIT,
                             (struct sockaddr *)&from, &size);

        if (n < 0 && errno == ENOBUFS && !lost) {
            lost = true;
            look_again(c);
        } else if (n <= 0) {
            return;
        } else if (from.nl_pid == 0) {
            read_messages(c, data, (size_t)n);
        }
    }
}

static void ready(struct loop_watch *w, uint32_t events)
{
    (void)events;
    receive(list_entry(w, struct carrier, watch));
}

struct carrier *carrier_new(struct loop *loop, int fd)
{
    struct carrier *c = calloc(1, sizeof *c);

    if (c) {
        c->loop = loop;
        c->watch.ready = ready;
        list_init(&c->looks);
    }
    if (!c || loop_add(loop, &c->watch, fd, EPOLLIN) < 0) {
        free(c);
        fd_close(&fd);
        return NULL;
    }
    return c;
}

void carrier_free(struct carrier *c)
{
    int fd;

    if (!c)
        return;
    fd = c->watch.fd;
    loop_remove(c->loop, &c->watch);
    fd_close(&fd);
    free(c);
}

void carrier_add(struct carrier *c, struct carrier_look *look)
{
    list_init(&look->link);
    if (!c)
        return;
    list_append(&c->looks, &look->link);
    if (!look->index)
        return;
    ask(c, look->index);
    receive(c);
}

void carrier_remove(struct carrier_look *look)
{
    if (look->told)
        list_remove(&look->link);
}
