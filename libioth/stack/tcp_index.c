/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/stack/tcp_index.h"

#include <string.h>

#include <lwip/priv/tcp_priv.h>

#include <sodium.h>

#include "libioth/stack/settings.h"

#define BUCKETS 1024u

/* What is not touched takes no memory. */
static struct {
    struct tcp_pcb *buckets[BUCKETS];
    uint32_t users[UINT16_MAX + 1]; /* Of each local port. */
    uint32_t waiting;               /* In TIME-WAIT. */
    uint8_t key[crypto_shorthash_KEYBYTES];
    bool has_key;
} x;

/* Keyed, since the other end chooses its port. */
static uint16_t bucket_of(const ip_addr_t *local_ip, uint16_t local_port,
                          const ip_addr_t *remote_ip, uint16_t remote_port)
{
    uint8_t ends[2 * 16 + 4] = {0}, hash[crypto_shorthash_BYTES];
    uint16_t bucket;

    if (!x.has_key) {
        crypto_shorthash_keygen(x.key);
        x.has_key = true;
    }
    memcpy(ends, &local_ip->u_addr, IP_IS_V6(local_ip) ? 16 : 4);
    memcpy(ends + 16, &remote_ip->u_addr, IP_IS_V6(remote_ip) ? 16 : 4);
    memcpy(ends + 32, &local_port, 2);
    memcpy(ends + 34, &remote_port, 2);
    crypto_shorthash(hash, ends, sizeof ends, x.key);
    memcpy(&bucket, hash, sizeof bucket);
    return bucket % BUCKETS;
}

static bool has_connections(struct tcp_pcb **list)
{
    return list == &tcp_active_pcbs || list == &tcp_tw_pcbs;
}

static void unlink_pcb(const struct tcp_pcb *pcb)
{
    struct tcp_pcb **at = &x.buckets[pcb->place.bucket];

    while (*at && *at != pcb)
        at = &(*at)->place.next;
    if (*at)
        *at = pcb->place.next;
}

/* The list has the newest first. */
static void drop_older_half(void)
{
    struct tcp_pcb *last = tcp_tw_pcbs;

    for (unsigned i = 1; i < TCP_INDEX_WAITING_MAX / 2 && last->next; i++)
        last = last->next;
    tcp_forget_timewait(last);
}

void tcp_index_add(struct tcp_pcb **list, struct tcp_pcb *pcb)
{
    x.users[pcb->local_port]++;
    if (!has_connections(list))
        return;
    pcb->place.bucket =
        bucket_of(&pcb->local_ip, pcb->local_port, &pcb->remote_ip, pcb->remote_port);
    pcb->place.next = x.buckets[pcb->place.bucket];
    x.buckets[pcb->place.bucket] = pcb;
    if (list == &tcp_tw_pcbs && ++x.waiting >= TCP_INDEX_WAITING_MAX)
        drop_older_half();
}

void tcp_index_remove(struct tcp_pcb **list, struct tcp_pcb *pcb)
{
    x.users[pcb->local_port]--;
    if (list == &tcp_tw_pcbs)
        x.waiting--;
    if (has_connections(list))
        unlink_pcb(pcb);
}

struct tcp_pcb *tcp_index_find(const ip_addr_t *local_ip, uint16_t local_port,
                               const ip_addr_t *remote_ip, uint16_t remote_port,
                               uint8_t netif_index)
{
    struct tcp_pcb *pcb =
        x.buckets[bucket_of(local_ip, local_port, remote_ip, remote_port)];

    while (pcb && (pcb->local_port != local_port || pcb->remote_port != remote_port ||
                   !ip_addr_eq(&pcb->remote_ip, remote_ip) ||
                   !ip_addr_eq(&pcb->local_ip, local_ip) ||
                   (pcb->netif_idx != NETIF_NO_INDEX && pcb->netif_idx != netif_index)))
        pcb = pcb->place.next;
    return pcb;
}

void tcp_index_retire(struct tcp_pcb *pcb)
{
    unlink_pcb(pcb);
    pcb->tmr = tcp_ticks - stack_settings.time_wait / TCP_SLOW_INTERVAL - 1;
}

bool tcp_index_port_used(uint16_t port)
{
    return x.users[port];
}
