/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Services: making them, starting and stopping them, reading what they wrote. */
#include <stdlib.h>
#include <string.h>

#include "ctl/api.h"
#include "ctl/commands.h"
#include "ctl/object.h"
#include "ctl/output.h"
#include "ctl/print_yaml.h"
#include "proto/base/xalloc.h"

/* NET or NET:VLAN. */
static int set_network(struct ctl *ctl, struct node *body, const char *text)
{
    const char *colon = text ? strchr(text, ':') : NULL;
    char *network;
    long vlan;
    int r;
    if (!text) {
        ctl_fail(ctl, CTL_USAGE, "--net is missing");
        ctl_hint(ctl, "iothctl service create NAME --net NET -- COMMAND");
        return CTL_USAGE;
    }
    network = xasprintf("%.*s", (int)(colon ? (size_t)(colon - text) : strlen(text)), text);
    node_set_text(body, "network", network);
    free(network);
    if (!colon)
        return 0;
    r = number_parse(ctl, "--net", colon + 1, 1, 4094, &vlan);
    if (!r)
        node_set_int(body, "vlan", vlan);
    return r;
}

static void set_list(struct node *body, const struct args *args, const char *option,
                     const char *key)
{
    struct node *list = node_list();
    const char *value;
    for (unsigned at = 0; (value = args_next(args, option, &at));)
        node_append(list, node_text(value));
    if (list->n > 0)
        node_set(body, key, list);
    else
        node_free(list);
}

static int set_secrets(struct ctl *ctl, struct node *body, const struct args *args)
{
    struct node *list = node_list();
    const char *value;
    int r = 0;
    for (unsigned at = 0; !r && (value = args_next(args, "secret", &at));) {
        const char *equals = strchr(value, '=');
        char *name = xasprintf("%.*s", equals ? (int)(equals - value) : 0, value);
        struct node *secret = node_map();
        if (!equals)
            r = ctl_fail(ctl, CTL_USAGE, "--secret %s is not NAME=FILE", value);
        node_set_text(secret, "name", name);
        node_set_text(secret, "file", equals ? equals + 1 : "");
        node_append(list, secret);
        free(name);
    }
    if (!r && list->n > 0)
        node_set(body, "secrets", list);
    else
        node_free(list);
    return r;
}

/* The map of that key, made if it is not there. */
static struct node *inner(struct node *body, const char *key)
{
    if (!node_get(body, key))
        node_set(body, key, node_map());
    return node_get(body, key);
}

/* [sh, -c, "exit 0"] as YAML has it, or words between blanks. */
static int set_check_command(struct ctl *ctl, struct node *check, const char *text)
{
    struct node *words;
    if (*text != '[' && strpbrk(text, "\"'\\")) {
        int r =
            ctl_fail(ctl, CTL_USAGE,
                     "--check-command: words between blanks hold no quotes or backslashes, "
                     "for no shell reads them");
        ctl_hint(ctl, "a list, as --check-command '[sh, -c, \"exit 0\"]'");
        return r;
    }
    words = *text == '[' ? value_parse(text) : list_split(text, " \t");
    if (!words || words->kind != NODE_LIST || words->n == 0) {
        node_free(words);
        return ctl_fail(ctl, CTL_USAGE,
                        "--check-command holds no command (words, or [sh, -c, \"…\"])");
    }
    node_set(check, "command", words);
    return 0;
}

static int set_check(struct ctl *ctl, struct node *body, const struct args *args)
{
    static const struct {
        const char *option, *key, *what;
        long max; /* 0 = no number. */
    } keys[] = {{"check-http", "http", "--check-http", 0},
                {"check-tcp", "tcp", "--check-tcp", 65535},
                {"check-port", "port", "--check-port", 65535},
                {"every", "every", "--every", 0},
                {"timeout", "timeout", "--timeout", 0},
                {"failures", "failures", "--failures", 100}};
    const char *command = args_value(args, "check-command"), *value;
    int r = command ? set_check_command(ctl, inner(body, "check"), command) : 0;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && !r; i++) {
        long n;
        if (!(value = args_value(args, keys[i].option)))
            continue;
        if (!command && !args_has(args, "check-http") && !args_has(args, "check-tcp"))
            return ctl_fail(ctl, CTL_USAGE,
                            "%s is of --check-http, --check-tcp or --check-command",
                            keys[i].what);
        if (keys[i].max == 0)
            node_set_text(inner(body, "check"), keys[i].key, value);
        else if (!(r = number_parse(ctl, keys[i].what, value, 1, keys[i].max, &n)))
            node_set_int(inner(body, "check"), keys[i].key, n);
    }
    return r;
}

static int set_limits(struct ctl *ctl, struct node *body, const struct args *args)
{
    static const struct {
        const char *name, *option;
        long max;
    } numbers[] = {{"cpu", "--cpu", 100000}, {"processes", "--processes", 1000000}};
    const char *memory = args_value(args, "memory"), *value;
    int r = 0;
    if (memory)
        node_set_text(inner(body, "limits"), "memory", memory);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]) && !r; i++) {
        long n;
        if (!(value = args_value(args, numbers[i].name)))
            continue;
        r = number_parse(ctl, numbers[i].option, value, 1, numbers[i].max, &n);
        if (!r)
            node_set_int(inner(body, "limits"), numbers[i].name, n);
    }
    return r;
}

