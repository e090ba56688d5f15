/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ranges that SACK tells of, against a bit for each byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libioth/stack/scoreboard.h"

#define FIRST 0xffffff80u /* So that numbers wrap. */
#define SPAN  256u
#define MSS   4u

static uint8_t model[SPAN];
static struct scoreboard board;
static uint32_t una;

static uint32_t naive_lost(void)
{
    uint32_t ranges = 0, bytes = 0;

    for (uint32_t i = SPAN; i-- > una;) {
        bytes += model[i];
        if (model[i] && (i == 0 || !model[i - 1] || i == una)) {
            ranges++;
            if (ranges >= 3 || bytes > 2 * MSS)
                return i;
        }
    }
    return una;
}

static void compare(void)
{
    uint32_t bytes = 0;

    for (uint32_t i = una; i < SPAN; i++)
        bytes += model[i];
    assert_int_equal(board.bytes, bytes);
    assert_int_equal(scoreboard_holes(&board, FIRST + una, FIRST + SPAN),
                     SPAN - una - bytes);
    assert_int_equal(scoreboard_lost(&board, FIRST + una, MSS), FIRST + naive_lost());
    for (uint32_t i = 1; i < board.n; i++)
        assert_true(seq_before(board.at[i - 1].right, board.at[i].left));
}

/* The other end acknowledges up to a hole. */
static void acknowledge(uint32_t to)
{
    while (to < SPAN && model[to])
        to++;
    una = to;
    memset(model, 0, una);
    scoreboard_forget(&board, FIRST + una);
}

static void test_random(void **state)
{
    (void)state;
    srand(1);
    for (unsigned round = 0; round < 2000; round++) {
        memset(model, 0, sizeof model);
        scoreboard_clear(&board);
        una = 0;
        for (unsigned i = 0; i < 40 && una + 2 < SPAN; i++) {
            uint32_t left = una + 1 + (uint32_t)rand() % (SPAN - una - 1);
            uint32_t right = left + 1 + (uint32_t)rand() % 8;
            bool fresh = false;

            right = right < SPAN ? right : SPAN;
            for (uint32_t b = left; b < right; b++)
                fresh = fresh || !model[b];
            memset(model + left, 1, right - left);
            assert_int_equal(scoreboard_add(&board, FIRST + left, FIRST + right), fresh);
            if (rand() % 4 == 0)
                acknowledge(una + (uint32_t)rand() % 16);
            compare();
        }
    }
}

static void test_full(void **state)
{
    uint32_t left, right;

    (void)state;
    scoreboard_clear(&board);
    for (uint32_t i = 0; i < SCOREBOARD_MAX; i++)
        assert_true(scoreboard_add(&board, 10 + 4 * i, 12 + 4 * i));
    assert_false(scoreboard_add(&board, 1000, 1010));
    assert_true(scoreboard_add(&board, 12, 14)); /* One less. */
    assert_true(scoreboard_add(&board, 1000, 1010));
    assert_true(scoreboard_hole(&board, 10, 2000, &left, &right));
    assert_int_equal(left, 16);
    assert_int_equal(right, 18);
    assert_false(scoreboard_hole(&board, 10, 16, &left, &right));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
