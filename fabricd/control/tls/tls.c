/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/tls/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/fd.h"
#include "proto/base/xalloc.h"

#define KEY_NAME  "api.key"
#define CERT_NAME "api.crt"

static int failed(struct err *err, const char *what, int code)
{
    return err_set(err, -EINVAL, "%s: %s", what, gnutls_strerror(code));
}

static gnutls_datum_t datum(const char *text)
{
    union { /* GnuTLS does not write to it. */
        const char *text;
        unsigned char *bytes;
    } u = {.text = text};

    return (gnutls_datum_t){.data = u.bytes, .size = (unsigned)strlen(text)};
}

/* --- files ---------------------------------------------------------------------------------- */

/* The caller's to free(); NULL with *code = -errno. */
static char *read_all(int fd, int *code)
{
    char *text = xcalloc(1, TLS_PEM_MAX + 1);
    size_t size = 0;
    ssize_t n = 1;

    while (size < TLS_PEM_MAX && (n = read(fd, text + size, TLS_PEM_MAX - size)) > 0)
        size += (size_t)n;
    *code = n < 0 ? -errno : n > 0 ? -EFBIG : 0;
    if (*code == 0)
        return text;
    sodium_memzero(text, TLS_PEM_MAX);
    free(text);
    return NULL;
}

static char *read_file(const char *folder, const char *name, int *code)
{
    char *path = xasprintf("%s/%s", folder, name), *text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    *code = fd < 0 ? -errno : 0;
    if (fd >= 0)
        text = read_all(fd, code);
    fd_close(&fd);
    free(path);
    return text;
}

/* Whole or not at all. */
static int write_file(const char *folder, const char *name, const char *text,
                      struct err *err)
{
    char *path = xasprintf("%s/%s", folder, name), *new = xasprintf("%s.new", path);
    int fd, r = 0;

    unlink(new);
    fd = open(new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || fsync(fd) < 0 ||
        rename(new, path) < 0)
        r = err_set(err, -(errno != 0 ? errno : EIO), "%s: %s", path, err_text(errno));
    fd_close(&fd);
    if (r < 0)
        unlink(new);
    free(new);
    free(path);
    return r;
}

/* --- what a certificate says ---------------------------------------------------------------- */

static int public_of_cert(const char *pem, gnutls_pubkey_t pub, wall_t *expires)
{
    gnutls_datum_t text = datum(pem);
    gnutls_x509_crt_t *list = NULL;
    unsigned n = 0;
    int r = gnutls_x509_crt_list_import2(&list, &n, &text, GNUTLS_X509_FMT_PEM, 0);

    if (r < 0)
        return r;
    r = n > 0 ? gnutls_pubkey_import_x509(pub, list[0], 0) : GNUTLS_E_NO_CERTIFICATE_FOUND;
    if (r >= 0)
        *expires = (wall_t)gnutls_x509_crt_get_expiration_time(list[0]);
    for (unsigned i = 0; i < n; i++)
        gnutls_x509_crt_deinit(list[i]);
    gnutls_free(list);
    return r;
}

static int pin_of(gnutls_pubkey_t pub, char pin[TLS_PIN_SIZE])
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    char base64[48];
    gnutls_datum_t der;
    int r = gnutls_pubkey_export2(pub, GNUTLS_X509_FMT_DER, &der);

    if (r < 0)
        return r;
    crypto_hash_sha256(hash, der.data, der.size);
    gnutls_free(der.data);
    sodium_bin2base64(base64, sizeof(base64), hash, sizeof(hash),
                      sodium_base64_VARIANT_ORIGINAL);
    snprintf(pin, TLS_PIN_SIZE, "sha256//%s", base64);
    return 0;
}

