/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* TCP_INFO: what is known of a connection, in Linux's words. What is not known here is 0. */
#include <netinet/in.h>
#include <string.h>

/* The system's, whose names are not lwIP's. */
#include <linux/tcp.h>

#include <lwip/priv/tcp_priv.h>

#include "libioth/sockets/ipopt.h"
#include "libioth/sockets/tcp.h"
#include "libioth/stack/pmtu.h"

#define US_PER_MS    1000u
#define NO_SSTHRESH  0x7fffffffu
#define REORDERING   3u
#define HEADERS_OF_4 40u
#define HEADERS_OF_6 60u

/* The kernel's numbers of states. */
enum {
    ST_ESTABLISHED = 1,
    ST_SYN_SENT,
    ST_SYN_RECV,
    ST_FIN_WAIT1,
    ST_FIN_WAIT2,
    ST_TIME_WAIT,
    ST_CLOSE,
    ST_CLOSE_WAIT,
    ST_LAST_ACK,
    ST_LISTEN,
    ST_CLOSING,
};

static uint8_t state_of(const struct tcp_sock *t)
{
    static const uint8_t states[] = {
        [CLOSED] = ST_CLOSE,
        [LISTEN] = ST_LISTEN,
        [SYN_SENT] = ST_SYN_SENT,
        [SYN_RCVD] = ST_SYN_RECV,
        [ESTABLISHED] = ST_ESTABLISHED,
        [FIN_WAIT_1] = ST_FIN_WAIT1,
        [FIN_WAIT_2] = ST_FIN_WAIT2,
        [CLOSE_WAIT] = ST_CLOSE_WAIT,
        [CLOSING] = ST_CLOSING,
        [LAST_ACK] = ST_LAST_ACK,
        [TIME_WAIT] = ST_TIME_WAIT,
    };

    return t->pcb ? states[t->pcb->state] : ST_CLOSE;
}

/* Segments, one that is begun counts. */
static uint32_t segments(const struct tcp_pcb *pcb, uint32_t bytes)
{
    return pcb->mss ? (bytes + pcb->mss - 1) / pcb->mss : 0;
}

static void tell_timers(const struct tcp_pcb *pcb, struct tcp_info *i)
{
    uint32_t idle = (tcp_ticks - pcb->tmr) * TCP_SLOW_INTERVAL;

    i->tcpi_retransmits = pcb->nrtx;
    i->tcpi_probes = pcb->persist_backoff ? pcb->persist_probe : pcb->keep_cnt_sent;
    i->tcpi_backoff = pcb->persist_backoff ? pcb->persist_backoff - 1u : pcb->nrtx;
    i->tcpi_rto = (uint32_t)pcb->rto * TCP_SLOW_INTERVAL * US_PER_MS;
    i->tcpi_ato = pcb->limits.ack_delay * US_PER_MS;
    i->tcpi_last_data_recv = i->tcpi_last_ack_recv = idle;
    i->tcpi_rtt = (uint32_t)pcb->sa / 8 * US_PER_MS;
    i->tcpi_rttvar = (uint32_t)pcb->sv / 4 * US_PER_MS;
    i->tcpi_total_retrans = pcb->recovery.resent;
    i->tcpi_bytes_retrans = pcb->recovery.resent_bytes;
}

static void tell_sending(const struct tcp_pcb *pcb, struct tcp_info *i)
{
    i->tcpi_ca_state = pcb->flags & TF_RTO    ? TCP_CA_Loss
                       : pcb->flags & TF_INFR ? TCP_CA_Recovery
                       : pcb->dupacks         ? TCP_CA_Disorder
                                              : TCP_CA_Open;
    i->tcpi_snd_mss = pcb->mss;
    i->tcpi_snd_cwnd = segments(pcb, pcb->cwnd);
    i->tcpi_snd_ssthresh =
        pcb->ssthresh >= TCP_SND_BUF ? NO_SSTHRESH : segments(pcb, pcb->ssthresh);
    i->tcpi_unacked = segments(pcb, pcb->snd_nxt - pcb->lastack);
    i->tcpi_sacked = segments(pcb, pcb->recovery.sacked.bytes);
    i->tcpi_notsent_bytes = pcb->snd_lbb - pcb->snd_nxt;
    i->tcpi_snd_wnd = pcb->snd_wnd;
    i->tcpi_reordering = REORDERING;
}

static void tell_receiving(const struct tcp_pcb *pcb, struct tcp_info *i)
{
    i->tcpi_rcv_mss = pcb->mss;
    i->tcpi_advmss = tcp_limits_mss(
        &pcb->limits, tcp_eff_send_mss(TCP_MSS, &pcb->local_ip, &pcb->remote_ip));
    i->tcpi_pmtu =
        i->tcpi_advmss + (IP_IS_V6(&pcb->remote_ip) ? HEADERS_OF_6 : HEADERS_OF_4);
    i->tcpi_rcv_ssthresh = i->tcpi_rcv_space = pcb->limits.rcv_max;
}

void tcp_sock_info(const struct tcp_sock *t, struct tcp_info *i)
{
    const struct tcp_pcb *pcb = t->state == TCP_SOCK_LISTENING ? NULL : t->pcb;

    memset(i, 0, sizeof *i);
    i->tcpi_state = state_of(t);
    i->tcpi_bytes_acked = t->n_acked;
    i->tcpi_bytes_received = t->n_received;
    if (!pcb)
        return;
    if (pcb->flags & TF_WND_SCALE) {
        i->tcpi_options |= TCPI_OPT_WSCALE;
        i->tcpi_snd_wscale = pcb->snd_scale & 0xfu;
        i->tcpi_rcv_wscale = pcb->rcv_scale & 0xfu;
    }
    if (pcb->flags & TF_SACK)
        i->tcpi_options |= TCPI_OPT_SACK;
    tell_timers(pcb, i);
    tell_sending(pcb, i);
    if (pcb->state > SYN_SENT)
        tell_receiving(pcb, i);
}
