/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/api.h"
#include "ctl/output.h"
#include "proto/base/xalloc.h"
#include "proto/model/schema.h"

static const struct {
    const char *noun, *kind;
} nouns[] = {
    {"net", "network"}, {"port", "port"}, {"endpoint", "endpoint"},
    {"host", "host"},   {"link", "link"}, {"service", "service"},
};

const char *object_kind(const char *noun)
{
    for (size_t i = 0; i < sizeof(nouns) / sizeof(nouns[0]); i++)
        if (strcmp(nouns[i].noun, noun) == 0)
            return nouns[i].kind;
    abort();
}

const char *object_plural(const char *noun)
{
    return schema_kind(object_kind(noun))->plural;
}

int object_path(struct ctl *ctl, const char *noun, const char *name, char **path)
{
    const struct kind *kind = schema_kind(object_kind(noun));
    const char *slash = strchr(name, '/');
    char network[64] = "";
    if (!kind->in_network) {
        if (!schema_name_ok(name))
            return ctl_fail(ctl, CTL_MISSING, "there is no %s \"%s\"", kind->name, name);
        *path = http_path("/v1/%s/%s", kind->plural, name);
        return 0;
    }
    if (!slash)
        return ctl_fail(ctl, CTL_USAGE, "\"%s\" names no network (NET/NAME)", name);
    if ((size_t)(slash - name) < sizeof(network))
        memcpy(network, name, (size_t)(slash - name));
    if (!schema_name_ok(network) || !schema_name_ok(slash + 1))
        return ctl_fail(ctl, CTL_MISSING, "there is no %s \"%s\"", kind->name, name);
    *path = http_path("/v1/%s/%s/%s", kind->plural, network, slash + 1);
    return 0;
}

int object_get(struct ctl *ctl, const char *noun, const char *name, struct node **out)
{
    char *path;
    int r = object_path(ctl, noun, name, &path);
    *out = NULL;
    if (r)
        return r;
    r = api_get(ctl, path, out);
    free(path);
    return r;
}

const struct node *object_node(const struct node *object, const char *map, const char *key)
{
    const struct node *inner = map ? node_get(object, map) : object;
    return inner && inner->kind == NODE_MAP ? node_get(inner, key) : NULL;
}

const char *object_text(const struct node *object, const char *map, const char *key)
{
    const struct node *n = object_node(object, map, key);
    return n && n->kind == NODE_TEXT ? n->text : NULL;
}

struct node *value_parse(const char *text)
{
    struct diags diags;
    diags_init(&diags);
    struct node *n =
        *text ? node_from_yaml(text, strlen(text), NULL, &diags) : node_new(NODE_NULL);
    diags_done(&diags);
    return n;
}

struct node *list_split(const char *text, const char *separators)
{
    struct node *list = node_list();
    while (*(text += strspn(text, separators))) {
        size_t size = strcspn(text, separators);
        char *part = xasprintf("%.*s", (int)size, text);
        node_append(list, node_text(part));
        free(part);
        text += size;
    }
    return list;
}

int object_assign(struct ctl *ctl, struct node *patch, const char *assignment)
{
    const char *equals = strchr(assignment, '=');
    if (!equals || equals == assignment)
        return ctl_fail(ctl, CTL_USAGE, "\"%s\" is not KEY=VALUE", assignment);
    struct node *value = value_parse(equals + 1);
    if (!value)
        return ctl_fail(ctl, CTL_USAGE, "the value of \"%s\" cannot be read", assignment);
    struct node *map = patch;
    const char *key = assignment;
    for (;;) {
        size_t size = strcspn(key, ".=");
        char *part = xasprintf("%.*s", (int)size, key);
        key += size;
        if (*key != '.') {
            node_set(map, part, value);
            free(part);
            return 0;
        }
        key++;
        struct node *inner = node_get(map, part);
        if (!inner || inner->kind != NODE_MAP) {
            inner = node_map();
            node_set(map, part, inner);
        }
        free(part);
        map = inner;
    }
}

char *object_own_host(struct ctl *ctl, int *code)
{
    struct node *status;
    *code = api_get(ctl, "/v1/status", &status);
    if (*code)
        return NULL;
    const char *host = node_get_text(status, "host", "");
    char *name = *host ? xstrdup(host) : NULL;
    if (!name)
        *code = ctl_fail(ctl, CTL_REFUSED, "the daemon does not tell the name of its host");
    node_free(status);
    return name;
}

int number_parse(struct ctl *ctl, const char *what, const char *text, long min, long max,
                 long *out)
{
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (errno || end == text || *end || n < min || n > max)
        return ctl_fail(ctl, CTL_USAGE, "%s: \"%s\" is not a number from %ld to %ld", what,
                        text, min, max);
    *out = n;
    return 0;
}

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text), e = strlen(end);
    return n >= e && strcmp(text + n - e, end) == 0;
}

/* The value for people: the key tells the unit of a number, its form that a text is a time. */
static char *fact_text(const char *key, const struct node *n)
{
    char text[HUMAN_SIZE];
    time_t when;
    if (n->kind == NODE_TEXT && time_parse(n->text, &when)) {
        char *local = xstrdup(human_time(text, sizeof(text), when));
        char *whole = xasprintf("%s (%s)", local, human_age(text, sizeof(text), when));
        free(local);
        return whole;
    }
    uint64_t value = n->kind == NODE_INT && n->integer > 0 ? (uint64_t)n->integer : 0;
    if (value == 0)
        return node_brief(n);
    if (ends_in(key, "_bytes"))
        return xstrdup(human_bytes(text, sizeof(text), value));
    if (ends_in(key, "_us"))
        return xstrdup(human_us(text, sizeof(text), value));
    if (strcmp(key, "rate") == 0)
        return xasprintf("%s bit/s", human_count(text, sizeof(text), value));
    return node_brief(n);
}

static void add_facts(struct table *t, const char *prefix, const struct node *map)
{
    for (size_t i = 0; i < map->n; i++) {
        const struct node *n = map->child[i];
        char name[160];
        snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "." : "", map->key[i]);
        if (n->kind == NODE_MAP && n->n > 0) {
            add_facts(t, name, n);
            continue;
        }
        char *text = fact_text(map->key[i], n);
        bool state = strcmp(map->key[i], "state") == 0;
        facts_add(t, state ? tint_of_state(text) : TINT_NONE, name, "%s", text);
        free(text);
    }
}

void object_print(const struct ctl *ctl, const struct node *object)
{
    struct table *t = facts_new();
    if (object->kind == NODE_MAP)
        add_facts(t, "", object);
    table_print(t, stdout, ctl->colour);
}
