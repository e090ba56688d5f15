/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engines of iothconf under virtual time: DHCP, DHCPv6, router discovery; and the string of options. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "libioth/conf/datagram4.h"
#include "libioth/conf/dhcp4_message.h"
#include "libioth/conf/dhcp6_message.h"
#include "libioth/conf/iothconf.h"
#include "libioth/conf/options.h"
#include "libioth/conf/rd.h"
#include "proto/base/cur.h"

#define XID 0x01020304u
#define SEC MTIME_SEC

static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};

/* What the engine under test said last, and how often. */
static struct {
    uint8_t data[2048];
    size_t size;
    unsigned sent, changed;
    bool unicast, refuse;
} said;

static uint32_t draw(void *aux)
{
    (void)aux;
    return XID;
}

static void changed(void *aux)
{
    (void)aux;
    said.changed++;
}

static bool keep(const void *data, size_t size)
{
    if (said.refuse)
        return false;
    assert_true(size <= sizeof said.data);
    memcpy(said.data, data, size);
    said.size = size;
    said.sent++;
    return true;
}

/* --- DHCP --------------------------------------------------------------------------------------- */

static bool send4(void *aux, const void *data, size_t size, const uint8_t *to)
{
    (void)aux;
    said.unicast = to != NULL;
    return keep(data, size);
}

static const struct dhcp4_ops ops4 = {.send = send4, .changed = changed, .random = draw};

static struct dhcp4 client4(void)
{
    struct dhcp4 d = {.ops = &ops4, .name = "web.example"};

    memcpy(d.mac, mac, 6);
    memset(&said, 0, sizeof said);
    return d;
}

/* The first option of a code in what was said; its first byte, or -1. */
static int option4(uint8_t code)
{
    for (size_t at = 240; at + 2 < said.size && said.data[at] != 255;
         at += 2u + said.data[at + 1]) {
        if (said.data[at] == code)
            return said.data[at + 2];
    }
    return -1;
}

struct reply4 {
    uint8_t type, last; /* Of 10.0.0.LAST */
    uint32_t xid, lease;
    bool overloaded;
};

static size_t answer4(uint8_t out[600], const struct reply4 *r)
{
    struct wr w = wr_init(out, 600), options = wr_init(out + 240, 360);
    const uint8_t addr[4] = {10, 0, 0, r->last};

    memset(out, 0, 600);
    wr_u32(&w, 0x02010600);
    wr_u32(&w, r->xid);
    wr_u64(&w, 0);
    wr_bytes(&w, addr, 4);
    memcpy(out + 28, mac, 6);
    memcpy(out + 236, "\x63\x82\x53\x63", 4);
    wr_bytes(&options, (const uint8_t[]){53, 1, r->type}, 3);
    wr_bytes(&options, "\x36\x04\x0a\x00\x00\x01\x01\x04\xff\xff\xff\x00", 12);
    wr_bytes(&options, "\x33\x04", 2);
    wr_u32(&options, r->lease);
    wr_bytes(&options, "\x0f\x07one.two", 9);
    if (r->overloaded) {
        wr_bytes(&options, "\x34\x01\x01", 3);
        memcpy(out + 108, "\x03\x04\x0a\x00\x00\x01\xff", 7);
    } else {
        wr_bytes(&options, "\x03\x04\x0a\x00\x00\x01", 6);
    }
    wr_bytes(&options, "\x06\x08\x0a\x00\x00\x02\x0a\x00\x00\x03", 10);
    /* one.two, and three.two by a pointer. */
    wr_bytes(&options, "\x77\x11\x03one\x03two\x00\x05three\xc0\x04\x00", 19);
    wr_u8(&options, 255);
    return 240 + wr_size(&options);
}

static void reply4(struct dhcp4 *d, const struct reply4 *r, mtime_t now)
{
    uint8_t data[600];
    size_t size = answer4(data, r);

    dhcp4_input(d, data, size, now);
}

/* As far as a lease of `lease` seconds of 10.0.0.5. */
static void lease4(struct dhcp4 *d, uint32_t lease, mtime_t now)
{
    dhcp4_start(d, now);
    dhcp4_run(d, now);
    assert_int_equal(option4(53), DHCP4_DISCOVER);
    assert_int_equal(option4(81), 1);
    reply4(d, &(struct reply4){DHCP4_OFFER, 5, XID, lease, false}, now);
    assert_int_equal(option4(53), DHCP4_REQUEST);
    assert_int_equal(option4(50), 10);
    reply4(d, &(struct reply4){DHCP4_ACK, 5, XID, lease, false}, now);
    assert_true(d->bound);
    assert_int_equal(said.changed, 1);
}

