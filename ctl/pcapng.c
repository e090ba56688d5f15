/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/pcapng.h"

#include <string.h>

#define BLOCK_SECTION   0x0a0d0d0au
#define BLOCK_INTERFACE 1u
#define BLOCK_PACKET    6u
#define BYTE_ORDER_MARK 0x1a2b3c4du
#define LINK_ETHERNET   1u
#define OPTION_END      0u
#define OPTION_NAME     2u /* if_name */
#define OPTION_FLAGS    2u /* epb_flags */
#define OPTION_TSRESOL  9u /* if_tsresol */
#define OPTION_APPL     4u /* shb_userappl */

static void put(FILE *f, const void *data, size_t size)
{
    (void)!fwrite(data, 1, size, f);
}

static void put_u16(FILE *f, unsigned n)
{
    uint16_t v = (uint16_t)n;
    put(f, &v, sizeof(v));
}

static void put_u32(FILE *f, uint32_t n)
{
    put(f, &n, sizeof(n));
}

static uint32_t padded(size_t size)
{
    return (uint32_t)((size + 3) & ~(size_t)3);
}

static void put_padded(FILE *f, const void *data, size_t size)
{
    static const uint8_t zeros[3] = {0};
    put(f, data, size);
    put(f, zeros, padded(size) - size);
}

static void put_option(FILE *f, unsigned code, const void *data, size_t size)
{
    put_u16(f, code);
    put_u16(f, (unsigned)size);
    put_padded(f, data, size);
}

void pcapng_section(FILE *f, const char *application)
{
    size_t size = strlen(application);
    uint32_t total = 28 + 4 + padded(size) + 4;
    put_u32(f, BLOCK_SECTION);
    put_u32(f, total);
    put_u32(f, BYTE_ORDER_MARK);
    put_u16(f, 1); /* Version 1.0 */
    put_u16(f, 0);
    put_u32(f, UINT32_MAX); /* The size of the section is not known: -1 in 64 bits. */
    put_u32(f, UINT32_MAX);
    put_option(f, OPTION_APPL, application, size);
    put_option(f, OPTION_END, "", 0);
    put_u32(f, total);
}

void pcapng_interface(FILE *f, const char *name, uint32_t snap)
{
    static const uint8_t nanoseconds = 9;
    size_t size = strlen(name);
    uint32_t total = 20 + 4 + padded(size) + 4 + 4 + 4;
    put_u32(f, BLOCK_INTERFACE);
    put_u32(f, total);
    put_u16(f, LINK_ETHERNET);
    put_u16(f, 0);
    put_u32(f, snap);
    put_option(f, OPTION_NAME, name, size);
    put_option(f, OPTION_TSRESOL, &nanoseconds, 1);
    put_option(f, OPTION_END, "", 0);
    put_u32(f, total);
}

void pcapng_frame(FILE *f, const struct pcapng_frame *frame)
{
    const uint32_t flags = frame->direction; /* Bits 0 and 1; nothing else is known. */
    uint32_t total = 32 + padded(frame->size) + 4 + 4 + 4;
    put_u32(f, BLOCK_PACKET);
    put_u32(f, total);
    put_u32(f, frame->interface);
    put_u32(f, (uint32_t)(frame->time_ns >> 32));
    put_u32(f, (uint32_t)frame->time_ns);
    put_u32(f, frame->size);
    put_u32(f, frame->frame_size);
    put_padded(f, frame->data, frame->size);
    put_option(f, OPTION_FLAGS, &flags, sizeof(flags));
    put_option(f, OPTION_END, "", 0);
    put_u32(f, total);
}
