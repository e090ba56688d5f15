/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes and their results as trees, for the way between hosts. What arrives was written by
 * another host: every key is checked, unknown ones are passed over. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/change/change.h"

#define ITEMS_MAX 4096u
#define TEXT_MAX  255u

static const char *const verbs[] = {"put",    "patch", "delete", "apply",
                                    "rename", "block", "let_go", "rollback",
                                    "accept", "move",  "history"};

/* Keys of the flags of an item, and which. The flags of local items never travel. */
static const struct {
    const char *key;
    size_t ofs;
} flags[] = {
    {"create_only", offsetof(struct change_item, create_only)},
    {"update_only", offsetof(struct change_item, update_only)},
    {"held", offsetof(struct change_item, held)},
    {"optional", offsetof(struct change_item, optional)},
    {"restart", offsetof(struct change_item, restart)},
};

static bool *flag_of(struct change_item *item, size_t i)
{
    return (bool *)(void *)((char *)item + flags[i].ofs);
}

static struct node *item_to_node(const struct change_item *item)
{
    struct change_item copy = *item;
    struct node *node = node_map();

    node_set_text(node, "verb", verbs[item->verb]);
    node_set_text(node, "kind", item->kind);
    node_set_text(node, "network", item->network);
    node_set_text(node, "name", item->name);
    if (item->body != NULL)
        node_set(node, "body", node_copy(item->body));
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (*flag_of(&copy, i))
            node_set_bool(node, flags[i].key, true);
    }
    if (item->if_revision != 0)
        node_set_int(node, "if_revision", (int64_t)item->if_revision);
    if (item->vlan != 0)
        node_set_int(node, "vlan", item->vlan);
    return node;
}

struct node *change_to_node(const struct change *change)
{
    struct node *node = node_map(), *items = node_list();

    node_set_text(node, "host", change->host);
    node_set_text(node, "owner", change->owner);
    node_set_text(node, "who", change->who);
    if (change->prune)
        node_set_bool(node, "prune", true);
    if (change->allow_destroy)
        node_set_bool(node, "allow_destroy", true);
    node_set_text(node, "require", trial_require_name(change->terms.require));
    node_set_int(node, "within", change->terms.within_ms);
    node_set_int(node, "confirm", change->terms.confirm_ms);
    if (change->dry_run)
        node_set_bool(node, "dry_run", true);
    if (change->foreign)
        node_set_bool(node, "foreign", true);
    if (change->mark[0] != '\0')
        node_set_text(node, "mark", change->mark);
    for (size_t i = 0; i < change->n; i++)
        node_append(items, item_to_node(&change->items[i]));
    node_set(node, "items", items);
    return node;
}

/* A short text, or NULL. */
static const char *text_of(const struct node *map, const char *key)
{
    const char *text = node_get_text(map, key, "");

    return strlen(text) <= TEXT_MAX ? text : NULL;
}

static bool item_from_node(const struct node *node, struct change *change)
{
    const char *verb, *kind, *network, *name;
    const struct node *body;
    struct change_item *item;
    size_t v = 0;
    int64_t number;

    if (node->kind != NODE_MAP)
        return false;
    verb = text_of(node, "verb");
    kind = text_of(node, "kind");
    network = text_of(node, "network");
    name = text_of(node, "name");
    if (verb == NULL || kind == NULL || network == NULL || name == NULL)
        return false;
    while (v < sizeof(verbs) / sizeof(verbs[0]) && strcmp(verbs[v], verb) != 0)
        v++;
    body = node_get(node, "body");
    if (v == sizeof(verbs) / sizeof(verbs[0]) || (body != NULL && body->kind != NODE_MAP))
        return false;
    item = change_add(change, (enum change_verb)v, kind, network, name,
                      body != NULL ? node_copy(body) : NULL);
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        *flag_of(item, i) = node_get_bool(node, flags[i].key, false);
    number = node_get_int(node, "if_revision", 0);
    item->if_revision = number > 0 ? (uint64_t)number : 0;
    number = node_get_int(node, "vlan", 0);
    item->vlan = (uint16_t)number;
    return number >= 0 && number < 4095;
}

