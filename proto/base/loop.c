/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * epoll_data carries the slot and the generation of a watch rather than a pointer, so that an
 * event fetched for a watch that has gone meanwhile finds nobody. Timers are a binary heap.
 */
#include "proto/base/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/xalloc.h"

#define EVENTS_PER_TURN 64

struct slot {
    struct loop_watch *watch; /* NULL = free. */
    uint32_t generation;
    uint32_t next_free;
};

struct loop {
    int epoll_fd;
    bool stopped;
    mtime_t now;
    struct slot *slots; /* Slot 0 is never used. */
    uint32_t n_slots;
    uint32_t first_free;
    struct loop_timer **heap; /* heap[1] is due first. */
    uint32_t n_timers;
    uint32_t heap_room;
    void (*turn_end)(void *aux);
    void *turn_end_aux;
    bool (*poll)(void *aux);
    void *poll_aux;
};

struct loop *loop_new(void)
{
    struct loop *loop = xcalloc(1, sizeof *loop);

    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0) {
        free(loop);
        return NULL;
    }
    loop->n_slots = 1;
    loop->slots = xcalloc(1, sizeof *loop->slots);
    loop->heap_room = 16;
    loop->heap = xcalloc(loop->heap_room, sizeof(struct loop_timer *));
    loop->now = mtime_now();
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    close(loop->epoll_fd);
    free(loop->slots);
    free(loop->heap);
    free(loop);
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}

mtime_t loop_now(const struct loop *loop)
{
    return loop->now;
}

mtime_t loop_now_fresh(struct loop *loop)
{
    loop->now = mtime_now();
    return loop->now;
}

void loop_set_turn_end(struct loop *loop, void (*turn_end)(void *aux), void *aux)
{
    loop->turn_end = turn_end;
    loop->turn_end_aux = aux;
}

void loop_set_poll(struct loop *loop, bool (*poll)(void *aux), void *aux)
{
    loop->poll = poll;
    loop->poll_aux = aux;
}

static uint32_t slot_take(struct loop *loop)
{
    uint32_t i = loop->first_free;

    if (i) {
        loop->first_free = loop->slots[i].next_free;
        return i;
    }
    i = loop->n_slots++;
    loop->slots = xrealloc(loop->slots, loop->n_slots * sizeof *loop->slots);
    loop->slots[i] = (struct slot){.generation = 1};
    return i;
}

static void slot_give(struct loop *loop, uint32_t i)
{
    loop->slots[i].watch = NULL;
    loop->slots[i].generation++;
    loop->slots[i].next_free = loop->first_free;
    loop->first_free = i;
}

static struct epoll_event event_of(const struct loop *loop, uint32_t slot, uint32_t events)
{
    uint64_t generation = loop->slots[slot].generation;

    return (struct epoll_event){.events = events, .data.u64 = generation << 32 | slot};
}

int loop_add(struct loop *loop, struct loop_watch *w, int fd, uint32_t events)
{
    uint32_t slot = slot_take(loop);
    struct epoll_event ev = event_of(loop, slot, events);

    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
        int code = errno;

        slot_give(loop, slot);
        return -code;
    }
    loop->slots[slot].watch = w;
    w->fd = fd;
    w->slot = slot;
    return 0;
}

void loop_set_events(struct loop *loop, struct loop_watch *w, uint32_t events)
{
    struct epoll_event ev;

    if (!w->slot)
        return;
    ev = event_of(loop, w->slot, events);
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, w->fd, &ev);
}

void loop_remove(struct loop *loop, struct loop_watch *w)
{
    if (!w->slot)
        return;
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    slot_give(loop, w->slot);
    w->slot = 0;
    w->fd = -1;
}

static void heap_put(struct loop *loop, uint32_t i, struct loop_timer *t)
{
    loop->heap[i] = t;
    t->index = i;
}

static void heap_up(struct loop *loop, uint32_t i, struct loop_timer *t)
{
    while (i > 1 && loop->heap[i / 2]->due > t->due) {
        heap_put(loop, i, loop->heap[i / 2]);
        i /= 2;
    }
    heap_put(loop, i, t);
}

static void heap_down(struct loop *loop, uint32_t i, struct loop_timer *t)
{
    for (;;) {
        uint32_t child = 2 * i;

        if (child > loop->n_timers)
            break;
        if (child < loop->n_timers && loop->heap[child + 1]->due < loop->heap[child]->due)
            child++;
        if (loop->heap[child]->due >= t->due)
            break;
        heap_put(loop, i, loop->heap[child]);
        i = child;
    }
    heap_put(loop, i, t);
}

static void heap_remove(struct loop *loop, struct loop_timer *t)
{
    uint32_t i = t->index;
    struct loop_timer *last = loop->heap[loop->n_timers--];

    t->index = 0;
    if (last == t)
        return;
    if (i > 1 && loop->heap[i / 2]->due > last->due)
        heap_up(loop, i, last);
    else
        heap_down(loop, i, last);
}

void loop_timer_set(struct loop *loop, struct loop_timer *t, mtime_t due)
{
    if (t->index)
        heap_remove(loop, t);
    t->due = due;
    if (due == MTIME_NEVER)
        return;
    if (loop->n_timers + 1 >= loop->heap_room) {
        loop->heap_room *= 2;
        loop->heap = xrealloc(loop->heap, loop->heap_room * sizeof(struct loop_timer *));
    }
    heap_up(loop, ++loop->n_timers, t);
}

/* At most as many as are armed now: one that arms itself anew for the past waits for the next
 * turn rather than holding up the descriptors. */
static void run_timers(struct loop *loop)
{
    for (uint32_t budget = loop->n_timers;
         budget && loop->n_timers && loop->heap[1]->due <= loop->now; budget--) {
        struct loop_timer *t = loop->heap[1];

        heap_remove(loop, t);
        t->expired(t, loop->now);
    }
}

/* How long to wait, in the precision of the timers. */
static struct timespec wait_time(const struct loop *loop, mtime_t until)
{
    mtime_t left;

    if (loop->n_timers)
        until = mtime_min(until, loop->heap[1]->due);
    left = until - mtime_now();
    if (left < 0)
        left = 0;
    if (left > 3600 * MTIME_SEC)
        left = 3600 * MTIME_SEC;
    return (struct timespec){.tv_sec = left / MTIME_SEC,
                             .tv_nsec = left % MTIME_SEC * 1000};
}

void loop_turn(struct loop *loop, mtime_t until)
{
    struct epoll_event events[EVENTS_PER_TURN];
    struct timespec wait;
    bool bounded;
    int n;

    if (loop->poll && loop->poll(loop->poll_aux))
        until = 0;
    bounded = loop->n_timers || until != MTIME_NEVER;
    wait = wait_time(loop, until);
    n = epoll_pwait2(loop->epoll_fd, events, EVENTS_PER_TURN, bounded ? &wait : NULL, NULL);
    loop->now = mtime_now();
    for (int i = 0; i < n; i++) {
        uint32_t slot = (uint32_t)events[i].data.u64;
        uint32_t generation = (uint32_t)(events[i].data.u64 >> 32);

        if (loop->slots[slot].generation == generation && loop->slots[slot].watch)
            loop->slots[slot].watch->ready(loop->slots[slot].watch, events[i].events);
    }
    run_timers(loop);
    if (loop->turn_end)
        loop->turn_end(loop->turn_end_aux);
}

void loop_run(struct loop *loop)
{
    loop->stopped = false;
    while (!loop->stopped)
        loop_turn(loop, MTIME_NEVER);
}
