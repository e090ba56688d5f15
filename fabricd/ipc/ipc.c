/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One table says of each type what its body is and how it is checked; sending and receiving
 * follow from it. Checks look at ranges only: what the values mean is the receiver's business.
 */
#include "fabricd/ipc/ipc.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "proto/base/fd.h"

#define MTU_MIN      1280
#define MTU_MAX      9216
#define STP_COST_MAX 200000000
#define N_OF(list)   (sizeof(list) / sizeof *(list))

/* True if a text ends inside its field. */
#define TEXT_OK(field) (memchr((field), '\0', sizeof(field)) != NULL)

_Static_assert(offsetof(struct ipc_message, body) == sizeof(struct ipc_head),
               "head and body are received in one piece");
_Static_assert(sizeof(struct ipc_head) + sizeof(union ipc_body) <= IPC_MAX_SIZE,
               "every message fits a channel");

static bool addr_ok(const struct ipc_addr *a)
{
    return a->family == 0 || a->family == 4 || a->family == 6;
}

static bool addrs_ok(const struct ipc_addr *addrs, unsigned n, unsigned room)
{
    if (n > room)
        return false;
    for (unsigned i = 0; i < n; i++) {
        if (!addr_ok(&addrs[i]) || !addrs[i].family)
            return false;
    }
    return true;
}

static bool self_ok(const union ipc_body *b)
{
    return b->self.chain_size <= sizeof b->self.chain && TEXT_OK(b->self.name);
}

static bool stp_port_ok(const struct ipc_stp_port *s)
{
    return s->cost <= STP_COST_MAX && s->priority % 16 == 0 && s->edge <= IPC_NO &&
           s->p2p <= IPC_NO;
}

/* Flags are read as they came, and a bool holds no other value. */
static bool flag_ok(const bool *flag)
{
    uint8_t byte;

    memcpy(&byte, flag, 1);
    return byte <= 1;
}

static bool limits_ok(const struct swport_settings *set)
{
    if (set->n_limits > SWPORT_VLAN_LIMITS)
        return false;
    for (unsigned i = 0; i < set->n_limits; i++) {
        const struct swport_vlan_limit *l = &set->limits[i];

        if (!l->vlan || l->vlan >= 4095 || !flag_ok(&l->police.in_bits) ||
            l->police.rate > SWPORT_RATE_MAX || l->rate > SWPORT_RATE_MAX)
            return false;
    }
    return true;
}

static bool settings_ok(const struct swport_settings *set)
{
    for (unsigned i = 0; i < SWPORT_FLOOD_N; i++) {
        if (!flag_ok(&set->storm[i].in_bits) || set->storm[i].rate > SWPORT_RATE_MAX)
            return false;
    }
    return limits_ok(set) && set->vlan < 4095 && set->trust <= SWPORT_TRUST_NONE &&
           set->priority < SWPORT_PRIORITIES && flag_ok(&set->police.in_bits) &&
           set->police.rate <= SWPORT_RATE_MAX && flag_ok(&set->tagged) &&
           flag_ok(&set->bare) && !(set->bare && set->vlan) && flag_ok(&set->isolated) &&
           TEXT_OK(set->mirror);
}

static bool listen_ok(const union ipc_body *b)
{
    return b->listen.kind >= IPC_LISTEN_UDP && b->listen.kind <= IPC_LISTEN_KIND_LAST &&
           settings_ok(&b->listen.set) && stp_port_ok(&b->listen.stp) &&
           TEXT_OK(b->listen.path) && TEXT_OK(b->listen.name) && TEXT_OK(b->listen.door) &&
           addr_ok(&b->listen.addr);
}

/* The ranges of IEEE 802.1D-2004, Table 17-1. */
static bool stp_ok(const struct ipc_stp *s)
{
    return s->mode == IPC_STP_OFF ||
           (s->mode <= IPC_STP_RSTP && s->hello >= 1 && s->hello <= 2 && s->max_age >= 6 &&
            s->max_age <= 40 && s->forward_delay >= 4 && s->forward_delay <= 30 &&
            s->tx_hold >= 1 && s->tx_hold <= 10 && s->priority % 4096 == 0);
}

