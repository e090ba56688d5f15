/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entries hang in a list per type (the order of a replay), in a hash by key, and while unsent in
 * a list of their own. A deleted entry that has to be told stays as a tombstone: no body, no
 * descriptors, out of the list per type; a put of its key brings it back to life.
 */
#include "fabricd/ipc/vault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/fd.h"
#include "proto/base/list.h"
#include "proto/base/xalloc.h"

#define BUCKETS 256u

struct entry {
    struct vault_entry pub;
    union ipc_body *body; /* NULL = a tombstone. */
    struct list type_link;
    struct list unsent_link;
    struct entry *bucket_next;
    bool known; /* Whoever is told has its descriptors: they need not go again. */
};

struct vault {
    struct list types[IPC_STATE_LAST + 1];
    struct list unsent[IPC_STATE_LAST + 1];
    struct list unsent_deletes;
    struct entry *buckets[BUCKETS];
    unsigned n; /* Entries, tombstones too. */
};

static struct entry **bucket_of(struct vault *v, uint16_t type, uint64_t id)
{
    uint64_t h = (id ^ (uint64_t)type << 56) * 0x9e3779b97f4a7c15u;

    return &v->buckets[h >> 56];
}

static struct entry *find(struct vault *v, uint16_t type, uint64_t id)
{
    struct entry *e = *bucket_of(v, type, id);

    while (e && (e->pub.type != type || e->pub.id != id))
        e = e->bucket_next;
    return e;
}

struct vault *vault_new(void)
{
    struct vault *v = xcalloc(1, sizeof *v);

    for (unsigned t = 0; t <= IPC_STATE_LAST; t++) {
        list_init(&v->types[t]);
        list_init(&v->unsent[t]);
    }
    list_init(&v->unsent_deletes);
    return v;
}

static void drop_content(struct entry *e)
{
    for (unsigned i = 0; i < e->pub.n_fds; i++)
        fd_close(&e->pub.fds[i]);
    e->pub.n_fds = 0;
    free(e->body);
    e->body = NULL;
    e->pub.body = NULL;
}

static void forget(struct vault *v, struct entry *e)
{
    struct entry **p = bucket_of(v, e->pub.type, e->pub.id);

    while (*p != e)
        p = &(*p)->bucket_next;
    *p = e->bucket_next;
    list_remove(&e->type_link);
    list_remove(&e->unsent_link);
    drop_content(e);
    free(e);
    v->n--;
}

void vault_free(struct vault *v)
{
    if (!v)
        return;
    for (unsigned b = 0; b < BUCKETS; b++) {
        while (v->buckets[b])
            forget(v, v->buckets[b]);
    }
    free(v);
}

static struct entry *make(struct vault *v, uint16_t type, uint64_t id)
{
    struct entry **bucket = bucket_of(v, type, id);
    struct entry *e;

    if (v->n >= VAULT_MAX)
        return NULL;
    e = xcalloc(1, sizeof *e);
    e->pub.type = type;
    e->pub.id = id;
    list_init(&e->type_link);
    list_init(&e->unsent_link);
    e->bucket_next = *bucket;
    *bucket = e;
    v->n++;
    return e;
}

static int refuse(const struct ipc_message *msg, int code)
{
    for (unsigned i = 0; i < msg->n_fds; i++)
        close(msg->fds[i]);
    return code;
}

/* A put without descriptors leaves those that are there. */
static bool keeps_descriptors(unsigned type)
{
    return type == IPC_PORT || type == IPC_LISTEN;
}

static void take_descriptors(struct entry *e, const struct ipc_message *msg, bool tell)
{
    if (!msg->n_fds && keeps_descriptors(msg->head.type))
        return;
    for (unsigned i = 0; i < e->pub.n_fds; i++)
        fd_close(&e->pub.fds[i]);
    for (unsigned i = 0; i < msg->n_fds; i++)
        e->pub.fds[i] = msg->fds[i];
    e->pub.n_fds = msg->n_fds;
    e->known = !tell; /* It came from there. */
}

int vault_put(struct vault *v, const struct ipc_message *msg, bool tell)
{
    uint16_t type = msg->head.type;
    uint64_t id = ipc_state_id(msg);
    struct entry *e;

    if (type < IPC_SELF || type > IPC_STATE_LAST)
        return refuse(msg, -EINVAL);
    e = find(v, type, id);
    if (!e)
        e = make(v, type, id);
    if (!e)
        return refuse(msg, -ENOSPC);

    if (!e->body)
        list_append(&v->types[type], &e->type_link);
    /* A body is only as large as its type's, though it is spoken of as the union. */
    e->body = xrealloc(e->body, msg->head.size);
    memcpy(e->body, &msg->body, msg->head.size);
    if (type == IPC_SELF)
        explicit_bzero(e->body->self.noise_secret, sizeof e->body->self.noise_secret);
    e->pub.body = e->body;
    e->pub.size = (uint16_t)msg->head.size;
    take_descriptors(e, msg, tell);
    list_remove(&e->unsent_link);
    if (tell)
        list_append(&v->unsent[type], &e->unsent_link);
    return 0;
}

