/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ls, show, set and rm: the same for every kind of object but for the columns of its table. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/api.h"
#include "ctl/commands.h"
#include "ctl/object.h"
#include "ctl/output.h"
#include "ctl/print_yaml.h"

#define RM_PATIENCE_MS 1000
#define RM_PAUSE_MS    50

/* "10 staff, 20" of a network's VLANs. */
static char *vlans_brief(const struct node *net)
{
    const struct node *vlans = node_get(net, "vlans");
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    for (size_t i = 0; vlans && vlans->kind == NODE_MAP && i < vlans->n; i++) {
        const char *name = node_get_text(vlans->child[i], "name", "");
        fprintf(out, "%s%s%s%s", i ? ", " : "", vlans->key[i], *name ? " " : "", name);
    }
    if (fclose(out) != 0)
        abort();
    return text;
}

static void brief_cell(struct table *t, const struct node *object, const char *map,
                       const char *key)
{
    char *text = node_brief(object_node(object, map, key));
    table_cell(t, TINT_NONE, text);
    free(text);
}

static void state_cell(struct table *t, const struct node *object)
{
    const char *state = object_text(object, "status", "state");
    table_cell(t, tint_of_state(state), state);
}

static void us_cell(struct table *t, const struct node *us)
{
    char text[HUMAN_SIZE];
    if (us && us->kind == NODE_INT && us->integer > 0)
        table_cell(t, TINT_NONE, human_us(text, sizeof(text), (uint64_t)us->integer));
    else
        table_cell(t, TINT_NONE, NULL);
}

static void count_cell(struct table *t, const struct node *port, const char *key)
{
    char text[HUMAN_SIZE];
    const struct node *counters = object_node(port, "status", "counters");
    const struct node *n = object_node(counters, NULL, key);
    if (n && n->kind == NODE_INT && n->integer >= 0)
        table_cell(t, TINT_NONE, human_count(text, sizeof(text), (uint64_t)n->integer));
    else
        table_cell(t, TINT_NONE, NULL);
}

static void row_net(struct table *t, const struct node *n)
{
    char *vlans = vlans_brief(n), *pairs = node_brief(object_node(n, "status", "degraded"));
    table_cell(t, TINT_NONE, node_get_text(n, "name", NULL));
    brief_cell(t, n, NULL, "ipv4");
    brief_cell(t, n, NULL, "ipv6");
    table_cell(t, TINT_NONE, vlans);
    brief_cell(t, n, "status", "ports");
    if (node_get_bool(n, "local", false))
        table_cell(t, TINT_NONE, "local");
    else
        brief_cell(t, n, "status", "hosts");
    if (*pairs)
        table_format(t, TINT_WARN, "degraded: %s", pairs);
    else
        table_cell(t, TINT_GOOD, "ok");
    free(vlans);
    free(pairs);
}

/* "designated forwarding"; a port that is kept from forwarding by a guard or a loop stands out. */
static void stp_cell(struct table *t, const struct node *port)
{
    const struct node *stp = object_node(port, "status", "stp");
    if (!stp)
        table_cell(t, TINT_NONE, NULL);
    else
        table_format(t, node_get(stp, "problem") ? TINT_WARN : TINT_NONE, "%s %s",
                     node_get_text(stp, "role", "?"), node_get_text(stp, "state", "?"));
}

static void cost_cell(struct table *t, const struct node *port)
{
    const struct node *cost = node_get(object_node(port, "status", "stp"), "cost");
    if (cost && cost->kind == NODE_INT)
        table_format(t, TINT_NONE, "%lld", (long long)cost->integer);
    else
        table_cell(t, TINT_NONE, NULL);
}

/* "10" of an access port; "10,20 (10)" of a trunk, the native one in brackets. */
static void vlan_cell(struct table *t, const struct node *n)
{
    char *access = node_brief(node_get(n, "access")),
         *trunk = node_brief(node_get(n, "trunk"));
    char *native = node_brief(node_get(n, "native"));
    if (!*trunk)
        table_cell(t, TINT_NONE, access);
    else
        table_format(t, TINT_NONE, "%.40s%s%s%s", trunk, *native ? " (" : "", native,
                     *native ? ")" : "");
    free(access);
    free(trunk);
    free(native);
}

