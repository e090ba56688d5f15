/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/parent/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/cur.h"
#include "proto/base/xalloc.h"
#include "proto/link/cert.h"

#define SEED_SIZE    32u
#define FILE_MAX     4096u
#define SELF_VERSION 1u

struct keys {
    int dir; /* STATE/keys */
    char path[300];
    uint8_t noise_public[32];
    uint8_t sign_public[32];
};

/* --- files ------------------------------------------------------------------------------- */

static int file_failed(const struct keys *k, const char *name, int code, struct err *err)
{
    return err_set(err, code, "%s/%s: %s", k->path, name, err_text(code));
}

static int write_all(int fd, const void *data, size_t size)
{
    ssize_t n = write(fd, data, size);

    if (n < 0)
        return -errno;
    return (size_t)n == size && fsync(fd) == 0 ? 0 : -EIO;
}

static int file_write(const struct keys *k, const char *name, const void *data, size_t size,
                      struct err *err)
{
    char temporary[64];
    int fd;
    int r;

    snprintf(temporary, sizeof temporary, "%s.new", name);
    fd = openat(k->dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
                0600);
    if (fd < 0)
        return file_failed(k, temporary, -errno, err);
    r = write_all(fd, data, size);
    if (close(fd) < 0 && !r)
        r = -errno;
    if (!r && renameat(k->dir, temporary, k->dir, name) < 0)
        r = -errno;
    if (!r && fsync(k->dir) < 0)
        r = -errno;
    if (r < 0) {
        unlinkat(k->dir, temporary, 0);
        return file_failed(k, name, r, err);
    }
    return 0;
}

/* Returns the size, or -errno; -ENOENT without a word in `err`. */
static ssize_t file_read(const struct keys *k, const char *name, void *data, size_t room,
                         struct err *err)
{
    int fd = openat(k->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    ssize_t n;

    if (fd < 0)
        return errno == ENOENT ? -ENOENT : file_failed(k, name, -errno, err);
    if (fstat(fd, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 077)) {
        close(fd);
        return err_set(err, -EPERM, "%s/%s is open to other users", k->path, name);
    }
    n = read(fd, data, room);
    if (n < 0)
        n = -errno;
    close(fd);
    if (n < 0)
        return file_failed(k, name, (int)n, err);
    return (size_t)n == room ? file_failed(k, name, -EFBIG, err) : n;
}

static int file_remove(const struct keys *k, const char *name, struct err *err)
{
    if (unlinkat(k->dir, name, 0) < 0 && errno != ENOENT)
        return file_failed(k, name, -errno, err);
    return fsync(k->dir) < 0 ? file_failed(k, name, -errno, err) : 0;
}

/* --- secrets ----------------------------------------------------------------------------- */

/* What of a secret has to be held for a moment, locked in memory and wiped by secret_drop(). */
struct secret {
    uint8_t seed[SEED_SIZE];
    uint8_t key[64]; /* libsodium's form of an Ed25519 secret key. */
    char text[256];
};

static void secret_hold(struct secret *s)
{
    (void)sodium_mlock(s, sizeof *s); /* Where no more may be locked it goes on without. */
}

static void secret_drop(struct secret *s)
{
    sodium_munlock(s, sizeof *s); /* Wipes too. */
}

static int secret_read(const struct keys *k, const char *kind, struct secret *s,
                       struct err *err)
{
    char name[32], head[64];
    const char *end;
    size_t size;
    ssize_t n;

    snprintf(name, sizeof name, "%s.key", kind);
    snprintf(head, sizeof head, "ioth %s key 1 ", kind);
    n = file_read(k, name, s->text, sizeof s->text, err);
    if (n < 0)
        return (int)n;
    if ((size_t)n < strlen(head) || memcmp(s->text, head, strlen(head)) != 0 ||
        sodium_base642bin(s->seed, sizeof s->seed, s->text + strlen(head),
                          (size_t)n - strlen(head), "\n", &size, &end,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) < 0 ||
        size != SEED_SIZE || end != s->text + n)
        return err_set(err, -EBADMSG, "%s/%s is damaged", k->path, name);
    return 0;
}

static int secret_write(const struct keys *k, const char *kind, struct secret *s,
                        struct err *err)
{
    char name[32];
    size_t n;

