/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The switch process as its siblings see it: this program is the parent and control. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "libioth/plug/ringmap.h"
#include "proto/base/cur.h"
#include "proto/base/fd.h"
#include "proto/base/mtime.h"
#include "proto/plug/plug.h"
#include "tests/support/testparent.h"

#define NET       7u
#define WAIT_TIME (2 * MTIME_SEC)

static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t mac_b[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

struct client {
    struct testring fds;
    struct ringmap map;
};

struct world {
    struct testparent parent;
    struct client a, b;
    char folder[64];
    char adoption[108];
    struct ipc_message msg;
};

static void client_open(struct client *c)
{
    memset(c, 0, sizeof *c);
    testring_make(&c->fds);
    assert_int_equal(ringmap_attach(&c->map, c->fds.memfd, RINGMAP_CLIENT), 0);
}

static void client_close(struct client *c)
{
    ringmap_done(&c->map);
    testring_close(&c->fds);
}

static int setup(void **state)
{
    static struct world w;

    snprintf(w.folder, sizeof w.folder, "/tmp/ioth-test-XXXXXX");
    if (!mkdtemp(w.folder))
        return -1;
    snprintf(w.adoption, sizeof w.adoption, "%s/switch.sock", w.folder);
    testparent_start(&w.parent, w.adoption);
    client_open(&w.a);
    client_open(&w.b);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    int status = testparent_stop(&w->parent);

    client_close(&w->a);
    client_close(&w->b);
    unlink(w->adoption);
    rmdir(w->folder);
    return status;
}

static void client_send(struct client *c, const uint8_t *dst, const uint8_t *src,
                        uint32_t size)
{
    uint8_t bytes[FRAME_SIZE_MAX] = {0};
    struct frame f = {.data = bytes, .size = size};

    memcpy(bytes, dst, 6);
    memcpy(bytes + 6, src, 6);
    bytes[12] = 0x88;
    bytes[13] = 0xb5;
    assert_int_equal(ring_put(&c->map.tx, &f), 0);
    if (ring_publish(&c->map.tx))
        assert_int_equal(send(c->fds.bell, "", 1, MSG_DONTWAIT), 1);
}

/* The size of the next frame, 0 if none came in time. */
static uint32_t client_recv(struct client *c, mtime_t wait)
{
    mtime_t until = mtime_now() + wait;
    struct frame f;

    do {
        if (ring_peek(&c->map.rx, &f, 1) == 1) {
            if (ring_release(&c->map.rx))
                assert_int_equal(send(c->fds.bell, "", 1, MSG_DONTWAIT), 1);
            return f.size;
        }
        usleep(100);
    } while (mtime_now() < until);
    return 0;
}

static void ask(struct world *w, uint32_t what)
{
    struct ipc_stats_request request = {.net = NET, .what = what};

    assert_int_equal(ipc_send(w->parent.control, IPC_STATS, 5, &request, NULL, 0), 0);
}

/* Waits until the switch has this many ports. */
static void settle(struct world *w, unsigned want)
{
    mtime_t until = mtime_now() + WAIT_TIME;
    unsigned n;

    do {
        assert_true(mtime_now() < until);
        ask(w, IPC_STATS_PORTS);
        n = 0;
        do {
            assert_int_equal(ipc_recv(w->parent.control, &w->msg), 1);
            n += w->msg.head.type == IPC_STATS_PORT;
        } while (w->msg.head.type != IPC_STATS_END);
    } while (n != want);
}

/* Everything that was said to the switch has been heard. */
static void fence(struct world *w)
{
    testparent_send(&w->parent, IPC_FENCE, NULL, NULL, 0);
    assert_true(testparent_expect(w->parent.channel, IPC_FENCE, &w->msg));
}

static void put_both(struct world *w)
{
    testparent_net(&w->parent, NET, "lan1", 1500);
    testparent_put_ring(&w->parent, 2, NET, "a", &w->a.fds);
    testparent_put_ring(&w->parent, 4, NET, "b", &w->b.fds);
    settle(w, 2);
}

/* --- ports --------------------------------------------------------------------------------- */

static void frames_cross(void **state)
{
    struct world *w = *state;

    put_both(w);
    client_send(&w->a, all, mac_a, 60);
    assert_int_equal(client_recv(&w->b, WAIT_TIME), 60);
    client_send(&w->b, mac_a, mac_b, 1514);
    assert_int_equal(client_recv(&w->a, WAIT_TIME), 1514);
}

static void ports_wait_for_their_network(void **state)
{
    struct world *w = *state;

    testparent_put_ring(&w->parent, 2, NET, "a", &w->a.fds);
    testparent_put_ring(&w->parent, 4, NET, "b", &w->b.fds);
    client_send(&w->a, all, mac_a, 60);
    assert_int_equal(client_recv(&w->b, 50 * MTIME_MS), 0);
    testparent_net(&w->parent, NET, "lan1", 1500);
    assert_int_equal(client_recv(&w->b, WAIT_TIME), 60);
}

static void lifeline_ends_the_port(void **state)
{
    struct world *w = *state;

    put_both(w);
    client_send(&w->a, all, mac_a, 60);
    assert_int_equal(client_recv(&w->b, WAIT_TIME), 60);
    fd_close(&w->b.fds.lifeline);
    assert_true(testparent_expect(w->parent.channel, IPC_DELETE, &w->msg));
    assert_int_equal(w->msg.body.del.type, IPC_PORT);
    assert_int_equal(w->msg.body.del.id, 4);
    assert_true(testparent_expect(w->parent.control, IPC_PORT_GONE, &w->msg));
    assert_int_equal(w->msg.body.port_gone.id, 4);
    assert_string_equal(w->msg.body.port_gone.name, "b");
}

static void networks_are_apart(void **state)
{
    struct world *w = *state;

    testparent_net(&w->parent, NET, "lan1", 1500);
    testparent_net(&w->parent, NET + 1, "lan2", 1500);
    testparent_put_ring(&w->parent, 2, NET, "a", &w->a.fds);
    testparent_put_ring(&w->parent, 4, NET + 1, "b", &w->b.fds);
    client_send(&w->a, all, mac_a, 60);
    assert_int_equal(client_recv(&w->b, 50 * MTIME_MS), 0);
}

/* A new switch goes on with the same descriptors; what was in the rings meanwhile arrives. */
static void new_switch_takes_over(void **state)
{
    struct world *w = *state;

    put_both(w);
    client_send(&w->a, all, mac_a, 60);
    assert_int_equal(client_recv(&w->b, WAIT_TIME), 60);
    kill(w->parent.pid, SIGKILL);
    waitpid(w->parent.pid, NULL, 0);
    close(w->parent.channel);
    close(w->parent.control);
    close(w->parent.adoption);
    unlink(w->adoption);
    client_send(&w->a, all, mac_a, 61);
    testparent_start(&w->parent, w->adoption);
    put_both(w);
    assert_int_equal(client_recv(&w->b, WAIT_TIME), 61);
    client_send(&w->b, mac_a, mac_b, 62);
    assert_int_equal(client_recv(&w->a, WAIT_TIME), 62);
}

/* --- statistics and captures --------------------------------------------------------------- */

static void counters_and_macs(void **state)
{
    struct world *w = *state;
    const struct ipc_stats_port *port = &w->msg.body.stats_port;

    put_both(w);
    client_send(&w->a, all, mac_a, 60);
    assert_int_equal(client_recv(&w->b, WAIT_TIME), 60);
    ask(w, IPC_STATS_PORTS | IPC_STATS_FDB);
    assert_true(testparent_expect(w->parent.control, IPC_STATS_PORT, &w->msg));
    assert_int_equal(w->msg.head.request, 5);
    assert_int_equal(port->id, 2);
    assert_string_equal(port->name, "a");
    assert_int_equal(port->rx_frames, 1);
    assert_int_equal(port->rx_bytes, 60);
    assert_int_equal(port->tx_frames, 0);
    assert_true(testparent_expect(w->parent.control, IPC_STATS_PORT, &w->msg));
    assert_int_equal(port->id, 4);
    assert_int_equal(port->tx_frames, 1);
    assert_true(testparent_expect(w->parent.control, IPC_STATS_MACS, &w->msg));
    assert_int_equal(w->msg.body.stats_macs.n, 1);
    assert_int_equal(w->msg.body.stats_macs.macs[0].port, 2);
    assert_memory_equal(w->msg.body.stats_macs.macs[0].mac, mac_a, 6);
    assert_true(testparent_expect(w->parent.control, IPC_STATS_END, &w->msg));
}

static void captures_run(void **state)
{
    struct world *w = *state;
    struct ipc_port port = {.id = 6, .kind = IPC_PORT_CAPTURE, .net = NET, .name = "cap"};
    struct plug_captured *head;
    uint8_t bytes[2000];
    struct timeval wait = {.tv_sec = 2};
    int pair[2];

    put_both(w);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    testparent_send(&w->parent, IPC_PORT, &port, &pair[1], 1);
    close(pair[1]);
    settle(w, 3);
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    client_send(&w->a, all, mac_a, 60);
    assert_int_equal(recv(pair[0], bytes, sizeof bytes, 0), (int)sizeof *head + 60);
    head = (struct plug_captured *)(void *)bytes;
    assert_string_equal(head->port, "a");
    close(pair[0]);
    assert_true(testparent_expect(w->parent.control, IPC_PORT_GONE, &w->msg));
    assert_int_equal(w->msg.body.port_gone.kind, IPC_PORT_CAPTURE);
    client_send(&w->a, all, mac_a, 70);
    assert_int_equal(client_recv(&w->b, WAIT_TIME), 60);
    assert_int_equal(client_recv(&w->b, WAIT_TIME), 70);
}

/* --- VDE ----------------------------------------------------------------------------------- */

struct vde_client {
    int ctl;
    int data; /* Its datagram socket. */
    char path[108];
    char daemon_path[108];
};

static int bind_at(int type, const char *path)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    snprintf(sun.sun_path, sizeof sun.sun_path, "%s", path);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof sun), 0);
    return fd;
}

