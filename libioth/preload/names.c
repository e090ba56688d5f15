/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * getaddrinfo() and getnameinfo(): the fabric's names, as the C library has them of the answerer in a
 * node with namespaces. Its own would ask the host's resolver. What is returned is made as the C library
 * makes it (RFC 3493), so that its freeaddrinfo() frees it.
 */
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "libioth/preload/preload.h"

#define FOUND_MAX (2 * ASK_MAX)

union sockaddr_any {
    struct sockaddr sa;
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
};

struct found {
    unsigned n;
    union sockaddr_any of[FOUND_MAX];
    char canonical[ASK_NAME_SIZE];
};

/* --- services ------------------------------------------------------------------------------------- */

static const struct {
    int type, protocol;
    const char *name;
} kinds[] = {
    {SOCK_STREAM, IPPROTO_TCP, "tcp"},
    {SOCK_DGRAM, IPPROTO_UDP, "udp"},
    {SOCK_RAW, 0, NULL},
};
#define KINDS (sizeof kinds / sizeof *kinds)

static bool wanted(unsigned kind, const struct addrinfo *hints)
{
    if (hints->ai_socktype && hints->ai_socktype != kinds[kind].type)
        return false;
    return !hints->ai_protocol || !kinds[kind].protocol ||
           hints->ai_protocol == kinds[kind].protocol;
}

/* The port of a service, in network order, -1 if that kind has none of the name. */
static int port_of(const char *service, const char *protocol, int flags)
{
    struct servent entry, *got = NULL;
    char texts[1024], *end;
    unsigned long port;

    if (!service || !*service)
        return service ? -1 : 0;
    port = strtoul(service, &end, 10);
    if (!*end)
        return port <= 65535 ? htons((uint16_t)port) : -1;
    if (flags & AI_NUMERICSERV || !protocol)
        return -1;
    if (getservbyname_r(service, protocol, &entry, texts, sizeof texts, &got) != 0 || !got)
        return -1;
    return got->s_port;
}

/* --- addresses ------------------------------------------------------------------------------------- */

static void put(struct found *f, int family, const void *addr, unsigned scope)
{
    union sockaddr_any *a;

    if (f->n == FOUND_MAX)
        return;
    a = &f->of[f->n++];
    memset(a, 0, sizeof *a);
    a->sa.sa_family = (sa_family_t)family;
    if (family == AF_INET) {
        memcpy(&a->in4.sin_addr, addr, 4);
    } else {
        memcpy(&a->in6.sin6_addr, addr, 16);
        a->in6.sin6_scope_id = scope;
    }
}

static void put_mapped(struct found *f, const void *addr4)
{
    unsigned char mapped[16] = {[10] = 0xff, [11] = 0xff};

    memcpy(mapped + 12, addr4, 4);
    put(f, AF_INET6, mapped, 0);
}

static bool wants(const struct addrinfo *hints, int family)
{
    return hints->ai_family == AF_UNSPEC || hints->ai_family == family;
}

static void put_own(struct found *f, const struct addrinfo *hints)
{
    const struct in_addr loop4 = {htonl(INADDR_LOOPBACK)}, any4 = {htonl(INADDR_ANY)};

    if (hints->ai_flags & AI_PASSIVE && wants(hints, AF_INET))
        put(f, AF_INET, &any4, 0);
    if (wants(hints, AF_INET6))
        put(f, AF_INET6, hints->ai_flags & AI_PASSIVE ? &in6addr_any : &in6addr_loopback,
            0);
    if (!(hints->ai_flags & AI_PASSIVE) && wants(hints, AF_INET))
        put(f, AF_INET, &loop4, 0);
}

/* An address with a scope behind '%': an interface of the stack, or its number. */
static bool numeric6(const char *node, struct in6_addr *addr, unsigned *scope)
{
    char text[INET6_ADDRSTRLEN + 1], *end;
    size_t len = strcspn(node, "%");

    *scope = 0;
    if (len >= sizeof text)
        return false;
    memcpy(text, node, len);
    text[len] = 0;
    if (inet_pton(AF_INET6, text, addr) != 1)
        return false;
    if (!node[len])
        return true;
    *scope = if_nametoindex(node + len + 1);
    if (!*scope)
        *scope = (unsigned)strtoul(node + len + 1, &end, 10);
    return *scope > 0;
}

