/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/stack/room.h"

#include <link.h>

static int add(struct dl_phdr_info *of, size_t size, void *sum)
{
    (void)size;
    for (unsigned i = 0; i < of->dlpi_phnum; i++)
        if (of->dlpi_phdr[i].p_type == PT_TLS)
            *(size_t *)sum += of->dlpi_phdr[i].p_memsz + of->dlpi_phdr[i].p_align;
    return 0;
}

size_t room_for_thread(size_t own)
{
    (void)dl_iterate_phdr(add, &own);
    return own;
}
