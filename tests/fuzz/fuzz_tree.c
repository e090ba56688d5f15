/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An entry of a state folder as the other host's keeper says it: what is taken stays inside the
 * folder, and is said again as it was understood. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "keeper/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void check(const struct node *node)
{
    struct tree_entry e, again;
    struct node *said;

    if (!tree_entry_parse(node, &e))
        return;
    must(e.path[0] != '/' && strstr(e.path, "//") == NULL &&
         strncmp(e.path, "../", 3) != 0 && strstr(e.path, "/../") == NULL &&
         strcmp(e.path, "..") != 0);
    must((e.type == 'l') == (e.target != NULL) && e.mode <= 07777);
    said = tree_entry_node(&e);
    must(tree_entry_parse(said, &again));
    must(strcmp(e.path, again.path) == 0 && e.type == again.type && e.mode == again.mode &&
         e.mtime_us == again.mtime_us);
    node_free(said);
    tree_entry_done(&again);
    tree_entry_done(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diags diags;
    struct node *node;

    diags_init(&diags);
    node = node_from_json((const char *)data, size, NULL, &diags);
    diags_done(&diags);
    if (node)
        check(node);
    node_free(node);
    return 0;
}