/* 1 if it is an address, 0 if not, or EAI_ADDRFAMILY. */
static int put_numeric(struct found *f, const char *node, const struct addrinfo *hints)
{
    struct in6_addr addr6;
    struct in_addr addr4;
    unsigned scope;

    if (inet_aton(node, &addr4)) {
        if (wants(hints, AF_INET))
            put(f, AF_INET, &addr4, 0);
        else if (hints->ai_flags & AI_V4MAPPED)
            put_mapped(f, &addr4);
        else
            return EAI_ADDRFAMILY;
        return 1;
    }
    if (!numeric6(node, &addr6, &scope))
        return 0;
    if (!wants(hints, AF_INET6))
        return EAI_ADDRFAMILY;
    put(f, AF_INET6, &addr6, scope);
    return 1;
}

/* Has the node an address of IPv6? Then that goes first, and else only what is asked for by name. */
static bool has_ipv6(void)
{
    const char *addrs = getenv("IOTH_ADDR");

    return addrs && strchr(addrs, ':');
}

static int put_asked(struct found *f, const char *node, const struct addrinfo *hints)
{
    bool ask6 = wants(hints, AF_INET6) && !(hints->ai_family == AF_UNSPEC && !has_ipv6() &&
                                            hints->ai_flags & AI_ADDRCONFIG);
    bool mapped = hints->ai_family == AF_INET6 && hints->ai_flags & AI_V4MAPPED;
    struct asked got6 = {.n = 0}, got4 = {.n = 0};
    int r6 = ask6 ? ask(node, ns_t_aaaa, &got6) : -ENOENT;
    int r4 = -ENOENT;

    if (wants(hints, AF_INET) || (mapped && (got6.n == 0 || hints->ai_flags & AI_ALL)))
        r4 = ask(node, ns_t_a, &got4);
    for (unsigned i = 0; i < got6.n && has_ipv6(); i++)
        put(f, AF_INET6, got6.of[i].addr, 0);
    for (unsigned i = 0; i < got4.n; i++) {
        if (mapped)
            put_mapped(f, got4.of[i].addr);
        else
            put(f, AF_INET, got4.of[i].addr, 0);
    }
    for (unsigned i = 0; i < got6.n && !has_ipv6(); i++)
        put(f, AF_INET6, got6.of[i].addr, 0);
    if (f->n)
        return 0;
    if (r4 == -EAGAIN || r6 == -EAGAIN)
        return EAI_AGAIN;
    return r4 == 0 || r6 == 0 ? EAI_NODATA : EAI_NONAME;
}

static int find(struct found *f, const char *node, const struct addrinfo *hints)
{
    int r;

    if (!node) {
        put_own(f, hints);
        return 0;
    }
    (void)snprintf(f->canonical, sizeof f->canonical, "%s", node);
    r = put_numeric(f, node, hints);
    if (r)
        return r == 1 ? 0 : r;
    if (hints->ai_flags & AI_NUMERICHOST)
        return EAI_NONAME;
    return put_asked(f, node, hints);
}

/* --- the answer ------------------------------------------------------------------------------------ */

/* One piece of memory each, as the C library's. */
static struct addrinfo *entry(const union sockaddr_any *addr, unsigned kind,
                              const struct addrinfo *hints, int port)
{
    struct addrinfo *ai = calloc(1, sizeof *ai + sizeof *addr);
    union sockaddr_any *a;

    if (!ai)
        return NULL;
    a = (union sockaddr_any *)(void *)(ai + 1);
    *a = *addr;
    ai->ai_flags = hints->ai_flags;
    ai->ai_family = addr->sa.sa_family;
    ai->ai_socktype = kinds[kind].type;
    ai->ai_protocol = kinds[kind].protocol ? kinds[kind].protocol : hints->ai_protocol;
    ai->ai_addr = &a->sa;
    if (ai->ai_family == AF_INET) {
        ai->ai_addrlen = sizeof a->in4;
        a->in4.sin_port = (in_port_t)port;
    } else {
        ai->ai_addrlen = sizeof a->in6;
        a->in6.sin6_port = (in_port_t)port;
    }
    return ai;
}

static int answer(const struct found *f, const int ports[KINDS],
                  const struct addrinfo *hints, struct addrinfo **out)
{
    struct addrinfo *first = NULL, **last = &first;

    for (unsigned i = 0; i < f->n; i++) {
        for (unsigned kind = 0; kind < KINDS; kind++) {
            if (ports[kind] < 0)
                continue;
            *last = entry(&f->of[i], kind, hints, ports[kind]);
            if (!*last) {
                if (first)
                    freeaddrinfo(first);
                return EAI_MEMORY;
            }
            last = &(*last)->ai_next;
        }
    }
    if (first && hints->ai_flags & AI_CANONNAME)
        first->ai_canonname = strdup(f->canonical);
    *out = first;
    return first ? 0 : EAI_NONAME;
}

