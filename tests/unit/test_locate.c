/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "libioth/plug/locate.h"
#include "proto/base/fd.h"

static char folder[] = "/tmp/ioth-locate-XXXXXX";

static int setup(void **state)
{
    (void)state;
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    unsetenv("IOTH_SOCKET");
    unsetenv("IOTH_RUN_DIR");
    unsetenv("IOTH_STATE_DIR");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return rmdir(folder);
}

/* Somebody who listens at this path. */
static int listen_at(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&un, sizeof un), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

static void test_named_socket(void **state)
{
    char path[128], plug[128];
    struct locate l;
    struct err err;
    int fd;

    (void)state;
    snprintf(path, sizeof path, "%s/other.sock", folder);
    snprintf(plug, sizeof plug, "%s/plug.sock", folder);
    setenv("IOTH_SOCKET", "/nowhere/api.sock", 1);
    assert_int_equal(locate_daemon(path, &l, &err), 0);
    assert_true(l.named);
    assert_false(l.running);
    assert_string_equal(l.api, path);
    assert_string_equal(l.plug, plug);
    assert_string_equal(l.run_dir, folder);
    fd = listen_at(path);
    assert_int_equal(locate_daemon(path, &l, &err), 0);
    assert_true(l.running);
    setenv("IOTH_SOCKET", path, 1);
    setenv("IOTH_RUN_DIR", "/nowhere", 1);
    assert_int_equal(locate_daemon(NULL, &l, &err), 0);
    assert_true(l.running && l.named);
    assert_string_equal(l.api, path);
    fd_close(&fd);
    assert_int_equal(locate_daemon(NULL, &l, &err), 0);
    assert_false(l.running); /* A socket that nobody serves any more. */
    unlink(path);
}

static void test_run_dir(void **state)
{
    char path[128], long_path[300];
    struct locate l;
    struct err err;
    int fd;

    (void)state;
    setenv("IOTH_RUN_DIR", folder, 1);
    assert_int_equal(locate_daemon(NULL, &l, &err), 0);
    assert_false(l.running);
    assert_false(l.named);
    assert_string_equal(l.run_dir, folder);
    snprintf(path, sizeof path, "%s/api.sock", folder);
    assert_string_equal(l.api, path);
    fd = listen_at(path);
    setenv("IOTH_SOCKET", "", 1); /* Empty is not set. */
    assert_int_equal(locate_daemon(NULL, &l, &err), 0);
    assert_true(l.running);
    fd_close(&fd);
    unlink(path);

    memset(long_path, 'x', sizeof long_path - 1);
    long_path[0] = '/';
    long_path[sizeof long_path - 1] = '\0';
    assert_int_equal(locate_daemon(long_path, &l, &err), -ENAMETOOLONG);
}

static void test_folders(void **state)
{
    char out[LOCATE_PATH_SIZE];
    struct err err;

    (void)state;
    setenv("IOTH_RUN_DIR", "/a/run", 1);
    setenv("IOTH_STATE_DIR", "/a/state", 1);
    assert_int_equal(locate_run_dir(out, &err), 0);
    assert_string_equal(out, "/a/run");
    assert_int_equal(locate_state_dir(out, &err), 0);
    assert_string_equal(out, "/a/state");
    unsetenv("IOTH_RUN_DIR");
    unsetenv("IOTH_STATE_DIR");
    setenv("XDG_RUNTIME_DIR", "/b", 1);
    setenv("XDG_STATE_HOME", "/c", 1);
    assert_int_equal(locate_run_dir(out, &err), 0);
    assert_string_equal(out, geteuid() == 0 ? "/run/ioth" : "/b/ioth");
    assert_int_equal(locate_state_dir(out, &err), 0);
    assert_string_equal(out, geteuid() == 0 ? "/var/lib/ioth" : "/c/ioth");
}

static void test_private(void **state)
{
    char path[128];
    struct err err;

    (void)state;
    snprintf(path, sizeof path, "%s/run", folder);
    assert_int_equal(locate_check_private(path, &err), 0); /* Not there. */
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(locate_check_private(path, &err), 0);
    assert_int_equal(chmod(path, 0750), 0);
    assert_int_equal(locate_check_private(path, &err), -EACCES);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(symlink(folder, path), 0);
    assert_int_equal(locate_check_private(path, &err), -EACCES);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_named_socket, setup, teardown),
        cmocka_unit_test_setup_teardown(test_run_dir, setup, teardown),
        cmocka_unit_test_setup_teardown(test_folders, setup, teardown),
        cmocka_unit_test_setup_teardown(test_private, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
