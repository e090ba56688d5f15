/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/run/plan.h"
#include "libioth/stack/settings.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libioth/stack/settings.h"
#include "proto/wire/frame.h"

#define PREFIX_OF_PLAN 255
#define VLAN_MAX       4094

bool run_rate_read(const char *text, uint64_t *rate)
{
    char *end;
    double value;

    if (!isdigit((unsigned char)text[0]))
        return false;
    value = strtod(text, &end);
    if (*end == 'k' || *end == 'K')
        value *= 1e3;
    else if (*end == 'M' || *end == 'm')
        value *= 1e6;
    else if (*end == 'G' || *end == 'g')
        value *= 1e9;
    else if (*end)
        return false;
    if (*end && strcmp(end + 1, "") != 0 && strcmp(end + 1, "bit") != 0 &&
        strcmp(end + 1, "bit/s") != 0)
        return false;
    if (!isfinite(value) || value < 1 || value > 1e15)
        return false;
    *rate = (uint64_t)value;
    return true;
}

/* 1-63 of a-z 0-9 -, beginning with a letter. */
static bool name_read(const char *text, size_t len, char out[PLUG_NAME_SIZE])
{
    if (len == 0 || len >= PLUG_NAME_SIZE || text[0] < 'a' || text[0] > 'z')
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
            return false;
    }
    memcpy(out, text, len);
    out[len] = '\0';
    return true;
}

/* A number of 1 to 4 digits, at most `max`. */
static bool number_read(const char *text, unsigned max, unsigned *out)
{
    unsigned n = 0;
    size_t len = strspn(text, "0123456789");

    if (len == 0 || len > 4 || text[len])
        return false;
    for (size_t i = 0; i < len; i++)
        n = n * 10 + (unsigned)(text[i] - '0');
    *out = n;
    return n <= max;
}

static int net_read(const char *text, struct run_net *net, struct err *err)
{
    const char *colon = strchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : strlen(text);
    unsigned vlan = 0;

    memset(net, 0, sizeof *net);
    if (!name_read(text, len, net->network))
        return err_set(
            err, -EINVAL,
            "--net %s: a network's name is 1-63 of a-z 0-9 -, beginning with a letter",
            text);
    if (colon && (!number_read(colon + 1, VLAN_MAX, &vlan) || vlan == 0))
        return err_set(err, -EINVAL, "--net %s: a VLAN is a number from 1 to 4094", text);
    net->vlan = (uint16_t)vlan;
    return 0;
}

static int addr_read(const char *text, struct run_net *net, struct err *err)
{
    struct plug_addr *addr = &net->addrs[net->n_addrs];
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    char host[64];
    unsigned prefix = PREFIX_OF_PLAN;

    if (net->n_addrs >= PLUG_MAX_ADDRS)
        return err_set(err, -EINVAL, "--ip: at most %u addresses on one network",
                       PLUG_MAX_ADDRS);
    memset(addr, 0, sizeof *addr);
    if (len < sizeof host) {
        memcpy(host, text, len);
        host[len] = '\0';
        if (inet_pton(AF_INET, host, addr->addr) == 1)
            addr->family = 4;
        else if (inet_pton(AF_INET6, host, addr->addr) == 1)
            addr->family = 6;
    }
    if (!addr->family)
        return err_set(err, -EINVAL, "--ip %s: not an IPv4 or IPv6 address", text);
    if (slash && !number_read(slash + 1, addr->family == 4 ? 32 : 128, &prefix))
        return err_set(err, -EINVAL, "--ip %s: not a prefix length (0 to %u)", text,
                       addr->family == 4 ? 32U : 128U);
    addr->prefix = (uint8_t)prefix;
    net->n_addrs++;
    return 0;
}

static int mac_read(const char *text, struct run_net *net, struct err *err)
{
    static const uint8_t none[6];
    uint8_t mac[6] = {0};
    bool good = strlen(text) == 17;

    for (unsigned i = 0; i < 17 && good; i++) {
        unsigned char c = (unsigned char)text[i];

        if (i % 3 == 2) {
            good = c == ':' || c == '-';
        } else {
            unsigned digit = (unsigned)(isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);

            good = isxdigit(c);
            mac[i / 3] = (uint8_t)((unsigned)mac[i / 3] << 4 | digit);
        }
    }
    if (!good || memcmp(mac, none, sizeof mac) == 0)
        return err_set(err, -EINVAL, "--mac %s: not a MAC address (02:00:00:00:00:01)",
                       text);
    if (mac[0] & 1)
        return err_set(err, -EINVAL, "--mac %s: a group address cannot be an endpoint's",
                       text);
    memcpy(net->mac, mac, sizeof mac);
    return 0;
}

