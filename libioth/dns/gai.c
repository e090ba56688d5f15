/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* getaddrinfo(3) and getnameinfo(3) through a resolver (RFC 3493, 6.1 and 6.2). */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libioth/conf/iothconf.h"
#include "libioth/dns/files.h"
#include "libioth/dns/resolver.h"

#define ADDRS_MAX 32u
#define KNOWN_FLAGS                                                                        \
    (AI_PASSIVE | AI_CANONNAME | AI_NUMERICHOST | AI_NUMERICSERV | AI_V4MAPPED | AI_ALL |  \
     AI_ADDRCONFIG)

/* An entry and its address in one piece of memory, the name apart: as the C library's are, so that programs may free
 * the list by its freeaddrinfo(). */
struct entry {
    struct addrinfo info;
    union {
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } addr;
};

/* What was asked, and the addresses found. */
struct request {
    struct iothdns *d;
    const char *node;
    int family, flags;
    unsigned n;
    struct files_addr addrs[ADDRS_MAX];
    uint32_t scope;
    char canonical[IOTHDNS_MAXNAME]; /* "": as it was asked. */
};

static const struct {
    int type, protocol;
    const char *name; /* In files of services. */
} kinds[] = {{SOCK_STREAM, IPPROTO_TCP, "tcp"},
             {SOCK_DGRAM, IPPROTO_UDP, "udp"},
             {SOCK_RAW, 0, NULL}};

/* --- addresses ---------------------------------------------------------------------------------- */

static void add(struct request *q, int family, const void *bytes)
{
    struct files_addr *a = &q->addrs[q->n];

    if (q->n == ADDRS_MAX)
        return;
    memset(a, 0, sizeof *a);
    a->family = family;
    memcpy(a->bytes, bytes, family == AF_INET ? 4 : 16);
    if (family == AF_INET && q->family == AF_INET6) { /* AI_V4MAPPED */
        memcpy(a->bytes + 12, bytes, 4);
        memset(a->bytes, 0, 10);
        memset(a->bytes + 10, 0xff, 2);
        a->family = AF_INET6;
    }
    q->n++;
}

static bool wants(const struct request *q, int family)
{
    if (q->family == AF_UNSPEC || q->family == family)
        return true;
    return q->family == AF_INET6 && family == AF_INET && q->flags & AI_V4MAPPED;
}

/* An address as text, with a scope perhaps. 1: it is none. */
static int numeric(struct request *q)
{
    const char *percent = strchr(q->node, '%');
    size_t n = percent ? (size_t)(percent - q->node) : strlen(q->node);
    char text[INET6_ADDRSTRLEN];
    uint8_t bytes[16];
    int family;

    if (n >= sizeof text)
        return 1;
    memcpy(text, q->node, n);
    text[n] = 0;
    family = inet_pton(AF_INET, text, bytes) == 1    ? AF_INET
             : inet_pton(AF_INET6, text, bytes) == 1 ? AF_INET6
                                                     : 0;
    if (!family || (percent && family == AF_INET))
        return 1;
    if (!wants(q, family))
        return EAI_ADDRFAMILY;
    if (percent) {
        int index = ioth_if_nametoindex(q->d->stack, percent + 1);

        q->scope = index > 0 ? (uint32_t)index : (uint32_t)strtoul(percent + 1, NULL, 10);
        if (!q->scope)
            return EAI_NONAME;
    }
    add(q, family, bytes);
    return 0;
}

static void none_named(struct request *q)
{
    static const uint8_t any[4], loop[4] = {127, 0, 0, 1};
    bool passive = q->flags & AI_PASSIVE;

    if (wants(q, AF_INET6))
        add(q, AF_INET6, passive ? &in6addr_any : &in6addr_loopback);
    if (wants(q, AF_INET) && q->family != AF_INET6)
        add(q, AF_INET, passive ? any : loop);
}

