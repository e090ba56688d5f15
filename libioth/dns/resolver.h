/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a resolver knows, and how it asks: the inside of iothdns.h. */
#ifndef LIBIOTH_DNS_RESOLVER_H
#define LIBIOTH_DNS_RESOLVER_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>

#include "libioth/dns/cache.h"
#include "libioth/dns/iothdns.h"

#define DOMAINS_MAX 6

/* Kept apart from the resolver, so that a question goes on with what it began with. */
struct dns_setting {
    unsigned n_servers, n_domains;
    struct sockaddr_in6 servers[IOTHDNS_MAXNS]; /* Those of IPv4 as ::ffff:A. */
    char domains[DOMAINS_MAX][IOTHDNS_MAXNAME];
};

struct iothdns {
    struct ioth *stack;
    pthread_mutex_t lock; /* Of what follows. */
    struct dns_setting setting;
    char *paths[IOTHDNS_PATH_SIZE]; /* NULL: the default. */
    struct cache cache;
};

/* An answer with its bytes, to be freed. */
struct dns_answer {
    uint8_t *data;
    size_t size;
    uint32_t age_sec; /* Since it was given. */
};

/* Asks for a name as it is, out of the cache if it is there. Returns 0; -ENOENT: there is no such name (there may be an
 * answer all the same); -ETIMEDOUT, -ENOTCONN, -EBADMSG, -EIO. */
int dns_ask(struct iothdns *r, const char *name, int type, bool tcp, struct dns_answer *out)
    __attribute__((warn_unused_result));

/* The same with the domains to search, where the name has no dot. */
int dns_search(struct iothdns *r, const char *name, int type, bool tcp,
               struct dns_answer *out) __attribute__((warn_unused_result));

/* Asks the servers of a setting. The answer as above. (query.c) */
int dns_query(struct ioth *stack, const struct dns_setting *set, const char *name, int type,
              bool tcp, struct dns_answer *out) __attribute__((warn_unused_result));

/* A copy of a file's path, to be freed; NULL: out of memory. */
char *dns_path(struct iothdns *r, enum iothdns_pathtag tag);

#endif
