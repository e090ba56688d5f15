/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The DNS answerer of a node: queries made by ldns, replies read by ldns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <ldns/ldns.h>

#include "libioth/node/answer.h"

#define ROOM 4096

struct fabric {
    int fails; /* What the lookup returns. */
    unsigned asked;
    char name[ANSWER_NAME_SIZE];
    enum answer_type type;
    unsigned many; /* That many addresses. */
};

/* Knows `web` (A only) and 10.64.0.2. */
static int look_up(void *aux, const char *name, enum answer_type type,
                   struct answer_result *out)
{
    struct fabric *fabric = aux;

    fabric->asked++;
    fabric->type = type;
    (void)snprintf(fabric->name, sizeof fabric->name, "%s", name);
    if (fabric->fails)
        return fabric->fails;
    out->found = strcmp(name, "web") == 0 || strcmp(name, "10.64.0.2") == 0;
    if (!out->found || type == ANSWER_AAAA)
        return 0;
    (void)snprintf(out->texts[out->n++], ANSWER_NAME_SIZE, "%s",
                   type == ANSWER_PTR ? "web.lan1.ioth" : "10.64.0.2");
    while (out->n < fabric->many) {
        (void)snprintf(out->texts[out->n], ANSWER_NAME_SIZE, "10.64.1.%u", out->n);
        out->n++;
    }
    return 0;
}

static ldns_pkt *query_of(const char *name, ldns_rr_type type, ldns_rr_class class)
{
    ldns_rdf *owner = ldns_dname_new_frm_str(name);
    ldns_pkt *query = ldns_pkt_query_new(owner, type, class, LDNS_RD);

    ldns_pkt_set_id(query, 4711);
    return query;
}

/* Sends the query through the answerer; the reply is the caller's. */
static ldns_pkt *exchange(const ldns_pkt *query, bool udp, struct fabric *fabric)
{
    uint8_t out[ROOM];
    uint8_t *wire = NULL;
    size_t size = 0, n;
    ldns_pkt *reply = NULL;

    assert_int_equal(ldns_pkt2wire(&wire, query, &size), LDNS_STATUS_OK);
    n = answer_message(wire, size, udp, look_up, fabric, out, sizeof out);
    LDNS_FREE(wire);
    assert_true(n > 0);
    assert_int_equal(ldns_wire2pkt(&reply, out, n), LDNS_STATUS_OK);
    assert_true(ldns_pkt_qr(reply));
    assert_int_equal(ldns_pkt_id(reply), ldns_pkt_id(query));
    return reply;
}

static ldns_pkt *ask(const char *name, ldns_rr_type type, struct fabric *fabric)
{
    ldns_pkt *query = query_of(name, type, LDNS_RR_CLASS_IN);
    ldns_pkt *reply = exchange(query, true, fabric);

    ldns_pkt_free(query);
    return reply;
}

/* The data of the only answer, as text. */
static void expect_answer(const ldns_pkt *reply, const char *text)
{
    char *got;

    assert_int_equal(ldns_pkt_get_rcode(reply), LDNS_RCODE_NOERROR);
    assert_int_equal(ldns_pkt_ancount(reply), 1);
    got = ldns_rdf2str(ldns_rr_rdf(ldns_rr_list_rr(ldns_pkt_answer(reply), 0), 0));
    assert_string_equal(got, text);
    LDNS_FREE(got);
}

static void test_address(void **state)
{
    struct fabric fabric = {.fails = 0};
    ldns_pkt *reply = ask("WeB.", LDNS_RR_TYPE_A, &fabric);
    char *owner;

    (void)state;
    expect_answer(reply, "10.64.0.2");
    assert_true(ldns_pkt_aa(reply));
    assert_string_equal(fabric.name, "web");
    /* The question comes back as it was asked: some resolvers check the case. */
    owner = ldns_rdf2str(ldns_rr_owner(ldns_rr_list_rr(ldns_pkt_question(reply), 0)));
    assert_string_equal(owner, "WeB.");
    LDNS_FREE(owner);
    ldns_pkt_free(reply);
}

static void expect_denial(const ldns_pkt *reply, ldns_pkt_rcode code)
{
    assert_int_equal(ldns_pkt_get_rcode(reply), code);
    assert_int_equal(ldns_pkt_ancount(reply), 0);
    assert_int_equal(ldns_pkt_nscount(reply), 1);
    assert_int_equal(ldns_rr_get_type(ldns_rr_list_rr(ldns_pkt_authority(reply), 0)),
                     LDNS_RR_TYPE_SOA);
}