static unsigned from_files(struct request *q)
{
    struct files_addr found[ADDRS_MAX];
    char *path = dns_path(q->d, IOTHDNS_HOSTS);
    unsigned n = path ? files_host(path, q->node, found, ADDRS_MAX) : 0;

    for (unsigned i = 0; i < n; i++) {
        if (wants(q, found[i].family))
            add(q, found[i].family, found[i].bytes);
    }
    free(path);
    return q->n;
}

/* Whose the addresses are: the last of a chain of aliases, with the domain in which it was found. */
static int take_owner(int section, struct iothdns_rr *rr, struct iothdns_pkt *p, void *arg)
{
    (void)p;
    if (section != IOTHDNS_SEC_ANSWER ||
        (rr->type != IOTHDNS_TYPE_A && rr->type != IOTHDNS_TYPE_AAAA))
        return 0;
    snprintf(arg, IOTHDNS_MAXNAME, "%s", rr->name);
    return 1;
}

static int from_dns(struct request *q)
{
    struct in6_addr six[ADDRS_MAX];
    struct in_addr four[ADDRS_MAX];
    int n6 = 0, n4 = 0, error = 0;

    if (wants(q, AF_INET6)) {
        n6 = iothdns_lookup_aaaa(q->d, q->node, six, ADDRS_MAX);
        error = n6 < 0 ? errno : 0;
    }
    for (int i = 0; i < n6 && i < (int)ADDRS_MAX; i++)
        add(q, AF_INET6, &six[i]);
    if (wants(q, AF_INET) && (q->family != AF_INET6 || n6 <= 0 || q->flags & AI_ALL)) {
        n4 = iothdns_lookup_a(q->d, q->node, four, ADDRS_MAX);
        error = n4 < 0 ? errno : error;
    }
    for (int i = 0; i < n4 && i < (int)ADDRS_MAX; i++)
        add(q, AF_INET, &four[i]);
    if (q->n) {
        if (q->flags & AI_CANONNAME)
            (void)iothdns_lookup_cb(q->d, q->node,
                                    n6 > 0 ? IOTHDNS_TYPE_AAAA : IOTHDNS_TYPE_A, take_owner,
                                    q->canonical);
        return 0;
    }
    if (error && error != ENOENT)
        return error == ENOMEM ? EAI_MEMORY : error == EINVAL ? EAI_NONAME : EAI_AGAIN;
    return error ? EAI_NONAME : EAI_NODATA;
}

static int find_addrs(struct request *q)
{
    int r;

    if (!q->node) {
        none_named(q);
        return q->n ? 0 : EAI_FAMILY;
    }
    r = numeric(q);
    if (r != 1)
        return r;
    if (q->flags & AI_NUMERICHOST)
        return EAI_NONAME;
    return from_files(q) ? 0 : from_dns(q);
}

/* --- services ----------------------------------------------------------------------------------- */

/* The port for a kind of socket; -1: the service is not there for it; an EAI_ in *error: it is wrong. */
static int port_of(struct iothdns *d, const char *service, unsigned kind, int flags,
                   int *error)
{
    char *end, *path;
    unsigned long n;
    int port;

    if (!service)
        return 0;
    n = strtoul(service, &end, 10);
    if (*service && !*end) {
        if (n > UINT16_MAX)
            *error = EAI_SERVICE;
        return n > UINT16_MAX ? -1 : (int)n;
    }
    if (flags & AI_NUMERICSERV) {
        *error = EAI_NONAME;
        return -1;
    }
    if (!kinds[kind].name)
        return -1;
    path = dns_path(d, IOTHDNS_SERVICES);
    port = path ? files_port(path, service, kinds[kind].name) : -1;
    free(path);
    return port;
}

/* --- the list ----------------------------------------------------------------------------------- */

