/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parent with its real processes and their real confinement, but with a small switch and a
 * small control in them that tell on stdout what they hear. Each test kills what it is about and
 * waits for the lines that must follow.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fabricd/ipc/vault.h"
#include "fabricd/parent/parent.h"
#include "proto/base/fd.h"
#include "proto/base/log.h"
#include "proto/base/mtime.h"

#define WAIT_MS 5000

__attribute__((format(printf, 1, 2))) static void tell(const char *format, ...)
{
    char line[256];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    line[n++] = '\n';
    if (write(STDOUT_FILENO, line, (size_t)n) != n)
        _exit(9);
}

static void must(int r)
{
    if (r < 0)
        _exit(8);
}

/* --- a small switch ----------------------------------------------------------------------- */

static struct ipc_message msg;

struct fake {
    int parent, sibling, adoption;
    struct vault *vault;
};

static void fake_take(int *slot, int fd)
{
    fd_close(slot);
    *slot = fd;
}

static void switch_hears(struct fake *f)
{
    switch (msg.head.type) {
    case IPC_START:
        f->sibling = msg.fds[0];
        f->adoption = msg.fds[1];
        must(listen(f->adoption, 2));
        tell("switch start %d", (int)getpid());
        break;
    case IPC_CHANNEL:
        fake_take(&f->sibling, msg.fds[0]);
        tell("switch new control");
        break;
    case IPC_PARENT:
        if (f->sibling >= 0)
            must(ipc_send(f->sibling, IPC_PARENT, 0, &msg.body.pids, msg.fds, 1));
        close(msg.fds[0]);
        break;
    case IPC_REPLAY_END:
        tell("switch replayed");
        break;
    case IPC_FENCE:
        must(ipc_send(f->parent, IPC_FENCE, msg.head.request, NULL, NULL, 0));
        break;
    case IPC_DELETE:
        tell("switch loses %u %llu", msg.body.del.type,
             (unsigned long long)msg.body.del.id);
        vault_delete(f->vault, msg.body.del.type, msg.body.del.id, false);
        break;
    case IPC_STOP:
        _exit(0);
    default:
        tell("switch has %s %llu %u%s", ipc_type_name(msg.head.type),
             (unsigned long long)ipc_state_id(&msg), msg.n_fds,
             msg.head.type == IPC_SELF && msg.body.self.noise_secret[0] +
                                                  msg.body.self.noise_secret[1] +
                                                  msg.body.self.noise_secret[2] >
                                              0
                 ? " secret"
                 : "");
        must(vault_put(f->vault, &msg, false));
    }
}

