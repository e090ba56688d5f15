/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program of the classic BPF, then a packet. The first byte is the program's length; what passes the check
 * ends, and reads and writes nothing outside.
 */
#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <string.h>

#include "libioth/sockets/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct filter_about about = {.ethertype = 0x800};
    struct filter f = {.program = NULL};
    struct sock_filter program[256];
    struct sock_fprog prog = {.filter = program};
    uint8_t *packet;

    if (size < 1 || size - 1 < data[0] * sizeof *program)
        return 0;
    prog.len = data[0];
    memcpy(program, data + 1, prog.len * sizeof *program);
    data += 1 + prog.len * sizeof *program;
    size -= 1 + prog.len * sizeof *program;
    if (filter_setopt(&f, SO_ATTACH_FILTER, &prog, sizeof prog) < 0)
        return 0;
    /* Of its own size, so that a step outside is seen. */
    packet = malloc(size ? size : 1);
    if (packet) {
        memcpy(packet, data, size);
        if (filter_run(&f, packet, size, &about) > size)
            abort();
    }
    free(packet);
    filter_done(&f);
    return 0;
}