static struct entry *new_entry(const struct request *q, const struct files_addr *a,
                               unsigned kind, int protocol, int port)
{
    struct entry *e = calloc(1, sizeof *e);

    if (!e)
        return NULL;
    e->info = (struct addrinfo){.ai_family = a->family,
                                .ai_socktype = kinds[kind].type,
                                .ai_protocol = protocol ? protocol : kinds[kind].protocol,
                                .ai_addr = (struct sockaddr *)&e->addr};
    if (a->family == AF_INET) {
        e->addr.in.sin_family = AF_INET;
        e->addr.in.sin_port = htons((uint16_t)port);
        memcpy(&e->addr.in.sin_addr, a->bytes, 4);
        e->info.ai_addrlen = sizeof e->addr.in;
    } else {
        e->addr.in6.sin6_family = AF_INET6;
        e->addr.in6.sin6_port = htons((uint16_t)port);
        e->addr.in6.sin6_scope_id = q->scope;
        memcpy(&e->addr.in6.sin6_addr, a->bytes, 16);
        e->info.ai_addrlen = sizeof e->addr.in6;
    }
    return e;
}

static bool matches(const struct addrinfo *hints, unsigned kind)
{
    if (hints->ai_socktype && hints->ai_socktype != kinds[kind].type)
        return false;
    return !hints->ai_protocol || !kinds[kind].protocol ||
           hints->ai_protocol == kinds[kind].protocol;
}

static int build(const struct request *q, const char *service, const struct addrinfo *hints,
                 struct addrinfo **out)
{
    struct addrinfo *first = NULL, **end = &first;
    int error = 0;

    for (unsigned i = 0; i < q->n && !error; i++) {
        for (unsigned k = 0; k < sizeof kinds / sizeof *kinds && !error; k++) {
            int port = matches(hints, k) ? port_of(q->d, service, k, q->flags, &error) : -1;
            struct entry *e;

            if (port < 0 || error)
                continue;
            e = new_entry(q, &q->addrs[i], k, hints->ai_protocol, port);
            if (!e) {
                error = EAI_MEMORY;
                break;
            }
            *end = &e->info;
            end = &e->info.ai_next;
        }
    }
    if (first && q->flags & AI_CANONNAME) {
        first->ai_canonname = strdup(q->canonical[0] ? q->canonical : q->node);
        if (!first->ai_canonname)
            error = EAI_MEMORY;
    }
    if (error || !first) {
        iothdns_freeaddrinfo(first);
        return error ? error : EAI_SERVICE;
    }
    *out = first;
    return 0;
}

int iothdns_getaddrinfo(struct iothdns *d, const char *node, const char *service,
                        const struct addrinfo *hints, struct addrinfo **res)
{
    static const struct addrinfo any = {.ai_family = AF_UNSPEC};
    struct request q = {.d = d, .node = node};
    int r;

    if (!hints)
        hints = &any;
    q.family = hints->ai_family;
    q.flags = hints->ai_flags;
    if (!node && !service)
        return EAI_NONAME;
    if (q.flags & ~KNOWN_FLAGS || (q.flags & AI_CANONNAME && !node))
        return EAI_BADFLAGS;
    if (q.family != AF_UNSPEC && q.family != AF_INET && q.family != AF_INET6)
        return EAI_FAMILY;
    r = find_addrs(&q);
    return r ? r : build(&q, service, hints, res);
}

void iothdns_freeaddrinfo(struct addrinfo *res)
{
    while (res) {
        struct addrinfo *next = res->ai_next;

        free(res->ai_canonname);
        free(res);
        res = next;
    }
}

const char *iothdns_gai_strerror(int errcode)
{
    return gai_strerror(errcode);
}

/* --- names of addresses --------------------------------------------------------------------------- */

static int take_name(int section, struct iothdns_rr *rr, struct iothdns_pkt *p, void *arg)
{
    if (section != IOTHDNS_SEC_ANSWER || rr->type != IOTHDNS_TYPE_PTR)
        return 0;
    iothdns_get_name(p, arg);
    return 1;
}

static void reverse(const struct files_addr *a, char out[IOTHDNS_MAXNAME])
{
    char *at = out;

    if (a->family == AF_INET) {
        snprintf(out, IOTHDNS_MAXNAME, "%u.%u.%u.%u.in-addr.arpa", a->bytes[3], a->bytes[2],
                 a->bytes[1], a->bytes[0]);
        return;
    }
    for (int i = 15; i >= 0; i--)
        at += snprintf(at, 5, "%x.%x.", a->bytes[i] & 15u, a->bytes[i] >> 4);
    memcpy(at, "ip6.arpa", sizeof "ip6.arpa");
}