/* "up" may be "no carrier", or "held 5s": spanning trees use it only where there is no other way. */
static void port_state_cell(struct table *t, const struct node *n)
{
    const struct node *held = node_get(object_node(n, "status", "stp"), "held_ms");

    if (held && held->kind == NODE_INT)
        table_format(t, TINT_WARN, "held %llds", (long long)(held->integer + 999) / 1000);
    else if (!node_get_bool(node_get(n, "status"), "carrier", true))
        table_cell(t, TINT_WARN, "no carrier");
    else
        state_cell(t, n);
}

static void row_port(struct table *t, const struct node *n)
{
    const struct node *host = object_node(n, "status", "host");
    table_format(t, TINT_NONE, "%s/%s", node_get_text(n, "network", "?"),
                 node_get_text(n, "name", "?"));
    brief_cell(t, n, "status", "kind");
    port_state_cell(t, n);
    brief_cell(t, n, host ? "status" : NULL, "host");
    vlan_cell(t, n);
    stp_cell(t, n);
    cost_cell(t, n);
    count_cell(t, n, "rx_frames");
    count_cell(t, n, "tx_frames");
    brief_cell(t, n, "status", "owner");
}

static void row_endpoint(struct table *t, const struct node *n)
{
    table_format(t, TINT_NONE, "%s/%s", node_get_text(n, "network", "?"),
                 node_get_text(n, "name", "?"));
    brief_cell(t, n, NULL, "vlan");
    brief_cell(t, n, NULL, "addresses");
    brief_cell(t, n, NULL, "mac");
    brief_cell(t, n, NULL, "host");
    state_cell(t, n);
}

/* A host that has not joined is none yet. */
static const char *host_role(const struct node *n)
{
    const struct node *state = object_node(n, "status", "state");

    if (state && state->kind == NODE_TEXT && strcmp(state->text, "pending") == 0)
        return "";
    return node_get_bool(n, "founder", false) ? "founder" : "member";
}

static void row_host(struct table *t, const struct node *n)
{
    const struct node *seen = object_node(n, "status", "address");
    table_cell(t, TINT_NONE, node_get_text(n, "name", NULL));
    state_cell(t, n);
    brief_cell(t, n, seen ? "status" : NULL, "address");
    us_cell(t, object_node(n, "status", "rtt_us"));
    brief_cell(t, n, "status", "cipher");
    brief_cell(t, n, "status", "mtu");
    table_cell(t, TINT_NONE, host_role(n));
}

/* For how long spanning trees use it only where there is no other way. */
static void held_cell(struct table *t, const struct node *n)
{
    const struct node *held = object_node(n, "status", "held_ms");

    if (held && held->kind == NODE_INT)
        table_format(t, TINT_WARN, "%llds", (long long)(held->integer + 999) / 1000);
    else
        table_cell(t, TINT_NONE, "");
}

static void row_link(struct table *t, const struct node *n)
{
    const struct node *seen = object_node(n, "status", "address");
    table_cell(t, TINT_NONE, node_get_text(n, "name", NULL));
    state_cell(t, n);
    held_cell(t, n);
    us_cell(t, object_node(n, "status", "rtt_us"));
    brief_cell(t, n, "status", "cipher");
    brief_cell(t, n, "status", "mtu");
    brief_cell(t, n, seen ? "status" : NULL, "address");
}

