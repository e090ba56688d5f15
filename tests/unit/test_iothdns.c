/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names: messages written and read, the cache, files, and a resolver with its server on one stack. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "libioth/dns/cache.h"
#include "libioth/dns/iothdns.h"

/* --- messages ----------------------------------------------------------------------------------- */

static void test_messages(void **state)
{
    struct iothdns_header h = {7, IOTHDNS_RESPONSE, "www.example.org", IOTHDNS_TYPE_MX, 1},
                          got;
    struct iothdns_rr rr = {"example.org", IOTHDNS_TYPE_MX, 1, 60, 0}, back;
    struct iothdns_pkt *p = iothdns_put_header(&h), *q;
    char name[IOTHDNS_MAXNAME], text[IOTHDNS_MAXSTRING + 1];
    uint8_t data[512], addr[16] = {0xfd, [15] = 1};
    struct iovec buf;

    (void)state;
    iothdns_put_rr(IOTHDNS_SEC_ANSWER, p, &rr);
    iothdns_put_int16(p, 10);
    iothdns_put_name(p, "mail.example.org.");
    rr = (struct iothdns_rr){"a..b", 1, 1, 60, 0}; /* No name: no record. */
    iothdns_put_rr(IOTHDNS_SEC_ANSWER, p, &rr);
    iothdns_put_int32(p, 1);
    rr = (struct iothdns_rr){"www.example.org", IOTHDNS_TYPE_TXT, 1, 60, 0};
    iothdns_put_rr(IOTHDNS_SEC_AUTH, p, &rr);
    iothdns_put_string(p, "hello");
    iothdns_put_rr(IOTHDNS_SEC_ANSWER, p, &rr); /* Too late. */
    rr.type = IOTHDNS_TYPE_AAAA;
    iothdns_put_rr(IOTHDNS_SEC_ADDITIONAL, p, &rr);
    iothdns_put_aaaa(p, addr);
    buf = iothdns_getbuf(p);
    assert_true(buf.iov_len < 140); /* Names are written once. */
    memcpy(data, buf.iov_base, buf.iov_len);
    q = iothdns_get_header(&got, data, buf.iov_len, name);
    assert_non_null(q);
    assert_int_equal(got.id, 7);
    assert_string_equal(got.qname, "www.example.org");
    assert_int_equal(iothdns_get_rr(q, &back, name), IOTHDNS_SEC_ANSWER);
    assert_string_equal(back.name, "example.org");
    assert_int_equal(iothdns_get_int16(q), 10);
    assert_string_equal(iothdns_get_name(q, name), "mail.example.org");
    assert_int_equal(iothdns_get_int8(q), 0); /* Behind its end. */
    assert_int_equal(iothdns_get_rr(q, &back, name), IOTHDNS_SEC_AUTH);
    assert_string_equal(iothdns_get_string(q, text), "hello");
    assert_int_equal(iothdns_get_rr(q, &back, name), IOTHDNS_SEC_ADDITIONAL);
    iothdns_get_aaaa(q, data + 300);
    assert_memory_equal(data + 300, addr, 16);
    assert_int_equal(iothdns_get_rr(q, &back, name), 0);
    iothdns_free(q);
    /* A name that points to itself. */
    memcpy(data + 12, "\xc0\x0c", 2);
    assert_null(iothdns_get_header(&got, data, buf.iov_len, name));
    assert_int_equal(errno, EBADMSG);
    iothdns_free(p);
    h.qname = "a..b";
    assert_null(iothdns_put_header(&h));
}

