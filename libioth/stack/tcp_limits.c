/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/stack/tcp_limits.h"

#include <lwip/priv/tcp_priv.h>
#include <lwip/sys.h>

#include "libioth/stack/rate.h"
#include "libioth/stack/settings.h"
#include "libioth/stack/timers.h"

struct tcp_limits tcp_limits_default(void)
{
    const struct stack_settings *s = &stack_settings;

    return (struct tcp_limits){
        .rcv_max = s->rcv_size,
        .user_timeout = s->user_timeout,
        .ack_delay = s->ack_delay,
        .fin_wait = TCP_FIN_WAIT_TIMEOUT,
        .syn_retries = (uint8_t)s->syn_retries,
    };
}

void tcp_limits_set(struct tcp_limits *l, const struct tcp_limits *from)
{
    l->user_timeout = from->user_timeout;
    l->ack_delay = from->ack_delay;
    l->fin_wait = from->fin_wait;
    l->mss = from->mss;
    l->syn_retries = from->syn_retries;
}

bool tcp_limits_exceeded(const struct tcp_pcb *pcb)
{
    const struct tcp_limits *l = &pcb->limits;

    return l->user_timeout && (pcb->rtime >= 0 || pcb->persist_backoff) &&
           sys_now() - l->waits_since >= l->user_timeout;
}

bool tcp_limits_ack_due(const struct tcp_pcb *pcb)
{
    /* What could not be sent goes as soon as it can. */
    return pcb->flags & TF_ACK_NOW ||
           sys_now() - pcb->limits.ack_since + TCP_TMR_INTERVAL / 2 >=
               pcb->limits.ack_delay;
}

bool tcp_limits_may_send(const struct tcp_pcb *pcb)
{
    return !stack_settings.rate || ip_addr_isloopback(&pcb->remote_ip) ||
           ip_addr_eq(&pcb->local_ip, &pcb->remote_ip) ||
           rate_allows(RATE_TCP, timers_now());
}

uint16_t tcp_limits_super(const struct tcp_pcb *pcb)
{
    uint32_t most = rate_segment(TCP_SUPER_MAX) / pcb->mss * pcb->mss;

    return most ? (uint16_t)most : pcb->mss;
}

uint16_t tcp_limits_mss(const struct tcp_limits *l, uint16_t mss)
{
    return l->mss && l->mss < mss ? l->mss : mss;
}
