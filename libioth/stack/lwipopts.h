/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lwIP's options. One copy of lwIP is one stack: its globals are the stack's. No operating system
 * layer and none of its APIs but the raw one; whoever holds the stack's lock drives it
 * (libioth/stack/drive.h), with timers of our own. Figures are per stack, memory is the heap's.
 */
#ifndef LIBIOTH_STACK_LWIPOPTS_H
#define LIBIOTH_STACK_LWIPOPTS_H

#define NO_SYS               1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN         0
#define LWIP_SOCKET          0
#define LWIP_TIMERS          1
#define LWIP_TIMERS_CUSTOM   1 /* libioth/stack/timers.c */
#define LWIP_DNS             0
#define LWIP_STATS           0

#define MEM_LIBC_MALLOC                 1
#define MEMP_MEM_MALLOC                 1
#define MEM_ALIGNMENT                   8
#define LWIP_SUPPORT_CUSTOM_PBUF        1
#define LWIP_DISABLE_TCP_SANITY_CHECKS  1 /* They count pools, and an MSS below 16 K. */
#define LWIP_DISABLE_MEMP_SANITY_CHECKS 1

/* Superframes: what the port or the switch cuts a segment into, 0 for all others. A pbuf that
 * refers to a socket's send buffer is copied where it has to wait for an address: it may outlive
 * the socket. */
#define LWIP_PBUF_CUSTOM_DATA         u16_t gso_size;
#define LWIP_PBUF_CUSTOM_DATA_INIT(p) (p)->gso_size = 0
#define PBUF_NEEDS_COPY(p)            (!((p)->type_internal & PBUF_TYPE_FLAG_STRUCT_DATA_CONTIGUOUS))
#define TCP_SUPER_MAX                 65400 /* With all headers below 64 KiB, which a pbuf counts to. */

/* Interfaces; `lo` is there from the start. */
#define LWIP_HAVE_LOOPIF             1
#define LWIP_NETIF_LOOPBACK          1
#define LWIP_LOOPBACK_MAX_PBUFS      256
#define LWIP_MULTICAST_TX_OPTIONS    1
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1
#define LWIP_ARP_FILTER_NETIF        0
#define LWIP_SINGLE_NETIF            0

#define LWIP_IPV4                     1
#define IP_FORWARD                    0
#define IP_REASSEMBLY                 1
#define IP_REASS_MAX_PBUFS            256
#define MEMP_NUM_REASSDATA            16
#define IP_SOF_BROADCAST              1
#define IP_SOF_BROADCAST_RECV         0
#define LWIP_ICMP                     1
#define LWIP_BROADCAST_PING           0
#define LWIP_MULTICAST_PING           0
#define LWIP_IGMP                     1
#define MEMP_NUM_IGMP_GROUP           64
#define LWIP_RAW                      1
#define LWIP_ARP                      1
#define ARP_TABLE_SIZE                127
#define ARP_QUEUEING                  1
#define ARP_QUEUE_LEN                 16
#define MEMP_NUM_ARP_QUEUE            256
#define ETHARP_SUPPORT_STATIC_ENTRIES 1
#define LWIP_DHCP                     1
#define LWIP_DHCP_DOES_ACD_CHECK      0
#define LWIP_ACD                      0

#define LWIP_IPV6                     1
#define LWIP_IPV6_REASS               1
#define LWIP_IPV6_NUM_ADDRESSES       8
#define IPV6_FRAG_COPYHEADER          1 /* Required where pointers have 64 bits. */
#define LWIP_IPV6_DUP_DETECT_ATTEMPTS 1
#define LWIP_IPV6_AUTOCONFIG          1
#define LWIP_IPV6_SEND_ROUTER_SOLICIT 1
#define LWIP_IPV6_DHCP6               0
#define LWIP_IPV6_MLD                 1
#define MEMP_NUM_MLD6_GROUP           64
#define LWIP_ND6_NUM_NEIGHBORS        64
#define LWIP_ND6_NUM_DESTINATIONS     64
#define LWIP_ND6_NUM_PREFIXES         8
#define LWIP_ND6_NUM_ROUTERS          4
#define LWIP_ND6_QUEUEING             1
#define MEMP_NUM_ND6_QUEUE            64
#define MEMP_NUM_MLD6_GROUP           64

#define LWIP_UDP             1
#define LWIP_NETBUF_RECVINFO 1
#define SO_REUSE             1
#define SO_REUSE_RXTOALL     1

/* TCP. The MSS is what fits one superframe; what a peer is told follows its interface's MTU, what
 * it is sent follows its own. Ticks are short, since its time-outs are counted in them. */
#define LWIP_TCP                   1
#define TCP_MSS                    65400
#define TCP_CALCULATE_EFF_SEND_MSS 1
#define LWIP_WND_SCALE             1
#define TCP_RCV_SCALE              7
#define TCP_WND                    (1024 * 1024) /* What lwIP checks; tcp_limits.h has a connection's. */
#define TCP_SND_BUF                (2 * 1024 * 1024)
#define TCP_SND_QUEUELEN           16384
#define MEMP_NUM_TCP_SEG           TCP_SND_QUEUELEN
#define TCP_SNDLOWAT               (TCP_SND_BUF / 4)
#define TCP_SNDQUEUELOWAT          (TCP_SND_QUEUELEN / 2)
#define TCP_OVERSIZE               0
#define TCP_QUEUE_OOSEQ            1
/* Of what came out of order: as much as the window takes, and not in ever so small pieces. */
#define TCP_OOSEQ_BYTES_LIMIT(pcb)    ((pcb)->limits.rcv_max)
#define TCP_OOSEQ_PBUFS_LIMIT(pcb)    ((u16_t)(64 + (pcb)->limits.rcv_max / 256))
#define LWIP_TCP_SACK_OUT             1
#define LWIP_TCP_TIMESTAMPS           0
#define LWIP_TCP_KEEPALIVE            1
#define TCP_LISTEN_BACKLOG            1
#define TCP_WND_UPDATE_THRESHOLD(pcb) ((pcb)->limits.rcv_max / 4)
#define TCP_TMR_INTERVAL              10 /* ms: delayed ACKs; twice that, retransmission. */
#define TCP_MAXRTX                    12
#define TCP_MSL                       2000 /* ms, of LAST-ACK. */
/* RFC 6928. */
#define LWIP_TCP_CALC_INITIAL_CWND(mss)                                                    \
    ((tcpwnd_size_t)LWIP_MIN(10U * (mss), LWIP_MAX(2U * (mss), 14600U)))

#define LWIP_CHECKSUM_ON_COPY 0
#define LWIP_CHKSUM           lwip_checksum /* The sum of proto/wire, which is faster. */

/* Here and not in hooks.h, since it decides what lwIP's headers declare. Without a source lwIP has found no way. */
#define LWIP_HOOK_IP4_ROUTE_SRC(src, dst) ((src) ? route_own4(dst) : route_ip4(dst))
#define LWIP_HOOK_FILENAME                "libioth/stack/hooks.h"

#endif
