/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tables. Each row is a promise to users: change the contract first. */
#include "proto/model/schema_internal.h"

/* clang-format off */

#define NONE {0}
#define MIN_MTU 1280 /* IPv6's least, RFC 8200 section 5. */
#define MAX_MTU 9216

#define READ_ONLY(NAME, HELP) \
    {.name = NAME, .type = FIELD_TEXT, .flags = FIELD_READONLY, .help = HELP}

#define COMMON_FIELDS \
    READ_ONLY("name", "Name of the object"), \
    READ_ONLY("revision", "Rises with every change of the object"), \
    READ_ONLY("owner", "Who made it: cli, file, run, …"), \
    READ_ONLY("status", "What is, as against what is wanted")

#define LATER(NAME, TYPE, HELP, TEXT) \
    {.name = NAME, .type = TYPE, .help = HELP, .later = TEXT}

static const struct field vlan_fields[] = {
    {.name = "name", .type = FIELD_NAME, .help = "Name of the VLAN, for people"},
    {.name = "ipv4", .type = FIELD_CIDR4, .flags = FIELD_RESOLVED, .min = 8, .max = 30,
     .words = "auto|none", .help = "Address plan of the VLAN; auto is an unused /24"},
    {.name = "ipv6", .type = FIELD_CIDR6, .flags = FIELD_RESOLVED, .min = 64, .max = 64,
     .words = "auto|none", .help = "Address plan of the VLAN; auto is a ULA /64"},
    NONE
};

static const struct field stp_priority_fields[] = {
    {.name = "value", .type = FIELD_INT, .flags = FIELD_REQUIRED, .min = 0, .max = 61440,
     .help = "A multiple of 4096; the lowest becomes the root"},
    NONE
};

/* Ranges and defaults of IEEE 802.1D-2004, Table 17-1. */
static const struct field stp_fields[] = {
    {.name = "mode", .type = FIELD_ENUM, .words = "rstp|stp|off", .otherwise = "rstp",
     .help = "Rapid spanning tree, the old one, or none"},
    {.name = "priority", .type = FIELD_MAP_OF, .key = FIELD_NAME, .fields = stp_priority_fields,
     .shorthand = "value", .most = 512, .help = "Bridge priority by host; 32768 where none is said"},
    {.name = "hello", .type = FIELD_INT, .min = 1, .max = 2, .help = "Seconds between hellos; 2 if not given"},
    {.name = "max_age", .type = FIELD_INT, .min = 6, .max = 40,
     .help = "How many bridges deep the tree may be; 20 if not given"},
    {.name = "forward_delay", .type = FIELD_INT, .min = 4, .max = 30,
     .help = "Seconds that a port waits, twice, where nobody agrees; 15 if not given"},
    {.name = "tx_hold", .type = FIELD_INT, .min = 1, .max = 10,
     .help = "Most BPDUs in a second at a port; 6 if not given"},
    NONE
};

static const struct field multicast_fields[] = {
    {.name = "snooping", .type = FIELD_BOOL, .otherwise = "false",
     .help = "Frames to a group go to those who have joined it, by IGMP or MLD, and to routers"},
    {.name = "suppression", .type = FIELD_BOOL, .otherwise = "false",
     .help = "Requests of ARP and neighbour discovery for the address of an endpoint go to it alone"},
    {.name = "querier", .type = FIELD_BOOL, .otherwise = "false",
     .help = "With snooping: ask who listens where no router asks"},
    NONE
};

