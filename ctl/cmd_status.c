/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* status: what a person wants to know first. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/api.h"
#include "ctl/commands.h"
#include "ctl/object.h"
#include "ctl/output.h"

/* Everything that the screen is made of. */
struct picture {
    struct node *status, *networks, *hosts;
};

static void picture_done(struct picture *p)
{
    node_free(p->status);
    node_free(p->networks);
    node_free(p->hosts);
    *p = (struct picture){0};
}

static int picture_get(struct ctl *ctl, struct picture *p)
{
    *p = (struct picture){0};
    int r = api_get(ctl, "/v1/status", &p->status);
    if (!r && ctl->output == CTL_TABLE)
        r = api_get(ctl, "/v1/networks", &p->networks);
    if (!r && ctl->output == CTL_TABLE)
        r = api_get_allowed(ctl, "/v1/hosts", &p->hosts);
    if (r)
        picture_done(p);
    return r;
}

static void print_head(const struct ctl *ctl, const struct picture *p)
{
    const struct node *hosts = api_items(p->hosts);
    static const struct node none = {.kind = NODE_MAP};
    const struct node *api = node_get(p->status, "api");
    struct table *t = facts_new();
    unsigned up = 0;
    if (!api)
        api = &none;
    for (size_t i = 0; i < hosts->n; i++) {
        const char *state = object_text(hosts->child[i], "status", "state");
        up += state && (strcmp(state, "up") == 0 || strcmp(state, "self") == 0);
    }
    char *fabric = node_brief(node_get(p->status, "fabric"));
    char *pids = node_brief(node_get(p->status, "pids"));
    facts_add(t, TINT_NONE, "host", "%s", node_get_text(p->status, "host", "?"));
    facts_add(t, TINT_NONE, "fabric", "%s", *fabric ? fabric : "(no name yet)");
    if (hosts->n > 0)
        facts_add(t, up == hosts->n ? TINT_GOOD : TINT_WARN, "hosts up", "%u of %zu", up,
                  hosts->n);
    facts_add(t, TINT_NONE, "version", "%s", node_get_text(p->status, "version", "?"));
    if (*node_get_text(api, "address", "")) {
        facts_add(t, TINT_NONE, "API over TCP", "%s", node_get_text(api, "address", ""));
        facts_add(t, TINT_NONE, "its pin", "%s", node_get_text(api, "pin", ""));
    }
    if (*pids)
        facts_add(t, TINT_NONE, "processes", "%s", pids);
    table_print(t, stdout, ctl->colour);
    free(pids);
    free(fabric);
}

static void print_hosts(const struct ctl *ctl, const struct node *hosts)
{
    struct table *t = table_new("HOST STATE ADDRESS >RTT CIPHER");
    for (size_t i = 0; i < hosts->n; i++) {
        const struct node *h = hosts->child[i];
        const char *state = object_text(h, "status", "state");
        const struct node *rtt = object_node(h, "status", "rtt_us");
        char text[HUMAN_SIZE] = "";
        if (rtt && rtt->kind == NODE_INT && rtt->integer > 0)
            human_us(text, sizeof(text), (uint64_t)rtt->integer);
        table_cell(t, TINT_NONE, node_get_text(h, "name", NULL));
        table_cell(t, tint_of_state(state), state);
        table_cell(t, TINT_NONE, object_text(h, "status", "address"));
        table_cell(t, TINT_NONE, text);
        table_cell(t, TINT_NONE, object_text(h, "status", "cipher"));
    }
    putchar('\n');
    table_print(t, stdout, ctl->colour);
}

static void print_networks(const struct ctl *ctl, const struct node *networks)
{
    struct table *t = table_new("NETWORK HOSTS >PORTS STATE");
    for (size_t i = 0; i < networks->n; i++) {
        const struct node *n = networks->child[i];
        char *on = node_brief(object_node(n, "status", "hosts"));
        char *ports = node_brief(object_node(n, "status", "ports"));
        char *pairs = node_brief(object_node(n, "status", "degraded"));
        table_cell(t, TINT_NONE, node_get_text(n, "name", NULL));
        table_cell(t, TINT_NONE, node_get_bool(n, "local", false) ? "local" : on);
        table_cell(t, TINT_NONE, ports);
        if (*pairs)
            table_format(t, TINT_WARN, "degraded: %s", pairs);
        else
            table_cell(t, TINT_GOOD, "ok");
        free(on);
        free(ports);
        free(pairs);
    }
    putchar('\n');
    table_print(t, stdout, ctl->colour);
}

static void print_problems(const struct ctl *ctl, const struct node *problems)
{
    if (!problems || problems->kind != NODE_LIST || problems->n == 0)
        return;
    puts("\nproblems:");
    for (size_t i = 0; i < problems->n; i++) {
        char *text = node_brief(problems->child[i]);
        fputs(ctl->colour ? "  \033[31m" : "  ", stdout);
        print_clean(stdout, text);
        puts(ctl->colour ? "\033[0m" : "");
        free(text);
    }
}

/* An apply that is rolled back unless somebody says a second word. */
static void print_standing(const struct node *apply)
{
    char until[HUMAN_SIZE];
    if (!apply || strcmp(node_get_text(apply, "phase", ""), "confirm") != 0)
        return;
    printf("\napply: revision %lld by ", (long long)node_get_int(apply, "revision", 0));
    print_clean(stdout, node_get_text(apply, "who", "somebody"));
    fputs(" on ", stdout);
    print_clean(stdout, node_get_text(apply, "host", "some host"));
    printf(
        " waits to be accepted until %s; iothctl apply --accept\n",
        human_time(until, sizeof(until), (time_t)(node_get_int(apply, "until", 0) / 1000)));
}

static int show_once(struct ctl *ctl, bool clear)
{
    struct picture p;
    int r = picture_get(ctl, &p);
    if (clear)
        fputs("\033[H\033[2J", stdout);
    if (r)
        return r;
    if (ctl->output != CTL_TABLE) {
        output_tree(ctl, p.status);
    } else {
        print_head(ctl, &p);
        if (api_items(p.hosts)->n > 0)
            print_hosts(ctl, api_items(p.hosts));
        if (api_items(p.networks)->n > 0)
            print_networks(ctl, api_items(p.networks));
        print_standing(node_get(p.status, "apply"));
        print_problems(ctl, node_get(p.status, "problems"));
    }
    picture_done(&p);
    return 0;
}

int cmd_status(struct ctl *ctl, const struct args *args)
{
    bool watch = args_has(args, "watch"), terminal = isatty(STDOUT_FILENO);
    int r = show_once(ctl, watch && terminal && ctl->output == CTL_TABLE);
    while (watch) {
        if (r && r != CTL_UNREACHABLE)
            return r;
        ctl_report(ctl); /* A daemon that restarts comes back. */
        if (fflush(stdout) != 0)
            return CTL_REFUSED;
        poll(NULL, 0, 1000);
        if (!terminal && ctl->output == CTL_TABLE)
            putchar('\n');
        r = show_once(ctl, terminal && ctl->output == CTL_TABLE);
    }
    return r;
}
