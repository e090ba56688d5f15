/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What consoles print, in the forms of vde_switch: scripts take them apart. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fabricd/control/console/console_internal.h"
#include "fabricd/control/perm/perm.h"
#include "ioth_version.h"
#include "proto/rstp/rstp.h"
#include "proto/wire/mac.h"

#define AGEING 300 /* Seconds, of the MAC table; and its room. */
#define ROOM   65536

/* What a command is shown: the ports, and what else there is. */
struct showing {
    struct console_call *call;
    const struct view_network *net;
    const struct stats *stats;
    struct console_port *ports;
    size_t n;
    bool asked; /* With a number that is in `number`. */
    uint32_t number;
};

/* Answers with the block of lines, even where it is empty. */
static void done(struct console_call *call, int code)
{
    call->has_data = true;
    console_answer(call, code);
}

/* --- ports ---------------------------------------------------------------------------------- */

static const char *module_of(const struct console_port *port)
{
    static const char *const names[] = {
        [0] = "link",
        [IPC_PORT_TAP] = "tap",
        [IPC_PORT_RING] = "ring",
        [IPC_PORT_VDE] = "unix prog",
        [IPC_PORT_STREAM] = "stream",
        [IPC_PORT_RAW] = "raw",
    };
    uint8_t kind = port->stats->kind;

    return kind < sizeof(names) / sizeof(names[0]) && names[kind] != NULL ? names[kind]
                                                                          : "other";
}

static const char *user_of(const struct console_port *port, char text[PERM_WHO_SIZE])
{
    struct fd_peer peer = {.uid = port->stats != NULL ? port->stats->owner_uid : 0};

    if (port->stats == NULL || port->stats->kind == 0)
        return "NONE";
    return perm_who(&peer, text);
}

static void print_endpoint(FILE *out, const struct console_port *port)
{
    const struct ipc_stats_port *s = port->stats;
    char user[PERM_WHO_SIZE];

    fprintf(out, "  -- endpoint ID %04" PRIu32 " module %-12s: %s", s->id, module_of(port),
            port->name);
    if (port->live != NULL && port->live->kind != IPC_PORT_VDE &&
        port->live->path[0] != '\0')
        fprintf(out, " %s", port->live->path);
    if (s->owner_pid != 0)
        fprintf(out, " user=%s pid=%" PRIu32, user_of(port, user), s->owner_pid);
    fputc('\n', out);
}

static void print_port(FILE *out, const struct console_port *port)
{
    static const struct ipc_stats_port none;
    const struct ipc_stats_port *s = port->stats != NULL ? port->stats : &none;
    bool numbered = port->number <= CONSOLE_VDE_PORTS && port->declared == NULL;
    char user[PERM_WHO_SIZE];

    fprintf(out, "Port %04" PRIu32 " untagged_vlan=%04u %sACTIVE - %sUnnamed Allocatable\n",
            port->number, console_port_vlan(port), port->stats != NULL ? "" : "IN",
            numbered ? "" : "NOT ");
    fprintf(out, " Current User: %s Access Control: (User: NONE - Group: NONE)\n",
            user_of(port, user));
    fprintf(out, " IN:  pkts %10" PRIu64 "          bytes %20" PRIu64 "\n", s->rx_frames,
            s->rx_bytes);
    fprintf(out, " OUT: pkts %10" PRIu64 "          bytes %20" PRIu64 "\n", s->tx_frames,
            s->tx_bytes);
    if (port->stats != NULL)
        print_endpoint(out, port);
}

static void print_ports(const struct showing *show, bool all)
{
    bool found = false;

    for (size_t i = 0; i < show->n; i++) {
        const struct console_port *port = &show->ports[i];

        if ((show->asked && port->number != show->number) || (!all && port->stats == NULL))
            continue;
        print_port(show->call->data, port);
        found = true;
    }
    done(show->call, show->asked && !found ? ENXIO : 0);
}

/* --- VLANs ---------------------------------------------------------------------------------- */

static const char *status_of(const struct console_port *port)
{
    const struct ipc_stats_stp_port *stp = port->stats != NULL ? &port->stats->stp : NULL;

    if (stp == NULL)
        return "Discarding";
    if (stp->number == 0 || stp->state == RSTP_FORWARDING)
        return "Forwarding";
    return stp->state == RSTP_LEARNING ? "Learning" : "Discarding";
}

static void print_vlan(const struct showing *show, uint16_t vlan, bool all)
{
    FILE *out = show->call->data;

    fprintf(out, "VLAN %04u\n", vlan);
    for (size_t i = 0; i < show->n; i++) {
        const struct console_port *port = &show->ports[i];
        bool tagged = console_port_tagged(port, vlan);

        if ((tagged || console_port_untagged(port, vlan)) && (all || port->stats != NULL))
            fprintf(out, " -- Port %04" PRIu32 " tagged=%d active=%d status=%s\n",
                    port->number, tagged, port->stats != NULL, status_of(port));
    }
}

