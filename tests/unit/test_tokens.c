/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tokens, who has shown wrong ones, the audit log, and the API's own key and certificate. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fabricd/control/audit/audit.h"
#include "fabricd/control/tls/tls.h"
#include "fabricd/control/tokens/failures.h"
#include "fabricd/control/tokens/tokens.h"

#define NOW ((wall_t)1800000000)

static struct store *open_store(void)
{
    struct store *store;
    struct err err;

    assert_int_equal(store_open("sqlite::memory:", "/nonexistent", &store, &err), 0);
    return store;
}

/* --- tokens --------------------------------------------------------------------------------- */

static void count(void *aux, const struct token_row *row)
{
    int *n = aux;

    assert_true(row->scope >= SCOPE_READ && row->scope <= SCOPE_ADMIN);
    ++*n;
}

static void test_token(void **state)
{
    struct store *store = open_store();
    char text[TOKENS_TEXT_SIZE], other[TOKENS_TEXT_SIZE];
    struct token_row row;
    struct err err;
    int n = 0;

    (void)state;
    assert_int_equal(tokens_create(store, "ci", SCOPE_WRITE, 3600, NOW, &row, text, &err),
                     0);
    assert_memory_equal(text, "ioth_ci_", 8);
    assert_int_equal(strlen(text), 8 + 43);
    assert_int_equal(row.expires, NOW + 3600);
    assert_int_equal(tokens_create(store, "ci", SCOPE_READ, 3600, NOW, &row, other, &err),
                     -EEXIST);
    assert_int_equal(tokens_create(store, NULL, SCOPE_READ, 3600, NOW, &row, other, &err),
                     0);
    assert_memory_equal(row.name, "t-", 2);
    assert_int_equal(tokens_each(store, count, &n), 0);
    assert_int_equal(n, 2);

    assert_int_equal(tokens_check(store, text, NOW + 3599, &row), TOKEN_GOOD);
    assert_int_equal(row.scope, SCOPE_WRITE);
    assert_string_equal(row.name, "ci");
    assert_int_equal(tokens_check(store, text, NOW + 3600, &row), TOKEN_EXPIRED);
    assert_true(tokens_alive(store, "ci", NOW + 3599));
    assert_false(tokens_alive(store, "ci", NOW + 3600));
    assert_int_equal(tokens_remove(store, "ci", &err), 0);
    assert_int_equal(tokens_check(store, text, NOW, &row), TOKEN_UNKNOWN);
    assert_false(tokens_alive(store, "ci", NOW));
    assert_int_equal(tokens_remove(store, "ci", &err), -ENOENT);
    store_close(store);
}