static void test_dhcp4_lease(void **state)
{
    struct dhcp4 d = client4();
    const struct conf_set *set = &d.lease.set;

    (void)state;
    lease4(&d, 1000, 0);
    assert_int_equal(set->n_addrs, 1);
    assert_int_equal(set->addrs[0].prefix, 24);
    assert_int_equal(set->n_routers, 1);
    assert_int_equal(set->n_dns, 2);
    assert_int_equal(set->n_domains, 2);
    assert_string_equal(set->domains[0], "one.two");
    assert_string_equal(set->domains[1], "three.two");
    /* At half of the time, to the server alone; the same again is no change. */
    assert_true(dhcp4_deadline(&d) == 500 * SEC);
    dhcp4_run(&d, 499 * SEC);
    assert_int_equal(said.sent, 2);
    dhcp4_run(&d, 500 * SEC);
    assert_int_equal(said.sent, 3);
    assert_true(said.unicast);
    assert_int_equal(option4(50), -1);
    assert_int_equal(said.data[12], 10); /* ciaddr */
    reply4(&d, &(struct reply4){DHCP4_ACK, 5, XID, 1000, true}, 501 * SEC);
    assert_int_equal(said.changed, 1);
    assert_true(dhcp4_deadline(&d) == 1000 * SEC);
    dhcp4_stop(&d);
    assert_int_equal(option4(53), DHCP4_RELEASE);
    assert_true(dhcp4_deadline(&d) == MTIME_NEVER);
}

static void test_dhcp4_nobody_renews(void **state)
{
    struct dhcp4 d = client4();
    mtime_t now;
    unsigned broadcast = 0;

    (void)state;
    lease4(&d, 1000, 0);
    for (now = dhcp4_deadline(&d); now < 1000 * SEC; now = dhcp4_deadline(&d)) {
        dhcp4_run(&d, now);
        assert_true(dhcp4_deadline(&d) > now);
        assert_true(said.unicast == (now < 875 * SEC));
        broadcast += !said.unicast;
    }
    assert_true(broadcast > 1 && said.sent < 30);
    assert_true(now == 1000 * SEC);
    dhcp4_run(&d, now);
    assert_false(d.bound);
    assert_int_equal(said.changed, 2);
    dhcp4_run(&d, now);
    assert_int_equal(option4(53), DHCP4_DISCOVER);
}

static void test_dhcp4_refusals(void **state)
{
    struct dhcp4 d = client4();
    uint8_t data[600];
    size_t size;

    (void)state;
    /* A link that cannot send yet is tried soon again, and nobody is asked too often. */
    said.refuse = true;
    dhcp4_start(&d, 0);
    dhcp4_run(&d, 0);
    assert_true(dhcp4_deadline(&d) > 0 && dhcp4_deadline(&d) < SEC);
    said.refuse = false;
    for (mtime_t now = dhcp4_deadline(&d); now < 300 * SEC; now = dhcp4_deadline(&d))
        dhcp4_run(&d, now);
    assert_true(said.sent >= 6 && said.sent <= 14);
    /* Somebody else's answers, and cut ones. */
    reply4(&d, &(struct reply4){DHCP4_OFFER, 5, XID + 1, 60, false}, 301 * SEC);
    reply4(&d, &(struct reply4){DHCP4_OFFER, 5, XID, 0, false}, 301 * SEC);
    assert_int_equal(d.state, DHCP4_SELECTING);
    size = answer4(data, &(struct reply4){DHCP4_OFFER, 5, XID, 60, false});
    for (size_t n = 0; n < size; n++) {
        struct dhcp4_offer o;

        if (dhcp4_decode(&d, data, n, &o) > 0)
            assert_true(n > 240 + 3 + 6 + 6);
    }
    lease4(&d, 1000, 400 * SEC);
    dhcp4_run(&d, 900 * SEC);
    reply4(&d, &(struct reply4){DHCP4_NAK, 0, XID, 0, false}, 901 * SEC);
    assert_false(d.bound);
    assert_true(dhcp4_deadline(&d) == 902 * SEC);
}

/* --- DHCPv6 ------------------------------------------------------------------------------------- */

static bool send6(void *aux, const void *data, size_t size)
{
    (void)aux;
    return keep(data, size);
}

static const struct dhcp6_ops ops6 = {.send = send6, .changed = changed, .random = draw};

static struct dhcp6 client6(void)
{
    struct dhcp6 d = {.ops = &ops6, .name = "web.example"};

    memcpy(d.mac, mac, 6);
    memset(&said, 0, sizeof said);
    return d;
}