    snprintf(name, sizeof name, "%s.key", kind);
    n = (size_t)snprintf(s->text, sizeof s->text, "ioth %s key 1 ", kind);
    sodium_bin2base64(s->text + n, sizeof s->text - n, s->seed, sizeof s->seed,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    n = strlen(s->text);
    s->text[n++] = '\n';
    return file_write(k, name, s->text, n, err);
}

/* The public key of an Ed25519 seed; s->key is the secret key then. */
static void sign_pair(struct secret *s, uint8_t public_[32])
{
    crypto_sign_seed_keypair(public_, s->key, s->seed);
}

/* Loads a key, or makes one and keeps it. */
static int secret_have(const struct keys *k, const char *kind, struct secret *s,
                       struct err *err)
{
    int r = secret_read(k, kind, s, err);

    if (r != -ENOENT)
        return r;
    randombytes_buf(s->seed, sizeof s->seed);
    return secret_write(k, kind, s, err);
}

static int own_keys(struct keys *k, struct err *err)
{
    struct secret s;
    int r;

    secret_hold(&s);
    r = secret_have(k, "host-noise", &s, err);
    if (!r) {
        crypto_scalarmult_base(k->noise_public, s.seed);
        r = secret_have(k, "host-sign", &s, err);
    }
    if (!r)
        sign_pair(&s, k->sign_public);
    secret_drop(&s);
    return r;
}

struct keys *keys_open(const char *state_dir, struct err *err)
{
    struct keys *k = xcalloc(1, sizeof *k);
    struct stat st;

    k->dir = -1;
    if (sodium_init() < 0) {
        err_set(err, -EIO, "libsodium cannot be started");
        goto fail;
    }
    snprintf(k->path, sizeof k->path, "%s/keys", state_dir);
    if (mkdir(k->path, 0700) < 0 && errno != EEXIST) {
        err_set(err, -errno, "cannot make %s: %s", k->path, err_text(errno));
        goto fail;
    }
    k->dir = open(k->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (k->dir < 0 || fstat(k->dir, &st) < 0) {
        err_set(err, -errno, "%s: %s", k->path, err_text(errno));
        goto fail;
    }
    if (st.st_uid != geteuid() || (st.st_mode & 077)) {
        err_set(err, -EPERM, "%s must be ours and closed to others", k->path);
        err_hint(err, "chmod 0700 %.120s", k->path);
        goto fail;
    }
    if (own_keys(k, err) == 0)
        return k;
fail:
    keys_close(k);
    return NULL;
}

void keys_close(struct keys *k)
{
    if (!k)
        return;
    if (k->dir >= 0)
        close(k->dir);
    free(k);
}

int keys_noise_secret(const struct keys *k, uint8_t secret[32])
{
    struct secret s;
    int r;

    secret_hold(&s);
    r = secret_read(k, "host-noise", &s, NULL);
    memset(secret, 0, 32);
    if (!r)
        memcpy(secret, s.seed, 32);
    secret_drop(&s);
    return r;
}

/* --- who this host is -------------------------------------------------------------------- */

static int self_write(const struct keys *k, const struct ipc_self *self, struct err *err)
{
    uint8_t data[FILE_MAX];
    struct wr w = wr_init(data, sizeof data);

    wr_u8(&w, SELF_VERSION);
    wr_u64(&w, self->fabric);
    wr_u16(&w, self->host);
    wr_str8(&w, self->name);
    wr_bytes(&w, self->root, sizeof self->root);
    wr_u16(&w, self->chain_size);
    wr_bytes(&w, self->chain, self->chain_size);
    return file_write(k, "self", data, wr_size(&w), err);
}

int keys_show(const struct keys *k, struct ipc_self *out, struct err *err)
{
    uint8_t data[FILE_MAX];
    struct ipc_self self = {0};
    ssize_t n = file_read(k, "self", data, sizeof data, err);

    if (n < 0 && n != -ENOENT)
        return (int)n;
    if (n >= 0) {
        struct cur c = cur_init(data, (size_t)n);
        uint8_t version = cur_u8(&c);

        self.fabric = cur_u64(&c);
        self.host = cur_u16(&c);
        cur_str8(&c, self.name, sizeof self.name);
        cur_copy(&c, self.root, sizeof self.root);
        self.chain_size = cur_u16(&c);
        if (self.chain_size <= sizeof self.chain)
            cur_copy(&c, self.chain, self.chain_size);
        if (version != SELF_VERSION || !cur_done(&c))
            return err_set(err, -EBADMSG, "%s/self is damaged", k->path);
    }
    memcpy(self.noise_public, k->noise_public, sizeof self.noise_public);
    memcpy(self.sign_public, k->sign_public, sizeof self.sign_public);
    *out = self;
    return 0;
}

/* Certificates are valid from a little earlier than now: other hosts' clocks differ. */
static int issuer_make(struct keys *k, uint64_t fabric, wall_t now, uint8_t root_public[32],
                       struct err *err)
{
    struct cert_issuer issuer = {
        .fabric = fabric, .not_before = now, .not_after = now + CERT_ISSUER_LIFE};
    struct secret root, key;
    uint8_t cert[CERT_CHAIN_MAX];
    size_t size;
    int r;

