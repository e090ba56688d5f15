/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of a service, and what the table cannot say of one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/model/schema_internal.h"

/* clang-format off */

#define NONE {0}
#define ARGV (FIELD_LIST | FIELD_REPEAT)
#define ARGUMENT .min = 1, .max = 4095, .most = 256

static const struct field check_fields[] = {
    {.name = "http", .type = FIELD_TEXT, .form = "a path from / on", .min = 1, .max = 1024,
     .help = "A path that answers GET with a status below 400"},
    {.name = "port", .type = FIELD_INT, .min = 1, .max = 65535, .help = "The port of http, 80 if not given"},
    {.name = "tcp", .type = FIELD_INT, .min = 1, .max = 65535, .help = "A port that takes connections"},
    {.name = "command", .type = FIELD_TEXT, .flags = ARGV, ARGUMENT,
     .help = "A program that ends well, run beside the service"},
    {.name = "every", .type = FIELD_TIME, .min = 100, .max = 3600000, .otherwise = "10s",
     .help = "Time between checks"},
    {.name = "timeout", .type = FIELD_TIME, .min = 50, .max = 600000, .otherwise = "2s",
     .help = "After which a check has failed"},
    {.name = "failures", .type = FIELD_INT, .min = 1, .max = 100, .otherwise = "3",
     .help = "Failed checks in a row that make the service unhealthy"},
    NONE
};

static const struct field limit_fields[] = {
    {.name = "memory", .type = FIELD_TEXT, .form = "a number of K, M or G as 512M", .min = 2, .max = 16, .impact = IMPACT_RESTART,
     .help = "Most memory, in KiB, MiB or GiB: 512M"},
    {.name = "cpu", .type = FIELD_INT, .min = 1, .max = 100000, .impact = IMPACT_RESTART,
     .help = "Most time of processors, in percent of one"},
    {.name = "processes", .type = FIELD_INT, .min = 1, .max = 1000000, .impact = IMPACT_RESTART,
     .help = "Most processes and threads"},
    NONE
};

static const struct field secret_fields[] = {
    {.name = "name", .type = FIELD_TEXT, .flags = FIELD_REQUIRED, .min = 1, .max = 255, .impact = IMPACT_RESTART,
     .help = "The environment variable that it becomes"},
    {.name = "file", .type = FIELD_TEXT, .form = "a path from / on", .flags = FIELD_REQUIRED, .min = 2, .max = 4095, .impact = IMPACT_RESTART,
     .help = "Where it is, on the host of the service"},
    NONE
};

const struct field schema_service_fields[] = {
    {.name = "network", .type = FIELD_NAME, .flags = FIELD_REQUIRED | FIELD_LINK, .words = "network",
     .impact = IMPACT_RESTART, .help = "The network that it is on"},
    {.name = "vlan", .type = FIELD_INT, .min = 1, .max = 4094, .impact = IMPACT_RESTART,
     .help = "The VLAN that it is in"},
    {.name = "host", .type = FIELD_NAME, .flags = FIELD_LINK | FIELD_RESOLVED, .words = "host",
     .impact = IMPACT_RESTART,
     .help = "Where it runs; by its place, or the host that it was made at, if not given"},
    {.name = "place", .type = FIELD_NAME, .flags = FIELD_LIST, .most = 16, .impact = IMPACT_RESTART,
     .help = "Labels that its host must have"},
    {.name = "addresses", .type = FIELD_CIDR, .flags = FIELD_LIST | FIELD_RESOLVED, .most = 8,
     .impact = IMPACT_RESTART, .help = "Its addresses; out of the address plan if not given"},
    {.name = "mac", .type = FIELD_MAC, .flags = FIELD_RESOLVED, .impact = IMPACT_RESTART,
     .help = "Its MAC; follows from fabric, network and name if not given"},
    {.name = "gateway", .type = FIELD_IP, .flags = FIELD_LIST, .most = 2, .impact = IMPACT_RESTART,
     .help = "Where its default routes go, one of each family; none if not given"},
    {.name = "command", .type = FIELD_TEXT, .flags = ARGV | FIELD_REQUIRED, ARGUMENT,
     .impact = IMPACT_RESTART, .help = "The program and its arguments"},
    {.name = "environment", .type = FIELD_TEXT, .flags = FIELD_LIST, .form = "NAME=VALUE", .min = 2, .max = 8191, .most = 256,
     .impact = IMPACT_RESTART,
     .help = "NAME=VALUE of its environment, which has nothing else but PATH, HOME, USER, LANG"},
    {.name = "secrets", .type = FIELD_MAP, .flags = FIELD_LIST, .fields = secret_fields, .most = 32,
     .impact = IMPACT_RESTART, .help = "Secrets that become environment variables"},
    {.name = "folder", .type = FIELD_TEXT, .form = "a path from / on", .min = 1, .max = 4095, .otherwise = "/",
     .impact = IMPACT_RESTART, .help = "The folder that it starts in"},
    {.name = "restart", .type = FIELD_ENUM, .words = "always|on-failure|never", .otherwise = "always",
     .help = "When it is started again after its end"},
    {.name = "check", .type = FIELD_MAP, .fields = check_fields, .help = "How it is asked whether it is well"},
    {.name = "limits", .type = FIELD_MAP, .fields = limit_fields, .impact = IMPACT_RESTART,
     .help = "What it may use of its host, where control groups are to be had"},
    {.name = "after", .type = FIELD_NAME, .flags = FIELD_LIST | FIELD_LINK, .words = "service", .most = 32,
     .help = "Services that are up before it starts, if they are to run"},
    {.name = "requires", .type = FIELD_NAME, .flags = FIELD_LIST | FIELD_LINK, .words = "service",
     .most = 32, .help = "Services without which it does not run"},
    {.name = "state", .type = FIELD_TEXT, .flags = FIELD_LIST, .form = "a path from / on", .min = 2, .max = 4095, .most = 16,
     .help = "Folders with its state, which go with it to another host"},
    {.name = "run", .type = FIELD_BOOL, .otherwise = "true",
     .help = "Whether it is to run: service stop and start"},
    {.name = "name", .type = FIELD_TEXT, .flags = FIELD_READONLY, .help = "Name of the object"},
    {.name = "revision", .type = FIELD_TEXT, .flags = FIELD_READONLY,
     .help = "Rises with every change of the object"},
    {.name = "owner", .type = FIELD_TEXT, .flags = FIELD_READONLY, .help = "Who made it: cli, file, run, …"},
    {.name = "status", .type = FIELD_TEXT, .flags = FIELD_READONLY,
     .help = "What is, as against what is wanted"},
    NONE
};

