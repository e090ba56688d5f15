/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/switch_ports.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void keep(struct swport *sw, struct frame *const *frames, unsigned n)
{
    struct fake_port *p = (struct fake_port *)(void *)sw;

    p->calls++;
    for (unsigned i = 0; i < n; i++) {
        struct fake_frame *got = &p->got[p->n++];

        assert(p->n <= FAKE_MAX);
        got->meta = *frames[i];
        got->bytes = malloc(frames[i]->size);
        assert(got->bytes);
        memcpy(got->bytes, frames[i]->data, frames[i]->size);
        sw->counters.tx_frames++;
    }
}

static size_t room_of(struct swport *sw)
{
    return ((struct fake_port *)(void *)sw)->room;
}

void fake_port_init(struct fake_port *p, uint32_t id, uint16_t vlan, bool limited)
{
    static const struct swport_ops open_ops = {.send = keep};
    static const struct swport_ops limited_ops = {.send = keep, .room = room_of};

    memset(p, 0, sizeof *p);
    p->sw.ops = limited ? &limited_ops : &open_ops;
    p->sw.id = id;
    p->sw.set.vlan = vlan;
    p->sw.caps = FRAME_CAP_ALL;
    p->sw.max_frame = FRAME_SIZE_MAX;
}

void fake_port_clear(struct fake_port *p)
{
    for (unsigned i = 0; i < p->n; i++)
        free(p->got[i].bytes);
    p->n = p->calls = 0;
}

static uint8_t *buffers[FAKE_MAX];
static unsigned n_buffers;

struct frame fake_frame_of(const void *bytes, uint32_t size)
{
    uint8_t *buffer = malloc(FRAME_HEADROOM + (size_t)size);

    assert(buffer && n_buffers < FAKE_MAX);
    buffers[n_buffers++] = buffer;
    memcpy(buffer + FRAME_HEADROOM, bytes, size);
    return (struct frame){.data = buffer + FRAME_HEADROOM, .size = size};
}

struct frame fake_frame(const uint8_t dst[6], const uint8_t src[6], uint32_t size,
                        uint32_t serial)
{
    uint8_t bytes[FRAME_SIZE_MAX] = {0};

    memcpy(bytes, dst, 6);
    memcpy(bytes + 6, src, 6);
    bytes[12] = 0x88;
    bytes[13] = 0xb5;
    memcpy(bytes + 14, &serial, sizeof serial);
    return fake_frame_of(bytes, size);
}

void fake_frames_drop(void)
{
    while (n_buffers)
        free(buffers[--n_buffers]);
}

uint32_t fake_serial(const struct fake_frame *f)
{
    uint32_t serial;

    memcpy(&serial, f->bytes + 14, sizeof serial);
    return serial;
}

void fake_switch_free(struct switch_ *sw, struct fake_port *ports, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        switch_remove_port(&ports[i].sw);
        fake_port_clear(&ports[i]);
    }
    fake_frames_drop();
    switch_free(sw);
}
