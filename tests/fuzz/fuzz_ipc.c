/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes as a whole message: head and body. What passes the check keeps its promises. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/ipc/ipc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ipc_message msg;

    if (size > sizeof msg.head + sizeof msg.body)
        return 0;
    memset(&msg, 0xff, sizeof msg);
    memcpy(&msg, data, size);
    msg.n_fds = 0;
    if (!ipc_check(&msg))
        return 0;
    if (msg.head.type == IPC_PORT &&
        (strlen(msg.body.port.name) >= IPC_NAME_SIZE || msg.body.port.n_pins > 8))
        abort();
    if (msg.head.type == IPC_STATS_MACS && msg.body.stats_macs.n > 256)
        abort();
    if (ipc_state_id(&msg) && msg.head.type > IPC_STATE_LAST)
        abort();
    return 0;
}
