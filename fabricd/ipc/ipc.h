/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the three processes of fabricd say to one another, over SOCK_SEQPACKET socketpairs:
 * parent-switch, parent-control, switch-control. One message = struct ipc_head, a body of fixed
 * layout, and descriptors. All three are the same binary; a parent that adopts a switch of
 * another IPC_VERSION replaces it instead.
 *
 * Two sorts of messages:
 *
 * - STATE is keyed by (type, id) and makes up the whole wanted state of the data path: networks,
 *   this host, peers, invitations, ports, listening sockets. Control puts and deletes it at the
 *   parent; the parent keeps it with its descriptors in the vault and passes it on to the
 *   switch. The switch puts what it made itself (VDE clients) the same way, to the parent. A new
 *   switch is handed the whole vault, in the order of the types; a new parent takes the vault
 *   over from the switch. A put of a key that exists replaces it; one without descriptors keeps
 *   those that are there (IPC_PORT and IPC_LISTEN).
 * - The rest are requests, replies and events, lost when their process dies: whoever asked asks
 *   again.
 *
 * The receiver validates every body with ipc_check(): texts end in NUL inside their field,
 * counts are in range, enums are known. Nothing is trusted for having come from a sibling.
 */
#ifndef FABRICD_IPC_IPC_H
#define FABRICD_IPC_IPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "fabricd/switch/settings.h"

#define IPC_VERSION   8
#define IPC_NAME_SIZE 64
#define IPC_MAX_SIZE  65000 /* Of a whole message. */
#define IPC_MAX_FDS   7

/* Ports of one host in all, and of one user who is neither root nor the daemon's owner. Requests
 * under way when a limit is reached may still go through. */
#define IPC_PORTS_MAX      4096u
#define IPC_PORTS_PER_USER 256u
#define IPC_SERVICES_MAX   1000u /* Services that one host keeps. */

enum ipc_type {
    /* State, in the order of a replay. Each is followed by its body's struct. */
    IPC_SELF = 1,    /* struct ipc_self, id 0 */
    IPC_LISTEN = 2,  /* struct ipc_listen; [socket] */
    IPC_NET = 3,     /* struct ipc_net */
    IPC_PEER = 4,    /* struct ipc_peer */
    IPC_INVITE = 5,  /* struct ipc_invite */
    IPC_HEARD = 6,   /* struct ipc_heard; the switch's */
    IPC_PORT = 7,    /* struct ipc_port; descriptors by kind */
    IPC_SERVICE = 8, /* struct ipc_service; [process descriptor of its keeper] */
    IPC_STATE_LAST = 8,

    IPC_DELETE = 16, /* struct ipc_delete: drops one state entry. */

    /* Parent -> switch, control: the hello after a (re)start. */
    IPC_START =
        20, /* struct ipc_start; switch: [control channel, adoption socket, what tells of
                               interfaces (carrier.h) or none],
                               control: [switch channel, API socket, plug socket, keeper socket],
                               then what is told in start.api_fds */
    IPC_CHANNEL =
        21, /* struct ipc_pids; [a new channel to the other of switch and control]. */
    /* No body: the vault has been replayed. Control is replayed too after its IPC_START: the
     * same state messages, without descriptors and secrets, so that it knows what is there and
     * deletes what nobody wants any more. */
    IPC_REPLAY_END = 22,
    IPC_STOP = 23, /* No body: end cleanly. From control to the parent: the whole daemon. */
    IPC_PARENT =
        24, /* struct ipc_pids; [a new channel to the parent]. A new parent sends it
                               to the switch that it adopts, which passes it on to control, or
                               closes the descriptor if it has none. */

