/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Raw unicast frames between two processes on ring ports, the counterpart of the peers' vdepps:
 *
 *   ringpps rx RUN NET               counts frames until SIGTERM: "rx N SECONDS"
 *   ringpps tx RUN NET SIZE SECONDS  sends as fast as the ring takes: "tx N SECONDS"
 *   ringpps pace RUN NET SIZE SECONDS PPS  the same at a set pace; what finds no room is dropped
 *   ringpps echo RUN NET             sends every frame back
 *   ringpps rtt RUN NET SIZE COUNT   "rtt P50_US P99_US N"
 *
 * rx and echo have the MAC 02:00:00:00:00:02, tx and rtt 02:00:00:00:00:01.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libioth/plug/plug.h"
#include "proto/base/mtime.h"

#define SIZE_MAX_FRAME 1514u

static volatile sig_atomic_t stopped;

static const uint8_t mac_sender[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t mac_receiver[6] = {2, 0, 0, 0, 0, 2};

static void stop(int signal)
{
    (void)signal;
    stopped = 1;
}

static void frame_fill(uint8_t bytes[SIZE_MAX_FRAME], const uint8_t *to,
                       const uint8_t *from)
{
    memset(bytes, 0, SIZE_MAX_FRAME);
    memcpy(bytes, to, 6);
    memcpy(bytes + 6, from, 6);
    bytes[12] = 0x88; /* IEEE 802 local experimental. */
    bytes[13] = 0xb5;
}

static struct plug *plug_in(const char *run_dir, const char *net)
{
    struct plug_request request = {.caps = FRAME_CAP_ALL};
    struct plug_reply reply;
    struct plug *plug;
    struct err err = {0};
    char path[256];

    snprintf(path, sizeof path, "%s/plug.sock", run_dir);
    snprintf(request.network, sizeof request.network, "%s", net);
    if (plug_ring(path, &request, &reply, &plug, &err) < 0) {
        fprintf(stderr, "ringpps: %s\n", err.why);
        exit(1);
    }
    return plug;
}

/* Makes the switch learn where `from` is. */
static void say_hello(struct plug *plug, const uint8_t *to, const uint8_t *from)
{
    uint8_t bytes[SIZE_MAX_FRAME];
    struct frame f = {.data = bytes, .size = 60};

    frame_fill(bytes, to, from);
    (void)!plug_send(plug, &f, 1);
}

static int receive(struct plug *plug)
{
    struct frame frames[FRAME_BURST];
    unsigned long count = 0;
    mtime_t first = 0, last = 0;

    say_hello(plug, mac_sender, mac_receiver);
    while (!stopped) {
        int n = plug_recv(plug, frames, FRAME_BURST);

        if (n > 0) {
            last = mtime_now();
            if (!count)
                first = last;
            count += (unsigned)n;
            plug_recv_done(plug);
        } else if (n < 0 || plug_wait(plug, 100) < 0) {
            return 1;
        }
    }
    printf("rx %lu %.6f\n", count, (double)(last - first) / MTIME_SEC);
    return 0;
}

static int transmit(struct plug *plug, uint32_t size, double seconds)
{
    static uint8_t bytes[SIZE_MAX_FRAME];
    struct frame frames[FRAME_BURST];
    unsigned long count = 0;
    mtime_t start = mtime_now();
    mtime_t end = start + (mtime_t)(seconds * MTIME_SEC);
    mtime_t now = start;

    frame_fill(bytes, mac_receiver, mac_sender);
    for (unsigned i = 0; i < FRAME_BURST; i++)
        frames[i] = (struct frame){.data = bytes, .size = size};
    while (!stopped && now < end) {
        for (unsigned i = 0; i < 16; i++) {
            int n = plug_send(plug, frames, FRAME_BURST);

            if (n < 0)
                return 1;
            count += (unsigned)n;
            if (n < (int)FRAME_BURST && plug_wait_room(plug, size, 100) < 0)
                return 1;
        }
        now = mtime_now();
    }
    printf("tx %lu %.6f\n", count, (double)(now - start) / MTIME_SEC);
    return 0;
}

static int echo(struct plug *plug)
{
    uint8_t bytes[SIZE_MAX_FRAME];
    struct frame frames[FRAME_BURST];

    frame_fill(bytes, mac_sender, mac_receiver);
    say_hello(plug, mac_sender, mac_receiver);
    while (!stopped) {
        int n = plug_recv(plug, frames, FRAME_BURST);

        for (int i = 0; i < n; i++) {
            struct frame answer = {.data = bytes, .size = frames[i].size};

            (void)!plug_send(plug, &answer, 1);
        }
        if (n > 0)
            plug_recv_done(plug);
        else if (n < 0 || plug_wait(plug, 100) < 0)
            return 1;
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    mtime_t x = *(const mtime_t *)a, y = *(const mtime_t *)b;

    return (x > y) - (x < y);
}

static bool one_round(struct plug *plug, uint32_t size, mtime_t *took)
{
    uint8_t bytes[SIZE_MAX_FRAME];
    struct frame frames[FRAME_BURST];
    struct frame ping = {.data = bytes, .size = size};
    mtime_t start = mtime_now();

    frame_fill(bytes, mac_receiver, mac_sender);
    if (plug_send(plug, &ping, 1) != 1)
        return false;
    while (plug_wait(plug, 200) > 0) {
        int n = plug_recv(plug, frames, FRAME_BURST);
        bool ours = n > 0 && !memcmp(frames[0].data, mac_sender, 6);

        if (n < 0)
            return false;
        plug_recv_done(plug);
        if (ours) {
            *took = mtime_now() - start;
            return true;
        }
    }
    return false;
}

static int round_trips(struct plug *plug, uint32_t size, unsigned count)
{
    mtime_t *took = calloc(count, sizeof *took);
    unsigned n = 0;

    for (unsigned i = 0; took && i < count && !stopped; i++) {
        if (one_round(plug, size, &took[n]))
            n++;
    }
    if (n) {
        qsort(took, n, sizeof *took, compare);
        printf("rtt %.1f %.1f %u\n", (double)took[n / 2], (double)took[n * 99 / 100], n);
    }
    free(took);
    return n ? 0 : 1;
}

/* Every millisecond what is due by then. A receiver that is behind slows nothing down: it misses. */
static int transmit_paced(struct plug *plug, uint32_t size, double seconds, double pps)
{
    static uint8_t bytes[SIZE_MAX_FRAME];
    struct frame frames[FRAME_BURST];
    unsigned long due, count = 0, sent = 0;
    mtime_t start = mtime_now(), now = start;
    mtime_t end = start + (mtime_t)(seconds * MTIME_SEC);

    frame_fill(bytes, mac_receiver, mac_sender);
    for (unsigned i = 0; i < FRAME_BURST; i++)
        frames[i] = (struct frame){.data = bytes, .size = size};
    for (; !stopped && now < end; now = mtime_now()) {
        due = (unsigned long)((double)(now - start) / MTIME_SEC * pps);
        while (count < due) {
            unsigned burst =
                due - count < FRAME_BURST ? (unsigned)(due - count) : FRAME_BURST;
            int n = plug_send(plug, frames, burst);

            if (n < 0)
                return 1;
            count += burst;
            sent += (unsigned)n;
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    printf("tx %lu %.6f\n", sent, (double)(now - start) / MTIME_SEC);
    return 0;
}

int main(int argc, char **argv)
{
    struct sigaction on_end = {.sa_handler = stop};
    bool has_size = argc == 6 || argc == 7;
    uint32_t size = has_size ? (uint32_t)strtoul(argv[4], NULL, 10) : 0;
    struct plug *plug;
    int status = 2;

    if (argc < 4 || (has_size && (size < 14 || size > SIZE_MAX_FRAME))) {
        fprintf(stderr,
                "usage: ringpps rx|tx|pace|echo|rtt RUN NET [SIZE SECONDS|COUNT [PPS]]\n");
        return 2;
    }
    sigaction(SIGTERM, &on_end, NULL);
    plug = plug_in(argv[2], argv[3]);
    if (!strcmp(argv[1], "rx"))
        status = receive(plug);
    else if (!strcmp(argv[1], "echo"))
        status = echo(plug);
    else if (!strcmp(argv[1], "tx") && has_size)
        status = transmit(plug, size, strtod(argv[5], NULL));
    else if (!strcmp(argv[1], "pace") && argc == 7)
        status = transmit_paced(plug, size, strtod(argv[5], NULL), strtod(argv[6], NULL));
    else if (!strcmp(argv[1], "rtt") && has_size)
        status = round_trips(plug, size, (unsigned)strtoul(argv[5], NULL, 10));
    plug_free(plug);
    return status;
}
