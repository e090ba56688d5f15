/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A fake port for tests of the switch: keeps copies of what it is given. */
#ifndef TESTS_UNIT_SWITCH_PORTS_H
#define TESTS_UNIT_SWITCH_PORTS_H

#include "fabricd/switch/switch.h"

#define FAKE_MAX 512u

struct fake_frame {
    struct frame meta;
    uint8_t *bytes;
};

struct fake_port {
    struct swport sw; /* First. */
    struct fake_frame got[FAKE_MAX];
    unsigned n;
    unsigned calls;
    size_t room; /* For ops with room. */
};

/* Ready for switch_add_port(); takes all offloads. With `limited` it has a room. */
void fake_port_init(struct fake_port *, uint32_t id, uint16_t vlan, bool limited);

/* Forgets what it was given. */
void fake_port_clear(struct fake_port *);

/* The end of a test: removes these ports, forgets all frames, and frees the switch. */
void fake_switch_free(struct switch_ *, struct fake_port *, unsigned n);

/* A plain frame of `size` bytes with headroom, which lives until fake_frames_drop(). Its payload
 * begins with `serial`. */
struct frame fake_frame(const uint8_t dst[6], const uint8_t src[6], uint32_t size,
                        uint32_t serial);
struct frame fake_frame_of(const void *bytes, uint32_t size);
void fake_frames_drop(void);
uint32_t fake_serial(const struct fake_frame *);

#endif