    /* To the parent, each answered by IPC_REPLY with the same `request`. */
    IPC_OPEN_DEVICE =
        30, /* control: struct ipc_open_device -> the port is put with the device as its
                          descriptor and the interface's name in `path` and reply.why */
    IPC_OPEN_UDP =
        31, /* control: struct ipc_open_udp -> IPC_LISTEN of kind UDP, reply.port */
    IPC_OPEN_VDE =
        32, /* control: struct ipc_open_vde -> IPC_LISTEN of kind VDE for each name, and the reply
                          with [socket of the console] */
    IPC_VDE_DATA =
        33, /* switch: struct ipc_vde_data; [ctl connection] -> reply with [data socket]
                          and its path in `why` */
    IPC_SIGN = 34,     /* control: struct ipc_sign -> struct ipc_signed */
    IPC_PATH_MTU = 35, /* switch: struct ipc_addr -> reply.port = MTU of the route */
    IPC_KEYS =
        36, /* control: struct ipc_keys -> IPC_SELF with the request's number and this
                          host's keys in it, or IPC_REPLY with the reason */
    IPC_OPEN_DOOR =
        37, /* control: struct ipc_open_door -> IPC_LISTEN of a declared VDE port, its id in
                          reply.port. Asked again: the same, with the new VLAN and rate. */
    IPC_FENCE =
        38, /* No body. control -> parent -> switch, behind all state that was put before,
                        and back -> IPC_REPLY. One at a time. */
    IPC_START_SERVICE =
        41, /* control: struct ipc_start_service -> IPC_SERVICE of its keeper, which is put to
                          control as well, or IPC_REPLY with the reason */
    IPC_REPLY = 39,  /* struct ipc_reply */
    IPC_SIGNED = 40, /* struct ipc_signed */

    /* Switch -> control. */
    IPC_PORT_GONE =
        50, /* struct ipc_port_gone: its other side went; state already deleted. */
    IPC_PORT_NEW = 51,    /* struct ipc_port: a port that the switch made (VDE). */
    IPC_PEER_STATE = 52,  /* struct ipc_peer_state: at every change and on IPC_STATS. */
    IPC_STREAM_IN = 53,   /* struct ipc_stream: one message of a peer's control stream. */
    IPC_STREAM_OUT = 54,  /* Control -> switch: the same, to be sent. */
    IPC_STREAM_ROOM = 55, /* struct ipc_stream_room: that host takes messages again. */
    IPC_JOINING =
        56, /* struct ipc_joining: the session with the inviting host, at the joiner. */
    IPC_NOTICE = 58,     /* struct ipc_notice: something was noticed at a port. */
    IPC_TREE_EVENT = 57, /* struct ipc_tree_event: something happened to a spanning tree. */

    /* Parent -> control: a keeper has ended; struct ipc_service, its state is deleted already. */
    IPC_SERVICE_GONE = 59,

    /* Control -> switch, answered with as many as needed, then IPC_STATS_END. */
    IPC_STATS = 60,      /* struct ipc_stats_request */
    IPC_STATS_PORT = 61, /* struct ipc_stats_port */
    IPC_STATS_MACS = 62, /* struct ipc_stats_macs */
    IPC_STATS_LINK = 63, /* struct ipc_stats_link */
    IPC_STATS_END = 64,  /* struct ipc_stats_request, as it was asked */
    IPC_JOIN = 65,       /* struct ipc_join: talk to a host by its token, as a stranger. */
    IPC_STATS_TREE = 66, /* struct ipc_stats_tree */
    IPC_STATS_VLAN = 68, /* struct ipc_stats_vlan */
    IPC_STATS_GROUPS =
        69, /* struct ipc_stats_macs: groups, with how long they last in age_ms. */
    IPC_STATS_NET = 70, /* struct ipc_stats_net */
    IPC_HOMES = 67, /* struct ipc_homes: where endpoints live. Not state: control tells. */
};

struct ipc_head {
    uint16_t type;
    uint16_t version;
    uint32_t size;    /* Of the body. */
    uint32_t request; /* Echoed by replies; 0 for state and events. */
    uint32_t reserved;
};

struct ipc_addr {
    uint8_t family; /* 4 or 6; 0 = none */
    uint8_t reserved;
    uint16_t port; /* Host order. */
    uint8_t addr[16];
};

/* --- state ------------------------------------------------------------------------------- */

