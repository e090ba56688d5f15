/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What hosts ask of one another's API. */
#include <stdlib.h>
#include <string.h>

#include "proto/base/xalloc.h"
#include "proto/sync/message_internal.h"

#define CALL_HEAD 512u /* Bytes of what has a fixed bound, generously. */

static bool is_plain(const void *data, size_t size)
{
    const uint8_t *p = data;

    for (size_t i = 0; i < size; i++) {
        if (p[i] < 0x20 || p[i] == 0x7f)
            return false;
    }
    return true;
}

/* --- texts --------------------------------------------------------------------------------- */

static void wr_line8(struct wr *w, const char *text)
{
    w->bad = w->bad || !is_plain(text, strlen(text));
    wr_str8(w, text);
}

static void cur_line8(struct cur *c, char *out, size_t room)
{
    cur_str8(c, out, room);
    c->bad = c->bad || !is_plain(out, strlen(out));
}

static void wr_line16(struct wr *w, const char *text)
{
    size_t size = strlen(text);

    w->bad = w->bad || size > SYNC_CALL_TEXT || !is_plain(text, size);
    wr_u16(w, (uint16_t)size);
    wr_bytes(w, text, size);
}

static char *cur_line16(struct cur *c)
{
    size_t size = cur_u16(c);
    const uint8_t *p = size <= SYNC_CALL_TEXT ? cur_bytes(c, size) : NULL;
    char *text;

    if (p == NULL || !is_plain(p, size)) {
        c->bad = true;
        return NULL;
    }
    text = xcalloc(1, size + 1);
    memcpy(text, p, size);
    return text;
}

static void wr_blob(struct wr *w, const uint8_t *data, uint32_t size, uint32_t room)
{
    w->bad = w->bad || size > room;
    wr_u32(w, size);
    wr_bytes(w, data != NULL ? data : (const uint8_t *)"", size);
}

static uint8_t *cur_blob(struct cur *c, uint32_t *size, uint32_t room)
{
    uint32_t n = cur_u32(c);
    const uint8_t *p = n <= room ? cur_bytes(c, n) : NULL;
    uint8_t *data;

    if (p == NULL) {
        c->bad = true;
        return NULL;
    }
    data = xcalloc(1, (size_t)n + 1); /* As a text, too, it ends. */
    memcpy(data, p, n);
    *size = n;
    return data;
}

/* --- pairs --------------------------------------------------------------------------------- */

bool sync_pairs_add(struct sync_pairs *pairs, const char *key, const char *value)
{
    if (pairs->n == SYNC_CALL_PAIRS)
        return false;
    pairs->pair[pairs->n].key = xstrdup(key);
    pairs->pair[pairs->n++].value = xstrdup(value);
    return true;
}

void sync_pairs_done(struct sync_pairs *pairs)
{
    for (unsigned i = 0; i < pairs->n; i++) {
        free(pairs->pair[i].key);
        free(pairs->pair[i].value);
    }
    *pairs = (struct sync_pairs){.n = 0};
}

static size_t pairs_most(const struct sync_pairs *pairs)
{
    size_t size = 1;

    for (unsigned i = 0; i < pairs->n; i++)
        size += 3 + strlen(pairs->pair[i].key) + strlen(pairs->pair[i].value);
    return size;
}

static void wr_pairs(struct wr *w, const struct sync_pairs *pairs)
{
    wr_u8(w, pairs->n);
    for (unsigned i = 0; i < pairs->n; i++) {
        wr_line8(w, pairs->pair[i].key);
        wr_line16(w, pairs->pair[i].value);
    }
}

static void cur_pairs(struct cur *c, struct sync_pairs *pairs)
{
    unsigned n = cur_u8(c);
    char key[256];

    c->bad = c->bad || n > SYNC_CALL_PAIRS;
    while (!c->bad && pairs->n < n) {
        char *value;

        cur_line8(c, key, sizeof(key));
        value = cur_line16(c);
        if (!c->bad)
            (void)sync_pairs_add(pairs, key, value);
        free(value);
    }
}

/* --- CALL ---------------------------------------------------------------------------------- */

size_t call_most(const struct sync_call *call)
{
    return CALL_HEAD + strlen(call->path) + pairs_most(&call->query) +
           pairs_most(&call->headers) + call->size;
}

void call_done(struct sync_call *call)
{
    free(call->path);
    free(call->body);
    sync_pairs_done(&call->query);
    sync_pairs_done(&call->headers);
}

void wr_call(struct wr *w, const struct sync_call *call)
{
    wr_u32(w, call->id);
    wr_u8(w, call->flags);
    wr_line8(w, call->host);
    wr_line8(w, call->from);
    wr_line8(w, call->method);
    wr_line16(w, call->path);
    wr_pairs(w, &call->query);
    wr_pairs(w, &call->headers);
    wr_blob(w, call->body, call->size, SYNC_CALL_BODY);
}

void cur_call(struct cur *c, struct sync_call *call)
{
    call->id = cur_u32(c);
    call->flags = cur_u8(c);
    c->bad = c->bad || (call->flags & ~SYNC_CALL_READS) != 0;
    cur_line8(c, call->host, sizeof(call->host));
    cur_line8(c, call->from, sizeof(call->from));
    cur_line8(c, call->method, sizeof(call->method));
    call->path = cur_line16(c);
    cur_pairs(c, &call->query);
    cur_pairs(c, &call->headers);
    call->body = cur_blob(c, &call->size, SYNC_CALL_BODY);
}

/* --- ANSWER -------------------------------------------------------------------------------- */

size_t answer_most(const struct sync_answer *answer)
{
    return CALL_HEAD + pairs_most(&answer->headers) + answer->size;
}

void answer_done(struct sync_answer *answer)
{
    sync_pairs_done(&answer->headers);
    free(answer->data);
}

void wr_answer(struct wr *w, const struct sync_answer *answer)
{
    wr_u32(w, answer->id);
    wr_u8(w, answer->flags);
    if ((answer->flags & SYNC_ANSWER_FIRST) != 0) {
        wr_u16(w, answer->status);
        wr_pairs(w, &answer->headers);
    }
    wr_blob(w, answer->data, answer->size, SYNC_CALL_PART);
}

void cur_answer(struct cur *c, struct sync_answer *answer)
{
    answer->id = cur_u32(c);
    answer->flags = cur_u8(c);
    c->bad = c->bad || answer->flags > 7;
    if ((answer->flags & SYNC_ANSWER_FIRST) != 0) {
        answer->status = cur_u16(c);
        c->bad = c->bad || answer->status < 200 || answer->status > 599;
        cur_pairs(c, &answer->headers);
    }
    answer->data = cur_blob(c, &answer->size, SYNC_CALL_PART);
}
