/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of a router. Routers are not built yet: it is there so that a file that has some is
 * checked to the last key. */
#include "proto/model/schema_internal.h"

/* clang-format off */

#define NONE {0}
#define MAX_PORT 65535

#define INTERFACES(NAME, HELP) \
    {.name = NAME, .type = FIELD_NAME, .flags = FIELD_LIST, .help = HELP}

#define PROTO \
    {.name = "proto", .type = FIELD_ENUM, .words = "tcp|udp|icmp|any", .help = "The protocol"}

#define PORTS(HELP) \
    {.name = "port", .type = FIELD_INT, .flags = FIELD_LIST, .min = 1, .max = MAX_PORT, \
     .help = HELP}

static const struct field interface_fields[] = {
    {.name = "network", .type = FIELD_NAME, .flags = FIELD_LINK, .words = "network",
     .help = "The network that the interface is on"},
    {.name = "vlan", .type = FIELD_INT, .min = 1, .max = 4094, .help = "The VLAN that it is in"},
    {.name = "addresses", .type = FIELD_CIDR, .flags = FIELD_LIST, .most = 8,
     .help = "The router's addresses there"},
    {.name = "uplink", .type = FIELD_ENUM, .words = "host",
     .help = "The way out of the fabric: the host's own sockets"},
    NONE
};

static const struct field route_fields[] = {
    {.name = "to", .type = FIELD_TEXT, .flags = FIELD_REQUIRED, .min = 1, .max = 64,
     .help = "The prefix, or default"},
    {.name = "via", .type = FIELD_IP, .flags = FIELD_REQUIRED, .help = "The next router"},
    NONE
};

static const struct field reserve_fields[] = {
    {.name = "mac", .type = FIELD_MAC, .flags = FIELD_REQUIRED, .help = "Whose it is"},
    {.name = "ip", .type = FIELD_IP, .flags = FIELD_REQUIRED, .help = "The address kept for it"},
    NONE
};

static const struct field dhcp_fields[] = {
    {.name = "range", .type = FIELD_TEXT, .flags = FIELD_REQUIRED, .min = 3, .max = 64,
     .help = "FIRST-LAST of the addresses that are given out"},
    {.name = "lease", .type = FIELD_TIME, .min = 1000, .help = "How long an address is lent"},
    {.name = "domain", .type = FIELD_TEXT, .min = 1, .max = 253, .help = "Domain of the clients"},
    {.name = "reserve", .type = FIELD_MAP_OF, .key = FIELD_NAME, .fields = reserve_fields,
     .help = "Addresses that are kept for one client each"},
    NONE
};

static const struct field ra_fields[] = {
    {.name = "prefix", .type = FIELD_CIDR6, .min = 64, .max = 64, .help = "The prefix announced"},
    {.name = "dns", .type = FIELD_BOOL, .help = "Announce the router as DNS server"},
    NONE
};

static const struct field dns_fields[] = {
    INTERFACES("listen", "Interfaces on which it answers"),
    {.name = "forward", .type = FIELD_IP, .flags = FIELD_LIST, .most = 8,
     .help = "Servers that are asked for other names"},
    {.name = "domain", .type = FIELD_TEXT, .min = 1, .max = 253,
     .help = "Domain under which it knows names"},
    NONE
};

static const struct field nat_fields[] = {
    {.name = "type", .type = FIELD_ENUM, .flags = FIELD_REQUIRED, .words = "masquerade|forward",
     .help = "masquerade: outward under one's own address; forward: a port inward"},
    INTERFACES("from", "Interfaces whose clients are masqueraded"),
    {.name = "on", .type = FIELD_NAME, .help = "Interface on which a forward listens"},
    {.name = "listen", .type = FIELD_IP, .help = "Address of the host on which a forward listens"},
    PROTO,
    PORTS("Port on which a forward listens"),
    {.name = "to", .type = FIELD_TEXT, .min = 1, .max = 64,
     .help = "Interface outward, or ADDRESS:PORT inward"},
    NONE
};

#define MATCH \
    INTERFACES("from", "Interfaces by which a flow comes in; self is the router"), \
    INTERFACES("to", "Interfaces by which it goes out; self is the router"), \
    PROTO, \
    PORTS("Ports that it goes to")

static const struct field rule_fields[] = {
    MATCH,
    {.name = "action", .type = FIELD_ENUM, .flags = FIELD_REQUIRED, .words = "accept|drop|reject",
     .help = "What is done with the flow"},
    {.name = "log", .type = FIELD_BOOL, .help = "Write a line for each flow"},
    NONE
};

static const struct field filter_fields[] = {
    {.name = "default", .type = FIELD_ENUM, .words = "accept|drop|reject",
     .help = "What is done where no rule says anything"},
    {.name = "rules", .type = FIELD_MAP, .flags = FIELD_LIST, .fields = rule_fields, .most = 4096,
     .help = "Rules; the first that matches decides"},
    NONE
};

static const struct field test_fields[] = {
    MATCH,
    {.name = "expect", .type = FIELD_ENUM, .flags = FIELD_REQUIRED, .words = "accept|drop|reject",
     .help = "What the rules must do with it"},
    NONE
};

const struct field schema_router_fields[] = {
    {.name = "host", .type = FIELD_NAME, .flags = FIELD_LINK | FIELD_RESOLVED, .words = "host",
     .help = "Where it runs; this host if not given"},
    {.name = "interfaces", .type = FIELD_MAP_OF, .key = FIELD_NAME, .fields = interface_fields,
     .help = "Its interfaces"},
    {.name = "routes", .type = FIELD_MAP, .flags = FIELD_LIST, .fields = route_fields,
     .help = "Static routes"},
    {.name = "dhcp", .type = FIELD_MAP_OF, .key = FIELD_NAME, .fields = dhcp_fields,
     .help = "DHCP servers by interface"},
    {.name = "ra", .type = FIELD_MAP_OF, .key = FIELD_NAME, .fields = ra_fields,
     .help = "Router advertisements by interface"},
    {.name = "dns", .type = FIELD_MAP, .fields = dns_fields, .help = "DNS server"},
    {.name = "nat", .type = FIELD_MAP, .flags = FIELD_LIST, .fields = nat_fields,
     .help = "Translation of addresses"},
    {.name = "filter", .type = FIELD_MAP, .fields = filter_fields,
     .help = "What may pass"},
    {.name = "tests", .type = FIELD_MAP, .flags = FIELD_LIST, .fields = test_fields,
     .help = "What must hold of the rules, or the apply is refused"},
    {.name = "name", .type = FIELD_TEXT, .flags = FIELD_READONLY, .help = "Name of the object"},
    {.name = "revision", .type = FIELD_TEXT, .flags = FIELD_READONLY,
     .help = "Rises with every change of the object"},
    {.name = "status", .type = FIELD_TEXT, .flags = FIELD_READONLY,
     .help = "What is, as against what is wanted"},
    NONE
};