struct ipc_self {
    uint16_t host; /* Number in the fabric, 1..65535; 0 = none yet. */
    uint16_t chain_size;
    char name[IPC_NAME_SIZE];
    uint64_t fabric;  /* Random id. */
    uint8_t root[32]; /* Ed25519 public key of the fabric. */
    uint8_t noise_public[32];
    uint8_t noise_secret[32]; /* Parent -> switch only; zero on every other way. */
    uint8_t sign_public[32];
    uint8_t chain[1024]; /* Certificate chain, as the handshake sends it. */
};

enum ipc_auto { IPC_AUTO, IPC_YES, IPC_NO };

/* What a port is set to in a spanning tree; all zero = the defaults. */
struct ipc_stp_port {
    uint32_t cost;        /* 0 = from the speed. */
    uint8_t priority;     /* 0..240, in steps of 16, */
    uint8_t has_priority; /* or the default. */
    uint8_t edge;         /* enum ipc_auto */
    uint8_t p2p;          /* enum ipc_auto */
    uint8_t bpdu_guard, root_guard, bpdu_filter;
    uint8_t heard; /* A bridge was heard there, by a daemon before this one. */
};

/* API, PLUG, KEEP and CONSOLE are the control's: the switch only keeps them for a new parent, and with
 * API the process descriptor of control. */
enum ipc_listen_kind {
    IPC_LISTEN_UDP = 1,
    IPC_LISTEN_VDE = 2,
    IPC_LISTEN_API = 3,
    IPC_LISTEN_PLUG = 4,
    IPC_LISTEN_API_TCP = 5,
    IPC_LISTEN_KEEP = 6,
    IPC_LISTEN_CONSOLE =
        7, /* With `net`, and in `path` the folder FOLDER of FOLDER.mgmt. */
    IPC_LISTEN_KIND_LAST = 7,
};

struct ipc_listen {
    uint32_t id;
    uint8_t kind;
    uint8_t reserved;
    struct ipc_stp_port stp;    /* VDE: of the declared port. */
    uint64_t net;               /* VDE */
    uint64_t rate;              /* VDE: of the declared port, towards its client. */
    struct swport_settings set; /* VDE: of the declared port, or the port group's VLAN. */
    char name[IPC_NAME_SIZE];   /* VDE: the declared port; "" = any client, any number. */
    char door[IPC_NAME_SIZE];   /* VDE: not "": it speaks QEMU's stream, and is called so in
                                 the folder. */
    char path[108];       /* VDE: the folder, so that data sockets can be made in it. */
    struct ipc_addr addr; /* UDP and API over TCP: as bound. */
};

struct ipc_allow {
    uint8_t is_group;
    uint32_t id;
};

enum ipc_stp_mode { IPC_STP_OFF, IPC_STP_STP, IPC_STP_RSTP };

/* The spanning tree of a network, on this host. Without a mode the rest has no meaning. */
struct ipc_stp {
    uint8_t mode;
    uint8_t tree;                          /* Forwarding `tree`: links are ports of it. */
    uint8_t hello, max_age, forward_delay; /* Seconds. */
    uint8_t tx_hold;
    uint16_t priority; /* Of this host's bridge. */
    uint16_t host;     /* This one's number. */
    uint8_t bridge[6]; /* Its address. */
    uint64_t network;  /* Names it in loop probes. */
};

struct ipc_net {
    uint64_t id;
    char name[IPC_NAME_SIZE];
    uint32_t mtu;
    uint8_t local; /* Never leaves the host: no channel is announced for it. */
    uint8_t vlan_aware;
    uint8_t snooping, querier; /* Of IGMP and MLD. */
    uint8_t suppression;       /* Of ARP and ND. */
    uint8_t everywhere; /* `on: all`; otherwise on[] lists the hosts that may enter. */
    uint8_t n_allow;
    uint16_t n_on;
    uint8_t vlans[4096 / 8];
    struct ipc_allow allow[64]; /* Besides the daemon's owner, root and group ioth. */
    uint16_t on[512];
    struct ipc_stp stp;
};

