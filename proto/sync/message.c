/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/sync/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/cur.h"
#include "proto/base/xalloc.h"
#include "proto/sync/message_internal.h"

#define ROW_HEAD     (8 + 4 + 1 + 4)
#define NO_BODY      UINT32_MAX
#define ROW_LEAST    17u /* Bytes of the smallest row: bounds how many a message can claim. */
#define FIXED_BODIES 2048u

/* --- texts and addresses ------------------------------------------------------------------ */

static void wr_text16(struct wr *w, const char *text)
{
    size_t size = strlen(text);

    if (size > UINT16_MAX) {
        w->bad = true;
        return;
    }
    wr_u16(w, (uint16_t)size);
    wr_bytes(w, text, size);
}

/* A text for people: without control characters, since it ends up on somebody's terminal. */
static void cur_text16(struct cur *c, char *out, size_t room)
{
    size_t size = cur_u16(c);
    const uint8_t *p = size < room ? cur_bytes(c, size) : NULL;

    out[0] = '\0';
    c->bad = c->bad || !p;
    for (size_t i = 0; !c->bad && i < size; i++) {
        c->bad = p[i] < 0x20 || p[i] == 0x7f;
    }
    if (c->bad) {
        return;
    }
    memcpy(out, p, size);
    out[size] = '\0';
}

/* A text of up to 255 bytes, in memory of its own. */
static char *cur_name(struct cur *c)
{
    char text[256];

    cur_str8(c, text, sizeof(text));
    return xstrdup(c->bad ? "" : text);
}

/* A text of up to `most` bytes with its size in 32 bits. */
static char *cur_long(struct cur *c, size_t most)
{
    size_t size = cur_u32(c);
    const uint8_t *p = size <= most ? cur_bytes(c, size) : NULL;
    char *text;

    if (!p || memchr(p, 0, size)) {
        c->bad = true;
        return xstrdup("");
    }
    text = xcalloc(1, size + 1);
    memcpy(text, p, size);
    return text;
}

static void wr_long(struct wr *w, const char *text)
{
    wr_u32(w, (uint32_t)strlen(text));
    wr_bytes(w, text, strlen(text));
}

static void wr_addrs(struct wr *w, const struct sync_addr *addrs, unsigned n)
{
    w->bad = w->bad || n > SYNC_MAX_ADDRS;
    wr_u8(w, (uint8_t)n);
    for (unsigned i = 0; i < n && !w->bad; i++) {
        wr_u8(w, addrs[i].family);
        wr_u16(w, addrs[i].port);
        wr_bytes(w, addrs[i].addr, addrs[i].family == 4 ? 4 : 16);
    }
}

static void cur_addrs(struct cur *c, struct sync_addr *addrs, uint8_t *n)
{
    *n = cur_u8(c);
    if (*n > SYNC_MAX_ADDRS) {
        c->bad = true;
        *n = 0;
    }
    for (unsigned i = 0; i < *n; i++) {
        addrs[i] = (struct sync_addr){.family = cur_u8(c)};
        addrs[i].port = cur_u16(c);
        if ((addrs[i].family != 4 && addrs[i].family != 6) || !addrs[i].port) {
            c->bad = true;
            return;
        }
        cur_copy(c, addrs[i].addr, addrs[i].family == 4 ? 4 : 16);
    }
}

/* --- rows --------------------------------------------------------------------------------- */

size_t sync_row_size(const struct sync_row *row)
{
    return ROW_HEAD + strlen(row->kind) + strlen(row->network) + strlen(row->name) +
           strlen(row->owner) + (row->body ? strlen(row->body) : 0);
}

struct sync_row sync_row_copy(const struct sync_row *row)
{
    return (struct sync_row){
        .revision = row->revision,
        .kind = xstrdup(row->kind),
        .network = xstrdup(row->network),
        .name = xstrdup(row->name),
        .owner = xstrdup(row->owner),
        .body = row->body ? xstrdup(row->body) : NULL,
    };
}

void sync_row_done(struct sync_row *row)
{
    free(row->kind);
    free(row->network);
    free(row->name);
    free(row->owner);
    free(row->body);
    *row = (struct sync_row){0};
}

static void wr_row(struct wr *w, const struct sync_row *row)
{
    wr_u64(w, row->revision);
    wr_str8(w, row->kind);
    wr_str8(w, row->network);
    wr_str8(w, row->name);
    wr_str8(w, row->owner);
    if (!row->body) {
        wr_u32(w, NO_BODY);
        return;
    }
    w->bad = w->bad || strlen(row->body) > SYNC_MAX_BODY;
    wr_long(w, row->body);
}

static struct sync_row cur_row(struct cur *c)
{
    struct sync_row row = {.revision = cur_u64(c)};
    struct cur ahead;

