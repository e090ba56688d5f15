/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plugging into a network from a process: the client's side of proto/plug.
 *
 * A plug is the connection that keeps a port alive (its lifeline) and, for rings, the memory and
 * the doorbells. When the daemon goes, the lifeline hangs up (watch plug_fd() for EPOLLHUP or
 * EPOLLIN); plug_again() then offers the same again, with the name, MAC and addresses that the
 * first reply gave. One thread at a time uses a plug.
 */
#ifndef LIBIOTH_PLUG_PLUG_H
#define LIBIOTH_PLUG_PLUG_H

#include <stdbool.h>
#include <stdint.h>

#include "libioth/plug/pool.h"
#include "libioth/plug/ringmap.h"
#include "proto/base/err.h"
#include "proto/plug/plug.h"

struct plug;

/*
 * Plugs a TAP device in: `tap` (opened with IFF_VNET_HDR) stays the caller's and must stay open
 * for plug_again(). `socket` is the daemon's RUN/plug.sock, or with '@' in front the abstract name of
 * who speaks for it. The reply is copied to *reply.
 * Returns the plug in *out, or -errno with `err` filled in: the daemon's own refusal, or
 * -ECONNREFUSED, -ENOENT … if nobody listens.
 */
int plug_tap(const char *socket, const struct plug_request *request, int tap,
             struct plug_reply *reply, struct plug **out, struct err *err)
    __attribute__((warn_unused_result));

/* Plugs a ring in (request->kind is set here). As plug_tap() otherwise. */
int plug_ring(const char *socket, const struct plug_request *request,
              struct plug_reply *reply, struct plug **out, struct err *err)
    __attribute__((warn_unused_result));

/* Opens a capture: plug_fd() then gives struct plug_captured messages to recv(). */
int plug_capture(const char *socket, const struct plug_request *request,
                 struct plug_reply *reply, struct plug **out, struct err *err)
    __attribute__((warn_unused_result));

/*
 * Offers the same again on a new connection. One attempt; the caller tries again later (250 ms
 * is polite). A ring gets new memory: frames that were in the old one are lost. On failure the
 * plug is as before and may be tried again.
 */
int plug_again(struct plug *p, struct err *err) __attribute__((warn_unused_result));

/* Hangs up and frees; the port goes. Accepts NULL. */
void plug_free(struct plug *p);

/* The lifeline, for polling; the plug's own. Changes with plug_again(). */
int plug_fd(const struct plug *p);

/* True if the daemon is still there (one poll). */
bool plug_alive(const struct plug *p);

/* --- rings ------------------------------------------------------------------------------- */

/* The descriptor that becomes readable when frames or room have come after plug_wait_begin()
 * said so; the plug's own. */
int plug_bell(const struct plug *p);

/*
 * Sends up to n frames and rings if need be. Returns how many were taken: fewer when the ring is
 * full (wait for room, or drop), or -EPROTO, -EMSGSIZE for the first one.
 */
int plug_send(struct plug *p, const struct frame *frames, unsigned n)
    __attribute__((warn_unused_result));

/* One frame out of n pieces, f->size bytes in all; nobody is woken before plug_flush(). Pieces in a row at the
 * end that lie in a row in the pool are not copied. Returns 0 or as ring_put(). */
int plug_put(struct plug *p, const struct frame *f, const struct ring_piece *pieces,
             unsigned n) __attribute__((warn_unused_result));
void plug_flush(struct plug *p);

/* Where bytes are best put that plug_put() is to send; another one after plug_again(). NULL if there was no
 * memory for one. */
struct pool *plug_pool(const struct plug *p);

/* True if a frame of `size` bytes can be sent now. */
bool plug_has_room(struct plug *p, uint32_t size);

/* True if the daemon has taken all that was sent. */
bool plug_taken(struct plug *p);

/*
 * Looks at up to `max` (FRAME_BURST) frames, in place; they stay until plug_recv_done(), which
 * must come before the next plug_recv(). Returns how many, 0 = none now, or -EPROTO.
 */
int plug_recv(struct plug *p, struct frame *frames, unsigned max)
    __attribute__((warn_unused_result));
void plug_recv_done(struct plug *p);

/* Before plug_recv_done(): the last n frames come again with the next plug_recv(). */
void plug_recv_back(struct plug *p, unsigned n);

/*
 * For a caller with a loop of its own: announces that it will poll plug_bell(). True = nothing is
 * there, go and poll; false = frames are there, do not wait. plug_wait_end() after polling.
 */
bool plug_wait_begin(struct plug *p);
void plug_wait_end(struct plug *p);

/* The same for who waits for room for a frame of `size` bytes; beside plug_wait_begin(), if for both. */
bool plug_wait_room_begin(struct plug *p, uint32_t size);

/*
 * For a caller without one: waits until frames are there, at most timeout_ms (-1 = for ever).
 * Yields the processor for a short adaptive while before it sleeps. Returns 1, 0 at the end of
 * the time, or -EPIPE if the daemon went.
 */
int plug_wait(struct plug *p, int timeout_ms) __attribute__((warn_unused_result));

/* Waits until a frame of `size` bytes can be sent; returns as plug_wait(). */
int plug_wait_room(struct plug *p, uint32_t size, int timeout_ms)
    __attribute__((warn_unused_result));

#endif