    secret_hold(&root);
    secret_hold(&key);
    randombytes_buf(root.seed, sizeof root.seed);
    randombytes_buf(key.seed, sizeof key.seed);
    sign_pair(&root, root_public);
    sign_pair(&key, issuer.sign_public);
    r = cert_issuer_sign(&issuer, root.key, cert, sizeof cert, &size);
    if (r < 0)
        err_set(err, r, "cannot sign the issuer: %s", err_text(r));
    if (!r)
        r = secret_write(k, "root", &root, err);
    if (!r)
        r = secret_write(k, "issuer", &key, err);
    if (!r)
        r = file_write(k, "issuer.cert", cert, size, err);
    secret_drop(&key);
    secret_drop(&root);
    return r;
}

/* Signs a host with the issuer's key. */
static int chain_make(const struct keys *k, const struct cert_host *host, uint8_t *chain,
                      size_t room, uint16_t *chain_size, struct err *err)
{
    uint8_t cert[CERT_CHAIN_MAX];
    uint8_t public_[32];
    ssize_t cert_size = file_read(k, "issuer.cert", cert, sizeof cert, err);
    struct secret s;
    size_t size;
    int r;

    if (cert_size < 0)
        return cert_size == -ENOENT
                   ? err_set(err, -ENOKEY, "this host does not sign for the fabric")
                   : (int)cert_size;
    secret_hold(&s);
    r = secret_read(k, "issuer", &s, err);
    if (r == -ENOENT)
        r = err_set(err, -ENOKEY, "this host does not sign for the fabric");
    if (!r) {
        sign_pair(&s, public_);
        r = cert_host_sign(host, s.key, cert, (size_t)cert_size, chain, room, &size);
        if (r < 0)
            err_set(err, r, "cannot sign %s: %s", host->name, err_text(r));
        else
            *chain_size = (uint16_t)size;
    }
    secret_drop(&s);
    return r;
}

static struct cert_host host_cert(const struct ipc_self *self, wall_t now)
{
    struct cert_host host = {.fabric = self->fabric,
                             .host = self->host,
                             .not_before = now,
                             .not_after = now + CERT_HOST_LIFE};

