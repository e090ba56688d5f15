/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keeper/spec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/fd.h"
#include "proto/base/xalloc.h"
#include "proto/model/schema.h"

#define STOP_WAIT  (5 * MTIME_SEC)
#define SECRET_MAX 65536
#define PATH_TEXT  "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* The texts of a list, borrowed. */
static char **texts_of(const struct node *list)
{
    size_t n = list && list->kind == NODE_LIST ? list->n : 0;
    char **texts = xcalloc(n + 1, sizeof *texts);
    size_t at = 0;

    for (size_t i = 0; i < n; i++)
        if (list->child[i]->kind == NODE_TEXT)
            texts[at++] = list->child[i]->text;
    return texts;
}

static mtime_t time_of(const struct node *map, const char *key, int64_t otherwise_ms)
{
    int64_t ms = otherwise_ms;

    (void)schema_parse_time(node_get_text(map, key, ""), &ms);
    return ms * MTIME_MS;
}

/* ADDRESS[/LEN]; prefix 255 where none is given. */
static bool address_of(const char *text, uint8_t *family, uint8_t *prefix, uint8_t addr[16])
{
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    char host[64];

    if (len >= sizeof host)
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    *prefix = slash ? (uint8_t)strtoul(slash + 1, NULL, 10) : 255;
    if (inet_pton(AF_INET, host, addr) == 1)
        *family = 4;
    else if (inet_pton(AF_INET6, host, addr) == 1)
        *family = 6;
    else
        return false;
    return true;
}

static void read_addresses(struct spec *s)
{
    const struct node *list = node_get(s->body, "addresses");
    const struct node *gateways = node_get(s->body, "gateway");
    const char *mac = node_get_text(s->body, "mac", "");

    for (size_t i = 0; list && i < list->n && s->n_addrs < PLUG_MAX_ADDRS; i++) {
        struct plug_addr *a = &s->addrs[s->n_addrs];

        if (list->child[i]->kind == NODE_TEXT &&
            address_of(list->child[i]->text, &a->family, &a->prefix, a->addr))
            s->n_addrs++;
    }
    for (size_t i = 0; gateways && i < gateways->n; i++) {
        struct netcfg_addr a = {.family = 0};

        if (gateways->child[i]->kind != NODE_TEXT ||
            !address_of(gateways->child[i]->text, &a.family, &a.prefix, a.addr))
            continue;
        if (a.family == 4)
            s->gateway4 = a;
        else
            s->gateway6 = a;
    }
    for (unsigned i = 0; strlen(mac) == 17 && i < 6; i++)
        s->mac[i] = (uint8_t)strtoul(mac + 3 * (size_t)i, NULL, 16);
}

static void read_policy(struct spec *s)
{
    const char *restart = node_get_text(s->body, "restart", "always");
    const struct node *check = node_get(s->body, "check");

    s->policy = (struct supervise_policy){
        .restart = strcmp(restart, "never") == 0        ? SUPERVISE_NEVER
                   : strcmp(restart, "on-failure") == 0 ? SUPERVISE_ON_FAILURE
                                                        : SUPERVISE_ALWAYS,
        .has_check = check != NULL,
        .every = time_of(check, "every", 10000),
        .timeout = time_of(check, "timeout", 2000),
        .failures = (unsigned)node_get_int(check, "failures", 3),
        .stop_wait = STOP_WAIT,
    };
    if (!check)
        return;
    s->check_path = node_get_text(check, "http", NULL);
    s->check_port = (uint16_t)node_get_int(check, s->check_path ? "port" : "tcp",
                                           s->check_path ? 80 : 0);
    s->check = s->check_path ? SPEC_HTTP : s->check_port ? SPEC_TCP : SPEC_COMMAND;
}

struct spec *spec_new(struct node *body, struct err *err)
{
    const struct node *limits = node_get(body, "limits");
    struct spec *s = xcalloc(1, sizeof *s);
    const char *network = node_get_text(body, "network", "");

