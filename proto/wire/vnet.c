/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/wire/vnet.h"

#include <errno.h>

#include "proto/base/cur.h"
#include "proto/wire/packet.h"

/* From the virtio specification 1.2, 5.1.6. */
#define VNET_F_NEEDS_CSUM 1u
#define VNET_F_DATA_VALID 2u
#define VNET_GSO_NONE     0u
#define VNET_GSO_TCP4     1u
#define VNET_GSO_TCP6     4u
#define VNET_GSO_UDP_L4   5u
#define VNET_GSO_ECN      0x80u

#define TCP_CSUM_OFS 16u
#define UDP_CSUM_OFS 6u

static bool gso_fits(const struct frame *f, const struct packet *pk)
{
    switch ((enum frame_gso)f->gso) {
    case FRAME_GSO_TCP4:
        return pk->l3 == PACKET_L3_IP4 && pk->l4 == PACKET_L4_TCP;
    case FRAME_GSO_TCP6:
        return pk->l3 == PACKET_L3_IP6 && pk->l4 == PACKET_L4_TCP;
    case FRAME_GSO_UDP:
        return pk->l4 == PACKET_L4_UDP;
    case FRAME_GSO_NONE:
        break;
    }
    return false;
}

static int check_super(struct frame *f)
{
    uint16_t csum_ofs = f->gso == FRAME_GSO_UDP ? UDP_CSUM_OFS : TCP_CSUM_OFS;
    struct packet pk;

    if (f->size > FRAME_SUPER_MAX || f->gso_size == 0 || !(f->flags & FRAME_NEEDS_CSUM) ||
        packet_parse(f->data, f->size, &pk) < 0)
        return -EBADMSG;
    if (!gso_fits(f, &pk) || pk.end != f->size || f->csum_start != pk.l4_ofs ||
        f->csum_ofs != csum_ofs)
        return -EBADMSG;
    f->hdr_size = pk.payload_ofs;
    if (f->size - f->hdr_size > f->gso_size)
        return f->size - f->hdr_size <= (uint32_t)f->gso_size * FRAME_SEGMENTS_MAX
                   ? 0
                   : -EBADMSG;
    f->gso = FRAME_GSO_NONE;
    f->gso_size = 0;
    f->hdr_size = 0;
    f->flags &= (uint8_t)~FRAME_GSO_ECN;
    return f->size > FRAME_SIZE_MAX ? -EBADMSG : 0;
}

int frame_check(struct frame *f)
{
    if (f->size < FRAME_SIZE_MIN)
        return -EBADMSG;
    if (f->gso != FRAME_GSO_NONE)
        return check_super(f);
    if (f->size > FRAME_SIZE_MAX)
        return -EBADMSG;
    f->gso_size = 0;
    f->hdr_size = 0;
    if (!(f->flags & FRAME_NEEDS_CSUM))
        return 0;
    if (f->csum_start < FRAME_SIZE_MIN ||
        (uint32_t)f->csum_start + f->csum_ofs + 2 > f->size)
        return -EBADMSG;
    return 0;
}

int vnet_decode(const uint8_t hdr[VNET_HDR_SIZE], struct frame *f)
{
    struct cur c = cur_init(hdr, VNET_HDR_SIZE);
    uint8_t flags = cur_u8(&c);
    uint8_t type = cur_u8(&c);

    cur_skip(&c, 2);
    f->gso_size = cur_u16_ne(&c);
    f->csum_start = cur_u16_ne(&c);
    f->csum_ofs = cur_u16_ne(&c);
    f->hdr_size = 0;
    f->flags = 0;
    if (flags & VNET_F_NEEDS_CSUM)
        f->flags |= FRAME_NEEDS_CSUM;
    if (flags & VNET_F_DATA_VALID)
        f->flags |= FRAME_CSUM_VALID;
    if (type & VNET_GSO_ECN)
        f->flags |= FRAME_GSO_ECN;
    switch (type & ~VNET_GSO_ECN) {
    case VNET_GSO_NONE:
        f->gso = FRAME_GSO_NONE;
        break;
    case VNET_GSO_TCP4:
        f->gso = FRAME_GSO_TCP4;
        break;
    case VNET_GSO_TCP6:
        f->gso = FRAME_GSO_TCP6;
        break;
    case VNET_GSO_UDP_L4:
        f->gso = FRAME_GSO_UDP;
        break;
    default:
        return -EBADMSG;
    }
    return frame_check(f);
}

void vnet_encode(const struct frame *f, uint8_t hdr[VNET_HDR_SIZE])
{
    static const uint8_t types[] = {[FRAME_GSO_NONE] = VNET_GSO_NONE,
                                    [FRAME_GSO_TCP4] = VNET_GSO_TCP4,
                                    [FRAME_GSO_TCP6] = VNET_GSO_TCP6,
                                    [FRAME_GSO_UDP] = VNET_GSO_UDP_L4};
    bool open = f->flags & FRAME_NEEDS_CSUM;
    uint8_t type = types[f->gso];
    struct wr w = wr_init(hdr, VNET_HDR_SIZE);

    if (f->gso != FRAME_GSO_NONE && f->flags & FRAME_GSO_ECN)
        type |= VNET_GSO_ECN;
    wr_u8(&w,
          open ? VNET_F_NEEDS_CSUM : (f->flags & FRAME_CSUM_VALID ? VNET_F_DATA_VALID : 0));
    wr_u8(&w, type);
    wr_u16_ne(&w, f->gso != FRAME_GSO_NONE ? f->hdr_size : 0);
    wr_u16_ne(&w, f->gso != FRAME_GSO_NONE ? f->gso_size : 0);
    wr_u16_ne(&w, open ? f->csum_start : 0);
    wr_u16_ne(&w, open ? f->csum_ofs : 0);
    wr_u16_ne(&w, 0);
}
