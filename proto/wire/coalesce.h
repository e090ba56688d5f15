/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Merging consecutive TCP segments of a burst into superframes: the inverse of segment.h. Cutting
 * the result again gives the same bytes (but for the IPv4 identification where DF is set).
 *
 * It works in place, in the buffer that the burst was read into: the first frame of a run
 * stays where it is and the payloads of the others move down behind it. So each payload is
 * copied at most once, and frames that were opened (decrypted) one after another in a receive
 * buffer need no other memory.
 *
 * Merged are frames that lie next to each other in the vector, with the same Ethernet header,
 * VLAN, addresses, ports, TOS, TTL, flow label, DF, acknowledgement, window and TCP options;
 * sequence numbers that follow on; IPv4 identifications that do so too unless DF is set; and
 * right checksums (open ones and FRAME_CSUM_VALID count as right). Only the last may be shorter,
 * or carry PSH or FIN. Nothing with IP options, extension headers, SYN, RST, URG or CWR is
 * merged. Superframes merge as well, if they have the same gso_size and are full.
 */
#ifndef PROTO_WIRE_COALESCE_H
#define PROTO_WIRE_COALESCE_H

#include "proto/wire/frame.h"

/*
 * Merges in frames[n] and closes the gaps in the vector; returns how many frames there are now.
 *
 * The frames lie in one buffer at ascending addresses, and the bytes between the end of one and
 * the start of the next may be overwritten. (frames[i].data + size <= frames[i + 1].data; where
 * that does not hold, that pair is left alone.) Each has passed frame_check(). A merged frame
 * has an open checksum, gso, gso_size and hdr_size.
 */
unsigned coalesce(struct frame *frames, unsigned n);

#endif
