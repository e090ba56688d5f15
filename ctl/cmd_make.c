/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net create, port add, link add: from options to objects. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/api.h"
#include "ctl/commands.h"
#include "ctl/object.h"
#include "ctl/output.h"
#include "ctl/print_yaml.h"
#include "proto/base/xalloc.h"
#include "proto/model/schema.h"

int object_create(struct ctl *ctl, const struct args *args, const char *noun,
                  const char *name, struct node *body, void (*said)(const struct node *))
{
    struct node *object = NULL;
    char *path;
    const char *base =
        schema_kind(object_kind(noun))->in_network ? strrchr(name, '/') : NULL;
    if (!schema_name_ok(base ? base + 1 : name))
        return ctl_fail(ctl, CTL_USAGE,
                        "\"%s\" is no name (1 to 63 of a-z 0-9 -, beginning with a letter)",
                        base ? base + 1 : name);
    if (print_yaml_asked(ctl, args))
        return print_yaml_object(ctl, object_kind(noun), name, body);
    int r = object_path(ctl, noun, name, &path);
    if (r)
        return r;
    r = api_call(ctl, "PUT", path, body, API_CREATE | API_SLOW, &object);
    free(path);
    if (!r && object && !output_object(ctl, object_kind(noun), object) && !ctl->quiet)
        said(object);
    node_free(object);
    return r;
}

/* "10" or "10=staff" into the map of VLANs. */
static int add_vlan(struct ctl *ctl, struct node *vlans, const char *text)
{
    const char *equals = strchr(text, '=');
    char id[16];
    long n;
    snprintf(id, sizeof(id), "%.*s", equals ? (int)(equals - text) : 15, text);
    int r = number_parse(ctl, "--vlan", id, 1, 4094, &n);
    if (r)
        return r;
    snprintf(id, sizeof(id), "%ld", n);
    if (node_get(vlans, id))
        return ctl_fail(ctl, CTL_USAGE, "--vlan %s is given twice", id);
    struct node *vlan = node_map();
    if (equals)
        node_set_text(vlan, "name", equals + 1);
    node_set(vlans, id, vlan);
    return 0;
}

static int net_body(struct ctl *ctl, const struct args *args, struct node *body)
{
    static const char *const as_they_are[] = {"ipv4", "ipv6", "forwarding", "stp"};
    const char *value;
    unsigned at = 0;
    int r = 0;
    for (size_t i = 0; i < sizeof(as_they_are) / sizeof(as_they_are[0]); i++)
        if ((value = args_value(args, as_they_are[i])))
            node_set_text(body, as_they_are[i], value);
    if (args_has(args, "vlan")) {
        struct node *vlans = node_map();
        node_set(body, "vlans", vlans);
        while (!r && (value = args_next(args, "vlan", &at)))
            r = add_vlan(ctl, vlans, value);
    }
    long mtu;
    if (!r && (value = args_value(args, "mtu"))) {
        r = number_parse(ctl, "--mtu", value, 1280, 9216, &mtu);
        if (!r)
            node_set_int(body, "mtu", mtu);
    }
    if (args_has(args, "local"))
        node_set_bool(body, "local", true);
    if (args_has(args, "allow")) {
        struct node *allow = node_list();
        for (at = 0; (value = args_next(args, "allow", &at));)
            node_append(allow, node_text(value));
        node_set(body, "allow", allow);
    }
    if ((value = args_value(args, "on")))
        node_set(body, "on",
                 strcmp(value, "all") == 0 ? node_text("all") : list_split(value, ","));
    return r;
}

static void say_plan(const struct node *plan)
{
    char *ipv4 = node_brief(node_get(plan, "ipv4")),
         *ipv6 = node_brief(node_get(plan, "ipv6"));
    if (*ipv4 && strcmp(ipv4, "none") != 0)
        printf("  %s", ipv4);
    if (*ipv6 && strcmp(ipv6, "none") != 0)
        printf("  %s", ipv6);
    putchar('\n');
    free(ipv4);
    free(ipv6);
}