struct ipc_peer {
    uint16_t host;
    uint8_t dial; /* Keep a session up by dialling out. */
    uint8_t n_addrs;
    char name[IPC_NAME_SIZE];
    uint8_t noise_public[32];
    uint32_t cost;            /* Of the link in a spanning tree; 0 = from its speed. */
    struct ipc_addr addrs[8]; /* Where it was said to listen; it may roam. */
};

struct ipc_invite {
    uint64_t id;     /* First half of the token's public id: what a joiner names. */
    int64_t expires; /* wall_t */
};

enum ipc_port_kind {
    IPC_PORT_TAP = 1,     /* [tap fd, lifeline or none] */
    IPC_PORT_RING = 2,    /* [memfd, our end of the doorbell, lifeline] */
    IPC_PORT_VDE = 3,     /* [data socket, ctl connection] */
    IPC_PORT_CAPTURE = 4, /* [lifeline] */
    IPC_PORT_STREAM = 5,  /* [connection]; its end is the end of the port */
    IPC_PORT_RAW = 6,     /* [packet socket] */
    IPC_PORT_KIND_LAST = 6,
};

struct ipc_pin {
    uint8_t family;
    uint8_t addr[16];
};

/* Behind the port a bridge was heard: a new switch does not take it for an edge port. */
struct ipc_heard {
    uint32_t port; /* Its id. */
};

struct ipc_port {
    uint32_t id; /* Control makes even ones, the switch odd ones. */
    uint8_t kind;
    uint8_t pinned;
    uint8_t
        station; /* Says that only pin_mac is behind it: no bridge is looked for there. */
    uint64_t net;
    char name[IPC_NAME_SIZE]; /* Unique in its network. */
    struct ipc_stp_port stp;
    struct swport_settings set;
    uint64_t rate; /* Bits per second towards the endpoint; 0 = none. */
    uint32_t caps; /* FRAME_CAP_* the client takes (TAP, RING). */
    uint32_t owner_uid;
    uint32_t owner_pid;
    uint32_t node_pid; /* For `iothctl exec`. */
    uint32_t
        speed_mbps; /* RAW: of the interface as it was opened, the parent's; 0 = unknown. */
    uint32_t snap;  /* CAPTURE */
    char watch[IPC_NAME_SIZE]; /* CAPTURE: only this port; "" = all. */
    uint8_t pin_mac[6];
    uint8_t n_pins;
    struct ipc_pin pins[8];
    char
        path[108]; /* VDE: the data socket's, unlinked when the port goes. TAP opened by the
                       parent: the interface. */
};

/* A service whose keeper runs: ioth-keeper, a process that outlives the others. */
struct ipc_service {
    uint64_t id; /* ipc_service_id() of the name. */
    char name[IPC_NAME_SIZE];
    uint32_t pid; /* Of the keeper. */
    uint32_t uid; /* Of the user whom it runs as. */
};

struct ipc_delete {
    uint16_t type;
    uint64_t id;
};

/* --- requests, replies, events ----------------------------------------------------------- */

struct ipc_pids {
    uint32_t parent;
    uint32_t switch_;
    uint32_t control;
};

/* In the state folder, apart from the keys: the store; and what the API keeps (its own key and
 * certificate, the audit log). */
#define IPC_STORE_FOLDER "store"
#define IPC_API_FOLDER   "api"

struct ipc_start {
    struct ipc_pids pids;
    uint32_t
        group; /* Id of the group `ioth`, whose members may do all; 0 = there is none. */
    char host[IPC_NAME_SIZE]; /* --name */
    char run_dir[108];
    char state_dir[256];
    char store[256]; /* --store */
    char services[IPC_NAME_SIZE];
    char api_cert[256], api_key[256]; /* --api-cert, --api-key; "" = our own. */
    struct ipc_addr listen;           /* --listen; port 0 = the default. */
    struct ipc_addr api;              /* --api; port 0 = not over TCP. */
    uint8_t
        api_fds; /* Descriptors that follow: 0, 1 (TCP socket) or 3 (certificate, key). */
    uint8_t log_level;
    uint8_t adopted; /* The data path was running already. */
};