/* clang-format on */

/* Bytes of 512K, 64M or 2G; 0 if it is none of these. */
static int64_t memory_of(const char *text)
{
    static const char units[] = "KMG";
    char *end;
    long long n = strtoll(text, &end, 10);
    const char *unit = *end ? strchr(units, *end) : NULL;

    if (*text < '1' || *text > '9' || n > 1 << 20 || !unit || end[1]) {
        return 0;
    }
    return (int64_t)n << (10 * (1 + (unit - units)));
}

int64_t schema_memory(const struct node *limits)
{
    return memory_of(node_get_text(limits, "memory", ""));
}

/* A mistake at a key of the object. */
static void bad_at(struct check *c, const char *key, const struct node *at, const char *why)
{
    size_t before = check_down(c, key);

    check_bad(c, at, "%s", why);
    check_up(c, before);
}

/* What a shell takes for the name of a variable; *end is what follows it. */
static bool variable_ok(const char *text, char end)
{
    size_t n =
        strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789");

    return n > 0 && text[n] == end && !(*text >= '0' && *text <= '9');
}

static void check_rules(struct check *c, const struct node *check, const struct node *at)
{
    int n =
        !!node_get(check, "http") + !!node_get(check, "tcp") + !!node_get(check, "command");

    if (n != 1) {
        bad_at(c, "check", at, "is one of http: /PATH, tcp: PORT and command: [PROGRAM]");
    } else if (node_get_text(check, "http", "/")[0] != '/') {
        bad_at(c, "check", at, "http is a path that begins with /");
    } else if (node_get(check, "port") && !node_get(check, "http")) {
        bad_at(c, "check", at, "port goes with http");
    }
}

static void text_rules(struct check *c, const struct node *in, const struct node *out)
{
    const struct node *list = node_get(out, "environment");

    for (size_t i = 0; list && i < list->n; i++) {
        if (!variable_ok(list->child[i]->text, '=')) {
            bad_at(c, "environment", list->child[i], "is not NAME=VALUE");
        }
    }
    list = node_get(out, "secrets");
    for (size_t i = 0; list && i < list->n; i++) {
        if (!variable_ok(node_get_text(list->child[i], "name", "x"), '\0')) {
            bad_at(c, "secrets", list->child[i], "has a name that is none of a variable");
        }
        if (node_get_text(list->child[i], "file", "/")[0] != '/') {
            bad_at(c, "secrets", list->child[i], "has a file that does not begin with /");
        }
    }
    list = node_get(out, "state");
    for (size_t i = 0; list && i < list->n; i++) {
        if (list->child[i]->text[0] != '/' || strstr(list->child[i]->text, "/../")) {
            bad_at(c, "state", list->child[i], "is not a path from / on");
        }
    }
    if (node_get_text(out, "folder", "/")[0] != '/') {
        bad_at(c, "folder", node_get(in, "folder"), "does not begin with /");
    }
}

void schema_service_rules(struct check *c, const struct node *in, const struct node *out)
{
    const struct node *limits = node_get(out, "limits");
    const struct node *gateway = node_get(out, "gateway");

    if (node_get(out, "check")) {
        check_rules(c, node_get(out, "check"), node_get(in, "check"));
    }
    if (node_get_text(limits, "memory", NULL) && !schema_memory(limits)) {
        bad_at(c, "limits", node_get(in, "limits"),
               "memory is a number of K, M or G: 512M");
    }
    if (gateway && gateway->n == 2 &&
        !strchr(gateway->child[0]->text, ':') == !strchr(gateway->child[1]->text, ':')) {
        bad_at(c, "gateway", node_get(in, "gateway"), "has two of one family");
    }
    text_rules(c, in, out);
}
