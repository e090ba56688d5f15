/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/print_yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/api.h"
#include "ctl/object.h"
#include "ctl/output.h"
#include "proto/base/xalloc.h"
#include "proto/model/schema.h"

bool print_yaml_asked(struct ctl *ctl, const struct args *args)
{
    bool asked = args_has(args, "print-yaml");
    ctl->no_start |= asked;
    return asked;
}

/* The network of NETWORK/NAME, the caller's to free(); NULL of NAME alone. */
static char *network_of(const char *name)
{
    const char *slash = strchr(name, '/');
    return slash ? xasprintf("%.*s", (int)(slash - name), name) : NULL;
}

static const char *base_of(const char *name)
{
    const char *slash = strchr(name, '/');
    return slash ? slash + 1 : name;
}

static void print_tree(const struct ctl *ctl, const struct node *root)
{
    char *text = ctl->output == CTL_JSON ? node_to_json(root, 2) : node_to_yaml(root);
    fputs(text, stdout);
    free(text);
}

/* What is wrong with an object, in one line as the daemon would say it. */
static int fail_diags(struct ctl *ctl, const struct diags *diags)
{
    char *text = diags_print(diags);
    size_t size = strlen(text);
    for (size_t i = 0; i + 1 < size; i++)
        if (text[i] == '\n')
            text[i] = ';';
    if (size > 0)
        text[size - 1] = '\0';
    int r = ctl_fail(ctl, CTL_USAGE, "%s", text);
    free(text);
    return r;
}

/* The body as the schema has it in *out; NULL, and the failure recorded, if it is wrong. */
static int check_object(struct ctl *ctl, const struct kind *kind, const struct node *body,
                        struct node **out)
{
    struct diags diags;
    diags_init(&diags);
    *out = schema_check(kind, body, "", NULL, &diags);
    int r = *out ? 0 : fail_diags(ctl, &diags);
    diags_done(&diags);
    return r;
}

/* The file that says one object and nothing else. What lives in a network stands by itself: under
 * its network the file would say of that, too, what it is. */
static struct node *file_of(const struct kind *kind, const char *network, const char *name,
                            const struct node *body)
{
    struct node *root = node_map(), *minimal = schema_minimal(kind, body);
    if (!network) {
        struct node *section = node_map();
        node_set_int(root, "version", 1);
        node_set(section, name, minimal);
        node_set(root, kind->plural, section);
        return root;
    }
    node_set_text(root, "kind", kind->name);
    node_set_text(root, "network", network);
    node_set_text(root, "name", name);
    for (size_t i = 0; i < minimal->n; i++)
        node_set(root, minimal->key[i], node_copy(minimal->child[i]));
    node_free(minimal);
    return root;
}

int print_yaml_object(struct ctl *ctl, const char *kind_name, const char *name,
                      const struct node *body)
{
    const struct kind *kind = schema_kind(kind_name);
    struct node *canonical;
    int r = check_object(ctl, kind, body, &canonical);
    if (!r) {
        char *network = network_of(name);
        struct node *root = file_of(kind, network, base_of(name), canonical);
        print_tree(ctl, root);
        node_free(root);
        free(network);
    }
    node_free(canonical);
    return r;
}

int print_yaml_patched(struct ctl *ctl, const char *kind, const struct node *object,
                       const struct node *patch)
{
    struct node *base = node_copy(object);
    const char *network = node_get_text(object, "network", NULL);
    const char *name = node_get_text(object, "name", "");
    char *full = schema_kind(kind)->in_network && network
                     ? xasprintf("%s/%s", network, name)
                     : xstrdup(name);
    node_remove(base, "kind");
    if (node_get(patch, "vlans")) { /* The address plan goes over to the VLANs. */
        node_remove(base, "ipv4");
        node_remove(base, "ipv6");
    }
    struct node *body = node_merge(base, patch);
    int r = print_yaml_object(ctl, kind, full, body);
    node_free(body);
    node_free(base);
    free(full);
    return r;
}

/* One service, as the patch leaves it, into the section. */
static int add_patched(struct ctl *ctl, const char *name, const struct node *patch,
                       struct node *section)
{
    const struct kind *kind = schema_kind("service");
    struct node *object, *body, *canonical;
    int r = object_get(ctl, "service", name, &object);
    if (r)
        return r;
    node_remove(object, "kind");
    body = node_merge(object, patch);
    r = check_object(ctl, kind, body, &canonical);
    if (!r)
        node_set(section, name, schema_minimal(kind, canonical));
    node_free(canonical);
    node_free(body);
    node_free(object);
    return r;
}

