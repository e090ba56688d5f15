/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One item of a change: what every kind has in common. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/change/work.h"
#include "fabricd/control/trial/part.h"
#include "fabricd/control/trial/standing.h"
#include "proto/base/xalloc.h"

/* "network lan1", "endpoint lan1/web", for messages. */
static char *label(const struct change_item *item)
{
    return item->network[0] != '\0'
               ? xasprintf("%s %s/%s", item->kind, item->network, item->name)
               : xasprintf("%s %s", item->kind, item->name);
}

static int refuse(struct work *work, const struct change_item *item, int status, int code,
                  const char *what)
{
    char *text = label(item);

    change_fail(work->result, status, "%s %s", text, what);
    free(text);
    return code;
}

/* What another host asks for concerns the fabric's objects only: what is local here stays ours,
 * even where it hides behind the same name. */
static int check_foreign(struct work *work, const struct change_item *item)
{
    bool net = strcmp(item->kind, "network") == 0;
    const char *network = net ? item->name : item->network;
    const struct view_network *local = work_network(work, network);
    const struct view_endpoint *ep;

    if (!work_foreign(work))
        return 0;
    if (net && local == NULL && node_get_bool(item->body, "local", false)) {
        change_fail(work->result, 400, "network %s is to be local: it is made on its host",
                    network);
        return -EINVAL;
    }
    if (local != NULL && local->scope == STORE_LOCAL) {
        change_fail(work->result, 409, "host %s has a local network of the name %s",
                    control_host(work->control), network);
        return -EEXIST;
    }
    ep = strcmp(item->kind, "endpoint") == 0
             ? work_endpoint(work, item->network, item->name)
             : NULL;
    if (ep == NULL || ep->scope != STORE_LOCAL)
        return 0;
    change_fail(work->result, 409, "endpoint %s/%s runs on host %s", item->network,
                item->name, ep->host);
    return -EADDRINUSE;
}

/* The store that the item's object is in, or belongs in. */
static int scope_of(struct work *work, const struct change_item *item,
                    enum store_scope *out)
{
    const struct view_network *net;

    *out = STORE_FABRIC;
    if (strcmp(item->kind, "network") == 0) {
        net = work_network(work, item->name);
        if (net != NULL ? net->scope == STORE_LOCAL
                        : node_get_bool(item->body, "local", false))
            *out = STORE_LOCAL;
        return 0;
    }
    if (strcmp(item->kind, "service") == 0) {
        net = work_network(work, service_network(work->control, item));
        if (net != NULL) /* Else it says itself that there is none. */
            *out = net->scope;
        return 0;
    }
    if (item->network[0] == '\0')
        return 0;
    net = work_network(work, item->network);
    if (net == NULL) {
        change_fail(work->result, 404, "there is no network %s", item->network);
        err_hint(&work->result->err, "iothctl net ls");
        return -ENOENT;
    }
    *out = net->scope;
    if (strcmp(item->kind, "endpoint") == 0) {
        const struct view_endpoint *ep = work_endpoint(work, item->network, item->name);
        if (item->anonymous || item->promote || (ep != NULL && ep->scope == STORE_LOCAL))
            *out = STORE_LOCAL;
    }
    return 0;
}

/* A line for the history; of what comes and goes with a program nothing is said. */
static void note_item(struct work *work, const struct change_item *item, const char *verb)
{
    char *text;

    if (item->anonymous || item->promote)
        return;
    text = label(item);
    work_note(work, "%s %s", text, verb);
    free(text);
}

static int preconditions(struct work *work, const struct change_item *item,
                         const struct node *now, uint64_t revision)
{
    char why[96];

    if (now != NULL && item->create_only)
        return refuse(work, item, 412, -EEXIST, "exists already");
    if (now == NULL && item->update_only && item->verb == CHANGE_PUT)
        return refuse(work, item, 412, -ENOENT, "does not exist");
    if (now == NULL && item->verb != CHANGE_PUT) {
        char *text = label(item);
        if (strcmp(item->kind, "port") == 0 &&
            work_endpoint(work, item->network, item->name) != NULL)
            change_fail(work->result, 404, "%s is not declared; it goes with its program",
                        text);
        else
            change_fail(work->result, 404, "there is no %s", text);
        err_hint(&work->result->err, "iothctl %s ls",
                 strcmp(item->kind, "network") == 0 ? "net" : item->kind);
        free(text);
        return -ENOENT;
    }
    if (item->if_revision == 0 || item->if_revision == revision)
        return 0;
    snprintf(why, sizeof(why), "was changed meanwhile (its revision is %llu, not %llu)",
             (unsigned long long)revision, (unsigned long long)item->if_revision);
    return refuse(work, item, 412, -ESTALE, why);
}