struct reply6 {
    uint8_t type;
    uint32_t valid; /* 0: no address. */
    uint16_t status;
    bool rapid;
};

static void reply6(struct dhcp6 *d, const struct reply6 *r, mtime_t now)
{
    uint8_t data[512];
    struct wr w = wr_init(data, sizeof data);

    wr_u32(&w, (uint32_t)r->type << 24 | (XID & 0xffffff));
    wr_bytes(&w, "\0\x01\0\x0a\0\x03\0\x01", 8);
    wr_bytes(&w, mac, 6);
    wr_bytes(&w, "\0\x02\0\x04serv", 8);
    if (r->valid) {
        wr_bytes(&w, "\0\x03\0\x28", 4);
        wr_bytes(&w, mac + 2, 4);
        wr_u64(&w, 0);
        wr_bytes(&w, "\0\x05\0\x18\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x07", 20);
        wr_u32(&w, r->valid);
        wr_u32(&w, r->valid);
    }
    if (r->status) {
        wr_bytes(&w, "\0\x0d\0\x02", 4);
        wr_u16(&w, r->status);
    }
    if (r->rapid)
        wr_bytes(&w, "\0\x0e\0\0", 4);
    wr_bytes(&w, "\0\x17\0\x10\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 20);
    wr_bytes(&w, "\0\x18\0\x09\x03one\x03two\0", 13);
    assert_false(w.bad);
    /* Cut anywhere, it is no answer or a smaller one, and nothing outside is read. */
    for (size_t n = 0; n < wr_size(&w); n++) {
        struct dhcp6_answer a;

        (void)!dhcp6_decode(d, data, n, &a);
    }
    dhcp6_input(d, data, wr_size(&w), now);
}

static void test_dhcp6_lease(void **state)
{
    struct dhcp6 d = client6();
    mtime_t now;

    (void)state;
    dhcp6_start(&d, 0);
    dhcp6_run(&d, 0);
    assert_int_equal(said.data[0], DHCP6_SOLICIT);
    reply6(&d, &(struct reply6){.type = DHCP6_ADVERTISE, .valid = 1000}, 1);
    assert_false(d.bound);
    dhcp6_run(&d, 1);
    assert_int_equal(said.data[0], DHCP6_REQUEST);
    reply6(&d, &(struct reply6){.type = DHCP6_REPLY, .valid = 1000}, 0);
    assert_true(d.bound);
    assert_int_equal(d.answer.set.n_addrs, 1);
    assert_int_equal(d.answer.set.n_dns, 1);
    assert_string_equal(d.answer.set.domains[0], "one.two");
    assert_true(dhcp6_deadline(&d) == 500 * SEC);
    dhcp6_run(&d, 500 * SEC);
    assert_int_equal(said.data[0], DHCP6_RENEW);
    reply6(&d, &(struct reply6){.type = DHCP6_REPLY, .valid = 1000}, 500 * SEC);
    assert_int_equal(said.changed, 1);
    /* Nobody answers: everybody is asked, then it is gone. */
    for (now = dhcp6_deadline(&d); now < 1500 * SEC; now = dhcp6_deadline(&d)) {
        dhcp6_run(&d, now);
        assert_true(dhcp6_deadline(&d) > now);
        assert_int_equal(said.data[0], now < 1300 * SEC ? DHCP6_RENEW : DHCP6_REBIND);
    }
    dhcp6_run(&d, now);
    assert_false(d.bound);
    assert_int_equal(said.changed, 2);
    assert_int_equal(said.data[0], DHCP6_SOLICIT);
}

static void test_dhcp6_others(void **state)
{
    struct dhcp6 d = client6();

    (void)state;
    /* Two messages. */
    dhcp6_start(&d, 0);
    dhcp6_run(&d, 0);
    reply6(&d, &(struct reply6){.type = DHCP6_REPLY, .valid = 60}, 0);
    assert_false(d.bound); /* Nobody said rapid. */
    d = client6();
    dhcp6_start(&d, 0);
    dhcp6_run(&d, 0);
    reply6(&d, &(struct reply6){.type = DHCP6_REPLY, .valid = 60, .rapid = true}, 0);
    assert_true(d.bound);
    dhcp6_stop(&d);
    assert_int_equal(said.data[0], DHCP6_RELEASE);
    /* No addresses: the rest. */
    d = client6();
    dhcp6_start(&d, 0);
    dhcp6_run(&d, 0);
    reply6(&d, &(struct reply6){.type = DHCP6_ADVERTISE, .status = DHCP6_NO_ADDRS}, 0);
    dhcp6_run(&d, 0);
    assert_int_equal(said.data[0], DHCP6_INFORMATION_REQUEST);
    reply6(&d, &(struct reply6){.type = DHCP6_REPLY}, 0);
    assert_true(d.bound);
    assert_int_equal(d.answer.set.n_addrs, 0);
    assert_int_equal(d.answer.set.n_dns, 1);
    assert_true(dhcp6_deadline(&d) == 86400 * SEC);
    /* Who says no at each request is asked once a second. */
    d = client6();
    dhcp6_start(&d, 0);
    dhcp6_run(&d, 0);
    reply6(&d, &(struct reply6){.type = DHCP6_ADVERTISE, .valid = 60}, 0);
    dhcp6_run(&d, 0);
    reply6(&d, &(struct reply6){.type = DHCP6_REPLY, .status = DHCP6_NO_ADDRS}, 0);
    assert_true(dhcp6_deadline(&d) == SEC);
}

/* --- routers ------------------------------------------------------------------------------------ */

static const struct rd_ops ops_rd = {.send = send6, .changed = changed};
static const uint8_t router[16] = {0xfe, 0x80, [15] = 1};

static struct rd client_rd(void)
{
    struct rd r = {.ops = &ops_rd, .slaac = true};

    memcpy(r.mac, mac, 6);
    memset(&said, 0, sizeof said);
    return r;
}

static void advertise(struct rd *r, uint32_t valid, int hops, mtime_t now)
{
    uint8_t data[256];
    struct wr w = wr_init(data, sizeof data);

    wr_bytes(&w, "\x86\0\0\0\x40\x40\x07\x08\0\0\0\0\0\0\0\0", 16); /* other, 1800 s */
    wr_bytes(&w, "\x03\x04\x40\xc0", 4);
    wr_u32(&w, valid);
    wr_u32(&w, valid);
    wr_u32(&w, 0);
    wr_bytes(&w, "\xfd\0\0\x07\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    wr_bytes(&w, "\x19\x03\0\0\0\0\x0e\x10\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x35", 24);
    wr_bytes(&w, "\x1f\x03\0\0\0\0\x0e\x10\x03one\x03two\0\0\0\0\0\0\0\0", 24);
    assert_false(w.bad);
    rd_input(r, data, wr_size(&w), router, hops, now);
}

static void test_rd(void **state)
{
    static const uint8_t by_mac[16] = {0xfd, 0, 0, 7,    0,    0, 0, 0,
                                       0,    0, 0, 0xff, 0xfe, 0, 0, 9};
    struct rd r = client_rd();
    struct conf_set set;

    (void)state;
    rd_start(&r, 0);
    rd_run(&r, 0);
    assert_int_equal(said.data[0], 133);
    advertise(&r, 5000, 64, 0); /* From afar. */
    assert_false(r.heard);
    advertise(&r, 5000, 255, 0);
    assert_true(r.heard && r.other && !r.managed);
    rd_set(&r, &set);
    assert_int_equal(set.n_addrs, 1);
    assert_memory_equal(set.addrs[0].bytes, by_mac, 16);
    assert_int_equal(set.n_routers, 1);
    assert_int_equal(set.n_dns, 1);
    assert_string_equal(set.domains[0], "one.two");
    advertise(&r, 5000, 255, 1);
    assert_int_equal(said.changed, 1);
    /* The router goes before the address does. */
    assert_true(rd_deadline(&r) == 1800 * SEC + 1);
    rd_run(&r, 1800 * SEC + 1);
    rd_set(&r, &set);
    assert_int_equal(set.n_routers, 0);
    assert_int_equal(set.n_addrs, 1);
    rd_run(&r, 3600 * SEC + 1);
    rd_run(&r, 5000 * SEC + 1);
    rd_set(&r, &set);
    assert_int_equal(set.n_addrs, 0);
    assert_int_equal(said.changed, 4); /* And the names, after an hour. */
}

static void test_rd_rules(void **state)
{
    struct rd r = client_rd();
    struct conf_set set;

    (void)state;
    /* Nobody can end an address at once. */
    rd_start(&r, 0);
    advertise(&r, 100000, 255, 0);
    advertise(&r, 1, 255, 0);
    rd_run(&r, 7199 * SEC);
    rd_set(&r, &set);
    assert_int_equal(set.n_addrs, 1);
    rd_run(&r, 7200 * SEC);
    rd_set(&r, &set);
    assert_int_equal(set.n_addrs, 0);
    /* A name's address. */
    r = client_rd();
    memcpy(r.name, "test.v2.cs.unibo.it", sizeof "test.v2.cs.unibo.it");
    rd_start(&r, 0);
    advertise(&r, 60, 255, 0);
    rd_set(&r, &set);
    assert_memory_equal(set.addrs[0].bytes + 8, "\x68\xd6\x2f\xac\x09\x5a\x5a\x2e", 8);
    /* In vain, four times. */
    r = client_rd();
    rd_start(&r, 0);
    for (mtime_t now = 0; now != MTIME_NEVER; now = rd_deadline(&r))
        rd_run(&r, now);
    assert_int_equal(said.sent, 4);
}

/* --- options ------------------------------------------------------------------------------------ */

static void test_options(void **state)
{
    static const struct {
        const char *text;
        unsigned on, off;
    } good[] = {
        {"", 0, 0},
        {"eth", IOTHCONF_ETH, 0},
        {"auto", IOTHCONF_ETH | IOTHCONF_DHCP | IOTHCONF_DHCPV6 | IOTHCONF_RD, 0},
        {"autov4,slaac", IOTHCONF_ETH | IOTHCONF_DHCP | OPTIONS_SLAAC, 0},
        {"-auto6,ip=10.0.0.1", IOTHCONF_STATIC,
         IOTHCONF_ETH | IOTHCONF_DHCPV6 | IOTHCONF_RD},
        {"-all,-static", 0,
         IOTHCONF_ETH | IOTHCONF_DHCP | IOTHCONF_DHCPV6 | IOTHCONF_RD | IOTHCONF_STATIC},
        {"eth,macaddr=02:00:00:00:00:01,fqdn=a.b,iface=eth0,debug", IOTHCONF_ETH, 0},
        {"ifindex=3,rd6,dhcpv6,dhcp4", IOTHCONF_RD | IOTHCONF_DHCPV6 | IOTHCONF_DHCP, 0},
    };
    static const char *const wrong[] = {
        "eht",       "ip=10.0.0.1/33", "ip=x",  "gw=10.0.0.1/8", "mac=1:2",
        "ifindex=0", "fqdn=a..b",      "ip",    "stack=lwip",    "iface=averyverylongname",
        "dns=",      "domain=a b",     "vnl=[", "-mac=1",        "fqdn='a",
    };
    struct options o;
    struct err err;

    (void)state;
    for (unsigned i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(options_parse(good[i].text, false, &o, &err), 0);
        assert_int_equal(o.on, good[i].on);
        assert_int_equal(o.off, good[i].off);
    }
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        err.why[0] = 0;
        assert_int_equal(options_parse(wrong[i], false, &o, &err), -EINVAL);
        assert_true(err.why[0] != 0);
    }
    assert_int_equal(options_parse("stack=lwip,vnl=ioth://a[name=b/ip=10.0.0.1,24],eth,"
                                   "ip=fd00::1,-dns=10.0.0.2,domain='x.y'",
                                   true, &o, &err),
                     0);
    assert_string_equal(o.stack, "lwip");
    assert_string_equal(o.vnl, "ioth://a[name=b/ip=10.0.0.1,24]");
    assert_int_equal(o.add.addrs[0].prefix, 64);
    assert_int_equal(o.remove.n_dns, 1);
    assert_string_equal(o.add.domains[0], "x.y");
}

static void test_datagram(void **state)
{
    static const struct datagram4_end from = {{10, 0, 0, 1}, 67}, to = {{10, 0, 0, 2}, 68};
    uint8_t packet[64];
    const uint8_t *data;
    size_t size = datagram4_wrap(packet, sizeof packet, &from, &to, "hello", 5), n;

    (void)state;
    assert_int_equal(size, 33);
    data = datagram4_unwrap(packet, size, 67, 68, &n);
    assert_non_null(data);
    assert_int_equal(n, 5);
    assert_memory_equal(data, "hello", 5);
    assert_null(datagram4_unwrap(packet, size, 68, 67, &n));
    for (size_t cut = 0; cut < size; cut++)
        assert_null(datagram4_unwrap(packet, cut, 67, 68, &n));
    assert_int_equal(datagram4_wrap(packet, 30, &from, &to, "hello", 5), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dhcp4_lease),    cmocka_unit_test(test_dhcp4_nobody_renews),
        cmocka_unit_test(test_dhcp4_refusals), cmocka_unit_test(test_dhcp6_lease),
        cmocka_unit_test(test_dhcp6_others),   cmocka_unit_test(test_rd),
        cmocka_unit_test(test_rd_rules),       cmocka_unit_test(test_options),
        cmocka_unit_test(test_datagram),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