int print_yaml_services(struct ctl *ctl, const char *const *names, unsigned n,
                        const struct node *patch)
{
    struct node *root = node_map(), *section = node_map();
    int r = 0;
    node_set_int(root, "version", 1);
    node_set(root, "services", section);
    for (unsigned i = 0; i < n && !r; i++)
        r = add_patched(ctl, names[i], patch, section);
    if (!r)
        print_tree(ctl, root);
    node_free(root);
    return r;
}

/* Takes one object out of the tree of a file. */
static int take_out(struct ctl *ctl, const struct kind *kind, struct node *root,
                    const char *name)
{
    char *network = network_of(name);
    struct node *networks = node_get(root, "networks");
    struct node *home = node_get(networks, network ? network : name);
    struct node *section = node_get(network ? home : root, kind->plural);
    bool local = node_get_bool(home, "local", false) && strcmp(kind->name, "link") != 0;
    int r = 0;
    if (!node_get(section, base_of(name)))
        r = ctl_fail(ctl, CTL_MISSING, "there is no %s %s", kind->name, name);
    else if (local)
        r = ctl_fail(ctl, CTL_REFUSED, "no file removes what is local to a host");
    else
        node_remove(section, base_of(name));
    if (r == CTL_REFUSED)
        ctl_hint(ctl, "without --print-yaml the command removes it");
    free(network);
    return r;
}

/* Leaves in the file only what is of the kind, or holds it. */
static void keep_kind(const struct kind *kind, struct node *root)
{
    struct node *networks = node_get(root, "networks");
    for (const struct kind *k = schema_kinds; k->name; k++)
        for (size_t i = 0; k != kind && networks && i < networks->n; i++)
            node_remove(networks->child[i], k->plural);
    for (const struct kind *k = schema_kinds; k->name; k++)
        if (k != kind && !(kind->in_network && strcmp(k->name, "network") == 0))
            node_remove(root, k->plural);
}

int print_yaml_without(struct ctl *ctl, const char *kind_name, const char *const *names,
                       unsigned n)
{
    const struct kind *kind = schema_kind(kind_name);
    struct node *root;
    struct http_request q = {.path = "/v1/export", .accept = "application/json"};
    struct http_reply reply;
    struct diags diags;
    if (strcmp(kind_name, "endpoint") == 0 || strcmp(kind_name, "host") == 0) {
        int refused = ctl_fail(ctl, CTL_REFUSED,
                               "no file removes %ss, not even with --prune", kind_name);
        ctl_hint(ctl, "without --print-yaml the command removes it");
        return refused;
    }
    int r = api_exchange(ctl, &q, 0, &reply);
    if (r)
        return r;
    diags_init(&diags);
    root = reply.body ? node_from_json(reply.body, reply.size, NULL, &diags) : NULL;
    diags_done(&diags);
    http_reply_done(&reply);
    if (!root)
        return ctl_fail(ctl, CTL_REFUSED, "the daemon's answer holds no file");
    for (unsigned i = 0; i < n && !r; i++)
        r = take_out(ctl, kind, root, names[i]);
    if (!r) {
        keep_kind(kind, root);
        if (ctl->output != CTL_JSON)
            printf("# What is, but for what is removed: iothctl apply -f FILE --prune\n");
        print_tree(ctl, root);
    }
    node_free(root);
    return r;
}

int print_yaml_fabric(struct ctl *ctl, const char *name)
{
    struct node *fabric;
    int r = api_get(ctl, "/v1/fabric", &fabric);
    if (r)
        return r;
    const char *now = node_get_text(fabric, "name", "");
    if (!schema_name_ok(name))
        r = ctl_fail(ctl, CTL_USAGE,
                     "\"%s\" is no name (1 to 63 of a-z 0-9 -, beginning with a letter)",
                     name);
    else if (*now && strcmp(now, name) != 0) {
        r = ctl_fail(ctl, CTL_REFUSED, "no file renames a fabric that has a name (%s)",
                     now);
        ctl_hint(ctl, "without --print-yaml the command renames it");
    } else {
        struct node *root = node_map();
        node_set_int(root, "version", 1);
        node_set_text(root, "fabric", name);
        print_tree(ctl, root);
        node_free(root);
    }
    node_free(fabric);
    return r;
}