EXPORT int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **out)
{
    static const struct addrinfo none = {.ai_flags = AI_V4MAPPED | AI_ADDRCONFIG};
    struct found found = {.n = 0};
    int ports[KINDS];
    unsigned n = 0, served = 0;
    int r;

    hints = hints ? hints : &none;
    if (!node && !service)
        return EAI_NONAME;
    if (hints->ai_family != AF_UNSPEC && hints->ai_family != AF_INET &&
        hints->ai_family != AF_INET6)
        return EAI_FAMILY;
    if (hints->ai_flags & AI_CANONNAME && !node)
        return EAI_BADFLAGS;
    for (unsigned kind = 0; kind < KINDS; kind++) {
        bool want = wanted(kind, hints);

        ports[kind] = want ? port_of(service, kinds[kind].name, hints->ai_flags) : -1;
        n += want;
        served += ports[kind] >= 0;
    }
    if (!n)
        return EAI_SOCKTYPE;
    if (!served)
        return hints->ai_flags & AI_NUMERICSERV ? EAI_NONAME : EAI_SERVICE;
    r = find(&found, node, hints);
    return r ? r : answer(&found, ports, hints, out);
}

/* --- the other way ---------------------------------------------------------------------------------- */

static int name_host(const union sockaddr_any *a, char *host, socklen_t size, int flags)
{
    int family = a->sa.sa_family;
    const void *addr = family == AF_INET ? (const void *)&a->in4.sin_addr
                                         : (const void *)&a->in6.sin6_addr;
    char text[INET6_ADDRSTRLEN + IF_NAMESIZE + 2], name[IF_NAMESIZE];
    struct asked got;

    if (!(flags & NI_NUMERICHOST) && ask_reverse(family, addr, &got) == 0 && got.n) {
        if (flags & NI_NOFQDN)
            got.of[0].name[strcspn(got.of[0].name, ".")] = '\0';
        return snprintf(host, size, "%s", got.of[0].name) < (int)size ? 0 : EAI_OVERFLOW;
    }
    if (flags & NI_NAMEREQD)
        return EAI_NONAME;
    if (!inet_ntop(family, addr, text, INET6_ADDRSTRLEN))
        return EAI_FAIL;
    if (family == AF_INET6 && a->in6.sin6_scope_id) {
        size_t len = strlen(text);

        if (if_indextoname(a->in6.sin6_scope_id, name))
            (void)snprintf(text + len, sizeof text - len, "%%%s", name);
        else
            (void)snprintf(text + len, sizeof text - len, "%%%u", a->in6.sin6_scope_id);
    }
    return snprintf(host, size, "%s", text) < (int)size ? 0 : EAI_OVERFLOW;
}

static int name_service(in_port_t port, char *service, socklen_t size, int flags)
{
    struct servent entry_, *got = NULL;
    char texts[1024];

    if (!(flags & NI_NUMERICSERV) &&
        getservbyport_r(port, flags & NI_DGRAM ? "udp" : "tcp", &entry_, texts,
                        sizeof texts, &got) == 0 &&
        got)
        return snprintf(service, size, "%s", got->s_name) < (int)size ? 0 : EAI_OVERFLOW;
    return snprintf(service, size, "%u", ntohs(port)) < (int)size ? 0 : EAI_OVERFLOW;
}

EXPORT int getnameinfo(const struct sockaddr *addr, socklen_t len, char *host,
                       socklen_t host_size, char *service, socklen_t service_size,
                       int flags)
{
    union sockaddr_any a = {.sa = {.sa_family = AF_UNSPEC}};
    int r = 0;

    if (len < sizeof(sa_family_t) ||
        (addr->sa_family != AF_INET && addr->sa_family != AF_INET6))
        return libc()->getnameinfo(addr, len, host, host_size, service, service_size,
                                   flags);
    if (len < (addr->sa_family == AF_INET ? sizeof a.in4 : sizeof a.in6))
        return EAI_FAMILY;
    memcpy(&a, addr, len < sizeof a ? len : sizeof a);
    if (host && host_size)
        r = name_host(&a, host, host_size, flags);
    if (r == 0 && service && service_size)
        r = name_service(addr->sa_family == AF_INET ? a.in4.sin_port : a.in6.sin6_port,
                         service, service_size, flags);
    return r;
}

/* --- its own ----------------------------------------------------------------------------------------- */

EXPORT int gethostname(char *name, size_t size)
{
    size_t len = strlen(node_name());

    if (len == 0)
        return libc()->gethostname(name, size);
    if (size <= len) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(name, node_name(), len + 1);
    return 0;
}

EXPORT int uname(struct utsname *u)
{
    int r = libc()->uname(u);

    if (r == 0 && *node_name())
        (void)snprintf(u->nodename, sizeof u->nodename, "%s", node_name());
    return r;
}
