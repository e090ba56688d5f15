/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The keys of this host and, on the founding host, of the fabric: files in STATE/keys (0700).
 *
 *   host-noise.key   X25519 secret of the handshakes
 *   host-sign.key    Ed25519 seed of this host
 *   root.key         Ed25519 seed of the fabric's root; may be kept elsewhere
 *   issuer.key, issuer.cert   what signs hosts, and the root's word for it
 *   self             who this host is in its fabric, and its certificate chain
 *
 * A key file is one line of text, "ioth KIND key 1 BASE64". Secrets are read when they are needed
 * and wiped after: the processes that the parent forks find none in its memory. Files are
 * replaced atomically and are on the disk before anything is said of them.
 */
#ifndef FABRICD_PARENT_KEYS_H
#define FABRICD_PARENT_KEYS_H

#include <stdint.h>

#include "fabricd/ipc/ipc.h"
#include "proto/base/err.h"
#include "proto/base/mtime.h"

struct keys;

/* Makes the folder and this host's own keys where there are none. NULL with `err`. */
struct keys *keys_open(const char *state_dir, struct err *err);
void keys_close(struct keys *);

/* Who this host is: public keys always; the rest zero before it has founded or joined a fabric. */
int keys_show(const struct keys *, struct ipc_self *, struct err *err)
    __attribute__((warn_unused_result));

/*
 * This host founds the fabric wanted->fabric, as host wanted->host named wanted->name: makes root
 * and issuer if there are none for that fabric, and a chain for itself. Asked again for what is
 * there it changes nothing. *out is as keys_show() tells.
 */
int keys_found(struct keys *, const struct ipc_self *wanted, wall_t now,
               struct ipc_self *out, struct err *err) __attribute__((warn_unused_result));

/* This host is a member of another's fabric now: keeps its identity, drops root and issuer. The
 * chain must verify against self->root and be for this host's keys. */
int keys_joined(struct keys *, const struct ipc_self *self, wall_t now,
                struct ipc_self *out, struct err *err) __attribute__((warn_unused_result));

/* Forgets the root key. */
int keys_drop_root(struct keys *, struct err *err) __attribute__((warn_unused_result));

/* A chain for another host, signed by the issuer. */
int keys_sign(struct keys *, const struct ipc_sign *, wall_t now, struct ipc_signed *,
              struct err *err) __attribute__((warn_unused_result));

/* Writes the handshake secret to `secret`; zeroes on failure. The caller wipes it. */
int keys_noise_secret(const struct keys *, uint8_t secret[32])
    __attribute__((warn_unused_result));

#endif