static void test_empty_and_absent(void **state)
{
    struct fabric fabric = {.fails = 0};
    static const struct {
        const char *name;
        ldns_rr_type type;
        ldns_pkt_rcode code;
    } rows[] = {
        {"web.", LDNS_RR_TYPE_AAAA, LDNS_RCODE_NOERROR},
        {"web.", LDNS_RR_TYPE_MX, LDNS_RCODE_NOERROR},
        {"nobody.", LDNS_RR_TYPE_A, LDNS_RCODE_NXDOMAIN},
        {"nobody.", LDNS_RR_TYPE_TXT, LDNS_RCODE_NXDOMAIN},
        {"www.example.com.", LDNS_RR_TYPE_A, LDNS_RCODE_NXDOMAIN},
        {"9.0.64.10.in-addr.arpa.", LDNS_RR_TYPE_PTR, LDNS_RCODE_NXDOMAIN},
        {"2.0.64.10.in-addr.arpa.", LDNS_RR_TYPE_A, LDNS_RCODE_NOERROR},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ldns_pkt *reply = ask(rows[i].name, rows[i].type, &fabric);

        expect_denial(reply, rows[i].code);
        ldns_pkt_free(reply);
    }
}

static void test_reverse(void **state)
{
    struct fabric fabric = {.fails = 0};
    ldns_pkt *reply = ask("2.0.64.10.in-addr.arpa.", LDNS_RR_TYPE_PTR, &fabric);

    (void)state;
    expect_answer(reply, "web.lan1.ioth.");
    assert_string_equal(fabric.name, "10.64.0.2");
    assert_int_equal(fabric.type, ANSWER_PTR);
    ldns_pkt_free(reply);
}

static void test_reverse_names(void **state)
{
    char text[46];

    (void)state;
    assert_true(answer_reverse("2.0.64.10.in-addr.arpa", text));
    assert_string_equal(text, "10.64.0.2");
    assert_true(
        answer_reverse("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.e.f.2.4.d.f."
                       "ip6.arpa",
                       text));
    assert_string_equal(text, "fd42:fe80::1");
    assert_false(answer_reverse("0.64.10.in-addr.arpa", text));
    assert_false(answer_reverse("2.0.64.1000.in-addr.arpa", text));
    assert_false(answer_reverse("256.0.64.10.in-addr.arpa", text));
    assert_false(answer_reverse("1.2.0.64.10.in-addr.arpa", text));
    assert_false(answer_reverse("2..64.10.in-addr.arpa", text));
    assert_false(answer_reverse(".in-addr.arpa", text));
    assert_false(
        answer_reverse("g.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.e.f.2.4.d.f."
                       "ip6.arpa",
                       text));
    assert_false(answer_reverse("web.lan1.ioth", text));
}

static void test_local(void **state)
{
    struct fabric fabric = {.fails = -ECONNREFUSED};
    ldns_pkt *reply = ask("localhost.", LDNS_RR_TYPE_A, &fabric);

    (void)state;
    expect_answer(reply, "127.0.0.1");
    ldns_pkt_free(reply);
    reply = ask("x.localhost.", LDNS_RR_TYPE_AAAA, &fabric);
    expect_answer(reply, "::1");
    ldns_pkt_free(reply);
    reply = ask("1.0.0.127.in-addr.arpa.", LDNS_RR_TYPE_PTR, &fabric);
    expect_answer(reply, "localhost.");
    ldns_pkt_free(reply);
    assert_int_equal(fabric.asked, 0);
}

static void test_fabric_away(void **state)
{
    struct fabric fabric = {.fails = -ECONNREFUSED};
    ldns_pkt *reply = ask("web.", LDNS_RR_TYPE_A, &fabric);

    (void)state;
    /* Not a denial: nobody may keep it. */
    assert_int_equal(ldns_pkt_get_rcode(reply), LDNS_RCODE_SERVFAIL);
    assert_int_equal(ldns_pkt_nscount(reply), 0);
    ldns_pkt_free(reply);
}

