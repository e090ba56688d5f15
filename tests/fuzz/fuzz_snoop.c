/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames of any bytes as IGMP and MLD. What is listed is within its bounds and a group's MAC. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/snoop/snoop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct snoop_message m;
    /* Of its own size, so that a step outside is seen. */
    uint8_t *copy = malloc(size ? size : 1);

    if (!copy)
        return 0;
    memcpy(copy, data, size);
    snoop_parse(copy, size, &m);
    if (m.kind > SNOOP_REPORT || m.n_groups > SNOOP_GROUPS_MAX)
        abort();
    for (unsigned i = 0; m.kind == SNOOP_REPORT && i < m.n_groups; i++) {
        if (!mac_is_group(m.groups[i].mac))
            abort();
    }
    free(copy);
    return 0;
}
