/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/node/lookup.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libioth/http/http.h"
#include "proto/base/mtime.h"

#define ASK_AGAIN_MS 50
#define TIMEOUT_SEC  2

struct known {
    char name[ANSWER_NAME_SIZE]; /* "" = free. */
    enum answer_type type;
    mtime_t learnt, used;
    struct answer_result result;
};

struct lookup {
    struct http *http;
    const char *const *networks;
    unsigned n_networks;
    struct known cache[LOOKUP_CACHE];
};

struct lookup *lookup_new(const char *api_path, const char *const *networks,
                          unsigned n_networks)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);

    if (!lookup)
        return NULL;
    lookup->networks = networks;
    lookup->n_networks = n_networks;
    lookup->http = http_new(api_path);
    if (!lookup->http) {
        free(lookup);
        return NULL;
    }
    return lookup;
}

void lookup_free(struct lookup *lookup)
{
    if (!lookup)
        return;
    http_free(lookup->http);
    free(lookup);
}

int lookup_read(const char *body, size_t size, struct answer_result *out)
{
    json_t *root = json_loadb(body, size, 0, NULL);
    const json_t *found = json_object_get(root, "found");
    const json_t *answers = json_object_get(root, "answers");
    struct answer_result *result = NULL;
    int r = -EPROTO;

    if (!json_is_boolean(found) || !json_is_array(answers))
        goto done;
    result = calloc(1, sizeof *result);
    if (!result)
        goto done;
    result->found = json_is_true(found);
    for (size_t i = 0; i < json_array_size(answers) && result->n < ANSWER_MAX; i++) {
        const char *text = json_string_value(json_array_get(answers, i));

        if (!text || strlen(text) >= ANSWER_NAME_SIZE)
            goto done;
        memcpy(result->texts[result->n++], text, strlen(text) + 1);
    }
    *out = *result;
    r = 0;
done:
    free(result);
    json_decref(root);
    return r;
}

static const char *type_name(enum answer_type type)
{
    switch (type) {
    case ANSWER_A:
        return "A";
    case ANSWER_AAAA:
        return "AAAA";
    case ANSWER_PTR:
        return "PTR";
    }
    return "A";
}

/* One question to the API, to `network` alone if there is one. */
static int ask_api(struct lookup *lookup, const char *name, enum answer_type type,
                   const char *network, struct answer_result *out)
{
    char *path = network ? http_path("/v1/resolve?name=%s&type=%s&network=%s", name,
                                     type_name(type), network)
                         : http_path("/v1/resolve?name=%s&type=%s", name, type_name(type));
    struct http_request request = {.path = path, .timeout_sec = TIMEOUT_SEC};
    struct http_reply reply;
    int r;

    if (!path)
        return -ENOMEM;
    r = http_call(lookup->http, &request, &reply, NULL);
    free(path);
    if (r)
        return r;
    r = -EIO;
    if (reply.status == 200 && reply.body) {
        r = lookup_read(reply.body, reply.size, out);
    } else if (reply.status == 404) { /* The network itself is gone. */
        out->found = false;
        r = 0;
    }
    http_reply_done(&reply);
    return r;
}

/* A bare name in each network of the node, in their order; then, as any other, in the fabric. */
static int ask_everywhere(struct lookup *lookup, const char *name, enum answer_type type,
                          struct answer_result *out)
{
    bool bare = type != ANSWER_PTR && !strchr(name, '.');

    for (unsigned i = 0; bare && i < lookup->n_networks; i++) {
        int r = ask_api(lookup, name, type, lookup->networks[i], out);

        if (r || out->found)
            return r;
    }
    return ask_api(lookup, name, type, NULL, out);
}

static struct known *find(struct lookup *lookup, const char *name, enum answer_type type)
{
    for (unsigned i = 0; i < LOOKUP_CACHE; i++) {
        struct known *k = &lookup->cache[i];

        if (k->name[0] && k->type == type && strcmp(k->name, name) == 0)
            return k;
    }
    return NULL;
}

static void remember(struct lookup *lookup, const char *name, enum answer_type type,
                     const struct answer_result *result)
{
    struct known *k = find(lookup, name, type);

    for (unsigned i = 0; !k && i < LOOKUP_CACHE; i++)
        if (!lookup->cache[i].name[0])
            k = &lookup->cache[i];
    if (!k) {
        k = &lookup->cache[0];
        for (unsigned i = 1; i < LOOKUP_CACHE; i++)
            if (lookup->cache[i].used < k->used)
                k = &lookup->cache[i];
    }
    memcpy(k->name, name, strlen(name) + 1);
    k->type = type;
    k->learnt = k->used = mtime_now();
    k->result = *result;
}

int lookup_ask(void *aux, const char *name, enum answer_type type,
               struct answer_result *out)
{
    struct lookup *lookup = aux;
    struct known *k = find(lookup, name, type);
    mtime_t now = mtime_now();
    mtime_t until = now + LOOKUP_PATIENCE_MS * MTIME_MS;
    const struct timespec pause = {.tv_nsec = ASK_AGAIN_MS * 1000000L};
    int r;

    if (k)
        k->used = now;
    if (k && now - k->learnt < LOOKUP_FRESH_SEC * MTIME_SEC) {
        *out = k->result;
        return 0;
    }
    for (;;) {
        r = ask_everywhere(lookup, name, type, out);
        if (r == 0) {
            remember(lookup, name, type, out);
            return 0;
        }
        if (k && now - k->learnt < LOOKUP_STALE_SEC * MTIME_SEC) {
            *out = k->result;
            return 0;
        }
        if (mtime_now() >= until)
            return r;
        (void)nanosleep(&pause, NULL);
    }
}
