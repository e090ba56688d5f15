/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A wire between two VNLs of libvdeplug, with a delay, a rate, a queue, and what goes wrong on long ways:
 *
 *   loss_wire VNL VNL [KEY=NUMBER …]
 *
 *   delay=10    ms each way               rate=1000   Mbit/s each way
 *   queue=1000  frames that wait for that  seed=1      of what is lost
 *   loss=0      frames of a million that are lost from the first to the second
 *   back=0      the same from the second to the first
 *   burst=1     how many are lost in a row, in the mean; losses are that much rarer
 *   late=0      frames of a million that come 3 ms later than they should, and so behind others
 *
 * It says "ready", and at SIGTERM for each direction "frames N lost N full N late N". Which frame is lost depends on
 * the seed and on how many went before, so two stacks meet the same losses. Only IP is lost: how soon an
 * address is asked for again is not what is measured.
 */
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include <libvdeplug.h>

#include "proto/base/list.h"
#include "proto/base/mtime.h"
#include "proto/wire/bytes.h"
#include "proto/wire/packet.h"

#define FRAME_MAX 1514u
#define MILLION   1000000u
#define LATENESS  (3 * MTIME_MS)
#define READ_MAX  64 /* Frames of one end before the other has its turn. */

struct waiting {
    struct list link;
    mtime_t due;
    size_t size;
    uint8_t bytes[FRAME_MAX];
};

/* From one end to the other. */
struct way {
    VDECONN *from, *to;
    uint32_t loss; /* Of a million. */
    uint64_t random;
    bool in_burst;
    struct list on_it; /* In the order of their times. */
    mtime_t sent;      /* When all that came has left the queue. */
    unsigned long frames, lost, full, late;
};

static struct {
    unsigned delay, rate, queue, seed, loss, back, burst, late;
} set = {.delay = 10, .rate = 1000, .queue = 1000, .seed = 1, .burst = 1};

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

static uint32_t random_below(struct way *w, uint32_t n)
{
    w->random = w->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((w->random >> 33) % n);
}

static bool is_ip(const uint8_t *frame)
{
    uint16_t type = load_be16(frame + 12);

    return type == PACKET_TYPE_IP4 || type == PACKET_TYPE_IP6;
}

/* One draw for each frame, whatever becomes of it. */
static bool is_lost(struct way *w)
{
    uint32_t draw = random_below(w, MILLION);

    if (w->in_burst)
        w->in_burst = draw >= MILLION / set.burst;
    else
        w->in_burst = draw < w->loss / set.burst;
    return w->in_burst;
}

static void put_in_order(struct way *w, struct waiting *f)
{
    struct list *at = w->on_it.prev;

    while (at != &w->on_it && list_entry(at, struct waiting, link)->due > f->due)
        at = at->prev;
    list_append(at->next, &f->link);
}

static void take(struct way *w, struct waiting *f, mtime_t now)
{
    mtime_t takes = (mtime_t)f->size * 8 / set.rate;
    bool lost, late;

    if (w->sent < now)
        w->sent = now;
    f->due = w->sent + takes + set.delay * MTIME_MS;
    if (!is_ip(f->bytes)) {
        put_in_order(w, f);
        return;
    }
    w->frames++;
    lost = is_lost(w);
    late = random_below(w, MILLION) < set.late;
    if (lost || w->sent - now > (mtime_t)(set.queue * FRAME_MAX * 8 / set.rate)) {
        w->lost += lost;
        w->full += !lost;
        free(f);
        return;
    }
    w->sent += takes;
    w->late += late;
    f->due += late ? LATENESS : 0;
    put_in_order(w, f);
}

static void read_some(struct way *w)
{
    struct pollfd readable = {.fd = vde_datafd(w->from), .events = POLLIN};

    for (int i = 0; i < READ_MAX && poll(&readable, 1, 0) == 1; i++) {
        struct waiting *f = malloc(sizeof *f);
        ssize_t n = f ? vde_recv(w->from, f->bytes, sizeof f->bytes, 0) : -1;

        if (n < 14) {
            free(f);
            continue;
        }
        f->size = (size_t)n;
        take(w, f, mtime_now());
    }
}

/* Lets go what is due; returns when the next is. */
static mtime_t deliver(struct way *w)
{
    while (!list_empty(&w->on_it)) {
        struct waiting *f = list_entry(w->on_it.next, struct waiting, link);

        if (f->due > mtime_now())
            return f->due;
        (void)!vde_send(w->to, f->bytes, f->size, 0);
        list_remove(&f->link);
        free(f);
    }
    return MTIME_NEVER;
}

static void carry(struct way ways[2])
{
    while (!stopped) {
        struct pollfd fds[] = {
            {.fd = vde_datafd(ways[0].from), .events = POLLIN},
            {.fd = vde_datafd(ways[1].from), .events = POLLIN},
        };
        mtime_t next = mtime_min(deliver(&ways[0]), deliver(&ways[1])), now = mtime_now();
        mtime_t wait = next == MTIME_NEVER ? MTIME_SEC : next > now ? next - now : 0;
        const struct timespec ts = {.tv_sec = wait / MTIME_SEC,
                                    .tv_nsec = wait % MTIME_SEC * 1000};

        if (ppoll(fds, 2, &ts, NULL) <= 0)
            continue;
        for (int i = 0; i < 2; i++) {
            if (fds[i].revents)
                read_some(&ways[i]);
        }
    }
}

static bool set_one(const char *word)
{
    static const struct {
        const char *name;
        unsigned *value;
    } keys[] = {
        {"delay", &set.delay}, {"rate", &set.rate}, {"queue", &set.queue},
        {"seed", &set.seed},   {"loss", &set.loss}, {"back", &set.back},
        {"burst", &set.burst}, {"late", &set.late},
    };

    for (unsigned i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        size_t len = strlen(keys[i].name);

        if (!strncmp(word, keys[i].name, len) && word[len] == '=') {
            *keys[i].value = (unsigned)strtoul(word + len + 1, NULL, 10);
            return true;
        }
    }
    return false;
}

static VDECONN *open_end(char *vnl)
{
    VDECONN *end = vde_open(vnl, (char[]){"loss_wire"}, NULL);

    if (!end) {
        perror(vnl);
        exit(1);
    }
    return end;
}

int main(int argc, char **argv)
{
    struct sigaction end = {.sa_handler = stop};
    struct way ways[2] = {{.from = NULL}};
    bool good = argc >= 3;

    for (int i = 3; good && i < argc; i++)
        good = set_one(argv[i]);
    if (!good || !set.rate || !set.burst) {
        fprintf(stderr, "usage: loss_wire VNL VNL [delay=MS] [rate=MBIT] [queue=FRAMES] "
                        "[seed=N] [loss=PPM] [back=PPM] [burst=N] [late=PPM]\n");
        return 2;
    }
    prctl(PR_SET_TIMERSLACK, 1);
    sigaction(SIGTERM, &end, NULL);
    ways[0].from = ways[1].to = open_end(argv[1]);
    ways[1].from = ways[0].to = open_end(argv[2]);
    ways[0].loss = set.loss;
    ways[1].loss = set.back;
    for (int i = 0; i < 2; i++) {
        list_init(&ways[i].on_it);
        ways[i].random = set.seed * 2u + (unsigned)i;
        (void)random_below(&ways[i], 2);
    }
    printf("ready\n");
    fflush(stdout);
    carry(ways);
    for (int i = 0; i < 2; i++)
        printf("frames %lu lost %lu full %lu late %lu\n", ways[i].frames, ways[i].lost,
               ways[i].full, ways[i].late);
    return 0;
}
