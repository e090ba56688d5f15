/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Socket filters: programs of the classic BPF that say of each packet whether, and how much of it, a socket gets
 * (SO_ATTACH_FILTER). Of Linux's extensions it has the protocol, the packet's type and the interface's index.
 * Pure; a program is checked once, and then ends and stays in its bounds whatever the packet.
 */
#ifndef LIBIOTH_SOCKETS_FILTER_H
#define LIBIOTH_SOCKETS_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct filter {
    struct sock_filter *program; /* NULL: everything passes. */
    unsigned len;
    bool locked; /* SO_LOCK_FILTER: neither another nor none. */
};

/* What a packet is, beyond its bytes. */
struct filter_about {
    uint16_t ethertype;
    uint8_t pkttype;
    unsigned if_index;
};

/* SO_ATTACH_FILTER, SO_DETACH_FILTER, SO_LOCK_FILTER. Returns 0; -EINVAL: no good program; -ENOENT: none
 * to be detached; -EPERM: locked; -ENOMEM; -ENOPROTOOPT: another option. */
int filter_setopt(struct filter *, int name, const void *value, socklen_t size);
void filter_done(struct filter *);

/* How many bytes of a packet the socket gets; 0: it gets nothing. */
size_t filter_run(const struct filter *, const uint8_t *data, size_t size,
                  const struct filter_about *);

#endif
