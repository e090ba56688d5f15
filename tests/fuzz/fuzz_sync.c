/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A message between controls: what is read can be said again, in the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "proto/sync/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sync_message m;
    uint8_t *again;
    size_t again_size;

    if (sync_decode(data, size, &m) < 0) {
        return 0;
    }
    again = sync_encode(&m, &again_size);
    if (!again || again_size != size || memcmp(again, data, size) != 0) {
        abort();
    }
    free(again);
    sync_done(&m);
    return 0;
}
