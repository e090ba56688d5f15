/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names of endpoints: `web`, `web.NET`, `web.NET.ioth`, and addresses back to names. A name that
 * exists without an address of the wanted sort is found, with no answers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fabricd/control/api/routes.h"
#include "fabricd/control/services/services.h"
#include "proto/base/xalloc.h"

#define DOMAIN "ioth"

struct resolving {
    struct api_request *rq;
    struct node *answers;
    bool found;
};

/* The user of --services asks for the services that run so, on whatever network. */
static bool visible(const struct api_request *rq, const char *network)
{
    return shape_visible(rq, network) ||
           (rq->from_host[0] == '\0' && services_is_user(rq->control, rq->peer.uid));
}

static bool may_see(const struct resolving *rs, const char *network)
{
    const char *only = api_query(rs->rq, "network");

    return (only == NULL || strcmp(only, network) == 0) && visible(rs->rq, network);
}

static void add_addresses(struct resolving *rs, const struct view_endpoint *ep,
                          uint8_t family)
{
    char text[ADDR_TEXT_SIZE];

    rs->found = true;
    for (unsigned i = 0; i < ep->n_addrs; i++) {
        if (ep->addrs[i].family == family)
            node_append(rs->answers, node_text(addr_print_bare(&ep->addrs[i], text)));
    }
}

/* The labels of the name in lower case; false if it is none of ours. */
static bool split_name(const char *name, char out[3][VIEW_NAME_SIZE], unsigned *n)
{
    *n = 0;
    while (*name != '\0') {
        size_t size = strcspn(name, ".");

        if (size == 0 || size >= VIEW_NAME_SIZE || *n == 3)
            return false;
        for (size_t i = 0; i < size; i++)
            out[*n][i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] | 32 : name[i]);
        out[*n][size] = '\0';
        ++*n;
        name += size;
        name += *name == '.';
    }
    return *n > 0;
}

static void forward(struct resolving *rs, const char *name, uint8_t family)
{
    struct view *view = rs->rq->control->view;
    char labels[3][VIEW_NAME_SIZE];
    const struct view_endpoint *ep;
    unsigned n;

    if (!split_name(name, labels, &n) || (n == 3 && strcmp(labels[2], DOMAIN) != 0))
        return;
    if (n > 1) {
        ep = view_endpoint(view, labels[1], labels[0]);
        if (ep != NULL && may_see(rs, ep->network))
            add_addresses(rs, ep, family);
        return;
    }
    list_for_each (it, &view->networks) {
        const struct view_network *net = list_entry(it, struct view_network, link);

        if (!may_see(rs, net->name) || view_network(view, net->name) != net)
            continue;
        ep = view_endpoint(view, net->name, labels[0]);
        if (ep != NULL)
            add_addresses(rs, ep, family);
    }
}

/* "4.3.2.1.in-addr.arpa" */
static bool parse_arpa4(const char *name, struct addr *out)
{
    unsigned a, b, c, d;
    int end = 0;
    char text[16];

    if (sscanf(name, "%3u.%3u.%3u.%3u%n", &d, &c, &b, &a, &end) != 4 || end == 0 ||
        strcasecmp(name + end, ".in-addr.arpa") != 0)
        return false;
    snprintf(text, sizeof(text), "%u.%u.%u.%u", a & 255, b & 255, c & 255, d & 255);
    return addr_parse(text, out);
}

/* 32 digits, the last first, and "ip6.arpa" */
static bool parse_arpa6(const char *name, struct addr *out)
{
    struct addr a = {.family = 6, .prefix = ADDR_NO_LEN};

    if (strlen(name) < 64 || strcasecmp(name + 64, "ip6.arpa") != 0)
        return false;
    for (unsigned i = 0; i < 32; i++) {
        const char *digits = "0123456789abcdef";
        char c = (char)(name[2 * i] >= 'A' && name[2 * i] <= 'F' ? name[2 * i] | 32
                                                                 : name[2 * i]);
        const char *at = c != '\0' ? strchr(digits, c) : NULL;

        if (at == NULL || name[2 * i + 1] != '.')
            return false;
        a.bytes[15 - i / 2] |= (uint8_t)((at - digits) << (i % 2 * 4));
    }
    *out = a;
    return true;
}

static void reverse(struct resolving *rs, const char *name)
{
    struct view *view = rs->rq->control->view;
    struct addr addr;

    if (!parse_arpa4(name, &addr) && !parse_arpa6(name, &addr) && !addr_parse(name, &addr))
        return;
    list_for_each (it, &view->networks) {
        const struct view_network *net = list_entry(it, struct view_network, link);
        const struct view_endpoint *ep;
        char *text;

        if (!may_see(rs, net->name) || view_network(view, net->name) != net)
            continue;
        ep = view_endpoint_by_addr(view, net->name, &addr);
        if (ep == NULL)
            continue;
        text = xasprintf("%s.%s.%s", ep->name, net->name, DOMAIN);
        rs->found = true;
        node_append(rs->answers, node_text(text));
        free(text);
    }
}

void api_resolve(struct api_request *rq)
{
    const char *name = api_query(rq, "name");
    const char *type = api_query(rq, "type");
    const char *network = api_query(rq, "network");
    struct resolving rs = {.rq = rq};
    struct node *answer;

    type = type != NULL ? type : "A";
    if (name == NULL) {
        api_problem(rq, 400, "the query parameter name is missing (name=web)");
        return;
    }
    if (network != NULL &&
        (view_network(rq->control->view, network) == NULL || !visible(rq, network))) {
        api_problem(rq, 404, "there is no network %s", network);
        return;
    }
    rs.answers = node_list();
    if (strcmp(type, "PTR") == 0)
        reverse(&rs, name);
    else
        forward(&rs, name, strcmp(type, "A") == 0 ? 4 : 6);
    answer = node_map();
    node_set_bool(answer, "found", rs.found);
    node_set(answer, "answers", rs.answers);
    api_answer_node(rq, 200, answer);
}
