/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reconciler against a parent that the test plays: what is sent, what is not sent again, and
 * what a control process that was restarted deletes. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fabricd/control/reconcile/reconcile.h"
#include "proto/base/fd.h"
#include "tests/unit/control_fixture.h"

struct stage {
    struct control *control;
    int parent; /* The parent's end. */
    struct ipc_message *msg;
    char log[2048]; /* What the parent heard, in words. */
};

static void no_message(struct chan *chan, struct ipc_message *msg)
{
    (void)chan;
    (void)msg;
}

static void connect_parent(struct stage *stage)
{
    int ends[2];

    assert_int_equal(
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    stage->control->parent = (struct chan){.message = no_message, .watch.fd = -1};
    assert_int_equal(chan_open(&stage->control->parent, stage->control->loop, ends[0]), 0);
    stage->parent = ends[1];
}

static struct stage new_stage(void)
{
    struct stage stage = {.control = fixture_new("alpha", true)};

    stage.msg = calloc(1, sizeof(*stage.msg));
    connect_parent(&stage);
    return stage;
}

static void end_stage(struct stage *stage)
{
    chan_close(&stage->control->parent);
    close(stage->parent);
    fixture_free(stage->control);
    free(stage->msg);
}

__attribute__((format(printf, 2, 3))) static void note(struct stage *stage,
                                                       const char *format, ...)
{
    size_t n = strlen(stage->log);
    va_list args;

    va_start(args, format);
    vsnprintf(stage->log + n, sizeof(stage->log) - n, format, args);
    va_end(args);
}

static void answer(struct stage *stage, int code, const char *why)
{
    struct ipc_reply reply = {.code = code, .port = 4655};

    snprintf(reply.why, sizeof(reply.why), "%s", why);
    snprintf(reply.hint, sizeof(reply.hint), "%s", code != 0 ? "ip link show" : "");
    assert_int_equal(
        ipc_send(stage->parent, IPC_REPLY, stage->msg->head.request, &reply, NULL, 0), 0);
}

static void hear(struct stage *stage, int tap_code)
{
    const struct ipc_message *msg = stage->msg;

    switch (msg->head.type) {
    case IPC_NET:
        note(stage, "net %s mtu %u\n", msg->body.net.name, msg->body.net.mtu);
        break;
    case IPC_PEER:
        note(stage, "peer %s dial %u\n", msg->body.peer.name, msg->body.peer.dial);
        break;
    case IPC_PORT:
        note(stage, "port %s fds %u\n", msg->body.port.name, msg->n_fds);
        break;
    case IPC_DELETE:
        note(stage, "delete %s\n", ipc_type_name(msg->body.del.type));
        break;
    case IPC_OPEN_VDE:
        note(stage, "vde %s\n", msg->body.open_vde.name);
        answer(stage, 0, "");
        break;
    case IPC_OPEN_DEVICE:
        note(stage, "tap %s%s\n", msg->body.open_device.ifname,
             msg->body.open_device.port.stp.heard ? " heard" : "");
        answer(stage, tap_code,
               tap_code == 0 ? msg->body.open_device.ifname : "no such device");
        break;
    case IPC_FENCE:
        answer(stage, 0, "");
        break;
    case IPC_OPEN_UDP:
        note(stage, "udp\n");
        answer(stage, 0, "");
        break;
    default:
        note(stage, "%s\n", ipc_type_name(msg->head.type));
        break;
    }
    for (unsigned i = 0; i < msg->n_fds; i++)
        close(msg->fds[i]);
}

/* Runs the loop until nothing more is said, and compares what the parent heard. */
static void assert_heard_tap(struct stage *stage, int tap_code, const char *expected)
{
    stage->log[0] = '\0';
    for (int quiet = 0; quiet < 3; quiet++) {
        loop_turn(stage->control->loop, mtime_now());
        while (ipc_recv(stage->parent, stage->msg) == 1) {
            hear(stage, tap_code);
            quiet = 0;
        }
    }
    assert_string_equal(stage->log, expected);
}

static void assert_heard(struct stage *stage, const char *expected)
{
    assert_heard_tap(stage, 0, expected);
}

static void put(struct stage *stage, const char *kind, const char *network,
                const char *name, const char *json)
{
    assert_in_range(fixture_status(stage->control, CHANGE_PUT, kind, network, name, json),
                    200, 201);
}

static void test_objects_become_state(void **state)
{
    struct stage stage = new_stage();

    (void)state;
    put(&stage, "network", "", "lan1", "{}");
    assert_heard(&stage, ""); /* Not before the replay has ended. */
    reconcile_replayed(stage.control->reconcile);
    assert_heard(&stage, "self\nnet lan1 mtu 1500\nvde lan1\n");
    put(&stage, "endpoint", "lan1", "web", "{}");
    assert_heard(&stage, ""); /* Nothing of it is the data path's. */
    put(&stage, "network", "", "lan1", "{\"mtu\":9000}");
    assert_heard(&stage, "net lan1 mtu 9000\n");
    put(&stage, "port", "lan1", "core", "{\"tap\":\"t0\"}");
    assert_heard(&stage, "tap t0\n");
    assert_non_null(reconcile_port(stage.control->reconcile,
                                   view_network(stage.control->view, "lan1")->id, "core"));
    fixture_status(stage.control, CHANGE_DELETE, "port", "lan1", "core", NULL);
    assert_heard(&stage, "delete port\n");
    fixture_status(stage.control, CHANGE_DELETE, "network", "", "lan1", NULL);
    assert_heard(&stage, "delete net\n");
    end_stage(&stage);
}

static void test_peers(void **state)
{
    struct stage stage = new_stage();

    (void)state;
    reconcile_replayed(stage.control->reconcile);
    assert_heard(&stage, "self\n"); /* A fabric of one host opens no socket. */
    fixture_add_host(stage.control, "beta", 2);
    assert_heard(&stage, "peer beta dial 0\nudp\n");
    put(&stage, "host", "", "beta", "{\"address\":\"192.0.2.2:4655\"}");
    assert_heard(&stage, "peer beta dial 1\n");
    end_stage(&stage);
}

static void test_device_that_fails(void **state)
{
    struct stage stage = new_stage();
    struct reconcile *rc = stage.control->reconcile;
    const char *hint = "";

    (void)state;
    reconcile_replayed(rc);
    put(&stage, "network", "", "lan1", "{}");
    put(&stage, "port", "lan1", "core", "{\"tap\":\"t0\"}");
    assert_heard_tap(&stage, -ENODEV, "self\nnet lan1 mtu 1500\nvde lan1\ntap t0\n");
    assert_string_equal(reconcile_problem(rc, "lan1", "core", &hint), "no such device");
    assert_string_equal(hint, "ip link show");
    /* Whatever happens next, it is tried again. */
    put(&stage, "network", "", "lan2", "{}");
    assert_heard(&stage, "net lan2 mtu 1500\nvde lan2\ntap t0\n");
    assert_null(reconcile_problem(rc, "lan1", "core", NULL));
    end_stage(&stage);
}

/* What the parent replays to a control that starts anew. */
static void replay(struct stage *stage, enum ipc_type type, const void *body, size_t size)
{
    struct ipc_message *msg = calloc(1, sizeof(*msg));

    msg->head.type = (uint16_t)type;
    msg->head.version = IPC_VERSION;
    msg->head.size = (uint32_t)size;
    memcpy(&msg->body, body, size);
    reconcile_learn(stage->control->reconcile, msg);
    free(msg);
}

static void test_restart_sends_nothing_anew(void **state)
{
    struct stage stage = new_stage();
    struct ipc_net *net = calloc(1, sizeof(*net));
    struct ipc_net stale = {.id = 99, .mtu = 1500, .name = "gone"};
    struct ipc_port port = {.id = 4, .kind = IPC_PORT_TAP, .name = "core", .path = "t0"};
    struct ipc_port program = {
        .id = 6, .kind = IPC_PORT_TAP, .pinned = 1, .name = "web", .owner_pid = 7};
    struct ipc_port orphan = {
        .id = 8, .kind = IPC_PORT_TAP, .pinned = 1, .name = "nobody", .owner_pid = 8};
    struct ipc_port foreign = {.id = 9, .kind = IPC_PORT_VDE, .name = "vde-9"};

    (void)state;
    put(&stage, "network", "", "lan1", "{}");
    put(&stage, "port", "lan1", "core", "{\"tap\":\"t0\"}");
    put(&stage, "endpoint", "lan1", "web", "{}");
    assert_true(wanted_net(stage.control, view_network(stage.control->view, "lan1"), net));
    port.net = program.net = orphan.net = foreign.net = net->id;
    replay(&stage, IPC_SELF, &stage.control->id.self, sizeof(struct ipc_self));
    replay(&stage, IPC_NET, net, sizeof(*net));
    replay(&stage, IPC_NET, &stale, sizeof(stale));
    replay(&stage, IPC_PORT, &port, sizeof(port));
    replay(&stage, IPC_PORT, &program, sizeof(program));
    replay(&stage, IPC_PORT, &orphan, sizeof(orphan));
    replay(&stage, IPC_PORT, &foreign, sizeof(foreign));
    reconcile_replayed(stage.control->reconcile);
    assert_heard(&stage, "delete net\ndelete port\nvde lan1\n");
    assert_non_null(reconcile_port_by_id(stage.control->reconcile, 4));
    assert_non_null(reconcile_port_by_id(stage.control->reconcile, 6));
    assert_null(reconcile_port_by_id(stage.control->reconcile, 8));
    assert_non_null(reconcile_port_by_id(stage.control->reconcile, 9));
    free(net);
    end_stage(&stage);
}

/* The daemon begins anew, with what the store has and nothing else. */
static void begin_anew(struct stage *stage)
{
    reconcile_free(stage->control->reconcile);
    stage->control->reconcile = reconcile_new(stage->control);
    reconcile_replayed(stage->control->reconcile);
}

static void test_heard_bridges_outlive_the_daemon(void **state)
{
    struct stage stage = new_stage();
    uint64_t net;

    (void)state;
    reconcile_replayed(stage.control->reconcile);
    put(&stage, "network", "", "lan1", "{}");
    put(&stage, "port", "lan1", "core", "{\"tap\":\"t0\"}");
    put(&stage, "port", "lan1", "edge", "{\"tap\":\"t1\"}");
    assert_heard(&stage, "self\nnet lan1 mtu 1500\nvde lan1\ntap t0\ntap t1\n");
    net = view_network(stage.control->view, "lan1")->id;
    reconcile_heard(stage.control->reconcile, net, "core");
    reconcile_heard(stage.control->reconcile, net, "nobody"); /* A client's own port. */
    assert_heard(&stage, "");
    begin_anew(&stage);
    assert_heard(&stage, "self\nnet lan1 mtu 1500\nvde lan1\ntap t0 heard\ntap t1\n");
    /* It goes with its port: another one of that name is new. */
    fixture_status(stage.control, CHANGE_DELETE, "port", "lan1", "core", NULL);
    assert_heard(&stage, "delete port\n");
    put(&stage, "port", "lan1", "core", "{\"tap\":\"t0\"}");
    assert_heard(&stage, "tap t0\n");
    begin_anew(&stage);
    assert_heard(&stage, "self\nnet lan1 mtu 1500\nvde lan1\ntap t1\ntap t0\n");
    end_stage(&stage);
}

/* What the switch heard while control was away comes with the replay. */
static void test_heard_without_control(void **state)
{
    struct stage stage = new_stage();
    struct ipc_port port = {.id = 4, .kind = IPC_PORT_TAP, .name = "core", .path = "t0"};
    struct ipc_heard heard = {.port = 4};

    (void)state;
    put(&stage, "network", "", "lan1", "{}");
    put(&stage, "port", "lan1", "core", "{\"tap\":\"t0\"}");
    port.net = view_network(stage.control->view, "lan1")->id;
    replay(&stage, IPC_HEARD, &heard, sizeof(heard));
    replay(&stage, IPC_PORT, &port, sizeof(port));
    reconcile_replayed(stage.control->reconcile);
    assert_heard(&stage, "self\nnet lan1 mtu 1500\nvde lan1\n");
    begin_anew(&stage);
    assert_heard(&stage, "self\nnet lan1 mtu 1500\nvde lan1\ntap t0 heard\n");
    end_stage(&stage);
}

/* A parent that adopted the switch is told everything again; descriptors stay where they are. */
static void test_new_parent(void **state)
{
    struct stage stage = new_stage();

    (void)state;
    reconcile_replayed(stage.control->reconcile);
    put(&stage, "network", "", "lan1", "{}");
    put(&stage, "port", "lan1", "core", "{\"tap\":\"t0\"}");
    assert_heard(&stage, "self\nnet lan1 mtu 1500\nvde lan1\ntap t0\n");
    chan_close(&stage.control->parent);
    close(stage.parent);
    put(&stage, "network", "", "lan2", "{}");
    loop_turn(stage.control->loop, mtime_now());
    connect_parent(&stage);
    reconcile_forget(stage.control->reconcile);
    assert_heard(&stage,
                 "self\nnet lan1 mtu 1500\nvde lan1\nnet lan2 mtu 1500\nvde lan2\n");
    end_stage(&stage);
}

static void test_ports_of_programs(void **state)
{
    struct stage stage = new_stage();
    struct reconcile *rc = stage.control->reconcile;
    struct ipc_port port = {
        .kind = IPC_PORT_TAP, .pinned = 1, .name = "web", .owner_pid = 7};
    int pipes[2];

    (void)state;
    reconcile_replayed(rc);
    put(&stage, "network", "", "lan1", "{}");
    put(&stage, "endpoint", "lan1", "web", "{}");
    assert_heard(&stage, "self\nnet lan1 mtu 1500\nvde lan1\n");
    assert_int_equal(pipe(pipes), 0);
    port.net = view_network(stage.control->view, "lan1")->id;
    reconcile_put_port(rc, &port, pipes, 2);
    assert_int_equal(port.id % 2, 0);
    assert_heard(&stage, "port web fds 2\n");
    assert_int_equal(fcntl(pipes[0], F_GETFD), -1); /* It took them. */
    /* The endpoint goes: so does its port. */
    fixture_status(stage.control, CHANGE_DELETE, "endpoint", "lan1", "web", NULL);
    assert_heard(&stage, "delete port\n");
    end_stage(&stage);
}

struct settled {
    unsigned n;
};

static void settled(void *aux)
{
    ((struct settled *)aux)->n++;
}

static void test_settle(void **state)
{
    struct stage stage = new_stage();
    struct settled s = {0};

    (void)state;
    reconcile_replayed(stage.control->reconcile);
    assert_heard(&stage, "self\n");
    reconcile_settle(stage.control->reconcile, settled, &s);
    assert_int_equal(s.n, 1);
    put(&stage, "network", "", "lan1", "{}");
    reconcile_settle(stage.control->reconcile, settled, &s);
    loop_turn(stage.control->loop, mtime_now());
    assert_int_equal(s.n, 1); /* The VDE folder is still asked for. */
    assert_heard(&stage, "net lan1 mtu 1500\nvde lan1\n");
    assert_int_equal(s.n, 2);
    /* A parent that does not answer is waited for no longer than a second. */
    put(&stage, "network", "", "lan2", "{}");
    reconcile_settle(stage.control->reconcile, settled, &s);
    for (int i = 0; i < 100 && s.n == 2; i++)
        loop_turn(stage.control->loop, mtime_now() + 100 * MTIME_MS);
    assert_int_equal(s.n, 3);
    end_stage(&stage);
}

static void test_addresses(void **state)
{
    static const char *const good[] = {"192.0.2.1:4655", "[2001:db8::1]:1",
                                       "0.0.0.0:65535"};
    static const char *const bad[] = {"192.0.2.1",      "192.0.2.1:0",    "192.0.2.1:65536",
                                      "2001:db8::1:80", "[192.0.2.1]:80", ":80",
                                      "a:80",           "[]:80"};
    struct ipc_addr a;
    char text[80];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(ipc_addr_parse(good[i], &a));
        assert_string_equal(ipc_addr_print(&a, text, sizeof(text)), good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(ipc_addr_parse(bad[i], &a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects_become_state),
        cmocka_unit_test(test_peers),
        cmocka_unit_test(test_device_that_fails),
        cmocka_unit_test(test_restart_sends_nothing_anew),
        cmocka_unit_test(test_heard_bridges_outlive_the_daemon),
        cmocka_unit_test(test_heard_without_control),
        cmocka_unit_test(test_new_parent),
        cmocka_unit_test(test_ports_of_programs),
        cmocka_unit_test(test_settle),
        cmocka_unit_test(test_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
