/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plug requests and replies: what is accepted is written back to the same bytes. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "proto/plug/plug.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t again[PLUG_MAX_SIZE];
    struct plug_request request;
    struct plug_reply reply;

    if (plug_request_decode(data, size, &request) == 0) {
        assert(plug_request_encode(&request, again, sizeof again) == size);
        assert(memcmp(data, again, size) == 0);
    }
    if (plug_reply_decode(data, size, &reply) == 0) {
        assert(plug_reply_encode(&reply, again, sizeof again) == size);
        assert(memcmp(data, again, size) == 0);
    }
    return 0;
}