/* The pieces of a message that others have no need of. */
static void test_pieces(void **state)
{
    struct iothdns_header h = {7, IOTHDNS_QUERY | IOTHDNS_RD, "a.test", IOTHDNS_TYPE_A, 1},
                          got;
    struct iothdns_rr rr = {"a.test", IOTHDNS_TYPE_NULL, 1, 60, 0}, back;
    struct iothdns_pkt *p = iothdns_put_header(&h), *q;
    char name[IOTHDNS_MAXNAME];
    uint8_t data[512], bytes[8];
    uint16_t id, flags;
    struct iovec buf;
    size_t before;

    (void)state;
    iothdns_retrieve_header(p, &id, &flags);
    assert_int_equal(id, 7);
    assert_int_equal(flags, IOTHDNS_RD);
    iothdns_rewrite_header(p, 9, IOTHDNS_RESPONSE | IOTHDNS_RCODE_EPERM);
    iothdns_put_rr(IOTHDNS_SEC_ANSWER, p, &rr);
    iothdns_put_int8(p, 0xab);
    iothdns_put_data(p, "data", 4);
    before = iothdns_getbuf(p).iov_len;
    iothdns_put_name_uncompressed(p, "a.test");
    assert_int_equal(iothdns_getbuf(p).iov_len - before, 8);
    rr.type = IOTHDNS_TYPE_A;
    iothdns_put_rr(IOTHDNS_SEC_ADDITIONAL, p, &rr);
    iothdns_put_a(p, "\x0a\0\0\x01");
    buf = iothdns_getbuf(p);
    memcpy(data, buf.iov_base, buf.iov_len);
    q = iothdns_get_header(&got, data, buf.iov_len, name);
    assert_non_null(q);
    assert_int_equal(got.id, 9);
    assert_true(IOTHDNS_IS_RESPONSE(got.flags));
    assert_int_equal(IOTHDNS_GET_RCODE(got.flags), IOTHDNS_RCODE_EPERM);
    assert_int_equal(iothdns_get_rr(q, &back, name), IOTHDNS_SEC_ANSWER);
    assert_int_equal(iothdns_get_int8(q), 0xab);
    assert_memory_equal(iothdns_get_data(q, bytes, 4), "data", 4);
    assert_string_equal(iothdns_get_name(q, name), "a.test");
    assert_int_equal(iothdns_get_rr(q, &back, name), IOTHDNS_SEC_ADDITIONAL);
    assert_memory_equal(iothdns_get_a(q, bytes), "\x0a\0\0\x01", 4);
    iothdns_free(q);
    iothdns_free(p);
}

/* --- the cache ---------------------------------------------------------------------------------- */

static struct iothdns_pkt *answer(const char *name, uint32_t ttl)
{
    struct iothdns_header h = {7, IOTHDNS_RESPONSE, name, IOTHDNS_TYPE_A, 1};
    struct iothdns_rr rr = {name, IOTHDNS_TYPE_A, 1, ttl, 0};
    struct iothdns_pkt *p = iothdns_put_header(&h);

    iothdns_put_rr(IOTHDNS_SEC_ANSWER, p, &rr);
    iothdns_put_a(p, "\x0a\0\0\x01");
    return p;
}

static bool is_kept(struct cache *c, const char *name, mtime_t now)
{
    uint32_t age;
    size_t size;
    int error;
    uint8_t *data = cache_get(c, name, IOTHDNS_TYPE_A, &error, &size, &age, now);
    bool kept = data != NULL;

    free(data);
    return kept;
}

static void test_cache(void **state)
{
    struct cache c = {.n = 0};

    (void)state;
    for (unsigned i = 0; i < IOTHDNS_CACHE_MAX + 1; i++) {
        char name[32];
        struct iothdns_pkt *p;
        struct iovec buf;

        snprintf(name, sizeof name, "n%u.example", i);
        p = answer(name, i == 1 ? 0 : 60);
        buf = iothdns_getbuf(p);
        cache_put(&c, name, IOTHDNS_TYPE_A, 0, buf.iov_base, buf.iov_len, 0);
        iothdns_free(p);
        if (i == 2)
            assert_true(is_kept(&c, "n0.example", 0));
    }
    assert_false(is_kept(&c, "n1.example", 0)); /* It asked for that. */
    assert_true(is_kept(&c, "N0.Example", 59 * MTIME_SEC));
    assert_false(is_kept(&c, "n0.example", 60 * MTIME_SEC));
    cache_clear(&c);
    assert_false(is_kept(&c, "n0.example", 0));
}

/* --- a resolver and its server --------------------------------------------------------------------- */

static struct {
    struct ioth *stack;
    int udp, tcp, stop[2];
    pthread_t thread;
    atomic_uint asked_udp, asked_tcp;
    bool by_tcp;
} server;