/* Calls for VLAN 0, which there always is, and for those that the network declares. */
static bool each_vlan(const struct showing *show,
                      void (*print)(const struct showing *, uint16_t vlan, bool all),
                      bool all)
{
    bool found = false;

    for (size_t i = 0; i <= show->net->n_plans; i++) {
        uint16_t vlan = i == 0 ? 0 : show->net->plans[i - 1].vlan;

        if ((i > 0 && vlan == 0) || (show->asked && vlan != show->number))
            continue;
        print(show, vlan, all);
        found = true;
    }
    return found;
}

/* --- MACs ----------------------------------------------------------------------------------- */

static const struct console_port *port_of_mac(const struct showing *show, uint32_t id)
{
    for (size_t i = 0; i < show->n; i++) {
        if (show->ports[i].stats != NULL && show->ports[i].stats->id == id)
            return &show->ports[i];
    }
    return NULL;
}

static void print_mac(const struct showing *show, size_t i)
{
    const struct ipc_mac *mac = &show->stats->macs[i].mac;
    const struct console_port *port = port_of_mac(show, mac->port);
    char text[MAC_TEXT_SIZE];

    mac_format(mac->mac, text);
    fprintf(show->call->data,
            "Hash: %04zu Addr: %s VLAN %04u to port: %03" PRIu32 "  age %" PRIu32 " secs\n",
            i, text, mac->vlan, port != NULL ? port->number : 0, mac->age_ms / 1000);
}

/* hash/find MAC [VLAN]; VLAN 0 if it is not said, as with vde_switch. */
static void find_mac(const struct showing *show)
{
    const struct console_request *rq = &show->call->request;
    uint32_t vlan = 0;
    uint8_t wanted[MAC_SIZE];
    bool found = false;

    if (rq->n_args == 0 || !mac_parse(rq->arg[0], wanted) ||
        (rq->n_args > 1 && !console_number(rq->arg[1], CONSOLE_VLAN_NONE - 1, &vlan))) {
        done(show->call, EINVAL);
        return;
    }
    for (size_t i = 0; i < show->stats->n_macs; i++) {
        const struct observed_mac *mac = &show->stats->macs[i];

        if (mac->net != show->net->id || mac->mac.vlan != vlan ||
            !mac_equal(mac->mac.mac, wanted))
            continue;
        print_mac(show, i);
        found = true;
    }
    done(show->call, found ? 0 : ENODEV);
}

static void print_macs(const struct showing *show)
{
    for (size_t i = 0; i < show->stats->n_macs; i++) {
        if (show->stats->macs[i].net == show->net->id)
            print_mac(show, i);
    }
    done(show->call, 0);
}

/* --- the tree ------------------------------------------------------------------------------- */

static void print_bridge(FILE *out, const char *what, uint64_t bridge)
{
    fprintf(out, " ++ %s ", what);
    for (int i = 7; i >= 0; i--)
        fprintf(out, "%02x%s", (unsigned)(bridge >> (8 * i) & 0xff), i > 0 ? ":" : "\n");
}

static void print_tree_info(const struct showing *show)
{
    const struct ipc_stats_tree *tree = stats_tree(show->stats, show->net->id);
    unsigned priority = tree != NULL ? (unsigned)(tree->bridge >> 48) : 32768;
    uint8_t mac[MAC_SIZE] = {0};
    char text[MAC_TEXT_SIZE];

    for (unsigned i = 0; tree != NULL && i < MAC_SIZE; i++)
        mac[i] = (uint8_t)(tree->bridge >> (40 - 8 * i));
    mac_format(mac, text);
    fprintf(show->call->data, "MAC %s Priority %u (0x%04x)\nFSTP=%s\n", text, priority,
            priority, tree != NULL ? "true" : "false");
    done(show->call, 0);
}

static const char *role_of(const struct ipc_stats_stp_port *stp)
{
    switch ((enum rstp_role)stp->role) {
    case RSTP_ROLE_ROOT:
        return "Root";
    case RSTP_ROLE_DESIGNATED:
        return stp->edge ? "Edge" : "Designated";
    case RSTP_ROLE_ALTERNATE:
        return "Alternate";
    case RSTP_ROLE_BACKUP:
        return "Backup";
    case RSTP_ROLE_DISABLED:
        break;
    }
    return "Disabled";
}

static uint32_t root_port(const struct showing *show, const struct ipc_stats_tree *tree,
                          uint64_t *designated)
{
    for (size_t i = 0; i < show->n; i++) {
        if (tree->root_port[0] == '\0' || strcmp(show->ports[i].name, tree->root_port) != 0)
            continue;
        if (show->ports[i].stats != NULL)
            *designated = show->ports[i].stats->stp.designated_bridge;
        return show->ports[i].number;
    }
    return 0;
}

