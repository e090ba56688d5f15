/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counters in Prometheus's text format. Names of ours hold nothing that a label would have to
 * escape; what others choose (ciphers, versions) neither. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/api/routes.h"
#include "fabricd/control/reconcile/reconcile.h"
#include "fabricd/control/services/services.h"
#include "fabricd/switch/switch.h"
#include "fabricd/tree/tree.h"
#include "ioth_version.h"

static const char content_type[] = "text/plain; version=0.0.4; charset=utf-8";

struct metrics {
    FILE *out;
    const struct control *control;
    const struct stats *stats;
};

static void head(struct metrics *m, const char *name, const char *type, const char *help)
{
    fprintf(m->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void gauge(struct metrics *m, const char *name, const char *help, uint64_t value)
{
    head(m, name, "gauge", help);
    fprintf(m->out, "%s %" PRIu64 "\n", name, value);
}

static const struct view_network *net_of(const struct metrics *m,
                                         const struct ipc_stats_port *port)
{
    return view_network_by_id(m->control->view, port->net);
}

/* Captures have no name of their own that would stay. */
static bool is_shown(const struct metrics *m, const struct ipc_stats_port *port)
{
    return port->kind != IPC_PORT_CAPTURE && net_of(m, port) != NULL;
}

static void labels(struct metrics *m, const struct ipc_stats_port *port)
{
    char name[IPC_NAME_SIZE];

    stats_port_name(port, name);
    fprintf(m->out, "{network=\"%s\",port=\"%s\"", net_of(m, port)->name, name);
}

static void port_pair(struct metrics *m, const char *name, const char *help, size_t rx_ofs,
                      size_t tx_ofs)
{
    head(m, name, "counter", help);
    for (size_t i = 0; i < m->stats->n_ports; i++) {
        const struct ipc_stats_port *port = &m->stats->ports[i];
        uint64_t value;

        if (!is_shown(m, port))
            continue;
        memcpy(&value, (const char *)port + rx_ofs, sizeof(value));
        fputs(name, m->out);
        labels(m, port);
        fprintf(m->out, ",direction=\"in\"} %" PRIu64 "\n", value);
        memcpy(&value, (const char *)port + tx_ofs, sizeof(value));
        fputs(name, m->out);
        labels(m, port);
        fprintf(m->out, ",direction=\"out\"} %" PRIu64 "\n", value);
    }
}

static void port_drops(struct metrics *m)
{
    static const char name[] = "ioth_port_drops_total";

    head(m, name, "counter", "Frames dropped at ports, by cause.");
    for (size_t i = 0; i < m->stats->n_ports; i++) {
        const struct ipc_stats_port *port = &m->stats->ports[i];

        for (unsigned cause = 0; is_shown(m, port) && cause < SWPORT_DROP_N; cause++) {
            const char *text = swport_drop_name((enum swport_drop)cause);

            fputs(name, m->out);
            labels(m, port);
            fprintf(m->out, ",direction=\"in\",cause=\"%s\"} %" PRIu64 "\n", text,
                    port->rx_drops[cause]);
            fputs(name, m->out);
            labels(m, port);
            fprintf(m->out, ",direction=\"out\",cause=\"%s\"} %" PRIu64 "\n", text,
                    port->tx_drops[cause]);
        }
    }
}

struct link_metric {
    const char *name, *type, *help;
    size_t ofs;
};

static const struct link_metric link_metrics[] = {
    {"ioth_link_rx_datagrams_total", "counter", "Datagrams received over the link.",
     offsetof(struct ipc_stats_link, rx_datagrams)},
    {"ioth_link_rx_bytes_total", "counter", "Bytes received over the link.",
     offsetof(struct ipc_stats_link, rx_bytes)},
    {"ioth_link_tx_datagrams_total", "counter", "Datagrams sent over the link.",
     offsetof(struct ipc_stats_link, tx_datagrams)},
    {"ioth_link_tx_bytes_total", "counter", "Bytes sent over the link.",
     offsetof(struct ipc_stats_link, tx_bytes)},
    {"ioth_link_rx_bad_total", "counter", "Datagrams that failed authentication.",
     offsetof(struct ipc_stats_link, rx_bad)},
    {"ioth_link_rx_replayed_total", "counter", "Datagrams received a second time.",
     offsetof(struct ipc_stats_link, rx_replayed)},
    {"ioth_link_rx_refused_total", "counter", "Frames that the peer may not send.",
     offsetof(struct ipc_stats_link, rx_refused)},
    {"ioth_link_rx_orphans_total", "counter",
     "Pieces of superframes of which no headers came.",
     offsetof(struct ipc_stats_link, rx_orphans)},
    {"ioth_link_handshakes_total", "counter", "Handshakes completed.",
     offsetof(struct ipc_stats_link, handshakes)},
};

static void links(struct metrics *m)
{
    head(m, "ioth_link_up", "gauge", "Whether the link to the host works.");
    for (size_t i = 0; i < m->stats->n_links; i++) {
        const struct ipc_peer_state *state = &m->stats->links[i].state;
        const struct view_host *host = view_host_by_number(m->control->view, state->host);
        if (host != NULL)
            fprintf(m->out, "ioth_link_up{host=\"%s\"} %u\n", host->name, state->up != 0);
    }
    head(m, "ioth_link_held", "gauge",
         "Whether the link was lost too often for trees to use it as any other.");
    for (size_t i = 0; i < m->stats->n_links; i++) {
        const struct ipc_peer_state *state = &m->stats->links[i].state;
        const struct view_host *host = view_host_by_number(m->control->view, state->host);
        if (host != NULL)
            fprintf(m->out, "ioth_link_held{host=\"%s\"} %u\n", host->name,
                    state->held_ms > 0);
    }
    head(m, "ioth_link_rtt_seconds", "gauge", "Round trip of the link.");
    for (size_t i = 0; i < m->stats->n_links; i++) {
        const struct ipc_peer_state *state = &m->stats->links[i].state;
        const struct view_host *host = view_host_by_number(m->control->view, state->host);
        if (host != NULL && state->up != 0)
            fprintf(m->out, "ioth_link_rtt_seconds{host=\"%s\"} %.6f\n", host->name,
                    state->rtt_us / 1e6);
    }
    for (size_t k = 0; k < sizeof(link_metrics) / sizeof(link_metrics[0]); k++) {
        const struct link_metric *metric = &link_metrics[k];

        head(m, metric->name, metric->type, metric->help);
        for (size_t i = 0; i < m->stats->n_links; i++) {
            const struct ipc_stats_link *link = &m->stats->links[i];
            const struct view_host *host =
                view_host_by_number(m->control->view, link->state.host);
            uint64_t value;

            if (host == NULL)
                continue;
            memcpy(&value, (const char *)link + metric->ofs, sizeof(value));
            fprintf(m->out, "%s{host=\"%s\"} %" PRIu64 "\n", metric->name, host->name,
                    value);
        }
    }
}

static void macs(struct metrics *m)
{
    head(m, "ioth_network_macs", "gauge",
         "MACs learnt by the network's switch on this host.");
    list_for_each (it, &m->control->view->networks) {
        const struct view_network *net = list_entry(it, struct view_network, link);
        unsigned n = 0;

        if (view_network(m->control->view, net->name) != net)
            continue;
        for (size_t i = 0; i < m->stats->n_macs; i++)
            n += m->stats->macs[i].net == net->id;
        fprintf(m->out, "ioth_network_macs{network=\"%s\"} %u\n", net->name, n);
    }
}

static void groups(struct metrics *m)
{
    head(m, "ioth_network_memberships", "gauge",
         "Memberships of multicast groups that the network's switch on this host knows.");
    list_for_each (it, &m->control->view->networks) {
        const struct view_network *net = list_entry(it, struct view_network, link);
        unsigned n = 0;

        if (view_network(m->control->view, net->name) != net)
            continue;
        for (size_t i = 0; i < m->stats->n_groups; i++)
            n += m->stats->groups[i].net == net->id;
        fprintf(m->out, "ioth_network_memberships{network=\"%s\"} %u\n", net->name, n);
    }
}

/* Of the protocols of groups, and of addresses. */
static void heard(struct metrics *m)
{
    static const char *const groups[SWPORT_IP_N] = {"igmp", "mld"};
    static const char *const addresses[SWPORT_IP_N] = {"arp", "nd"};
    static const struct {
        const char *name;
        size_t ofs;
    } kinds[] = {{"query", offsetof(struct swport_heard, queries)},
                 {"report", offsetof(struct swport_heard, reports)},
                 {"leave", offsetof(struct swport_heard, leaves)},
                 {"asked", offsetof(struct swport_heard, asked)}};

    head(
        m, "ioth_network_snooped_total", "counter",
        "Messages of IGMP and MLD that snooping has read, and queries of our own (asked).");
    for (size_t i = 0; i < m->stats->n_nets * SWPORT_IP_N; i++) {
        const struct ipc_stats_net *stats = &m->stats->nets[i / SWPORT_IP_N];
        const struct view_network *net = view_network_by_id(m->control->view, stats->net);
        unsigned ip = i % SWPORT_IP_N;

        for (unsigned k = 0; net != NULL && k < sizeof(kinds) / sizeof(kinds[0]); k++) {
            uint64_t value;

            memcpy(&value, (const char *)&stats->heard[ip] + kinds[k].ofs, sizeof(value));
            fprintf(m->out,
                    "ioth_network_snooped_total{network=\"%s\",protocol=\"%s\","
                    "kind=\"%s\"} %" PRIu64 "\n",
                    net->name, groups[ip], kinds[k].name, value);
        }
    }
    head(m, "ioth_network_suppressed_total", "counter",
         "Requests for addresses that went to their owner alone.");
    for (size_t i = 0; i < m->stats->n_nets * SWPORT_IP_N; i++) {
        const struct ipc_stats_net *stats = &m->stats->nets[i / SWPORT_IP_N];
        const struct view_network *net = view_network_by_id(m->control->view, stats->net);
        unsigned ip = i % SWPORT_IP_N;

        if (net != NULL)
            fprintf(m->out,
                    "ioth_network_suppressed_total{network=\"%s\",protocol=\"%s\"} %" PRIu64
                    "\n",
                    net->name, addresses[ip], stats->heard[ip].suppressed);
    }
}

/* Of ports that have a mirror, or had. */
static void mirrors(struct metrics *m)
{
    head(m, "ioth_port_mirrored_total", "counter",
         "Copies of the port's frames for its mirror: taken, or lost there.");
    for (size_t i = 0; i < m->stats->n_ports; i++) {
        const struct ipc_stats_port *port = &m->stats->ports[i];

        if (!is_shown(m, port) || port->mirrored.frames == 0)
            continue;
        fputs("ioth_port_mirrored_total", m->out);
        labels(m, port);
        fprintf(m->out, ",result=\"taken\"} %" PRIu64 "\n",
                port->mirrored.frames - port->mirrored.lost);
        fputs("ioth_port_mirrored_total", m->out);
        labels(m, port);
        fprintf(m->out, ",result=\"lost\"} %" PRIu64 "\n", port->mirrored.lost);
    }
}

static void vlans(struct metrics *m)
{
    static const struct {
        const char *name, *help;
        size_t ofs;
    } counters[] = {
        {"ioth_vlan_rx_frames_total", "Frames that came in by ports of this host, by VLAN.",
         offsetof(struct ipc_stats_vlan, rx_frames)},
        {"ioth_vlan_rx_bytes_total", "Bytes of them.",
         offsetof(struct ipc_stats_vlan, rx_bytes)},
        {"ioth_vlan_policed_total", "Frames over what a port may send in the VLAN.",
         offsetof(struct ipc_stats_vlan, policed)},
    };

    for (unsigned c = 0; c < sizeof(counters) / sizeof(counters[0]); c++) {
        head(m, counters[c].name, "counter", counters[c].help);
        for (size_t i = 0; i < m->stats->n_vlans; i++) {
            const struct ipc_stats_vlan *vlan = &m->stats->vlans[i];
            const struct view_network *net =
                view_network_by_id(m->control->view, vlan->net);
            uint64_t value;

            if (net == NULL || vlan->vlan == 0)
                continue;
            memcpy(&value, (const char *)vlan + counters[c].ofs, sizeof(value));
            fprintf(m->out, "%s{network=\"%s\",vlan=\"%u\"} %" PRIu64 "\n",
                    counters[c].name, net->name, vlan->vlan, value);
        }
    }
}

static void port_states(struct metrics *m)
{
    head(m, "ioth_stp_port_forwarding", "gauge",
         "Whether the port forwards in the spanning tree.");
    for (size_t i = 0; i < m->stats->n_ports; i++) {
        const struct ipc_stats_port *port = &m->stats->ports[i];

        if (!is_shown(m, port) || port->stp.number == 0)
            continue;
        fputs("ioth_stp_port_forwarding", m->out);
        labels(m, port);
        fprintf(m->out, ",role=\"%s\"} %d\n",
                rstp_role_name((enum rstp_role)port->stp.role),
                port->stp.state == RSTP_FORWARDING && !port->stp.blocked);
    }
    head(m, "ioth_stp_port_held", "gauge",
         "Whether the port went down too often for the tree to use it as any other.");
    for (size_t i = 0; i < m->stats->n_ports; i++) {
        const struct ipc_stats_port *port = &m->stats->ports[i];

        if (!is_shown(m, port) || port->kind == 0 || port->stp.number == 0)
            continue;
        fputs("ioth_stp_port_held", m->out);
        labels(m, port);
        fprintf(m->out, "} %d\n", port->stp.held_ms > 0);
    }
    head(m, "ioth_stp_port_bpdus_total", "counter", "BPDUs through the port.");
    for (size_t i = 0; i < m->stats->n_ports; i++) {
        const struct ipc_stats_port *port = &m->stats->ports[i];

        if (!is_shown(m, port) || port->stp.number == 0)
            continue;
        fputs("ioth_stp_port_bpdus_total", m->out);
        labels(m, port);
        fprintf(m->out, ",direction=\"in\"} %" PRIu64 "\n", port->stp.rx_bpdus);
        fputs("ioth_stp_port_bpdus_total", m->out);
        labels(m, port);
        fprintf(m->out, ",direction=\"out\"} %" PRIu64 "\n", port->stp.tx_bpdus);
    }
}

static void trees(struct metrics *m)
{
    head(m, "ioth_stp_root", "gauge",
         "Whether this host's bridge is the root of the network's spanning tree.");
    for (size_t i = 0; i < m->stats->n_trees; i++) {
        const struct ipc_stats_tree *tree = &m->stats->trees[i];
        const struct view_network *net = view_network_by_id(m->control->view, tree->net);

        if (net != NULL)
            fprintf(m->out, "ioth_stp_root{network=\"%s\"} %d\n", net->name,
                    tree->root == tree->bridge);
    }
    head(m, "ioth_stp_topology_changes_total", "counter",
         "Topology changes that this host's bridge noticed or was told of.");
    for (size_t i = 0; i < m->stats->n_trees; i++) {
        const struct ipc_stats_tree *tree = &m->stats->trees[i];
        const struct view_network *net = view_network_by_id(m->control->view, tree->net);

        if (net != NULL)
            fprintf(m->out, "ioth_stp_topology_changes_total{network=\"%s\"} %" PRIu64 "\n",
                    net->name, tree->tc_count);
    }
    port_states(m);
}

static void services(struct metrics *m)
{
    head(m, "ioth_service_up", "gauge",
         "Whether the service of this host runs and is well.");
    list_for_each (it, &m->control->view->services) {
        const struct view_service *service = list_entry(it, struct view_service, link);

        if (strcmp(service->host, control_host(m->control)) == 0)
            fprintf(m->out, "ioth_service_up{service=\"%s\",network=\"%s\"} %d\n",
                    service->name, service->network,
                    strcmp(services_state(m->control, service), "running") == 0);
    }
    head(m, "ioth_service_restarts_total", "counter",
         "How often the service of this host was started anew since its keeper began.");
    list_for_each (it, &m->control->view->services) {
        const struct view_service *service = list_entry(it, struct view_service, link);
        struct sync_seen_service seen;

        if (strcmp(service->host, control_host(m->control)) != 0)
            continue;
        services_tell(m->control, service, &seen);
        fprintf(m->out, "ioth_service_restarts_total{service=\"%s\",network=\"%s\"} %u\n",
                service->name, service->network, seen.restarts);
    }
}

static void answer(void *aux, const struct stats *stats)
{
    struct api_request *rq = aux;
    char *text = NULL;
    size_t size = 0;
    struct metrics m = {.control = rq->control, .stats = stats};
    const struct view *view = rq->control->view;

    m.out = open_memstream(&text, &size);
    if (m.out == NULL)
        abort();
    head(&m, "ioth_build_info", "gauge", "The daemon's version.");
    fprintf(m.out, "ioth_build_info{version=\"%s\"} 1\n", IOTH_VERSION_TEXT);
    gauge(&m, "ioth_networks", "Networks known.", view->n_networks);
    gauge(&m, "ioth_endpoints", "Endpoints known.", view->n_endpoints);
    gauge(&m, "ioth_hosts", "Hosts of the fabric.", view->n_hosts);
    gauge(&m, "ioth_store_revision", "Revision of the store.",
          store_revision(rq->control->store));
    port_pair(&m, "ioth_port_frames_total", "Frames through ports; a superframe is one.",
              offsetof(struct ipc_stats_port, rx_frames),
              offsetof(struct ipc_stats_port, tx_frames));
    port_pair(&m, "ioth_port_bytes_total", "Bytes through ports.",
              offsetof(struct ipc_stats_port, rx_bytes),
              offsetof(struct ipc_stats_port, tx_bytes));
    port_drops(&m);
    macs(&m);
    groups(&m);
    heard(&m);
    mirrors(&m);
    vlans(&m);
    trees(&m);
    links(&m);
    services(&m);
    if (fclose(m.out) != 0)
        abort();
    api_answer_text(rq, 200, content_type, text);
}

void api_metrics(struct api_request *rq)
{
    observe_stats(rq->control->observe, 0,
                  IPC_STATS_PORTS | IPC_STATS_FDB | IPC_STATS_LINKS | IPC_STATS_TREES |
                      IPC_STATS_VLANS | IPC_STATS_MEMBERS,
                  answer, rq);
}
