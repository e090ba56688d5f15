/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/sockets/addr.h"

#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include <lwip/ip6_addr.h>
#include <lwip/netif.h>

#include "libioth/stack/iface.h"

/* The interface of a link-local address: the one of its scope, or the only one there is. */
static int set_zone(ip6_addr_t *ip, uint32_t scope)
{
    struct iface *only = NULL, *i;

    ip6_addr_clear_zone(ip);
    if (!ip6_addr_has_scope(ip, IP6_UNKNOWN))
        return 0;
    if (scope) {
        i = iface_by_index(scope);
        if (!i)
            return -ENODEV;
        ip6_addr_assign_zone(ip, IP6_UNKNOWN, iface_netif(i));
        return 0;
    }
    list_for_each (it, iface_list()) {
        i = list_entry(it, struct iface, link);
        if (!i->port)
            continue;
        if (only)
            return ip6_addr_ismulticast(ip) ? 0 : -ENODEV;
        only = i;
    }
    if (only)
        ip6_addr_assign_zone(ip, IP6_UNKNOWN, iface_netif(only));
    return 0;
}

static int get6(bool only_v6, const struct sockaddr *sa, socklen_t size, ip_addr_t *ip,
                u16_t *port)
{
    struct sockaddr_in6 in6;

    if (size < offsetof(struct sockaddr_in6, sin6_scope_id))
        return -EINVAL;
    memset(&in6, 0, sizeof in6);
    memcpy(&in6, sa, size < sizeof in6 ? size : sizeof in6);
    *port = ntohs(in6.sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
        if (only_v6)
            return -ENETUNREACH;
        IP_SET_TYPE(ip, IPADDR_TYPE_V4);
        memcpy(&ip_2_ip4(ip)->addr, &in6.sin6_addr.s6_addr[12], 4);
        return 0;
    }
    IP_SET_TYPE(ip, IPADDR_TYPE_V6);
    memcpy(ip_2_ip6(ip)->addr, &in6.sin6_addr, 16);
    return set_zone(ip_2_ip6(ip), in6.sin6_scope_id);
}

int addr_get(int domain, bool only_v6, const struct sockaddr *sa, socklen_t size,
             ip_addr_t *ip, u16_t *port)
{
    struct sockaddr_in in;

    if (!sa || size < sizeof sa->sa_family)
        return -EINVAL;
    if (sa->sa_family != domain)
        return -EAFNOSUPPORT;
    memset(ip, 0, sizeof *ip);
    if (domain == AF_INET6)
        return get6(only_v6, sa, size, ip, port);
    if (size < sizeof in)
        return -EINVAL;
    memcpy(&in, sa, sizeof in);
    IP_SET_TYPE(ip, IPADDR_TYPE_V4);
    ip_2_ip4(ip)->addr = in.sin_addr.s_addr;
    *port = ntohs(in.sin_port);
    return 0;
}

static void put(struct sockaddr *sa, socklen_t *size, const void *from, socklen_t from_size)
{
    memcpy(sa, from, *size < from_size ? *size : from_size);
    *size = from_size;
}

void addr_put(int domain, const ip_addr_t *ip, u16_t port, struct sockaddr *sa,
              socklen_t *size)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

    if (domain == AF_INET) {
        in.sin_addr.s_addr = IP_IS_V4(ip) ? ip_2_ip4(ip)->addr : 0;
        put(sa, size, &in, sizeof in);
        return;
    }
    if (IP_IS_V4(ip)) {
        in6.sin6_addr.s6_addr[10] = in6.sin6_addr.s6_addr[11] = 0xff;
        memcpy(&in6.sin6_addr.s6_addr[12], &ip_2_ip4(ip)->addr, 4);
    } else if (IP_IS_V6_VAL(*ip)) {
        memcpy(&in6.sin6_addr, ip_2_ip6(ip)->addr, 16);
        if (ip6_addr_has_zone(ip_2_ip6(ip)))
            in6.sin6_scope_id = ip6_addr_zone(ip_2_ip6(ip));
    }
    put(sa, size, &in6, sizeof in6);
}

int addr_error(err_t e)
{
    switch (e) {
    case ERR_OK:
        return 0;
    case ERR_MEM:
    case ERR_BUF:
        return -ENOBUFS;
    case ERR_TIMEOUT:
    case ERR_ABRT:
        return -ETIMEDOUT;
    case ERR_RTE:
        return -ENETUNREACH;
    case ERR_VAL:
    case ERR_ARG:
        return -EINVAL;
    case ERR_USE:
        return -EADDRINUSE;
    case ERR_ALREADY:
        return -EALREADY;
    case ERR_ISCONN:
        return -EISCONN;
    case ERR_CONN:
    case ERR_CLSD:
        return -ENOTCONN;
    case ERR_RST:
        return -ECONNRESET;
    case ERR_WOULDBLOCK:
    case ERR_INPROGRESS:
        return -EAGAIN;
    default:
        return -EIO;
    }
}
