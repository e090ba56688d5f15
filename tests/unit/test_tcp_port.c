/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The port that a socket of TCP is given where it chose none (patch 0012). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lwip/init.h>
#include <lwip/tcp.h>
#include <sodium.h>

static const char *name(void)
{
    return "all ones";
}

static uint32_t all_ones(void)
{
    return UINT32_MAX;
}

/* The first one is at random: also where that is the last port of all. */
static void test_from_the_end(void **state)
{
    static struct randombytes_implementation ones = {.implementation_name = name,
                                                     .random = all_ones};
    struct tcp_pcb *pcb[3];

    (void)state;
    assert_int_equal(randombytes_set_implementation(&ones), 0);
    lwip_init();
    for (unsigned i = 0; i < 3; i++) {
        pcb[i] = tcp_new();
        assert_non_null(pcb[i]);
        assert_int_equal(tcp_bind(pcb[i], IP4_ADDR_ANY, 0), ERR_OK);
        assert_true(pcb[i]->local_port >= 49152);
    }
    for (unsigned i = 0; i < 3; i++)
        tcp_close(pcb[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
