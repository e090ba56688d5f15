/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Raw unicast frames between two programs of libvdeplug, at any VNL:
 *
 *   vde_frames rx VNL               counts frames until SIGTERM, waiting in vde_recv(): "rx N SECONDS"
 *   vde_frames poll VNL             the same, but polls for each frame first, as vde_plug does
 *   vde_frames tx VNL SIZE SECONDS  sends as fast as it goes: "tx N SECONDS"
 *
 * Receivers have the MAC 02:00:00:00:00:02, the sender 02:00:00:00:00:01.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libvdeplug.h>

#include "proto/base/mtime.h"

#define SIZE_MAX_FRAME 1514u
#define SIZE_MIN_FRAME 60u
#define TX_BURST       16u /* Frames between two looks at the clock. */

static const uint8_t mac_sender[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t mac_receiver[6] = {2, 0, 0, 0, 0, 2};

static VDECONN *conn;
static unsigned long count;
static mtime_t first, last;

/* A wait in vde_recv() has no other end. */
static void report_and_end(int number)
{
    (void)number;
    printf("rx %lu %.6f\n", count, (double)(last - first) / MTIME_SEC);
    fflush(stdout);
    _Exit(0);
}

static void fill(uint8_t frame[SIZE_MAX_FRAME], const uint8_t *to, const uint8_t *from)
{
    memset(frame, 0, SIZE_MAX_FRAME);
    memcpy(frame, to, 6);
    memcpy(frame + 6, from, 6);
    frame[12] = 0x88; /* IEEE 802 local experimental. */
    frame[13] = 0xb5;
}

static void receive(bool polls)
{
    struct pollfd readable = {.fd = vde_datafd(conn), .events = POLLIN};
    struct sigaction end = {.sa_handler = report_and_end};
    uint8_t frame[SIZE_MAX_FRAME];

    sigaction(SIGTERM, &end, NULL);
    fill(frame, mac_sender, mac_receiver);
    if (vde_send(conn, frame, SIZE_MIN_FRAME, 0) < 0) /* The switch learns where we are. */
        perror("vde_send");
    for (;;) {
        ssize_t n;

        if (polls && poll(&readable, 1, -1) < 0)
            continue;
        n = vde_recv(conn, frame, sizeof frame, 0);
        if (n < (ssize_t)SIZE_MIN_FRAME || frame[12] != 0x88 || frame[13] != 0xb5)
            continue;
        last = mtime_now();
        if (count++ == 0)
            first = last;
    }
}

static void transmit(size_t size, double seconds)
{
    struct pollfd writable = {.fd = vde_datafd(conn), .events = POLLOUT};
    mtime_t start = mtime_now(), end = start + (mtime_t)(seconds * MTIME_SEC), now;
    uint8_t frame[SIZE_MAX_FRAME];

    fill(frame, mac_receiver, mac_sender);
    while ((now = mtime_now()) < end) {
        for (unsigned i = 0; i < TX_BURST; i++) {
            if (vde_send(conn, frame, size, 0) == (ssize_t)size)
                count++;
            else
                (void)poll(&writable, 1, 1);
        }
    }
    printf("tx %lu %.6f\n", count, (double)(now - start) / MTIME_SEC);
}

int main(int argc, char **argv)
{
    bool tx = argc == 5 && !strcmp(argv[1], "tx");
    bool polls = argc == 3 && !strcmp(argv[1], "poll");
    size_t size = tx ? strtoul(argv[3], NULL, 10) : 0;

    if ((!tx && !polls && (argc != 3 || strcmp(argv[1], "rx") != 0)) ||
        (tx && (size < SIZE_MIN_FRAME || size > SIZE_MAX_FRAME))) {
        fprintf(stderr, "usage: vde_frames rx|poll VNL\n"
                        "       vde_frames tx VNL SIZE SECONDS\n");
        return 2;
    }
    conn = vde_open(argv[2], (char[]){"vde_frames"}, NULL);
    if (!conn) {
        perror(argv[2]);
        return 1;
    }
    if (tx)
        transmit(size, strtod(argv[4], NULL));
    else
        receive(polls);
    vde_close(conn);
    return 0;
}