static void connect_to(int fd, const char *path)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};

    snprintf(sun.sun_path, sizeof sun.sun_path, "%s", path);
    assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof sun), 0);
}

static void open_door(struct world *w, uint16_t vlan)
{
    struct ipc_listen listen_ = {
        .id = 9, .kind = IPC_LISTEN_VDE, .net = NET, .set = {.vlan = vlan}};
    char path[108];
    int fd;

    snprintf(listen_.path, sizeof listen_.path, "%s", w->folder);
    snprintf(path, sizeof path, "%s/ctl", w->folder);
    fd = bind_at(SOCK_STREAM | SOCK_NONBLOCK, path);
    assert_int_equal(listen(fd, 4), 0);
    testparent_send(&w->parent, IPC_LISTEN, &listen_, &fd, 1);
    close(fd);
}

static void vde_request(struct world *w, struct vde_client *c)
{
    uint8_t request[122 + 4];
    struct wr wr = wr_init(request, sizeof request);
    struct timeval wait = {.tv_sec = 2};
    char path[108];

    snprintf(c->path, sizeof c->path, "%s/client", w->folder);
    snprintf(c->daemon_path, sizeof c->daemon_path, "%s/001.1", w->folder);
    c->data = bind_at(SOCK_DGRAM, c->path);
    setsockopt(c->data, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    c->ctl = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(c->ctl, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    snprintf(path, sizeof path, "%s/ctl", w->folder);
    connect_to(c->ctl, path);
    wr_u32_ne(&wr, 0xfeedface);
    wr_u32_ne(&wr, 3);
    wr_u32_ne(&wr, 0);
    wr_u16_ne(&wr, AF_UNIX);
    wr_bytes(&wr, c->path, sizeof c->path);
    wr_bytes(&wr, "test", 4);
    assert_false(wr.bad);
    /* The door may have been shut already. */
    (void)!send(c->ctl, request, sizeof request, MSG_NOSIGNAL);
}

/* As the parent does: connected to the client's socket, bound in the folder. */
static void answer_request(struct world *w, const struct vde_client *c)
{
    struct ipc_reply reply = {.code = 0};
    int data = bind_at(SOCK_DGRAM | SOCK_NONBLOCK, c->daemon_path);

    connect_to(data, c->path);
    assert_int_equal(
        ipc_send(w->parent.channel, IPC_REPLY, w->msg.head.request, &reply, &data, 1), 0);
    close(data);
}

static void answer_as_parent(struct world *w, const struct vde_client *c)
{
    assert_true(testparent_expect(w->parent.channel, IPC_VDE_DATA, &w->msg));
    assert_int_equal(w->msg.n_fds, 1);
    close(w->msg.fds[0]);
    assert_int_equal(w->msg.body.vde_data.uid, geteuid());
    assert_int_equal(w->msg.body.vde_data.port, 1);
    assert_string_equal(w->msg.body.vde_data.client, c->path);
    assert_string_equal(w->msg.body.vde_data.folder, w->folder);
    answer_request(w, c);
}

static void vde_close(struct world *w, struct vde_client *c)
{
    char path[108];

    snprintf(path, sizeof path, "%s/ctl", w->folder);
    unlink(path);
    unlink(c->path);
    unlink(c->daemon_path);
    fd_close(&c->ctl);
    fd_close(&c->data);
}

static void vde_client_comes_and_goes(void **state)
{
    struct world *w = *state;
    struct vde_client c;
    struct sockaddr_un own;
    uint8_t frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, [11] = 9, 0x88, 0xb5};
    uint8_t got[2000];

    put_both(w);
    open_door(w, 0);
    vde_request(w, &c);
    answer_as_parent(w, &c);
    assert_int_equal(recv(c.ctl, &own, sizeof own, 0), sizeof own);
    assert_string_equal(own.sun_path, c.daemon_path);
    assert_true(testparent_expect(w->parent.channel, IPC_PORT, &w->msg));
    assert_int_equal(w->msg.n_fds, 2);
    close(w->msg.fds[0]);
    close(w->msg.fds[1]);
    assert_int_equal(w->msg.body.port.id % 2, 1);
    assert_string_equal(w->msg.body.port.path, c.daemon_path);
    assert_true(testparent_expect(w->parent.control, IPC_PORT_NEW, &w->msg));
    assert_string_equal(w->msg.body.port.name, "vde1");
    connect_to(c.data, c.daemon_path);
    assert_int_equal(send(c.data, frame, sizeof frame, 0), sizeof frame);
    assert_int_equal(client_recv(&w->a, WAIT_TIME), 60);
    client_send(&w->a, all, mac_a, 1000);
    assert_int_equal(recv(c.data, got, sizeof got, 0), 1000);
    fd_close(&c.ctl);
    assert_true(testparent_expect(w->parent.channel, IPC_DELETE, &w->msg));
    assert_true(testparent_expect(w->parent.control, IPC_PORT_GONE, &w->msg));
    vde_close(w, &c);
}

/* A client that goes while its socket is made leaves no socket behind: the parent is told of it as
 * of a port that came and went. */
static void vde_client_does_not_wait(void **state)
{
    struct world *w = *state;
    struct vde_client c;
    uint32_t id, request;

    put_both(w);
    open_door(w, 0);
    vde_request(w, &c);
    assert_true(testparent_expect(w->parent.channel, IPC_VDE_DATA, &w->msg));
    close(w->msg.fds[0]);
    request = w->msg.head.request;
    fd_close(&c.ctl);
    settle(w, 2);
    w->msg.head.request = request;
    answer_request(w, &c);
    assert_true(testparent_expect(w->parent.channel, IPC_PORT, &w->msg));
    assert_int_equal(w->msg.n_fds, 1);
    close(w->msg.fds[0]);
    assert_string_equal(w->msg.body.port.path, c.daemon_path);
    id = w->msg.body.port.id;
    assert_int_equal(id % 2, 1);
    assert_true(testparent_expect(w->parent.channel, IPC_DELETE, &w->msg));
    assert_int_equal(w->msg.body.del.type, IPC_PORT);
    assert_int_equal(w->msg.body.del.id, id);
    settle(w, 2);
    vde_close(w, &c);
}

static mtime_t processor_time(pid_t pid)
{
    struct timespec t;
    clockid_t clock;

    assert_int_equal(clock_getcpuclockid(pid, &clock), 0);
    assert_int_equal(clock_gettime(clock, &t), 0);
    return (mtime_t)t.tv_sec * MTIME_SEC + t.tv_nsec / 1000;
}

/* A client that cannot be let in, since no descriptors are left, costs no time and comes in
 * later. */
static void vde_client_waits_at_the_door(void **state)
{
    struct world *w = *state;
    struct rlimit limit, none;
    struct vde_client c;
    mtime_t used;

    put_both(w);
    open_door(w, 0);
    settle(w, 2);
    fence(w);
    assert_int_equal(prlimit(w->parent.pid, RLIMIT_NOFILE, NULL, &limit), 0);
    none = limit;
    none.rlim_cur = 3;
    assert_int_equal(prlimit(w->parent.pid, RLIMIT_NOFILE, &none, NULL), 0);
    used = processor_time(w->parent.pid);
    vde_request(w, &c);
    usleep(300000); /* What is measured, not waited for. */
    assert_in_range(processor_time(w->parent.pid) - used, 0, 100 * MTIME_MS);
    assert_int_equal(prlimit(w->parent.pid, RLIMIT_NOFILE, &limit, NULL), 0);
    assert_true(testparent_expect(w->parent.channel, IPC_VDE_DATA, &w->msg));
    close(w->msg.fds[0]);
    vde_close(w, &c);
}

/* A plain client of a network with VLANs is refused: the stream ends, nobody is asked. */
static void vde_client_must_name_a_vlan(void **state)
{
    struct world *w = *state;
    struct ipc_net *net = calloc(1, sizeof *net);
    struct vde_client c;
    char byte;

    assert_non_null(net);
    net->id = NET;
    net->mtu = 1500;
    net->vlan_aware = 1;
    net->vlans[1] = 1 << 2;
    snprintf(net->name, sizeof net->name, "office");
    testparent_send(&w->parent, IPC_NET, net, NULL, 0);
    open_door(w, 0);
    vde_request(w, &c);
    assert_true(recv(c.ctl, &byte, 1, 0) <= 0);
    vde_close(w, &c);
    free(net);
}

/* --- adoption ------------------------------------------------------------------------------ */

/* Connects as the next parent does, once the switch listens. */
static int adopt(struct world *w)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    mtime_t until = mtime_now() + WAIT_TIME;

    snprintf(sun.sun_path, sizeof sun.sun_path, "%s", w->adoption);
    while (connect(fd, (struct sockaddr *)&sun, sizeof sun) < 0) {
        assert_true(mtime_now() < until);
        usleep(1000);
    }
    return fd;
}

