/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames by which a station tells its neighbours that an address is at its MAC. */
#ifndef PROTO_WIRE_ANNOUNCE_H
#define PROTO_WIRE_ANNOUNCE_H

#include <stdint.h>

#include "proto/wire/mac.h"

#define ANNOUNCE_ARP_SIZE 60u /* With padding. */
#define ANNOUNCE_NA_SIZE  86u

/* A gratuitous ARP request [RFC 5227 2.3]. */
void announce_arp(uint8_t out[ANNOUNCE_ARP_SIZE], const uint8_t mac[MAC_SIZE],
                  const uint8_t addr[4]);

/* An unsolicited neighbour advertisement to all nodes, with override [RFC 4861 7.2.6]. */
void announce_na(uint8_t out[ANNOUNCE_NA_SIZE], const uint8_t mac[MAC_SIZE],
                 const uint8_t addr[16]);

#endif