static void row_service(struct table *t, const struct node *n)
{
    const struct node *vlan = node_get(n, "vlan");
    const struct node *restarts = object_node(n, "status", "restarts");
    const char *network = node_get_text(n, "network", "?");
    const char *state = node_get_text(node_get(n, "status"), "state", "");
    bool ended = strcmp(state, "backoff") == 0 || strcmp(state, "failed") == 0;
    table_cell(t, TINT_NONE, node_get_text(n, "name", NULL));
    state_cell(t, n);
    if (vlan && vlan->kind == NODE_INT)
        table_format(t, TINT_NONE, "%s:%lld", network, (long long)vlan->integer);
    else
        table_cell(t, TINT_NONE, network);
    brief_cell(t, n, NULL, "addresses");
    brief_cell(t, n, NULL, "host");
    table_format(t, TINT_NONE, "%lld",
                 restarts && restarts->kind == NODE_INT ? (long long)restarts->integer : 0);
    brief_cell(t, n, "status",
               object_node(n, "status", "problem") || !ended ? "problem" : "exit");
}

static const struct layout {
    const char *noun;
    const char *columns;
    void (*row)(struct table *, const struct node *object);
} layouts[] = {
    {"net", "NAME IPV4 IPV6 VLANS >PORTS HOSTS STATE", row_net},
    {"port", "PORT KIND STATE HOST VLAN STP >COST >IN >OUT OWNER", row_port},
    {"endpoint", "ENDPOINT VLAN ADDRESSES MAC HOST STATE", row_endpoint},
    {"host", "HOST STATE ADDRESS >RTT CIPHER >MTU ROLE", row_host},
    {"link", "LINK STATE >HELD >RTT CIPHER >MTU ADDRESS", row_link},
    {"service", "SERVICE STATE NETWORK ADDRESSES HOST >RESTARTS PROBLEM", row_service},
};

static const struct layout *layout_of(const char *noun)
{
    size_t i = 0;
    while (strcmp(layouts[i].noun, noun) != 0)
        i++;
    return &layouts[i];
}

int cmd_ls(struct ctl *ctl, const struct args *args)
{
    const char *noun = args->command->noun;
    const struct layout *layout = layout_of(noun);
    struct node *answer;
    char *path = args->n_words > 0
                     ? http_path("/v1/%s?network=%s", object_plural(noun), args->words[0])
                     : http_path("/v1/%s", object_plural(noun));
    int r = api_get(ctl, path, &answer);
    free(path);
    if (r)
        return r;
    const struct node *items = api_items(answer);
    if (!output_list(ctl, object_kind(noun), items)) {
        struct table *t = table_new(layout->columns);
        for (size_t i = 0; i < items->n; i++)
            layout->row(t, items->child[i]);
        table_print(t, stdout, ctl->colour);
    }
    node_free(answer);
    return CTL_DONE;
}

/* Whether the link joins these two. */
static bool joins(const struct node *link, const char *one, const char *other)
{
    const struct node *ends = node_get(link, "between");
    unsigned found = 0;
    for (size_t i = 0; ends && ends->kind == NODE_LIST && i < ends->n; i++) {
        const char *end = ends->child[i]->kind == NODE_TEXT ? ends->child[i]->text : "";
        found |= strcmp(end, one) == 0 ? 1u : strcmp(end, other) == 0 ? 2u : 0;
    }
    return found == 3;
}

/* A link goes by its own name or by that of the host at its other end. */
static int path_of_link(struct ctl *ctl, const char *name, char **path)
{
    struct node *answer = NULL;
    const char *found = NULL;
    int r;
    char *self = object_own_host(ctl, &r);
    if (!r)
        r = api_get(ctl, "/v1/links", &answer);
    const struct node *items = api_items(answer);
    for (size_t i = 0; i < items->n && !r; i++) {
        const char *link = node_get_text(items->child[i], "name", "");
        if (strcmp(link, name) == 0)
            found = link;
        else if (!found && joins(items->child[i], self, name))
            found = link;
    }
    if (!r)
        r = object_path(ctl, "link", found ? found : name, path);
    free(self);
    node_free(answer);
    return r;
}

static int path_of(struct ctl *ctl, const char *noun, const char *name, char **path)
{
    if (strcmp(noun, "link") == 0)
        return path_of_link(ctl, name, path);
    return object_path(ctl, noun, name, path);
}