int vault_put_body(struct vault *v, enum ipc_type type, const void *body, const int *fds,
                   unsigned n_fds, bool tell)
{
    struct ipc_message *msg = xcalloc(1, sizeof *msg);
    int r;

    msg->head.type = (uint16_t)type;
    msg->head.version = IPC_VERSION;
    msg->head.size = (uint32_t)ipc_body_size(type, body);
    memcpy(&msg->body, body, msg->head.size);
    for (unsigned i = 0; i < n_fds; i++)
        msg->fds[i] = fds[i];
    msg->n_fds = n_fds;
    r = ipc_check(msg) ? vault_put(v, msg, tell) : refuse(msg, -EINVAL);
    explicit_bzero(msg, sizeof msg->head + msg->head.size);
    free(msg);
    return r;
}

unsigned vault_take_fds(struct vault *v, uint16_t type, uint64_t id, int *fds)
{
    struct entry *e = find(v, type, id);
    unsigned n = e ? e->pub.n_fds : 0;

    for (unsigned i = 0; i < n; i++)
        fds[i] = e->pub.fds[i];
    if (e)
        e->pub.n_fds = 0;
    return n;
}

bool vault_delete(struct vault *v, uint16_t type, uint64_t id, bool tell)
{
    struct entry *e = find(v, type, id);

    if (!e || !e->body)
        return false;
    if (!tell) {
        forget(v, e);
        return true;
    }
    drop_content(e);
    list_remove(&e->type_link);
    list_remove(&e->unsent_link);
    list_append(&v->unsent_deletes, &e->unsent_link);
    return true;
}

const struct vault_entry *vault_find(const struct vault *v, uint16_t type, uint64_t id)
{
    union {
        const struct vault *in;
        struct vault *out;
    } u = {.in = v}; /* find() changes nothing. */
    struct entry *e = find(u.out, type, id);

    return e && e->body ? &e->pub : NULL;
}

void vault_each(struct vault *v, bool (*each)(void *aux, const struct vault_entry *),
                void *aux)
{
    for (unsigned t = IPC_SELF; t <= IPC_STATE_LAST; t++) {
        list_for_each_safe (it, &v->types[t]) {
            if (!each(aux, &list_entry(it, struct entry, type_link)->pub))
                return;
        }
    }
}

void vault_mark_all(struct vault *v)
{
    list_for_each_safe (it, &v->unsent_deletes)
        forget(v, list_entry(it, struct entry, unsent_link));
    for (unsigned t = IPC_SELF; t <= IPC_STATE_LAST; t++) {
        list_for_each (it, &v->types[t]) {
            struct entry *e = list_entry(it, struct entry, type_link);

            list_remove(&e->unsent_link);
            list_append(&v->unsent[t], &e->unsent_link);
            e->known = false;
        }
    }
}

static int sync_deletes(struct vault *v, int sock)
{
    list_for_each_safe (it, &v->unsent_deletes) {
        struct entry *e = list_entry(it, struct entry, unsent_link);
        struct ipc_delete del = {.type = e->pub.type, .id = e->pub.id};
        int r = ipc_send(sock, IPC_DELETE, 0, &del, NULL, 0);

        if (r < 0)
            return r;
        forget(v, e);
    }
    return 0;
}

static int send_self(int sock, const struct ipc_self *body,
                     void (*fill)(void *aux, struct ipc_self *), void *aux)
{
    struct ipc_self self = *body;
    int r;

    if (fill)
        fill(aux, &self);
    r = ipc_send(sock, IPC_SELF, 0, &self, NULL, 0);
    explicit_bzero(&self, sizeof self);
    return r;
}

int vault_sync(struct vault *v, int sock, void (*fill)(void *aux, struct ipc_self *),
               void *aux)
{
    int r = sync_deletes(v, sock);

    for (unsigned t = IPC_SELF; !r && t <= IPC_STATE_LAST; t++) {
        list_for_each_safe (it, &v->unsent[t]) {
            struct entry *e = list_entry(it, struct entry, unsent_link);

            if (t == IPC_SELF)
                r = send_self(sock, &e->body->self, fill, aux);
            else
                r = ipc_send(sock, (enum ipc_type)t, 0, e->body, e->pub.fds,
                             e->known && keeps_descriptors(t) ? 0 : e->pub.n_fds);
            if (r < 0)
                break;
            e->known = true;
            list_remove(&e->unsent_link);
        }
    }
    return r;
}
