/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/sockets/kinds.h"

#include <errno.h>
#include <linux/netlink.h>
#include <netinet/in.h>

static int inet_new(int domain, int type, int protocol, struct sock **out)
{
    switch (type) {
    case SOCK_STREAM:
        return protocol == 0 || protocol == IPPROTO_TCP ? tcp_sock_new(domain, out)
                                                        : -EPROTONOSUPPORT;
    case SOCK_DGRAM:
        return protocol == 0 || protocol == IPPROTO_UDP ? udp_sock_new(domain, out)
                                                        : -EPROTONOSUPPORT;
    case SOCK_RAW:
        return protocol > 0 && protocol < 256 ? raw_sock_new(domain, protocol, out)
                                              : -EPROTONOSUPPORT;
    default:
        return -ESOCKTNOSUPPORT;
    }
}

int kind_new(int domain, int type, int protocol, struct sock **out)
{
    switch (domain) {
    case AF_INET:
    case AF_INET6:
        return inet_new(domain, type, protocol, out);
    case AF_PACKET:
        return type == SOCK_RAW || type == SOCK_DGRAM ? packet_sock_new(type, protocol, out)
                                                      : -ESOCKTNOSUPPORT;
    case AF_NETLINK:
        return protocol == NETLINK_ROUTE ? nl_sock_new(type, protocol, out)
                                         : -EPROTONOSUPPORT;
    default:
        return -EAFNOSUPPORT;
    }
}