/* Stored bodies have keys that only the daemon writes and that the schema does not know. */
static struct node *without_own(struct node *body)
{
    for (size_t i = body->n; i-- > 0;) {
        if (body->key[i][0] == '_')
            node_remove(body, body->key[i]);
    }
    return body;
}

/* The subnets of a network that is given VLANs are theirs from then on. */
static void move_to_vlans(const struct change_item *item, struct node *base)
{
    const struct node *vlans = item->body != NULL ? node_get(item->body, "vlans") : NULL;

    if (strcmp(item->kind, "network") != 0 || vlans == NULL || vlans->kind != NODE_MAP ||
        vlans->n == 0)
        return;
    node_remove(base, "ipv4");
    node_remove(base, "ipv6");
}

static struct node *checked_body(struct work *work, const struct change_item *item,
                                 const struct kind *kind, const struct node *now)
{
    struct node *empty = node_map();
    struct node *input, *base = NULL, *body;

    if (item->verb == CHANGE_PATCH) {
        base = without_own(node_copy(now));
        move_to_vlans(item, base);
        input = node_merge(base, item->body != NULL ? item->body : empty);
    } else {
        input = node_copy(item->body != NULL ? item->body : empty);
    }
    body = schema_check(kind, input, "", NULL, &work->result->diags);
    if (body != NULL && now != NULL &&
        !schema_change_ok(kind, now, body, "", &work->result->diags)) {
        node_free(body);
        body = NULL;
    }
    if (body == NULL)
        change_fail(work->result, 400, "the object is not valid");
    node_free(input);
    node_free(base);
    node_free(empty);
    return body;
}

static int finish(struct work *work, const struct change_item *item, enum store_scope scope,
                  const struct node *now, struct node *body)
{
    if (strcmp(item->kind, "network") == 0)
        return finish_network(work, item, scope, now, body);
    if (strcmp(item->kind, "port") == 0)
        return finish_port(work, item, now, body);
    if (strcmp(item->kind, "endpoint") == 0)
        return finish_endpoint(work, item, scope, now, body);
    if (strcmp(item->kind, "service") == 0)
        return finish_service(work, item, scope, now, body);
    if (strcmp(item->kind, "host") == 0)
        return finish_host(work, item, now, body);
    return finish_link(work, item, now, body);
}

/* Whether it is worth telling of: that a program took its endpoint again is not. */
static bool is_news(const struct change_item *item, const struct node *now,
                    const struct node *body)
{
    struct node *was, *is;
    bool same;

    if (now == NULL || strcmp(item->kind, "endpoint") != 0)
        return true;
    was = without_own(node_copy(now));
    is = without_own(node_copy(body));
    same = node_equal(was, is);
    node_free(was);
    node_free(is);
    return !same;
}

static int execute_put(struct work *work, const struct change_item *item,
                       const struct kind *kind, enum store_scope scope)
{
    uint64_t revision;
    struct node *now =
        work_get(work, scope, item->kind, item->network, item->name, &revision);
    struct node *body = NULL;
    int r = preconditions(work, item, now, revision);

    if (r == 0 && now == NULL && !schema_name_ok(item->name))
        r = refuse(
            work, item, 400, -EINVAL,
            "has no valid name (1 to 63 of a-z, 0-9 and -, beginning with a letter)");
    if (r == 0) {
        body = checked_body(work, item, kind, now);
        r = body != NULL ? finish(work, item, scope, now, body) : -EINVAL;
    }
    if (r == 0) {
        node_free(work->result->value);
        work->result->value =
            object_shown(node_copy(body), item->network, item->name, revision, NULL);
        work->result->status = now == NULL ? 201 : 200;
        if (now == NULL || !node_equal(now, body)) {
            if (is_news(item, now, body))
                note_item(work, item, now == NULL ? "created" : "changed");
            work_put(work, scope, item->kind, item->network, item->name, body, revision);
            body = NULL;
        }
    }
    node_free(body);
    node_free(now);
    return r;
}

