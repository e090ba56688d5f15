/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames of a pipe, each preceded by its size in 16 bits; messages stay within their bound. */
#include <stdlib.h>

#include "proto/base/cur.h"
#include "proto/sync/pipe.h"

#define MESSAGE_MAX 70000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void frame(void *aux, const uint8_t *data, size_t size)
{
    (void)aux;
    (void)data;
    if (size > PIPE_FRAME_MAX) {
        abort();
    }
}

static void began(void *aux)
{
    static const uint8_t large[PIPE_WINDOW];
    struct pipe_end **pipe = aux;

    if (pipe_send(*pipe, large, sizeof(large)) < 0) {
        abort();
    }
}

static void message(void *aux, const uint8_t *data, size_t size)
{
    (void)aux;
    (void)data;
    if (size > MESSAGE_MAX) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct pipe_ops ops = {frame, began, message};
    struct cur c = cur_init(data, size);
    struct pipe_end pipe;
    struct pipe_end *aux = &pipe;

    pipe_init(&pipe, &ops, &aux, MESSAGE_MAX, 7);
    while (cur_left(&c) > 2) {
        size_t n = cur_u16(&c);
        const uint8_t *p;

        n = n <= cur_left(&c) ? n : cur_left(&c);
        p = cur_bytes(&c, n);
        if (!p || pipe_input(&pipe, p, n) < 0) {
            break;
        }
    }
    pipe_done(&pipe);
    return 0;
}
