/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The functions of iothconf.h. Each stack that is configured has a `struct stack_conf` and, once a method
 * needs it, a thread that drives its interfaces; who asks waits for it.
 */
#include "libioth/conf/iothconf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "libioth/conf/nic.h"
#include "proto/base/fd.h"
#include "proto/base/thread.h"

#define DEFAULT_IFACE "vde0"
#define NICS_MAX      64u
#define PATIENCE      (8 * MTIME_SEC) /* For DHCP and DHCPv6. */
#define PATIENCE_RD   (4 * MTIME_SEC)
#define PATIENCE_LAST                                                                      \
    (1 * MTIME_SEC) /* For DHCPv6 where a router says that there is none. */

struct stack_conf {
    struct conf conf;
    pthread_mutex_t lock;
    pthread_cond_t news; /* An engine has done something. */
    pthread_t thread;
    bool running, ending;
    int wake; /* An eventfd. */
    unsigned n_nics;
};

static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

static const unsigned bit_of[N_SOURCES] = {
    [SOURCE_STATIC] = IOTHCONF_STATIC,
    [SOURCE_DHCP4] = IOTHCONF_DHCP,
    [SOURCE_DHCP6] = IOTHCONF_DHCPV6,
    [SOURCE_RD] = IOTHCONF_RD,
};

/* --- the thread ----------------------------------------------------------------------------------- */

/* Called and returns with the lock held. */
static void wait_and_serve(struct stack_conf *c)
{
    struct pollfd fds[1 + NICS_MAX * NIC_FDS];
    mtime_t next = MTIME_NEVER, now;
    unsigned n = 1;
    uint64_t count;

    fds[0] = (struct pollfd){.fd = c->wake, .events = POLLIN};
    list_for_each (it, &c->conf.nics) {
        struct nic *i = list_entry(it, struct nic, link);

        n += nic_fds(i, fds + n);
        next = mtime_min(next, nic_deadline(i));
    }
    pthread_mutex_unlock(&c->lock);
    (void)poll(fds, n, mtime_timeout(next, mtime_now()));
    if (fds[0].revents)
        (void)!read(c->wake, &count, sizeof count);
    pthread_mutex_lock(&c->lock);
    now = mtime_now();
    list_for_each (it, &c->conf.nics)
        nic_serve(list_entry(it, struct nic, link), now);
}

static void *run(void *aux)
{
    struct stack_conf *c = aux;

    pthread_mutex_lock(&c->lock);
    while (!c->ending) {
        wait_and_serve(c);
        pthread_cond_broadcast(&c->news);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

static void wake(struct stack_conf *c)
{
    uint64_t one = 1;

    (void)!write(c->wake, &one, sizeof one);
}

/* --- a stack's ------------------------------------------------------------------------------------ */

static void conf_end(struct ioth *stack)
{
    struct stack_conf *c = stack->conf;

    pthread_mutex_lock(&c->lock);
    c->ending = true;
    pthread_mutex_unlock(&c->lock);
    wake(c);
    if (c->running)
        pthread_join(c->thread, NULL);
    list_for_each_safe (it, &c->conf.nics)
        nic_free(list_entry(it, struct nic, link));
    fd_close(&c->wake);
    fd_close(&c->conf.event);
    pthread_cond_destroy(&c->news);
    pthread_mutex_destroy(&c->lock);
    stack->conf = NULL;
    stack->conf_end = NULL;
    free(c);
}

static struct stack_conf *conf_new(struct ioth *stack)
{
    struct stack_conf *c = calloc(1, sizeof *c);
    pthread_condattr_t monotonic;

    if (!c)
        return NULL;
    c->conf.stack = stack;
    list_init(&c->conf.nics);
    c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    c->conf.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->wake < 0 || c->conf.event < 0 || sodium_init() < 0) {
        fd_close(&c->wake);
        fd_close(&c->conf.event);
        free(c);
        return NULL;
    }
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&c->news, &monotonic);
    pthread_condattr_destroy(&monotonic);
    stack->conf = c;
    stack->conf_end = conf_end;
    return c;
}

/* With its lock held; NULL with errno. */
static struct stack_conf *conf_enter(struct ioth *stack, bool make)
{
    struct stack_conf *c;

    pthread_mutex_lock(&making);
    c = stack->conf;
    if (!c && make)
        c = conf_new(stack);
    pthread_mutex_unlock(&making);
    if (!c) {
        errno = make ? ENOMEM : ENOENT;
        return NULL;
    }
    pthread_mutex_lock(&c->lock);
    return c;
}

static struct nic *find_nic(struct stack_conf *c, unsigned ifindex)
{
    list_for_each (it, &c->conf.nics) {
        struct nic *i = list_entry(it, struct nic, link);

        if (i->ifindex == ifindex)
            return i;
    }
    return NULL;
}

/* The index of the interface that the options mean, or -ENODEV. */
static int index_of(struct ioth *stack, const struct options *o, struct err *err)
{
    const char *name = o->iface[0] ? o->iface : DEFAULT_IFACE;
    int index = o->ifindex ? (int)o->ifindex : ioth_if_nametoindex(stack, name);

    return index > 0 ? index : err_set(err, -ENODEV, "the stack has no interface %s", name);
}

