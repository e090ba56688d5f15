/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fabric key: the root key leaves the machine, or comes back. It is copied from and to the
 * daemon's state folder here, by the user who owns both, so that it never passes the control
 * process; the daemon is told before and after.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/api.h"
#include "ctl/commands.h"
#include "libioth/plug/locate.h"
#include "proto/base/fd.h"

#define KEY_HEAD "ioth root key 1 "
#define KEY_SIZE 512 /* Most bytes of a key file. */

struct key {
    char bytes[KEY_SIZE];
    size_t size;
};

static int key_read(struct ctl *ctl, const char *path, struct key *key)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ctl_fail(ctl, errno == ENOENT ? CTL_MISSING : CTL_REFUSED, "%s: %s", path,
                        err_text(errno));
    ssize_t n = read(fd, key->bytes, sizeof(key->bytes));
    fd_close(&fd);
    key->size = n > 0 ? (size_t)n : 0;
    if (key->size < sizeof(KEY_HEAD) || key->size == sizeof(key->bytes) ||
        memcmp(key->bytes, KEY_HEAD, strlen(KEY_HEAD)) != 0)
        return ctl_fail(ctl, CTL_USAGE, "%s holds no root key", path);
    return 0;
}

/* Writes a file that must not exist yet, down to the disk; leaves nothing on failure. */
static int key_write(struct ctl *ctl, const char *path, const struct key *key)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return ctl_fail(ctl, CTL_REFUSED, "%s: %s", path, err_text(errno));
    ssize_t n = write(fd, key->bytes, key->size);
    int code = n == (ssize_t)key->size && fsync(fd) == 0 ? 0 : errno ? errno : EIO;
    fd_close(&fd);
    if (!code)
        return 0;
    unlink(path);
    return ctl_fail(ctl, CTL_REFUSED, "%s: %s", path, err_text(code));
}

/* STATE/keys/root.key of the daemon, which tells its state folder if it is not the usual one. */
static int key_path(struct ctl *ctl, char *out, size_t size)
{
    char usual[LOCATE_PATH_SIZE];
    struct node *status;
    struct err err = {0};
    int r = api_get(ctl, "/v1/status", &status);
    if (r)
        return r;
    const char *state = node_get_text(status, "state_dir", "");
    if (!*state && locate_state_dir(usual, &err) < 0)
        r = ctl_fail_err(ctl, CTL_REFUSED, &err);
    if (!r && snprintf(out, size, "%s/keys/root.key", *state ? state : usual) >= (int)size)
        r = ctl_fail(ctl, CTL_REFUSED, "the path of the state folder is too long");
    node_free(status);
    return r;
}

static int key_export(struct ctl *ctl, const char *place, const char *file, struct key *key)
{
    int r = key_read(ctl, place, key);
    if (r == CTL_MISSING)
        return ctl_fail(
            ctl, CTL_MISSING,
            "this host does not hold the root key (%s): it was exported already, or "
            "another host founded the fabric",
            place);
    if (!r)
        r = key_write(ctl, file, key);
    if (!r)
        r = api_call(ctl, "POST", "/v1/fabric/key/drop", NULL, 0, NULL);
    if (!r)
        ctl_note(ctl, "the root key is in %s and nowhere else: keep it safe", file);
    return r;
}

/* The public half of the key, in hexadecimal digits. False if the file is damaged. */
static bool key_public(const struct key *key, char hex[65])
{
    uint8_t seed[crypto_sign_SEEDBYTES], secret[crypto_sign_SECRETKEYBYTES];
    uint8_t public_[crypto_sign_PUBLICKEYBYTES];
    size_t head = strlen(KEY_HEAD), size = 0;
    const char *end = NULL;
    bool ok =
        sodium_base642bin(seed, sizeof(seed), key->bytes + head, key->size - head, "\n",
                          &size, &end, sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 &&
        size == sizeof(seed) && end == key->bytes + key->size &&
        crypto_sign_seed_keypair(public_, secret, seed) == 0;
    if (ok)
        sodium_bin2hex(hex, 65, public_, sizeof(public_));
    explicit_bzero(seed, sizeof(seed));
    explicit_bzero(secret, sizeof(secret));
    return ok;
}

/* Another fabric's key in this place would make every certificate after it worthless. */
static int key_check(struct ctl *ctl, const char *file, const struct key *key)
{
    struct node *fabric;
    char hex[65];
    if (!key_public(key, hex))
        return ctl_fail(ctl, CTL_USAGE, "%s holds a damaged root key", file);
    int r = api_get(ctl, "/v1/fabric", &fabric);
    if (r)
        return r;
    if (strcmp(node_get_text(fabric, "root", ""), hex) != 0)
        r = ctl_fail(ctl, CTL_REFUSED, "%s holds the root key of another fabric (%.16s…)",
                     file, hex);
    node_free(fabric);
    return r;
}

static int key_import(struct ctl *ctl, const char *place, const char *file, struct key *key)
{
    int r = key_read(ctl, file, key);
    if (!r)
        r = key_check(ctl, file, key);
    if (!r && access(place, F_OK) == 0)
        r = ctl_fail(ctl, CTL_REFUSED, "this host holds a root key already");
    return r ? r : key_write(ctl, place, key);
}

int cmd_fabric_key(struct ctl *ctl, const struct args *args)
{
    const char *verb = args->words[0], *file = args->words[1];
    struct key key = {0};
    char place[PATH_MAX];
    bool export = strcmp(verb, "export") == 0;
    if (!export && strcmp(verb, "import") != 0)
        return ctl_fail(ctl, CTL_USAGE, "\"%s\" is neither export nor import", verb);
    int r = key_path(ctl, place, sizeof(place));
    if (!r)
        r = export ? key_export(ctl, place, file, &key)
                   : key_import(ctl, place, file, &key);
    explicit_bzero(&key, sizeof(key));
    return r;
}
