/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The TAP driver against the kernel's own: a device in a network namespace of the test's own, with
 * a packet socket on the kernel's side of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "fabricd/port/port.h"
#include "proto/base/mtime.h"
#include "tests/unit/frames.h"
#include "tests/unit/switch_ports.h"

#define TURNS_MAX 4000
#define SKIPPED   77
#define HEADERS   54u /* Ethernet, IPv4, TCP. */

static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t mac_b[6] = {2, 0, 0, 0, 0, 2};

struct world {
    struct loop *loop;
    struct port_env env;
    struct switch_ *sw;
    struct fake_port fake; /* The other port of the switch. */
    int tap;               /* The descriptor that a client shares with the driver. */
    int kernel;            /* A packet socket on the device, with virtio headers. */
    struct port *port;
    unsigned n_gone;
};

static void count_gone(void *aux, struct port *port)
{
    struct world *w = aux;

    (void)port;
    w->n_gone++;
}

static void set_up(const char *name)
{
    struct ifreq ifr = {.ifr_flags = IFF_UP | IFF_NOARP};
    int s = socket(AF_INET, SOCK_DGRAM, 0);

    snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s", name);
    assert_int_equal(ioctl(s, SIOCSIFFLAGS, &ifr), 0);
    ifr.ifr_mtu = 1500;
    assert_int_equal(ioctl(s, SIOCSIFMTU, &ifr), 0);
    close(s);
}

static int open_tap(const char *name)
{
    struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

    snprintf(ifr.ifr_name, sizeof ifr.ifr_name, "%s", name);
    assert_true(fd >= 0);
    assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
    return fd;
}

static int open_packet(const char *name)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(0x0800),
                             .sll_ifindex = (int)if_nametoindex(name)};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);
    int on = 1;

    assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on), 0);
    assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static int setup(void **state)
{
    static struct world w;
    const struct switch_config config = {.mtu = 1500};
    struct ipc_port port = {.id = 1, .kind = IPC_PORT_TAP, .name = "tap"};

    memset(&w, 0, sizeof w);
    w.loop = loop_new();
    w.sw = switch_new(&config);
    if (!w.loop || !w.sw || port_env_init(&w.env, w.loop) < 0)
        return -1;
    w.env.gone = count_gone;
    w.env.aux = &w;
    fake_port_init(&w.fake, 99, 0, false);
    switch_add_port(w.sw, &w.fake.sw);
    w.tap = open_tap("ioth-test");
    set_up("ioth-test");
    w.kernel = open_packet("ioth-test");
    if (port_new(&w.env, &port, &w.tap, 1, &w.port) < 0)
        return -1;
    switch_add_port(w.sw, &w.port->sw);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    port_free(w->port);
    close(w->tap);
    close(w->kernel);
    switch_remove_port(&w->fake.sw);
    fake_port_clear(&w->fake);
    fake_frames_drop();
    switch_free(w->sw);
    port_env_done(&w->env);
    loop_free(w->loop);
    return 0;
}

static void run_until(struct world *w, const unsigned *count, unsigned want)
{
    for (int i = 0; i < TURNS_MAX && *count < want; i++)
        loop_turn(w->loop, mtime_now() + MTIME_MS);
    assert_int_equal(*count, want);
}

static void run_idle(struct world *w)
{
    for (int i = 0; i < 20; i++)
        loop_turn(w->loop, mtime_now() + MTIME_MS / 10);
}

/* A TCP segment of `size` payload bytes whose checksum is open, as the kernel has them. */
static uint32_t build(uint8_t *bytes, uint32_t size)
{
    static uint8_t payload[FRAME_SUPER_MAX];
    struct frames_spec spec = {.payload = payload, .size = size, .seq = 7};
    uint32_t whole;
    uint16_t sum;

    for (uint32_t i = 0; i < size; i++)
        payload[i] = (uint8_t)(i * 7 + i / 251);
    whole = frames_build(&spec, bytes);
    memcpy(bytes, mac_b, 6);
    memcpy(bytes + 6, mac_a, 6);
    sum = frames_sum(bytes + 26, 8, IPPROTO_TCP + whole - 34);
    bytes[50] = (uint8_t)(sum >> 8);
    bytes[51] = (uint8_t)sum;
    return whole;
}

/* The kernel sends it by the device. */
static void kernel_sends(struct world *w, uint32_t size, uint16_t gso_size)
{
    static uint8_t bytes[FRAME_SUPER_MAX + HEADERS];
    struct virtio_net_hdr head = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                  .gso_type = gso_size ? VIRTIO_NET_HDR_GSO_TCPV4
                                                       : VIRTIO_NET_HDR_GSO_NONE,
                                  .hdr_len = HEADERS,
                                  .gso_size = gso_size,
                                  .csum_start = 34,
                                  .csum_offset = 16};
    struct iovec parts[2] = {{.iov_base = &head, .iov_len = sizeof head},
                             {.iov_base = bytes, .iov_len = build(bytes, size)}};

    assert_true(writev(w->kernel, parts, 2) > 0);
}