static struct iothdns_pkt *reply(struct iothdns_header *h, void *arg)
{
    struct iothdns_rr rr = {h->qname, h->qtype, 1, 60, 0};
    struct iothdns_header a = *h;
    struct iothdns_pkt *p;

    (void)arg;
    atomic_fetch_add(server.by_tcp ? &server.asked_tcp : &server.asked_udp, 1);
    a.flags = (uint16_t)(IOTHDNS_RESPONSE | IOTHDNS_AA | (h->flags & IOTHDNS_RD));
    if (!strncmp(h->qname, "none", 4))
        a.flags |= IOTHDNS_RCODE_ENOENT;
    p = iothdns_put_header(&a);
    if (!strncmp(h->qname, "none", 4)) {
        rr = (struct iothdns_rr){"test", IOTHDNS_TYPE_SOA, 1, 60, 0};
        iothdns_put_rr(IOTHDNS_SEC_AUTH, p, &rr);
        iothdns_put_name(p, "ns.test");
        iothdns_put_name(p, "me.test");
        for (unsigned i = 0; i < 5; i++)
            iothdns_put_int32(p, 60);
    } else if (!strcmp(h->qname, "big.test") && h->qtype == IOTHDNS_TYPE_TXT) {
        char text[200];

        memset(text, 'x', sizeof text - 1);
        text[sizeof text - 1] = 0;
        for (unsigned i = 0; i < 40; i++) {
            iothdns_put_rr(IOTHDNS_SEC_ANSWER, p, &rr);
            iothdns_put_string(p, text);
        }
    } else if (h->qtype == IOTHDNS_TYPE_A && !strstr(h->qname, "six")) {
        if (!strcmp(h->qname, "alias.test")) {
            struct iothdns_rr alias = rr;

            alias.type = IOTHDNS_TYPE_CNAME;
            iothdns_put_rr(IOTHDNS_SEC_ANSWER, p, &alias);
            iothdns_put_name(p, "real.test");
            rr.name = "real.test";
        }
        iothdns_put_rr(IOTHDNS_SEC_ANSWER, p, &rr);
        iothdns_put_a(p, "\x0a\0\0\x07");
    } else if (h->qtype == IOTHDNS_TYPE_AAAA && !strstr(h->qname, "four")) {
        iothdns_put_rr(IOTHDNS_SEC_ANSWER, p, &rr);
        iothdns_put_aaaa(p, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x07");
    } else if (h->qtype == IOTHDNS_TYPE_PTR) {
        iothdns_put_rr(IOTHDNS_SEC_ANSWER, p, &rr);
        iothdns_put_name(p, "seven.test");
    }
    return p;
}

static void *serve(void *aux)
{
    struct pollfd fds[3] = {{.fd = server.udp, .events = POLLIN},
                            {.fd = server.tcp, .events = POLLIN},
                            {.fd = server.stop[0], .events = POLLIN}};

    (void)aux;
    while (poll(fds, 3, -1) > 0 && !fds[2].revents) {
        if (fds[0].revents) {
            server.by_tcp = false;
            iothdns_udp_process_request(server.udp, reply, NULL);
        }
        if (fds[1].revents) {
            int fd = ioth_accept(server.tcp, NULL, NULL);

            server.by_tcp = true;
            while (iothdns_tcp_process_request(fd, reply, NULL) > 0)
                ;
            ioth_close(fd);
        }
    }
    return NULL;
}

static int start(void **state)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(53)};

    (void)state;
    server.stack = ioth_newstack("lwip", NULL);
    if (!server.stack || pipe(server.stop) < 0)
        return -1;
    server.udp = ioth_msocket(server.stack, AF_INET, SOCK_DGRAM, 0);
    server.tcp = ioth_msocket(server.stack, AF_INET, SOCK_STREAM, 0);
    if (ioth_bind(server.udp, (struct sockaddr *)&in, sizeof in) < 0 ||
        ioth_bind(server.tcp, (struct sockaddr *)&in, sizeof in) < 0 ||
        ioth_listen(server.tcp, 5) < 0)
        return -1;
    return -pthread_create(&server.thread, NULL, serve, NULL);
}