static bool net_ok(const union ipc_body *b)
{
    return stp_ok(&b->net.stp) && TEXT_OK(b->net.name) && b->net.mtu >= MTU_MIN &&
           b->net.mtu <= MTU_MAX && b->net.n_allow <= N_OF(b->net.allow) &&
           b->net.n_on <= N_OF(b->net.on);
}

static bool peer_ok(const union ipc_body *b)
{
    return TEXT_OK(b->peer.name) && b->peer.cost <= STP_COST_MAX &&
           addrs_ok(b->peer.addrs, b->peer.n_addrs, N_OF(b->peer.addrs));
}

static bool pins_ok(const struct ipc_pin pins[8], unsigned n)
{
    if (n > 8)
        return false;
    for (unsigned i = 0; i < n; i++) {
        if (pins[i].family != 4 && pins[i].family != 6)
            return false;
    }
    return true;
}

static bool port_fields_ok(const struct ipc_port *p)
{
    if (p->kind < IPC_PORT_TAP || p->kind > IPC_PORT_KIND_LAST || !settings_ok(&p->set))
        return false;
    if (!TEXT_OK(p->name) || !TEXT_OK(p->watch) || !TEXT_OK(p->path) ||
        !stp_port_ok(&p->stp) || !pins_ok(p->pins, p->n_pins))
        return false;
    return true;
}

static bool port_ok(const union ipc_body *b)
{
    return port_fields_ok(&b->port);
}

static bool service_ok(const union ipc_body *b)
{
    return TEXT_OK(b->service.name) && b->service.name[0] &&
           b->service.id == ipc_service_id(b->service.name);
}

static bool start_service_ok(const union ipc_body *b)
{
    return TEXT_OK(b->start_service.name) && b->start_service.name[0];
}

static bool delete_ok(const union ipc_body *b)
{
    return b->del.type >= IPC_SELF && b->del.type <= IPC_STATE_LAST;
}

static bool start_ok(const union ipc_body *b)
{
    return TEXT_OK(b->start.host) && TEXT_OK(b->start.run_dir) &&
           TEXT_OK(b->start.state_dir) && TEXT_OK(b->start.store) &&
           TEXT_OK(b->start.services) && TEXT_OK(b->start.api_cert) &&
           TEXT_OK(b->start.api_key) && addr_ok(&b->start.listen) &&
           addr_ok(&b->start.api) && b->start.api_fds <= 3 && b->start.log_level <= 3;
}

static bool open_device_ok(const union ipc_body *b)
{
    return TEXT_OK(b->open_device.ifname) && port_fields_ok(&b->open_device.port) &&
           (b->open_device.port.kind == IPC_PORT_TAP ||
            b->open_device.port.kind == IPC_PORT_RAW);
}

static bool addr_body_ok(const union ipc_body *b)
{
    return addr_ok(&b->addr);
}

static bool open_udp_ok(const union ipc_body *b)
{
    return addr_ok(&b->open_udp.addr);
}

static bool open_vde_ok(const union ipc_body *b)
{
    return TEXT_OK(b->open_vde.name) && (b->open_vde.mode & ~0777) == 0;
}

static bool open_door_ok(const union ipc_body *b)
{
    return TEXT_OK(b->open_door.network) && TEXT_OK(b->open_door.name) &&
           TEXT_OK(b->open_door.door) && settings_ok(&b->open_door.set) &&
           stp_port_ok(&b->open_door.stp) && (b->open_door.mode & ~0777) == 0;
}

static bool vde_data_ok(const union ipc_body *b)
{
    return TEXT_OK(b->vde_data.folder) &&
           b->vde_data.client_size <= sizeof b->vde_data.client;
}

static bool sign_ok(const union ipc_body *b)
{
    return TEXT_OK(b->sign.name);
}

