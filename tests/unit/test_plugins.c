/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kinds of stacks that are plugins: how they are found and loaded, what they have to provide, and their licences. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "libioth/api/ioth.h"

/* A folder that is somebody's home: IOTH_PLUGINS has what is in its .ioth. */
static int go_home(void **state)
{
    (void)state;
    return setenv("HOME", IOTH_PLUGINS, 1);
}

static struct ioth *new_stack(const char *stack)
{
    struct ioth *s = ioth_newstack(stack, "any://");

    if (!s)
        fail_msg("%s: %s", stack, ioth_error());
    return s;
}

/* What comes back of a word, over a socket of the stack. */
static void says(struct ioth *s, const char *word, const char *expected)
{
    int fd = ioth_msocket(s, AF_INET, SOCK_STREAM, 0);
    char buf[64] = "";

    assert_true(fd >= 0);
    assert_true(ioth_write(fd, word, strlen(word)) > 0); /* By its sendmsg. */
    assert_true(ioth_read(fd, buf, sizeof buf - 1) > 0); /* By its recvmsg. */
    assert_string_equal(buf, expected);
    assert_int_equal(ioth_listen(fd, 1), -1); /* It has none. */
    assert_int_equal(errno, ENOSYS);
    assert_int_equal(ioth_recv(fd, buf, sizeof buf, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN); /* Also where its C library is another. */
    assert_int_equal(ioth_close(fd), 0);
}

/* Two stacks of a kind that each has its own state, and two that share it. */
static void test_forms(void **state)
{
    static const struct {
        const char *kind, *second;
    } forms[] = {{"alone", "b 2 of 1, options "},
                 {"copied", "b 2 of 1, options "},
                 {"shared", "b 2 of 2, options "}};

    (void)state;
    for (unsigned i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct ioth *one = new_stack(forms[i].kind), *two = new_stack(forms[i].kind);

        says(two, "a", i == 2 ? "a 1 of 2, options " : "a 1 of 1, options ");
        says(two, "b", forms[i].second);
        assert_int_equal(ioth_delstack(one), 0);
        assert_int_equal(ioth_delstack(two), 0);
    }
}

static void test_options(void **state)
{
    struct ioth *s = new_stack("alone,mtu=9,x");

    (void)state;
    says(s, "a", "a 1 of 1, options mtu=9,x");
    assert_int_equal(ioth_delstack(s), 0);
}

static void refused(const char *stack, const char *vnl, int error, const char *why)
{
    errno = 0;
    assert_null(ioth_newstack(stack, vnl));
    assert_int_equal(errno, error);
    if (!strstr(ioth_error(), why))
        fail_msg("%s: '%s' does not say '%s'", stack, ioth_error(), why);
}

static void test_refused(void **state)
{
    (void)state;
    refused("nothing", NULL, ENOTSUP, "no kind of stack is named nothing");
    refused("../alone", NULL, ENOTSUP, "no kind of stack is named ../alone");
    refused("empty", NULL, ENOENT, "makes no stacks");
    refused("text", NULL, ENOTSUP, "cannot be loaded: ");
    refused("alone", "nowhere://", ENETDOWN,
            "the stack alone cannot be made: Network is down");
    assert_int_equal(setenv("IOTH_COPIES", "/nonexistent/folder", 1), 0);
    refused("copied", NULL, ENOENT,
            "IOTH_COPIES=/nonexistent/folder: No such file or directory");
    unsetenv("IOTH_COPIES");
}

/* Who declares what may use which: what facts of these licences say, and nothing without a word. */
static void test_licences(void **state)
{
    static const struct {
        const char *program;
        unsigned kinds; /* Of those below, a bit each. */
    } table[] = {{NULL, 0},
                 {"MIT", 0},
                 {"LGPL-2.1-or-later", 0},
                 {"GPL-2.0-only", 1 | 4},
                 {"GPL-2.0-or-later", 7},
                 {"SPDX-License-Identifier: GPL-2.0-or-later", 7},
                 {"GPL-3.0-only", 7},
                 {"GPL-3.0-or-later", 7}};
    static const char *const kinds[] = {"gpl2", "gpl3", "either"};

    (void)state;
    for (unsigned i = 0; i < sizeof table / sizeof *table; i++) {
        ioth_set_license(table[i].program);
        for (unsigned k = 0; k < 3; k++) {
            if (table[i].kinds >> k & 1)
                assert_int_equal(ioth_delstack(new_stack(kinds[k])), 0);
            else
                refused(kinds[k], NULL, EPERM, k == 1 ? "GPL-3.0-or-later" : "GPL-2.0-o");
        }
        assert_int_equal(ioth_delstack(new_stack("lesser")), 0);
        assert_int_equal(ioth_delstack(new_stack("alone")), 0);
    }
    ioth_set_license(NULL);
}

/* What programs find in the header beside functions. */
static void test_header(void **state)
{
    unsigned char mac[6];
    char text[MAC_ADDRSTRLEN];
    struct ifreq request = {.ifr_name = "vde0"};
    volatile size_t small = sizeof text - 1;

    (void)state;
    assert_int_equal(sizeof request.ifr_name, IFNAMSIZ);
    assert_int_equal(ioth_macton("02:00:00:00:0a:ff", mac), 1);
    assert_string_equal(ioth_ntomac(mac, text, sizeof text), "02:00:00:00:0a:ff");
    assert_int_equal(ioth_macton("02-00-00-00-0A-01", mac), 1);
    assert_string_equal(ioth_ntomac(mac, text, sizeof text), "02:00:00:00:0a:01");
    assert_int_equal(ioth_macton("02-00:00:00:0a:01", mac), 0);
    assert_int_equal(ioth_macton("02:00:00:00:0a", mac), 0);
    assert_int_equal(ioth_macton("02:00:00:00:0a:01:", mac), 0);
    assert_null(
        ioth_ntomac(mac, text, small)); /* Told at run time, or the compiler warns of it. */
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(test_forms),   cmocka_unit_test(test_options),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_licences),
        cmocka_unit_test(test_header),
    };
    const struct CMUnitTest sane[] = {cmocka_unit_test(test_header)};

#ifdef IOTH_SANITIZED /* The sanitizers are lost in a second C library. */
    (void)all;
    return cmocka_run_group_tests(sane, go_home, NULL);
#else
    (void)sane;
    return cmocka_run_group_tests(all, go_home, NULL);
#endif
}
