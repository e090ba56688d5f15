/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Configuring the interfaces of the network namespace that the process is in, over rtnetlink. */
#ifndef LIBIOTH_NETNS_NETCFG_H
#define LIBIOTH_NETNS_NETCFG_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/err.h"

#define NETCFG_MAX_ADDRS 8

struct netcfg_addr {
    uint8_t family; /* 4 or 6; 0 = none */
    uint8_t prefix;
    uint8_t addr[16];
};

struct netcfg {
    char ifname[16];
    bool has_mac;
    uint8_t mac[6];
    uint32_t mtu; /* 0 = as it is. */
    bool down;    /* MAC and MTU only: the rest is somebody else's affair. */
    unsigned n_addrs;
    struct netcfg_addr addrs[NETCFG_MAX_ADDRS];
    /* Where a default route goes; family 0 = none. */
    struct netcfg_addr gateway4, gateway6;
};

/*
 * Sets MAC and MTU, brings the interface up, adds the addresses, with a MAC also the link-local
 * one made of it (usable at once: no duplicate detection, the fabric has chosen them), and the
 * routes. What is there already is no error, so
 * it may be repeated. Returns 0 or -errno with `err` recorded.
 */
int netns_configure(const struct netcfg *, struct err *err)
    __attribute__((warn_unused_result));

/* Removes the address; one that is not there is no error. */
int netns_address_remove(const char *ifname, const struct netcfg_addr *, struct err *err)
    __attribute__((warn_unused_result));

/* Brings an interface up. */
int netns_link_up(const char *ifname, struct err *err) __attribute__((warn_unused_result));

#endif