/* From the files or the DNS. 0, or an EAI_. */
static int find_name(struct iothdns *d, const struct files_addr *a,
                     char out[IOTHDNS_MAXNAME])
{
    char *path = dns_path(d, IOTHDNS_HOSTS), query[IOTHDNS_MAXNAME];
    bool found = path && files_host_name(path, a, out, IOTHDNS_MAXNAME);

    free(path);
    if (found)
        return 0;
    reverse(a, query);
    out[0] = 0;
    if (iothdns_lookup_cb(d, query, IOTHDNS_TYPE_PTR, take_name, out) < 0)
        return errno == ENOENT ? EAI_NONAME : EAI_AGAIN;
    return out[0] ? 0 : EAI_NONAME;
}

static int put(char *out, socklen_t size, const char *text)
{
    return snprintf(out, size, "%s", text) < (int)size ? 0 : EAI_OVERFLOW;
}

static int put_host(struct iothdns *d, const struct files_addr *a, char *host,
                    socklen_t size, int flags)
{
    char name[IOTHDNS_MAXNAME];
    int r = flags & NI_NUMERICHOST ? EAI_NONAME : find_name(d, a, name);

    if (r == 0)
        return put(host, size, name);
    if (flags & NI_NAMEREQD)
        return r;
    if (!inet_ntop(a->family, a->bytes, name, sizeof name))
        return EAI_FAMILY;
    return put(host, size, name);
}

static int put_service(struct iothdns *d, unsigned port, char *serv, socklen_t size,
                       int flags)
{
    char *path = flags & NI_NUMERICSERV ? NULL : dns_path(d, IOTHDNS_SERVICES);
    char name[64];
    bool found = path && files_service(path, port, flags & NI_DGRAM ? "udp" : "tcp", name,
                                       sizeof name);

    free(path);
    if (!found)
        snprintf(name, sizeof name, "%u", port);
    return put(serv, size, name);
}

int iothdns_getnameinfo(struct iothdns *d, const struct sockaddr *addr, socklen_t addrlen,
                        char *host, socklen_t hostlen, char *serv, socklen_t servlen,
                        int flags)
{
    struct files_addr a = {.family = addr->sa_family};
    unsigned port;
    int r = 0;

    if (a.family == AF_INET && addrlen >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;

        memcpy(&in, addr, sizeof in);
        memcpy(a.bytes, &in.sin_addr, 4);
        port = ntohs(in.sin_port);
    } else if (a.family == AF_INET6 && addrlen >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in6;

        memcpy(&in6, addr, sizeof in6);
        memcpy(a.bytes, &in6.sin6_addr, 16);
        port = ntohs(in6.sin6_port);
    } else {
        return EAI_FAMILY;
    }
    if (host && hostlen)
        r = put_host(d, &a, host, hostlen, flags);
    if (r == 0 && serv && servlen)
        r = put_service(d, port, serv, servlen, flags);
    return r;
}

/* --- for a stack ---------------------------------------------------------------------------------- */

int ioth_getaddrinfo(struct ioth *stack, const char *node, const char *service,
                     const struct addrinfo *hints, struct addrinfo **res)
{
    char *text = ioth_config_names(stack);
    struct iothdns *d =
        text && *text ? iothdns_init_strcfg(stack, text) : iothdns_init(stack, NULL);
    int r;

    free(text);
    if (!d)
        d = iothdns_init_strcfg(stack,
                                (char[]){"#"}); /* There may be files all the same. */
    if (!d)
        return EAI_MEMORY;
    r = iothdns_getaddrinfo(d, node, service, hints, res);
    iothdns_fini(d);
    return r;
}

void ioth_freeaddrinfo(struct addrinfo *res)
{
    iothdns_freeaddrinfo(res);
}
