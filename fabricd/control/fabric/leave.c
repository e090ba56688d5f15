/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A host leaves: the founder takes it out of the directory, and it founds a fabric of its own. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/fabric/member_internal.h"
#include "fabricd/control/identity/identity.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"

/* --- at the founder ----------------------------------------------------------------------- */

struct removal {
    struct store_op *ops;
    char **texts; /* What the ops point to. */
    size_t n, n_texts;
};

static char *keep(struct removal *r, char *text)
{
    r->texts = xrealloc(r->texts, (r->n_texts + 1) * sizeof(*r->texts));
    r->texts[r->n_texts++] = text;
    return text;
}

static void add(struct removal *r, enum store_verb verb, const char *kind,
                const char *network, char *name, char *body)
{
    r->ops = xrealloc(r->ops, (r->n + 1) * sizeof(*r->ops));
    r->ops[r->n++] = (struct store_op){
        .verb = verb,
        .scope = STORE_FABRIC,
        .kind = kind,
        .network = network,
        .name = keep(r, name),
        .expect = STORE_ANY,
        .body = body ? keep(r, body) : NULL,
    };
}

static bool names(const struct node *list, const char *host)
{
    for (size_t i = 0; list && list->kind == NODE_LIST && i < list->n; i++) {
        if (list->child[i]->text && !strcmp(list->child[i]->text, host)) {
            return true;
        }
    }
    return false;
}

/* Objects that say the host's name keep it as one that is declared and has not joined. */
static bool referred_to(const struct view *view, const char *host)
{
    list_for_each (it, &view->networks) {
        if (names(node_get(list_entry(it, struct view_network, link)->body, "on"), host)) {
            return true;
        }
    }
    list_for_each (it, &view->ports) {
        const struct view_port *port = list_entry(it, struct view_port, link);

        if (!strcmp(node_get_text(port->body, "host", ""), host)) {
            return true;
        }
    }
    return false;
}

static void remove_host(struct removal *r, const struct view *view,
                        const struct view_host *host)
{
    const struct node *address = node_get(host->body, "address");
    struct node *body;

    if (!address && !referred_to(view, host->name)) {
        add(r, STORE_DELETE, "host", "", xstrdup(host->name), NULL);
        return;
    }
    body = node_map();
    if (address) {
        node_set(body, "address", node_copy(address));
    }
    add(r, STORE_PUT, "host", "", xstrdup(host->name), node_to_json(body, 0));
    node_free(body);
}

/* Nobody runs under the host's names any more; its addresses are free for others. */
static int remove_endpoint(void *aux, const struct store_object *object)
{
    struct removal *r = aux;
    struct diags diags;
    struct node *body;
    const char *host = r->texts[0];

    diags_init(&diags);
    body = node_from_json(object->body, strlen(object->body), NULL, &diags);
    diags_done(&diags);
    if (body && !strcmp(node_get_text(body, "host", ""), host) &&
        node_remove(body, "_held")) {
        add(r, STORE_PUT, "endpoint", keep(r, xstrdup(object->network)),
            xstrdup(object->name), node_to_json(body, 0));
    }
    node_free(body);
    return 0;
}

void leave_serve(struct member *m, const char *host_name, change_done_fn *done, void *aux)
{
    const struct view *view = m->control->view;
    const struct view_host *host = view_host(view, host_name);
    struct removal r = {.ops = NULL};
    struct change_result result;
    int code = 0;

    change_result_init(&result);
    result.status = 200;
    keep(&r, xstrdup(host_name));
    if (host) {
        remove_host(&r, view, host);
        list_for_each (it, &view->blocks) {
            const struct view_block *b = list_entry(it, struct view_block, link);

            if (!strcmp(b->host, host_name)) {
                add(&r, STORE_DELETE, "block", keep(&r, xstrdup(b->network)),
                    xasprintf("%u.%s", b->vlan, b->host), NULL);
            }
        }
        code = store_each(m->control->store, STORE_FABRIC, "endpoint", NULL,
                          remove_endpoint, &r);
        code = code ? code
                    : store_commit(m->control->store, r.ops, r.n, NULL, NULL, &result.err);
    }
    if (code < 0) {
        result.status = change_status_of(code);
    } else {
        log_info("host %s has left the fabric", r.texts[0]);
    }
    for (size_t i = 0; i < r.n_texts; i++) {
        free(r.texts[i]);
    }
    free(r.texts);
    free(r.ops);
    done(aux, &result);
    change_result_done(&result);
}

