/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Another port behind a port of loopback, by nf_tables (libnftnl makes the messages).
 *
 * The rules rewrite the port of each packet on its way out over loopback, there and back. They
 * keep no state: address translation would track every connection of the node, those over the
 * fabric too, which costs time per packet and drops some when its table is full.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/batch.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <limits.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libioth/netns/netns.h"
#include "proto/base/fd.h"

#define TABLE      "ioth"
#define CHAIN      "loopback"
#define BATCH_SIZE 16384 /* Eleven messages: about 4 KiB. */

/* Of kernel 5.12. */
#ifndef NFT_TABLE_F_OWNER
#    define NFT_TABLE_F_OWNER 0x2
#endif

struct batch {
    struct mnl_nlmsg_batch *messages;
    uint32_t seq;
    bool failed; /* No memory. */
};

/* What a packet has to be, and what it becomes. */
struct rewrite {
    uint8_t family, protocol;
    bool back; /* The answer: its source. */
    uint16_t from, to;
};

static struct nlmsghdr *message(struct batch *batch, uint16_t type, uint16_t flags)
{
    return nftnl_nlmsg_build_hdr(mnl_nlmsg_batch_current(batch->messages), type,
                                 NFPROTO_INET, flags, batch->seq++);
}

/* --- expressions: how nf_tables spells a rule ----------------------------------------------- */

static struct nftnl_expr *expression(struct batch *batch, struct nftnl_rule *rule,
                                     const char *kind)
{
    struct nftnl_expr *expr = nftnl_expr_alloc(kind);

    if (expr)
        nftnl_rule_add_expr(rule, expr);
    else
        batch->failed = true;
    return expr;
}

static void load_meta(struct batch *batch, struct nftnl_rule *rule, uint32_t key)
{
    struct nftnl_expr *expr = expression(batch, rule, "meta");

    if (!expr)
        return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, key);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_META_DREG, NFT_REG_1);
}

static void compare(struct batch *batch, struct nftnl_rule *rule, uint32_t op,
                    const void *data, uint32_t size)
{
    struct nftnl_expr *expr = expression(batch, rule, "cmp");

    if (!expr)
        return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, op);
    nftnl_expr_set(expr, NFTNL_EXPR_CMP_DATA, data, size);
}

static void load_header(struct batch *batch, struct nftnl_rule *rule, uint32_t base,
                        uint32_t offset, uint32_t size)
{
    struct nftnl_expr *expr = expression(batch, rule, "payload");

    if (!expr)
        return;
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, size);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
}

/* Writes a port, and mends the checksum at `checksum` of the same header. */
static void store_port(struct batch *batch, struct nftnl_rule *rule, uint32_t offset,
                       uint16_t port, uint32_t checksum)
{
    struct nftnl_expr *value = expression(batch, rule, "immediate");
    struct nftnl_expr *expr = expression(batch, rule, "payload");

    if (!value || !expr)
        return;
    nftnl_expr_set_u32(value, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
    nftnl_expr_set(value, NFTNL_EXPR_IMM_DATA, &port, sizeof port);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_SREG, NFT_REG_1);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, sizeof port);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET);
    nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_CSUM_OFFSET, checksum);
}

/* --- the table -------------------------------------------------------------------------------- */

static void put_table(struct batch *batch, uint32_t flags)
{
    struct nftnl_table *table = nftnl_table_alloc();

    if (!table) {
        batch->failed = true;
        return;
    }
    nftnl_table_set_str(table, NFTNL_TABLE_NAME, TABLE);
    nftnl_table_set_u32(table, NFTNL_TABLE_FLAGS, flags);
    nftnl_table_nlmsg_build_payload(
        message(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL), table);
    mnl_nlmsg_batch_next(batch->messages);
    nftnl_table_free(table);
}

static void put_chain(struct batch *batch)
{
    struct nftnl_chain *chain = nftnl_chain_alloc();

    if (!chain) {
        batch->failed = true;
        return;
    }
    nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, TABLE);
    nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, CHAIN);
    nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, "filter");
    nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, NF_INET_LOCAL_OUT);
    /* Before anybody's connection tracking: it sees one port only. */
    nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, NF_IP_PRI_RAW);
    nftnl_chain_nlmsg_build_payload(message(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE), chain);
    mnl_nlmsg_batch_next(batch->messages);
    nftnl_chain_free(chain);
}

static struct nftnl_rule *rule_start(struct batch *batch)
{
    struct nftnl_rule *rule = nftnl_rule_alloc();

    if (!rule) {
        batch->failed = true;
        return NULL;
    }
    nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, TABLE);
    nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, CHAIN);
    return rule;
}

static void rule_end(struct batch *batch, struct nftnl_rule *rule)
{
    nftnl_rule_nlmsg_build_payload(
        message(batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND), rule);
    mnl_nlmsg_batch_next(batch->messages);
    nftnl_rule_free(rule);
}

