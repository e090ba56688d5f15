/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/vdestack/jack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "libioth/plug/locate.h"
#include "proto/base/fd.h"
#include "proto/base/thread.h"
#include "proto/wire/mac.h"
#include "proto/wire/vnet.h"

#define LAST_WORDS (50 * MTIME_MS)
#define AGAIN      (250 * MTIME_MS)
#define PER_TURN   64u /* Frames of one jack before another has its turn. */

/* --- joining ------------------------------------------------------------------------------------ */

static struct netcfg_addr as_config(const struct plug_addr *a)
{
    struct netcfg_addr out = {.family = a->family, .prefix = a->prefix};

    memcpy(out.addr, a->addr, sizeof out.addr);
    return out;
}

static void configure(struct netcfg *c, const uint8_t mac[6], const struct plug_reply *r)
{
    memcpy(c->mac, mac, sizeof c->mac);
    c->has_mac = true;
    if (!r)
        return;
    c->mtu = r->mtu;
    for (unsigned i = 0; i < r->n_addrs && i < NETCFG_MAX_ADDRS; i++)
        c->addrs[c->n_addrs++] = as_config(&r->addrs[i]);
    c->gateway4 = as_config(&r->gateway4);
    c->gateway6 = as_config(&r->gateway6);
}

static int open_fabric(const char *where, struct jack *j, struct netcfg *c, struct err *err)
{
    struct plug_request q = {.caps = FRAME_CAP_ALL};
    struct plug_reply reply;
    struct locate at;
    int r = port_ring_parse(where, &q, err);

    if (r == 0)
        r = locate_daemon(NULL, &at, err);
    if (r == 0)
        r = plug_tap(at.plug, &q, j->tap, &reply, &j->plug, err);
    if (r < 0)
        return r;
    configure(c, mac_is_zero(reply.mac) ? q.mac : reply.mac, &reply);
    c->down = !(q.flags & PLUG_ENDPOINT);
    return 0;
}

static int open_other(const char *vnl, struct jack *j, struct netcfg *c, struct err *err)
{
    int r = port_vde_open(vnl, &j->port, err);

    if (r < 0)
        return r;
    configure(c, j->port->mac, NULL);
    c->mtu = j->port->mtu;
    c->down = true;
    return 0;
}

int jack_open(const char *vnl, int tap, struct jack **out, struct netcfg *c,
              struct err *err)
{
    static const char fabric[] = "ioth://";
    struct jack *j = calloc(1, sizeof *j);
    int r;

    if (!j)
        return err_set(err, -ENOMEM, "out of memory");
    j->tap = tap;
    if (!strncmp(vnl, fabric, sizeof fabric - 1))
        r = open_fabric(vnl + sizeof fabric - 1, j, c, err);
    else
        r = open_other(vnl, j, c, err);
    if (r < 0) {
        free(j);
        return r;
    }
    *out = j;
    return 0;
}

/* What the kernel has queued for the network still goes. */
static void last_words(const struct jack *j)
{
    mtime_t end = mtime_now() + LAST_WORDS;

    while (poll(&(struct pollfd){.fd = j->tap, .events = POLLIN}, 1, 0) > 0 &&
           mtime_now() < end)
        (void)poll(NULL, 0, 1);
}

void jack_free(struct jack *j)
{
    if (!j)
        return;
    if (j->plug)
        last_words(j);
    plug_free(j->plug);
    if (j->port)
        j->port->ops->free(j->port);
    fd_close(&j->tap);
    free(j);
}

/* --- carrying frames ------------------------------------------------------------------------------ */

static void from_network(struct jack *j)
{
    struct frame frames[PER_TURN];
    unsigned n = j->port->ops->recv(j->port, frames, PER_TURN);

    for (unsigned i = 0; i < n; i++) {
        uint8_t *start = frames[i].data - VNET_HDR_SIZE;

        /* An interface that is down, or that is full, loses it. */
        vnet_encode(&frames[i], start);
        (void)!write(j->tap, start, VNET_HDR_SIZE + frames[i].size);
    }
    j->port->ops->recv_done(j->port);
}

