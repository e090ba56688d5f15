/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TAP devices with IFF_VNET_HDR: the kernel hands over TCP segments of up to 64 KiB whole, with
 * checksums left open, and takes the same. The virtio header is read and written together with
 * the frame, in the headroom in front of it, so that a frame is one read and one write.
 *
 * A TAP says that its interface is down by refusing what is written (EIO), and that it is up again by
 * being writable: it is watched for that only while it is down. Where the interface is in the daemon's own namespace,
 * that something happened to it is told (carrier.h), and then looked at.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fabricd/port/port.h"
#include "proto/base/fd.h"
#include "proto/wire/vnet.h"

#define FRAME_ROOM (FRAME_HEADROOM + FRAME_SUPER_MAX)
/* Superframes that are read before they are written out: few enough to stay in the L2 cache. */
#define BURST_BYTES (4u * FRAME_ROOM)

struct tap {
    struct port port;
    struct loop_watch watch;
    bool quiet;   /* The last turn brought a single frame at most. */
    bool by_flag; /* Only the shared flag keeps us from waiting. */
    struct carrier_look look;
};

static struct tap *tap_of(struct port *p)
{
    return list_entry(p, struct tap, port);
}

/*
 * Whoever gave us the device has it as well, and with it the flag that says whether reading and
 * writing may block: here they do not, whatever it says. Kernels before 6.4 cannot do that. There
 * the flag is set again before each turn, and only what was announced is read: an honest owner
 * never holds us up, one who does nothing but clear the flag and steal frames may.
 */
static void mind_flag(const struct tap *tap)
{
    int flags = fcntl(tap->watch.fd, F_GETFL);

    if (flags >= 0 && !(flags & O_NONBLOCK))
        (void)fcntl(tap->watch.fd, F_SETFL, flags | O_NONBLOCK);
}

/* True if the last call failed since the kernel has no such calls. */
static bool must_fall_back(struct tap *tap)
{
    if (errno != EOPNOTSUPP)
        return false;
    tap->by_flag = true;
    mind_flag(tap);
    return true;
}

static ssize_t read_now(struct tap *tap, void *data, size_t size)
{
    const struct iovec to = {.iov_base = data, .iov_len = size};

    if (!tap->by_flag) {
        ssize_t n = preadv2(tap->watch.fd, &to, 1, -1, RWF_NOWAIT);

        if (n >= 0 || !must_fall_back(tap))
            return n;
    }
    return read(tap->watch.fd, data, size);
}

static ssize_t write_now(struct tap *tap, void *data, size_t size)
{
    const struct iovec from = {.iov_base = data, .iov_len = size};

    if (!tap->by_flag) {
        ssize_t n = pwritev2(tap->watch.fd, &from, 1, -1, RWF_NOWAIT);

        if (n >= 0 || !must_fall_back(tap))
            return n;
    }
    return write(tap->watch.fd, data, size);
}

/* Reads one frame to `data`. Returns 1, 0 if there is none, -EBADMSG, or -errno if the device
 * is gone. */
static int read_frame(struct tap *tap, uint8_t *data, struct frame *f)
{
    ssize_t n = read_now(tap, data - VNET_HDR_SIZE, VNET_HDR_SIZE + FRAME_SUPER_MAX);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    *f = (struct frame){.data = data};
    if ((size_t)n < VNET_HDR_SIZE + FRAME_SIZE_MIN)
        return -EBADMSG;
    f->size = (uint32_t)n - VNET_HDR_SIZE;
    return vnet_decode(data - VNET_HDR_SIZE, f) < 0 ? -EBADMSG : 1;
}

/* Reads a burst of up to `max` frames; false when the device has no more. */
static bool read_burst(struct tap *tap, unsigned max, unsigned *n_frames)
{
    struct port_env *env = tap->port.env;
    size_t used = 0;
    unsigned n = 0;
    bool more = true;

    for (unsigned i = 0; i < max && used < BURST_BYTES; i++) {
        struct frame *f = &env->frames[n];
        int code = read_frame(tap, env->arena + used + FRAME_HEADROOM, f);

        if (code == -EBADMSG) {
            port_count_malformed(&tap->port, f->size);
            continue;
        }
        if (code <= 0) {
            more = false;
            if (code < 0)
                port_gone(&tap->port);
            break;
        }
        used += (FRAME_HEADROOM + f->size + 63u) / 64u * 64u;
        n++;
    }
    *n_frames = n;
    return more;
}

static void note_link(struct tap *tap, bool down)
{
    if (tap->port.is_down != down)
        loop_set_events(tap->port.env->loop, &tap->watch,
                        down ? EPOLLIN | EPOLLOUT : EPOLLIN);
    port_note_down(&tap->port, down);
}

