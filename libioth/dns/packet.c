/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages of the DNS (RFC 1035, 4), read and written. Both go through the bounded cursor and writer: a
 * message that is read is somebody else's.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "libioth/dns/iothdns.h"
#include "proto/base/cur.h"
#include "proto/wire/bytes.h"
#include "proto/wire/domain_name.h"

_Static_assert(IOTHDNS_MAXNAME == DOMAIN_NAME_SIZE, "the room for a name");

#define HEADER_SIZE    12u
#define POINTER_MAX    0x3fffu
#define FIRST_ROOM     512u
#define NAMES_MAX      64u /* Of those that later ones may point to. */
#define SECTION_COUNTS 4u  /* Where the counts begin. */

struct iothdns_pkt {
    uint8_t *data;
    size_t size, room; /* room 0: somebody else's, for reading. */
    int section;       /* Of the last record. */

    /* Writing. */
    bool open;    /* The last record takes data. */
    size_t rr;    /* Where it begins, … */
    size_t rdata; /* … and what is in it. */
    unsigned n_names;
    uint16_t names[NAMES_MAX]; /* Where names and their ends are. */

    /* Reading. */
    size_t next; /* The next record. */
    unsigned left[IOTHDNS_SECTIONS];
    struct cur rr_data;
};

/* --- names -------------------------------------------------------------------------------------- */

/* A name at data[*at], which then is behind it. False: it is none, or one that cannot be written as a text. */
static bool read_name(const uint8_t *data, size_t size, size_t *at,
                      char name[IOTHDNS_MAXNAME])
{
    return domain_name_read(data, size, at, true, name) == DOMAIN_NAME_READ;
}

static bool same_name(const char *a, const char *b)
{
    return strcasecmp(a, b) == 0;
}

/* --- writing ------------------------------------------------------------------------------------ */

static bool append(struct iothdns_pkt *p, const void *data, size_t size)
{
    if (size > IOTHDNS_TCP_MAXBUF - 1 - p->size)
        return false;
    while (p->size + size > p->room) {
        uint8_t *more = realloc(p->data, p->room * 2);

        if (!more)
            return false;
        p->data = more;
        p->room *= 2;
    }
    memcpy(p->data + p->size, data, size);
    p->size += size;
    return true;
}

/* Where `name` stands already; 0: nowhere. */
static unsigned find_name(const struct iothdns_pkt *p, const char *name)
{
    char text[IOTHDNS_MAXNAME];

    for (unsigned i = 0; i < p->n_names; i++) {
        size_t at = p->names[i];

        if (read_name(p->data, p->size, &at, text) && same_name(text, name))
            return p->names[i];
    }
    return 0;
}

static bool append_label(struct iothdns_pkt *p, const char *name, size_t n, bool compress)
{
    uint8_t len = (uint8_t)n;

    if (n == 0 || n > DOMAIN_LABEL_MAX)
        return false;
    if (compress && p->n_names < NAMES_MAX && p->size <= POINTER_MAX)
        p->names[p->n_names++] = (uint16_t)p->size;
    return append(p, &len, 1) && append(p, name, n);
}

/* A name that cannot be written leaves nothing of itself. */
static bool append_name(struct iothdns_pkt *p, const char *name, bool compress)
{
    size_t before = p->size, n = strlen(name);
    unsigned names = p->n_names;
    char text[IOTHDNS_MAXNAME];
    bool good = n < sizeof text - 1;
    const char *at = text;

    memcpy(text, name, good ? n + 1 : 0);
    if (good && n && text[n - 1] == '.')
        text[--n] = 0;
    while (good && *at) {
        unsigned there = compress ? find_name(p, at) : 0;

        n = strcspn(at, ".");
        if (there)
            return append(
                p, (uint8_t[]){(uint8_t)(DOMAIN_POINTER | there >> 8), (uint8_t)there}, 2);
        good = append_label(p, at, n, compress);
        at += n;
        if (good && *at) {
            at++;
            good = *at != 0;
        }
    }
    if (good && append(p, "", 1))
        return true;
    p->size = before;
    p->n_names = names;
    return false;
}

static bool append_u16(struct iothdns_pkt *p, unsigned v)
{
    return append(p, (uint8_t[]){(uint8_t)(v >> 8), (uint8_t)v}, 2);
}

