/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "fabricd/parent/open.h"
#include "fabricd/parent/vde.h"

static char base[40];
static struct err err;

static int setup(void **state)
{
    (void)state;
    snprintf(base, sizeof base, "/tmp/ioth-open-XXXXXX");
    return mkdtemp(base) ? 0 : -1;
}

static int teardown(void **state)
{
    char path[64];

    (void)state;
    vde_remove_all(base);
    snprintf(path, sizeof path, "%s/sock", base);
    unlink(path);
    snprintf(path, sizeof path, "%s/client", base);
    unlink(path);
    snprintf(path, sizeof path, "%s/symlink", base);
    unlink(path);
    return rmdir(base); /* Fails if anything was left. */
}

static void test_udp_takes_another_port(void **state)
{
    struct ipc_addr local = {.family = 4, .port = 46551, .addr = {127, 0, 0, 1}};
    struct ipc_addr a, b;
    int one = open_udp(&local, &a, &err);
    int two = open_udp(&local, &b, &err);

    (void)state;
    assert_true(one >= 0 && two >= 0);
    assert_int_equal(a.port, 46551);
    assert_int_not_equal(b.port, 46551);
    assert_int_not_equal(b.port, 0);
    assert_int_equal(b.family, 4);
    close(one);
    close(two);
}

static void test_udp_is_of_both_families(void **state)
{
    struct ipc_addr any = {.port = 46552}, bound;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = open_udp(&any, &bound, &err);
    int out = socket(AF_INET, SOCK_DGRAM, 0);
    char c = 0;

    (void)state;
    assert_true(fd >= 0);
    to.sin_port = htons(bound.port);
    assert_int_equal(sendto(out, "x", 1, 0, (struct sockaddr *)&to, sizeof to), 1);
    assert_int_equal(recv(fd, &c, 1, 0), 1);
    close(fd);
    close(out);
}

static void test_udp_elsewhere_is_refused(void **state)
{
    struct ipc_addr not_ours = {.family = 4, .port = 1, .addr = {192, 0, 2, 200}}, bound;

    (void)state;
    assert_int_equal(open_udp(&not_ours, &bound, &err), -EADDRNOTAVAIL);
    assert_non_null(strstr(err.why, "192.0.2.200"));
}

static void test_path_mtu(void **state)
{
    struct ipc_addr lo = {.family = 4, .addr = {127, 0, 0, 1}};

    (void)state;
    assert_true(open_path_mtu(&lo) >= 16384);
}

static void test_stale_sockets_are_replaced(void **state)
{
    char path[64];
    int one, two;

    (void)state;
    snprintf(path, sizeof path, "%s/sock", base);
    one = open_unix(path, SOCK_STREAM, 0600, &err);
    assert_true(one >= 0);
    assert_int_equal(listen(one, 1), 0);
    assert_int_equal(open_unix(path, SOCK_STREAM, 0600, &err), -EADDRINUSE);
    close(one);
    two = open_unix(path, SOCK_STREAM, 0600, &err);
    assert_true(two >= 0);
    close(two);
    unlink(path);
    close(open(path, O_CREAT | O_WRONLY, 0600)); /* No socket: not ours to remove. */
    assert_int_equal(open_unix(path, SOCK_STREAM, 0600, &err), -EEXIST);
}

