/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hash map against a plain array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/base/map.h"

#define KEYS 500

static void test_random(void **state)
{
    static int values[4];
    int *model[KEYS] = {NULL};
    struct map map = {0};
    size_t n = 0;
    char key[32];

    (void)state;
    srand(7);
    assert_null(map_get(&map, "absent"));
    assert_null(map_remove(&map, "absent"));
    for (int i = 0; i < 20000; i++) {
        int k = rand() % KEYS, *value = &values[rand() % 4];

        snprintf(key, sizeof(key), "key number %d", k);
        if (rand() % 3 == 0) {
            assert_ptr_equal(map_remove(&map, key), model[k]);
            n -= model[k] != NULL;
            model[k] = NULL;
        } else {
            map_put(&map, key, value);
            n += model[k] == NULL;
            model[k] = value;
        }
        assert_ptr_equal(map_get(&map, key), model[k]);
        assert_int_equal(map.n, n);
    }
    for (int k = 0; k < KEYS; k++) {
        snprintf(key, sizeof(key), "key number %d", k);
        assert_ptr_equal(map_get(&map, key), model[k]);
    }
    map_clear(&map);
    assert_null(map_get(&map, "key number 1"));
    map_put(&map, "", values);
    assert_ptr_equal(map_get(&map, ""), values);
    map_clear(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
