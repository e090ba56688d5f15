/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stored bodies into the structs of the view. What is missing or odd becomes the default: bodies
 * were checked before they were stored, by this version or an older one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/view/view.h"
#include "proto/base/xalloc.h"
#include "proto/wire/mac.h"

#define MTU_DEFAULT 1500
#define VLAN_MAX    4094
#define BLOCK_MAX   65536 /* Addresses of one range; the plan gives 256. */

static void set_name(char out[VIEW_NAME_SIZE], const char *text)
{
    snprintf(out, VIEW_NAME_SIZE, "%s", text);
}

static struct addr get_net(const struct node *body, const char *key)
{
    struct addr net = {.family = 0};
    const char *text = node_get_text(body, key, "");

    if (!addr_parse(text, &net) || net.prefix == ADDR_NO_LEN)
        return (struct addr){.family = 0};
    addr_mask(&net);
    return net;
}

static bool get_hex(const struct node *body, const char *key, uint8_t *out, size_t size)
{
    const char *text = node_get_text(body, key, "");

    if (strlen(text) != size * 2)
        return false;
    for (size_t i = 0; i < size; i++) {
        char pair[3] = {text[2 * i], text[2 * i + 1], '\0'};
        char *end;
        unsigned long value = strtoul(pair, &end, 16);

        if (*end != '\0')
            return false;
        out[i] = (uint8_t)value;
    }
    return true;
}

static int by_vlan(const void *a, const void *b)
{
    return ((const struct view_plan *)a)->vlan - ((const struct view_plan *)b)->vlan;
}

static void parse_plans(struct view_network *net)
{
    const struct node *vlans = node_get(net->body, "vlans");

    net->vlan_aware = vlans != NULL && vlans->kind == NODE_MAP && vlans->n > 0;
    net->plans = xcalloc(net->vlan_aware ? vlans->n : 1, sizeof(*net->plans));
    if (!net->vlan_aware) {
        net->plans[0].v4 = get_net(net->body, "ipv4");
        net->plans[0].v6 = get_net(net->body, "ipv6");
        net->n_plans = 1;
        return;
    }
    for (size_t i = 0; i < vlans->n; i++) {
        unsigned long vlan = strtoul(vlans->key[i], NULL, 10);
        struct view_plan *plan = &net->plans[net->n_plans];

        if (vlan == 0 || vlan > VLAN_MAX) /* Bit maps of VLANs count on it. */
            continue;
        net->n_plans++;
        plan->vlan = (uint16_t)vlan;
        plan->v4 = get_net(vlans->child[i], "ipv4");
        plan->v6 = get_net(vlans->child[i], "ipv6");
    }
    qsort(net->plans, net->n_plans, sizeof(*net->plans), by_vlan);
}

static void set_owner(char out[VIEW_OWNER], const struct store_object *object)
{
    snprintf(out, VIEW_OWNER, "%s", object->owner != NULL ? object->owner : "");
}

struct view_network *view_parse_network(const struct store_object *object,
                                        struct node *body)
{
    struct view_network *net = xcalloc(1, sizeof(*net));

    net->scope = object->scope;
    net->revision = object->revision;
    set_owner(net->owner, object);
    set_name(net->name, object->name);
    net->id = strtoull(node_get_text(body, "id", "0"), NULL, 16);
    net->mtu = (uint32_t)node_get_int(body, "mtu", MTU_DEFAULT);
    net->body = body;
    parse_plans(net);
    return net;
}

struct view_endpoint *view_parse_endpoint(const struct store_object *object,
                                          const struct node *body)
{
    struct view_endpoint *ep = xcalloc(1, sizeof(*ep));
    const struct node *addresses = node_get(body, "addresses");

    ep->scope = object->scope;
    ep->revision = object->revision;
    set_owner(ep->owner, object);
    set_name(ep->network, object->network);
    set_name(ep->name, object->name);
    set_name(ep->host, node_get_text(body, "host", ""));
    ep->vlan = (uint16_t)node_get_int(body, "vlan", 0);
    ep->anonymous = node_get_bool(body, "anonymous", false);
    ep->held = node_get_bool(body, "_held", false);
    ep->epoch = (uint32_t)node_get_int(body, "epoch", 0);
    ep->promote = node_get_bool(body, "_promote", false);
    mac_parse(node_get_text(body, "mac", ""), ep->mac);
    for (size_t i = 0;
         addresses != NULL && addresses->kind == NODE_LIST && i < addresses->n; i++) {
        const struct node *text = addresses->child[i];

        if (ep->n_addrs < VIEW_MAX_ADDRS && text->kind == NODE_TEXT &&
            addr_parse(text->text, &ep->addrs[ep->n_addrs]))
            ep->n_addrs++;
    }
    return ep;
}

struct view_host *view_parse_host(const struct store_object *object, struct node *body)
{
    struct view_host *host = xcalloc(1, sizeof(*host));

    host->revision = object->revision;
    set_owner(host->owner, object);
    set_name(host->name, object->name);
    host->number = (uint16_t)node_get_int(body, "number", 0);
    host->has_key = get_hex(body, "key", host->noise_public, 32) &&
                    get_hex(body, "sign_key", host->sign_public, 32);
    host->body = body;
    return host;
}

struct view_port *view_parse_port(const struct store_object *object, struct node *body)
{
    struct view_port *port = xcalloc(1, sizeof(*port));

    port->scope = object->scope;
    port->revision = object->revision;
    set_owner(port->owner, object);
    set_name(port->network, object->network);
    set_name(port->name, object->name);
    port->body = body;
    return port;
}

struct view_service *view_parse_service(const struct store_object *object,
                                        struct node *body)
{
    struct view_service *service = xcalloc(1, sizeof(*service));

    service->scope = object->scope;
    service->revision = object->revision;
    set_name(service->name, object->name);
    set_name(service->network, node_get_text(body, "network", ""));
    set_name(service->host, node_get_text(body, "host", ""));
    set_owner(service->owner, object);
    service->body = body;
    return service;
}

struct view_block *view_parse_block(const struct store_object *object,
                                    const struct node *body)
{
    struct view_block *block = xcalloc(1, sizeof(*block));
    const struct node *ranges = node_get(body, "ranges");

    block->revision = object->revision;
    set_name(block->network, object->network);
    set_name(block->host, node_get_text(body, "host", ""));
    block->vlan = (uint16_t)node_get_int(body, "vlan", 0);
    if (ranges == NULL || ranges->kind != NODE_LIST)
        return block;
    block->ranges = xcalloc(ranges->n + 1, sizeof(*block->ranges));
    for (size_t i = 0; i < ranges->n; i++) {
        const struct node *range = ranges->child[i];

        if (range->kind != NODE_LIST || range->n != 2 || range->child[1]->integer < 0 ||
            range->child[1]->integer > BLOCK_MAX)
            continue;
        block->ranges[block->n_ranges++] = (struct plan_block){
            .first = (uint32_t)range->child[0]->integer,
            .n = (uint32_t)range->child[1]->integer,
        };
    }
    return block;
}
