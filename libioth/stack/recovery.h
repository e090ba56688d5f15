/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a connection finds out what was lost, and sends it again. lwIP asks here (patch 0005); its own way moved
 * segments between its queues, knew of one loss in a window, and took no notice of SACK.
 *
 * Nothing is moved: what is lost is copied out of the queue of what is unacknowledged, byte by byte, since a segment
 * here may be a superframe of which one packet was lost. What is lost is said by the other end's SACKs [RFC 6675],
 * by three duplicate acknowledgements where it sends none [RFC 6582], by a time-out: then all that it has not told
 * to have. Bytes that have left the path make room for others at once, also before three duplicates (limited
 * transmit, RFC 3042). The last bytes of a flight, whose loss nothing behind them tells, are sent once more after
 * two round trips (a tail loss probe, RFC 8985 7). That what was sent again is lost, too, is told by something sent
 * later that has arrived, a round trip afterwards.
 *
 * What came late was not lost. That shows where a hole is filled though nothing was sent again, or sooner after it than
 * the quickest round trip: then the window is as it was before, and from now on a hole is given as long as that took
 * (an adaptive reordering window, RFC 8985 3.3, in two steps instead of a time for each segment); new data goes
 * meanwhile. After 16 losses that were ones it is not given any more. A time-out that came too early is found the same
 * way [what RFC 3522 does with time stamps], and a probe of a single segment whose acknowledgement was only kept back:
 * such a connection is not probed so again.
 *
 * Round trips are measured in milliseconds [RFC 6298, with settings.h's minimum instead of a second].
 */
#ifndef LIBIOTH_STACK_RECOVERY_H
#define LIBIOTH_STACK_RECOVERY_H

#include "libioth/stack/scoreboard.h"

struct tcp_pcb;

/* Of a connection. */
struct tcp_recovery {
    uint32_t end;  /* Recovery is over when all before it is acknowledged. */
    uint32_t sent; /* Up to where what is lost has been sent again. */
    bool begun;    /* Its first segment is to be sent, whatever the window. */
    bool fresh;    /* The segment that is being read tells something by SACK, */
    bool later;    /* something that was sent after what is missing first was sent again, */
    bool twice;    /* that something came twice. */
    uint32_t again_at,
        again_end; /* When that was, in ms, and what had been sent by then. */
    bool probed;   /* The tail has been sent once more. */
    bool keeps;    /* The other end keeps acknowledgements of single segments back. */
    uint32_t rtt, rtt_min; /* The last round trip that was measured and the quickest, ms. */
    uint32_t begun_at,
        probed_at;   /* When this recovery began, and when the tail was probed, ms. */
    uint32_t resent; /* Segments, and bytes, that were sent again. */
    uint64_t resent_bytes;
    uint32_t cwnd, ssthresh; /* Before it; cwnd is 0 where there is no way back. */
    struct {
        uint32_t ms;     /* How long what is missing may be late; 0: nothing was late. */
        uint32_t losses; /* Since something was. */
        uint32_t since;  /* Since when what is missing first has been missing, ms. */
        bool judging;    /* All holes before `next` have been known since `next_at`, */
        uint32_t next, next_at;
        uint32_t lost; /* and those before this one are lost. */
    } late;
    struct scoreboard sacked;
};

/* A block of a SACK option has come. */
void recovery_sacked(struct tcp_pcb *, uint32_t left, uint32_t right);

/* An acknowledgement has come that acknowledges nothing new; `duplicate` as RFC 5681 defines it. */
void recovery_repeated(struct tcp_pcb *, bool duplicate);

/* `acked` bytes more are acknowledged, pcb->lastack has been set. Returns for how many of them the congestion
 * window may grow. */
uint32_t recovery_advanced(struct tcp_pcb *, uint32_t acked);

/* The SYN is acknowledged. */
void recovery_connected(struct tcp_pcb *);

/* The retransmission timer has run out; true if there was something in flight. */
bool recovery_timed_out(struct tcp_pcb *);

/* What is in flight was too large for the path: all of it goes again, in smaller packets, without there being
 * congestion. */
void recovery_resend(struct tcp_pcb *);

/* A tick of the slow timer: sends the tail once more if it is time. */
void recovery_tick(struct tcp_pcb *);

/* Sends again what is lost, as far as the congestion window allows. */
void recovery_output(struct tcp_pcb *);

/* Whether that has something to do. */
bool recovery_pending(const struct tcp_pcb *);

/* How many bytes behind pcb->lastack the congestion window lets be sent. */
uint32_t recovery_window(const struct tcp_pcb *);

/* A round trip has been measured. */
void recovery_measured(struct tcp_pcb *, uint32_t ms);

/* The retransmission time-out in ticks of the slow timer, doubled `backoff` times. */
int16_t recovery_rto(const struct tcp_pcb *, unsigned backoff);

#endif