/* All that the packets of the fabric ever meet. */
static void put_only_loopback(struct batch *batch, uint32_t loopback)
{
    struct nftnl_rule *rule = rule_start(batch);
    struct nftnl_expr *expr;

    if (!rule)
        return;
    load_meta(batch, rule, NFT_META_OIF);
    compare(batch, rule, NFT_CMP_NEQ, &loopback, sizeof loopback);
    expr = expression(batch, rule, "immediate");
    if (expr) {
        nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, (uint32_t)NFT_RETURN);
    }
    rule_end(batch, rule);
}

static void put_rewrite(struct batch *batch, const struct rewrite *rewrite)
{
    const uint32_t loopback4 = htonl(INADDR_LOOPBACK);
    const struct in6_addr loopback6 = IN6ADDR_LOOPBACK_INIT;
    const bool four = rewrite->family == NFPROTO_IPV4;
    const uint32_t addr_at =
        four ? (rewrite->back ? 12U : 16U) : (rewrite->back ? 8U : 24U);
    const uint32_t addr_size = four ? 4U : 16U;
    const uint32_t port_at = rewrite->back ? 0U : 2U;
    const uint16_t from = htons(rewrite->from);
    struct nftnl_rule *rule = rule_start(batch);

    if (!rule)
        return;
    load_meta(batch, rule, NFT_META_NFPROTO);
    compare(batch, rule, NFT_CMP_EQ, &rewrite->family, 1);
    load_header(batch, rule, NFT_PAYLOAD_NETWORK_HEADER, addr_at, addr_size);
    compare(batch, rule, NFT_CMP_EQ,
            four ? (const void *)&loopback4 : (const void *)&loopback6, addr_size);
    load_meta(batch, rule, NFT_META_L4PROTO);
    compare(batch, rule, NFT_CMP_EQ, &rewrite->protocol, 1);
    load_header(batch, rule, NFT_PAYLOAD_TRANSPORT_HEADER, port_at, sizeof from);
    compare(batch, rule, NFT_CMP_EQ, &from, sizeof from);
    store_port(batch, rule, port_at, htons(rewrite->to),
               rewrite->protocol == IPPROTO_UDP ? 6 : 16);
    rule_end(batch, rule);
}

static void put_all(struct batch *batch, const struct netns_port_move *move, uint32_t flags)
{
    static const uint8_t families[] = {NFPROTO_IPV4, NFPROTO_IPV6};
    static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP};

    nftnl_batch_begin(mnl_nlmsg_batch_current(batch->messages), batch->seq++);
    mnl_nlmsg_batch_next(batch->messages);
    put_table(batch, flags);
    put_chain(batch);
    put_only_loopback(batch, if_nametoindex("lo"));
    for (unsigned i = 0; i < 8; i++) {
        const bool back = i & 4;
        const struct rewrite rewrite = {
            .family = families[i & 1],
            .protocol = protocols[i >> 1 & 1],
            .back = back,
            .from = back ? move->behind : move->port,
            .to = back ? move->port : move->behind,
        };

        put_rewrite(batch, &rewrite);
    }
    nftnl_batch_end(mnl_nlmsg_batch_current(batch->messages), batch->seq++);
    mnl_nlmsg_batch_next(batch->messages);
}

/* The kernel has done it when send() returns, and says only what went wrong. */
static int carry_out(int fd, const struct batch *batch)
{
    char reply[4096] __attribute__((aligned(8)));
    ssize_t n;

    if (send(fd, mnl_nlmsg_batch_head(batch->messages),
             mnl_nlmsg_batch_size(batch->messages), 0) < 0)
        return -errno;
    while ((n = recv(fd, reply, sizeof reply, MSG_DONTWAIT)) > 0)
        if (mnl_cb_run(reply, (size_t)n, 0, 0, NULL, NULL) < 0)
            return -errno;
    return 0;
}

static int install(int fd, const struct netns_port_move *move, uint32_t flags)
{
    char *room = malloc(BATCH_SIZE);
    struct batch batch = {.seq = 1};
    int r = -ENOMEM;

    if (room)
        batch.messages = mnl_nlmsg_batch_start(room, BATCH_SIZE / 2);
    if (batch.messages) {
        put_all(&batch, move, flags);
        r = batch.failed ? -ENOMEM : carry_out(fd, &batch);
        mnl_nlmsg_batch_stop(batch.messages);
    }
    free(room);
    return r;
}

int netns_port_move(const struct netns_port_move *move, struct err *err)
{
    const struct sockaddr_nl any = {.nl_family = AF_NETLINK};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    int r = 0;

    if (fd < 0 || bind(fd, (const struct sockaddr *)(const void *)&any, sizeof any) < 0)
        r = -errno;
    if (r == 0)
        r = install(fd, move, move->guarded ? NFT_TABLE_F_OWNER : 0);
    if (move->guarded && (r == -EOPNOTSUPP || r == -EINVAL))
        r = install(fd, move, 0);
    if (r == 0)
        return fd;
    fd_close(&fd);
    return err_set(err, r, "nf_tables: %s", err_text(r));
}