int cmd_show(struct ctl *ctl, const struct args *args)
{
    const char *noun = args->command->noun;
    struct node *object;
    char *path;
    int r = path_of(ctl, noun, args->words[0], &path);
    if (r)
        return r;
    r = api_get(ctl, path, &object);
    free(path);
    if (r)
        return r;
    if (!output_object(ctl, object_kind(noun), object))
        object_print(ctl, object);
    node_free(object);
    return CTL_DONE;
}

static int print_set(struct ctl *ctl, const char *noun, const char *path,
                     const struct node *patch)
{
    struct node *object;
    int r = api_get(ctl, path, &object);
    if (r)
        return r;
    r = print_yaml_patched(ctl, object_kind(noun), object, patch);
    node_free(object);
    return r;
}

int object_patch(struct ctl *ctl, const struct args *args, const char *noun,
                 const struct node *patch)
{
    struct node *object = NULL;
    char *path;
    bool print = print_yaml_asked(ctl, args);
    int r = path_of(ctl, noun, args->words[0], &path);
    if (r)
        return r;
    if (print)
        r = print_set(ctl, noun, path, patch);
    else
        r = api_call(ctl, "PATCH", path, patch, 0, &object);
    if (!r && object)
        output_object(ctl, object_kind(noun), object);
    node_free(object);
    free(path);
    return r;
}

int cmd_set(struct ctl *ctl, const struct args *args)
{
    const char *noun = args->command->noun;
    struct node *patch = node_map();
    int r = 0;
    for (unsigned i = 1; i < args->n_words && !r; i++)
        r = object_assign(ctl, patch, args->words[i]);
    if (!r && patch->n == 0)
        r = ctl_fail(ctl, CTL_USAGE, "nothing to set (KEY=VALUE)");
    if (!r)
        r = object_patch(ctl, args, noun, patch);
    node_free(patch);
    return r;
}

/* What runs is not removed; but what has only just ended is let go of a moment later. */
static int remove_object(struct ctl *ctl, const char *path)
{
    const struct timespec pause = {.tv_nsec = 1000000L * RM_PAUSE_MS};
    int r = api_call(ctl, "DELETE", path, NULL, API_SLOW, NULL);
    for (unsigned i = 0; i < RM_PATIENCE_MS / RM_PAUSE_MS && r == CTL_REFUSED; i++) {
        nanosleep(&pause, NULL);
        ctl_forget(ctl);
        r = api_call(ctl, "DELETE", path, NULL, API_SLOW, NULL);
    }
    return r;
}

/* The names as the objects have them: a link may go by the host at its other end. */
static int print_rm(struct ctl *ctl, const struct args *args)
{
    const char *noun = args->command->noun;
    char *paths[ARGS_MAX];
    const char *names[ARGS_MAX];
    unsigned n = 0;
    int r = 0;
    while (n < args->n_words && !r) {
        r = path_of(ctl, noun, args->words[n], &paths[n]);
        names[n] =
            !r && strcmp(noun, "link") == 0 ? strrchr(paths[n], '/') + 1 : args->words[n];
        n += !r;
    }
    if (!r)
        r = print_yaml_without(ctl, object_kind(noun), names, n);
    while (n > 0)
        free(paths[--n]);
    return r;
}

int cmd_rm(struct ctl *ctl, const struct args *args)
{
    const char *noun = args->command->noun;
    int code = 0;
    if (print_yaml_asked(ctl, args))
        return print_rm(ctl, args);
    for (unsigned i = 0; i < args->n_words; i++) {
        char *path;
        ctl_report(ctl);
        ctl_what(ctl, "%s rm %s", noun, args->words[i]);
        int r = path_of(ctl, noun, args->words[i], &path);
        if (!r) {
            r = remove_object(ctl, path);
            free(path);
        }
        if (r == CTL_UNREACHABLE)
            return r;
        if (r && !code)
            code = r;
    }
    return code;
}
