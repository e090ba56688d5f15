/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes and results that other hosts send, as JSON trees, carried out in a store. Invariants:
 * a tree that is taken reads back the same; a refused change writes nothing.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/control_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct change *change)
{
    struct node *tree = change_to_node(change), *again;
    struct change *back = change_from_node(tree);

    if (back == NULL)
        abort();
    again = change_to_node(back);
    if (!node_equal(tree, again))
        abort();
    node_free(tree);
    node_free(again);
    change_free(back);
}

static void carry_out(struct change *change)
{
    struct control *c = fixture_new("alpha", true);
    struct change_result result = {.status = 0};
    uint64_t revision;

    fixture_add_host(c, "beta", 2);
    fixture_status(c, CHANGE_PUT, "network", "", "lan1", "{}");
    fixture_status(c, CHANGE_PUT, "endpoint", "lan1", "web", "{}");
    revision = store_revision(c->store);
    change_execute(c, change, fixture_keep, &result);
    if (result.status < 200 || result.status > 599)
        abort();
    if (result.status >= 400 && store_revision(c->store) != revision)
        abort();
    change_result_done(&result);
    fixture_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diags diags;
    struct node *tree;
    struct change *change;
    struct change_result result;

    diags_init(&diags);
    tree = node_from_json((const char *)data, size, NULL, &diags);
    diags_done(&diags);
    if (tree == NULL)
        return -1;
    if (change_result_from_node(tree, &result))
        change_result_done(&result);
    change = change_from_node(tree);
    node_free(tree);
    if (change == NULL)
        return 0;
    check_round_trip(change);
    carry_out(change);
    return 0;
}