/* --- at the host that leaves -------------------------------------------------------------- */

static void founded(struct control *control)
{
    struct member *m = control->member;
    change_done_fn *done = m->left;
    struct change_result result;

    log_info("this host is a fabric of its own, %s", control_host(control));
    m->left = NULL;
    member_begin(m);
    reconcile_kick(control->reconcile);
    change_result_init(&result);
    result.status = 200;
    done(m->left_aux, &result);
    change_result_done(&result);
}

/* What we had of the fabric goes, and with it who we were. */
static void drop_fabric(struct member *m)
{
    static const char *const gone[][2] = {{"self", "self"}, {MEMBER_KIND, "mark"}};
    struct store_op also[2];
    struct err err = {.why = ""};
    int r;

    for (size_t i = 0; i < 2; i++) {
        also[i] = (struct store_op){.verb = STORE_DELETE,
                                    .scope = STORE_LOCAL,
                                    .kind = gone[i][0],
                                    .network = "",
                                    .name = gone[i][1],
                                    .expect = STORE_ANY};
    }
    r = change_replicate(m->control, NULL, 0, true, also, 2, &err);
    if (r < 0) {
        change_done_fn *done = m->left;

        m->left = NULL;
        member_fail(done, m->left_aux, change_status_of(r), NULL, "%s", err.why);
        return;
    }
    identity_found(m->control, founded);
}

static void told(void *aux, struct change_result *result)
{
    struct member *m = aux;

    if (result->status >= 400 && result->status != 503) {
        change_done_fn *done = m->left;

        m->left = NULL;
        done(m->left_aux, result);
        return;
    }
    /* 503: the session ended with the membership, or the founder is away; it keeps the name. */
    if (result->status == 503) {
        log_info("leaving without the founding host's word");
    }
    drop_fabric(m);
}

/* A service that is placed here would be nobody's. */
static bool has_service(struct control *control, change_done_fn *done, void *aux)
{
    list_for_each (it, &control->view->services) {
        const struct view_service *service = list_entry(it, struct view_service, link);
        char hint[VIEW_NAME_SIZE + 64];

        if (service->scope != STORE_FABRIC ||
            strcmp(service->host, control_host(control)) != 0)
            continue;
        snprintf(hint, sizeof(hint), "iothctl service migrate %s --to HOST", service->name);
        member_fail(done, aux, 409, hint, "service %s is placed on this host",
                    service->name);
        return true;
    }
    return false;
}

static bool in_use(struct control *control, change_done_fn *done, void *aux)
{
    if (has_service(control, done, aux))
        return true;
    list_for_each (it, &control->view->endpoints) {
        const struct view_endpoint *ep = list_entry(it, struct view_endpoint, link);
        const struct view_network *net = view_network(control->view, ep->network);

        if ((ep->held || ep->anonymous) && !strcmp(ep->host, control_host(control)) &&
            net && net->scope == STORE_FABRIC) {
            member_fail(done, aux, 409, NULL,
                        "a program runs on this host as %s/%s; end it first", ep->network,
                        ep->name);
            return true;
        }
    }
    return false;
}

void leave_action(struct control *control, change_done_fn *done, void *aux)
{
    struct member *m = control->member;
    struct node *body;

    if (control->id.founder) {
        unsigned others = 0;

        list_for_each (it, &control->view->hosts) {
            others += list_entry(it, struct view_host, link)->number != 0;
        }
        if (others > 1) {
            member_fail(done, aux, 409, NULL,
                        "this host keeps the fabric's store for %u others", others - 1);
        } else {
            member_fail(done, aux, 409, NULL, "this host is in no other's fabric");
        }
        return;
    }
    if (m->left) {
        member_fail(done, aux, 409, NULL, "this host is leaving already");
        return;
    }
    if (in_use(control, done, aux)) {
        return;
    }
    m->left = done;
    m->left_aux = aux;
    body = node_map();
    follow_request(m, SYNC_LEAVE, body, 0, told, m);
    node_free(body);
}
