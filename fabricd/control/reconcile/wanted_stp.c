/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Spanning trees: what networks, ports and links say of them, for the switch. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "fabricd/control/reconcile/reconcile.h"
#include "proto/wire/bytes.h"
#include "proto/wire/mac.h"

#define PRIORITY_DEFAULT 32768

/* Eight bytes that follow from the network and a number, and tell neither. */
static void derive(const char *what, uint64_t net, uint16_t host, uint8_t out[8])
{
    uint8_t hash[crypto_generichash_BYTES_MIN], bytes[10];
    crypto_generichash_state state;

    store_be32(bytes, (uint32_t)(net >> 32));
    store_be32(bytes + 4, (uint32_t)net);
    store_be16(bytes + 8, host);
    crypto_generichash_init(&state, NULL, 0, sizeof(hash));
    crypto_generichash_update(&state, (const uint8_t *)what, strlen(what));
    crypto_generichash_update(&state, bytes, sizeof(bytes));
    crypto_generichash_final(&state, hash, sizeof(hash));
    memcpy(out, hash, 8);
}

static void bridge_of(uint64_t net, uint16_t host, uint8_t out[MAC_SIZE])
{
    uint8_t bytes[8];

    derive("ioth bridge", net, host, bytes);
    memcpy(out, bytes, MAC_SIZE);
    out[0] = (uint8_t)((bytes[0] & 0xfc) | 0x02); /* Local, one station. */
}

const char *stp_host(const struct control *control, const struct view_network *net,
                     uint64_t bridge)
{
    list_for_each (it, &control->view->hosts) {
        const struct view_host *host = list_entry(it, struct view_host, link);
        uint8_t mac[MAC_SIZE];
        uint64_t id = 0;

        bridge_of(net->id, host->number, mac);
        for (unsigned i = 0; i < MAC_SIZE; i++)
            id = id << 8 | mac[i];
        if (host->number != 0 && id == (bridge & 0xffffffffffffu))
            return host->name;
    }
    return NULL;
}

void stp_set_bridge(struct node *out, const char *key, uint64_t bridge)
{
    uint8_t mac[MAC_SIZE];
    char text[MAC_TEXT_SIZE], all[MAC_TEXT_SIZE + 8];

    for (unsigned i = 0; i < MAC_SIZE; i++)
        mac[i] = (uint8_t)(bridge >> (40 - 8 * i));
    mac_format(mac, text);
    snprintf(all, sizeof(all), "%u.%s", (unsigned)(bridge >> 48), text);
    node_set_text(out, key, all);
}

static void set_names(const struct view_network *net, struct ipc_stp *out)
{
    uint8_t bytes[8];

    bridge_of(net->id, out->host, out->bridge);
    derive("ioth loop probe", net->id, 0, bytes);
    out->network = (uint64_t)load_be32(bytes) << 32 | load_be32(bytes + 4);
}

void wanted_stp(const struct control *control, const struct view_network *net,
                struct ipc_stp *out)
{
    static const char *const modes[] = {
        [IPC_STP_OFF] = "off", [IPC_STP_STP] = "stp", [IPC_STP_RSTP] = "rstp"};
    const struct node *stp = node_get(net->body, "stp");
    const struct node *priority = stp != NULL ? node_get(stp, "priority") : NULL;
    const struct node *here =
        priority != NULL ? node_get(priority, control_host(control)) : NULL;
    const char *mode = stp != NULL ? node_get_text(stp, "mode", "rstp") : "rstp";

    *out = (struct ipc_stp){
        .host = control->id.self.host,
        .tree = strcmp(node_get_text(net->body, "forwarding", "direct"), "tree") == 0,
        .hello = (uint8_t)(stp != NULL ? node_get_int(stp, "hello", 2) : 2),
        .max_age = (uint8_t)(stp != NULL ? node_get_int(stp, "max_age", 20) : 20),
        .forward_delay =
            (uint8_t)(stp != NULL ? node_get_int(stp, "forward_delay", 15) : 15),
        .tx_hold = (uint8_t)(stp != NULL ? node_get_int(stp, "tx_hold", 6) : 6),
        .priority = (uint16_t)(here != NULL ? node_get_int(here, "value", PRIORITY_DEFAULT)
                                            : PRIORITY_DEFAULT),
    };
    for (uint8_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(modes[i], mode) == 0)
            out->mode = i;
    }
    set_names(net, out);
}

static uint8_t auto_of(const struct node *stp, const char *key)
{
    const char *text = node_get_text(stp, key, "auto");

    return strcmp(text, "true") == 0    ? IPC_YES
           : strcmp(text, "false") == 0 ? IPC_NO
                                        : IPC_AUTO;
}

static bool has_guard(const struct node *port, const char *word)
{
    const struct node *guard = node_get(port, "guard");

    for (size_t i = 0; guard != NULL && guard->kind == NODE_LIST && i < guard->n; i++) {
        if (guard->child[i]->text != NULL && strcmp(guard->child[i]->text, word) == 0)
            return true;
    }
    return false;
}

void wanted_stp_port(const struct node *port, struct ipc_stp_port *out)
{
    const struct node *stp = node_get(port, "stp");

    memset(out, 0, sizeof(*out));
    out->bpdu_guard = has_guard(port, "bpdu");
    out->root_guard = has_guard(port, "root");
    if (stp == NULL)
        return;
    out->cost = (uint32_t)node_get_int(stp, "cost", 0);
    out->has_priority = node_get(stp, "priority") != NULL;
    out->priority = (uint8_t)node_get_int(stp, "priority", 0);
    out->edge = auto_of(stp, "edge");
    out->p2p = auto_of(stp, "p2p");
    out->bpdu_filter = node_get_bool(stp, "filter", false);
}
