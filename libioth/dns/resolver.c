/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Resolvers: what they are told, and asking with the cache and the domains to search. */
#include "libioth/dns/resolver.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE   1024
#define CONFIG_SIZE 65536 /* Of a text. */

/* --- configuration ------------------------------------------------------------------------------ */

static bool add_server(struct ioth *stack, struct dns_setting *set, const char *text)
{
    struct sockaddr_in6 *s = &set->servers[set->n_servers];
    size_t n = strcspn(text, "%");
    char addr[INET6_ADDRSTRLEN];

    if (set->n_servers == IOTHDNS_MAXNS || n >= sizeof addr)
        return false;
    memcpy(addr, text, n);
    addr[n] = 0;
    *s = (struct sockaddr_in6){.sin6_family = AF_INET6,
                               .sin6_port = htons(IOTHDNS_DEFAULT_PORT)};
    if (inet_pton(AF_INET, addr, s->sin6_addr.s6_addr + 12) == 1)
        memset(s->sin6_addr.s6_addr + 10, 0xff, 2);
    else if (inet_pton(AF_INET6, addr, &s->sin6_addr) != 1)
        return false;
    if (text[n] == '%') {
        int index = ioth_if_nametoindex(stack, text + n + 1);

        s->sin6_scope_id = index > 0 ? (unsigned)index : 0;
    }
    set->n_servers++;
    return true;
}

static void add_domains(struct dns_setting *set, char *list)
{
    char *save = NULL;

    /* The last line counts. */
    set->n_domains = 0;
    for (char *d = strtok_r(list, " \t", &save); d && set->n_domains < DOMAINS_MAX;
         d = strtok_r(NULL, " \t", &save)) {
        size_t n = strlen(d);

        if (n && d[n - 1] == '.')
            d[--n] = 0;
        if (n == 0 || n >= IOTHDNS_MAXNAME)
            continue;
        memcpy(set->domains[set->n_domains++], d, n + 1);
    }
}

static void read_line(struct ioth *stack, struct dns_setting *set, char *line)
{
    size_t n;
    char *value;

    line[strcspn(line, "#;\n")] = 0;
    line += strspn(line, " \t");
    n = strcspn(line, " \t");
    value = line + n + strspn(line + n, " \t");
    line[n] = 0;
    if (!strcmp(line, "nameserver")) {
        value[strcspn(value, " \t")] = 0;
        (void)add_server(stack, set, value);
    } else if (!strcmp(line, "search") || !strcmp(line, "domain")) {
        add_domains(set, value);
    }
}

static void read_setting(struct ioth *stack, struct dns_setting *set, FILE *f)
{
    char line[LINE_SIZE];

    memset(set, 0, sizeof *set);
    while (fgets(line, sizeof line, f))
        read_line(stack, set, line);
}

static int read_file(struct ioth *stack, struct dns_setting *set, const char *path)
{
    FILE *f = fopen(path ? path : IOTHDNS_DEFAULT_RESOLV_CONF, "re");

    if (!f)
        return -errno;
    read_setting(stack, set, f);
    (void)fclose(f);
    return 0;
}

static bool is_list(const char *text)
{
    return *text && text[strspn(text, "0123456789abcdefABCDEF.:,")] == 0;
}