    row.kind = cur_name(c);
    row.network = cur_name(c);
    row.name = cur_name(c);
    row.owner = cur_name(c);
    ahead = *c;
    if (cur_u32(&ahead) == NO_BODY) {
        *c = ahead;
    } else {
        row.body = cur_long(c, SYNC_MAX_BODY);
    }
    if (!row.kind[0] || !row.name[0]) {
        c->bad = true;
    }
    return row;
}

static void wr_rows(struct wr *w, const struct sync_rows *rows)
{
    wr_u32(w, rows->round);
    wr_u64(w, rows->store);
    wr_u64(w, rows->from);
    wr_u64(w, rows->revision);
    wr_u8(w, rows->flags);
    wr_u32(w, (uint32_t)rows->n);
    for (size_t i = 0; i < rows->n; i++) {
        wr_row(w, &rows->row[i]);
    }
}

static void cur_rows(struct cur *c, struct sync_rows *rows)
{
    size_t claimed;

    rows->round = cur_u32(c);
    rows->store = cur_u64(c);
    rows->from = cur_u64(c);
    rows->revision = cur_u64(c);
    rows->flags = cur_u8(c);
    claimed = cur_u32(c);
    if (claimed > cur_left(c) / ROW_LEAST || rows->flags > 7 ||
        (rows->flags && !(rows->flags & SYNC_ROWS_SNAPSHOT))) {
        c->bad = true;
        return;
    }
    rows->row = xcalloc(claimed, sizeof(*rows->row));
    while (rows->n < claimed && !c->bad) {
        rows->row[rows->n++] = cur_row(c);
    }
}

/* --- the other messages ------------------------------------------------------------------- */

static void wr_join(struct wr *w, const struct sync_join *j)
{
    wr_u64(w, j->invite);
    wr_bytes(w, j->secret, sizeof(j->secret));
    wr_str8(w, j->name);
    wr_bytes(w, j->noise_public, sizeof(j->noise_public));
    wr_bytes(w, j->sign_public, sizeof(j->sign_public));
    wr_addrs(w, j->addrs, j->n_addrs);
}

static void cur_join(struct cur *c, struct sync_join *j)
{
    j->invite = cur_u64(c);
    cur_copy(c, j->secret, sizeof(j->secret));
    cur_str8(c, j->name, sizeof(j->name));
    cur_copy(c, j->noise_public, sizeof(j->noise_public));
    cur_copy(c, j->sign_public, sizeof(j->sign_public));
    cur_addrs(c, j->addrs, &j->n_addrs);
}

static void wr_welcome(struct wr *w, const struct sync_welcome *x)
{
    wr_u64(w, x->fabric);
    wr_u16(w, x->host);
    wr_str8(w, x->name);
    wr_bytes(w, x->root, sizeof(x->root));
    w->bad = w->bad || x->chain_size > SYNC_MAX_CHAIN;
    wr_u16(w, x->chain_size);
    if (!w->bad) {
        wr_bytes(w, x->chain, x->chain_size);
    }
}

static void cur_welcome(struct cur *c, struct sync_welcome *x)
{
    x->fabric = cur_u64(c);
    x->host = cur_u16(c);
    cur_str8(c, x->name, sizeof(x->name));
    cur_copy(c, x->root, sizeof(x->root));
    x->chain_size = cur_u16(c);
    if (x->chain_size > SYNC_MAX_CHAIN) {
        c->bad = true;
        return;
    }
    cur_copy(c, x->chain, x->chain_size);
}

static void wr_body(struct wr *w, const struct sync_message *m)
{
    switch (m->type) {
    case SYNC_JOIN:
        wr_join(w, &m->u.join);
        break;
    case SYNC_WELCOME:
        wr_welcome(w, &m->u.welcome);
        break;
    case SYNC_REFUSE:
        wr_u16(w, m->u.refuse.status);
        wr_text16(w, m->u.refuse.why);
        wr_text16(w, m->u.refuse.hint);
        break;
    case SYNC_FOLLOW:
        wr_u32(w, m->u.follow.round);
        wr_u64(w, m->u.follow.store);
        wr_u64(w, m->u.follow.revision);
        wr_addrs(w, m->u.follow.addrs, m->u.follow.n_addrs);
        break;
    case SYNC_ROWS:
        wr_rows(w, &m->u.rows);
        break;
    case SYNC_HAVE:
        wr_u64(w, m->u.have);
        break;
    case SYNC_REQUEST:
        wr_u32(w, m->u.request.id);
        wr_u8(w, m->u.request.verb);
        wr_long(w, m->u.request.json);
        break;
    case SYNC_RESULT:
        wr_u32(w, m->u.result.id);
        wr_u64(w, m->u.result.revision);
        wr_long(w, m->u.result.json);
        break;
    case SYNC_SEEN:
        wr_seen(w, &m->u.seen);
        break;
    case SYNC_CALL:
        wr_call(w, &m->u.call);
        break;
    case SYNC_ANSWER:
        wr_answer(w, &m->u.answer);
        break;
    case SYNC_TOOK:
        wr_u32(w, m->u.took.id);
        wr_u32(w, m->u.took.size);
        break;
    case SYNC_CANCEL:
        wr_u32(w, m->u.cancel);
        break;
    }
}

