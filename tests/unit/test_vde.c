/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "proto/base/cur.h"
#include "proto/vde/vde.h"

static uint8_t bytes[2000];

/* A request as libvdeplug writes it. */
static size_t build(uint32_t version, uint32_t type, const char *path, const char *descr)
{
    struct wr w = wr_init(bytes, sizeof bytes);
    uint8_t un[VDE_PATH_SIZE] = {0};

    wr_u32_ne(&w, 0xfeedface);
    if (version == 3)
        wr_u32_ne(&w, 3);
    wr_u32_ne(&w, type);
    if (version == 1)
        wr_bytes(&w, "\0\0\0\0\0\0", 6);
    memcpy(un, path, strlen(path));
    wr_u16_ne(&w, AF_UNIX);
    wr_bytes(&w, un, sizeof un);
    wr_bytes(&w, descr, strlen(descr));
    return wr_size(&w);
}

static void test_versions(void **state)
{
    struct vde_request r;
    size_t size = build(3, 0, "/tmp/.00123-00001", "QEMU user=x pid=7");

    (void)state;
    assert_int_equal(size, 122 + 17);
    assert_int_equal(vde_request_parse(bytes, size, &r), 0);
    assert_int_equal(r.version, 3);
    assert_int_equal(r.port, 0);
    assert_false(r.management);
    assert_string_equal(r.path, "/tmp/.00123-00001");
    assert_int_equal(r.path_size, 17);
    assert_string_equal(r.description, "QEMU user=x pid=7");

    size = build(3, 5 << 8 | 1, "/tmp/x", "");
    assert_int_equal(vde_request_parse(bytes, size, &r), 0);
    assert_true(r.management);
    assert_int_equal(r.port, 5);
    assert_string_equal(r.description, "");

    size = build(1, 0, "/tmp/y", "old\x01library");
    assert_int_equal(size, 124 + 11);
    assert_int_equal(vde_request_parse(bytes, size, &r), 0);
    assert_int_equal(r.version, 1);
    assert_string_equal(r.path, "/tmp/y");
    assert_string_equal(r.description, "old?library");
}

static void test_refusals(void **state)
{
    static const uint32_t types[] = {2, 4, 256, 1792, 0xffffffff};
    struct vde_request r = {.version = 77};
    size_t size;

    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        size = build(1, types[i], "/tmp/x", "");
        assert_int_equal(vde_request_parse(bytes, size, &r), -EPROTO);
    }
    size = build(3, 2, "/tmp/x", "");
    assert_int_equal(vde_request_parse(bytes, size, &r), -EPROTO);
    size = build(3, 0, "", "");
    assert_int_equal(vde_request_parse(bytes, size, &r), -EPROTO);
    size = build(3, 0, "/tmp/x", "");
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(vde_request_parse(bytes, cut, &r), -EPROTO);
    bytes[12] = AF_INET;
    assert_int_equal(vde_request_parse(bytes, size, &r), -EPROTO);
    bytes[12] = AF_UNIX;
    bytes[0]++;
    assert_int_equal(vde_request_parse(bytes, size, &r), -EPROTO);
    assert_int_equal(r.version, 77);
}

static void test_paths_without_end(void **state)
{
    struct vde_request r;
    size_t size = build(3, 0, "x", "");

    (void)state;
    memset(bytes + 14, 'p', VDE_PATH_SIZE);
    assert_int_equal(vde_request_parse(bytes, size, &r), 0);
    assert_int_equal(r.path_size, VDE_PATH_SIZE);
    assert_int_equal(strlen(r.path), VDE_PATH_SIZE);
    /* Abstract: a NUL first, others may be inside. */
    memset(bytes + 14, 0, VDE_PATH_SIZE);
    memcpy(bytes + 15, "a\0b", 3);
    assert_int_equal(vde_request_parse(bytes, size, &r), 0);
    assert_int_equal(r.path_size, 4);
    assert_memory_equal(r.path, "\0a\0b", 4);
}

static void test_reader(void **state)
{
    struct vde_reader r = {.done = false};
    struct vde_request out;
    size_t size = build(3, 0, "/tmp/x", "description");
    uint8_t junk[1000] = {0};
    unsigned n = 0;

    (void)state;
    /* In pieces: done when the fixed part is there. */
    for (size_t i = 0; i < 121; i++)
        assert_int_equal(vde_reader_feed(&r, bytes + i, 1, &out), 0);
    assert_int_equal(vde_reader_feed(&r, bytes + 121, size - 121, &out), 1);
    assert_string_equal(out.description, "description");
    /* What comes later is dropped, within a bound. */
    while (vde_reader_feed(&r, junk, sizeof junk, &out) == 0)
        n++;
    assert_in_range(n, 60, 70);

    memset(&r, 0, sizeof r);
    memset(bytes + size, 'd', sizeof bytes - size);
    assert_int_equal(vde_reader_feed(&r, bytes, sizeof bytes, &out), 1);
    assert_int_equal(strlen(out.description), VDE_DESCR_SIZE - 1);
    assert_int_equal(vde_reader_feed(&r, bytes, 1, &out), 0);

    memset(&r, 0, sizeof r);
    assert_int_equal(vde_reader_feed(&r, "GET ", 4, &out), -EPROTO);
    memset(&r, 0, sizeof r);
    size = build(1, 1792, "/tmp/x", "");
    assert_int_equal(vde_reader_feed(&r, bytes, 8, &out), -EPROTO);
    memset(&r, 0, sizeof r);
    size = build(1, 1, "/tmp/x", "");
    assert_int_equal(vde_reader_feed(&r, bytes, 123, &out), 0);
    assert_int_equal(vde_reader_feed(&r, bytes + 123, 1, &out), 1);
    assert_true(out.management);
}

static void test_reply(void **state)
{
    uint8_t reply[VDE_REPLY_SIZE];
    struct sockaddr_un un;
    char path[VDE_PATH_SIZE + 1];

    (void)state;
    assert_int_equal(sizeof un, VDE_REPLY_SIZE);
    assert_int_equal(vde_reply_build("/run/ioth/net/lan1/001.7", reply), 0);
    memcpy(&un, reply, sizeof un);
    assert_int_equal(un.sun_family, AF_UNIX);
    assert_string_equal(un.sun_path, "/run/ioth/net/lan1/001.7");
    memset(path, 'x', sizeof path);
    path[VDE_PATH_SIZE] = '\0';
    assert_int_equal(vde_reply_build(path, reply), -ENAMETOOLONG);
    path[VDE_PATH_SIZE - 1] = '\0';
    assert_int_equal(vde_reply_build(path, reply), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_paths_without_end),
        cmocka_unit_test(test_reader),
        cmocka_unit_test(test_reply),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
