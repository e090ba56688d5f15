/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An interface of a stack that is being configured: the engines of its methods with their sockets, what each
 * says, and what has been set accordingly. A `struct conf` has those of one stack; its lock is held in all
 * of these calls.
 */
#ifndef LIBIOTH_CONF_NIC_H
#define LIBIOTH_CONF_NIC_H

#include <poll.h>
#include <pthread.h>

#include "libioth/api/stack.h"
#include "libioth/conf/dhcp4.h"
#include "libioth/conf/dhcp6.h"
#include "libioth/conf/options.h"
#include "libioth/conf/rd.h"
#include "proto/base/list.h"

enum source { SOURCE_STATIC, SOURCE_DHCP4, SOURCE_DHCP6, SOURCE_RD, N_SOURCES };

#define NIC_FDS 4u

struct conf {
    struct ioth *stack;
    struct list nics;
    int event; /* ioth_config_fd() */
};

struct nic {
    struct list link;
    struct conf *conf;
    unsigned ifindex;
    char name[16]; /* For the scope of addresses in a resolv.conf. */

    struct conf_set sets[N_SOURCES];
    int errors[N_SOURCES];           /* -errno, if what it says could not be set. */
    struct conf_addr route4, route6; /* The default routes that were set; family 0: none. */
    bool names_changed;

    struct dhcp4 dhcp4;
    struct dhcp6 dhcp6;
    struct rd rd;
    bool on[N_SOURCES];
    /* Sockets of the stack, -1 while they are not needed: all IPv4 of the link, port 68, port 546,
     * ICMPv6. */
    int packet4, udp4, udp6, raw6;
    uint8_t server_mac[6]; /* Of who gave the lease, or of the way there. */
};

struct nic *nic_new(struct conf *, unsigned ifindex, const char *name);
/* Gives leases back, closes the sockets; what was set stays. */
void nic_free(struct nic *);

/* Sets it up or down; with a MAC first. Returns 0 or -errno. */
int nic_set_link(struct nic *, const struct options *) __attribute__((warn_unused_result));
int nic_set_down(struct nic *) __attribute__((warn_unused_result));

/* A source says this now: sets addresses and routes. Returns 0 or -errno of the first that failed. */
int nic_apply(struct nic *, enum source, const struct conf_set *);

/* Begins a method with what the options say of it; a method that has an answer under the same name goes on. */
void nic_start(struct nic *, enum source, const struct options *, mtime_t now);
/* Ends it, and takes away what came of it. */
void nic_stop(struct nic *, enum source);
/* Has it an answer, which could be set? */
bool nic_done(const struct nic *, enum source);

/* The text of a resolv.conf(5), to be freed; NULL: out of memory. */
char *nic_resolvconf(const struct nic *);

/* For the loop: what to wait for, and what to do then. */
unsigned nic_fds(const struct nic *, struct pollfd fds[NIC_FDS]);
mtime_t nic_deadline(const struct nic *);
void nic_serve(struct nic *, mtime_t now);

#endif