static size_t most(const struct sync_message *m)
{
    size_t size = FIXED_BODIES;

    if (m->type == SYNC_ROWS) {
        for (size_t i = 0; i < m->u.rows.n; i++) {
            size += sync_row_size(&m->u.rows.row[i]);
        }
    } else if (m->type == SYNC_REQUEST) {
        size += strlen(m->u.request.json);
    } else if (m->type == SYNC_RESULT) {
        size += strlen(m->u.result.json);
    } else if (m->type == SYNC_SEEN) {
        size += m->u.seen.n_peers * SEEN_PEER_MOST + m->u.seen.n_ports * SEEN_PORT_MOST +
                m->u.seen.n_wrong * SEEN_WRONG_MOST;
    } else if (m->type == SYNC_CALL) {
        size += call_most(&m->u.call);
    } else if (m->type == SYNC_ANSWER) {
        size += answer_most(&m->u.answer);
    }
    return size;
}

uint8_t *sync_encode(const struct sync_message *m, size_t *size)
{
    size_t room = most(m);
    uint8_t *data = room <= SYNC_MAX_MESSAGE ? xcalloc(1, room) : NULL;
    struct wr w;

    if (!data) {
        return NULL;
    }
    w = wr_init(data, room);
    wr_u8(&w, SYNC_VERSION);
    wr_u8(&w, (uint8_t)m->type);
    wr_body(&w, m);
    if (w.bad) {
        free(data);
        return NULL;
    }
    *size = wr_size(&w);
    return data;
}

static void cur_body(struct cur *c, struct sync_message *m)
{
    switch (m->type) {
    case SYNC_JOIN:
        cur_join(c, &m->u.join);
        return;
    case SYNC_WELCOME:
        cur_welcome(c, &m->u.welcome);
        return;
    case SYNC_REFUSE:
        m->u.refuse.status = cur_u16(c);
        cur_text16(c, m->u.refuse.why, sizeof(m->u.refuse.why));
        cur_text16(c, m->u.refuse.hint, sizeof(m->u.refuse.hint));
        return;
    case SYNC_FOLLOW:
        m->u.follow.round = cur_u32(c);
        m->u.follow.store = cur_u64(c);
        m->u.follow.revision = cur_u64(c);
        cur_addrs(c, m->u.follow.addrs, &m->u.follow.n_addrs);
        return;
    case SYNC_ROWS:
        cur_rows(c, &m->u.rows);
        return;
    case SYNC_HAVE:
        m->u.have = cur_u64(c);
        return;
    case SYNC_REQUEST:
        m->u.request.id = cur_u32(c);
        m->u.request.verb = cur_u8(c);
        m->u.request.json = cur_long(c, SYNC_MAX_JSON);
        return;
    case SYNC_RESULT:
        m->u.result.id = cur_u32(c);
        m->u.result.revision = cur_u64(c);
        m->u.result.json = cur_long(c, SYNC_MAX_JSON);
        return;
    case SYNC_SEEN:
        cur_seen(c, &m->u.seen);
        return;
    case SYNC_CALL:
        cur_call(c, &m->u.call);
        return;
    case SYNC_ANSWER:
        cur_answer(c, &m->u.answer);
        return;
    case SYNC_TOOK:
        m->u.took.id = cur_u32(c);
        m->u.took.size = cur_u32(c);
        return;
    case SYNC_CANCEL:
        m->u.cancel = cur_u32(c);
        return;
    }
    c->bad = true; /* A type that there is not. */
}

int sync_decode(const void *data, size_t size, struct sync_message *out)
{
    struct cur c = cur_init(data, size);
    uint8_t version = cur_u8(&c);

    memset(out, 0, sizeof(*out));
    if (!c.bad && version != SYNC_VERSION) {
        return -EPROTONOSUPPORT;
    }
    out->type = cur_u8(&c);
    cur_body(&c, out);
    if (!cur_done(&c)) {
        sync_done(out);
        return -EPROTO;
    }
    return 0;
}

void sync_done(struct sync_message *m)
{
    if (m->type == SYNC_ROWS) {
        for (size_t i = 0; i < m->u.rows.n; i++) {
            sync_row_done(&m->u.rows.row[i]);
        }
        free(m->u.rows.row);
    } else if (m->type == SYNC_REQUEST) {
        free(m->u.request.json);
    } else if (m->type == SYNC_RESULT) {
        free(m->u.result.json);
    } else if (m->type == SYNC_SEEN) {
        sync_seen_done(&m->u.seen);
    } else if (m->type == SYNC_CALL) {
        call_done(&m->u.call);
    } else if (m->type == SYNC_ANSWER) {
        answer_done(&m->u.answer);
    }
    memset(m, 0, sizeof(*m));
}
