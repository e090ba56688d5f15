/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Certificates of a fabric: root -> issuer -> host, Ed25519.
 *
 * The root key signs issuers and may stay offline; an issuer's key lives with the founding host
 * and signs hosts. A host shows its chain (issuer certificate, then its own) inside the
 * handshake; whoever knows the root's public key verifies it without asking anybody. A chain
 * takes under 650 bytes, so that the first handshake message stays under 1,200.
 *
 * The encoding is canonical: every byte is read, texts are checked, a certificate has exactly one
 * form. Both ends of the validity are widened by CERT_SLACK for clocks that are wrong.
 */
#ifndef PROTO_LINK_CERT_H
#define PROTO_LINK_CERT_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"
#include "proto/base/mtime.h"

#define CERT_CHAIN_MAX   1024u
#define CERT_NAME_SIZE   64u  /* With the NUL. */
#define CERT_TAGS_MAX    255u /* Tags, each followed by a NUL. */
#define CERT_SLACK       ((wall_t)86400)
#define CERT_HOST_LIFE   ((wall_t)365 * 86400)
#define CERT_ISSUER_LIFE ((wall_t)10 * 365 * 86400)

struct cert_issuer {
    uint64_t fabric;
    uint8_t sign_public[32]; /* The issuer's Ed25519 key. */
    wall_t not_before, not_after;
};

struct cert_host {
    uint64_t fabric;
    uint16_t host;             /* Number in the fabric, 1..65535. */
    char name[CERT_NAME_SIZE]; /* 1-63 of a-z 0-9 -, beginning with a letter. */
    uint8_t noise_public[32];  /* X25519, of the handshake. */
    uint8_t sign_public[32];   /* Ed25519 */
    wall_t not_before, not_after;
    uint8_t tags_size;
    char tags[CERT_TAGS_MAX]; /* tags_size bytes; the last one is NUL if there are any. */
};

/*
 * Writes the issuer certificate, signed with the root's secret key (libsodium's 64-byte form).
 * *sizep becomes its size. Returns 0, -EINVAL (fields out of range), -ENOSPC.
 */
int cert_issuer_sign(const struct cert_issuer *, const uint8_t root_secret[64],
                     uint8_t *out, size_t room, size_t *sizep)
    __attribute__((warn_unused_result));

/*
 * Writes the whole chain of a host: the issuer certificate as given, then the host's, signed
 * with the issuer's secret key. Returns 0, -EINVAL, -ENOSPC.
 */
int cert_host_sign(const struct cert_host *, const uint8_t issuer_secret[64],
                   const uint8_t *issuer_cert, size_t issuer_size, uint8_t *out,
                   size_t room, size_t *sizep) __attribute__((warn_unused_result));

/*
 * Verifies a chain against the root's public key at time `now` and fills in *host.
 * Returns 0, or, with the reason in `err` (may be NULL): -EPROTO (malformed), -EKEYREJECTED (a
 * signature is wrong, or another root's), -EKEYEXPIRED (expired or not yet valid, or the host's
 * outlives its issuer's fabric). *host is untouched on failure.
 */
int cert_chain_verify(const void *chain, size_t size, const uint8_t root[32], wall_t now,
                      struct cert_host *host, struct err *err)
    __attribute__((warn_unused_result));

#endif
