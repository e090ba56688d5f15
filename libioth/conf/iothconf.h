/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Configuring a stack with one string, by hand, by DHCP, DHCPv6 and what routers advertise. The source
 * interface is that of VirtualSquare's iothconf; what is beyond it is marked so. Link with -lioth.
 *
 * The string is a list of options separated by commas (a value with commas in it: in quotes, or in
 * brackets as in a VNL):
 *
 *   iface=NAME, ifindex=N   the interface; vde0 if none is named
 *   eth                     set it up, with mac=M (macaddr=M) or, with fqdn, the MAC of that name
 *   fqdn=NAME               the node's name: told to DHCP servers, and made addresses of by eth and slaac
 *   dhcp (dhcp4, dhcpv4)    an IPv4 address by DHCP
 *   dhcp6 (dhcpv6)          an IPv6 address by DHCPv6; where there is none, name servers only
 *   rd (rd6)                IPv6 routers, and their name servers
 *   slaac                   with rd: addresses out of the prefixes that routers advertise
 *   auto                    eth, dhcp, dhcp6, rd;  auto4 (autov4): eth, dhcp;  auto6 (autov6): eth, dhcp6, rd
 *   ip=A[/LEN]              an address (of /24 or /64 if nothing is said); may be repeated, as those below
 *   gw=A, dns=A, domain=D   a default router, a name server, a domain to search
 *   debug                   print what is configured, to the standard error output
 *
 * and the same with '-' in front to undo it: -eth, -dhcp, -dhcp6, -rd, -auto (-all), -auto4, -auto6, -static,
 * -ip=A/LEN, -gw=A, -dns=A, -domain=D.
 *
 * DHCP, DHCPv6 and router discovery stay on: leases are renewed, a network that answers late is still
 * heard, and what ends is removed, by a thread of the library that sleeps until there is something to do.
 * ioth_delstack() ends it and gives leases back.
 */
#ifndef IOTHCONF_H
#define IOTHCONF_H

#include <ioth.h>

#ifdef __cplusplus
extern "C" {
#endif

#define IOTHCONF_STATIC (1 << 0)
#define IOTHCONF_ETH    (1 << 1)
#define IOTHCONF_DHCP   (1 << 2)
#define IOTHCONF_DHCPV6 (1 << 3)
#define IOTHCONF_RD     (1 << 4)

/*
 * Configures `stack` (NULL: the default one). Waits until each method that was asked for has an answer, or
 * has asked in vain for some seconds (8 for DHCP, 4 for routers; DHCPv6 one second longer than a router that
 * says there is none). Returns the methods that have one, as bits; what was asked in vain goes on in the
 * background. -1 with errno: EINVAL (an option; ioth_error() names it), ENODEV (the interface), or
 * why an address or route could not be set.
 */
IOTH_API int ioth_config(struct ioth *stack, const char *config);

/*
 * The name servers and domains of an interface (`config` is NULL or has iface=, ifindex=) as a resolv.conf(5),
 * to be freed. NULL with errno 0: nothing has changed since the last call; else why.
 */
IOTH_API char *ioth_resolvconf(struct ioth *stack, const char *config);

/* Makes a stack with stack=KIND and vnl=VNL (neither: the host's; no vnl: no interface) and configures it
 * with the rest. NULL with errno as ioth_newstack() and ioth_config(). */
IOTH_API struct ioth *ioth_newstackc(const char *stack_config);

/*
 * A descriptor that becomes readable when addresses, routers or name servers of the stack have changed:
 * reading 8 bytes of it (read(2)) makes it silent again. It is the stack's, and closed with it. -1: the stack was never
 * configured (ENOENT). Beyond VirtualSquare's.
 */
IOTH_API int ioth_config_fd(struct ioth *stack);

/* The name servers and domains of all interfaces of a stack as a resolv.conf(5), to be freed, whether they have
 * changed or not; NULL: it was never configured. Beyond VirtualSquare's. */
IOTH_API char *ioth_config_names(struct ioth *stack);

#ifdef __cplusplus
}
#endif

#endif