/* --- configuring ---------------------------------------------------------------------------------- */

static void undo(struct nic *i, const struct options *o)
{
    for (unsigned s = 0; s < N_SOURCES; s++) {
        if (o->off & bit_of[s])
            nic_stop(i, s);
    }
}

static int set_static(struct nic *i, const struct options *o)
{
    const struct conf_set before = i->sets[SOURCE_STATIC];
    struct conf_set set = before;
    int r;

    for (unsigned n = 0; n < o->remove.n_addrs; n++)
        conf_take(set.addrs, &set.n_addrs, &o->remove.addrs[n]);
    for (unsigned n = 0; n < o->remove.n_routers; n++)
        conf_take(set.routers, &set.n_routers, &o->remove.routers[n]);
    for (unsigned n = 0; n < o->remove.n_dns; n++)
        conf_take(set.dns, &set.n_dns, &o->remove.dns[n]);
    for (unsigned n = 0; n < o->remove.n_domains; n++)
        conf_take_domain(&set, o->remove.domains[n]);
    for (unsigned n = 0; n < o->add.n_addrs; n++)
        conf_put(set.addrs, &set.n_addrs, CONF_ADDRS_MAX, &o->add.addrs[n]);
    for (unsigned n = 0; n < o->add.n_routers; n++)
        conf_put(set.routers, &set.n_routers, CONF_ROUTERS_MAX, &o->add.routers[n]);
    for (unsigned n = 0; n < o->add.n_dns; n++)
        conf_put(set.dns, &set.n_dns, CONF_DNS_MAX, &o->add.dns[n]);
    for (unsigned n = 0; n < o->add.n_domains; n++)
        conf_put_domain(&set, o->add.domains[n]);
    r = nic_apply(i, SOURCE_STATIC, &set);
    /* All of it or nothing. */
    if (r < 0)
        (void)nic_apply(i, SOURCE_STATIC, &before);
    return r;
}

static int start_methods(struct stack_conf *c, struct nic *i, const struct options *o)
{
    mtime_t now = mtime_now();
    bool any = false;

    for (unsigned s = SOURCE_DHCP4; s < N_SOURCES; s++) {
        if (!(o->on & bit_of[s]))
            continue;
        nic_start(i, s, o, now);
        any = true;
    }
    if (any && !c->running) {
        int r = thread_start(&c->thread, run, c);

        if (r < 0)
            return r;
        c->running = true;
    }
    wake(c);
    return 0;
}

static void wait_until(struct stack_conf *c, mtime_t when)
{
    struct timespec at = {.tv_sec = when / MTIME_SEC, .tv_nsec = when % MTIME_SEC * 1000};

    (void)pthread_cond_timedwait(&c->news, &c->lock, &at);
}

/* Until each method that was asked for has an answer or has been waited for long enough. */
static unsigned wait_for_methods(struct stack_conf *c, unsigned ifindex, unsigned bits)
{
    mtime_t begin = mtime_now(), end6 = begin + PATIENCE;
    unsigned done = 0;

    for (;;) {
        struct nic *i = find_nic(c, ifindex);
        mtime_t now = mtime_now(), until = 0;

        done = 0;
        for (unsigned s = SOURCE_DHCP4; i && s < N_SOURCES; s++) {
            mtime_t end = s == SOURCE_RD      ? begin + PATIENCE_RD
                          : s == SOURCE_DHCP6 ? end6
                                              : begin + PATIENCE;

            if (!(bits & bit_of[s]))
                continue;
            if (i->on[s] && nic_done(i, s))
                done |= bit_of[s];
            else if (i->on[s] && end > until)
                until = end;
        }
        if (until <= now)
            return done;
        if (i->on[SOURCE_RD] && i->rd.heard && !i->rd.managed && !i->rd.other)
            end6 = mtime_min(end6, now + PATIENCE_LAST);
        wait_until(c, until);
    }
}

static int configure(struct stack_conf *c, unsigned ifindex, const struct options *o)
{
    struct nic *i = find_nic(c, ifindex);
    unsigned done = 0;
    int r = 0;

    if (!i && c->n_nics < NICS_MAX) {
        i = nic_new(&c->conf, ifindex, o->iface[0] ? o->iface : DEFAULT_IFACE);
        c->n_nics += i != NULL;
    }
    if (!i)
        return -ENOMEM;
    undo(i, o);
    if (o->off & IOTHCONF_ETH)
        r = nic_set_down(i);
    if (r == 0 && o->on & IOTHCONF_ETH) {
        r = nic_set_link(i, o);
        done |= IOTHCONF_ETH;
    }
    if (r == 0 && o->on & IOTHCONF_STATIC) {
        r = set_static(i, o);
        done |= IOTHCONF_STATIC;
    }
    if (r == 0)
        r = start_methods(c, i, o);
    return r < 0 ? r : (int)(done | wait_for_methods(c, ifindex, o->on));
}

