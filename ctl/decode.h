/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is in a frame, in one line for people. */
#ifndef CTL_DECODE_H
#define CTL_DECODE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Writes "02:00:… > ff:ff:…, vlan 10, ARP, who has 10.64.0.2, tell 10.64.0.1" without a newline.
 * `size` bytes are there of a frame of any kind, damaged ones too.
 */
void decode_frame(FILE *out, const uint8_t *data, size_t size);

#endif