static void tap_ready(struct loop_watch *w, uint32_t events)
{
    struct tap *tap = list_entry(w, struct tap, watch);
    struct port_env *env = tap->port.env;
    unsigned total = 0;
    bool more = true;

    if (events & EPOLLOUT)
        note_link(tap, false);

    if (events & (EPOLLERR | EPOLLHUP) && !(events & EPOLLIN)) {
        port_gone(&tap->port);
        return;
    }
    if (tap->by_flag)
        mind_flag(tap);
    for (unsigned i = 0; more && i < PORT_TURN_BURSTS; i++) {
        /* Where frames come one by one, each leaves before we look for another. */
        unsigned max = tap->by_flag || (i == 0 && tap->quiet) ? 1 : FRAME_BURST;
        unsigned n;

        more = read_burst(tap, max, &n);
        switch_input(&tap->port.sw, env->frames, n, loop_now(env->loop));
        total += n;
        more = more && !tap->by_flag;
    }
    tap->quiet = total <= 1;
}

static void tap_send(struct swport *sw, struct frame *const *frames, unsigned n)
{
    struct tap *tap = tap_of(port_of_swport(sw));

    if (tap->by_flag)
        mind_flag(tap);
    for (unsigned i = 0; i < n; i++) {
        const struct frame *f = frames[i];
        uint8_t *start = f->data - VNET_HDR_SIZE;
        ssize_t done;

        vnet_encode(f, start);
        done = write_now(tap, start, VNET_HDR_SIZE + f->size);
        if (done > 0) {
            port_count_sent(&tap->port, f);
            continue;
        }
        sw->counters.tx_drops[errno == EAGAIN ? SWPORT_DROP_FULL : SWPORT_DROP_IO]++;
        if (errno == EIO)
            note_link(tap, true);
    }
}

/* Something is new of an interface of that name, which need not be this one any more. */
static void carrier_told(struct carrier_look *look, bool up)
{
    struct tap *tap = list_entry(look, struct tap, look);
    struct pollfd p = {.fd = tap->watch.fd, .events = POLLOUT};

    (void)up;
    note_link(tap, poll(&p, 1, 0) == 0);
}

static void tap_free(struct port *p)
{
    struct tap *tap = tap_of(p);

    carrier_remove(&tap->look);
    loop_remove(p->env->loop, &tap->watch);
    free(tap);
}

/* Offloads that the kernel has; UDP ones came with 6.2. */
static int set_offloads(int fd, uint8_t *caps)
{
    const unsigned tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
    const unsigned uso =
        0x20 | 0x40; /* TUN_F_USO4, TUN_F_USO6: not in Debian 12's header. */
    int size = VNET_HDR_SIZE;

    if (ioctl(fd, TUNSETVNETHDRSZ, &size) < 0)
        return -errno;
    *caps = FRAME_CAP_CSUM | FRAME_CAP_TSO4 | FRAME_CAP_TSO6 | FRAME_CAP_USO;
    if (ioctl(fd, TUNSETOFFLOAD, tcp | uso) == 0)
        return 0;
    *caps = FRAME_CAP_CSUM | FRAME_CAP_TSO4 | FRAME_CAP_TSO6;
    return ioctl(fd, TUNSETOFFLOAD, tcp) < 0 ? -errno : 0;
}

/* A launcher may have handed us anything: only a TAP without packet information will do. */
static int check_device(int fd)
{
    struct ifreq ifr = {.ifr_flags = 0};
    const short want = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;

    if (ioctl(fd, TUNGETIFF, &ifr) < 0)
        return -EINVAL;
    return (ifr.ifr_flags & (want | IFF_TUN)) == want ? 0 : -EINVAL;
}

int tap_new(struct port_env *env, const struct ipc_port *config, int fd, struct port **out)
{
    static const struct port_ops ops = {.free = tap_free};
    static const struct swport_ops sw_ops = {.send = tap_send};
    struct tap *tap;
    int code = check_device(fd);

    if (code < 0)
        return code;
    code = fd_set_nonblock(fd);
    if (code < 0)
        return code;
    tap = calloc(1, sizeof *tap);
    if (!tap)
        return -ENOMEM;
    port_init(&tap->port, env, config, &ops, &sw_ops);
    tap->watch.ready = tap_ready;
    code = set_offloads(fd, &tap->port.sw.caps);
    if (code == 0)
        code = loop_add(env->loop, &tap->watch, fd, EPOLLIN);
    if (code < 0) {
        free(tap);
        return code;
    }
    if (config->path[0]) {
        snprintf(tap->look.name, sizeof tap->look.name, "%.*s", IFNAMSIZ - 1, config->path);
        tap->look.told = carrier_told;
        carrier_add(env->carrier, &tap->look);
        carrier_told(&tap->look, true); /* How it is now. */
    }
    *out = &tap->port;
    return 0;
}
