/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/plug/ringmap.h"

#include <errno.h>

#include "proto/base/fd.h"
#include "proto/base/shm.h"

int ringmap_create(uint32_t ring_size)
{
    size_t size = ring_memory_size(ring_size);
    void *control;
    int fd, r;

    if (!size)
        return -EINVAL;
    fd = shm_create("ioth-ring", size);
    if (fd < 0)
        return fd;
    r = shm_map(fd, 0, RING_CONTROL_SIZE, &control);
    if (r < 0) {
        fd_close(&fd);
        return r;
    }
    ring_control_init(control, ring_size);
    shm_unmap(control, RING_CONTROL_SIZE);
    return fd;
}

static size_t pool_size(const struct ringmap *m)
{
    return (size_t)RING_POOL_RATIO * m->ring_size;
}

static int map_pool(struct ringmap *m, int fd)
{
    const void *p;
    int r = shm_map_to_read(fd, RING_CONTROL_SIZE + (size_t)RING_DIRECTIONS * m->ring_size,
                            pool_size(m), &p);

    if (r == 0)
        m->pool = p;
    return r;
}

static int map_all(struct ringmap *m, int fd)
{
    void *p;
    int r = shm_map(fd, 0, RING_CONTROL_SIZE, &p);

    if (r < 0)
        return r;
    m->control = p;
    for (unsigned i = 0; i < RING_DIRECTIONS; i++) {
        r = shm_map_twice(fd, RING_CONTROL_SIZE + (size_t)i * m->ring_size, m->ring_size,
                          &p);
        if (r < 0)
            return r;
        m->mem[i] = p;
    }
    return 0;
}

int ringmap_attach(struct ringmap *m, int fd, enum ringmap_side side)
{
    enum ring_direction out = side == RINGMAP_DAEMON ? RING_TO_CLIENT : RING_TO_DAEMON;
    enum ring_direction in = side == RINGMAP_DAEMON ? RING_TO_DAEMON : RING_TO_CLIENT;
    struct ringmap made = {.ring_size = 0};
    size_t size;
    int r = shm_check(fd, &size);

    if (r < 0)
        return r;
    if (size < RING_CONTROL_SIZE || size > UINT32_MAX)
        return -EPROTO;
    made.ring_size =
        (uint32_t)((size - RING_CONTROL_SIZE) / (RING_DIRECTIONS + RING_POOL_RATIO));
    if (ring_memory_size(made.ring_size) != size)
        return -EPROTO;
    r = map_all(&made, fd);
    if (r == 0 && side == RINGMAP_DAEMON)
        r = map_pool(&made, fd);
    /* The daemon goes by the sealed size alone: the page is the client's to scribble on. */
    if (r == 0 && side == RINGMAP_CLIENT && !ring_control_check(made.control, size))
        r = -EPROTO;
    if (r == 0)
        r = ring_tx_init(&made.tx, &made.control->dir[out], made.mem[out], made.ring_size);
    if (r == 0)
        r = ring_rx_init(&made.rx, &made.control->dir[in], made.mem[in], made.pool,
                         made.ring_size);
    if (r < 0) {
        ringmap_done(&made);
        return r;
    }
    *m = made;
    return 0;
}

void ringmap_done(struct ringmap *m)
{
    shm_unmap(m->control, RING_CONTROL_SIZE);
    for (unsigned i = 0; i < RING_DIRECTIONS; i++)
        shm_unmap(m->mem[i], 2 * (size_t)m->ring_size);
    shm_unmap(m->pool, pool_size(m));
    *m = (struct ringmap){.control = NULL};
}
