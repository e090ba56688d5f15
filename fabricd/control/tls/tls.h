/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The key and the certificate of the API over TCP. They have nothing to do with the fabric's keys,
 * which control does not hold. Either the operator gives both, or they are made here: the key once,
 * so that its pin stays, the self-signed certificate anew when it is about to expire. Both lie in
 * FOLDER as api.key (mode 0600) and api.crt.
 *
 * The pin is that of RFC 7469, the SHA-256 of the public key, in curl's notation (sha256//BASE64).
 */
#ifndef FABRICD_CONTROL_TLS_TLS_H
#define FABRICD_CONTROL_TLS_TLS_H

#include "proto/base/err.h"
#include "proto/base/mtime.h"

#define TLS_PEM_MAX    65536u /* Bytes of a file, with its chain. */
#define TLS_PIN_SIZE   64
#define TLS_OWN_YEARS  10
#define TLS_RENEW_DAYS 30
/* TLS 1.2 and 1.3, forward secrecy, authenticated ciphers. */
#define TLS_PRIORITIES                                                                     \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-CIPHER-ALL:+AES-256-GCM:"            \
    "+AES-128-GCM:+CHACHA20-POLY1305:-MAC-ALL:+AEAD"

struct tls {
    char *cert, *key; /* PEM */
    char pin[TLS_PIN_SIZE];
    wall_t expires;
};

/* What the operator gave: reads both descriptors to their end; they stay the caller's. Refuses a
 * key that does not belong to the certificate. 0 or -errno with `err`. */
int tls_read(int cert_fd, int key_fd, struct tls *out, struct err *err)
    __attribute__((warn_unused_result));

/* Our own, made where they are missing, for a host of that name. 0 or -errno with `err`. */
int tls_own(const char *folder, const char *host, wall_t now, struct tls *out,
            struct err *err) __attribute__((warn_unused_result));

void tls_done(struct tls *); /* Wipes the key. */

#endif