/* A TAP or a physical interface, as port.kind says. */
struct ipc_open_device {
    char ifname[16]; /* TAP: "" = the kernel chooses. */
    struct ipc_port port;
};

struct ipc_start_service {
    char name[IPC_NAME_SIZE];
    uint8_t foreign; /* As the user of --services, rather than as the daemon's own. */
};

struct ipc_open_udp {
    struct ipc_addr
        addr; /* family 0 = any, both families. A port in use gives another one. */
};

struct ipc_open_vde {
    uint64_t net;
    char name[IPC_NAME_SIZE];      /* The folder is RUN/net/NAME. */
    uint8_t vlan_groups[4096 / 8]; /* A socket vN for each. */
    uint16_t mode; /* Of the folder and the sockets: 0700, or wider with --allow. */
};

/* The door RUN/net/NETWORK/NAME of a declared VDE port. */
struct ipc_open_door {
    uint64_t net;
    uint64_t rate;
    char network[IPC_NAME_SIZE];
    char name[IPC_NAME_SIZE];
    struct ipc_stp_port stp;
    struct swport_settings set;
    uint16_t mode;            /* As of ipc_open_vde. */
    char door[IPC_NAME_SIZE]; /* Not "": a stream port, whose socket is called so. */
};

struct ipc_vde_data {
    uint32_t port; /* NNN of the path. */
    uint32_t uid;  /* Of the client; its socket must be owned by it. */
    char folder[108];
    uint8_t client_size; /* Of the client's sun_path, abstract names included. */
    char client[108];
};

/* What the founding host's parent is asked to put its name to. */
struct ipc_sign {
    uint16_t host;
    char name[IPC_NAME_SIZE];
    uint8_t noise_public[32];
    uint8_t sign_public[32];
    int64_t not_after; /* wall_t */
    uint8_t tags_size;
    char tags[255]; /* Separated by NUL. */
};

struct ipc_signed {
    int32_t code; /* 0 or -errno */
    uint16_t chain_size;
    uint8_t chain[1024];
    uint8_t root[32];
};

enum ipc_keys_what {
    IPC_KEYS_SHOW = 1,  /* Public keys of this host. */
    IPC_KEYS_FOUND = 2, /* Make root and issuer if there are none, and sign this host. */
    IPC_KEYS_JOINED =
        3, /* Take `self` (chain, root, host, fabric) as ours; root and issuer go. */
    IPC_KEYS_DROP_ROOT = 4, /* The root key was exported: forget it. */
};

struct ipc_keys {
    uint8_t what;
    struct ipc_self self;
};

struct ipc_reply {
    int32_t code; /* 0 or -errno */
    uint32_t port;
    char why[320];
    char hint[160];
};

struct ipc_port_gone {
    uint32_t id;
    uint64_t net;
    char name[IPC_NAME_SIZE];
    uint8_t kind;
};

struct ipc_peer_state {
    uint16_t host;
    uint8_t up;
    uint8_t joining; /* A stranger with an invitation: host is 0, `conn` names it. */
    uint32_t conn;   /* Names the session's control stream until it goes. */
    uint64_t invite; /* With joining: the invitation that it named. */
    char name[IPC_NAME_SIZE]; /* From its certificate. */
    uint8_t noise_public[32];
    struct ipc_addr addr;
    uint32_t rtt_us;
    uint32_t mtu;
    uint32_t
        held_ms; /* Trees use it only where there is no other way, for so long; 0 = no. */
    uint8_t losses; /* That count for that. */
    char cipher[24];
};

struct ipc_stream {
    uint32_t conn;
    uint32_t size;
    uint8_t data[60000]; /* Only `size` bytes travel. */
};

struct ipc_stream_room {
    uint32_t conn;
};

struct ipc_join {
    uint32_t conn; /* Chosen by control; events about this session carry it. */
    uint64_t invite;
    uint8_t noise_public[32]; /* Of the inviting host. */
    uint8_t n_addrs;
    struct ipc_addr addrs[8];
};

struct ipc_joining {
    uint32_t conn;
    int32_t code; /* 0 = the session is up; -ETIMEDOUT = nobody answered. */
};

