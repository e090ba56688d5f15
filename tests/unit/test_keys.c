/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "fabricd/parent/keys.h"
#include "proto/link/cert.h"

#define NOW ((wall_t)1800000000)

static char dir[64];

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/ioth-keys-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    static const char *const names[] = {"host-noise.key", "host-sign.key", "root.key",
                                        "issuer.key",     "issuer.cert",   "self"};
    char path[128];

    (void)state;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/keys/%s", dir, names[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/keys", dir);
    rmdir(path); /* Fails if anything else was left: then so does the next. */
    return rmdir(dir);
}

static bool exists(const char *name)
{
    char path[128];
    struct stat st;

    snprintf(path, sizeof path, "%s/keys/%s", dir, name);
    return stat(path, &st) == 0 && (st.st_mode & 077) == 0;
}

static struct ipc_self wanted(uint64_t fabric, const char *name)
{
    struct ipc_self self = {.fabric = fabric, .host = 1};

    strncpy(self.name, name, sizeof self.name - 1);
    return self;
}

static void test_own_keys_last(void **state)
{
    struct ipc_self a, b;
    uint8_t secret[32], public_[32];
    struct err err;
    struct keys *k = keys_open(dir, &err);

    (void)state;
    assert_non_null(k);
    assert_int_equal(keys_show(k, &a, &err), 0);
    assert_int_equal(a.host, 0);
    assert_int_equal(keys_noise_secret(k, secret), 0);
    crypto_scalarmult_base(public_, secret);
    assert_memory_equal(public_, a.noise_public, 32);
    keys_close(k);
    k = keys_open(dir, &err);
    assert_non_null(k);
    assert_int_equal(keys_show(k, &b, &err), 0);
    assert_memory_equal(&a, &b, sizeof a);
    assert_true(exists("host-noise.key"));
    assert_false(exists("root.key"));
    keys_close(k);
}

static void test_found_is_repeatable(void **state)
{
    struct ipc_self want = wanted(0x1234, "alpha"), a, b;
    struct cert_host cert;
    struct err err;
    struct keys *k = keys_open(dir, &err);

    (void)state;
    assert_int_equal(keys_found(k, &want, NOW, &a, &err), 0);
    assert_int_equal(cert_chain_verify(a.chain, a.chain_size, a.root, NOW, &cert, &err), 0);
    assert_string_equal(cert.name, "alpha");
    assert_int_equal(cert.fabric, 0x1234);
    assert_memory_equal(cert.noise_public, a.noise_public, 32);
    assert_true(exists("root.key") && exists("issuer.key"));

    assert_int_equal(keys_found(k, &want, NOW + 100, &b, &err), 0);
    assert_memory_equal(&a, &b, sizeof a);

    want = wanted(0x1234, "omega"); /* Renamed: same root, new chain. */
    assert_int_equal(keys_found(k, &want, NOW, &b, &err), 0);
    assert_memory_equal(a.root, b.root, 32);
    assert_int_equal(cert_chain_verify(b.chain, b.chain_size, b.root, NOW, &cert, &err), 0);
    assert_string_equal(cert.name, "omega");

    want = wanted(0x9999, "omega"); /* Another fabric: another root. */
    assert_int_equal(keys_found(k, &want, NOW, &a, &err), 0);
    assert_memory_not_equal(a.root, b.root, 32);
    keys_close(k);
}

static void test_sign_and_join(void **state)
{
    struct ipc_self want = wanted(0x77, "alpha"), founder, mine, self;
    struct ipc_sign sign = {.host = 2, .not_after = NOW + 1000000};
    struct ipc_signed signed_;
    struct cert_host cert;
    struct err err;
    struct keys *k = keys_open(dir, &err);

    (void)state;
    assert_int_equal(keys_sign(k, &sign, NOW, &signed_, &err), -ENOKEY);
    assert_int_equal(keys_found(k, &want, NOW, &founder, &err), 0);
    memcpy(sign.name, "beta", 5);
    memcpy(sign.noise_public, founder.noise_public, 32);
    memcpy(sign.sign_public, founder.sign_public, 32);
    assert_int_equal(keys_sign(k, &sign, NOW, &signed_, &err), 0);
    assert_int_equal(cert_chain_verify(signed_.chain, signed_.chain_size, founder.root, NOW,
                                       &cert, &err),
                     0);
    assert_int_equal(cert.host, 2);

    /* The same daemon takes it as its own: it is no founder after. */
    self = (struct ipc_self){.chain_size = signed_.chain_size};
    memcpy(self.chain, signed_.chain, signed_.chain_size);
    memcpy(self.root, signed_.root, 32);
    self.chain[self.chain_size - 1] ^= 1;
    assert_int_equal(keys_joined(k, &self, NOW, &mine, &err), -EKEYREJECTED);
    assert_true(exists("root.key"));
    self.chain[self.chain_size - 1] ^= 1;
    assert_int_equal(keys_joined(k, &self, NOW, &mine, &err), 0);
    assert_int_equal(mine.host, 2);
    assert_string_equal(mine.name, "beta");
    assert_int_equal(mine.fabric, 0x77);
    assert_false(exists("root.key") || exists("issuer.key") || exists("issuer.cert"));
    assert_int_equal(keys_sign(k, &sign, NOW, &signed_, &err), -ENOKEY);
    keys_close(k);
}

static void test_drop_root_keeps_signing(void **state)
{
    struct ipc_self want = wanted(0x77, "alpha"), a;
    struct ipc_sign sign = {.host = 2, .name = "beta", .not_after = NOW + 1000000};
    struct ipc_signed signed_;
    struct err err;
    struct keys *k = keys_open(dir, &err);

    (void)state;
    assert_int_equal(keys_found(k, &want, NOW, &a, &err), 0);
    memcpy(sign.noise_public, a.noise_public, 32);
    memcpy(sign.sign_public, a.sign_public, 32);
    assert_int_equal(keys_drop_root(k, &err), 0);
    assert_false(exists("root.key"));
    assert_int_equal(keys_sign(k, &sign, NOW, &signed_, &err), 0);
    keys_close(k);
}

static void test_damage_and_open_folders_are_refused(void **state)
{
    char path[128];
    struct err err = {0};
    struct keys *k = keys_open(dir, &err);
    int fd;

    (void)state;
    keys_close(k);
    snprintf(path, sizeof path, "%s/keys", dir);
    assert_int_equal(chmod(path, 0755), 0);
    assert_null(keys_open(dir, &err));
    assert_non_null(strstr(err.hint, "chmod 0700"));
    assert_int_equal(chmod(path, 0700), 0);

    snprintf(path, sizeof path, "%s/keys/host-sign.key", dir);
    fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "!", 1, 30), 1);
    close(fd);
    assert_null(keys_open(dir, &err));
    assert_non_null(strstr(err.why, "damaged"));
    assert_int_equal(chmod(path, 0644), 0);
    assert_null(keys_open(dir, &err));
    assert_non_null(strstr(err.why, "open to other users"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_own_keys_last),
        T(test_found_is_repeatable),
        T(test_sign_and_join),
        T(test_drop_root_keeps_signing),
        T(test_damage_and_open_folders_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