/* Options that say how a network is used, in their order. */
static int nets_read(const struct args *args, struct run_plan *plan, struct err *err)
{
    struct run_net *net = &plan->nets[0];
    int r = 0;

    for (unsigned i = 0; i < args->n_given && r == 0; i++) {
        if (strcmp(args->given[i].option->name, "net") != 0)
            continue;
        if (plan->n_nets == RUN_MAX_NETS)
            return err_set(err, -EINVAL, "--net: at most %u networks", RUN_MAX_NETS);
        r = net_read(args->given[i].value, &plan->nets[plan->n_nets++], err);
    }
    if (r == 0 && plan->n_nets == 0) {
        err_set(err, -EINVAL, "--net is missing");
        err_hint(err, "iothctl run --net NET -- COMMAND");
        return -EINVAL;
    }
    for (unsigned i = 0, n = 0; i < args->n_given && r == 0; i++) {
        const char *name = args->given[i].option->name;

        if (strcmp(name, "net") == 0)
            net = &plan->nets[n++];
        else if (strcmp(name, "ip") == 0)
            r = addr_read(args->given[i].value, net, err);
        else if (strcmp(name, "mac") == 0)
            r = mac_read(args->given[i].value, net, err);
    }
    return r;
}

/* A name is one endpoint of a network: a second interface there cannot have it too. */
static int check_twice(const struct run_plan *plan, struct err *err)
{
    for (unsigned i = 0; plan->name[0] && i < plan->n_nets; i++)
        for (unsigned j = 0; j < i; j++)
            if (strcmp(plan->nets[i].network, plan->nets[j].network) == 0)
                return err_set(err, -EINVAL,
                               "--net %s twice: one name has one interface on a network "
                               "(leave out --name)",
                               plan->nets[i].network);
    return 0;
}

struct plug_request run_plan_request(const struct run_plan *plan, unsigned i,
                                     enum plug_kind kind)
{
    const struct run_net *net = &plan->nets[i];
    struct plug_request request = {
        .kind = (uint8_t)kind,
        .flags = (uint8_t)(PLUG_ENDPOINT | (plan->name[0] ? 0 : PLUG_ANONYMOUS)),
        .vlan = net->vlan,
        .n_addrs = (uint8_t)net->n_addrs,
        .rate = plan->rate,
        .caps = FRAME_CAP_CSUM | FRAME_CAP_TSO4 | FRAME_CAP_TSO6,
    };

    memcpy(request.network, net->network, sizeof request.network);
    memcpy(request.name, plan->name, sizeof request.name);
    memcpy(request.mac, net->mac, sizeof request.mac);
    memcpy(request.addrs, net->addrs, sizeof request.addrs);
    return request;
}

/* Its settings are checked here, where it can be said; the stack is made with the program's first socket. */
static int stack_read(const char *stack, struct run_plan *plan, struct err *err)
{
    struct stack_settings checked = stack_settings;
    struct err why = {.why = ""};

    if (!stack || strcmp(stack, "netns") == 0)
        return 0;
    if (strcmp(stack, "lwip") != 0 && strncmp(stack, "lwip,", 5) != 0)
        return err_set(err, -EINVAL, "--stack %s: no such stack (netns, lwip[,SETTINGS])",
                       stack);
    plan->lwip = true;
    plan->stack = stack;
    if (stack[4] && settings_read(&checked, stack + 5, false, &why) < 0)
        return err_set(err, -EINVAL, "--stack %s: %s", stack, why.why);
    return 0;
}

int run_plan_read(const struct args *args, struct run_plan *out, struct err *err)
{
    struct run_plan plan = {.argv = args->rest, .root = args_has(args, "root")};
    const char *name = args_value(args, "name");
    const char *stack = args_value(args, "stack");
    const char *rate = args_value(args, "rate");
    int r;

    if (args->n_rest == 0) {
        err_set(err, -EINVAL, "no program to run");
        err_hint(err, "iothctl run --net NET -- COMMAND");
        return -EINVAL;
    }
    r = stack_read(stack, &plan, err);
    if (r < 0)
        return r;
    if (plan.lwip && plan.root)
        return err_set(
            err, -EINVAL,
            "--root: with --stack lwip a program has no users of its own (--stack "
            "netns gives it some)");
    if (name && !name_read(name, strlen(name), plan.name))
        return err_set(err, -EINVAL,
                       "--name %s: a name is 1-63 of a-z 0-9 -, beginning with a letter",
                       name);
    if (rate && !run_rate_read(rate, &plan.rate))
        return err_set(err, -EINVAL, "--rate %s: not a rate in bits per second (10M, 1G)",
                       rate);
    r = nets_read(args, &plan, err);
    if (r == 0)
        r = check_twice(&plan, err);
    if (r == 0)
        *out = plan;
    return r;
}
