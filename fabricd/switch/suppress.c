/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Suppression of ARP and neighbour discovery: a request for an address that control has told of goes to
 * the port of the MAC that has it, and to no other. The owner answers itself, so nothing stale is ever
 * said in its name; where the MAC is not known, the request goes to all.
 */
#include <string.h>

#include "fabricd/switch/switch_internal.h"
#include "proto/wire/bytes.h"
#include "proto/wire/mac.h"

#define ARP_SIZE    42u /* With the Ethernet header. */
#define ARP_REQUEST 1u
#define ND_SIZE     78u /* A solicitation without options. */
#define ICMP6_OFS   54u
#define ND_SOLICIT  135u

static const uint8_t *asked_by_arp(const struct switch_ *sw, const uint8_t *data,
                                   uint16_t vid)
{
    static const uint8_t ethernet_ip4[6] = {0, 1, 8, 0, 6, 4};
    const uint8_t *sender = data + 28, *target = data + 38;

    if (memcmp(data + 14, ethernet_ip4, sizeof ethernet_ip4) != 0 ||
        load_be16(data + 20) != ARP_REQUEST || memcmp(sender, target, 4) == 0)
        return NULL;
    return neighbors_find(sw->neighbors, vid, 4, target);
}

static const uint8_t *asked_by_nd(const struct switch_ *sw, const uint8_t *data,
                                  uint16_t vid)
{
    if (data[20] != PACKET_PROTO_ICMP6 || data[ICMP6_OFS] != ND_SOLICIT)
        return NULL;
    return neighbors_find(sw->neighbors, vid, 6, data + ICMP6_OFS + 8);
}

const uint8_t *suppress_target(const struct switch_ *sw, const struct frame *f,
                               uint16_t vid)
{
    unsigned type = load_be16(f->data + 12);

    if (type == PACKET_TYPE_ARP && f->size >= ARP_SIZE)
        return asked_by_arp(sw, f->data, vid);
    if (type == PACKET_TYPE_IP6 && f->size >= ND_SIZE)
        return asked_by_nd(sw, f->data, vid);
    return NULL;
}

void suppress_count(struct burst *b, const struct frame *f)
{
    unsigned ip = load_be16(f->data + 12) == PACKET_TYPE_IP6 ? SWPORT_IP6 : SWPORT_IP4;

    b->in->counters.heard[ip].suppressed++;
    b->sw->heard[ip].suppressed++;
}

void switch_put_neighbor(struct switch_ *sw, const uint8_t mac[MAC_SIZE], uint16_t vlan,
                         const struct neighbor_addr *addrs, unsigned n)
{
    neighbors_put(sw->neighbors, mac, vlan, addrs, n);
}

void switch_remove_neighbor(struct switch_ *sw, const uint8_t mac[MAC_SIZE])
{
    neighbors_remove(sw->neighbors, mac);
}