static bool signed_ok(const union ipc_body *b)
{
    return b->signed_.code <= 0 && b->signed_.chain_size <= sizeof b->signed_.chain;
}

static bool keys_ok(const union ipc_body *b)
{
    return b->keys.what >= IPC_KEYS_SHOW && b->keys.what <= IPC_KEYS_DROP_ROOT &&
           b->keys.self.chain_size <= sizeof b->keys.self.chain &&
           TEXT_OK(b->keys.self.name);
}

static bool reply_ok(const union ipc_body *b)
{
    return b->reply.code <= 0 && TEXT_OK(b->reply.why) && TEXT_OK(b->reply.hint);
}

static bool port_gone_ok(const union ipc_body *b)
{
    return TEXT_OK(b->port_gone.name);
}

static bool peer_state_fields_ok(const struct ipc_peer_state *s)
{
    return TEXT_OK(s->name) && TEXT_OK(s->cipher) && addr_ok(&s->addr);
}

static bool peer_state_ok(const union ipc_body *b)
{
    return peer_state_fields_ok(&b->peer_state);
}

static bool stream_ok(const union ipc_body *b)
{
    return b->stream.size <= sizeof b->stream.data;
}

static bool join_ok(const union ipc_body *b)
{
    return addrs_ok(b->join.addrs, b->join.n_addrs, N_OF(b->join.addrs));
}

static bool joining_ok(const union ipc_body *b)
{
    return b->joining.code <= 0;
}

static bool homes_ok(const union ipc_body *b)
{
    if (b->homes.begin > 1 || b->homes.end > 1 || b->homes.n > N_OF(b->homes.homes))
        return false;
    for (unsigned i = 0; i < b->homes.n; i++) {
        const struct ipc_home *home = &b->homes.homes[i];

        if (home->vlan >= 4095 || home->gone > 1 || !pins_ok(home->addrs, home->n_addrs))
            return false;
    }
    return true;
}

static bool stats_port_ok(const union ipc_body *b)
{
    return TEXT_OK(b->stats_port.name) && b->stats_port.kind <= IPC_PORT_KIND_LAST;
}

static bool stats_macs_ok(const union ipc_body *b)
{
    return b->stats_macs.n <= N_OF(b->stats_macs.macs);
}

static bool stats_link_ok(const union ipc_body *b)
{
    return peer_state_fields_ok(&b->stats_link.state);
}

static bool notice_ok(const union ipc_body *b)
{
    return TEXT_OK(b->notice.port);
}

static bool tree_event_ok(const union ipc_body *b)
{
    return TEXT_OK(b->tree_event.port);
}

static bool stats_tree_ok(const union ipc_body *b)
{
    return TEXT_OK(b->stats_tree.root_port) && TEXT_OK(b->stats_tree.tc_port) &&
           TEXT_OK(b->stats_tree.unsettled);
}