static bool terms_from_node(const struct node *node, struct change_terms *terms)
{
    terms->within_ms = node_get_int(node, "within", 0);
    terms->confirm_ms = node_get_int(node, "confirm", 0);
    return trial_require_parse(node_get_text(node, "require", "all"), &terms->require) &&
           terms->within_ms >= 0 && terms->within_ms <= CHANGE_WITHIN_MAX &&
           terms->confirm_ms >= 0 && terms->confirm_ms <= CHANGE_CONFIRM_MAX;
}

static bool mark_from_node(const struct node *node, char out[CHANGE_MARK_SIZE])
{
    const char *mark = node_get_text(node, "mark", "");
    size_t n = strlen(mark);

    if (n >= CHANGE_MARK_SIZE || strspn(mark, "0123456789abcdef") != n)
        return false;
    memcpy(out, mark, n + 1);
    return true;
}

struct change *change_from_node(const struct node *node)
{
    const struct node *items;
    const char *host, *owner, *who;
    struct change *change;
    bool ok;

    if (node == NULL || node->kind != NODE_MAP)
        return NULL;
    items = node_get(node, "items");
    host = text_of(node, "host");
    owner = text_of(node, "owner");
    who = text_of(node, "who");
    if (host == NULL || owner == NULL || who == NULL || items == NULL ||
        items->kind != NODE_LIST || items->n > ITEMS_MAX)
        return NULL;
    change = change_new(host, owner);
    change_set_who(change, who);
    change->prune = node_get_bool(node, "prune", false);
    change->allow_destroy = node_get_bool(node, "allow_destroy", false);
    change->dry_run = node_get_bool(node, "dry_run", false);
    change->foreign = node_get_bool(node, "foreign", false);
    ok = terms_from_node(node, &change->terms) && mark_from_node(node, change->mark);
    for (size_t i = 0; ok && i < items->n; i++)
        ok = item_from_node(items->child[i], change);
    if (!ok) {
        change_free(change);
        return NULL;
    }
    return change;
}

static struct node *diag_to_node(const struct diag *diag)
{
    struct node *node = node_map();

    node_set_text(node, "path", diag->path);
    node_set_text(node, "text", diag->text);
    node_set_int(node, "line", diag->line);
    node_set_int(node, "column", diag->column);
    return node;
}

struct node *change_result_to_node(const struct change_result *result)
{
    struct node *node = node_map(), *diags = node_list();

    node_set_int(node, "status", result->status);
    if (result->err.why[0] != '\0')
        node_set_text(node, "why", result->err.why);
    if (result->err.hint[0] != '\0')
        node_set_text(node, "hint", result->err.hint);
    for (size_t i = 0; i < result->diags.n; i++)
        node_append(diags, diag_to_node(&result->diags.list[i]));
    node_set(node, "diags", diags);
    if (result->value != NULL)
        node_set(node, "value", node_copy(result->value));
    return node;
}

bool change_result_from_node(const struct node *node, struct change_result *out)
{
    const struct node *diags, *value;
    int64_t status;

    if (node == NULL || node->kind != NODE_MAP)
        return false;
    status = node_get_int(node, "status", 0);
    diags = node_get(node, "diags");
    value = node_get(node, "value");
    if (status < 200 || status > 599 || (value != NULL && value->kind != NODE_MAP))
        return false;
    change_result_init(out);
    out->status = (int)status;
    snprintf(out->err.why, sizeof(out->err.why), "%s", node_get_text(node, "why", ""));
    snprintf(out->err.hint, sizeof(out->err.hint), "%s", node_get_text(node, "hint", ""));
    for (size_t i = 0; diags != NULL && diags->kind == NODE_LIST && i < diags->n; i++) {
        const struct node *diag = diags->child[i];
        int64_t line = node_get_int(diag, "line", 0),
                column = node_get_int(diag, "column", 0);

        if (diag->kind == NODE_MAP && line >= 0 && line < INT32_MAX && column >= 0 &&
            column < INT32_MAX)
            diags_add(&out->diags, NULL, (unsigned)line, (unsigned)column,
                      node_get_text(diag, "path", ""), "%s",
                      node_get_text(diag, "text", ""));
    }
    out->value = value != NULL ? node_copy(value) : NULL;
    return true;
}