static int stop(void **state)
{
    (void)state;
    close(server.stop[1]);
    pthread_join(server.thread, NULL);
    close(server.stop[0]);
    ioth_close(server.udp);
    ioth_close(server.tcp);
    return ioth_delstack(server.stack);
}

static int count(int section, struct iothdns_rr *rr, struct iothdns_pkt *p, void *arg)
{
    unsigned *n = arg;

    (void)p;
    *n += section == IOTHDNS_SEC_ANSWER && rr->type == IOTHDNS_TYPE_TXT;
    return 0;
}

static void test_lookup(void **state)
{
    struct iothdns *d = iothdns_init_strcfg(server.stack, (char[]){"127.0.0.1"});
    struct in6_addr six[4];
    struct in_addr four[4];
    unsigned n = 0, asked;

    (void)state;
    assert_non_null(d);
    assert_int_equal(iothdns_lookup_a(d, "a.test", four, 4), 1);
    assert_memory_equal(four, "\x0a\0\0\x07", 4);
    /* Once asked is asked. */
    asked = atomic_load(&server.asked_udp);
    assert_int_equal(iothdns_lookup_a(d, "A.test", four, 4), 1);
    assert_int_equal(atomic_load(&server.asked_udp), asked);
    assert_int_equal(iothdns_lookup_aaaa_compat(d, "b.test", six, 4), 2);
    assert_true(IN6_IS_ADDR_V4MAPPED(&six[1]));
    assert_int_equal(iothdns_lookup_aaaa(d, "four.test", six, 4), 0);
    assert_int_equal(iothdns_lookup_aaaa(d, "fd00::1", six, 4), 1);
    assert_int_equal(iothdns_lookup_a(d, "fd00::1", four, 4), 0);
    /* There is none, and it is remembered. */
    assert_int_equal(iothdns_lookup_a(d, "none.test", four, 4), -1);
    assert_int_equal(errno, ENOENT);
    asked = atomic_load(&server.asked_udp);
    assert_int_equal(iothdns_lookup_a(d, "none.test", four, 4), -1);
    assert_int_equal(atomic_load(&server.asked_udp), asked);
    /* 8 KiB come by TCP, though nobody asked for that. */
    assert_int_equal(iothdns_lookup_cb(d, "big.test", IOTHDNS_TYPE_TXT, count, &n), 0);
    assert_int_equal(n, 40);
    assert_true(atomic_load(&server.asked_tcp) > 0);
    assert_int_equal(iothdns_lookup_cb_tcp(d, "big.test", IOTHDNS_TYPE_TXT, count, &n), 0);
    assert_int_equal(n, 80);
    iothdns_fini(d);
}

static void test_settings(void **state)
{
    struct iothdns *d = iothdns_init_strcfg(
        server.stack,
        (char[]){"# none\nsearch test other.\nnameserver 127.0.0.1\nnameserver x\n"});
    struct in_addr four[4], addr = {.s_addr = htonl(INADDR_LOOPBACK)};

    (void)state;
    assert_non_null(d);
    assert_int_equal(iothdns_lookup_a(d, "host", four, 4), 1);
    assert_int_equal(iothdns_lookup_a(d, "none", four, 4), -1);
    assert_int_equal(iothdns_update_strcfg(d, (char[]){"options a"}), 0);
    assert_int_equal(iothdns_lookup_a(d, "host", four, 4), -1);
    assert_int_equal(errno, ENOTCONN);
    for (unsigned i = 0; i < IOTHDNS_MAXNS; i++)
        assert_int_equal(iothdns_add_nameserver(d, AF_INET, &addr), 0);
    assert_int_equal(iothdns_add_nameserver(d, AF_INET, &addr), -1);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(iothdns_lookup_a(d, "host.test", four, 4), 1);
    assert_int_equal(iothdns_update(d, (char[]){"/nowhere"}), -1);
    assert_int_equal(errno, ENOENT);
    assert_null(iothdns_init(server.stack, (char[]){"/nowhere"}));
    assert_int_equal(errno, ENOENT);
    iothdns_fini(d);
}