static const struct kind {
    const char *name; /* NULL = no such type. */
    size_t size;
    bool (*ok)(const union ipc_body *); /* NULL = any values will do. */
} kinds[] = {
    [IPC_SELF] = {"self", sizeof(struct ipc_self), self_ok},
    [IPC_LISTEN] = {"listen", sizeof(struct ipc_listen), listen_ok},
    [IPC_NET] = {"net", sizeof(struct ipc_net), net_ok},
    [IPC_PEER] = {"peer", sizeof(struct ipc_peer), peer_ok},
    [IPC_INVITE] = {"invite", sizeof(struct ipc_invite), NULL},
    [IPC_HEARD] = {"heard", sizeof(struct ipc_heard), NULL},
    [IPC_PORT] = {"port", sizeof(struct ipc_port), port_ok},
    [IPC_SERVICE] = {"service", sizeof(struct ipc_service), service_ok},
    [IPC_DELETE] = {"delete", sizeof(struct ipc_delete), delete_ok},
    [IPC_START] = {"start", sizeof(struct ipc_start), start_ok},
    [IPC_CHANNEL] = {"channel", sizeof(struct ipc_pids), NULL},
    [IPC_REPLAY_END] = {"replay_end", 0, NULL},
    [IPC_STOP] = {"stop", 0, NULL},
    [IPC_PARENT] = {"parent", sizeof(struct ipc_pids), NULL},
    [IPC_OPEN_DEVICE] = {"open_device", sizeof(struct ipc_open_device), open_device_ok},
    [IPC_OPEN_UDP] = {"open_udp", sizeof(struct ipc_open_udp), open_udp_ok},
    [IPC_OPEN_VDE] = {"open_vde", sizeof(struct ipc_open_vde), open_vde_ok},
    [IPC_OPEN_DOOR] = {"open_door", sizeof(struct ipc_open_door), open_door_ok},
    [IPC_VDE_DATA] = {"vde_data", sizeof(struct ipc_vde_data), vde_data_ok},
    [IPC_SIGN] = {"sign", sizeof(struct ipc_sign), sign_ok},
    [IPC_PATH_MTU] = {"path_mtu", sizeof(struct ipc_addr), addr_body_ok},
    [IPC_KEYS] = {"keys", sizeof(struct ipc_keys), keys_ok},
    [IPC_FENCE] = {"fence", 0, NULL},
    [IPC_START_SERVICE] = {"start_service", sizeof(struct ipc_start_service),
                           start_service_ok},
    [IPC_SERVICE_GONE] = {"service_gone", sizeof(struct ipc_service), service_ok},
    [IPC_REPLY] = {"reply", sizeof(struct ipc_reply), reply_ok},
    [IPC_SIGNED] = {"signed", sizeof(struct ipc_signed), signed_ok},
    [IPC_PORT_GONE] = {"port_gone", sizeof(struct ipc_port_gone), port_gone_ok},
    [IPC_PORT_NEW] = {"port_new", sizeof(struct ipc_port), port_ok},
    [IPC_PEER_STATE] = {"peer_state", sizeof(struct ipc_peer_state), peer_state_ok},
    [IPC_STREAM_IN] = {"stream_in", offsetof(struct ipc_stream, data), stream_ok},
    [IPC_STREAM_OUT] = {"stream_out", offsetof(struct ipc_stream, data), stream_ok},
    [IPC_STREAM_ROOM] = {"stream_room", sizeof(struct ipc_stream_room), NULL},
    [IPC_JOINING] = {"joining", sizeof(struct ipc_joining), joining_ok},
    [IPC_NOTICE] = {"notice", sizeof(struct ipc_notice), notice_ok},
    [IPC_TREE_EVENT] = {"tree_event", sizeof(struct ipc_tree_event), tree_event_ok},
    [IPC_STATS] = {"stats", sizeof(struct ipc_stats_request), NULL},
    [IPC_STATS_PORT] = {"stats_port", sizeof(struct ipc_stats_port), stats_port_ok},
    [IPC_STATS_MACS] = {"stats_macs", sizeof(struct ipc_stats_macs), stats_macs_ok},
    [IPC_STATS_GROUPS] = {"stats_groups", sizeof(struct ipc_stats_macs), stats_macs_ok},
    [IPC_STATS_LINK] = {"stats_link", sizeof(struct ipc_stats_link), stats_link_ok},
    [IPC_STATS_VLAN] = {"stats_vlan", sizeof(struct ipc_stats_vlan), NULL},
    [IPC_STATS_NET] = {"stats_net", sizeof(struct ipc_stats_net), NULL},
    [IPC_STATS_TREE] = {"stats_tree", sizeof(struct ipc_stats_tree), stats_tree_ok},
    [IPC_STATS_END] = {"stats_end", sizeof(struct ipc_stats_request), NULL},
    [IPC_JOIN] = {"join", sizeof(struct ipc_join), join_ok},
    [IPC_HOMES] = {"homes", sizeof(struct ipc_homes), homes_ok},
};

