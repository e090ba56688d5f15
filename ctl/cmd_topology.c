/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <langinfo.h>
#include <string.h>

#include "ctl/api.h"
#include "ctl/commands.h"
#include "ctl/output.h"
#include "ctl/topology.h"

#define LISTS 6

static void draw(const struct ctl *ctl, const struct topo *t, const char *format)
{
    if (strcmp(format, "dot") == 0) {
        topo_dot(t, stdout);
    } else if (strcmp(format, "svg") == 0) {
        topo_svg(t, stdout);
    } else if (strcmp(format, "json") == 0) {
        struct node *n = topo_node(t);
        output_tree(ctl, n);
        node_free(n);
    } else {
        topo_text(t, stdout, strcmp(nl_langinfo(CODESET), "UTF-8") != 0);
    }
}

int cmd_topology(struct ctl *ctl, const struct args *args)
{
    static const char *const paths[LISTS] = {"/v1/status", "/v1/hosts",     "/v1/networks",
                                             "/v1/ports",  "/v1/endpoints", "/v1/links"};
    struct node *list[LISTS] = {0};
    const char *format = args_value(args, "output");
    int r = 0;
    for (size_t i = 0; i < LISTS && !r; i++)
        r = api_get_allowed(ctl, paths[i], &list[i]);
    if (!r) {
        struct topo topo;
        struct topo_source source = {list[0], list[1], list[2], list[3], list[4], list[5]};
        topo_init(&topo, &source);
        draw(ctl, &topo, format ? format : "text");
        topo_done(&topo);
    }
    for (size_t i = 0; i < LISTS; i++)
        node_free(list[i]);
    return r;
}