static void test_vde_folder(void **state)
{
    char folder[108], path[128];
    struct stat st;
    int ctl, group;

    (void)state;
    assert_int_equal(vde_folder(base, "../x", 0700, folder, &err), -EINVAL);
    assert_int_equal(vde_folder(base, "lan1", 0700, folder, &err), 0);
    assert_int_equal(stat(folder, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    ctl = vde_listen(folder, "ctl", 0700, &err);
    group = vde_listen(folder, "v10", 0700, &err);
    assert_true(ctl >= 0 && group >= 0);
    snprintf(path, sizeof path, "%s/ctl", folder);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    assert_int_equal(vde_folder(base, "lan1", 0777, folder, &err),
                     0); /* Opened to others. */
    vde_set_modes(folder, 0777);
    assert_int_equal(stat(folder, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0755);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0666);
    vde_unlisten(folder, "ctl");
    assert_int_equal(stat(path, &st), -1);
    vde_remove_folder(folder);
    assert_int_equal(stat(folder, &st), -1);
    close(ctl);
    close(group);
}

static int a_client(struct sockaddr_un *sun, socklen_t size)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

    sun->sun_family = AF_UNIX;
    assert_int_equal(bind(fd, (struct sockaddr *)sun, size), 0);
    return fd;
}

static struct ipc_vde_data request(const char *path, uint32_t uid)
{
    struct ipc_vde_data req = {.port = 1, .uid = uid};

    assert_int_equal(vde_folder(base, "lan1", 0700, req.folder, &err), 0);
    req.client_size = (uint8_t)strlen(path);
    memcpy(req.client, path, strlen(path));
    return req;
}

static void test_vde_data(void **state)
{
    struct sockaddr_un client = {0}, server = {.sun_family = AF_UNIX};
    struct ipc_vde_data req;
    char path[108], c;
    struct stat st;
    int mine, theirs;

    (void)state;
    snprintf(client.sun_path, sizeof client.sun_path, "%s/client", base);
    mine = a_client(&client, sizeof client);
    req = request(client.sun_path, geteuid());
    theirs = vde_data(&req, 0700, path);
    assert_true(theirs >= 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    unlink(client.sun_path); /* As clients do: the connection holds. */

    memcpy(server.sun_path, path, sizeof path);
    assert_int_equal(connect(mine, (struct sockaddr *)&server, sizeof server), 0);
    assert_int_equal(send(mine, "a", 1, 0), 1);
    assert_int_equal(recv(theirs, &c, 1, 0), 1);
    assert_int_equal(send(theirs, "b", 1, 0), 1);
    assert_int_equal(recv(mine, &c, 1, 0), 1);

    vde_unlink_data(base, "/etc/passwd");
    vde_unlink_data("/elsewhere", path);
    assert_int_equal(stat(path, &st), 0);
    vde_unlink_data(base, path);
    assert_int_equal(stat(path, &st), -1);
    close(mine);
    close(theirs);
}

static void test_vde_data_refuses_what_is_not_the_clients(void **state)
{
    struct sockaddr_un client = {0};
    struct ipc_vde_data req;
    char path[108], other[64];
    int mine;

    (void)state;
    snprintf(client.sun_path, sizeof client.sun_path, "%s/client", base);
    mine = a_client(&client, sizeof client);
    req = request(client.sun_path, geteuid() + 1);
    assert_int_equal(vde_data(&req, 0700, path), -EPERM);

    snprintf(other, sizeof other, "%s/symlink", base);
    assert_int_equal(symlink(client.sun_path, other), 0);
    req = request(other, geteuid());
    assert_int_equal(vde_data(&req, 0700, path), -EPERM);

    req = request("/dev/null", 0);
    assert_int_equal(vde_data(&req, 0700, path), -EPERM);
    req = request("client", geteuid());
    assert_int_equal(vde_data(&req, 0700, path), -EINVAL);
    req = request("/nonexistent/socket", geteuid());
    assert_int_equal(vde_data(&req, 0700, path), -ENOENT);
    close(mine);
}

static void test_vde_data_of_abstract_names(void **state)
{
    struct sockaddr_un client = {0};
    struct ipc_vde_data req;
    char path[108];
    size_t len = (size_t)snprintf(client.sun_path + 1, sizeof client.sun_path - 1,
                                  "ioth-test-%d", (int)getpid()) +
                 1;
    int mine = a_client(&client, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    int theirs;

    (void)state;
    req = request("", geteuid());
    req.client_size = (uint8_t)len;
    memcpy(req.client, client.sun_path, len);
    theirs = vde_data(&req, 0700, path);
    assert_true(theirs >= 0);
    close(theirs);
    req.uid = 12345;
    assert_int_equal(vde_data(&req, 0700, path), -EPERM);
    close(mine);
}

static void test_tap(void **state)
{
    char name[16];
    int fd = open_tap("", name, &err);

    (void)state;
    assert_true(open_tap("much-too-long-a-name", name, &err) == -EINVAL);
    assert_true(open_tap("a/b", name, &err) == -EINVAL);
    if (fd < 0) { /* Not allowed here: then it says why. */
        assert_true(*err.why);
        skip();
    }
    assert_true(if_nametoindex(name) > 0);
    assert_int_equal(open_tap(name, name, &err), -EBUSY);
    close(fd);
    assert_int_equal(if_nametoindex(name), 0);
    assert_int_equal(open_tap("lo", name, &err), -EINVAL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_udp_takes_another_port),
        T(test_udp_is_of_both_families),
        T(test_udp_elsewhere_is_refused),
        T(test_path_mtu),
        T(test_stale_sockets_are_replaced),
        T(test_vde_folder),
        T(test_vde_data),
        T(test_vde_data_refuses_what_is_not_the_clients),
        T(test_vde_data_of_abstract_names),
        T(test_tap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