/* Every byte of a token counts. */
static void test_wrong_tokens(void **state)
{
    static const char *const texts[] = {
        "",
        "ioth_",
        "ioth_ci",
        "ioth_ci_",
        "ci",
        "Bearer x",
        "ioth__x",
        "ioth_CI_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "ioth_ci_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "ioth_ci_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "ioth_ci_====",
        "ioth_none_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    struct store *store = open_store();
    char text[TOKENS_TEXT_SIZE], longest[400];
    struct token_row row;
    struct err err;

    (void)state;
    assert_int_equal(tokens_create(store, "ci", SCOPE_READ, 60, NOW, &row, text, &err), 0);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(tokens_check(store, texts[i], NOW, &row), TOKEN_UNKNOWN);
    for (size_t i = 0; text[i] != '\0'; i++) {
        char was = text[i];

        text[i] = was == 'b' ? 'c' : 'b';
        if (i + 1 < strlen(text)) /* The last letter holds two bits that mean nothing. */
            assert_int_equal(tokens_check(store, text, NOW, &row), TOKEN_UNKNOWN);
        text[i] = was;
    }
    assert_int_equal(tokens_check(store, text, NOW, &row), TOKEN_GOOD);
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    memcpy(longest, "ioth_", 5);
    assert_int_equal(tokens_check(store, longest, NOW, &row), TOKEN_UNKNOWN);
    store_close(store);
}

/* Old ones make room, and there are at most so many. */
static void test_token_bounds(void **state)
{
    struct store *store = open_store();
    char text[TOKENS_TEXT_SIZE];
    struct token_row row;
    struct err err;
    int n = 0;

    (void)state;
    for (unsigned i = 0; i < TOKENS_MAX; i++)
        assert_int_equal(tokens_create(store, NULL, SCOPE_READ, 60, NOW, &row, text, &err),
                         0);
    assert_int_equal(tokens_create(store, NULL, SCOPE_READ, 60, NOW, &row, text, &err),
                     -E2BIG);
    assert_int_equal(
        tokens_create(store, NULL, SCOPE_READ, 60, NOW + 8 * 86400, &row, text, &err), 0);
    assert_int_equal(tokens_each(store, count, &n), 0);
    assert_int_equal(n, 1);
    store_close(store);
}

/* --- failures ------------------------------------------------------------------------------- */

static void address_of(unsigned i, uint8_t out[16])
{
    memset(out, 0, 16);
    out[10] = out[11] = 0xff;
    out[12] = 10;
    out[13] = (uint8_t)(i >> 16);
    out[14] = (uint8_t)(i >> 8);
    out[15] = (uint8_t)i;
}

static void test_failures(void **state)
{
    struct failures *f = failures_new();
    uint8_t one[16], other[16];
    mtime_t now = 1000 * MTIME_SEC;

    (void)state;
    address_of(1, one);
    address_of(2, other);
    for (int i = 0; i < FAILURES_BURST; i++) {
        assert_int_equal(failures_wait(f, one, now), 0);
        failures_note(f, one, now);
    }
    assert_int_equal(failures_wait(f, one, now), FAILURES_EVERY);
    assert_int_equal(failures_wait(f, other, now), 0);
    now += FAILURES_EVERY - 1;
    assert_int_equal(failures_wait(f, one, now), 1);
    assert_int_equal(failures_wait(f, one, now + 1), 0);
    failures_note(f, one, now + 1);
    assert_true(failures_wait(f, one, now + 1) > 0);
    assert_int_equal(failures_wait(f, one, now + FAILURES_BURST * FAILURES_EVERY), 0);

    /* Of IPv6 a /64 is one. */
    memset(one, 0x20, sizeof(one));
    memcpy(other, one, sizeof(other));
    other[15] = 1;
    for (int i = 0; i < FAILURES_BURST; i++)
        failures_note(f, one, now);
    assert_true(failures_wait(f, other, now) > 0);
    other[7] = 1;
    assert_int_equal(failures_wait(f, other, now), 0);
    failures_free(f);
}

/* A flood of addresses takes the places of those that are soonest forgotten. */
static void test_failures_full(void **state)
{
    struct failures *f = failures_new();
    uint8_t bad[16], address[16];
    mtime_t now = MTIME_SEC;

    (void)state;
    address_of(0xffffff, bad);
    for (int i = 0; i < FAILURES_BURST; i++)
        failures_note(f, bad, now);
    for (unsigned i = 0; i < 10 * FAILURES_TABLE; i++) {
        address_of(i, address);
        failures_note(f, address, now);
    }
    assert_true(failures_wait(f, bad, now) > 0);
    failures_free(f);
}

/* --- audit ---------------------------------------------------------------------------------- */

static char folder[] = "/tmp/ioth-tokens-XXXXXX";

static struct node *entry(int i)
{
    struct node *node = node_map();

    node_set_int(node, "uid", 1000);
    node_set_text(node, "path", "/v1/networks/lan1");
    node_set_int(node, "status", i);
    return node;
}

/* Reads all, by pages, and checks that numbers fall by one. Returns how many; the newest into
 * *newest. */
static int read_all(struct audit *a, unsigned page, int64_t *newest)
{
    uint64_t before = 0;
    int64_t last = 0;
    bool more = true;
    int n = 0;

    while (more) {
        struct node *list = audit_read(a, before, page, &more);

        assert_non_null(list);
        assert_true(list->n <= page);
        for (size_t i = 0; i < list->n; i++) {
            int64_t number = node_get_int(list->child[i], "number", 0);

            if (n++ == 0)
                *newest = number;
            else
                assert_int_equal(number, last - 1);
            last = number;
            assert_non_null(node_get_text(list->child[i], "time", NULL));
        }
        before = (uint64_t)last;
        node_free(list);
    }
    return n;
}

static void test_audit(void **state)
{
    struct audit *a;
    int64_t newest = 0;
    char path[64];
    FILE *f;

    (void)state;
    a = audit_new(folder);
    assert_int_equal(read_all(a, 10, &newest), 0);
    for (int i = 1; i <= 25; i++)
        audit_add(a, entry(i));
    assert_int_equal(read_all(a, 10, &newest), 25);
    assert_int_equal(newest, 25);
    audit_free(a);

    /* A line that was cut short spoils neither those before nor those after it. */
    snprintf(path, sizeof(path), "%s/audit.jsonl", folder);
    f = fopen(path, "a");
    fputs("{\"number\":26,\"time\":\"20", f);
    fclose(f);
    a = audit_new(folder);
    audit_add(a, entry(26));
    assert_int_equal(read_all(a, 1000, &newest), 26);
    assert_int_equal(newest, 26);
    audit_free(a);
}

/* The files have a bound, and numbers go on over a rotation and a restart. */
static void test_audit_rotates(void **state)
{
    struct audit *a = audit_new(folder);
    int64_t newest = 0;
    struct stat st;
    char path[64];
    int n;

    (void)state;
    for (int i = 0; i < 80000; i++)
        audit_add(a, entry(i));
    n = read_all(a, 1000, &newest);
    assert_int_equal(newest, 80026);
    assert_in_range(n, 30000, 60000);
    for (unsigned i = 0; i <= AUDIT_FILES; i++) {
        snprintf(path, sizeof(path), i ? "%s/audit.jsonl.%u" : "%s/audit.jsonl", folder, i);
        if (i == AUDIT_FILES) {
            assert_int_equal(stat(path, &st), -1);
        } else {
            assert_int_equal(stat(path, &st), 0);
            assert_true(st.st_size <= AUDIT_FILE_SIZE);
            assert_int_equal(st.st_mode & 0777, 0600);
        }
    }
    audit_free(a);
    a = audit_new(folder);
    audit_add(a, entry(1));
    (void)read_all(a, 1000, &newest);
    assert_int_equal(newest, 80027);
    audit_free(a);
    a = audit_new("/nonexistent"); /* Nothing is lost but the entry. */
    audit_add(a, entry(1));
    audit_free(a);
    audit_add(NULL, entry(1));
}

/* What costs its maker nothing does not wash out what was done. */
static void test_audit_of_refusals(void **state)
{
    struct audit *a = audit_new(folder);
    int64_t before = 0, after = 0;
    struct node *last;
    mtime_t now = MTIME_SEC;
    bool more;

    (void)state;
    (void)read_all(a, 1000, &before);
    for (unsigned i = 0; i < AUDIT_CHEAP + 1000; i++)
        audit_add_cheap(a, entry((int)i), now);
    (void)read_all(a, 1000, &after);
    assert_int_equal(after - before, AUDIT_CHEAP);
    audit_add(a, entry(1)); /* This one is done, and written. */
    last = audit_read(a, 0, 1, &more);
    assert_int_equal(node_get_int(last->child[0], "left_out", 0), 1000);
    node_free(last);
    audit_add_cheap(a, entry(1), now + 60 * MTIME_SEC);
    last = audit_read(a, 0, 1, &more);
    assert_int_equal(node_get_int(last->child[0], "number", 0), after + 2);
    assert_int_equal(node_get_int(last->child[0], "left_out", 0), 0);
    node_free(last);
    audit_add_cheap(a, entry(1), now + 60 * MTIME_SEC); /* The same again. */
    last = audit_read(a, 0, 1, &more);
    assert_int_equal(node_get_int(last->child[0], "number", 0), after + 2);
    node_free(last);
    audit_free(a);
}

/* --- key and certificate -------------------------------------------------------------------- */

static void test_own_tls(void **state)
{
    struct tls one, two;
    struct err err;
    struct stat st;
    char path[64];

    (void)state;
    assert_int_equal(tls_own(folder, "alpha", NOW, &one, &err), 0);
    assert_memory_equal(one.pin, "sha256//", 8);
    assert_int_equal(strlen(one.pin), 8 + 44);
    assert_in_range(one.expires, NOW + 3600 * 24 * 3649, NOW + 3600 * 24 * 3651);
    snprintf(path, sizeof(path), "%s/api.key", folder);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(tls_own(folder, "alpha", NOW + 1000, &two, &err), 0);
    assert_string_equal(one.cert, two.cert);
    tls_done(&two);
    /* Near its end, or spoilt, the certificate is made anew; the pin stays. */
    assert_int_equal(tls_own(folder, "alpha", one.expires - 86400, &two, &err), 0);
    assert_string_not_equal(one.cert, two.cert);
    assert_string_equal(one.pin, two.pin);
    tls_done(&two);
    snprintf(path, sizeof(path), "%s/api.crt", folder);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(tls_own(folder, "alpha", NOW, &two, &err), 0);
    assert_string_equal(one.pin, two.pin);
    tls_done(&two);
    snprintf(path, sizeof(path), "%s/api.key", folder);
    assert_int_equal(truncate(path, 50), 0);
    assert_true(tls_own(folder, "alpha", NOW, &two, &err) < 0);
    tls_done(&one);
    assert_true(tls_own("/nonexistent", "alpha", NOW, &two, &err) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_wrong_tokens),
        cmocka_unit_test(test_token_bounds),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_failures_full),
        cmocka_unit_test(test_audit),
        cmocka_unit_test(test_audit_rotates),
        cmocka_unit_test(test_own_tls),
        cmocka_unit_test(test_audit_of_refusals),
    };
    char command[64];
    int r;

    if (mkdtemp(folder) == NULL)
        return 1;
    r = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command) != 0 ? 1 : r;
}
