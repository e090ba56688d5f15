/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the pieces of the data path cost by themselves, on one core and in cache:
 *
 *     bench_wire [MILLISECONDS]       for each row; 200 unless told
 *
 * One line a row: name, operations a second, nanoseconds each, gigabytes of frames a second.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libioth/plug/ringmap.h"
#include "proto/base/mtime.h"
#include "proto/wire/bytes.h"
#include "proto/wire/checksum.h"
#include "proto/wire/coalesce.h"
#include "proto/wire/segment.h"
#include "proto/wire/vnet.h"

#define BATCH 32u

static uint8_t bytes[FRAME_SUPER_MAX];
static uint8_t scratch[3 * FRAME_SUPER_MAX];
static uint64_t kept; /* So that no result is thrown away. */

/* One round of a row; returns how many operations it was. */
typedef unsigned round_fn(void *aux);

static void row(const char *name, round_fn *once, void *aux, uint32_t size, mtime_t span)
{
    mtime_t start = mtime_now(), now = start;
    uint64_t done = 0;
    double seconds, rate;

    while (now - start < span) {
        for (unsigned i = 0; i < 16; i++)
            done += once(aux);
        now = mtime_now();
    }
    seconds = (double)(now - start) / MTIME_SEC;
    rate = (double)done / seconds;
    printf("%-34s %9.3f M/s %9.1f ns %8.2f GB/s\n", name, rate / 1e6, 1e9 / rate,
           rate * size / 1e9);
}

static unsigned sum_1460(void *aux)
{
    (void)aux;
    kept += checksum_add(kept & 0xff, bytes, 1460);
    return 1;
}

static unsigned sum_64k(void *aux)
{
    (void)aux;
    kept += checksum_add(kept & 0xff, bytes, 65536 - 64);
    return 1;
}

static unsigned sum_20(void *aux)
{
    (void)aux;
    kept += checksum_add(kept & 0xff, bytes, 20);
    return 1;
}

/* A TCP frame over IPv4 with an open checksum, from the bytes that are there. */
static struct frame tcp(uint32_t payload, uint16_t gso_size)
{
    struct frame f = {.data = bytes,
                      .size = 54 + payload,
                      .gso = gso_size ? FRAME_GSO_TCP4 : FRAME_GSO_NONE,
                      .gso_size = gso_size,
                      .flags = FRAME_NEEDS_CSUM,
                      .csum_start = 34,
                      .csum_ofs = 16};
    struct packet pk;

    store_be16(bytes + 12, PACKET_TYPE_IP4);
    store_be32(bytes + 14, 0x45000000u | (40 + payload));
    store_be32(bytes + 18, 0x00014000);
    store_be32(bytes + 22, 0x40060000);
    store_be32(bytes + 46, 0x50107fff);
    if (packet_parse(bytes, f.size, &pk) < 0 || frame_check(&f) < 0)
        abort();
    checksum_set_ip4(bytes, &pk);
    store_be16(bytes + 50, checksum_fold(checksum_pseudo(bytes, &pk, 20 + payload)));
    return f;
}

static unsigned parse(void *aux)
{
    const struct frame *f = aux;
    struct packet pk;

    kept += (uint64_t)packet_parse(f->data, f->size, &pk) + pk.payload_ofs;
    return 1;
}

static unsigned claims(void *aux)
{
    const struct frame *f = aux;
    struct packet_claim list[PACKET_CLAIMS_MAX];

    kept += (uint64_t)packet_claims(f->data, f->size, list);
    return 1;
}

static unsigned complete(void *aux)
{
    struct frame f = *(const struct frame *)aux;

    checksum_complete(&f);
    return 1;
}

static unsigned cut_headers(void *aux)
{
    struct segmenter s;
    struct segment seg;

    if (segment_init(&s, aux, 0, SEGMENT_OPEN_CSUM) < 0)
        abort();
    while (segment_next(&s, &seg))
        kept += seg.payload_size;
    return 1;
}

static unsigned cut(void *aux)
{
    struct frame frames[FRAME_BURST];
    struct segmenter s;

    if (segment_init(&s, aux, 0, 0) < 0)
        abort();
    kept += segment_fill(&s, scratch, sizeof scratch, frames, FRAME_BURST, NULL);
    return 1;
}

