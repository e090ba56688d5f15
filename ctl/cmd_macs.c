/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net macs: the MAC table of a network's switch. */
#include <stdlib.h>
#include <string.h>

#include "ctl/api.h"
#include "ctl/commands.h"
#include "ctl/ctl.h"
#include "ctl/output.h"

static void add_row(struct table *t, const struct node *mac)
{
    const struct node *vlan = node_get(mac, "vlan"), *age = node_get(mac, "age_ms");
    char text[HUMAN_SIZE];

    table_cell(t, TINT_NONE, node_get_text(mac, "mac", NULL));
    if (vlan != NULL)
        table_format(t, TINT_NONE, "%lld", (long long)vlan->integer);
    else
        table_cell(t, TINT_NONE, NULL);
    table_cell(t, TINT_NONE, node_get_text(mac, "port", NULL));
    table_cell(t, TINT_NONE, node_get_text(mac, "host", NULL));
    table_cell(t, TINT_NONE, node_get_text(mac, "endpoint", NULL));
    if (age != NULL)
        table_cell(t, TINT_NONE,
                   human_us(text, sizeof(text), (uint64_t)age->integer * 1000));
    else
        table_cell(t, TINT_NONE, "fixed");
}

int cmd_net_macs(struct ctl *ctl, const struct args *args)
{
    struct node *answer;
    char *path = http_path("/v1/macs?network=%s", args->words[0]);
    int r = api_get(ctl, path, &answer);

    free(path);
    if (r != 0)
        return r;
    const struct node *items = api_items(answer);
    if (ctl->output != CTL_TABLE) {
        output_tree(ctl, items);
    } else {
        struct table *t = table_new("MAC VLAN PORT HOST ENDPOINT >AGE");

        for (size_t i = 0; i < items->n; i++)
            add_row(t, items->child[i]);
        table_print(t, stdout, ctl->colour);
    }
    node_free(answer);
    return CTL_DONE;
}