/* "lan1  10.64.0.0/24  fd…::/64", or a line for each VLAN. */
static void say_net(const struct node *net)
{
    const struct node *vlans = node_get(net, "vlans");
    const char *name = node_get_text(net, "name", "");
    if (!vlans || vlans->kind != NODE_MAP || vlans->n == 0) {
        print_clean(stdout, name);
        say_plan(net);
        return;
    }
    for (size_t i = 0; i < vlans->n; i++) {
        print_clean(stdout, name);
        printf(":%s", vlans->key[i]);
        say_plan(vlans->child[i]);
    }
}

int cmd_net_create(struct ctl *ctl, const struct args *args)
{
    struct node *body = node_map();
    int r = net_body(ctl, args, body);
    if (!r)
        r = object_create(ctl, args, "net", args->words[0], body, say_net);
    node_free(body);
    return r;
}

static void say_port(const struct node *port)
{
    char *line = xasprintf("%s/%s", node_get_text(port, "network", "?"),
                           node_get_text(port, "name", "?"));
    print_clean(stdout, line);
    putchar('\n');
    free(line);
}

/* A name out of that of an interface: what does not fit becomes '-'. */
static char *name_from(const char *text)
{
    char *name = xasprintf("%s%s", isalpha((unsigned char)*text) ? "" : "p", text);
    for (char *p = name; *p; p++) {
        *p = (char)tolower((unsigned char)*p);
        if (!(*p >= 'a' && *p <= 'z') && !(*p >= '0' && *p <= '9'))
            *p = '-';
    }
    return name;
}

/* "vde1", or the first of its kind that the network does not have yet. */
static int free_vde_name(struct ctl *ctl, const char *network, char **name)
{
    struct node *answer;
    char *path = http_path("/v1/ports?network=%s", network);
    int r = api_get(ctl, path, &answer);
    free(path);
    if (r)
        return r;
    const struct node *items = api_items(answer);
    for (unsigned n = 1;; n++) {
        bool taken = false;
        *name = xasprintf("vde%u", n);
        for (size_t i = 0; i < items->n; i++)
            taken |= strcmp(node_get_text(items->child[i], "name", ""), *name) == 0;
        if (!taken)
            break;
        free(*name);
    }
    node_free(answer);
    return 0;
}

/* "10,20,30-39" into a list of numbers. */
static int split_vlans(struct ctl *ctl, const char *text, struct node *vlans)
{
    struct node *parts = list_split(text, ",");
    int r = parts->n ? 0 : ctl_fail(ctl, CTL_USAGE, "--trunk: no VLANs are given");
    for (size_t i = 0; i < parts->n && !r; i++) {
        char *dash = strchr(parts->child[i]->text, '-');
        long first, last;
        if (dash)
            *dash++ = '\0';
        r = number_parse(ctl, "--trunk", parts->child[i]->text, 1, 4094, &first);
        last = first;
        if (!r && dash)
            r = number_parse(ctl, "--trunk", dash, first, 4094, &last);
        for (; !r && first <= last; first++)
            node_append(vlans, node_int(first));
    }
    node_free(parts);
    return r;
}

static int port_vlans(struct ctl *ctl, const struct args *args, struct node *body)
{
    static const char *const numbers[] = {"access", "native"};
    const char *value;
    long vlan;
    int r = 0;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && !r; i++) {
        if (!(value = args_value(args, numbers[i])))
            continue;
        char *option = xasprintf("--%s", numbers[i]);
        r = number_parse(ctl, option, value, 1, 4094, &vlan);
        free(option);
        if (!r)
            node_set_int(body, numbers[i], vlan);
    }
    if (!r && (value = args_value(args, "trunk"))) {
        struct node *vlans = node_list();
        node_set(body, "trunk", vlans);
        r = split_vlans(ctl, value, vlans);
    }
    if (args_has(args, "transparent"))
        node_set_bool(body, "transparent", true);
    return r;
}

