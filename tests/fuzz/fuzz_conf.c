/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What comes to the engines of iothconf: the first byte says to which, the rest is a message, in each state
 * that it can meet. Whatever it is, what they make of it stays in its bounds, and time goes on.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "libioth/conf/datagram4.h"
#include "libioth/conf/dhcp4.h"
#include "libioth/conf/dhcp6.h"
#include "libioth/conf/rd.h"

#define XID 0x01020304u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};
static struct conf_set last;

static uint32_t draw(void *aux)
{
    (void)aux;
    return XID;
}

static void changed(void *aux)
{
    (void)aux;
}

static bool send4(void *aux, const void *message, size_t size, const uint8_t *to)
{
    (void)aux;
    (void)message;
    (void)to;
    return size > 0;
}

static bool send6(void *aux, const void *message, size_t size)
{
    return send4(aux, message, size, NULL);
}

static void check(const struct conf_set *s)
{
    if (s->n_addrs > CONF_ADDRS_MAX || s->n_routers > CONF_ROUTERS_MAX ||
        s->n_dns > CONF_DNS_MAX || s->n_domains > CONF_DOMAINS_MAX)
        abort();
    for (unsigned i = 0; i < s->n_domains; i++) {
        if (!conf_name_ok(s->domains[i]))
            abort();
    }
    last = *s;
}

static void feed4(const uint8_t *data, size_t size)
{
    static const struct dhcp4_ops ops = {.send = send4, .changed = changed, .random = draw};
    struct dhcp4 d = {.ops = &ops};
    mtime_t now = 0;

    memcpy(d.mac, mac, 6);
    dhcp4_start(&d, now);
    for (unsigned i = 0; i < 8; i++) {
        dhcp4_run(&d, now);
        dhcp4_input(&d, data, size, now);
        check(&d.lease.set);
        if (dhcp4_deadline(&d) == MTIME_NEVER)
            break;
        if (dhcp4_deadline(&d) > now)
            now = dhcp4_deadline(&d);
    }
    dhcp4_stop(&d);
}

static void feed6(const uint8_t *data, size_t size)
{
    static const struct dhcp6_ops ops = {.send = send6, .changed = changed, .random = draw};
    struct dhcp6 d = {.ops = &ops};
    mtime_t now = 0;

    memcpy(d.mac, mac, 6);
    dhcp6_start(&d, now);
    for (unsigned i = 0; i < 8; i++) {
        dhcp6_run(&d, now);
        dhcp6_input(&d, data, size, now);
        check(&d.answer.set);
        if (dhcp6_deadline(&d) == MTIME_NEVER)
            break;
        if (dhcp6_deadline(&d) > now)
            now = dhcp6_deadline(&d);
    }
    dhcp6_stop(&d);
}

static void feed_rd(const uint8_t *data, size_t size)
{
    static const struct rd_ops ops = {.send = send6, .changed = changed};
    static const uint8_t from[16] = {0xfe, 0x80, [15] = 1};
    struct rd *r = calloc(1, sizeof *r);
    struct conf_set set;

    if (!r)
        return;
    r->ops = &ops;
    r->slaac = true;
    rd_start(r, 0);
    rd_input(r, data, size, from, 255, 0);
    rd_set(r, &set);
    check(&set);
    for (mtime_t now = 0; now != MTIME_NEVER; now = rd_deadline(r)) {
        rd_run(r, now);
        if (rd_deadline(r) <= now)
            abort();
    }
    free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy;
    size_t n;

    if (size < 1)
        return 0;
    /* Of its own size, so that a step outside is seen. */
    copy = malloc(size > 1 ? size - 1 : 1);
    if (!copy)
        return 0;
    memcpy(copy, data + 1, size - 1);
    if (data[0] % 4 == 0)
        feed4(copy, size - 1);
    else if (data[0] % 4 == 1)
        feed6(copy, size - 1);
    else if (data[0] % 4 == 2)
        feed_rd(copy, size - 1);
    else
        (void)datagram4_unwrap(copy, size - 1, 67, 68, &n);
    free(copy);
    return 0;
}
