/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/control/seen/seen.h"

#include <stdlib.h>
#include <string.h>

#include "fabricd/control/migrate/migrate.h"
#include "fabricd/control/observe/observe.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "fabricd/control/services/services.h"
#include "fabricd/control/trial/settling.h"
#include "fabricd/control/trial/standing.h"
#include "proto/base/xalloc.h"
#include "proto/model/schema.h"

/* Reports by host, rising. */
struct seen {
    struct sync_seen report[SEEN_MAX];
    size_t n;
};

struct seen *seen_new(void)
{
    return xcalloc(1, sizeof(struct seen));
}

void seen_clear(struct seen *seen)
{
    for (size_t i = 0; i < seen->n; i++)
        sync_seen_done(&seen->report[i]);
    seen->n = 0;
}

void seen_free(struct seen *seen)
{
    if (seen == NULL)
        return;
    seen_clear(seen);
    free(seen);
}

/* Where the host's report is, or would be. */
static size_t place(const struct seen *seen, uint16_t host)
{
    size_t low = 0, high = seen->n;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (seen->report[middle].host < host)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct sync_seen *seen_of(const struct seen *seen, uint16_t host)
{
    size_t i = place(seen, host);

    return i < seen->n && seen->report[i].host == host ? &seen->report[i] : NULL;
}

void seen_put(struct seen *seen, const struct sync_seen *report)
{
    size_t i = place(seen, report->host);

    if (seen_of(seen, report->host) != NULL) {
        sync_seen_done(&seen->report[i]);
    } else {
        if (seen->n == SEEN_MAX)
            return;
        memmove(&seen->report[i + 1], &seen->report[i],
                (seen->n - i) * sizeof(seen->report[0]));
        seen->n++;
    }
    seen->report[i] = sync_seen_copy(report);
}

void seen_forget(struct seen *seen, uint16_t host)
{
    size_t i = place(seen, host);

    if (seen_of(seen, host) == NULL)
        return;
    sync_seen_done(&seen->report[i]);
    seen->n--;
    memmove(&seen->report[i], &seen->report[i + 1],
            (seen->n - i) * sizeof(seen->report[0]));
}

void seen_each(const struct seen *seen, void (*each)(void *aux, const struct sync_seen *),
               void *aux)
{
    for (size_t i = 0; i < seen->n; i++)
        each(aux, &seen->report[i]);
}

/* --- this host's own ------------------------------------------------------------------------ */

static bool is_up(const struct control *control, uint16_t host)
{
    const struct ipc_peer_state *peer = observe_peer(control->observe, host);

    return peer != NULL && peer->up != 0;
}

static enum sync_port_state own_port_state(const struct control *control,
                                           const struct view_port *port)
{
    const struct view_network *net = view_network(control->view, port->network);
    const char *kind = schema_port_kind(port->body);

    if (net != NULL && reconcile_port(control->reconcile, net->id, port->name) != NULL)
        return SYNC_PORT_UP;
    /* The socket of some is there, and waits for its client. */
    if (reconcile_problem(control->reconcile, port->network, port->name, NULL) != NULL ||
        (kind != NULL && (strcmp(kind, "vde") == 0 || strcmp(kind, "stream") == 0)))
        return SYNC_PORT_DOWN;
    return SYNC_PORT_PENDING;
}

static int by_host(const void *a, const void *b)
{
    const struct sync_seen_peer *x = a, *y = b;

    return (int)x->host - (int)y->host;
}

static void own_peers(const struct control *control, struct sync_seen *out)
{
    out->peer = xcalloc(SYNC_SEEN_PEERS, sizeof(*out->peer));
    list_for_each (it, &control->view->hosts) {
        const struct view_host *host = list_entry(it, struct view_host, link);
        const struct ipc_peer_state *state = observe_peer(control->observe, host->number);
        struct sync_seen_peer *peer = &out->peer[out->n_peers];

        if (host->number == 0 || host->number == out->host ||
            out->n_peers == SYNC_SEEN_PEERS)
            continue;
        out->n_peers++;
        peer->host = host->number;
        peer->up = state != NULL && state->up != 0;
        if (!peer->up)
            continue;
        peer->rtt_us = state->rtt_us;
        peer->mtu = (uint16_t)(state->mtu < UINT16_MAX ? state->mtu : UINT16_MAX);
        memcpy(peer->cipher, state->cipher,
               strnlen(state->cipher, sizeof(peer->cipher) - 1));
    }
    qsort(out->peer, out->n_peers, sizeof(*out->peer), by_host);
}

static void own_ports(const struct control *control, struct sync_seen *out)
{
    out->port = xcalloc(SYNC_SEEN_PORTS, sizeof(*out->port));
    list_for_each (it, &control->view->ports) {
        const struct view_port *port = list_entry(it, struct view_port, link);
        const struct view_network *net = view_network(control->view, port->network);
        struct sync_seen_port *told = &out->port[out->n_ports];

        if (port->scope != STORE_FABRIC || net == NULL || out->n_ports == SYNC_SEEN_PORTS ||
            strcmp(node_get_text(port->body, "host", ""), control_host(control)) != 0)
            continue;
        out->n_ports++;
        told->net = net->id;
        told->state = own_port_state(control, port);
        memcpy(told->name, port->name, strnlen(port->name, sizeof(told->name) - 1));
    }
}

static void own_services(const struct control *control, struct sync_seen *out)
{
    out->service = xcalloc(SYNC_SEEN_SERVICES, sizeof(*out->service));
    list_for_each (it, &control->view->services) {
        const struct view_service *service = list_entry(it, struct view_service, link);

        if (service->scope == STORE_FABRIC && out->n_services < SYNC_SEEN_SERVICES &&
            (strcmp(service->host, control_host(control)) == 0 ||
             migrate_role(control, service->name) == MIGRATE_READY))
            services_tell(control, service, &out->service[out->n_services++]);
    }
}

/* Texts of reports are plain ASCII. */
static void copy_plain(char *out, size_t size, const char *text)
{
    size_t n = 0;

    for (; text[n] != '\0' && n + 1 < size; n++)
        out[n] = text[n] >= 0x20 && text[n] <= 0x7e ? text[n] : '?';
    out[n] = '\0';
}

static void add_wrong(void *aux, const char *what, const char *why)
{
    struct sync_seen *out = aux;
    struct sync_seen_wrong *wrong = &out->wrong[out->n_wrong];

    if (out->n_wrong == SYNC_SEEN_WRONG)
        return;
    out->n_wrong++;
    copy_plain(wrong->what, sizeof(wrong->what), what);
    copy_plain(wrong->why, sizeof(wrong->why), why);
}

struct sync_seen seen_own(const struct control *control, uint64_t revision)
{
    struct sync_seen own = {.host = control->id.self.host, .revision = revision};

    own_peers(control, &own);
    own_ports(control, &own);
    own.wrong = xcalloc(SYNC_SEEN_WRONG, sizeof(*own.wrong));
    reconcile_each_problem(control->reconcile, add_wrong, &own);
    own_services(control, &own);
    if (standing_is_verified(control))
        own.tree = settling_own(control->settling, &own.n_trees);
    return own;
}

/* --- pairs ---------------------------------------------------------------------------------- */

static const struct sync_seen_peer *find_peer(const struct sync_seen *report, uint16_t host)
{
    struct sync_seen_peer key = {.host = host};

    return report != NULL ? bsearch(&key, report->peer, report->n_peers,
                                    sizeof(*report->peer), by_host)
                          : NULL;
}

bool seen_alive(const struct control *control, uint16_t host)
{
    return host == control->id.self.host || is_up(control, host) ||
           seen_of(control->seen, host) != NULL;
}

enum seen_pair seen_pair(const struct control *control, uint16_t a, uint16_t b,
                         const struct sync_seen_peer **told)
{
    uint16_t self = control->id.self.host;
    const struct sync_seen_peer *from_a, *from_b, *none;

    told = told != NULL ? told : &none;
    *told = NULL;
    if (a == self || b == self)
        return is_up(control, a == self ? b : a) ? SEEN_UP : SEEN_DOWN;
    from_a = find_peer(seen_of(control->seen, a), b);
    from_b = find_peer(seen_of(control->seen, b), a);
    if (from_a == NULL && from_b == NULL)
        return SEEN_UNKNOWN;
    if ((from_a != NULL && !from_a->up) || (from_b != NULL && !from_b->up))
        return SEEN_DOWN;
    *told = from_a != NULL ? from_a : from_b;
    return SEEN_UP;
}

struct down_walk {
    const struct control *control;
    void (*each)(void *aux, uint16_t a, uint16_t b);
    void *aux;
};

/* A pair that both ends know of is told by the lower one. */
static void walk_down(void *aux, const struct sync_seen *report)
{
    const struct down_walk *walk = aux;
    uint16_t self = walk->control->id.self.host, host = report->host;

    for (unsigned i = 0; i < report->n_peers; i++) {
        uint16_t peer = report->peer[i].host;
        const struct sync_seen_peer *back;

        if (report->peer[i].up || peer == self)
            continue;
        back = find_peer(seen_of(walk->control->seen, peer), host);
        if (host < peer || back == NULL || back->up)
            walk->each(walk->aux, host < peer ? host : peer, host < peer ? peer : host);
    }
}

void seen_each_down(const struct control *control, void (*each)(void *, uint16_t, uint16_t),
                    void *aux)
{
    struct down_walk walk = {control, each, aux};
    uint16_t self = control->id.self.host;

    list_for_each (it, &control->view->hosts) {
        const struct view_host *host = list_entry(it, struct view_host, link);

        if (host->number == 0 || host->number == self || is_up(control, host->number))
            continue;
        each(aux, host->number < self ? host->number : self,
             host->number < self ? self : host->number);
    }
    seen_each(control->seen, walk_down, &walk);
}

/* --- services ------------------------------------------------------------------------------- */

const struct sync_seen_service *seen_service(const struct control *control,
                                             const struct view_service *service)
{
    const struct view_host *host = view_host(control->view, service->host);
    const struct sync_seen *report =
        host != NULL && host->number != 0 ? seen_of(control->seen, host->number) : NULL;

    for (unsigned i = 0; report != NULL && i < report->n_services; i++) {
        if (strcmp(report->service[i].name, service->name) == 0)
            return &report->service[i];
    }
    return NULL;
}

/* --- ports ---------------------------------------------------------------------------------- */

const char *seen_port_state(const struct control *control, const struct view_port *port)
{
    static const char *const names[] = {
        [SYNC_PORT_DOWN] = "down", [SYNC_PORT_UP] = "up", [SYNC_PORT_PENDING] = "pending"};
    const char *name = node_get_text(port->body, "host", "");
    const struct view_host *host = view_host(control->view, name);
    const struct view_network *net = view_network(control->view, port->network);
    const struct sync_seen *report =
        host != NULL && host->number != 0 ? seen_of(control->seen, host->number) : NULL;

    if (strcmp(name, control_host(control)) == 0)
        return names[own_port_state(control, port)];
    for (unsigned i = 0; report != NULL && net != NULL && i < report->n_ports; i++) {
        if (report->port[i].net == net->id && strcmp(report->port[i].name, port->name) == 0)
            return names[report->port[i].state];
    }
    return "unknown";
}
