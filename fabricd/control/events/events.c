/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/events/events_internal.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fabricd/control/view/view.h"
#include "proto/base/log.h"
#include "proto/base/xalloc.h"
#include "proto/model/schema.h"

struct events {
    struct control *control;
    struct store_watch watch;
    struct loop_timer beat;
    struct list clients;
    unsigned n_clients;
    uint64_t epoch; /* Numbers mean nothing to another process of control. */
    uint64_t next;  /* Number of the next event; from 1. */
    struct event kept[EVENTS_KEPT]; /* By number, modulo. */
};

static uint64_t oldest(const struct events *events)
{
    return events->next > EVENTS_KEPT ? events->next - EVENTS_KEPT : 1;
}

char *events_id(const struct events *events, uint64_t number, char out[EVENTS_ID_SIZE])
{
    snprintf(out, EVENTS_ID_SIZE, "%016" PRIx64 "-%" PRIu64, events->epoch, number);
    return out;
}

/* --- what happens --------------------------------------------------------------------------- */

static void free_event(struct event *event)
{
    free(event->network);
    free(event->kind);
    free(event->name);
    free(event->json);
}

/* Takes the body. */
static void add(struct events *events, const char *type, const char *network, bool local,
                struct node *body)
{
    struct event *event = &events->kept[events->next % EVENTS_KEPT];
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    node_set_int(body, "time", (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
    free_event(event);
    *event = (struct event){.number = events->next++,
                            .type = type,
                            .network = xstrdup(network),
                            .kind = xstrdup(node_get_text(body, "kind", "")),
                            .name = xstrdup(node_get_text(body, "name", "")),
                            .local = local,
                            .json = node_to_json(body, 0)};
    node_free(body);
}

static void wake(struct events *events)
{
    list_for_each_safe (it, &events->clients) {
        struct events_client *client = list_entry(it, struct events_client, link);

        client->behind = client->behind || client->next < oldest(events);
        client->ready(client);
    }
}

struct node *events_entry(const char *kind, const char *network, const char *name,
                          const char *verb)
{
    struct node *body = node_map();

    node_set_text(body, "kind", kind);
    if (network[0] != '\0')
        node_set_text(body, "network", network);
    node_set_text(body, "name", name);
    node_set_text(body, "verb", verb);
    return body;
}

static bool is_known(const struct view *view, const struct store_object *object)
{
    const char *kind = object->kind;

    if (strcmp(kind, "network") == 0)
        return view_network_in(view, object->scope, object->name) != NULL;
    if (strcmp(kind, "endpoint") == 0)
        return view_endpoint_in(view, object->scope, object->network, object->name) != NULL;
    if (strcmp(kind, "port") == 0)
        return view_port(view, object->network, object->name) != NULL;
    if (strcmp(kind, "host") == 0)
        return view_host(view, object->name) != NULL;
    if (strcmp(kind, "service") == 0)
        return view_service_in(view, object->scope, object->name) != NULL;
    return true; /* Links: the view does not keep them. */
}

static void add_object(struct events *events, const struct store_object *object)
{
    const struct kind *kind = schema_kind(object->kind);
    const char *verb = object->body == NULL                      ? "removed"
                       : is_known(events->control->view, object) ? "changed"
                                                                 : "created";
    /* An endpoint that goes with its program lives here, in a network of the fabric perhaps. */
    bool in_fabric =
        object->network[0] != '\0' &&
        view_network_in(events->control->view, STORE_LOCAL, object->network) == NULL;
    struct node *body;

    if (kind == NULL || strcmp(kind->name, object->kind) != 0)
        return; /* Control's own. */
    body = events_entry(object->kind, object->network, object->name, verb);
    node_set_int(body, "revision", (int64_t)object->revision);
    add(events, "object",
        strcmp(object->kind, "network") == 0 ? object->name : object->network,
        object->scope == STORE_LOCAL && !in_fabric, body);
}

static void committed(struct store_watch *watch, uint64_t revision,
                      const struct store_object *changes, size_t n)
{
    struct events *events = list_entry(watch, struct events, watch);
    struct node *reset;

    if (events->control->view == NULL)
        return;
    if (n > EVENTS_BURST) {
        reset = node_map();
        node_set_text(reset, "verb", "reset");
        node_set_int(reset, "revision", (int64_t)revision);
        add(events, "reset", "", false, reset);
    }
    for (size_t i = 0; n <= EVENTS_BURST && i < n; i++)
        add_object(events, &changes[i]);
    wake(events);
}

void events_port(struct control *control, const struct ipc_port *port, bool up)
{
    const struct view_network *net =
        control->view != NULL ? view_network_by_id(control->view, port->net) : NULL;

    if (control->member_ops != NULL && control->member_ops->noticed != NULL)
        control->member_ops->noticed(control);
    if (control->events == NULL || net == NULL)
        return;
    add(control->events, "port", net->name, net->scope == STORE_LOCAL,
        events_entry("port", net->name, port->name, up ? "up" : "down"));
    wake(control->events);
}

void events_service(struct control *control, const char *name, const char *state)
{
    const struct view_service *service =
        control->view != NULL ? view_service(control->view, name) : NULL;

    if (control->events == NULL || service == NULL)
        return;
    add(control->events, "service", service->network, service->scope == STORE_LOCAL,
        events_entry("service", "", name, state));
    wake(control->events);
}

void events_peer(struct control *control, uint16_t host, bool up)
{
    const struct view_host *peer =
        control->view != NULL ? view_host_by_number(control->view, host) : NULL;

    if (control->events == NULL || peer == NULL)
        return;
    add(control->events, "peer", "", false,
        events_entry("host", "", peer->name, up ? "up" : "down"));
    wake(control->events);
}

void events_held(struct control *control, const struct ipc_peer_state *state)
{
    const struct view_host *peer =
        control->view != NULL ? view_host_by_number(control->view, state->host) : NULL;
    struct node *body;

    if (peer == NULL)
        return;
    if (state->held_ms > 0)
        log_warn("the link to %s is lost again and again: spanning trees use it only where "
                 "there is no other way, until it has held for %u s",
                 peer->name, (state->held_ms + 999) / 1000);
    if (control->events == NULL)
        return;
    body = events_entry("host", "", peer->name, state->held_ms > 0 ? "held" : "released");
    if (state->held_ms > 0)
        node_set_int(body, "held_ms", state->held_ms);
    node_set_int(body, "losses", state->losses);
    add(control->events, "peer", "", false, body);
    wake(control->events);
}

void events_apply(struct control *control, const char *verb, uint64_t revision,
                  const char *who, const char *host)
{
    struct node *body;
    char name[24];

    if (control->events == NULL)
        return;
    snprintf(name, sizeof(name), "%" PRIu64, revision);
    body = events_entry("apply", "", name, verb);
    node_set_int(body, "revision", (int64_t)revision);
    node_set_text(body, "who", who);
    node_set_text(body, "host", host);
    add(control->events, "apply", "", false, body);
    wake(control->events);
}

void events_add(struct events *events, const char *type, const char *network, bool local,
                struct node *body)
{
    add(events, type, network, local, body);
    wake(events);
}

/* --- clients -------------------------------------------------------------------------------- */

static void beat(struct loop_timer *timer, mtime_t now)
{
    struct events *events = list_entry(timer, struct events, beat);

    list_for_each_safe (it, &events->clients) {
        struct events_client *client = list_entry(it, struct events_client, link);

        client->beat = true;
        client->ready(client);
    }
    if (events->n_clients > 0)
        loop_timer_set(events->control->loop, timer, now + EVENTS_BEAT);
}

/* False if the text names no event that can be resumed from. */
static bool resume(const struct events *events, const char *last, uint64_t *next)
{
    char *end;
    uint64_t epoch = strtoull(last, &end, 16), number;

    if (end != last + 16 || *end != '-' || epoch != events->epoch)
        return false;
    last = end + 1;
    number = strtoull(last, &end, 10);
    if (end == last || *end != '\0' || number >= events->next ||
        number + 1 < oldest(events))
        return false;
    *next = number + 1;
    return true;
}

bool events_attach(struct events *events, struct events_client *client, const char *last)
{
    unsigned limited = 0;

    list_for_each (it, &events->clients)
        limited += list_entry(it, struct events_client, link)->limited;
    if (events->n_clients >= EVENTS_CLIENTS ||
        (client->limited && limited >= EVENTS_LIMITED))
        return false;
    client->next = events->next;
    client->reset = last != NULL && !resume(events, last, &client->next);
    client->beat = client->behind = false;
    list_append(&events->clients, &client->link);
    if (events->n_clients++ == 0)
        loop_timer_set(events->control->loop, &events->beat,
                       loop_now(events->control->loop) + EVENTS_BEAT);
    return true;
}

void events_detach(struct events *events, struct events_client *client)
{
    list_remove(&client->link);
    if (--events->n_clients == 0)
        loop_timer_set(events->control->loop, &events->beat, MTIME_NEVER);
}

const struct event *events_next(struct events *events, struct events_client *client)
{
    if (client->behind || client->next < oldest(events) || client->next >= events->next)
        return NULL;
    return &events->kept[client->next++ % EVENTS_KEPT];
}

/* --- life ----------------------------------------------------------------------------------- */

struct events *events_new(struct control *control)
{
    struct events *events = xcalloc(1, sizeof(*events));

    events->control = control;
    events->next = 1;
    randombytes_buf(&events->epoch, sizeof(events->epoch));
    list_init(&events->clients);
    events->beat.expired = beat;
    events->watch.changed = committed;
    store_watch_add(control->store, &events->watch);
    return events;
}

void events_free(struct events *events)
{
    if (events == NULL)
        return;
    store_watch_remove(&events->watch);
    loop_timer_set(events->control->loop, &events->beat, MTIME_NEVER);
    for (unsigned i = 0; i < EVENTS_KEPT; i++) {
        free_event(&events->kept[i]);
    }
    free(events);
}