static const struct field network_fields[] = {
    {.name = "vlans", .type = FIELD_MAP_OF, .key = FIELD_INT, .min = 1, .max = 4094,
     .most = 4094, .fields = vlan_fields, .shorthand = "name", .impact = IMPACT_FLAP,
     .help = "The VLANs of the network; with none it is transparent"},
    {.name = "ipv4", .type = FIELD_CIDR4, .flags = FIELD_RESOLVED, .min = 8, .max = 30,
     .words = "auto|none",
     .help = "Address plan of a network without VLANs; auto is an unused /24 of 10.64.0.0/10"},
    {.name = "ipv6", .type = FIELD_CIDR6, .flags = FIELD_RESOLVED, .min = 64, .max = 64,
     .words = "auto|none", .help = "Address plan of a network without VLANs; auto is a ULA /64"},
    {.name = "mtu", .type = FIELD_INT, .min = MIN_MTU, .max = MAX_MTU, .otherwise = "1500",
     .impact = IMPACT_FLAP, .help = "Largest packet inside a frame, in bytes"},
    {.name = "forwarding", .type = FIELD_ENUM, .words = "direct|tree", .words_later = "mesh",
     .otherwise = "direct", .impact = IMPACT_FLAP,
     .help = "How frames go between hosts: on the link that joins them, by a spanning tree, "
             "or by the shortest path"},
    {.name = "stp", .type = FIELD_MAP, .fields = stp_fields, .shorthand = "mode",
     .help = "Spanning tree of the network's switches; on unless told otherwise"},
    {.name = "multicast", .type = FIELD_MAP, .fields = multicast_fields,
     .help = "Where multicast goes"},
    {.name = "local", .type = FIELD_BOOL, .flags = FIELD_IMMUTABLE, .otherwise = "false",
     .impact = IMPACT_DESTROY, .help = "The network never leaves its host"},
    {.name = "allow", .type = FIELD_PRINCIPAL, .flags = FIELD_LIST, .most = 64,
     .help = "Local users and groups, besides the owner, that may use the network"},
    {.name = "on", .type = FIELD_NAME, .flags = FIELD_LIST | FIELD_LINK, .words = "host",
     .otherwise = "all", .most = 512, .impact = IMPACT_FLAP,
     .help = "The hosts that may enter the network, or all"},
    READ_ONLY("id", "Random id of the network, 16 hexadecimal digits"),
    COMMON_FIELDS,
    NONE
};

static const struct field storm_fields[] = {
    {.name = "broadcast", .type = FIELD_RATE, .min = 1000, .max = 1000000000000,
     .help = "Most broadcast that is let in from the port, per second"},
    {.name = "multicast", .type = FIELD_RATE, .min = 1000, .max = 1000000000000,
     .help = "Most multicast"},
    {.name = "unknown", .type = FIELD_RATE, .min = 1000, .max = 1000000000000,
     .help = "Most unicast to MACs that are not known, which goes to all ports"},
    NONE
};

static const struct field stp_port_fields[] = {
    {.name = "cost", .type = FIELD_INT, .min = 1, .max = 200000000,
     .help = "Path cost of the port; from its speed if not given"},
    {.name = "priority", .type = FIELD_INT, .min = 0, .max = 240,
     .help = "Of ports that are as good the lowest wins; a multiple of 16, 128 if not given"},
    {.name = "edge", .type = FIELD_ENUM, .words = "auto|true|false",
     .help = "Forwards at once: auto (the default) until a bridge is heard, true whenever it comes up, false never"},
    {.name = "p2p", .type = FIELD_ENUM, .words = "auto|true|false",
     .help = "At most one bridge is at the other end; auto (the default) takes it for true"},
    {.name = "filter", .type = FIELD_BOOL,
     .help = "No BPDUs, neither way: the port is outside of the tree, and nothing keeps it from a loop"},
    NONE
};

static const struct field weight_fields[] = {
    {.name = "weight", .type = FIELD_INT, .min = 1, .max = 100, .otherwise = "1",
     .help = "Its part of what is left, against those of the others"},
    NONE
};

static const struct field vlan_limit_fields[] = {
    {.name = "police", .type = FIELD_RATE, .min = 1000, .max = 1000000000000,
     .help = "Most that is let in from the port in the VLAN"},
    {.name = "rate", .type = FIELD_BITS, .min = 1000, .max = 1000000000000,
     .help = "Bits per second towards the port in the VLAN; what is over it waits, for a moment"},
    NONE
};