static void expect_refused(ldns_pkt *query, ldns_pkt_rcode code)
{
    struct fabric fabric = {.fails = 0};
    ldns_pkt *reply = exchange(query, true, &fabric);

    assert_int_equal(ldns_pkt_get_rcode(reply), code);
    assert_int_equal(fabric.asked, 0);
    ldns_pkt_free(reply);
    ldns_pkt_free(query);
}

static void test_refused(void **state)
{
    ldns_pkt *query = query_of("web.", LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN);

    (void)state;
    ldns_pkt_set_opcode(query, LDNS_PACKET_UPDATE);
    expect_refused(query, LDNS_RCODE_NOTIMPL);
    expect_refused(query_of("version.bind.", LDNS_RR_TYPE_TXT, LDNS_RR_CLASS_CH),
                   LDNS_RCODE_REFUSED);
    expect_refused(query_of("ioth.", LDNS_RR_TYPE_AXFR, LDNS_RR_CLASS_IN),
                   LDNS_RCODE_REFUSED);
}

static void test_size(void **state)
{
    struct fabric fabric = {.many = ANSWER_MAX};
    ldns_pkt *query = query_of("web.", LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN);
    ldns_pkt *reply;

    (void)state;
    reply = exchange(query, true, &fabric);
    assert_int_equal(ldns_pkt_ancount(reply), ANSWER_MAX);
    assert_int_equal(ldns_pkt_edns_udp_size(reply), 0);
    ldns_pkt_free(reply);
    ldns_pkt_set_edns_udp_size(query, 4096);
    reply = exchange(query, true, &fabric);
    assert_int_equal(ldns_pkt_ancount(reply), ANSWER_MAX);
    assert_int_equal(ldns_pkt_edns_udp_size(reply), ANSWER_UDP_SIZE);
    ldns_pkt_free(reply);
    ldns_pkt_free(query);
}

/* A reply that does not fit a datagram says so, and fits over TCP. */
static void test_truncated(void **state)
{
    struct fabric fabric = {.many = ANSWER_MAX};
    ldns_pkt *query = query_of("web.", LDNS_RR_TYPE_A, LDNS_RR_CLASS_IN);
    ldns_pkt *reply;
    uint8_t *wire = NULL;
    uint8_t out[512];
    size_t size = 0, n;

    (void)state;
    assert_int_equal(ldns_pkt2wire(&wire, query, &size), LDNS_STATUS_OK);
    /* A caller with little room stands for many answers. */
    n = answer_message(wire, size, true, look_up, &fabric, out, 100);
    assert_in_range(n, 12, 100);
    assert_int_equal(ldns_wire2pkt(&reply, out, n), LDNS_STATUS_OK);
    assert_true(ldns_pkt_tc(reply));
    assert_int_equal(ldns_pkt_ancount(reply), 0);
    ldns_pkt_free(reply);
    reply = exchange(query, false, &fabric);
    assert_false(ldns_pkt_tc(reply));
    assert_int_equal(ldns_pkt_ancount(reply), ANSWER_MAX);
    ldns_pkt_free(reply);
    LDNS_FREE(wire);
    ldns_pkt_free(query);
}

static void test_garbage(void **state)
{
    struct fabric fabric = {.fails = 0};
    uint8_t query[12] = {0x12, 0x67, 0x01, 0, 0, 9};
    uint8_t out[512];

    (void)state;
    assert_int_equal(answer_message(query, 11, true, look_up, &fabric, out, sizeof out), 0);
    assert_int_equal(answer_message(query, 12, true, look_up, &fabric, out, sizeof out),
                     12);
    assert_int_equal(out[0] << 8 | out[1], 0x1267);
    assert_int_equal(out[3] & 15, LDNS_RCODE_FORMERR);
    query[5] = 0; /* Readable, but it asks nothing. */
    assert_int_equal(answer_message(query, 12, true, look_up, &fabric, out, sizeof out),
                     12);
    assert_int_equal(out[3] & 15, LDNS_RCODE_FORMERR);
    query[2] |= 0x80; /* A reply. */
    assert_int_equal(answer_message(query, 12, true, look_up, &fabric, out, sizeof out), 0);
    assert_int_equal(fabric.asked, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address),   cmocka_unit_test(test_empty_and_absent),
        cmocka_unit_test(test_reverse),   cmocka_unit_test(test_reverse_names),
        cmocka_unit_test(test_local),     cmocka_unit_test(test_fabric_away),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_size),
        cmocka_unit_test(test_truncated), cmocka_unit_test(test_garbage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
