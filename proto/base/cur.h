/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bounded cursor and writer: the only ways to touch bytes that come from, or go to,
 * somebody else. Both are sticky: after the first access out of bounds every read gives 0,
 * every write does nothing, and `bad` stays set. So a codec reads everything first and asks
 * once. Integers are big-endian unless the name ends in _ne (native, for VDE and local IPC).
 */
#ifndef PROTO_BASE_CUR_H
#define PROTO_BASE_CUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cur {
    const uint8_t *p;
    const uint8_t *end;
    bool bad;
};

struct cur cur_init(const void *data, size_t size);
size_t cur_left(const struct cur *);
uint8_t cur_u8(struct cur *);
uint16_t cur_u16(struct cur *);
uint32_t cur_u32(struct cur *);
uint64_t cur_u64(struct cur *);
uint16_t cur_u16_ne(struct cur *);
uint32_t cur_u32_ne(struct cur *);
uint64_t cur_u64_ne(struct cur *);

/* The next `size` bytes as a borrowed view, or NULL (and bad). Size 0 gives a non-NULL view. */
const uint8_t *cur_bytes(struct cur *, size_t size);

/* Copies the next `size` bytes to `out`; zeroes `out` when they are not there. */
void cur_copy(struct cur *, void *out, size_t size);

void cur_skip(struct cur *, size_t size);

/* A cursor over the next `size` bytes, which are skipped here: for TLVs. Bad if too short. */
struct cur cur_sub(struct cur *, size_t size);

/* A text of one length byte and that many bytes, copied NUL-terminated into out[out_size].
 * Bad if it does not fit or holds a NUL. */
void cur_str8(struct cur *, char *out, size_t out_size);

/* True if nothing went wrong and everything was read. */
bool cur_done(const struct cur *);

struct wr {
    uint8_t *start;
    uint8_t *p;
    uint8_t *end;
    bool bad;
};

struct wr wr_init(void *data, size_t size);
size_t wr_size(const struct wr *); /* Bytes written so far. */
size_t wr_left(const struct wr *);
void wr_u8(struct wr *, uint8_t);
void wr_u16(struct wr *, uint16_t);
void wr_u32(struct wr *, uint32_t);
void wr_u64(struct wr *, uint64_t);
void wr_u16_ne(struct wr *, uint16_t);
void wr_u32_ne(struct wr *, uint32_t);
void wr_u64_ne(struct wr *, uint64_t);
void wr_bytes(struct wr *, const void *data, size_t size);
void wr_str8(struct wr *,
             const char *text); /* The form of cur_str8(); bad over 255 bytes. */

/* Reserves `size` bytes to be filled by the caller, or NULL (and bad). */
uint8_t *wr_reserve(struct wr *, size_t size);

#endif