struct iothdns_pkt *iothdns_put_header(struct iothdns_header *h)
{
    struct iothdns_pkt *p = calloc(1, sizeof *p);
    bool good;

    if (!p)
        return NULL;
    p->data = calloc(1, FIRST_ROOM);
    p->room = FIRST_ROOM;
    p->size = HEADER_SIZE;
    good = p->data != NULL;
    if (good) {
        store_be16(p->data, h->id);
        store_be16(p->data + 2, h->flags);
    }
    if (good && h->qname) {
        store_be16(p->data + SECTION_COUNTS, 1);
        good = append_name(p, h->qname, true) && append_u16(p, h->qtype) &&
               append_u16(p, h->qclass);
    }
    if (good)
        return p;
    iothdns_free(p);
    errno = EINVAL;
    return NULL;
}

/* The last record did not fit: it was never there. */
static void drop_rr(struct iothdns_pkt *p)
{
    uint8_t *count = p->data + SECTION_COUNTS + 2 * p->section;

    if (!p->open)
        return;
    store_be16(count, (uint16_t)(load_be16(count) - 1));
    p->size = p->rr;
    p->open = false;
    while (p->n_names && p->names[p->n_names - 1] >= p->rr)
        p->n_names--;
}

/* What was appended to the last record counts, or the record goes. */
static void settle(struct iothdns_pkt *p, bool good)
{
    if (!good || p->size - p->rdata > UINT16_MAX)
        drop_rr(p);
    else if (p->open)
        store_be16(p->data + p->rdata - 2, (uint16_t)(p->size - p->rdata));
}

void iothdns_put_rr(int section, struct iothdns_pkt *p, struct iothdns_rr *rr)
{
    uint8_t *count;
    bool good;

    p->open = false;
    if (!p->room || section < 1 || section >= IOTHDNS_SECTIONS || section < p->section)
        return;
    count = p->data + SECTION_COUNTS + 2 * section;
    if (load_be16(count) == UINT16_MAX)
        return;
    store_be16(count, (uint16_t)(load_be16(count) + 1));
    p->section = section;
    p->rr = p->size;
    p->open = true;
    good = append_name(p, rr->name, true) && append_u16(p, rr->type) &&
           append_u16(p, rr->class) && append_u16(p, rr->ttl >> 16) &&
           append_u16(p, rr->ttl) && append_u16(p, 0);
    p->rdata = p->size;
    if (!good)
        drop_rr(p);
}

static void put(struct iothdns_pkt *p, const void *data, size_t size)
{
    if (p->open)
        settle(p, append(p, data, size));
}

void iothdns_put_int8(struct iothdns_pkt *p, uint8_t data)
{
    put(p, &data, 1);
}

void iothdns_put_int16(struct iothdns_pkt *p, uint16_t data)
{
    uint8_t bytes[2];

    store_be16(bytes, data);
    put(p, bytes, sizeof bytes);
}

void iothdns_put_int32(struct iothdns_pkt *p, uint32_t data)
{
    uint8_t bytes[4];

    store_be32(bytes, data);
    put(p, bytes, sizeof bytes);
}

void iothdns_put_data(struct iothdns_pkt *p, const void *data, uint16_t len)
{
    put(p, data, len);
}

void iothdns_put_name(struct iothdns_pkt *p, const char *name)
{
    if (p->open)
        settle(p, append_name(p, name, true));
}

void iothdns_put_name_uncompressed(struct iothdns_pkt *p, const char *name)
{
    if (p->open)
        settle(p, append_name(p, name, false));
}

void iothdns_put_string(struct iothdns_pkt *p, const char *string)
{
    size_t n = strlen(string);

    if (n > IOTHDNS_MAXSTRING)
        n = IOTHDNS_MAXSTRING;
    iothdns_put_int8(p, (uint8_t)n);
    put(p, string, n);
}

void iothdns_put_a(struct iothdns_pkt *p, const void *addr_ipv4)
{
    put(p, addr_ipv4, 4);
}

void iothdns_put_aaaa(struct iothdns_pkt *p, const void *addr_ipv6)
{
    put(p, addr_ipv6, 16);
}

/* --- reading ------------------------------------------------------------------------------------ */