    memcpy(host.name, self->name, sizeof host.name);
    memcpy(host.noise_public, self->noise_public, sizeof host.noise_public);
    memcpy(host.sign_public, self->sign_public, sizeof host.sign_public);
    return host;
}

/* True if the chain on disk is for just this and holds for another half of its life. */
static bool chain_serves(const struct ipc_self *have, const struct ipc_self *wanted,
                         wall_t now)
{
    struct cert_host cert;

    return have->fabric == wanted->fabric && have->host == wanted->host &&
           !strcmp(have->name, wanted->name) &&
           cert_chain_verify(have->chain, have->chain_size, have->root, now, &cert, NULL) ==
               0 &&
           cert.not_after - now > CERT_HOST_LIFE / 2 &&
           !memcmp(cert.noise_public, have->noise_public, 32) &&
           !memcmp(cert.sign_public, have->sign_public, 32);
}

int keys_found(struct keys *k, const struct ipc_self *wanted, wall_t now,
               struct ipc_self *out, struct err *err)
{
    struct ipc_self self = {0};
    struct cert_host host;
    int r = keys_show(k, &self, err);
    bool founded = !r && self.fabric == wanted->fabric && self.chain_size;

    if (r < 0)
        return r;
    if (founded && chain_serves(&self, wanted, now)) {
        *out = self;
        return 0;
    }
    self.fabric = wanted->fabric;
    self.host = wanted->host;
    memcpy(self.name, wanted->name, sizeof self.name);
    if (!founded) {
        r = issuer_make(k, self.fabric, now, self.root, err);
        if (r < 0)
            return r;
    }
    host = host_cert(&self, now);
    r = chain_make(k, &host, self.chain, sizeof self.chain, &self.chain_size, err);
    if (!r)
        r = self_write(k, &self, err);
    if (!r)
        *out = self;
    return r;
}

int keys_joined(struct keys *k, const struct ipc_self *joined, wall_t now,
                struct ipc_self *out, struct err *err)
{
    static const char *const gone[] = {"root.key", "issuer.key", "issuer.cert"};
    struct ipc_self self = *joined;
    struct cert_host cert;
    int r = cert_chain_verify(self.chain, self.chain_size, self.root, now, &cert, err);

    if (r < 0)
        return r;
    if (memcmp(cert.noise_public, k->noise_public, 32) != 0 ||
        memcmp(cert.sign_public, k->sign_public, 32) != 0)
        return err_set(err, -EKEYREJECTED, "the certificate is for another host's keys");
    self.fabric = cert.fabric;
    self.host = cert.host;
    memcpy(self.name, cert.name, sizeof self.name);
    r = self_write(k, &self, err);
    for (unsigned i = 0; !r && i < sizeof gone / sizeof *gone; i++)
        r = file_remove(k, gone[i], err);
    return r < 0 ? r : keys_show(k, out, err);
}

int keys_drop_root(struct keys *k, struct err *err)
{
    return file_remove(k, "root.key", err);
}

int keys_sign(struct keys *k, const struct ipc_sign *req, wall_t now,
              struct ipc_signed *out, struct err *err)
{
    struct cert_host host = {.host = req->host,
                             .not_before = now,
                             .not_after = req->not_after,
                             .tags_size = req->tags_size};
    struct ipc_self self = {0};
    int r = keys_show(k, &self, err);

    if (r < 0)
        return r;
    host.fabric = self.fabric;
    memcpy(host.name, req->name, sizeof host.name);
    memcpy(host.noise_public, req->noise_public, sizeof host.noise_public);
    memcpy(host.sign_public, req->sign_public, sizeof host.sign_public);
    memcpy(host.tags, req->tags, req->tags_size);
    memset(out, 0, sizeof *out);
    memcpy(out->root, self.root, sizeof out->root);
    return chain_make(k, &host, out->chain, sizeof out->chain, &out->chain_size, err);
}