/* What lives in a network goes with it, unless it is in use. */
static int delete_in_network(struct work *work, const char *network, enum store_scope scope)
{
    struct view *view = work->control->view;

    list_for_each (it, &view->services) {
        const struct view_service *service = list_entry(it, struct view_service, link);
        if (strcmp(service->network, network) != 0 ||
            !work_has(work, service->scope, "service", "", service->name))
            continue;
        change_fail(work->result, 409, "network %s is in use by service %s", network,
                    service->name);
        err_hint(&work->result->err, "iothctl service rm %s", service->name);
        return -EBUSY;
    }
    list_for_each (it, &view->endpoints) {
        struct view_endpoint *ep = list_entry(it, struct view_endpoint, link);
        /* That of a service which this change removes went with it. */
        if (strcmp(ep->network, network) != 0 ||
            work_gone(work, "endpoint", network, ep->name))
            continue;
        if (ep->held || ep->anonymous) {
            change_fail(work->result, 409, "network %s is in use by endpoint %s on host %s",
                        network, ep->name, ep->host);
            work_hint_endpoint(work, ep);
            return -EBUSY;
        }
        work_delete(work, ep->scope, "endpoint", network, ep->name);
    }
    list_for_each (it, &view->ports) {
        struct view_port *port = list_entry(it, struct view_port, link);
        if (strcmp(port->network, network) == 0)
            work_delete(work, port->scope, "port", network, port->name);
    }
    list_for_each (it, &view->blocks) {
        struct view_block *b = list_entry(it, struct view_block, link);
        char name[VIEW_NAME_SIZE + 8];

        if (strcmp(b->network, network) != 0 || scope != STORE_FABRIC)
            continue;
        snprintf(name, sizeof(name), "%u.%s", b->vlan, b->host);
        work_delete(work, STORE_FABRIC, "block", network, name);
    }
    return 0;
}

/* Its program would only take the name again. A host that is out of reach is not waited for. */
static int refuse_running(struct work *work, const struct change_item *item)
{
    const struct view_endpoint *ep = work_endpoint(work, item->network, item->name);

    if (view_service_of(work->control->view, item->network, item->name) != NULL &&
        !item->promote) {
        change_fail(work->result, 409, "endpoint %s/%s is that of service %s",
                    item->network, item->name, item->name);
        err_hint(&work->result->err, "iothctl service rm %s", item->name);
        return -EBUSY;
    }
    if (ep == NULL || item->anonymous || item->promote || !work_runs(work, ep))
        return 0;
    change_fail(work->result, 409, "a program runs as %s/%s on host %s; end it first",
                ep->network, ep->name, ep->host);
    work_hint_endpoint(work, ep);
    return -EBUSY;
}

static int execute_delete(struct work *work, const struct change_item *item,
                          enum store_scope scope)
{
    uint64_t revision;
    struct node *now =
        work_get(work, scope, item->kind, item->network, item->name, &revision);
    int r = preconditions(work, item, now, revision);

    if (r == 0 && strcmp(item->kind, "network") == 0)
        r = delete_in_network(work, item->name, scope);
    if (r == 0 && strcmp(item->kind, "endpoint") == 0)
        r = refuse_running(work, item);
    if (r == 0 && strcmp(item->kind, "host") == 0 && node_get_int(now, "number", 0) != 0)
        r = refuse(work, item, 409, -EBUSY, "is a member of the fabric; it can only leave");
    /* Its name and addresses are free at once; its program is ended where it runs. */
    if (r == 0 && strcmp(item->kind, "service") == 0)
        work_delete(work, scope, "endpoint", node_get_text(now, "network", ""), item->name);
    if (r == 0) {
        note_item(work, item, "removed");
        work_delete(work, scope, item->kind, item->network, item->name);
        work->result->status = 204;
    }
    node_free(now);
    return r;
}

/* The name stays with its address; another host may take it now. */
static int execute_let_go(struct work *work, const struct change_item *item,
                          enum store_scope scope)
{
    uint64_t revision;
    struct node *body =
        work_get(work, scope, "endpoint", item->network, item->name, &revision);

