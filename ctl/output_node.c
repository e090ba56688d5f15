/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Objects as JSON and YAML. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "ctl/output.h"
#include "proto/model/node.h"

void output_tree(const struct ctl *ctl, const struct node *n)
{
    char *text = ctl->output == CTL_JSON ? node_to_json(n, 2) : node_to_yaml(n);
    size_t size = strlen(text);
    fputs(text, stdout);
    if (size == 0 || text[size - 1] != '\n')
        fputc('\n', stdout);
    free(text);
}

static struct node *with_kind(const char *kind, const struct node *object)
{
    if (object->kind != NODE_MAP || node_get(object, "kind"))
        return node_copy(object);
    struct node *out = node_map();
    node_set_text(out, "kind", kind);
    for (size_t i = 0; i < object->n; i++)
        node_set(out, object->key[i], node_copy(object->child[i]));
    return out;
}

bool output_object(const struct ctl *ctl, const char *kind, const struct node *object)
{
    if (ctl->output == CTL_TABLE)
        return false;
    struct node *n = with_kind(kind, object);
    output_tree(ctl, n);
    node_free(n);
    return true;
}

bool output_list(const struct ctl *ctl, const char *kind, const struct node *items)
{
    if (ctl->output == CTL_TABLE)
        return false;
    struct node *list = node_list();
    for (size_t i = 0; i < items->n; i++)
        node_append(list, with_kind(kind, items->child[i]));
    output_tree(ctl, list);
    node_free(list);
    return true;
}