static unsigned cut_and_merge(void *aux)
{
    struct frame frames[FRAME_BURST];
    struct segmenter s;
    unsigned n;

    if (segment_init(&s, aux, 0, SEGMENT_OPEN_CSUM) < 0)
        abort();
    n = segment_fill(&s, scratch, sizeof scratch, frames, FRAME_BURST, NULL);
    if (coalesce(frames, n) != 1)
        abort();
    return 1;
}

struct hop {
    struct ringmap from, to;
    struct frame f;
};

static unsigned hop_get(void *aux)
{
    struct hop *h = aux;
    struct frame frames[BATCH];
    size_t used;
    int n;

    for (unsigned i = 0; i < BATCH; i++) {
        if (ring_put(&h->from.tx, &h->f) < 0)
            break;
    }
    kept += ring_publish(&h->from.tx);
    n = ring_get(&h->to.rx, scratch, sizeof scratch, &used, frames, BATCH);
    kept += frames[0].data[0];
    kept += ring_release(&h->to.rx);
    return (unsigned)n;
}

static unsigned hop_peek(void *aux)
{
    struct hop *h = aux;
    struct frame frames[BATCH];
    int n;

    for (unsigned i = 0; i < BATCH; i++) {
        if (ring_put(&h->from.tx, &h->f) < 0)
            break;
    }
    kept += ring_publish(&h->from.tx);
    n = ring_peek(&h->to.rx, frames, BATCH);
    for (int i = 0; i < n; i++)
        kept += frames[i].data[0];
    kept += ring_release(&h->to.rx);
    return (unsigned)n;
}

struct producer {
    struct hop *hop;
    volatile bool stop;
};

static void *produce(void *aux)
{
    struct producer *p = aux;

    while (!p->stop) {
        unsigned n = 0;

        while (n < BATCH && ring_put(&p->hop->from.tx, &p->hop->f) == 0)
            n++;
        (void)ring_publish(&p->hop->from.tx);
        if (n == 0)
            sched_yield();
    }
    return NULL;
}

static unsigned consume(void *aux)
{
    struct hop *h = aux;
    struct frame frames[FRAME_BURST];
    size_t used;
    int n = ring_get(&h->to.rx, scratch, sizeof scratch, &used, frames, FRAME_BURST);

    kept += ring_release(&h->to.rx);
    if (n == 0)
        sched_yield();
    return (unsigned)n;
}

static void ring_rows(mtime_t span)
{
    static const uint32_t sizes[] = {60, 1514, 65000};
    char name[64];

    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct hop hop = {.f = {.data = bytes, .size = sizes[i]}};
        struct producer producer = {.hop = &hop};
        pthread_t thread;
        int fd = ringmap_create(RING_SIZE_DEFAULT);

        if (fd < 0 || ringmap_attach(&hop.from, fd, RINGMAP_CLIENT) < 0 ||
            ringmap_attach(&hop.to, fd, RINGMAP_DAEMON) < 0)
            abort();
        close(fd);
        snprintf(name, sizeof name, "ring put+peek, %u bytes", sizes[i]);
        row(name, hop_peek, &hop, sizes[i], span);
        snprintf(name, sizeof name, "ring put+get, %u bytes", sizes[i]);
        row(name, hop_get, &hop, sizes[i], span);
        if (pthread_create(&thread, NULL, produce, &producer) != 0)
            abort();
        snprintf(name, sizeof name, "ring, two threads, %u bytes", sizes[i]);
        row(name, consume, &hop, sizes[i], span);
        producer.stop = true;
        pthread_join(thread, NULL);
        ringmap_done(&hop.from);
        ringmap_done(&hop.to);
    }
}

int main(int argc, char **argv)
{
    mtime_t span = (argc > 1 ? strtol(argv[1], NULL, 10) : 200) * MTIME_MS;
    struct frame f;

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    row("checksum, 20 bytes", sum_20, NULL, 20, span);
    row("checksum, 1460 bytes", sum_1460, NULL, 1460, span);
    row("checksum, 64 KiB", sum_64k, NULL, 65536, span);
    f = tcp(1460, 0);
    row("parse", parse, &f, f.size, span);
    row("claims", claims, &f, f.size, span);
    row("complete a checksum, 1514 bytes", complete, &f, f.size, span);
    f = tcp(64240, 1460);
    row("cut 44 segments, headers", cut_headers, &f, f.size, span);
    row("cut 44 segments, copied", cut, &f, f.size, span);
    row("cut and merge 44 segments", cut_and_merge, &f, f.size, span);
    ring_rows(span);
    return kept == 1;
}
