/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The stack's side of NETLINK_ROUTE: links, addresses and routes, as rtnetlink(7) has them. nl.c is the
 * socket, nl_link.c and nl_addr.c answer.
 */
#ifndef LIBIOTH_SOCKETS_NL_H
#define LIBIOTH_SOCKETS_NL_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>

struct nl_reply;

/* Begins a message of a reply: `type`, `body_size` bytes of family header, zeroed. NULL: no memory. With
 * libmnl's mnl_attr_put_check() up to NL_ROOM in all. */
#define NL_ROOM 1024u
struct nlmsghdr *nl_reply_begin(struct nl_reply *, unsigned type, size_t body_size,
                                void **body);
void nl_reply_end(struct nl_reply *, struct nlmsghdr *);

/* Requests, whose size has been checked to hold `body_size` bytes behind their header. Each returns 0,
 * a negative errno, or a positive number that is put into the acknowledgement. */
int nl_get_link(const struct nlmsghdr *, struct nl_reply *);
int nl_new_link(const struct nlmsghdr *);
int nl_del_link(const struct nlmsghdr *);
int nl_get_addr(const struct nlmsghdr *, struct nl_reply *);
int nl_change_addr(const struct nlmsghdr *);
int nl_get_route(const struct nlmsghdr *, struct nl_reply *);
int nl_change_route(const struct nlmsghdr *);

/* Attributes of a message by type; those above `max` are skipped. -EINVAL if they are malformed. */
struct nlattr;
int nl_attrs(const struct nlmsghdr *, size_t body_size, const struct nlattr **out,
             unsigned max) __attribute__((warn_unused_result));

/* The payload of an attribute that must be `size` bytes long; NULL if it is not there, or not so. */
const void *nl_attr_bytes(const struct nlattr *, size_t size);

#endif
