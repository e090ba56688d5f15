/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * link_stdio: the link engine of host 1 with its datagrams as lines of hexadecimal text, for
 * another implementation to talk to. It first prints the keys of host 2, whose part the other one
 * plays: "secret HEX", "chain HEX", "public HEX" (of host 1), "root HEX". Then it reads:
 *     D HEX   a datagram to host 1
 *     T N     N microseconds pass
 *     C       host 1 is told about host 2 and dials it
 *     S HEX   host 1 says a message on the control stream
 * and prints "D HEX" for every datagram that it sends, "F SLOT HEX" for every frame that came by one datagram, "M HEX" for
 * every message, "UP" and "DOWN", and "." after each line that it has read.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/link/gather.h"

#define WALL   ((int64_t)1800000000)
#define NET_ID 0x1122334455667788u

static uint32_t conn;

static void print_hex(const char *what, const void *data, size_t size)
{
    const uint8_t *p = data;

    printf("%s ", what);
    for (size_t i = 0; i < size; i++)
        printf("%02x", p[i]);
    printf("\n");
}

static int on_send(void *aux, const struct link_addr *to, const uint8_t *data, size_t size)
{
    (void)aux;
    (void)to;
    print_hex("D", data, size);
    return 0;
}

static void on_random(void *aux, void *out, size_t size)
{
    (void)aux;
    randombytes_buf(out, size);
}

static void on_changed(void *aux, struct peer *p)
{
    (void)aux;
    conn = p->conn;
    printf("%s\n", p->up ? "UP" : "DOWN");
}

static void on_gone(void *aux, struct peer *p)
{
    (void)aux;
    (void)p;
}

static void on_slot(void *aux, struct peer *p, unsigned slot)
{
    (void)aux;
    (void)p;
    (void)slot;
}

static bool on_stream_in(void *aux, struct peer *p, const uint8_t *data, size_t size)
{
    (void)aux;
    (void)p;
    print_hex("M", data, size);
    return true;
}

static void on_stream_room(void *aux, struct peer *p)
{
    (void)aux;
    (void)p;
}

static void on_joining(void *aux, uint32_t joined, int code)
{
    (void)aux;
    (void)joined;
    (void)code;
}

static void on_bpdu(void *aux, struct peer *p, unsigned slot, const uint8_t *data,
                    size_t size)
{
    (void)aux;
    (void)p;
    (void)slot;
    print_hex("B", data, size);
}

static const struct hub_ops ops = {on_send,    on_random, on_changed,   on_gone,
                                   on_slot,    on_slot,   on_stream_in, on_stream_room,
                                   on_joining, on_gone,   on_bpdu};

static void make_host(struct hub_self *self, uint16_t host)
{
    uint8_t seed[32] = {1}, root_secret[64], issuer_secret[64], cert[256];
    struct cert_issuer issuer = {.fabric = 5, .not_after = WALL + CERT_ISSUER_LIFE};
    struct cert_host leaf = {.fabric = 5, .host = host, .not_after = WALL + CERT_HOST_LIFE};
    size_t size = 0;

    *self = (struct hub_self){.host = host, .fabric = 5};
    crypto_sign_seed_keypair(self->root, root_secret, seed);
    seed[0] = 2;
    crypto_sign_seed_keypair(issuer.sign_public, issuer_secret, seed);
    randombytes_buf(self->noise_secret, 32);
    crypto_scalarmult_base(self->noise_public, self->noise_secret);
    memcpy(leaf.noise_public, self->noise_public, 32);
    snprintf(leaf.name, sizeof leaf.name, "host-%u", host);
    if (cert_issuer_sign(&issuer, root_secret, cert, sizeof cert, &size) != 0 ||
        cert_host_sign(&leaf, issuer_secret, cert, size, self->chain, sizeof self->chain,
                       &size) != 0)
        abort();
    self->chain_size = (uint16_t)size;
}

static size_t unhex(const char *text, uint8_t *out, size_t room)
{
    size_t size = 0;

    sodium_hex2bin(out, room, text, strcspn(text, "\r\n"), NULL, &size, NULL);
    return size;
}

static void dial(struct hub *h, const struct hub_self *other, mtime_t now)
{
    struct hub_peer_config c = {
        .host = other->host, .dial = true, .name = "host-2", .n_addrs = 1};

    memcpy(c.noise_public, other->noise_public, 32);
    c.addrs[0] = (struct link_addr){.family = 4, .port = 2, .addr = {192, 0, 2, 2}};
    hub_put_peer(h, &c, now);
}

static void take_datagram(struct hub *h, const uint8_t *data, size_t size, mtime_t now)
{
    static uint8_t room[200000];
    struct link_addr from = {.family = 4, .port = 2, .addr = {192, 0, 2, 2}};
    struct hub_frame frame;
    struct gather g;
    char what[16];
    bool good;

    gather_init(&g, room, sizeof room);
    good = hub_input(h, &from, data, size, gather_place(&g), now, WALL * MTIME_SEC + now,
                     &frame);
    gather_opened(&g);
    if (good)
        snprintf(what, sizeof what, "F %u", frame.slot);
    for (; good; good = hub_more(h, &frame))
        gather_add(&g, &frame);
    gather_end(&g);
    for (unsigned i = 0; i < g.n; i++)
        print_hex(what, g.frames[i].data, g.frames[i].size);
}

static void take(struct hub *h, const char *line, const struct hub_self *other,
                 mtime_t *now)
{
    static uint8_t data[65536];
    size_t size;

    switch (line[0]) {
    case 'D':
        size = unhex(line + 2, data, sizeof data);
        take_datagram(h, data, size, *now);
        break;
    case 'T':
        *now += strtol(line + 2, NULL, 10);
        break;
    case 'C':
        dial(h, other, *now);
        break;
    case 'S':
        size = unhex(line + 2, data, sizeof data);
        if (hub_stream_send(h, conn, data, size, *now) != 0)
            printf("REFUSED\n");
        break;
    default:
        break;
    }
    hub_run(h, *now, WALL * MTIME_SEC + *now);
}

int main(void)
{
    static char line[140000];
    struct hub_self self, other;
    mtime_t now = MTIME_SEC;
    struct hub *h;

    if (sodium_init() < 0)
        return 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    make_host(&self, 1);
    make_host(&other, 2);
    h = hub_new(&ops, NULL);
    hub_set_self(h, &self, now);
    if (hub_put_net(h, NET_ID, true, NULL, 0, now) < 0)
        return 1;
    print_hex("secret", other.noise_secret, 32);
    print_hex("chain", other.chain, other.chain_size);
    print_hex("public", self.noise_public, 32);
    print_hex("root", self.root, 32);
    while (fgets(line, sizeof line, stdin)) {
        take(h, line, &other, &now);
        printf(".\n");
    }
    hub_free(h, now);
    return 0;
}
