/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The window against replays, by a table and against a naive model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/link/replay.h"

static bool take(struct replay *r, uint64_t counter)
{
    if (!replay_check(r, counter))
        return false;
    replay_note(r, counter);
    return true;
}

static void table(void **state)
{
    static const struct {
        uint64_t counter;
        bool fresh;
    } steps[] = {
        {0, true},
        {0, false},
        {1, true},
        {1, false},
        {9, true},
        {8, true},
        {7, true},
        {7, false},
        {REPLAY_WINDOW, true},
        {REPLAY_WINDOW - 1, true},
        {REPLAY_WINDOW - 1, false},
        {2, true}, /* Still inside. */
        {REPLAY_WINDOW + 16, true},
        {3, false}, /* Fell out, though never seen. */
        {REPLAY_WINDOW + 17, true},
        {REPLAY_WINDOW * 4, true},
        {REPLAY_WINDOW * 4 - REPLAY_WINDOW + 1, true},
        {REPLAY_WINDOW * 4 - REPLAY_WINDOW, false},
        {REPLAY_WINDOW * 4 - REPLAY_WINDOW + 1, false},
        {REPLAY_WINDOW * 4 + 1, true},
        {((uint64_t)1 << 56) - 1, true},
        {((uint64_t)1 << 56) - 1, false},
        {((uint64_t)1 << 56) - 2, true},
    };
    struct replay r = {.next = 0};

    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        assert_int_equal(take(&r, steps[i].counter), steps[i].fresh);
}

static void as_the_naive_model(void **state)
{
    enum { N = 60000 };
    uint8_t *seen = calloc(N, 1);
    struct replay r = {.next = 0};
    uint64_t top = 0, x = 88172645463325252u;

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t counter, jump;
        bool fresh;

        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        jump = x % 100 == 0 ? (x >> 8) % 12000 : (x >> 8) % 50;
        counter = top + 20 > jump ? top + 20 - jump : 0;
        if (counter >= N)
            break;
        fresh = !seen[counter] && counter + REPLAY_WINDOW >= top;
        assert_int_equal(take(&r, counter), fresh);
        seen[counter] = 1;
        if (counter >= top)
            top = counter + 1;
    }
    assert_true(top > 40000);
    free(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(as_the_naive_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
