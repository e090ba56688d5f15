/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The interfaces of a stack: lwIP's netifs with a name, plugged in by a port. Frames are copied out of a
 * port before lwIP reads them; only the payload of TCP segments that are taken at once is left in
 * place, and copied straight to where it is wanted.
 *
 * All functions are called by whoever holds the stack's lock.
 */
#ifndef LIBIOTH_STACK_IFACE_H
#define LIBIOTH_STACK_IFACE_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include <lwip/netif.h>
#include <lwip/pbuf.h>

#include "libioth/port/port.h"
#include "proto/base/list.h"

#define IFACE_MAX 64u /* Of one stack. */

#define IFACE_ALIASES 16u /* IPv4 addresses of an interface besides the first. */

/* One of them, which lwIP knows as an interface of its own: with the same MAC, behind the same port. */
struct iface_alias {
    struct netif netif;
};

struct iface {
    struct netif netif;
    struct iface_alias *aliases[IFACE_ALIASES]; /* NULL: none. */
    struct list link;
    struct port *port; /* Owned. NULL: lo. */
    char name[IF_NAMESIZE];
    bool mending;      /* drive.c tries to plug it in again: it must not go. */
    bool stalled;      /* A frame was refused; TCP tries again when there is room. */
    bool room_awaited; /* drive.c's: who sleeps is woken when there is. */
    uint64_t rx_frames, rx_bytes, rx_dropped;
    uint64_t tx_frames, tx_bytes, tx_dropped;
};

/* Who sees every frame: packet sockets. */
struct iface_tap {
    /* A frame has come; p is what is behind its header, of which eth is a copy. */
    void (*came)(struct iface *, const uint8_t eth[14], const struct pbuf *p);
    /* A whole frame has been sent. */
    void (*sent)(struct iface *, const struct pbuf *p);
};
extern struct iface_tap iface_tap; /* NULL in it: nobody. */

/* After lwip_init(): the list begins with lo, which is up. */
void iface_init(void);

/* Before the copy is unloaded, when all others have been removed: what lo has of the heap. */
void iface_done(void);

/* Adds an interface, takes ownership of the port, brings its link up, gives it the addresses that the
 * fabric gave, and an IPv6 link-local address; an interface without addresses is down until somebody
 * sets it up. A name of "" makes one up: vde0, vde1, … Returns 0, -EEXIST, -ENOSPC or -ENOMEM; the
 * port is then still the caller's. */
int iface_add(const char *name, struct port *port, struct iface **out)
    __attribute__((warn_unused_result));

/* Removes one, its addresses and routes with it. Not lo (-EPERM), nor one that is being plugged in again
 * just now (-EBUSY). */
int iface_remove(struct iface *) __attribute__((warn_unused_result));

/* A further IPv4 address. 0, -EEXIST, -ENOSPC or -ENOMEM; and away with it: 0 or -EADDRNOTAVAIL. */
int iface_alias_add(struct iface *, const ip4_addr_t *ip, const ip4_addr_t *mask)
    __attribute__((warn_unused_result));
int iface_alias_remove(struct iface *, const ip4_addr_t *ip)
    __attribute__((warn_unused_result));

/* Whether it is up, its MAC or its MTU has changed. */
void iface_changed(struct iface *);

/* Tells the network again where its addresses are. */
void iface_announce(struct iface *);

struct iface *iface_lo(void);

/* By lwIP's index (from 1), or by name; NULL. */
struct iface *iface_by_index(unsigned index);
struct iface *iface_by_name(const char *name);
unsigned iface_index(const struct iface *);

/* lwIP's own of an interface: lo's is not ours. */
struct netif *iface_netif(struct iface *);

/* Where bytes are best put that are to leave by lwIP's interface; NULL: anywhere. */
struct pool *iface_pool(const struct netif *);

/* All of them, lo first. */
struct list *iface_list(void);

/* Takes what has come by all ports, one burst each, and what waits in lo. Returns how many frames; *used if one
 * of them was of lwIP's protocols, and not only the bridges' own. */
unsigned iface_poll(bool *used);

/* Shows the ports what was sent, and lets TCP go on where a port has room again. Returns true if
 * one had. */
bool iface_flush(void);

/* Sends a whole frame as it is: packet sockets. 0, -ENOBUFS, -ENETDOWN, -EMSGSIZE. */
int iface_send_raw(struct iface *, struct pbuf *p) __attribute__((warn_unused_result));

#endif