static const struct kind *kind_of(unsigned type)
{
    return type < N_OF(kinds) && kinds[type].name ? &kinds[type] : NULL;
}

static bool is_stream(unsigned type)
{
    return type == IPC_STREAM_IN || type == IPC_STREAM_OUT;
}

const char *ipc_type_name(unsigned type)
{
    const struct kind *k = kind_of(type);

    return k ? k->name : "unknown";
}

size_t ipc_body_size(enum ipc_type type, const void *body)
{
    const struct kind *k = kind_of(type);
    size_t size = k ? k->size : 0;

    return is_stream(type) ? size + ((const struct ipc_stream *)body)->size : size;
}

bool ipc_check(const struct ipc_message *msg)
{
    const struct kind *k = kind_of(msg->head.type);
    size_t size;

    if (!k || msg->head.version != IPC_VERSION || msg->n_fds > IPC_MAX_FDS)
        return false;
    size = k->size;
    if (is_stream(msg->head.type)) {
        if (msg->head.size < size || msg->body.stream.size > sizeof msg->body.stream.data)
            return false;
        size += msg->body.stream.size;
    }
    return msg->head.size == size && (!k->ok || k->ok(&msg->body));
}

uint64_t ipc_state_id(const struct ipc_message *msg)
{
    switch (msg->head.type) {
    case IPC_LISTEN:
        return msg->body.listen.id;
    case IPC_NET:
        return msg->body.net.id;
    case IPC_PEER:
        return msg->body.peer.host;
    case IPC_INVITE:
        return msg->body.invite.id;
    case IPC_HEARD:
        return msg->body.heard.port;
    case IPC_PORT:
        return msg->body.port.id;
    case IPC_SERVICE:
        return msg->body.service.id;
    default:
        return 0;
    }
}

/* FNV-1a. */
uint64_t ipc_service_id(const char *name)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * 0x100000001b3u;
    return h;
}

int ipc_send(int sock, enum ipc_type type, uint32_t request, const void *body,
             const int *fds, unsigned n_fds)
{
    const struct kind *k = kind_of(type);
    struct ipc_head head = {.type = (uint16_t)type, .version = IPC_VERSION};
    struct iovec parts[2];
    union {
        const void *in;
        void *out;
    } base = {.in = body};
    size_t size;
    int r;

    if (!k || n_fds > IPC_MAX_FDS || (!body && k->size))
        return -EINVAL;
    size = k->size;
    if (body && is_stream(type)) {
        const struct ipc_stream *stream = body;

        if (stream->size > sizeof stream->data)
            return -EMSGSIZE;
        size += stream->size;
    }
    head.size = (uint32_t)size;
    head.request = request;
    parts[0] = (struct iovec){.iov_base = &head, .iov_len = sizeof head};
    parts[1] = (struct iovec){.iov_base = base.out, .iov_len = size};
    r = fd_sendv(sock, parts, size ? 2 : 1, fds, n_fds);
    /* Too many descriptors are on their way: as good as full, until the other side takes some. */
    return r == -ETOOMANYREFS ? -EAGAIN : r;
}

static ssize_t receive(int sock, struct ipc_message *msg)
{
    msg->n_fds = IPC_MAX_FDS;
    return fd_recv(sock, msg, sizeof msg->head + sizeof msg->body, msg->fds, &msg->n_fds);
}

int ipc_recv(int sock, struct ipc_message *msg)
{
    ssize_t n = receive(sock, msg);

    if (n == -ECONNRESET) /* The other end died with messages of ours unread: said once. */
        n = receive(sock, msg);
    if (n <= 0)
        return (int)n;
    if ((size_t)n >= sizeof msg->head && (size_t)n - sizeof msg->head == msg->head.size &&
        ipc_check(msg))
        return 1;
    for (unsigned i = 0; i < msg->n_fds; i++)
        close(msg->fds[i]);
    msg->n_fds = 0;
    return -EPROTO;
}