struct iothdns_pkt *iothdns_get_header(struct iothdns_header *h, void *buf, size_t bufsize,
                                       char *qnamebuf)
{
    struct iothdns_pkt *p;
    size_t at = HEADER_SIZE;

    if (!buf || bufsize < HEADER_SIZE + 5 || bufsize > IOTHDNS_TCP_MAXBUF ||
        load_be16((uint8_t *)buf + SECTION_COUNTS) != 1 ||
        !read_name(buf, bufsize, &at, qnamebuf) || bufsize - at < 4) {
        errno = EBADMSG;
        return NULL;
    }
    p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->data = buf;
    p->size = bufsize;
    h->id = load_be16(p->data);
    h->flags = load_be16(p->data + 2);
    h->qname = qnamebuf;
    h->qtype = load_be16(p->data + at);
    h->qclass = load_be16(p->data + at + 2);
    p->next = at + 4;
    p->section = IOTHDNS_SEC_ANSWER;
    for (unsigned i = 1; i < IOTHDNS_SECTIONS; i++)
        p->left[i] = load_be16(p->data + SECTION_COUNTS + 2 * i);
    return p;
}

int iothdns_get_rr(struct iothdns_pkt *p, struct iothdns_rr *rr, char *namebuf)
{
    size_t at = p->next;
    struct cur c;

    while (p->section < IOTHDNS_SECTIONS && p->left[p->section] == 0)
        p->section++;
    if (p->room || p->section >= IOTHDNS_SECTIONS || p->next >= p->size ||
        !read_name(p->data, p->size, &at, namebuf))
        return 0;
    c = cur_init(p->data + at, p->size - at);
    rr->name = namebuf;
    rr->type = cur_u16(&c);
    rr->class = cur_u16(&c);
    rr->ttl = cur_u32(&c);
    rr->rdlength = cur_u16(&c);
    p->rr_data = cur_sub(&c, rr->rdlength);
    if (c.bad) {
        p->section = IOTHDNS_SECTIONS;
        return 0;
    }
    p->next = (size_t)(c.p - p->data);
    p->left[p->section]--;
    return p->section;
}

uint8_t iothdns_get_int8(struct iothdns_pkt *p)
{
    return cur_u8(&p->rr_data);
}

uint16_t iothdns_get_int16(struct iothdns_pkt *p)
{
    return cur_u16(&p->rr_data);
}

uint32_t iothdns_get_int32(struct iothdns_pkt *p)
{
    return cur_u32(&p->rr_data);
}

void *iothdns_get_data(struct iothdns_pkt *p, void *data, uint16_t len)
{
    cur_copy(&p->rr_data, data, len);
    return data;
}

char *iothdns_get_name(struct iothdns_pkt *p, char *name)
{
    size_t begin, at;

    name[0] = 0;
    if (!cur_left(&p->rr_data))
        p->rr_data.bad = true;
    if (p->rr_data.bad)
        return name;
    begin = at = (size_t)(p->rr_data.p - p->data);
    if (read_name(p->data, p->size, &at, name))
        cur_skip(&p->rr_data, at - begin);
    else
        p->rr_data.bad = true;
    /* A name that goes on behind its record is none of its. */
    if (p->rr_data.bad)
        name[0] = 0;
    return name;
}

char *iothdns_get_string(struct iothdns_pkt *p, char *name)
{
    uint8_t len = cur_u8(&p->rr_data);

    cur_copy(&p->rr_data, name, len);
    name[p->rr_data.bad ? 0 : len] = 0;
    return name;
}

void *iothdns_get_a(struct iothdns_pkt *p, void *addr_ipv4)
{
    cur_copy(&p->rr_data, addr_ipv4, 4);
    return addr_ipv4;
}

void *iothdns_get_aaaa(struct iothdns_pkt *p, void *addr_ipv6)
{
    cur_copy(&p->rr_data, addr_ipv6, 16);
    return addr_ipv6;
}

/* --- both --------------------------------------------------------------------------------------- */

struct iovec iothdns_getbuf(struct iothdns_pkt *p)
{
    return (struct iovec){p->data, p->size};
}

void iothdns_free(struct iothdns_pkt *p)
{
    if (!p)
        return;
    if (p->room)
        free(p->data);
    free(p);
}

void iothdns_retrieve_header(struct iothdns_pkt *p, uint16_t *id, uint16_t *flags)
{
    *id = load_be16(p->data);
    *flags = load_be16(p->data + 2);
}

void iothdns_rewrite_header(struct iothdns_pkt *p, uint16_t id, uint16_t flags)
{
    store_be16(p->data, id);
    store_be16(p->data + 2, flags);
}