static void test_getaddrinfo(void **state)
{
    struct iothdns *d = iothdns_init_strcfg(server.stack, (char[]){"nameserver 127.0.0.1"});
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *all;
    char folder[] = "/tmp/ioth-dns-XXXXXX", hosts[64], services[64], host[64], serv[64];
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(7777)};
    FILE *f;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(hosts, sizeof hosts, "%s/hosts", folder);
    snprintf(services, sizeof services, "%s/services", folder);
    f = fopen(hosts, "w");
    fputs("10.0.0.9 nine alias # of nine\nfd00::9 nine\n", f);
    fclose(f);
    f = fopen(services, "w");
    fputs("ours 7777/tcp own\n", f);
    fclose(f);
    assert_int_equal(iothdns_getpath(d, IOTHDNS_HOSTS, host, sizeof host),
                     strlen("/etc/hosts"));
    assert_string_equal(host, IOTHDNS_DEFAULT_HOSTS);
    iothdns_setpath(d, IOTHDNS_HOSTS, hosts);
    assert_int_equal(iothdns_getpath(d, IOTHDNS_HOSTS, host, 5), strlen(hosts));
    assert_string_equal(host, "/tmp"); /* Cut, as by snprintf(). */
    iothdns_setpath(d, IOTHDNS_SERVICES, services);

    assert_int_equal(iothdns_getaddrinfo(d, "b.test", "own", &hints, &all), 0);
    assert_int_equal(all->ai_family, AF_INET6);
    assert_int_equal(all->ai_next->ai_family, AF_INET);
    assert_int_equal(((struct sockaddr_in *)(void *)all->ai_next->ai_addr)->sin_port,
                     htons(7777));
    assert_null(all->ai_next->ai_next);
    iothdns_freeaddrinfo(all);
    hints.ai_family = AF_INET;
    hints.ai_flags = AI_CANONNAME;
    assert_int_equal(iothdns_getaddrinfo(d, "alias", "80", &hints, &all), 0);
    assert_string_equal(all->ai_canonname, "alias");
    assert_null(all->ai_next);
    iothdns_freeaddrinfo(all);
    /* The end of a chain; and as programs free it that were written for other lists. */
    assert_int_equal(iothdns_getaddrinfo(d, "alias.test", "80", &hints, &all), 0);
    assert_string_equal(all->ai_canonname, "real.test");
    freeaddrinfo(all);
    hints.ai_flags = AI_PASSIVE;
    assert_int_equal(iothdns_getaddrinfo(d, NULL, "80", &hints, &all), 0);
    assert_int_equal(((struct sockaddr_in *)(void *)all->ai_addr)->sin_addr.s_addr, 0);
    iothdns_freeaddrinfo(all);
    assert_int_equal(iothdns_getaddrinfo(d, "none.test", "80", &hints, &all), EAI_NONAME);
    assert_int_equal(iothdns_getaddrinfo(d, "six.test", "80", &hints, &all), EAI_NODATA);
    assert_int_equal(iothdns_getaddrinfo(d, "b.test", "nothing", &hints, &all),
                     EAI_SERVICE);
    assert_int_equal(iothdns_getaddrinfo(d, NULL, NULL, &hints, &all), EAI_NONAME);
    hints.ai_flags = AI_NUMERICHOST;
    assert_int_equal(iothdns_getaddrinfo(d, "b.test", "80", &hints, &all), EAI_NONAME);

    inet_pton(AF_INET, "10.0.0.9", &in.sin_addr);
    assert_int_equal(iothdns_getnameinfo(d, (struct sockaddr *)&in, sizeof in, host,
                                         sizeof host, serv, sizeof serv, 0),
                     0);
    assert_string_equal(host, "nine");
    assert_string_equal(serv, "ours");
    inet_pton(AF_INET, "10.0.0.7", &in.sin_addr);
    assert_int_equal(iothdns_getnameinfo(d, (struct sockaddr *)&in, sizeof in, host,
                                         sizeof host, serv, 2, 0),
                     EAI_OVERFLOW);
    assert_string_equal(host, "seven.test");
    iothdns_fini(d);
    unlink(hosts);
    unlink(services);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages), cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_cache),    cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_settings), cmocka_unit_test(test_getaddrinfo),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
