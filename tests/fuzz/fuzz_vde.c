/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A VDE client's control stream: one byte says how long the reads are, the rest is the stream. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "proto/vde/vde.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_request(const struct vde_request *r)
{
    uint8_t reply[VDE_REPLY_SIZE];
    int built;

    assert(r->version == 1 || r->version == 3);
    assert(r->port <= VDE_PORT_MAX);
    assert(r->path_size > 0 && r->path_size <= VDE_PATH_SIZE);
    assert(r->path[VDE_PATH_SIZE] == '\0');
    assert(memchr(r->description, '\0', sizeof r->description));
    built = vde_reply_build(r->path, reply);
    assert(built == 0 || strlen(r->path) == VDE_PATH_SIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vde_reader reader = {.done = false};
    struct vde_request r;
    unsigned complete = 0;
    size_t chunk = size ? data[0] + 1u : 1;

    if (vde_request_parse(data, size, &r) == 0)
        check_request(&r);
    for (size_t at = 1; at < size; at += chunk) {
        size_t left = size - at < chunk ? size - at : chunk;
        int got = vde_reader_feed(&reader, data + at, left, &r);

        if (got < 0)
            break;
        if (got == 1) {
            check_request(&r);
            complete++;
        }
    }
    assert(complete <= 1);
    return 0;
}
