/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stddef.h>
#include <stdint.h>

#include "tests/fuzz/fuzz_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diags d;

    diags_init(&d);
    fuzz_tree(node_from_json((const char *)data, size, "f", &d), &d);
    diags_done(&d);
    return 0;
}