static void switch_adopted(struct fake *f)
{
    fake_take(&f->parent, accept4(f->adoption, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
    vault_mark_all(f->vault);
    must(vault_sync(f->vault, f->parent, NULL, NULL));
    must(ipc_send(f->parent, IPC_REPLAY_END, 0, NULL, NULL, 0));
    tell("switch adopted");
}

/* Returns false at the end of the channel. */
static bool hear(int fd, void (*heard)(struct fake *), struct fake *f)
{
    int r = ipc_recv(fd, &msg);

    if (r == 1)
        heard(f);
    return r == 1 || r == -EAGAIN;
}

static void fake_loop(struct fake *f, void (*heard)(struct fake *))
{
    for (;;) {
        struct pollfd p[] = {
            {f->parent, POLLIN, 0}, {f->sibling, POLLIN, 0}, {f->adoption, POLLIN, 0}};

        must(poll(p, 3, -1));
        if (p[0].revents && !hear(f->parent, heard, f))
            fd_close(&f->parent);
        if (p[1].revents && !hear(f->sibling, heard, f))
            fd_close(&f->sibling);
        if (p[2].revents)
            switch_adopted(f);
        if (f->parent < 0 && f->sibling < 0 && f->adoption < 0)
            _exit(0);
    }
}

static int fake_switch(int channel)
{
    struct fake f = {.parent = channel, .sibling = -1, .adoption = -1};

    f.vault = vault_new();
    fake_loop(&f, switch_hears);
    return 1;
}

/* --- a small control ---------------------------------------------------------------------- */

/* Puts one of everything, and asks for what the parent gives. */
static void control_begins(struct fake *f)
{
    static struct ipc_keys keys = {.what = IPC_KEYS_FOUND,
                                   .self = {.fabric = 7, .host = 1}};
    static struct ipc_open_vde vde = {.net = 5, .name = "lan1", .mode = 0700};
    struct ipc_net net = {.id = 5, .mtu = 1500, .name = "lan1"};
    struct ipc_port port = {.id = 2, .kind = IPC_PORT_TAP, .net = 5};
    struct ipc_port bad = {.id = 4, .kind = IPC_PORT_VDE, .net = 5};
    struct ipc_open_udp udp = {
        .addr = {.family = 4, .port = 45655, .addr = {127, 0, 0, 1}}};
    int fd = STDERR_FILENO;

    memcpy(keys.self.name, "alpha", 6);
    vde.vlan_groups[1] = 1 << 2;
    must(ipc_send(f->parent, IPC_NET, 0, &net, NULL, 0));
    must(ipc_send(f->parent, IPC_PORT, 0, &port, &fd, 1));
    must(ipc_send(f->parent, IPC_PORT, 0, &bad, &fd, 1));
    must(ipc_send(f->parent, IPC_KEYS, 1, &keys, NULL, 0));
    must(ipc_send(f->parent, IPC_OPEN_VDE, 2, &vde, NULL, 0));
    must(ipc_send(f->parent, IPC_OPEN_UDP, 3, &udp, NULL, 0));
}

static void control_hears(struct fake *f)
{
    switch (msg.head.type) {
    case IPC_START:
        f->sibling = msg.fds[0];
        tell("control start %d adopted %u", (int)getpid(), msg.body.start.adopted);
        break;
    case IPC_CHANNEL:
        fake_take(&f->sibling, msg.fds[0]);
        tell("control new switch");
        break;
    case IPC_PARENT:
        fake_take(&f->parent, msg.fds[0]);
        tell("control new parent %u", msg.body.pids.parent);
        break;
    case IPC_REPLAY_END:
        tell("control replayed");
        control_begins(f);
        break;
    case IPC_REPLY:
        tell("control reply %u code %d", msg.head.request, msg.body.reply.code);
        break;
    case IPC_STOP:
        _exit(0);
    case IPC_SELF:
        if (msg.head.request) {
            tell("control self %u chain %u", msg.head.request,
                 msg.body.self.chain_size > 0);
            must(ipc_send(f->parent, IPC_SELF, 0, &msg.body.self, NULL, 0));
        }
        break;
    default:
        tell("control knows %s %llu %u", ipc_type_name(msg.head.type),
             (unsigned long long)ipc_state_id(&msg), msg.n_fds);
    }
}

static int fake_control(int channel)
{
    struct fake f = {.parent = channel, .sibling = -1, .adoption = -1};

    fake_loop(&f, control_hears);
    return 1;
}

/* --- the tests' side ---------------------------------------------------------------------- */

static struct parent_config config;
static char base[64];
static int lines = -1;
static char seen[65536]; /* Everything said so far. */
static size_t seen_size;
static size_t mark; /* Lines before it have been dealt with. */
static pid_t parent_pid, switch_pid, control_pid;

static pid_t run_parent(int out)
{
    struct err err = {0};
    pid_t pid = fork();
    int r;

    if (pid)
        return pid;
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    dup2(out, STDOUT_FILENO);
    log_init("fabricd", LOG_LEVEL_ERROR, STDERR_FILENO);
    r = parent_run(&config, &err);
    if (r < 0)
        tell("parent refused %d %s", r, err.why);
    _exit(r < 0 ? 1 : 0);
}

static mtime_t ms_left(mtime_t until)
{
    return (until - mtime_now()) / MTIME_MS;
}

/* Waits for a line after the mark that begins with `text`; the rest of it, or NULL. */
static const char *wait_for(const char *text)
{
    mtime_t until = mtime_now() + WAIT_MS * MTIME_MS;

    for (;;) {
        const char *at = strstr(seen + mark, text);
        struct pollfd p = {.fd = lines, .events = POLLIN};
        ssize_t n;

        if (at && strchr(at, '\n'))
            return at + strlen(text);
        if (ms_left(until) <= 0 || poll(&p, 1, (int)ms_left(until)) <= 0)
            break;
        n = read(lines, seen + seen_size, sizeof seen - 1 - seen_size);
        if (n <= 0)
            break;
        seen_size += (size_t)n;
        seen[seen_size] = '\0';
    }
    print_error("no line \"%s\" in:\n%s", text, seen + mark);
    return NULL;
}

/* Reads to the end; NULL if no line has `text`. */
static const char *wait_for_nothing(const char *text)
{
    ssize_t n;

    while ((n = read(lines, seen + seen_size, sizeof seen - 1 - seen_size)) > 0)
        seen_size += (size_t)n;
    seen[seen_size] = '\0';
    return strstr(seen + mark, text);
}

#define EXPECT(text) assert_non_null(wait_for(text))

static pid_t number_after(const char *text)
{
    const char *rest = wait_for(text);

    assert_non_null(rest);
    return (pid_t)strtol(rest, NULL, 10);
}

static void set_mark(void)
{
    mark = seen_size;
}

static void forget_lines(void)
{
    seen_size = mark = 0;
    seen[0] = '\0';
}

static bool wait_gone(pid_t pid)
{
    for (mtime_t until = mtime_now() + WAIT_MS * MTIME_MS; mtime_now() < until;) {
        waitpid(pid, NULL, WNOHANG);
        if (kill(pid, 0) < 0)
            return true;
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    return false;
}

static void start_parent(void)
{
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    if (lines >= 0)
        close(lines);
    lines = ends[0];
    forget_lines();
    parent_pid = run_parent(ends[1]);
    close(ends[1]);
}

static int setup(void **state)
{
    (void)state;
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* So that orphans are ours to wait for. */
    snprintf(base, sizeof base, "/tmp/ioth-parent-XXXXXX");
    if (!mkdtemp(base))
        return -1;
    config =
        (struct parent_config){.switch_main = fake_switch, .control_main = fake_control};
    snprintf(config.start.run_dir, sizeof config.start.run_dir, "%s", base);
    snprintf(config.start.state_dir, sizeof config.start.state_dir, "%s", base);
    start_parent();
    switch_pid = number_after("switch start ");
    control_pid = number_after("control start ");
    EXPECT("control reply 3 code 0\n");
    EXPECT("switch has listen 4 1\n");
    EXPECT("switch has self 0 0 secret\n");
    return 0;
}

static int teardown(void **state)
{
    char command[128];
    bool gone;

    (void)state;
    kill(parent_pid, SIGTERM);
    gone = wait_gone(parent_pid) && wait_gone(switch_pid) && wait_gone(control_pid);
    kill(switch_pid, SIGKILL); /* Only where a test has failed. */
    kill(control_pid, SIGKILL);
    snprintf(command, sizeof command, "rm -r %s", base);
    return gone ? system(command) : -1;
}

static void test_start(void **state)
{
    (void)state;
    EXPECT("control start");
    EXPECT(" adopted 0\n");
    EXPECT("switch has net 5 0\n");
    EXPECT("switch has port 2 1\n");
    EXPECT("switch replayed\n");
    EXPECT("control self 1 chain 1\n");
    EXPECT("control reply 2 code 0\n");
    EXPECT("switch has listen 16 1\n"); /* lan1/ctl */
    EXPECT("switch has listen 17 1\n"); /* lan1/v10 */
    assert_null(strstr(seen, "port 4 1"));
}

static void test_switch_killed(void **state)
{
    pid_t old = switch_pid;

    (void)state;
    set_mark();
    kill(switch_pid, SIGKILL);
    switch_pid = number_after("switch start ");
    assert_int_not_equal(switch_pid, old);
    EXPECT("switch has self 0 0 secret\n");
    EXPECT("switch has listen 1 2\n");
    EXPECT("switch has net 5 0\n");
    EXPECT("switch has port 2 1\n");
    EXPECT("switch replayed\n");
    EXPECT("control new switch\n");
    assert_null(strstr(seen + mark, "control start"));
}

static void test_control_killed(void **state)
{
    (void)state;
    set_mark();
    kill(control_pid, SIGKILL);
    control_pid = number_after("control start ");
    EXPECT(" adopted 1\n");
    EXPECT("control knows port 2 0\n");
    EXPECT("control knows listen 16 0\n");
    EXPECT("control replayed\n");
    EXPECT("control reply 3 code 0\n");
    EXPECT("switch new control\n");
    assert_null(strstr(seen + mark, "switch start"));
}

static void test_both_killed(void **state)
{
    (void)state;
    set_mark();
    kill(control_pid, SIGKILL);
    kill(switch_pid, SIGKILL);
    switch_pid = number_after("switch start ");
    control_pid = number_after("control start ");
    EXPECT("switch has port 2 1\n");
    EXPECT("control knows port 2 0\n");
    EXPECT("control reply 3 code 0\n");
}

/* A new parent writes to a pipe of its own, the adopted processes to the old one. */
static void test_parent_killed(void **state)
{
    pid_t second;
    int own[2];

    (void)state;
    kill(parent_pid, SIGKILL);
    assert_true(wait_gone(parent_pid));
    assert_int_equal(kill(switch_pid, 0), 0);
    set_mark();
    assert_int_equal(pipe2(own, O_CLOEXEC), 0);
    second = run_parent(own[1]);
    parent_pid = second;
    EXPECT("switch adopted\n");
    assert_int_equal(number_after("control new parent "), second);

    /* It restarts both with what it got from the switch, which write to its pipe. */
    close(lines);
    lines = own[0];
    close(own[1]);
    forget_lines();
    kill(switch_pid, SIGKILL);
    switch_pid = number_after("switch start ");
    EXPECT("switch has self 0 0 secret\n");
    EXPECT("switch has port 2 1\n");
    EXPECT("switch has listen 16 1\n");
    kill(control_pid, SIGKILL);
    control_pid = number_after("control start ");
    EXPECT(" adopted 1\n");
    EXPECT("control knows listen 17 0\n");
}

static void test_parent_and_control_killed(void **state)
{
    int own[2];

    (void)state;
    kill(parent_pid, SIGKILL);
    kill(control_pid, SIGKILL);
    assert_true(wait_gone(parent_pid) && wait_gone(control_pid));
    set_mark();
    assert_int_equal(pipe2(own, O_CLOEXEC), 0);
    parent_pid = run_parent(own[1]);
    EXPECT("switch adopted\n");
    close(lines);
    lines = own[0];
    close(own[1]);
    forget_lines();
    control_pid = number_after("control start ");
    EXPECT(" adopted 1\n");
    EXPECT("control knows port 2 0\n");
    EXPECT("control reply 3 code 0\n");
    assert_null(strstr(seen, "switch start"));
}

/* The old control may still hold the API's socket when the next fabricd comes: it is waited for. */
static void test_orphan_control_is_outlived(void **state)
{
    pid_t old = control_pid;

    (void)state;
    kill(old, SIGSTOP);
    kill(parent_pid, SIGKILL);
    kill(switch_pid, SIGKILL);
    assert_true(wait_gone(parent_pid) && wait_gone(switch_pid));
    start_parent();
    nanosleep(&(struct timespec){.tv_nsec = 60000000}, NULL); /* So that it does find it. */
    kill(old, SIGCONT);
    switch_pid = number_after("switch start ");
    control_pid = number_after("control start ");
    EXPECT(" adopted 0\n");
    assert_true(wait_gone(old));
}

/* Without a switch there is nothing to adopt: control ends itself, the next one starts cold. */
static void test_parent_and_switch_killed(void **state)
{
    (void)state;
    kill(parent_pid, SIGKILL);
    kill(switch_pid, SIGKILL);
    assert_true(wait_gone(parent_pid) && wait_gone(switch_pid) && wait_gone(control_pid));
    start_parent();
    switch_pid = number_after("switch start ");
    control_pid = number_after("control start ");
    EXPECT(" adopted 0\n");
    EXPECT("control reply 2 code 0\n");
    EXPECT("control reply 3 code 0\n");
}

static void test_second_parent_is_refused(void **state)
{
    int own[2];
    pid_t second;
    int status;

    (void)state;
    assert_int_equal(pipe2(own, O_CLOEXEC), 0);
    second = run_parent(own[1]);
    close(own[1]);
    close(lines);
    lines = own[0];
    forget_lines();
    EXPECT("parent refused -16 a fabricd (pid ");
    assert_true(waitpid(second, &status, 0) == second && WEXITSTATUS(status) == 1);
    assert_int_equal(kill(switch_pid, 0), 0);
}

static void test_stop_leaves_nothing(void **state)
{
    char path[128];
    struct stat st;
    mtime_t begin = mtime_now();
    int status;

    (void)state;
    snprintf(path, sizeof path, "%s/net/lan1/ctl", base);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    snprintf(path, sizeof path, "%s/net/lan1/v10", base);
    assert_int_equal(stat(path, &st), 0);
    kill(parent_pid, SIGTERM);
    assert_true(waitpid(parent_pid, &status, 0) == parent_pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(mtime_now() - begin < MTIME_SEC);
    assert_true(wait_gone(switch_pid) && wait_gone(control_pid));
    snprintf(path, sizeof path, "%s/net", base);
    assert_int_equal(stat(path, &st), -1);
    snprintf(path, sizeof path, "%s/api.sock", base);
    assert_int_equal(stat(path, &st), -1);
    snprintf(path, sizeof path, "%s/switch.sock", base);
    assert_int_equal(stat(path, &st), -1);
}

/* As a service manager does it. */
static void test_all_are_told_at_once(void **state)
{
    int status;

    (void)state;
    kill(parent_pid, SIGSTOP);
    kill(switch_pid, SIGTERM);
    kill(control_pid, SIGTERM);
    set_mark();
    kill(parent_pid, SIGTERM);
    kill(parent_pid, SIGCONT);
    assert_true(waitpid(parent_pid, &status, 0) == parent_pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(wait_gone(switch_pid) && wait_gone(control_pid));
    assert_null(wait_for_nothing("start"));
}

static void test_a_stopped_process_does_not_hold_up_the_end(void **state)
{
    mtime_t begin = mtime_now();

    (void)state;
    kill(switch_pid, SIGSTOP);
    kill(parent_pid, SIGTERM);
    assert_true(wait_gone(parent_pid) && wait_gone(switch_pid));
    assert_true(mtime_now() - begin < MTIME_SEC);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_start),
        T(test_switch_killed),
        T(test_control_killed),
        T(test_both_killed),
        T(test_parent_killed),
        T(test_parent_and_control_killed),
        T(test_parent_and_switch_killed),
        T(test_orphan_control_is_outlived),
        T(test_second_parent_is_refused),
        T(test_stop_leaves_nothing),
        T(test_all_are_told_at_once),
        T(test_a_stopped_process_does_not_hold_up_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