static const struct field qos_fields[] = {
    {.name = "trust", .type = FIELD_ENUM, .words = "pcp|dscp|none", .otherwise = "pcp",
     .help = "What tells the priority of a frame: its tag, its DSCP, or nothing but the port"},
    {.name = "priority", .type = FIELD_INT, .min = 0, .max = 7,
     .help = "Priority of frames that tell none"},
    {.name = "weights", .type = FIELD_MAP_OF, .key = FIELD_INT, .min = 0, .max = 7, .most = 8,
     .fields = weight_fields, .shorthand = "weight",
     .help = "Weights of the queues towards the port, by priority; those without one are served "
             "first, the highest before the others. Queues form where there is a rate"},
    {.name = "police", .type = FIELD_RATE, .min = 1000, .max = 1000000000000,
     .help = "Most that is let in from the port; what is over it is dropped"},
    {.name = "vlans", .type = FIELD_MAP_OF, .key = FIELD_INT, .min = 1, .max = 4094, .most = 16,
     .fields = vlan_limit_fields, .help = "Limits of VLANs of the port, within those of the port"},
    NONE
};

static const struct field port_fields[] = {
    {.name = "host", .type = FIELD_NAME, .flags = FIELD_LINK | FIELD_RESOLVED, .words = "host",
     .impact = IMPACT_FLAP, .help = "Where the port is; this host if not given"},
    {.name = "tap", .type = FIELD_TEXT, .min = 1, .max = 15, .impact = IMPACT_FLAP,
     .help = "A TAP interface of that name"},
    {.name = "vde", .type = FIELD_BOOL, .otherwise = "false", .impact = IMPACT_FLAP,
     .help = "A place for a VDE client"},
    {.name = "stream", .type = FIELD_TEXT, .min = 1, .max = 24, .impact = IMPACT_FLAP,
     .help = "A Unix socket of that name in the network's folder, for QEMU's -netdev stream"},
    {.name = "raw", .type = FIELD_TEXT, .min = 1, .max = 15, .impact = IMPACT_FLAP,
     .help = "A physical Ethernet interface of that name"},
    {.name = "access", .type = FIELD_INT, .min = 0, .max = SCHEMA_VLAN_NONE,
     .help = "The one VLAN that the port is in, untagged; 0: none, it exchanges untagged frames with ports like it; "
             "4095: nothing passes"},
    {.name = "trunk", .type = FIELD_INT, .flags = FIELD_LIST, .min = 1, .max = 4094, .most = 4094,
     .help = "VLANs that the port carries tagged"},
    {.name = "native", .type = FIELD_INT, .min = 0, .max = 4094,
     .help = "The trunk's VLAN of frames without a tag; 0: as of access"},
    {.name = "transparent", .type = FIELD_BOOL, .otherwise = "false",
     .help = "Frames pass with their tags; all ports of a network without VLANs are transparent"},
    {.name = "rate", .type = FIELD_BITS, .min = 1000, .max = 1000000000000,
     .help = "Bits per second towards the port"},
    {.name = "stp", .type = FIELD_MAP, .fields = stp_port_fields,
     .help = "The port in the spanning tree of its network"},
    {.name = "guard", .type = FIELD_ENUM, .flags = FIELD_LIST, .words = "bpdu|root|dhcp|ra|spoof",
     .help = "What the port may not send: BPDUs, better news of the root, messages of DHCP servers, "
             "of routers, and anything in the name of an endpoint"},
    {.name = "storm", .type = FIELD_MAP, .fields = storm_fields,
     .help = "How much the port may send to all others"},
    {.name = "qos", .type = FIELD_MAP, .fields = qos_fields,
     .help = "Priorities, queues and the limit of what comes in"},
    {.name = "mac_limit", .type = FIELD_INT, .min = 1, .max = 65536,
     .help = "Most MACs behind the port; frames of others are dropped"},
    {.name = "mirror", .type = FIELD_NAME,
     .help = "The port of the same network and host that gets copies of all that passes here, "
             "and nothing else"},
    {.name = "isolated", .type = FIELD_BOOL, .otherwise = "false",
     .help = "The port exchanges nothing with other isolated ports of its network"},
    READ_ONLY("network", "The network of the port"),
    COMMON_FIELDS,
    NONE
};

