/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A declared port into what its port of the switch is set to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/reconcile/reconcile.h"
#include "proto/model/schema.h"

static void set_trunk(const struct node *port, struct swport_settings *out)
{
    const struct node *trunk = node_get(port, "trunk");

    if (trunk == NULL || trunk->kind != NODE_LIST)
        return;
    out->tagged = true;
    out->vlan = (uint16_t)node_get_int(port, "native", 0);
    for (size_t i = 0; i < trunk->n; i++) {
        int64_t vid = trunk->child[i]->integer;

        if (vid > 0 && vid < 4095)
            swport_vlan_add(out->trunk, (uint16_t)vid);
    }
}

/* It says that its untagged frames are of no VLAN, as ports of the console do until they are set. */
static bool is_bare(const struct node *port)
{
    const char *key = node_get(port, "trunk") != NULL ? "native" : "access";

    return node_get_int(port, key, -1) == 0;
}

static uint8_t guards_of(const struct node *port)
{
    const struct node *list = node_get(port, "guard");
    uint8_t guards = 0;

    for (size_t i = 0; list != NULL && list->kind == NODE_LIST && i < list->n; i++) {
        const char *word = list->child[i]->text != NULL ? list->child[i]->text : "";

        if (strcmp(word, "dhcp") == 0)
            guards |= SWPORT_GUARD_DHCP;
        else if (strcmp(word, "ra") == 0)
            guards |= SWPORT_GUARD_RA;
        else if (strcmp(word, "spoof") == 0)
            guards |= SWPORT_GUARD_SPOOF;
    }
    return guards;
}

static struct swport_limit limit_of(const struct node *map, const char *key)
{
    struct swport_limit limit = {.rate = 0};
    int64_t rate;
    bool frames;

    if (schema_parse_rate(node_get_text(map, key, ""), &rate, &frames) && rate > 0) {
        limit.rate = (uint64_t)rate;
        limit.in_bits = !frames;
    }
    return limit;
}

static void set_limits(const struct node *vlans, struct swport_settings *out)
{
    for (size_t i = 0; vlans != NULL && vlans->kind == NODE_MAP && i < vlans->n &&
                       out->n_limits < SWPORT_VLAN_LIMITS;
         i++) {
        struct swport_vlan_limit *limit = &out->limits[out->n_limits];

        limit->vlan = (uint16_t)strtoul(vlans->key[i], NULL, 10);
        limit->police = limit_of(vlans->child[i], "police");
        limit->rate = (uint64_t)node_get_int(vlans->child[i], "rate", 0);
        if (limit->vlan > 0 && limit->vlan < 4095)
            out->n_limits++;
    }
}

static void set_qos(const struct node *qos, struct swport_settings *out)
{
    const struct node *weights = node_get(qos, "weights");
    const char *trust = node_get_text(qos, "trust", "pcp");

    out->trust = strcmp(trust, "dscp") == 0   ? SWPORT_TRUST_DSCP
                 : strcmp(trust, "none") == 0 ? SWPORT_TRUST_NONE
                                              : SWPORT_TRUST_PCP;
    out->priority = (uint8_t)node_get_int(qos, "priority", 0);
    out->police = limit_of(qos, "police");
    set_limits(node_get(qos, "vlans"), out);
    for (size_t i = 0; weights != NULL && weights->kind == NODE_MAP && i < weights->n;
         i++) {
        unsigned long priority = strtoul(weights->key[i], NULL, 10);

        if (priority < SWPORT_PRIORITIES)
            out->weights[priority] = (uint8_t)node_get_int(weights->child[i], "weight", 0);
    }
}

void wanted_settings(const struct node *port, struct swport_settings *out)
{
    const struct node *storm = node_get(port, "storm");

    /* Compared byte by byte, padding too. */
    memset(out, 0, sizeof(*out));
    out->vlan = (uint16_t)node_get_int(port, "access", 0);
    if (out->vlan == SCHEMA_VLAN_NONE) { /* A trunk without VLANs. */
        out->vlan = 0;
        out->tagged = true;
    }
    set_trunk(port, out);
    out->bare = is_bare(port);
    snprintf(out->mirror, sizeof(out->mirror), "%s", node_get_text(port, "mirror", ""));
    set_qos(node_get(port, "qos"), out);
    out->isolated = node_get_bool(port, "isolated", false);
    out->guards = guards_of(port);
    out->macs_max = (uint32_t)node_get_int(port, "mac_limit", 0);
    out->storm[SWPORT_BROADCAST] = limit_of(storm, "broadcast");
    out->storm[SWPORT_MULTICAST] = limit_of(storm, "multicast");
    out->storm[SWPORT_UNKNOWN] = limit_of(storm, "unknown");
}