static void next_parent_gets_everything(void **state)
{
    struct world *w = *state;
    struct ipc_delete del = {.type = IPC_PORT, .id = 4};
    unsigned ports = 0, nets = 0;

    put_both(w);
    client_send(&w->a, all, mac_a, 60);
    assert_int_equal(client_recv(&w->b, WAIT_TIME), 60);
    close(w->parent.channel);
    client_send(&w->a, all, mac_a, 61);
    assert_int_equal(client_recv(&w->b, WAIT_TIME), 61);
    w->parent.channel = adopt(w);
    do {
        assert_int_equal(ipc_recv(w->parent.channel, &w->msg), 1);
        nets += w->msg.head.type == IPC_NET;
        if (w->msg.head.type == IPC_PORT) {
            assert_int_equal(w->msg.n_fds, 3);
            ports++;
        }
        for (unsigned i = 0; i < w->msg.n_fds; i++)
            close(w->msg.fds[i]);
    } while (w->msg.head.type != IPC_REPLAY_END);
    assert_int_equal(nets, 1);
    assert_int_equal(ports, 2);
    /* And is obeyed. */
    testparent_send(&w->parent, IPC_DELETE, &del, NULL, 0);
    settle(w, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(frames_cross),
        TEST(ports_wait_for_their_network),
        TEST(lifeline_ends_the_port),
        TEST(networks_are_apart),
        TEST(new_switch_takes_over),
        TEST(counters_and_macs),
        TEST(captures_run),
        TEST(vde_client_comes_and_goes),
        TEST(vde_client_does_not_wait),
        TEST(vde_client_waits_at_the_door),
        TEST(vde_client_must_name_a_vlan),
        TEST(next_parent_gets_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
