/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tables cannot say: keys of one object that depend on one another. */
#include <ctype.h>
#include <string.h>

#include "proto/model/schema_internal.h"

static const struct node *place(const struct node *in, const char *key)
{
    const struct node *at = node_get(in, key);

    return at ? at : in;
}

static void network_rules(struct check *c, const struct node *in, struct node *out)
{
    static const char *const plans[] = {"ipv4", "ipv6"};

    if (!node_get(out, "vlans")) {
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        const char *plan = node_get_text(out, plans[i], NULL);
        size_t before = check_down(c, plans[i]);

        if (plan && strcmp(plan, "none") != 0) {
            check_bad(c, place(in, plans[i]),
                      "a network with VLANs has its address plans per VLAN (vlans.ID.%s)",
                      plans[i]);
        }
        node_remove(out, plans[i]);
        check_up(c, before);
    }
}

static void stp_bad(struct check *c, const struct node *in, const char *key,
                    const char *what)
{
    const struct node *stp = place(in, "stp");
    size_t before = check_down(c, "stp");

    check_down(c, key);
    check_bad(c, place(stp, key), "%s", what);
    check_up(c, before);
}

/* IEEE 802.1D-2004, 17.14, and what a tree needs. */
static void stp_rules(struct check *c, const struct node *in, const struct node *out)
{
    const struct node *stp = node_get(out, "stp"), *priority;
    int64_t max_age;

    if (!stp) {
        return;
    }
    if (!strcmp(node_get_text(stp, "mode", ""), "off") &&
        !strcmp(node_get_text(out, "forwarding", ""), "tree")) {
        stp_bad(c, in, "mode",
                "tree forwarding needs a spanning tree (forwarding: direct)");
    }
    max_age = node_get_int(stp, "max_age", 20);
    if (2 * (node_get_int(stp, "forward_delay", 15) - 1) < max_age) {
        stp_bad(c, in, "max_age", "is more than 2 * (forward_delay - 1)");
    }
    if (max_age < 2 * (node_get_int(stp, "hello", 2) + 1)) {
        stp_bad(c, in, "max_age", "is less than 2 * (hello + 1)");
    }
    priority = node_get(stp, "priority");
    for (size_t i = 0; priority && i < priority->n; i++) {
        if (node_get_int(priority->child[i], "value", 0) % 4096) {
            stp_bad(c, in, "priority", "is not a multiple of 4096 (0 to 61440)");
        }
    }
}

static void on_rules(struct check *c, const struct node *in, const struct node *out)
{
    const struct node *on = node_get(out, "on");
    size_t before = check_down(c, "on");

    for (size_t i = 0; on && on->n > 1 && i < on->n; i++) {
        if (on->child[i]->text && !strcmp(on->child[i]->text, "all")) {
            check_bad(c, place(in, "on"), "all stands alone (all, or names of hosts)");
        }
    }
    check_up(c, before);
}

/* The kernel's rule for names of interfaces. */
static bool interface_name_ok(const char *name)
{
    for (const char *p = name; *p; p++) {
        if (*p <= ' ' || *p >= 0x7f || strchr("/:%", *p)) {
            return false;
        }
    }
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static void port_bad(struct check *c, const struct node *in, const char *key,
                     const char *what)
{
    size_t before = check_down(c, key);

    check_bad(c, place(in, key), "%s", what);
    check_up(c, before);
}

/* access, or trunk with native, or transparent. */
static void port_vlan_rules(struct check *c, const struct node *in, const struct node *out)
{
    const struct node *trunk = node_get(out, "trunk");
    bool native = node_get(out, "native") != NULL;
    bool access = node_get(out, "access") != NULL;

    if (access && trunk) {
        port_bad(c, in, "trunk",
                 "a port is an access port or a trunk (one of access and trunk)");
    }
    if (native && !trunk) {
        port_bad(c, in, "native", "only a trunk has a native VLAN (trunk: [IDS])");
    }
    if ((access || trunk) && node_get_bool(out, "transparent", false)) {
        port_bad(c, in, "transparent",
                 "a transparent port is in no VLAN (one of access, trunk and transparent)");
    }
}

static const char *const port_kinds[] = {"tap", "raw", "stream", "vde", NULL};

static bool is_of_kind(const struct node *port, const char *kind)
{
    return strcmp(kind, "vde") != 0 ? node_get(port, kind) != NULL
                                    : node_get_bool(port, "vde", false);
}

const char *schema_port_kind(const struct node *port)
{
    for (size_t i = 0; port_kinds[i]; i++) {
        if (is_of_kind(port, port_kinds[i])) {
            return port_kinds[i];
        }
    }
    return NULL;
}

static void interface_rules(struct check *c, const struct node *in, const struct node *out,
                            const char *key)
{
    const char *name = node_get_text(out, key, NULL);

    if (name && !interface_name_ok(name)) {
        port_bad(c, in, key, "is not a name of an interface (no spaces, / : %)");
    }
}

bool schema_network_door(const char *name)
{
    return !strcmp(name, "ctl") ||
           (name[0] == 'v' && strspn(name + 1, "0123456789") == strlen(name + 1));
}

/* A socket in the network's folder, beside those of VDE. */
static void stream_rules(struct check *c, const struct node *in, const struct node *out)
{
    const char *name = node_get_text(out, "stream", NULL);

    if (name && (schema_network_door(name) || !isalpha((unsigned char)name[0]) ||
                 name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789-._")] != '\0')) {
        port_bad(
            c, in, "stream",
            "is no name for the socket (letters, digits, - . and _, not ctl or vN: it lies "
            "in the network's folder)");
    }
}

static void port_rules(struct check *c, const struct node *in, const struct node *out)
{
    unsigned n = 0;

    for (size_t i = 0; port_kinds[i]; i++) {
        n += is_of_kind(out, port_kinds[i]);
    }
    if (n != 1) {
        check_bad(c, in,
                  n ? "is several things at once (one of tap, raw, stream and vde)"
                    : "says nothing of what it is (tap: INTERFACE, raw: INTERFACE, stream: "
                      "SOCKET, or vde: true)");
    }
    port_vlan_rules(c, in, out);
    interface_rules(c, in, out, "tap");
    interface_rules(c, in, out, "raw");
    stream_rules(c, in, out);
}

static void stp_port_rules(struct check *c, const struct node *in, const struct node *out)
{
    const struct node *stp = node_get(out, "stp");

    if (stp && node_get_int(stp, "priority", 128) % 16) {
        stp_bad(c, in, "priority", "is not a multiple of 16 (0 to 240)");
    }
}

static void link_rules(struct check *c, const struct node *in, const struct node *out)
{
    size_t before = check_down(c, "between");

    if (node_get(out, "between") ? node_get(out, "between")->n != 2 : true) {
        check_bad(c, place(in, "between"), "a link is between two hosts ([alpha, beta])");
    }
    check_up(c, before);
}

void schema_rules(struct check *c, const struct kind *kind, const struct node *in,
                  struct node *out)
{
    if (!strcmp(kind->name, "network")) {
        network_rules(c, in, out);
        stp_rules(c, in, out);
        on_rules(c, in, out);
    } else if (!strcmp(kind->name, "port")) {
        port_rules(c, in, out);
        stp_port_rules(c, in, out);
    } else if (!strcmp(kind->name, "link")) {
        link_rules(c, in, out);
    } else if (!strcmp(kind->name, "service")) {
        schema_service_rules(c, in, out);
    }
}