/* While the network has no room the TAP's own queue holds what comes. */
static void to_network(struct jack *j, uint8_t *room)
{
    for (unsigned i = 0; i < PER_TURN && j->port->ops->room(j->port); i++) {
        uint8_t *data = room + FRAME_HEADROOM;
        ssize_t n = read(j->tap, data - VNET_HDR_SIZE, VNET_HDR_SIZE + FRAME_SUPER_MAX);
        struct frame f = {.data = data};
        struct ring_piece piece;

        if (n < (ssize_t)(VNET_HDR_SIZE + FRAME_SIZE_MIN))
            break;
        f.size = (uint32_t)n - VNET_HDR_SIZE;
        if (vnet_decode(data - VNET_HDR_SIZE, &f) < 0)
            continue;
        piece = (struct ring_piece){f.data, f.size};
        (void)!j->port->ops->send(j->port, &f, &piece, 1);
    }
    j->port->ops->flush(j->port);
}

/* --- the thread ----------------------------------------------------------------------------------- */

/* What to poll of a jack. */
static unsigned watch(struct jack *j, struct pollfd *fds)
{
    unsigned n;
    bool full;

    if (j->plug) {
        fds[0] = (struct pollfd){.fd = j->again ? -1 : plug_fd(j->plug), .events = POLLIN};
        return 1;
    }
    /* Full: sleep until the network has room, and do not look at the TAP meanwhile. */
    full = j->port->ops->sleep_room(j->port);
    n = j->port->ops->fds(j->port, fds);
    if (n > 0)
        fds[n++] = (struct pollfd){.fd = full ? -1 : j->tap, .events = POLLIN};
    return n;
}

static void offer_again(struct jack *j, mtime_t now)
{
    if (!plug_alive(j->plug) && !j->again)
        j->again = now;
    if (j->again && now >= j->again)
        j->again = plug_again(j->plug, NULL) == 0 ? 0 : mtime_now() + AGAIN;
}

static mtime_t serve(struct jack *j, uint8_t *room, mtime_t now)
{
    if (j->plug) {
        offer_again(j, now);
        return j->again ? j->again : MTIME_NEVER;
    }
    if (!j->port->ops->down(j->port)) {
        from_network(j);
        to_network(j, room);
    }
    return MTIME_NEVER;
}

static void *run(void *aux)
{
    struct jacks *all = aux;
    uint8_t *room = malloc(FRAME_HEADROOM + FRAME_SUPER_MAX);
    struct pollfd fds[JACKS_MAX * (PORT_FDS + 1) + 1];
    mtime_t next = MTIME_NEVER;

    while (room) {
        unsigned n = 1;
        mtime_t now;

        fds[0] = (struct pollfd){.fd = all->stop[1], .events = POLLIN};
        for (unsigned i = 0; i < all->n; i++)
            n += watch(all->of[i], fds + n);
        if (poll(fds, n, mtime_timeout(next, mtime_now())) < 0 && errno != EINTR)
            break;
        if (fds[0].revents)
            break;
        now = mtime_now();
        next = MTIME_NEVER;
        for (unsigned i = 0; i < all->n; i++)
            next = mtime_min(next, serve(all->of[i], room, now));
    }
    free(room);
    return NULL;
}

int jacks_start(struct jacks *all)
{
    int r;

    if (all->n == 0)
        return 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, all->stop) < 0)
        return -errno;
    r = thread_start(&all->thread, run, all);
    all->running = r == 0;
    if (r == 0)
        return 0;
    fd_close(&all->stop[0]);
    fd_close(&all->stop[1]);
    return r;
}

void jacks_end(struct jacks *all)
{
    if (all->running) {
        fd_close(&all->stop[0]);
        pthread_join(all->thread, NULL);
        fd_close(&all->stop[1]);
    }
    for (unsigned i = 0; i < all->n; i++)
        jack_free(all->of[i]);
    all->n = 0;
    all->running = false;
}
