/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Users and groups that a change lets in must exist where it is asked for: a mistyped name would
 * open the network to nobody, or, one day, to a stranger. Those that the network names already are
 * not asked about, since another host may know them: what was exported can be applied anywhere.
 */
#include <string.h>

#include "fabricd/control/change/work.h"
#include "fabricd/control/reconcile/reconcile.h"

static bool has_text(const struct node *list, const char *text)
{
    for (size_t i = 0; list != NULL && list->kind == NODE_LIST && i < list->n; i++) {
        if (list->child[i]->text != NULL && strcmp(list->child[i]->text, text) == 0)
            return true;
    }
    return false;
}

static bool check_one(const char *text, struct change_result *result)
{
    const char *name = strchr(text, ':');
    struct ipc_allow who;

    /* Other forms are the schema's business. */
    if ((strncmp(text, "user:", 5) != 0 && strncmp(text, "group:", 6) != 0) ||
        principal_parse(text, &who))
        return true;
    change_fail(result, 400, "allow: there is no %.*s %.64s on this host",
                (int)(name - text), text, name + 1);
    err_hint(&result->err, "uid:N and gid:N name those that only other hosts know");
    return false;
}

static bool check_network(const struct control *control, const char *name,
                          const struct node *body, struct change_result *result)
{
    const struct node *allow = node_get(body, "allow");
    const struct view_network *net = view_network(control->view, name);
    const struct node *have = net != NULL ? node_get(net->body, "allow") : NULL;

    if (allow != NULL && allow->kind == NODE_TEXT) /* One may stand alone. */
        return has_text(have, allow->text) || check_one(allow->text, result);
    for (size_t i = 0; allow != NULL && allow->kind == NODE_LIST && i < allow->n; i++) {
        const char *text = allow->child[i]->text;

        if (text != NULL && !has_text(have, text) && !check_one(text, result))
            return false;
    }
    return true;
}

static bool check_file(const struct control *control, const struct node *root,
                       struct change_result *result)
{
    const struct node *networks = node_get(root, "networks"),
                      *items = node_get(root, "items");

    for (size_t i = 0; networks != NULL && networks->kind == NODE_MAP && i < networks->n;
         i++) {
        if (!check_network(control, networks->key[i], networks->child[i], result))
            return false;
    }
    for (size_t i = 0; items != NULL && items->kind == NODE_LIST && i < items->n; i++) {
        if (!check_network(control, node_get_text(items->child[i], "name", ""),
                           items->child[i], result))
            return false;
    }
    return check_network(control, node_get_text(root, "name", ""), root, result);
}

bool change_allow_ok(const struct control *control, const struct change *change,
                     struct change_result *result)
{
    for (size_t i = 0; i < change->n; i++) {
        const struct change_item *item = &change->items[i];

        if (item->body == NULL)
            continue;
        if (item->verb == CHANGE_APPLY
                ? !check_file(control, item->body, result)
                : strcmp(item->kind, "network") == 0 &&
                      !check_network(control, item->name, item->body, result))
            return false;
    }
    return true;
}