static void superframe_in(void **state)
{
    struct world *w = *state;
    const struct fake_frame *got = &w->fake.got[0];

    kernel_sends(w, 10000, 1000);
    run_until(w, &w->fake.n, 1);
    assert_int_equal(got->meta.size, HEADERS + 10000);
    assert_int_equal(got->meta.gso, FRAME_GSO_TCP4);
    assert_int_equal(got->meta.gso_size, 1000);
    assert_int_equal(got->meta.hdr_size, HEADERS);
    assert_int_equal(w->port->sw.counters.rx_frames, 1);
}

/* A port without offloads gets ten frames whose checksums are right. */
static void superframe_is_cut(void **state)
{
    struct world *w = *state;
    static uint8_t whole[FRAME_SUPER_MAX + HEADERS];

    w->fake.sw.caps = 0;
    kernel_sends(w, 9500, 1000);
    run_until(w, &w->fake.n, 10);
    (void)build(whole, 9500);
    for (uint32_t i = 0; i < 10; i++) {
        const struct fake_frame *got = &w->fake.got[i];
        uint32_t size = i < 9 ? 1000 : 500;

        assert_int_equal(got->meta.size, HEADERS + size);
        assert_int_equal(got->meta.gso, 0);
        assert_int_equal(got->meta.flags & FRAME_NEEDS_CSUM, 0);
        assert_true(frames_checksums_right(got->bytes, got->meta.size));
        assert_memory_equal(got->bytes + HEADERS, whole + HEADERS + i * 1000, size);
    }
}

/* What the kernel takes in by the device; its metadata in *head. */
static uint32_t kernel_gets(const struct world *w, struct virtio_net_hdr *head,
                            uint8_t *bytes)
{
    struct iovec parts[2] = {{.iov_base = head, .iov_len = sizeof *head},
                             {.iov_base = bytes, .iov_len = FRAME_SUPER_MAX}};
    ssize_t n = readv(w->kernel, parts, 2);

    return n < (ssize_t)sizeof *head ? 0 : (uint32_t)n - (uint32_t)sizeof *head;
}

static void superframe_out(void **state)
{
    struct world *w = *state;
    static uint8_t sent[FRAME_SUPER_MAX], got[FRAME_SUPER_MAX];
    struct frame f = fake_frame_of(sent, build(sent, 10000));
    struct virtio_net_hdr head;

    f.gso = FRAME_GSO_TCP4;
    f.gso_size = 1000;
    f.hdr_size = HEADERS;
    f.flags = FRAME_NEEDS_CSUM;
    f.csum_start = 34;
    f.csum_ofs = 16;
    switch_input(&w->fake.sw, &f, 1, 0);
    assert_int_equal(w->port->sw.counters.tx_frames, 1);
    assert_int_equal(kernel_gets(w, &head, got), HEADERS + 10000);
    assert_int_equal(head.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
    assert_int_equal(head.gso_size, 1000);
    assert_memory_equal(got, sent, HEADERS + 10000);
}

static bool may_block(int fd)
{
    return !(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

/* Its owner makes the device block; the switch goes on with all other ports. */
static void flag_cleared_by_owner(void **state)
{
    struct world *w = *state;

    alarm(20);
    for (uint32_t i = 1; i <= 5; i++) {
        struct frame f = fake_frame(mac_a, mac_b, 60, i);

        assert_int_equal(fcntl(w->tap, F_SETFL, fcntl(w->tap, F_GETFL) & ~O_NONBLOCK), 0);
        kernel_sends(w, 100, 0);
        run_until(w, &w->fake.n, i);
        run_idle(w);
        switch_input(&w->fake.sw, &f, 1, 0);
        assert_int_equal(w->port->sw.counters.tx_frames, i);
    }
    alarm(0);
    assert_int_equal(w->n_gone, 0);
}

/* As kernels before 6.4 are. Last: the filter stays. */
static void old_kernel(void **state)
{
    struct world *w = *state;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

    assert_int_equal(
        seccomp_rule_add(filter, SCMP_ACT_ERRNO(EOPNOTSUPP), SCMP_SYS(preadv2), 0), 0);
    assert_int_equal(
        seccomp_rule_add(filter, SCMP_ACT_ERRNO(EOPNOTSUPP), SCMP_SYS(pwritev2), 0), 0);
    assert_int_equal(seccomp_load(filter), 0);
    seccomp_release(filter);
    flag_cleared_by_owner(state);
    assert_false(may_block(w->tap));
}

/* A network namespace in which the kernel says nothing of its own accord. */
static bool enter_namespace(void)
{
    int fd;
    bool quiet;

    if (access("/dev/net/tun", R_OK | W_OK) < 0 || unshare(CLONE_NEWNET) < 0)
        return false;
    fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY);
    quiet = fd < 0 || write(fd, "1", 1) == 1;
    close(fd);
    return quiet;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(superframe_in),         TEST(superframe_is_cut), TEST(superframe_out),
        TEST(flag_cleared_by_owner), TEST(old_kernel),
    };

    if (!enter_namespace()) {
        printf("SKIP: needs root and /dev/net/tun (sudo modprobe tun)\n");
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