/* What happened to the spanning tree of a network: enum tree_event. */
struct ipc_tree_event {
    uint64_t net;
    uint64_t bridge; /* ROOT: the root's; TOPOLOGY: who told of it, 0 = noticed here. */
    uint8_t event;
    uint16_t host;  /* PROBE_*: the other end. */
    uint8_t losses; /* HELD, RELEASED: as in ipc_stats_stp_port. */
    uint32_t held_ms;
    char port[IPC_NAME_SIZE]; /* "" = none. */
};

/* What a switch noticed at a port: enum swport_notice. */
struct ipc_notice {
    uint64_t net;
    char port[IPC_NAME_SIZE];
    uint8_t sort;
    uint8_t mac[6]; /* Of the frame that it was noticed at. */
    uint16_t vlan;
};

enum {
    IPC_STATS_PORTS = 1,
    IPC_STATS_FDB = 2,
    IPC_STATS_LINKS = 4,
    IPC_STATS_TREES = 8,
    IPC_STATS_VLANS = 16,
    IPC_STATS_MEMBERS = 32,
};

struct ipc_stats_request {
    uint64_t net; /* 0 = all. */
    uint32_t what;
};

/* A port in a spanning tree; names of its numbers are in proto/rstp/rstp.h. */
struct ipc_stats_stp_port {
    uint16_t number; /* 0 = it is in none, and the rest is zero. */
    uint8_t role, state;
    uint8_t edge, p2p, rapid;
    uint8_t guarded, root_refused, looped; /* As in struct rstp_port_status. */
    uint8_t last_resort, spare;
    uint8_t losses;      /* Of an own port's interface, that count for being held; */
    uint32_t held_ms;    /* so long yet; 0 = it is not. */
    uint8_t blocked;     /* By a loop probe, */
    uint16_t blocked_by; /* of that host. */
    uint16_t port_id;
    uint16_t designated_port;
    uint32_t cost;
    uint64_t designated_bridge;
    uint64_t rx_bpdus, tx_bpdus, rx_bad;
    uint64_t forwarded; /* How often it began to forward. */
};

/* What came into the switch of a network in a VLAN. */
struct ipc_stats_vlan {
    uint64_t net;
    uint64_t rx_frames, rx_bytes, policed;
    uint16_t vlan;
};

/* What the switch of a network on this host has understood. */
struct ipc_stats_net {
    uint64_t net;
    struct swport_heard heard[SWPORT_IP_N];
};

/* The spanning tree of a network on this host. */
struct ipc_stats_tree {
    uint64_t net;
    uint64_t bridge, root;
    uint32_t cost;                 /* To the root. */
    char root_port[IPC_NAME_SIZE]; /* "" = this bridge is the root. */
    uint64_t tc_count;
    uint64_t tc_bridge; /* Who told of the last topology change; 0 = noticed here. */
    int64_t tc_age_us;  /* -1 = there was none. */
    uint8_t tc_cause;   /* enum rstp_tc_cause */
    char tc_port[IPC_NAME_SIZE];
    uint8_t hello, max_age, forward_delay; /* Seconds, as the root has them. */
    char unsettled[IPC_NAME_SIZE]; /* A port that is to forward and does not yet, or "", */
    uint8_t unsettled_state;       /* and its enum rstp_state. */
};

struct ipc_stats_port {
    uint32_t id;
    uint64_t net;
    uint8_t kind; /* enum ipc_port_kind; 0 = a link */
    uint16_t vlan;
    uint16_t host; /* Link: the peer. */
    char name[IPC_NAME_SIZE];
    uint32_t owner_uid;
    uint32_t owner_pid;
    uint32_t node_pid;
    uint8_t down; /* Its interface is, or has no carrier. */
    uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes;
    struct ipc_stats_stp_port stp;
    uint64_t rx_drops[SWPORT_DROP_N], tx_drops[SWPORT_DROP_N];
    struct swport_heard heard[SWPORT_IP_N];
    struct swport_mirrored mirrored;
};

