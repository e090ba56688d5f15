/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * link_alone NUMBER ADDRESS PEER-NUMBER PEER-ADDRESS TAP: the switch process of one of two hosts,
 * without the rest of the daemon: a TAP on one network and the link to the other host. Keys and
 * certificates follow from the numbers, so two of these know each other. UDP port 4655. Ends
 * when its standard input does, and on SIGTERM.
 */
#include <arpa/inet.h>
#include <err.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/mtime.h"
#include "proto/link/cert.h"
#include "tests/support/testparent.h"

#define NET_ID   1
#define FABRIC   9
#define UDP_PORT 4655

/* Only interrupts what waits. */
static void on_signal(int number)
{
    (void)number;
}

static uint16_t number_of(const char *text)
{
    unsigned long n = strtoul(text, NULL, 10);

    if (n == 0 || n > 999)
        errx(2, "%s: not a host number", text);
    return (uint16_t)n;
}

static void keys_of(uint16_t host, uint8_t public[32], uint8_t secret[32])
{
    memset(secret, 0, 32);
    secret[0] = (uint8_t)host;
    secret[1] = (uint8_t)(host >> 8);
    secret[2] = 77;
    crypto_scalarmult_base(public, secret);
}

static struct ipc_self self_of(uint16_t host)
{
    uint8_t seed[32] = {1}, root_secret[64], issuer_secret[64], cert[256];
    struct cert_issuer issuer = {.fabric = FABRIC, .not_after = wall_now() + 86400};
    struct cert_host leaf = {
        .fabric = FABRIC, .host = host, .not_after = wall_now() + 86400};
    struct ipc_self self = {.host = host, .fabric = FABRIC};
    size_t size = 0;

    crypto_sign_seed_keypair(self.root, root_secret, seed);
    seed[0] = 2;
    crypto_sign_seed_keypair(issuer.sign_public, issuer_secret, seed);
    keys_of(host, self.noise_public, self.noise_secret);
    snprintf(leaf.name, sizeof leaf.name, "host-%u", host);
    snprintf(self.name, sizeof self.name, "host-%u", host);
    memcpy(leaf.noise_public, self.noise_public, 32);
    if (cert_issuer_sign(&issuer, root_secret, cert, sizeof cert, &size) != 0 ||
        cert_host_sign(&leaf, issuer_secret, cert, size, self.chain, sizeof self.chain,
                       &size) != 0)
        errx(1, "cannot sign");
    self.chain_size = (uint16_t)size;
    return self;
}

static int udp_at(const char *address)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(UDP_PORT)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (inet_pton(AF_INET, address, &sin.sin_addr) != 1)
        errx(2, "%s: not an IPv4 address", address);
    if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof sin) < 0)
        err(1, "%s", address);
    return fd;
}

static void send_state(const struct testparent *t, char **argv)
{
    struct ipc_self self = self_of(number_of(argv[1]));
    struct ipc_listen udp = {.id = 1, .kind = IPC_LISTEN_UDP};
    struct ipc_peer peer = {.host = number_of(argv[3]), .dial = 1, .n_addrs = 1};
    struct ipc_net net = {.id = NET_ID, .name = "bench", .mtu = 9216, .everywhere = 1};
    struct ipc_port port = {.id = 2, .kind = IPC_PORT_TAP, .net = NET_ID, .name = "tap"};
    uint8_t secret[32];
    int fd;

    testparent_send(t, IPC_SELF, &self, NULL, 0);
    fd = udp_at(argv[2]);
    testparent_send(t, IPC_LISTEN, &udp, &fd, 1);
    close(fd);
    testparent_send(t, IPC_NET, &net, NULL, 0);
    keys_of(peer.host, peer.noise_public, secret);
    snprintf(peer.name, sizeof peer.name, "host-%u", peer.host);
    peer.addrs[0] = (struct ipc_addr){.family = 4, .port = UDP_PORT};
    if (inet_pton(AF_INET, argv[4], peer.addrs[0].addr) != 1)
        errx(2, "%s: not an IPv4 address", argv[4]);
    testparent_send(t, IPC_PEER, &peer, NULL, 0);
    fd = testparent_open_tap(argv[5]);
    testparent_send(t, IPC_PORT, &port, &fd, 1);
    close(fd);
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct pollfd polled = {.fd = 0, .events = POLLIN};
    struct testparent t;

    if (argc != 6 || sodium_init() < 0)
        errx(2, "usage: link_alone NUMBER ADDRESS PEER-NUMBER PEER-ADDRESS TAP");
    sigaction(SIGTERM, &action, NULL);
    testparent_start(&t, NULL);
    send_state(&t, argv);
    while (poll(&polled, 1, -1) > 0 && !polled.revents)
        ;
    return testparent_stop(&t) == 0 ? 0 : 1;
}