static void debug(struct stack_conf *c, unsigned ifindex)
{
    static const char *const names[N_SOURCES] = {"static", "dhcp", "dhcp6", "rd"};
    const struct nic *i = find_nic(c, ifindex);

    for (unsigned s = 0; i && s < N_SOURCES; s++) {
        const struct conf_set *set = &i->sets[s];
        char text[INET6_ADDRSTRLEN];

        for (unsigned n = 0; n < set->n_addrs; n++)
            fprintf(stderr, "ioth_config: interface %u %s ip=%s/%u\n", ifindex, names[s],
                    inet_ntop(set->addrs[n].family == 4 ? AF_INET : AF_INET6,
                              set->addrs[n].bytes, text, sizeof text),
                    set->addrs[n].prefix);
        for (unsigned n = 0; n < set->n_routers; n++)
            fprintf(stderr, "ioth_config: interface %u %s gw=%s\n", ifindex, names[s],
                    inet_ntop(set->routers[n].family == 4 ? AF_INET : AF_INET6,
                              set->routers[n].bytes, text, sizeof text));
        for (unsigned n = 0; n < set->n_dns; n++)
            fprintf(stderr, "ioth_config: interface %u %s dns=%s\n", ifindex, names[s],
                    inet_ntop(set->dns[n].family == 4 ? AF_INET : AF_INET6,
                              set->dns[n].bytes, text, sizeof text));
        for (unsigned n = 0; n < set->n_domains; n++)
            fprintf(stderr, "ioth_config: interface %u %s domain=%s\n", ifindex, names[s],
                    set->domains[n]);
    }
}

static int config_parsed(struct ioth *stack, const struct options *o)
{
    struct err err = {.why = ""};
    struct stack_conf *c;
    int index, r;

    if (!(o->on || o->off || o->debug))
        return 0;
    index = index_of(stack, o, &err);
    if (index < 0)
        return stack_failed(&err, index);
    c = conf_enter(stack, true);
    if (!c)
        return stack_failed(NULL, -errno);
    r = configure(c, (unsigned)index, o);
    if (o->debug)
        debug(c, (unsigned)index);
    pthread_mutex_unlock(&c->lock);
    return r < 0 ? stack_failed(NULL, r) : r;
}

/* --- the functions ------------------------------------------------------------------------------ */

/* The options, to be freed; NULL with errno and ioth_error(). */
static struct options *parse(const char *config, bool with_stack)
{
    struct options *o = malloc(sizeof *o);
    struct err err = {.why = ""};
    int r = o ? options_parse(config, with_stack, o, &err) : -ENOMEM;

    if (r == 0)
        return o;
    free(o);
    stack_failed(&err, r);
    return NULL;
}

int ioth_config(struct ioth *stack, const char *config)
{
    struct options *o = parse(config, false);
    int r = o ? config_parsed(stack_or_default(stack), o) : -1;

    free(o);
    return r;
}

struct ioth *ioth_newstackc(const char *stack_config)
{
    struct options *o = parse(stack_config, true);
    struct ioth *stack = o ? ioth_newstack(o->stack, o->vnl) : NULL;

    if (stack && config_parsed(stack, o) < 0) {
        int error = errno;

        ioth_delstack(stack);
        stack = NULL;
        errno = error;
    }
    free(o);
    return stack;
}

char *ioth_resolvconf(struct ioth *stack, const char *config)
{
    struct ioth *s = stack_or_default(stack);
    struct options *o = parse(config, false);
    struct err err = {.why = ""};
    struct stack_conf *c = NULL;
    char *text = NULL;
    struct nic *i = NULL;
    int index = -EINVAL;

    if (!o)
        return NULL;
    if (o->on || o->off || o->debug || o->fqdn[0] || o->has_mac)
        err_set(&err, -EINVAL, "of an interface, iface= or ifindex= can be said only");
    else
        index = index_of(s, o, &err);
    free(o);
    if (index < 0) {
        stack_failed(&err, index);
        return NULL;
    }
    c = conf_enter(s, false);
    if (c)
        i = find_nic(c, (unsigned)index);
    errno = 0;
    if (i && i->names_changed) {
        text = nic_resolvconf(i);
        i->names_changed = !text;
    }
    if (c)
        pthread_mutex_unlock(&c->lock);
    return text;
}

char *ioth_config_names(struct ioth *stack)
{
    struct stack_conf *c = conf_enter(stack_or_default(stack), false);
    char *all = NULL;
    size_t size = 0;
    FILE *f = c ? open_memstream(&all, &size) : NULL;

    if (f) {
        list_for_each (it, &c->conf.nics) {
            char *text = nic_resolvconf(list_entry(it, struct nic, link));

            fputs(text ? text : "", f);
            free(text);
        }
        (void)fclose(f);
    }
    if (c)
        pthread_mutex_unlock(&c->lock);
    return all;
}

int ioth_config_fd(struct ioth *stack)
{
    struct stack_conf *c = conf_enter(stack_or_default(stack), false);
    int fd;

    if (!c)
        return -1;
    fd = c->conf.event;
    pthread_mutex_unlock(&c->lock);
    return fd;
}