static int read_text(struct ioth *stack, struct dns_setting *set, const char *text)
{
    size_t size = strlen(text);
    char *copy, *save = NULL;

    if (size >= CONFIG_SIZE)
        return -EINVAL;
    copy = strdup(text);
    if (!copy)
        return -ENOMEM;
    memset(set, 0, sizeof *set);
    if (is_list(copy)) {
        for (char *a = strtok_r(copy, ",", &save); a; a = strtok_r(NULL, ",", &save))
            (void)add_server(stack, set, a);
    } else {
        for (char *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
            read_line(stack, set, l);
    }
    free(copy);
    return 0;
}

/* --- resolvers ---------------------------------------------------------------------------------- */

static int fail(int r)
{
    errno = -r;
    return -1;
}

static struct iothdns *make(struct ioth *stack, const struct dns_setting *set, int r)
{
    struct iothdns *d = r == 0 ? calloc(1, sizeof *d) : NULL;

    if (!d) {
        fail(r < 0 ? r : -ENOMEM);
        return NULL;
    }
    d->stack = stack;
    d->setting = *set;
    pthread_mutex_init(&d->lock, NULL);
    return d;
}

static int replace(struct iothdns *d, const struct dns_setting *set, int r)
{
    if (r < 0)
        return fail(r);
    pthread_mutex_lock(&d->lock);
    d->setting = *set;
    cache_clear(&d->cache);
    pthread_mutex_unlock(&d->lock);
    return 0;
}

struct iothdns *iothdns_init(struct ioth *stack, char *path_config)
{
    struct dns_setting set;
    int r = read_file(stack, &set, path_config);

    return make(stack, &set, r);
}

struct iothdns *iothdns_init_strcfg(struct ioth *stack, char *config)
{
    struct dns_setting set;
    int r = config ? read_text(stack, &set, config) : read_file(stack, &set, NULL);

    return make(stack, &set, r);
}

int iothdns_update(struct iothdns *d, char *path_config)
{
    struct dns_setting set;
    int r = read_file(d->stack, &set, path_config);

    return replace(d, &set, r);
}

int iothdns_update_strcfg(struct iothdns *d, char *config)
{
    struct dns_setting set;
    int r = config ? read_text(d->stack, &set, config) : read_file(d->stack, &set, NULL);

    return replace(d, &set, r);
}

int iothdns_add_nameserver(struct iothdns *d, int af, void *in46_addr)
{
    char text[INET6_ADDRSTRLEN];
    bool added;

    if (!inet_ntop(af, in46_addr, text, sizeof text))
        return -1;
    pthread_mutex_lock(&d->lock);
    added = add_server(d->stack, &d->setting, text);
    pthread_mutex_unlock(&d->lock);
    return added ? 0 : fail(-ENOSPC);
}

void iothdns_setpath(struct iothdns *d, enum iothdns_pathtag tag, char *newvalue)
{
    char *copy = newvalue ? strdup(newvalue) : NULL;

    pthread_mutex_lock(&d->lock);
    free(d->paths[tag]);
    d->paths[tag] = copy;
    pthread_mutex_unlock(&d->lock);
}

char *dns_path(struct iothdns *d, enum iothdns_pathtag tag)
{
    static const char *const defaults[IOTHDNS_PATH_SIZE] = {IOTHDNS_DEFAULT_HOSTS,
                                                            IOTHDNS_DEFAULT_SERVICES};
    char *copy;

    pthread_mutex_lock(&d->lock);
    copy = strdup(d->paths[tag] ? d->paths[tag] : defaults[tag]);
    pthread_mutex_unlock(&d->lock);
    return copy;
}

int iothdns_getpath(struct iothdns *d, enum iothdns_pathtag tag, char *buf, size_t size)
{
    char *path = dns_path(d, tag);
    int n = path ? snprintf(buf, size, "%s", path) : -1;

    free(path);
    return n;
}

void iothdns_fini(struct iothdns *d)
{
    if (!d)
        return;
    for (unsigned i = 0; i < IOTHDNS_PATH_SIZE; i++)
        free(d->paths[i]);
    cache_clear(&d->cache);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

/* --- asking ------------------------------------------------------------------------------------- */

int dns_ask(struct iothdns *d, const char *name, int type, bool tcp, struct dns_answer *out)
{
    struct dns_setting set;
    int r = 0;

    *out = (struct dns_answer){.data = NULL};
    pthread_mutex_lock(&d->lock);
    set = d->setting;
    if (!tcp)
        out->data =
            cache_get(&d->cache, name, type, &r, &out->size, &out->age_sec, mtime_now());
    pthread_mutex_unlock(&d->lock);
    if (out->data)
        return r;
    r = dns_query(d->stack, &set, name, type, tcp, out);
    if ((r == 0 || r == -ENOENT) && out->data) {
        pthread_mutex_lock(&d->lock);
        cache_put(&d->cache, name, type, r, out->data, out->size, mtime_now());
        pthread_mutex_unlock(&d->lock);
    }
    return r;
}

int dns_search(struct iothdns *d, const char *name, int type, bool tcp,
               struct dns_answer *out)
{
    struct dns_setting set;

    pthread_mutex_lock(&d->lock);
    set = d->setting;
    pthread_mutex_unlock(&d->lock);
    for (unsigned i = 0; !strchr(name, '.') && *name && i < set.n_domains; i++) {
        char full[IOTHDNS_MAXNAME];
        int n = snprintf(full, sizeof full, "%s.%s", name, set.domains[i]);
        int r;

        if (n < 0 || n >= (int)sizeof full)
            continue;
        r = dns_ask(d, full, type, tcp, out);
        if (r != -ENOENT)
            return r;
        free(out->data);
    }
    return dns_ask(d, name, type, tcp, out);
}
