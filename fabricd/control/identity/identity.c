/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/identity/identity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "fabricd/control/reconcile/reconcile.h"
#include "proto/base/err.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"
#include "proto/model/node.h"

#define RETRY_AFTER (1 * MTIME_SEC)

/* One question to the parent about the keys, until it is answered well. */
struct asking {
    struct control *control;
    struct loop_timer retry;
    struct ipc_keys keys;
    bool founding; /* Objects of the new fabric have to be made. */
    void (*ready)(struct control *);
};

static void ask(struct asking *);

static struct node *body_of(struct store *store, enum store_scope scope, const char *kind,
                            const char *name)
{
    struct store_object object;
    struct diags diags;
    struct node *body;

    if (store_get(store, scope, kind, "", name, &object) < 0)
        return NULL;
    diags_init(&diags);
    body = node_from_json(object.body, strlen(object.body), NULL, &diags);
    diags_done(&diags);
    store_object_done(&object);
    return body;
}

char *identity_fabric_name(const struct control *control)
{
    struct node *body = body_of(control->store, STORE_FABRIC, "fabric", "fabric");
    const char *name = body != NULL ? node_get_text(body, "name", NULL) : NULL;
    char *out = name != NULL ? xstrdup(name) : NULL;

    node_free(body);
    return out;
}

static void set_hex(struct node *body, const char *key, const uint8_t *data, size_t size)
{
    char text[65];

    for (size_t i = 0; i < size && i < 32; i++)
        snprintf(text + 2 * i, 3, "%02x", data[i]);
    node_set_text(body, key, text);
}

static void set_id(struct node *body, const char *key, uint64_t id)
{
    char text[17];

    snprintf(text, sizeof(text), "%016" PRIx64, id);
    node_set_text(body, key, text);
}

struct store_op identity_op(const struct identity *id, char **body)
{
    struct node *node = node_map();

    set_id(node, "fabric", id->self.fabric);
    node_set_int(node, "host", id->self.host);
    node_set_text(node, "name", id->self.name);
    node_set_bool(node, "founder", id->founder);
    *body = node_to_json(node, 0);
    node_free(node);
    return (struct store_op){
        .verb = STORE_PUT,
        .scope = STORE_LOCAL,
        .kind = "self",
        .network = "",
        .name = "self",
        .expect = STORE_ANY,
        .owner = "daemon",
        .body = *body,
    };
}

/* The first objects of a fabric: itself and its one host. */
static int store_founded(struct control *control, struct err *err)
{
    const struct ipc_self *self = &control->id.self;
    struct node *fabric = node_map(), *host = node_map();
    struct store_op ops[3];
    char *texts[3];
    int r;

    set_id(fabric, "id", self->fabric);
    node_set_text(fabric, "founder", self->name);
    node_set_int(host, "number", self->host);
    set_hex(host, "key", self->noise_public, sizeof(self->noise_public));
    set_hex(host, "sign_key", self->sign_public, sizeof(self->sign_public));
    node_set_bool(host, "founder", true);
    texts[1] = node_to_json(fabric, 0);
    texts[2] = node_to_json(host, 0);
    ops[0] = identity_op(&control->id, &texts[0]);
    ops[1] = ops[2] = ops[0];
    ops[1].scope = ops[2].scope = STORE_FABRIC;
    ops[1].kind = ops[1].name = "fabric";
    ops[1].body = texts[1];
    ops[2].kind = "host";
    ops[2].name = self->name;
    ops[2].body = texts[2];
    r = store_commit(control->store, ops, 3, NULL, NULL, err);
    for (int i = 0; i < 3; i++)
        free(texts[i]);
    node_free(fabric);
    node_free(host);
    return r;
}

static void try_again(struct asking *asking, const char *why)
{
    log_error("the keys of this host cannot be had: %s", why);
    loop_timer_set(asking->control->loop, &asking->retry,
                   loop_now(asking->control->loop) + RETRY_AFTER);
}

static void answered(void *aux, struct ipc_message *reply)
{
    struct asking *asking = aux;
    struct control *control = asking->control;
    struct err err = {.why = ""};

    if (reply == NULL || reply->head.type != IPC_SELF) {
        try_again(asking, reply != NULL && reply->head.type == IPC_REPLY
                              ? reply->body.reply.why
                              : "the daemon's parent process is away");
        return;
    }
    control->id.self = reply->body.self;
    memset(control->id.self.noise_secret, 0, sizeof(control->id.self.noise_secret));
    if (asking->founding && store_founded(control, &err) < 0) {
        try_again(asking, err.why);
        return;
    }
    asking->ready(control);
    free(asking);
}

static void ask(struct asking *asking)
{
    chan_ask(&asking->control->parent, IPC_KEYS, &asking->keys, 0, answered, asking);
}

static void retry(struct loop_timer *timer, mtime_t now)
{
    (void)now;
    ask(list_entry(timer, struct asking, retry));
}

static struct asking *new_asking(struct control *control, void (*ready)(struct control *))
{
    struct asking *asking = xcalloc(1, sizeof(*asking));

    asking->control = control;
    asking->ready = ready;
    asking->retry.expired = retry;
    return asking;
}

void identity_found(struct control *control, void (*ready)(struct control *))
{
    struct asking *asking = new_asking(control, ready);
    struct ipc_self *self = &asking->keys.self;

    asking->founding = true;
    asking->keys.what = IPC_KEYS_FOUND;
    self->host = 1;
    memcpy(self->name, control->start.host, sizeof(self->name));
    while (self->fabric == 0) {
        if (getrandom(&self->fabric, sizeof(self->fabric), 0) != sizeof(self->fabric))
            self->fabric = 0;
    }
    control->id = (struct identity){.founder = true};
    ask(asking);
}

void identity_start(struct control *control, void (*ready)(struct control *))
{
    struct node *body = body_of(control->store, STORE_LOCAL, "self", "self");
    struct asking *asking;
    struct ipc_self *self;
    const char *name;

    if (body == NULL) {
        identity_found(control, ready);
        return;
    }
    asking = new_asking(control, ready);
    self = &asking->keys.self;
    name = node_get_text(body, "name", "");
    if (strcmp(name, control->start.host) != 0)
        log_warn("this host is %s in its fabric; the name %s is not taken", name,
                 control->start.host);
    control->id = (struct identity){.founder = node_get_bool(body, "founder", false)};
    asking->keys.what = control->id.founder ? IPC_KEYS_FOUND : IPC_KEYS_SHOW;
    self->host = (uint16_t)node_get_int(body, "host", 0);
    self->fabric = strtoull(node_get_text(body, "fabric", "0"), NULL, 16);
    snprintf(self->name, sizeof(self->name), "%s", name);
    node_free(body);
    ask(asking);
}

int control_set_identity(struct control *control, const struct identity *id,
                         struct err *err)
{
    char *body;
    struct store_op op = identity_op(id, &body);
    int r = store_commit(control->store, &op, 1, NULL, NULL, err);

    free(body);
    if (r < 0)
        return r;
    control->id = *id;
    memset(control->id.self.noise_secret, 0, sizeof(control->id.self.noise_secret));
    reconcile_kick(control->reconcile);
    return 0;
}

const char *control_host(const struct control *control)
{
    return control->id.self.name;
}

bool control_follows(const struct control *control)
{
    return control->member_ops != NULL && !control->id.founder;
}
