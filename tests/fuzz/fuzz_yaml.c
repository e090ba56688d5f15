/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stddef.h>
#include <stdint.h>

#include "tests/fuzz/fuzz_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A tree that is there in spite of mistakes is looked through for more of them, and takes it. */
static void fuzz_partly(const char *text, size_t size)
{
    struct objects o;
    struct diags d;
    struct node *x;

    diags_init(&d);
    x = node_from_yaml_partly(text, size, "f", &d);
    if (x && d.n) {
        (void)!fabric_file_read(x, "f", &o, &d);
        objects_done(&o);
    }
    node_free(x);
    diags_done(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diags d;

    diags_init(&d);
    fuzz_tree(node_from_yaml((const char *)data, size, "f", &d), &d);
    diags_done(&d);
    fuzz_partly((const char *)data, size);
    return 0;
}
