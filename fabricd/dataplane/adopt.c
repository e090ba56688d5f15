/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keeping the parent's vault in step with ours, and taking a new parent when the old one is
 * gone: the next fabricd on the same run folder connects to the adoption socket and is given
 * everything, with the descriptors.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fabricd/dataplane/internal.h"
#include "proto/base/err.h"
#include "proto/base/fd.h"
#include "proto/base/log.h"

void dp_parent_sync(struct dataplane *dp)
{
    int code;

    dp->vault_changed = false;
    if (!outbox_is_open(&dp->parent))
        return;
    code = vault_sync(dp->vault, dp->parent.watch.fd, NULL, NULL);
    if (code == -EAGAIN) {
        outbox_await_room(&dp->parent);
        return;
    }
    if (code < 0) {
        log_warn("the parent cannot be told of a change: %s", err_text(code));
        return;
    }
    if (dp->replaying)
        dp->replaying = !outbox_send(&dp->parent, IPC_REPLAY_END, 0, NULL, NULL, 0);
}

static void adopt(struct dataplane *dp, int fd)
{
    struct fd_peer peer;

    if (fd_peer_get(fd, &peer) < 0 || peer.uid != geteuid()) {
        log_limited(&dp->clients_said, LOG_LEVEL_WARN,
                    "a process of another user wanted to adopt the switch: refused");
        fd_close(&fd);
        return;
    }
    log_info("adopted by process %d", (int)peer.pid);
    dp_set_parent(dp, fd);
    vault_mark_all(dp->vault);
    dp->replaying = true;
    dp_parent_sync(dp);
}

static void came(struct door *door, int fd)
{
    adopt(list_entry(door, struct dataplane, adoption), fd);
}

void dp_adopt_listen(struct dataplane *dp, int fd)
{
    int old = door_close(&dp->adoption);
    int code;

    fd_close(&old);
    code = listen(fd, 4) < 0 ? -errno : door_open(&dp->adoption, dp->loop, fd, came);
    if (code < 0) {
        log_error("no other parent will be able to adopt the switch: %s", err_text(code));
        fd_close(&fd);
    }
}
