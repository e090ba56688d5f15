/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Invite tokens: the input as text, and as the binary behind a right checksum. Invariant: a
 * token that is accepted prints as the same text.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "proto/link/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *text)
{
    char again[TOKEN_TEXT_SIZE];
    struct token t;
    size_t len;

    if (token_parse(text, &t, NULL) != 0)
        return;
    if (token_print(&t, again, sizeof again) != 0)
        abort();
    text += strspn(text, " \t\r\n");
    len = strcspn(text, " \t\r\n");
    if (strlen(again) != len || memcmp(again, text, len) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[2048];
    uint8_t bin[1004], hash[32];

    if (sodium_init() < 0 || size > 1000)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    check(text);
    memcpy(bin, data, size);
    crypto_generichash(hash, sizeof hash, bin, size, NULL, 0);
    memcpy(bin + size, hash, 4);
    memcpy(text, "ioth1.", 6);
    sodium_bin2base64(text + 6, sizeof text - 6, bin, size + 4,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    check(text);
    return 0;
}