    s->body = body;
    s->argv = texts_of(node_get(body, "command"));
    s->check_argv = texts_of(node_get(node_get(body, "check"), "command"));
    s->folder = node_get_text(body, "folder", "/");
    s->vlan = (uint16_t)node_get_int(body, "vlan", 0);
    s->memory = schema_memory(limits);
    s->cpu = node_get_int(limits, "cpu", 0);
    s->processes = node_get_int(limits, "processes", 0);
    if (!s->argv[0] || !*network || strlen(network) >= sizeof s->network) {
        spec_free(s);
        err_set(err, -EPROTO, "no command and network");
        return NULL;
    }
    memcpy(s->network, network, strlen(network) + 1);
    read_addresses(s);
    read_policy(s);
    return s;
}

void spec_free(struct spec *s)
{
    if (!s)
        return;
    free(s->argv);
    free(s->check_argv);
    node_free(s->body);
    free(s);
}

bool spec_needs_restart(const struct spec *a, const struct spec *b)
{
    static const char *const keys[] = {"network", "vlan",    "addresses",   "mac",
                                       "gateway", "command", "environment", "secrets",
                                       "folder",  "limits"};

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const struct node *x = node_get(a->body, keys[i]), *y = node_get(b->body, keys[i]);

        if (!x != !y || (x && !node_equal(x, y)))
            return true;
    }
    return false;
}

/* --- the environment --------------------------------------------------------------------- */

struct environment {
    char **list;
    size_t n;
};

/* Takes the text. */
static void add(struct environment *e, char *text)
{
    e->list = xrealloc(e->list, (e->n + 2) * sizeof *e->list);
    e->list[e->n++] = text;
    e->list[e->n] = NULL;
}

/* The text of a secret's file, without the end of its line. */
static char *read_secret(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char *text = xcalloc(1, SECRET_MAX + 1);
    struct stat st;
    ssize_t n = -1;

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        n = read(fd, text, SECRET_MAX);
    else if (fd >= 0)
        errno = EINVAL;
    if (n < 0 || memchr(text, '\0', (size_t)n)) {
        err_set(err, n < 0 ? -errno : -EINVAL, "the secret in %s cannot be read: %s", path,
                n < 0 ? err_text(errno) : "it is not a text");
        explicit_bzero(text, SECRET_MAX);
        free(text);
        text = NULL;
    } else if (n > 0 && text[n - 1] == '\n') {
        text[n - 1] = '\0';
    }
    fd_close(&fd);
    return text;
}

static bool add_secrets(struct environment *e, const struct node *list, struct err *err)
{
    for (size_t i = 0; list && i < list->n; i++) {
        const char *name = node_get_text(list->child[i], "name", "");
        char *text = read_secret(node_get_text(list->child[i], "file", ""), err);

        if (!text)
            return false;
        add(e, xasprintf("%s=%s", name, text));
        explicit_bzero(text, strlen(text));
        free(text);
    }
    return true;
}

char **spec_environment(const struct spec *s, struct err *err)
{
    const struct node *given = node_get(s->body, "environment");
    const struct passwd *pw = getpwuid(geteuid());
    struct environment e = {.list = NULL};

    add(&e, xstrdup("PATH=" PATH_TEXT));
    add(&e, xstrdup("LANG=C.UTF-8"));
    add(&e, xasprintf("HOME=%s", pw ? pw->pw_dir : "/"));
    add(&e, xasprintf("USER=%s", pw ? pw->pw_name : "nobody"));
    add(&e, xasprintf("LOGNAME=%s", pw ? pw->pw_name : "nobody"));
    for (size_t i = 0; given && i < given->n; i++)
        if (given->child[i]->kind == NODE_TEXT)
            add(&e, xstrdup(given->child[i]->text));
    if (add_secrets(&e, node_get(s->body, "secrets"), err))
        return e.list;
    spec_free_environment(e.list);
    return NULL;
}

void spec_free_environment(char **list)
{
    for (size_t i = 0; list && list[i]; i++) {
        explicit_bzero(list[i], strlen(list[i]));
        free(list[i]);
    }
    free(list);
}
