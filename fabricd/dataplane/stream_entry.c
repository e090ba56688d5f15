/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The doors of stream ports. Whoever may use the network and knocks is the port until the
 * connection ends; the port is one client's at a time, and a second one is hung up on.
 */
#include <string.h>

#include "fabricd/dataplane/internal.h"
#include "proto/base/fd.h"
#include "proto/base/log.h"

void dp_stream_client(struct dataplane *dp, const struct ipc_listen *entry, int fd,
                      const struct fd_peer *peer)
{
    struct ipc_port port = {
        .kind = IPC_PORT_STREAM,
        .stp = entry->stp,
        .set = entry->set,
        .net = entry->net,
        .owner_uid = peer->uid,
        .owner_pid = (uint32_t)peer->pid,
        .rate = entry->rate,
    };

    if (!dp_ports_room(dp, peer->uid) || dp_port_named(dp, entry->net, entry->name)) {
        log_limited(
            &dp->clients_said, LOG_LEVEL_INFO,
            "a client of the stream port %s is refused: it is in use, or user %u has "
            "too many",
            entry->name, peer->uid);
        fd_close(&fd);
        return;
    }
    port.id = dp_new_client_id(dp);
    memcpy(port.name, entry->name, sizeof port.name);
    dp_port_put_own(dp, &port, &fd, 1);
}