/* VLANs share the tree: it is the same for each. */
static void print_tree(const struct showing *show, uint16_t vlan, bool all)
{
    const struct ipc_stats_tree *tree = stats_tree(show->stats, show->net->id);
    FILE *out = show->call->data;
    uint64_t designated = UINT64_MAX;
    uint32_t port = tree != NULL ? root_port(show, tree, &designated) : 0;

    (void)all;
    fprintf(out, "FST DATA VLAN %04u %s%s\n", vlan, port == 0 ? "ROOTSWITCH " : "",
            tree != NULL ? "" : "FSTP IS DISABLED");
    print_bridge(out, "root", tree != NULL ? tree->root : 0);
    print_bridge(out, "designated", designated);
    fprintf(out,
            " ++ rootport %04" PRIu32 " cost %" PRIu32
            " age 0 bonusport 0000 bonuscost 0\n",
            port, tree != NULL ? tree->cost : 0);
    for (size_t i = 0; tree != NULL && i < show->n; i++) {
        const struct console_port *p = &show->ports[i];
        bool tagged = console_port_tagged(p, vlan);

        if (p->stats != NULL && p->stats->stp.number != 0 &&
            (tagged || console_port_untagged(p, vlan)))
            fprintf(out, " -- Port %04" PRIu32 " tagged=%d portcost=%" PRIu32 " role=%s\n",
                    p->number, tagged, p->stats->stp.cost, role_of(&p->stats->stp));
    }
}

/* --- what there is -------------------------------------------------------------------------- */

static void print_info(const struct showing *show)
{
    struct console_call *call = show->call;

    fprintf(call->data,
            "VDE switch V." IOTH_VERSION_TEXT
            "\nIoth Fabric, network %s on host %s\n\npid %d mtu %" PRIu32
            "\nmgmt %s/net/%s.mgmt\n",
            show->net->name, control_host(call->control), (int)call->control->switch_pid,
            show->net->mtu, call->control->start.run_dir, show->net->name);
    done(call, 0);
}

/* The number that a command may be limited to. False: answered. */
static bool take_number(struct showing *show)
{
    const struct console_request *rq = &show->call->request;

    show->asked = rq->n_args > 0;
    if (!show->asked || console_number(rq->arg[0], UINT32_MAX, &show->number))
        return true;
    done(show->call, EINVAL);
    return false;
}

static void show_numbered(struct showing *show)
{
    enum console_command command = show->call->request.row->command;
    bool tree = command == CONSOLE_FSTP_PRINT;

    if (!take_number(show))
        return;
    if (command == CONSOLE_PORT_PRINT || command == CONSOLE_PORT_ALLPRINT)
        print_ports(show, command == CONSOLE_PORT_ALLPRINT);
    else
        done(show->call, each_vlan(show, tree ? print_tree : print_vlan,
                                   command == CONSOLE_VLAN_ALLPRINT)
                             ? 0
                             : ENXIO);
}

static void show_text(struct console_call *call, const struct view_network *net)
{
    switch (call->request.row->command) {
    case CONSOLE_DS_SHOWINFO:
        fprintf(call->data, "ctl dir %s/net/%s\nstd mode 0600\n",
                call->control->start.run_dir, net->name);
        break;
    case CONSOLE_PLUGIN_LIST:
        fprintf(call->data, "%-22s %s\n%-22s %s\n", "NAME", "HELP", "------------", "----");
        done(call, ENOENT);
        return;
    case CONSOLE_HASH_SHOWINFO:
        fprintf(call->data,
                "Hash size %d\nGC interval 1 secs\nGC expire %d secs\n"
                "Min persistence 0 secs\n",
                ROOM, AGEING);
        break;
    default:
        fprintf(call->data, "Numports=%u\nHUB=false\ncounters=true\n", CONSOLE_VDE_PORTS);
        break;
    }
    done(call, 0);
}

void console_show(struct console_call *call, const struct stats *stats)
{
    struct showing show = {.call = call, .net = console_net(call), .stats = stats};

    show.ports = console_ports(call->session->entry, stats, &show.n);
    switch (call->request.row->command) {
    case CONSOLE_SHOWINFO:
        print_info(&show);
        break;
    case CONSOLE_HASH_PRINT:
        print_macs(&show);
        break;
    case CONSOLE_HASH_FIND:
        find_mac(&show);
        break;
    case CONSOLE_FSTP_SHOWINFO:
        print_tree_info(&show);
        break;
    case CONSOLE_FSTP_PRINT:
    case CONSOLE_PORT_PRINT:
    case CONSOLE_PORT_ALLPRINT:
    case CONSOLE_VLAN_PRINT:
    case CONSOLE_VLAN_ALLPRINT:
        show_numbered(&show);
        break;
    default:
        show_text(call, show.net);
        break;
    }
    free(show.ports);
}