static int port_body(struct ctl *ctl, const struct args *args, struct node *body)
{
    static const char *const kinds[] = {"tap", "raw", "stream"};
    const char *value;
    unsigned n_kinds = args_has(args, "vde");
    int r;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!(value = args_value(args, kinds[i])))
            continue;
        node_set_text(body, kinds[i], value);
        n_kinds++;
    }
    if (args_has(args, "vde"))
        node_set_bool(body, "vde", true);
    if (n_kinds != 1)
        return ctl_fail(
            ctl, CTL_USAGE,
            "one of --tap IF, --raw IF, --stream SOCKET and --vde says what the port is");
    r = port_vlans(ctl, args, body);
    if (!r && (value = args_value(args, "rate")))
        node_set_text(body, "rate", value);
    return r;
}

/* The port is declared, and may all the same not be there: its interface cannot be had. */
static int note_problem(struct ctl *ctl, const char *name)
{
    struct node *port;
    int r = object_get(ctl, "port", name, &port);
    const struct node *status = node_get(port, "status");
    const char *problem = node_get_text(status, "problem", "");
    const char *hint = node_get_text(status, "hint", "");
    if (*problem)
        ctl_note(ctl, "iothctl: port %s is down: %s", name, problem);
    if (*hint)
        ctl_note(ctl, "hint: %s", hint);
    node_free(port);
    return r;
}

int cmd_port_add(struct ctl *ctl, const struct args *args)
{
    const char *network = args->words[0], *kind;
    struct node *body = node_map();
    char *name = NULL;
    (void)print_yaml_asked(ctl, args); /* Finding a name asks the daemon. */
    int r = port_body(ctl, args, body);
    if (!r && args->n_words > 1)
        name = xstrdup(args->words[1]);
    else if (!r && strcmp(kind = schema_port_kind(body), "vde") != 0)
        name = name_from(node_get_text(body, kind, ""));
    else if (!r)
        r = free_vde_name(ctl, network, &name);
    if (!r) {
        char *full = xasprintf("%s/%s", network, name);
        r = object_create(ctl, args, "port", full, body, say_port);
        if (!r && !args_has(args, "print-yaml"))
            r = note_problem(ctl, full);
        free(full);
    }
    free(name);
    node_free(body);
    return r;
}

static void say_link(const struct node *link)
{
    print_clean(stdout, node_get_text(link, "name", ""));
    putchar('\n');
}

/* PUTs the link between this host and another one of the fabric. */
static int create_link(struct ctl *ctl, const struct args *args, struct node *body)
{
    const char *host = args->words[0];
    struct node *found;
    (void)print_yaml_asked(ctl, args); /* The ends of a link are the daemon's to tell. */
    int r = object_get(ctl, "host", host, &found);
    if (r)
        return r;
    node_free(found);
    char *self = object_own_host(ctl, &r);
    if (r)
        return r;
    if (strcmp(self, host) == 0) {
        free(self);
        return ctl_fail(ctl, CTL_USAGE, "%s is the host that is asked itself", host);
    }
    bool first = strcmp(self, host) < 0;
    char *name = xasprintf("%s-%s", first ? self : host, first ? host : self);
    struct node *between = node_list();
    node_append(between, node_text(self));
    node_append(between, node_text(host));
    node_set(body, "between", between);
    r = object_create(ctl, args, "link", name, body, say_link);
    free(name);
    free(self);
    return r;
}

int cmd_link_add(struct ctl *ctl, const struct args *args)
{
    struct node *body = node_map();
    node_set_text(body, "address", args->words[1]);
    int r = create_link(ctl, args, body);
    node_free(body);
    return r;
}

int cmd_link_set(struct ctl *ctl, const struct args *args)
{
    const char *cost = args_value(args, "cost");
    struct node *body;
    long n;
    if (!cost || args->n_words > 1)
        return cmd_set(ctl, args);
    int r = number_parse(ctl, "--cost", cost, 1, 200000000, &n);
    if (r)
        return r;
    body = node_map();
    node_set_int(body, "cost", n);
    r = object_patch(ctl, args, "link", body);
    if (r == CTL_MISSING) { /* Hosts found each other: no object until something is said. */
        ctl_forget(ctl);
        r = create_link(ctl, args, body);
    }
    node_free(body);
    return r;
}
