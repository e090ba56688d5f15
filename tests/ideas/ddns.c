/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ddns CONFIG SERVER ZONE NAME KEY SECRET: a daemon that has a name. It makes a stack with CONFIG (as ioth_newstackc),
 * registers its addresses under NAME by dynamic update (RFC 2136), signed with TSIG (RFC 8945, hmac-sha256; SECRET in
 * base64), again whenever its addresses change, and takes them out when it is ended. Messages by ldns.
 */
#include <arpa/inet.h>
#include <ioth.h>
#include <iothconf.h>
#include <ldns/ldns.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TTL      60
#define TRIES    5
#define WAIT_MS  1000
#define LOOK_MS  200
#define FUDGE    300
#define ANY_TIME 0

static volatile sig_atomic_t ending;

struct account {
    struct ioth *stack;
    struct sockaddr_in server;
    const char *zone, *name, *key, *secret;
};

static void end(int number)
{
    (void)number;
    ending = 1;
}

/* --- what is registered -------------------------------------------------------------------------- */

/* "NAME 0 ANY TYPE": all records of that type go. */
static void put_removal(ldns_rr_list *list, const char *name, ldns_rr_type type)
{
    ldns_rr *rr = ldns_rr_new();

    ldns_rr_set_owner(rr, ldns_dname_new_frm_str(name));
    ldns_rr_set_type(rr, type);
    ldns_rr_set_class(rr, LDNS_RR_CLASS_ANY);
    ldns_rr_set_ttl(rr, ANY_TIME);
    ldns_rr_set_rd_count(rr, 0);
    ldns_rr_list_push_rr(list, rr);
}

static void put_addresses(ldns_rr_list *list, const struct account *a)
{
    struct ifaddrs *all;

    if (ioth_getifaddrs(a->stack, &all) < 0)
        return;
    for (struct ifaddrs *i = all; i; i = i->ifa_next) {
        const struct sockaddr_in *in = (const void *)i->ifa_addr;
        const struct sockaddr_in6 *in6 = (const void *)i->ifa_addr;
        int family = i->ifa_addr->sa_family;
        char addr[INET6_ADDRSTRLEN], line[512];
        ldns_rr *rr = NULL;

        if (i->ifa_flags & IFF_LOOPBACK || (family != AF_INET && family != AF_INET6) ||
            (family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr)))
            continue;
        inet_ntop(family,
                  family == AF_INET ? (const void *)&in->sin_addr
                                    : (const void *)&in6->sin6_addr,
                  addr, sizeof addr);
        snprintf(line, sizeof line, "%s. %d IN %s %s", a->name, TTL,
                 family == AF_INET ? "A" : "AAAA", addr);
        if (ldns_rr_new_frm_str(&rr, line, TTL, NULL, NULL) == LDNS_STATUS_OK)
            ldns_rr_list_push_rr(list, rr);
    }
    ioth_freeifaddrs(all);
}

/* --- the exchange --------------------------------------------------------------------------------- */

/* Sends and waits for the answer: its code, -1 if there was none. */
static int exchange(const struct account *a, const uint8_t *data, size_t size, uint16_t id)
{
    int fd = ioth_msocket(a->stack, AF_INET, SOCK_DGRAM, 0), code = -1;

    for (unsigned i = 0; i < TRIES && code < 0; i++) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ldns_pkt *answer = NULL;
        uint8_t got[4096];
        ssize_t n;

        if (ioth_sendto(fd, data, size, 0, (const struct sockaddr *)&a->server,
                        sizeof a->server) < 0 ||
            ioth_poll(&p, 1, WAIT_MS) <= 0)
            continue;
        n = ioth_recv(fd, got, sizeof got, 0);
        if (n > 0 && ldns_wire2pkt(&answer, got, (size_t)n) == LDNS_STATUS_OK &&
            ldns_pkt_id(answer) == id)
            code = (int)ldns_pkt_get_rcode(answer);
        ldns_pkt_free(answer);
    }
    ioth_close(fd);
    return code;
}

/* Replaces what is registered by what there is (add), or by nothing. */
static int update(const struct account *a, int add)
{
    ldns_rr_list *changes = ldns_rr_list_new();
    uint8_t *data = NULL;
    size_t size = 0;
    ldns_pkt *p;
    int code = -1;

    put_removal(changes, a->name, LDNS_RR_TYPE_A);
    put_removal(changes, a->name, LDNS_RR_TYPE_AAAA);
    if (add)
        put_addresses(changes, a);
    p = ldns_update_pkt_new(ldns_dname_new_frm_str(a->zone), LDNS_RR_CLASS_IN, NULL,
                            changes, NULL);
    ldns_pkt_set_random_id(p);
    if (ldns_pkt_tsig_sign(p, a->key, a->secret, FUDGE, "hmac-sha256.", NULL) ==
            LDNS_STATUS_OK &&
        ldns_pkt2wire(&data, p, &size) == LDNS_STATUS_OK)
        code = exchange(a, data, size, ldns_pkt_id(p));
    free(data);
    ldns_pkt_free(p);
    ldns_rr_list_deep_free(changes);
    printf("%s %d\n", add ? "registered" : "removed", code);
    fflush(stdout);
    return code;
}

int main(int argc, char **argv)
{
    struct account a = {.server = {.sin_family = AF_INET, .sin_port = htons(53)}};
    struct pollfd p = {.events = POLLIN};
    uint64_t count;

    if (argc != 7 || inet_pton(AF_INET, argv[2], &a.server.sin_addr) != 1) {
        fputs("usage: ddns CONFIG SERVER ZONE NAME KEY SECRET\n", stderr);
        return 2;
    }
    a.zone = argv[3];
    a.name = argv[4];
    a.key = argv[5];
    a.secret = argv[6];
    a.stack = ioth_newstackc(argv[1]);
    if (!a.stack) {
        fprintf(stderr, "ddns: %s\n", ioth_error());
        return 1;
    }
    signal(SIGTERM, end);
    p.fd = ioth_config_fd(a.stack);
    if (update(&a, 1) != LDNS_RCODE_NOERROR)
        return 1;
    (void)!read(p.fd, &count, sizeof count);
    while (!ending) {
        if (poll(&p, 1, LOOK_MS) > 0 && read(p.fd, &count, sizeof count) > 0)
            (void)update(&a, 1);
    }
    (void)update(&a, 0);
    return ioth_delstack(a.stack) < 0;
}
