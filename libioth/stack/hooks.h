/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where lwIP asks us: routes other than those of an interface's own subnet (route.c), the MTU of a path (pmtu.c), and
 * the first sequence number of a connection [RFC 6528].
 */
#ifndef LIBIOTH_STACK_HOOKS_H
#define LIBIOTH_STACK_HOOKS_H

#include <stdbool.h>

#include <lwip/arch.h>
#include <lwip/ip_addr.h>

struct netif;

struct netif *route_ip4(const ip4_addr_t *dst);
struct netif *route_own4(const ip4_addr_t *dst);
const ip4_addr_t *route_gateway4(struct netif *, const ip4_addr_t *dst);
struct netif *route_ip6(const ip6_addr_t *src, const ip6_addr_t *dst);
const ip6_addr_t *route_gateway6(struct netif *, const ip6_addr_t *dst);
u32_t lwip_isn(const ip_addr_t *local_ip, u16_t local_port, const ip_addr_t *remote_ip,
               u16_t remote_port);

/* pmtu.c */
u16_t pmtu_ip4(const struct netif *, const ip4_addr_t *dest);
u16_t pmtu_ip6(const struct netif *, const ip6_addr_t *dest);
bool pmtu_is_whole(u8_t proto, const ip4_addr_t *dest);

#define LWIP_HOOK_IP4_MTU(netif, dest)            pmtu_ip4(netif, dest)
#define LWIP_HOOK_IP6_MTU(netif, dest)            pmtu_ip6(netif, dest)
#define LWIP_HOOK_IP4_DF(proto, dest)             pmtu_is_whole(proto, dest)
#define LWIP_HOOK_ETHARP_GET_GW(netif, dst)       route_gateway4(netif, dst)
#define LWIP_HOOK_IP6_ROUTE(src, dst)             route_ip6(src, dst)
#define LWIP_HOOK_ND6_GET_GW(netif, dst)          route_gateway6(netif, dst)
#define LWIP_HOOK_TCP_ISN(lip, lport, rip, rport) lwip_isn(lip, lport, rip, rport)

#endif
