/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/vde/vde.h"

#include <errno.h>
#include <string.h>

#include "proto/base/cur.h"

#define MAGIC         0xfeedfaceu
#define V3            3u
#define V1_FIXED      124u
#define V3_FIXED      122u
#define V1_MAC_SIZE   6u
#define TYPE_CONTROL  0u
#define TYPE_PORT0    1u
#define EXTRA_MAX     65536u /* More than that on a stream that is silent is an attack. */
#define PRINTABLE_MIN 0x20u
#define PRINTABLE_MAX 0x7eu

/* The size of a sun_path: abstract names count to their last byte that is not NUL, since a
 * packed structure says nothing of its length. */
static size_t path_size(const uint8_t path[VDE_PATH_SIZE])
{
    size_t size = VDE_PATH_SIZE;

    if (path[0] != 0)
        return strnlen((const char *)path, VDE_PATH_SIZE);
    while (size > 0 && path[size - 1] == 0)
        size--;
    return size;
}

static void get_path(struct cur *c, struct vde_request *r)
{
    uint16_t family = cur_u16_ne(c);
    const uint8_t *path = cur_bytes(c, VDE_PATH_SIZE);

    if (!path)
        return;
    if (family != VDE_FAMILY_UNIX)
        c->bad = true;
    r->path_size = (uint8_t)path_size(path);
    memcpy(r->path, path, r->path_size);
    if (r->path_size == 0)
        c->bad = true;
}

static void get_description(struct cur *c, struct vde_request *r)
{
    for (unsigned i = 0; i + 1 < VDE_DESCR_SIZE && cur_left(c); i++) {
        uint8_t byte = cur_u8(c);

        if (byte < PRINTABLE_MIN || byte > PRINTABLE_MAX)
            byte = '?';
        r->description[i] = (char)byte;
    }
}

int vde_request_parse(const void *data, size_t size, struct vde_request *out)
{
    struct cur c = cur_init(data, size);
    struct vde_request r = {.version = 1};
    uint32_t magic = cur_u32_ne(&c);
    uint32_t type = cur_u32_ne(&c);

    /* Version 1 has its type, 0 or 1, where version 3 has its number. */
    if (type == V3) {
        r.version = 3;
        type = cur_u32_ne(&c);
    } else {
        if (type > TYPE_PORT0)
            return -EPROTO;
        cur_skip(&c, V1_MAC_SIZE);
    }
    get_path(&c, &r);
    if (c.bad || magic != MAGIC || (type & 0xff) > TYPE_PORT0)
        return -EPROTO;
    r.management = (type & 0xff) == TYPE_PORT0;
    r.port = type >> 8;
    get_description(&c, &r);
    *out = r;
    return 0;
}

/* The least that the request in hand must have, or 0 for one that is wrong already. */
static size_t fixed_size(const struct vde_reader *r)
{
    struct cur c = cur_init(r->data, r->size);
    uint32_t magic = cur_u32_ne(&c);
    uint32_t version = cur_u32_ne(&c);

    if (r->size >= 4 && magic != MAGIC)
        return 0;
    if (c.bad)
        return V3_FIXED;
    if (version == V3)
        return V3_FIXED;
    return version <= TYPE_PORT0 ? V1_FIXED : 0;
}

int vde_reader_feed(struct vde_reader *r, const void *data, size_t size,
                    struct vde_request *out)
{
    size_t fits = sizeof r->data - r->size;
    size_t fixed;

    if (r->done) {
        r->extra = size > EXTRA_MAX - r->extra ? EXTRA_MAX : r->extra + (uint32_t)size;
        return r->extra < EXTRA_MAX ? 0 : -EPROTO;
    }
    if (fits > size)
        fits = size;
    memcpy(r->data + r->size, data, fits);
    r->size = (uint16_t)(r->size + fits);
    fixed = fixed_size(r);
    if (!fixed)
        return -EPROTO;
    if (r->size < fixed)
        return 0;
    r->done = true;
    return vde_request_parse(r->data, r->size, out) < 0 ? -EPROTO : 1;
}

int vde_reply_build(const char *path, uint8_t reply[VDE_REPLY_SIZE])
{
    size_t size = strlen(path);
    struct wr w;

    if (size >= VDE_PATH_SIZE)
        return -ENAMETOOLONG;
    memset(reply, 0, VDE_REPLY_SIZE);
    w = wr_init(reply, VDE_REPLY_SIZE);
    wr_u16_ne(&w, VDE_FAMILY_UNIX);
    wr_bytes(&w, path, size);
    return 0;
}
