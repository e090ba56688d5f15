/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The vault: the wanted state of the data path, message by message with its descriptors, and what
 * of it the other side does not know yet. The parent has one that it keeps a switch in step with;
 * the switch has a copy that a new parent is filled from.
 *
 * Sending is level-triggered: an entry is marked, vault_sync() sends what is marked for as long as
 * the channel takes it, in the order of the types, deletions first. So the vault itself is the
 * queue, and it is bounded (VAULT_MAX entries; a put beyond that is refused).
 *
 * The host's secret key is never in it: vault_put() wipes ipc_self.noise_secret.
 */
#ifndef FABRICD_IPC_VAULT_H
#define FABRICD_IPC_VAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "fabricd/ipc/ipc.h"

#define VAULT_MAX 16384

struct vault;

/* One piece of state. Read-only outside the vault; gone with the next put or delete of its key. */
struct vault_entry {
    uint16_t type;
    uint16_t size; /* Of the body. */
    uint64_t id;
    const union ipc_body *body; /* Only the type's own member, of `size` bytes. */
    int fds[IPC_MAX_FDS];
    unsigned n_fds;
};

struct vault *vault_new(void);
void vault_free(struct vault *); /* Closes all its descriptors. */

/*
 * Keeps a state message that ipc_recv() gave, or that was filled in the same way. Takes the
 * descriptors, also on failure. An existing key is replaced; IPC_PORT and IPC_LISTEN without
 * descriptors keep those that are there. `tell` marks it for vault_sync(). Returns 0, -EINVAL (no
 * state type) or -ENOSPC.
 */
int vault_put(struct vault *, const struct ipc_message *, bool tell)
    __attribute__((warn_unused_result));

/* As vault_put() for a body alone. */
int vault_put_body(struct vault *, enum ipc_type, const void *body, const int *fds,
                   unsigned n_fds, bool tell) __attribute__((warn_unused_result));

/* Drops an entry and closes its descriptors. True if it was there. */
bool vault_delete(struct vault *, uint16_t type, uint64_t id, bool tell);

/* Hands the descriptors of an entry out, into `fds` of IPC_MAX_FDS; they are the caller's now. How many. */
unsigned vault_take_fds(struct vault *, uint16_t type, uint64_t id, int *fds);

const struct vault_entry *vault_find(const struct vault *, uint16_t type, uint64_t id);

/* Calls `each` for every entry, in the order of the types, until it returns false. It may delete
 * the entry that it is given, and no other. */
void vault_each(struct vault *, bool (*each)(void *aux, const struct vault_entry *),
                void *aux);

/* For a new other side: everything is unsent, deletions are forgotten. */
void vault_mark_all(struct vault *);

/*
 * Sends what is marked. `fill`, if not NULL, may complete IPC_SELF (the secret key) in a copy that
 * is wiped afterwards. Returns 0 when nothing is left, -EAGAIN when the channel is full (call
 * again on EPOLLOUT), or another -errno.
 */
int vault_sync(struct vault *, int sock, void (*fill)(void *aux, struct ipc_self *),
               void *aux) __attribute__((warn_unused_result));

#endif
