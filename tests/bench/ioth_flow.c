/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One end of a TCP flow through ioth.h, on a stack of any kind:
 *
 *   ioth_flow sink   STACK VNL ADDR/LEN PORT                         accepts one flow, tells what came
 *   ioth_flow source STACK VNL ADDR/LEN PORT PEER BLOCK SECONDS      sends
 *   ioth_flow echo   STACK VNL ADDR/LEN PORT                         sends everything back
 *   ioth_flow rtt    STACK VNL ADDR/LEN PORT PEER BLOCK COUNT        round trips of BLOCK bytes
 *   ioth_flow drop   STACK VNL ADDR/LEN PORT                         accepts and closes
 *   ioth_flow dial   STACK VNL ADDR/LEN PORT PEER BLOCK SECONDS      connects and closes, one after another
 *
 * STACK "kernel" with VNL and ADDR/LEN "-" is the host's, "kernel:reno" with that congestion control. The results are one line each:
 *   bytes N seconds S cpu_ns_per_kib C      rtt p50_us p99_us mean_us count      dials N seconds S
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libioth/api/ioth.h"
#include "proto/base/mtime.h"
#include "tests/bench/ends.h"

#define BLOCK_MAX (1u << 20)
#define READ_SIZE (64u << 10) /* The block that the benchmarks send. */

static uint8_t block[BLOCK_MAX];

static void report(double bytes, mtime_t took, double cpu)
{
    printf("bytes %.0f seconds %.6f cpu_ns_per_kib %.1f\n", bytes, (double)took / MTIME_SEC,
           bytes > 0 ? cpu * 1e9 / (bytes / 1024) : 0.0);
}

static void sink(int fd)
{
    double bytes = 0, cpu = ends_cpu_seconds();
    mtime_t start = mtime_now();
    ssize_t n;

    while ((n = ioth_recv(fd, block, READ_SIZE, 0)) > 0)
        bytes += (double)n;
    if (n < 0)
        ends_fail("receiving");
    report(bytes, mtime_now() - start, ends_cpu_seconds() - cpu);
}

static void source(int fd, size_t size, double seconds)
{
    double bytes = 0, cpu = ends_cpu_seconds();
    mtime_t start = mtime_now(), end = start + (mtime_t)(seconds * MTIME_SEC);

    while (mtime_now() < end) {
        ssize_t n = ioth_send(fd, block, size, 0);

        if (n < 0)
            ends_fail("sending");
        bytes += (double)n;
    }
    ioth_shutdown(fd, SHUT_WR);
    while (ioth_recv(fd, block, sizeof block, 0) > 0)
        ; /* Until the other end has it all and closes. */
    report(bytes, mtime_now() - start, ends_cpu_seconds() - cpu);
}

static void echo(int fd)
{
    ssize_t n;

    ioth_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    while ((n = ioth_recv(fd, block, sizeof block, 0)) > 0) {
        if (ioth_send(fd, block, (size_t)n, 0) != n)
            ends_fail("sending");
    }
}

static int compare(const void *a, const void *b)
{
    mtime_t x = *(const mtime_t *)a, y = *(const mtime_t *)b;

    return (x > y) - (x < y);
}

static void rtt(int fd, size_t size, unsigned count)
{
    mtime_t *took = calloc(count, sizeof *took), sum = 0;

    for (unsigned i = 0; took && i < count; i++) {
        mtime_t start = mtime_now();

        if (ioth_send(fd, block, size, 0) != (ssize_t)size ||
            ioth_recv(fd, block, size, MSG_WAITALL) != (ssize_t)size)
            ends_fail("round trip");
        took[i] = mtime_now() - start;
        sum += took[i];
    }
    if (took && count) {
        qsort(took, count, sizeof *took, compare);
        printf("rtt %.1f %.1f %.1f %u\n", (double)took[count / 2],
               (double)took[count * 99 / 100], (double)sum / count, count);
    }
    free(took);
}

static void dials(struct ioth *stack, const char *peer, const char *port, double seconds)
{
    mtime_t start = mtime_now(), end = start + (mtime_t)(seconds * MTIME_SEC);
    unsigned long n = 0;

    for (; mtime_now() < end; n++)
        ioth_close(ends_dial(stack, peer, port));
    printf("dials %lu seconds %.6f\n", n, (double)(mtime_now() - start) / MTIME_SEC);
}

int main(int argc, char **argv)
{
    struct ioth *stack;
    int fd;

    if (argc != 6 && argc != 9) {
        fprintf(stderr,
                "usage: ioth_flow sink|source|echo|rtt|drop|dial STACK VNL ADDR/LEN PORT "
                "[PEER BLOCK SECONDS|COUNT]\n");
        return 2;
    }
    stack = ends_stack(argv[2], argv[3], argv[4]);
    if (argc == 6) {
        int door = ends_listen(stack, argv[4], argv[5]);

        while ((fd = ioth_accept(door, NULL, NULL)) >= 0) {
            if (!strcmp(argv[1], "sink"))
                sink(fd);
            else if (!strcmp(argv[1], "echo"))
                echo(fd);
            ioth_close(fd);
            if (strcmp(argv[1], "drop") != 0)
                break;
        }
        ioth_close(door);
    } else if (!strcmp(argv[1], "dial")) {
        dials(stack, argv[6], argv[5], strtod(argv[8], NULL));
    } else {
        size_t size = strtoul(argv[7], NULL, 10);

        if (size < 1 || size > sizeof block)
            return 2;
        fd = ends_dial(stack, argv[6], argv[5]);
        if (!strcmp(argv[1], "source"))
            source(fd, size, strtod(argv[8], NULL));
        else
            rtt(fd, size, (unsigned)strtoul(argv[8], NULL, 10));
        ioth_close(fd);
    }
    if (stack != ioth_newstack(NULL, NULL))
        ioth_delstack(stack);
    return 0;
}