static int pin_of_key(const char *pem, char pin[TLS_PIN_SIZE])
{
    gnutls_datum_t text = datum(pem);
    gnutls_privkey_t key = NULL;
    gnutls_pubkey_t pub = NULL;
    int r = gnutls_privkey_init(&key);

    if (r >= 0)
        r = gnutls_pubkey_init(&pub);
    if (r >= 0)
        r = gnutls_privkey_import_x509_raw(key, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (r >= 0)
        r = gnutls_pubkey_import_privkey(pub, key, 0, 0);
    if (r >= 0)
        r = pin_of(pub, pin);
    gnutls_pubkey_deinit(pub);
    gnutls_privkey_deinit(key);
    return r;
}

/* Fills in pin and expiry; refuses what does not belong together. */
static int examine(struct tls *tls, struct err *err)
{
    char key_pin[TLS_PIN_SIZE];
    gnutls_pubkey_t pub = NULL;
    int r = gnutls_pubkey_init(&pub);

    if (r >= 0)
        r = public_of_cert(tls->cert, pub, &tls->expires);
    if (r >= 0)
        r = pin_of(pub, tls->pin);
    gnutls_pubkey_deinit(pub);
    if (r < 0)
        return failed(err, "the API's certificate cannot be read", r);
    r = pin_of_key(tls->key, key_pin);
    if (r < 0)
        return failed(err, "the API's key cannot be read", r);
    if (strcmp(key_pin, tls->pin) != 0)
        return err_set(err, -EINVAL, "the API's key does not belong to its certificate");
    return 0;
}

int tls_read(int cert_fd, int key_fd, struct tls *out, struct err *err)
{
    int r, code;

    *out = (struct tls){.cert = NULL};
    out->cert = read_all(cert_fd, &code);
    r = code;
    if (r == 0) {
        out->key = read_all(key_fd, &code);
        r = code;
    }
    if (r < 0)
        err_set(err, r, "the API's certificate or key cannot be read: %s", err_text(r));
    else
        r = examine(out, err);
    if (r < 0)
        tls_done(out);
    return r;
}

/* --- our own -------------------------------------------------------------------------------- */

static char *text_of(gnutls_datum_t *out)
{
    char *text = xcalloc(1, out->size + 1u);

    memcpy(text, out->data, out->size);
    sodium_memzero(out->data, out->size);
    gnutls_free(out->data);
    return text;
}

static int make_key(char **pem)
{
    gnutls_x509_privkey_t key = NULL;
    gnutls_datum_t out;
    int r = gnutls_x509_privkey_init(&key);

    if (r >= 0)
        r = gnutls_x509_privkey_generate(
            key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    if (r >= 0)
        r = gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &out);
    if (r >= 0)
        *pem = text_of(&out);
    gnutls_x509_privkey_deinit(key);
    return r;
}

static int set_names(gnutls_x509_crt_t crt, const char *host)
{
    static const char local[] = "localhost";
    int r = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, host,
                                          (unsigned)strlen(host));

    if (r >= 0)
        r = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, host,
                                                 (unsigned)strlen(host), GNUTLS_FSAN_SET);
    if (r >= 0)
        r = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, local,
                                                 sizeof(local) - 1, GNUTLS_FSAN_APPEND);
    return r;
}

static int set_times(gnutls_x509_crt_t crt, wall_t now)
{
    uint8_t serial[16];
    int r;

    randombytes_buf(serial, sizeof(serial));
    serial[0] = (serial[0] & 0x7f) | 0x40; /* Positive, of one length. */
    r = gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
    if (r >= 0) /* Clocks differ. */
        r = gnutls_x509_crt_set_activation_time(crt, (time_t)(now - 86400));
    if (r >= 0)
        r = gnutls_x509_crt_set_expiration_time(
            crt, (time_t)(now + INT64_C(86400) * 365 * TLS_OWN_YEARS));
    return r;
}

static int make_cert(const char *key_pem, const char *host, wall_t now, char **pem)
{
    gnutls_datum_t text = datum(key_pem), out;
    gnutls_x509_privkey_t key = NULL;
    gnutls_x509_crt_t crt = NULL;
    int r = gnutls_x509_privkey_init(&key);

    if (r >= 0)
        r = gnutls_x509_privkey_import(key, &text, GNUTLS_X509_FMT_PEM);
    if (r >= 0)
        r = gnutls_x509_crt_init(&crt);
    if (r >= 0)
        r = gnutls_x509_crt_set_version(crt, 3);
    if (r >= 0)
        r = set_names(crt, host);
    if (r >= 0)
        r = set_times(crt, now);
    if (r >= 0)
        r = gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
    if (r >= 0)
        r = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
    if (r >= 0)
        r = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
    if (r >= 0)
        r = gnutls_x509_crt_set_key(crt, key);
    if (r >= 0)
        r = gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
    if (r >= 0)
        r = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &out);
    if (r >= 0)
        *pem = text_of(&out);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
    return r;
}

/* Reads the key, or makes it. */
static int own_key(const char *folder, struct tls *out, struct err *err)
{
    int r;

    out->key = read_file(folder, KEY_NAME, &r);
    if (out->key != NULL)
        return 0;
    if (r != -ENOENT)
        return err_set(err, r, "%s/" KEY_NAME ": %s", folder, err_text(r));
    r = make_key(&out->key);
    if (r < 0)
        return failed(err, "a key for the API cannot be made", r);
    return write_file(folder, KEY_NAME, out->key, err);
}

static int own_cert(const char *folder, const char *host, wall_t now, struct tls *out,
                    struct err *err)
{
    int r = make_cert(out->key, host, now, &out->cert);

    if (r < 0)
        return failed(err, "a certificate for the API cannot be made", r);
    r = write_file(folder, CERT_NAME, out->cert, err);
    return r < 0 ? r : examine(out, err);
}

int tls_own(const char *folder, const char *host, wall_t now, struct tls *out,
            struct err *err)
{
    int r;

    *out = (struct tls){.cert = NULL};
    r = own_key(folder, out, err);
    if (r == 0) {
        int code;

        out->cert = read_file(folder, CERT_NAME, &code);
        if (out->cert == NULL || examine(out, NULL) < 0 ||
            out->expires < now + INT64_C(86400) * TLS_RENEW_DAYS) {
            free(out->cert);
            out->cert = NULL;
            r = own_cert(folder, host, now, out, err);
        }
    }
    if (r < 0)
        tls_done(out);
    return r;
}

void tls_done(struct tls *tls)
{
    if (tls->key != NULL)
        sodium_memzero(tls->key, strlen(tls->key));
    free(tls->key);
    free(tls->cert);
    *tls = (struct tls){.cert = NULL};
}