    work->result->status = 204;
    if (body == NULL || strcmp(node_get_text(body, "host", ""), work->change->host) != 0 ||
        !node_get_bool(body, "_held", false)) {
        node_free(body);
        return 0;
    }
    node_remove(body, "_held");
    work_put(work, scope, "endpoint", item->network, item->name, body, revision);
    return 0;
}

static int execute_rename(struct work *work, const struct change_item *item)
{
    uint64_t revision;
    struct node *body = work_get(work, STORE_FABRIC, "fabric", "", "fabric", &revision);

    if (!schema_name_ok(item->name)) {
        change_fail(work->result, 400,
                    "\"%s\" is no valid name (1 to 63 of a-z, 0-9 and -, beginning with a "
                    "letter)",
                    item->name);
        node_free(body);
        return -EINVAL;
    }
    body = body != NULL ? body : node_map();
    node_set_text(body, "name", item->name);
    work_note(work, "fabric named %s", item->name);
    work_put(work, STORE_FABRIC, "fabric", "", "fabric", body, revision);
    work->result->status = 200;
    return 0;
}

static int execute_block(struct work *work, const struct change_item *item)
{
    const struct view_network *net = work_network(work, item->network);
    const struct view_block *block;
    int r;

    if ((net == NULL || net->scope != STORE_FABRIC) && item->optional)
        return 0;
    if (net == NULL || net->scope != STORE_FABRIC) {
        change_fail(work->result, 404, "there is no network %s", item->network);
        return -ENOENT;
    }
    if (work_foreign(work) && strcmp(item->name, work->change->host) != 0) {
        change_fail(work->result, 403, "host %s may not take addresses for host %.63s",
                    work->change->host, item->name);
        return -EPERM;
    }
    work->result->status = 200;
    block = work_block(work, net->name, item->vlan, item->name);
    /* Whoever asked did not know of the last one yet: that will do. */
    if (block != NULL && (item->create_only ||
                          (item->if_revision != 0 && item->if_revision != block->revision)))
        return 0;
    r = take_block(work, net, item->vlan, item->name);
    if (r != -ENOSPC || !item->optional)
        return r;
    work->result->status = 200;
    work->result->err = (struct err){.why = ""};
    return 0;
}

int execute_item(struct work *work, const struct change_item *item)
{
    const struct kind *kind;
    enum store_scope scope;
    int r;

    if (item->verb == CHANGE_APPLY)
        return execute_apply(work, item);
    if (item->verb == CHANGE_ROLLBACK)
        return execute_rollback(work, item);
    if (item->verb == CHANGE_HISTORY)
        return execute_history(work, item);
    if (item->verb == CHANGE_ACCEPT) {
        standing_accept(work->control->standing, work->result);
        return work->result->status < 400 ? 0 : -ENOENT;
    }
    if (item->verb == CHANGE_RENAME)
        return execute_rename(work, item);
    if (item->verb == CHANGE_BLOCK)
        return execute_block(work, item);
    if (item->verb == CHANGE_MOVE)
        return execute_move(work, item);
    kind = schema_kind(item->kind);
    if (kind == NULL || kind->later != NULL) {
        change_fail(work->result, kind == NULL ? 400 : 501, "%s",
                    kind == NULL ? "there is no such kind of object" : kind->later);
        return -EINVAL;
    }
    if (kind->in_network != (item->network[0] != '\0')) {
        change_fail(work->result, 400, "a %s is named %s", kind->name,
                    kind->in_network ? "NETWORK/NAME" : "NAME");
        return -EINVAL;
    }
    if (item->verb != CHANGE_LET_GO && !item->held && !work->planned &&
        (standing_refuses(work->control, item->kind, item->network, item->name,
                          work->result) ||
         part_refuses(work->control, item->kind, item->network, item->name, work->result)))
        return -EBUSY;
    r = check_foreign(work, item);
    if (r == 0)
        r = scope_of(work, item, &scope);
    if (r < 0)
        return r;
    if (item->verb == CHANGE_DELETE)
        return execute_delete(work, item, scope);
    if (item->verb == CHANGE_LET_GO)
        return execute_let_go(work, item, scope);
    return execute_put(work, item, kind, scope);
}