static int service_body(struct ctl *ctl, const struct args *args, struct node *body)
{
    static const char *const lists[][2] = {{"ip", "addresses"}, {"gateway", "gateway"},
                                           {"place", "place"},  {"env", "environment"},
                                           {"after", "after"},  {"requires", "requires"},
                                           {"state", "state"}};
    static const char *const texts[] = {"mac", "restart", "folder"};
    const char *host = args_of(args, args->command->options, "host"), *value;
    struct node *command = node_list();
    int r = set_network(ctl, body, args_value(args, "net"));
    for (int i = 0; i < args->n_rest; i++)
        node_append(command, node_text(args->rest[i]));
    node_set(body, "command", command);
    if (!r && args->n_rest == 0) {
        r = ctl_fail(ctl, CTL_USAGE, "no program to run");
        ctl_hint(ctl, "iothctl service create NAME --net NET -- COMMAND");
    }
    if (host)
        node_set_text(body, "host", host);
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        set_list(body, args, lists[i][0], lists[i][1]);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if ((value = args_value(args, texts[i])))
            node_set_text(body, texts[i], value);
    if (!r)
        r = set_secrets(ctl, body, args);
    if (!r)
        r = set_check(ctl, body, args);
    return r ? r : set_limits(ctl, body, args);
}

/* "wiki  office:30  10.30.0.10/24 …  on beta" */
static void say_service(const struct node *service)
{
    const struct node *vlan = node_get(service, "vlan");
    char *addresses = node_brief(node_get(service, "addresses"));
    print_clean(stdout, node_get_text(service, "name", ""));
    printf("  ");
    print_clean(stdout, node_get_text(service, "network", ""));
    if (vlan && vlan->kind == NODE_INT)
        printf(":%lld", (long long)vlan->integer);
    printf("  %s  on ", addresses);
    print_clean(stdout, node_get_text(service, "host", ""));
    putchar('\n');
    free(addresses);
}

int cmd_service_create(struct ctl *ctl, const struct args *args)
{
    struct node *body = node_map();
    int r = service_body(ctl, args, body);
    if (!r)
        r = object_create(ctl, args, "service", args->words[0], body, say_service);
    node_free(body);
    return r;
}

/* The file that lets services run, or not. */
static int print_run(struct ctl *ctl, const struct args *args)
{
    struct node *patch = node_map();
    node_set_bool(patch, "run", strcmp(args->command->verb, "start") == 0);
    int r = print_yaml_services(ctl, args->words, args->n_words, patch);
    node_free(patch);
    return r;
}

int cmd_service_do(struct ctl *ctl, const struct args *args)
{
    const char *verb = args->command->verb;
    int code = 0;
    if (print_yaml_asked(ctl, args))
        return print_run(ctl, args);
    for (unsigned i = 0; i < args->n_words; i++) {
        char *path = http_path("/v1/services/%s/%s", args->words[i], verb);
        struct node *object = NULL;
        ctl_report(ctl);
        ctl_what(ctl, "service %s %s", verb, args->words[i]);
        int r = api_call(ctl, "POST", path, NULL, API_SLOW, &object);
        free(path);
        if (!r && object)
            output_object(ctl, "service", object);
        node_free(object);
        if (r == CTL_UNREACHABLE)
            return r;
        if (r && !code)
            code = r;
    }
    return code;
}

static bool write_out(void *aux, const char *bytes, size_t size)
{
    (void)aux;
    return fwrite(bytes, 1, size, stdout) == size && fflush(stdout) == 0;
}

int cmd_service_logs(struct ctl *ctl, const struct args *args)
{
    const char *lines = args_value(args, "lines");
    bool follow = args_has(args, "follow");
    struct http_request q = {.accept = "text/plain", .data = write_out};
    struct http_reply reply;
    char *path;
    long n;
    int r = lines ? number_parse(ctl, "--lines", lines, 0, 1000000, &n) : 0;
    if (r)
        return r;
    path =
        lines ? http_path(follow ? "/v1/services/%s/logs?follow=1&lines=%s"
                                 : "/v1/services/%s/logs?lines=%s",
                          args->words[0], lines)
              : http_path(follow ? "/v1/services/%s/logs?follow=1" : "/v1/services/%s/logs",
                          args->words[0]);
    q.path = path;
    r = api_stream(ctl, &q, &reply);
    http_reply_done(&reply);
    free(path);
    return r;
}

int cmd_service_migrate(struct ctl *ctl, const struct args *args)
{
    const char *to = args_value(args, "to");
    struct node *body = NULL, *answer = NULL;
    char *path, *outcome;
    int r;
    if (!to)
        return ctl_fail(ctl, CTL_USAGE, "--to HOST says where to");
    body = node_map();
    if (print_yaml_asked(ctl, args)) {
        node_set_text(body, "host", to);
        r = print_yaml_services(ctl, args->words, 1, body);
        node_free(body);
        return r;
    }
    node_set_text(body, "to", to);
    path = http_path("/v1/services/%s/migrate", args->words[0]);
    outcome = xasprintf("iothctl service show %s", args->words[0]);
    ctl->outcome = outcome;
    r = api_call(ctl, "POST", path, body, API_SLOW, &answer);
    ctl->outcome = NULL;
    free(outcome);
    free(path);
    node_free(body);
    if (r)
        return r;
    if (ctl->output_given && answer)
        output_tree(ctl, answer);
    else if (answer && node_get(answer, "gap_ms"))
        printf("%s is on %s, after a gap of %lld ms\n", args->words[0], to,
               (long long)node_get_int(answer, "gap_ms", 0));
    else
        printf("%s is on %s\n", args->words[0], to);
    node_free(answer);
    return 0;
}