static const struct field endpoint_fields[] = {
    {.name = "vlan", .type = FIELD_INT, .min = 1, .max = 4094, .impact = IMPACT_RESTART,
     .help = "The VLAN that it is in"},
    {.name = "mac", .type = FIELD_MAC, .flags = FIELD_RESOLVED, .impact = IMPACT_RESTART,
     .help = "Its MAC; follows from fabric, network and name if not given"},
    {.name = "addresses", .type = FIELD_CIDR, .flags = FIELD_LIST | FIELD_RESOLVED, .most = 8,
     .impact = IMPACT_RESTART,
     .help = "Its addresses; out of the address plan if not given"},
    {.name = "host", .type = FIELD_NAME, .flags = FIELD_LINK | FIELD_RESOLVED, .words = "host",
     .impact = IMPACT_RESTART, .help = "Where it is"},
    READ_ONLY("anonymous", "It goes when its program ends"),
    READ_ONLY("epoch", "Rises with every move"),
    READ_ONLY("network", "The network of the endpoint"),
    COMMON_FIELDS,
    NONE
};

static const struct field host_fields[] = {
    {.name = "address", .type = FIELD_ADDR_PORT, .flags = FIELD_LIST, .most = 8,
     .help = "Where other hosts reach it; a host without one dials out only"},
    {.name = "labels", .type = FIELD_NAME, .flags = FIELD_LIST, .most = 32,
     .help = "Words by which services find their place"},
    READ_ONLY("number", "Number of the host in the fabric"),
    READ_ONLY("key", "Its public key, 64 hexadecimal digits"),
    READ_ONLY("sign_key", "Its public signing key, 64 hexadecimal digits"),
    READ_ONLY("listens", "Addresses that it listens on, as it says itself"),
    READ_ONLY("founder", "The fabric's store is there"),
    READ_ONLY("tags", "Tags of its certificate"),
    COMMON_FIELDS,
    NONE
};

#define IMPAIRMENT "link impairments are not built yet"

static const struct field link_fields[] = {
    {.name = "between", .type = FIELD_NAME, .flags = FIELD_LIST | FIELD_LINK | FIELD_REQUIRED |
     FIELD_IMMUTABLE, .words = "host", .most = 2, .impact = IMPACT_DESTROY,
     .help = "The two hosts: the one that dials, and the one that is dialled"},
    {.name = "address", .type = FIELD_ADDR_PORT, .help = "Where the second is dialled"},
    {.name = "cost", .type = FIELD_INT, .min = 1, .max = 200000000,
     .help = "Path cost of the link where networks forward by tree; 2000 if not given"},
    LATER("psk", FIELD_SECRET, "A secret that both ends mix into their sessions",
          "pre-shared keys of links are not built yet"),
    LATER("delay", FIELD_TIME, "Added delay", IMPAIRMENT),
    LATER("jitter", FIELD_TIME, "Added variation of the delay", IMPAIRMENT),
    LATER("loss", FIELD_TEXT, "Part of the frames that is lost", IMPAIRMENT),
    LATER("rate", FIELD_BITS, "Limit of the rate", IMPAIRMENT),
    LATER("duplicate", FIELD_TEXT, "Part of the frames that comes twice", IMPAIRMENT),
    LATER("reorder", FIELD_TEXT, "Part of the frames that is overtaken", IMPAIRMENT),
    COMMON_FIELDS,
    NONE
};

const struct kind schema_kinds[] = {
    {.name = "network", .plural = "networks", .fields = network_fields,
     .help = "One virtual Ethernet, present on every host that needs it"},
    {.name = "port", .plural = "ports", .fields = port_fields, .in_network = true,
     .help = "Where something plugs into a network"},
    {.name = "endpoint", .plural = "endpoints", .fields = endpoint_fields, .in_network = true,
     .help = "A node of a network: a name with its MAC and addresses"},
    {.name = "host", .plural = "hosts", .fields = host_fields,
     .help = "One machine, or one user on it, that runs fabricd"},
    {.name = "link", .plural = "links", .fields = link_fields,
     .help = "The encrypted association between two hosts"},
    {.name = "router", .plural = "routers", .fields = schema_router_fields, .help = "Forwards between networks",
     .later = "routers are not built yet"},
    {.name = "service", .plural = "services", .fields = schema_service_fields,
     .help = "A daemon that the fabric runs"},
    NONE
};
