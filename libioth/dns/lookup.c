/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an answer says: addresses, or any records. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libioth/dns/resolver.h"

/* Calls back for each record of an answer. */
static int each(const struct dns_answer *a, lookup_cb_t *cb, void *arg)
{
    char name[IOTHDNS_MAXNAME];
    struct iothdns_header h;
    struct iothdns_rr rr;
    struct iothdns_pkt *p = iothdns_get_header(&h, a->data, a->size, name);
    int section, r = 0;

    if (!p)
        return -1;
    while (r == 0 && (section = iothdns_get_rr(p, &rr, name)) != 0) {
        if (rr.type == TYPE_OPT)
            continue;
        rr.ttl = rr.ttl > a->age_sec ? rr.ttl - a->age_sec : 0;
        r = cb(section, &rr, p, arg);
    }
    iothdns_free(p);
    return r;
}

static int look_up(struct iothdns *d, const char *name, int type, bool tcp, lookup_cb_t *cb,
                   void *arg)
{
    struct dns_answer a;
    int r = dns_search(d, name, type, tcp, &a), error;

    if (r == 0) {
        r = each(&a, cb, arg);
    } else {
        errno = -r;
        r = -1;
    }
    error = errno;
    free(a.data);
    errno = error;
    return r;
}

int iothdns_lookup_cb(struct iothdns *d, const char *name, int qtype, lookup_cb_t *cb,
                      void *arg)
{
    return look_up(d, name, qtype, false, cb, arg);
}

int iothdns_lookup_cb_tcp(struct iothdns *d, const char *name, int qtype, lookup_cb_t *cb,
                          void *arg)
{
    return look_up(d, name, qtype, true, cb, arg);
}

/* --- addresses ---------------------------------------------------------------------------------- */

struct found {
    uint16_t type;
    uint8_t *out;
    size_t size;
    int room, n;
};

static int take(int section, struct iothdns_rr *rr, struct iothdns_pkt *p, void *arg)
{
    struct found *f = arg;

    if (section != IOTHDNS_SEC_ANSWER || rr->type != f->type || rr->rdlength != f->size)
        return 0;
    if (f->n < f->room)
        iothdns_get_data(p, f->out + (size_t)f->n * f->size, (uint16_t)f->size);
    f->n++;
    return 0;
}

static int addresses(struct iothdns *d, const char *name, int family, void *out, int n)
{
    struct found f = {.type = family == AF_INET ? IOTHDNS_TYPE_A : IOTHDNS_TYPE_AAAA,
                      .size = family == AF_INET ? 4 : 16,
                      .out = out,
                      .room = n};
    uint8_t bytes[16];

    if (inet_pton(family, name, bytes) == 1) {
        if (n > 0)
            memcpy(out, bytes, f.size);
        return 1;
    }
    if (inet_pton(family == AF_INET ? AF_INET6 : AF_INET, name, bytes) == 1)
        return 0;
    return look_up(d, name, f.type, false, take, &f) < 0 ? -1 : f.n;
}

int iothdns_lookup_a(struct iothdns *d, const char *name, struct in_addr *a, int n)
{
    return addresses(d, name, AF_INET, a, n);
}

int iothdns_lookup_aaaa(struct iothdns *d, const char *name, struct in6_addr *aaaa, int n)
{
    return addresses(d, name, AF_INET6, aaaa, n);
}

int iothdns_lookup_aaaa_compat(struct iothdns *d, const char *name, struct in6_addr *aaaa,
                               int n)
{
    struct in_addr four[64];
    int n6 = iothdns_lookup_aaaa(d, name, aaaa, n), n4;

    if (n6 < 0)
        return n6;
    n4 = iothdns_lookup_a(d, name, four, sizeof four / sizeof *four);
    for (int i = 0; i < n4 && i < (int)(sizeof four / sizeof *four) && n6 + i < n; i++) {
        memset(&aaaa[n6 + i], 0, sizeof *aaaa);
        memset(aaaa[n6 + i].s6_addr + 10, 0xff, 2);
        memcpy(aaaa[n6 + i].s6_addr + 12, &four[i], 4);
    }
    return n4 < 0 ? n6 : n6 + n4;
}
