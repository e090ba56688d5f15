/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What comes to a management console: one byte says how long the reads are, the rest is read. In
 * whatever pieces it comes, the same lines come out of it.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "proto/vde/console.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_request(const struct console_request *r)
{
    uint32_t n;

    assert(r->n_args <= CONSOLE_ARGS);
    assert(!r->empty || !r->row);
    assert(!r->row || (r->row->command != CONSOLE_MENU && r->row->path));
    for (unsigned i = 0; i < r->n_args; i++) {
        assert(memchr(r->arg[i], '\0', sizeof r->arg[i]) && r->arg[i][0]);
        assert(!console_number(r->arg[i], 4095, &n) || n <= 4095);
    }
}

/* A digest of the lines that come out. */
static uint64_t lines_of(const uint8_t *data, size_t size, size_t chunk)
{
    struct console_reader reader = {.size = 0};
    struct console_request r;
    uint64_t digest = 0;

    for (size_t at = 0; at < size;) {
        size_t left = size - at < chunk ? size - at : chunk, used;
        enum console_read got = console_reader_feed(&reader, data + at, left, &used);

        assert(used > 0 && used <= left && reader.size <= CONSOLE_LINE_MAX);
        assert(got != CONSOLE_MORE || used == left);
        at += used;
        if (got == CONSOLE_MORE)
            continue;
        digest = digest * 31 + (uint64_t)got;
        for (unsigned i = 0; got == CONSOLE_LINE && i < reader.size; i++)
            digest = digest * 31 + (uint8_t)reader.line[i];
        console_parse(reader.line, reader.size, &r);
        check_request(&r);
    }
    if (console_reader_end(&reader) == CONSOLE_LINE) {
        console_parse(reader.line, reader.size, &r);
        check_request(&r);
    }
    assert(console_reader_end(&reader) == CONSOLE_MORE);
    return digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1)
        assert(lines_of(data + 1, size - 1, data[0] + 1u) ==
               lines_of(data + 1, size - 1, size));
    return 0;
}