struct ipc_mac {
    uint8_t mac[6];
    uint16_t vlan;
    uint32_t port;
    uint32_t age_ms;
    uint8_t fixed; /* It neither ages nor moves. */
};

struct ipc_stats_macs {
    uint64_t net;
    uint32_t n;
    struct ipc_mac macs[256];
};

struct ipc_stats_link {
    struct ipc_peer_state state;
    uint64_t rx_datagrams, rx_bytes, tx_datagrams, tx_bytes;
    uint64_t rx_bad, rx_replayed, rx_refused, rx_orphans;
    uint64_t handshakes;
    int64_t last_rx_us; /* Age of the last authenticated datagram. */
};

/* Where an endpoint's MAC is believed (fabricd/switch/homes.h). */
struct ipc_home {
    uint8_t mac[6];
    uint16_t vlan;
    uint16_t host; /* 0 = here. */
    uint16_t gone; /* 1: nowhere in particular any more. */
    uint8_t n_addrs;
    struct ipc_pin addrs[8];
};

struct ipc_homes {
    uint64_t net;
    uint8_t begin; /* What is not among those up to the next `end` goes. */
    uint8_t end;
    uint16_t n;
    struct ipc_home homes[256];
};

/* --- sending and receiving --------------------------------------------------------------- */

/* A body of every type: enough room for ipc_recv(). */
union ipc_body {
    struct ipc_self self;
    struct ipc_listen listen;
    struct ipc_net net;
    struct ipc_peer peer;
    struct ipc_invite invite;
    struct ipc_heard heard;
    struct ipc_port port;
    struct ipc_delete del;
    struct ipc_service service;
    struct ipc_start_service start_service;
    struct ipc_start start;
    struct ipc_pids pids;
    struct ipc_open_device open_device;
    struct ipc_open_udp open_udp;
    struct ipc_open_vde open_vde;
    struct ipc_open_door open_door;
    struct ipc_vde_data vde_data;
    struct ipc_sign sign;
    struct ipc_signed signed_;
    struct ipc_addr addr;
    struct ipc_keys keys;
    struct ipc_reply reply;
    struct ipc_port_gone port_gone;
    struct ipc_peer_state peer_state;
    struct ipc_stream stream;
    struct ipc_stream_room stream_room;
    struct ipc_join join;
    struct ipc_joining joining;
    struct ipc_tree_event tree_event;
    struct ipc_homes homes;
    struct ipc_stats_request stats_request;
    struct ipc_stats_port stats_port;
    struct ipc_stats_macs stats_macs;
    struct ipc_stats_link stats_link;
    struct ipc_stats_tree stats_tree;
    struct ipc_stats_vlan stats_vlan;
    struct ipc_stats_net stats_net;
    struct ipc_notice notice;
};

struct ipc_message {
    struct ipc_head head;
    union ipc_body body;
    int fds[IPC_MAX_FDS]; /* The receiver's, close-on-exec. */
    unsigned n_fds;
};

/* Sends one message; the body's size follows from the type (and from stream.size). Descriptors
 * stay the caller's. Returns 0 or -errno; -EAGAIN if the channel is full. */
int ipc_send(int sock, enum ipc_type type, uint32_t request, const void *body,
             const int *fds, unsigned n_fds) __attribute__((warn_unused_result));

/* Receives and checks one message. Returns 1, 0 at the end of the channel, -EAGAIN, or -EPROTO
 * for one that fails ipc_check() (its descriptors are closed). */
int ipc_recv(int sock, struct ipc_message *msg) __attribute__((warn_unused_result));

/* True if the body is of its type's size and everything in it is in range. Pure. */
bool ipc_check(const struct ipc_message *msg);

/* The key of a state message (id of the port, network, host …). */
uint64_t ipc_state_id(const struct ipc_message *msg);

/* The key of a service by its name. */
uint64_t ipc_service_id(const char *name);

const char *ipc_type_name(unsigned type);

/* How many bytes of the body travel; 0 for an unknown type. */
size_t ipc_body_size(enum ipc_type type, const void *body);

#endif
