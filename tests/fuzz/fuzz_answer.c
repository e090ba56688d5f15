/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages that programs of a node send to its DNS answerer. A reply stays in its room, is one
 * (QR), carries the query's id, and never answers a reply. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "libioth/node/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int look_up(void *aux, const char *name, enum answer_type type,
                   struct answer_result *out)
{
    (void)aux;
    out->found = strlen(name) % 2;
    if (type == ANSWER_PTR)
        memcpy(out->texts[out->n++], "web.lan1.ioth", 14);
    else
        memcpy(out->texts[out->n++], "10.64.0.2", 10);
    return strlen(name) % 7 == 0 ? -1 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* The first byte says over what it came, and the room for the reply. */
    size_t room = size ? (size_t)data[0] * 8 : 0;
    uint8_t *out = malloc(room ? room : 1);
    size_t n;

    if (!out || size == 0) {
        free(out);
        return 0;
    }
    n = answer_message(data + 1, size - 1, data[0] & 1, look_up, NULL, out, room);
    if (n > room || (n && (n < 12 || !(out[2] & 0x80) || memcmp(out, data + 1, 2) != 0)))
        abort();
    if (n && data[3] & 0x80)
        abort();
    free(out);
    return 0;
}
