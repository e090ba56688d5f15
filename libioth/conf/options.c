/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/conf/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libioth/conf/iothconf.h"
#include "proto/wire/mac.h"

#define AUTO4 (IOTHCONF_ETH | IOTHCONF_DHCP)
#define AUTO6 (IOTHCONF_ETH | IOTHCONF_DHCPV6 | IOTHCONF_RD)

/* Words, with or without '-' in front. */
static const struct {
    const char *name;
    unsigned bits;
} methods[] = {
    {"eth", IOTHCONF_ETH},     {"dhcp", IOTHCONF_DHCP},    {"dhcp4", IOTHCONF_DHCP},
    {"dhcpv4", IOTHCONF_DHCP}, {"dhcp6", IOTHCONF_DHCPV6}, {"dhcpv6", IOTHCONF_DHCPV6},
    {"rd", IOTHCONF_RD},       {"rd6", IOTHCONF_RD},       {"slaac", OPTIONS_SLAAC},
    {"auto", AUTO4 | AUTO6},   {"auto4", AUTO4},           {"autov4", AUTO4},
    {"auto6", AUTO6},          {"autov6", AUTO6},
};

/* --- taking apart ------------------------------------------------------------------------------- */

/* Ends the option at `text` with a NUL, without its quotes, and returns the next one; NULL: the quotes or
 * brackets do not close. */
static char *cut(char *text)
{
    char *from = text, *to = text, quote = 0;
    int depth = 0;

    for (; *from && (quote || depth || *from != ','); from++) {
        if (*from == '\\' && from[1]) {
            *to++ = *++from;
        } else if (quote ? *from == quote : *from == '"' || *from == '\'') {
            quote = quote ? 0 : *from;
        } else {
            if (!quote)
                depth += (*from == '[' || *from == '{') - (*from == ']' || *from == '}');
            *to++ = *from;
        }
    }
    if (quote || depth)
        return NULL;
    if (*from)
        from++;
    *to = 0;
    return from;
}

/* --- values ------------------------------------------------------------------------------------- */

static int bad(struct err *err, const char *name, const char *value)
{
    return err_set(err, -EINVAL, "%.40s=%.80s: not a value of this option", name, value);
}

static bool parse_addr(const char *value, bool with_len, struct conf_addr *out)
{
    size_t n = strcspn(value, "/");
    char text[INET6_ADDRSTRLEN], *end;
    uint8_t bytes[16] = {0};
    unsigned long len;

    if (n >= sizeof text || (value[n] && !with_len))
        return false;
    memcpy(text, value, n);
    text[n] = 0;
    if (inet_pton(AF_INET, text, bytes) == 1)
        *out = conf_addr4(bytes, with_len ? 24 : 0);
    else if (inet_pton(AF_INET6, text, bytes) == 1)
        *out = conf_addr6(bytes, with_len ? 64 : 0);
    else
        return false;
    if (!value[n])
        return true;
    len = strtoul(value + n + 1, &end, 10);
    if (end == value + n + 1 || *end || len > (out->family == 4 ? 32 : 128))
        return false;
    /* As in VirtualSquare's, 0 is as if nothing were said. */
    if (len)
        out->prefix = (uint8_t)len;
    return true;
}

/* ip, gw, dns and domain, into a set. 1: it is none of them. */
static int parse_static(const char *name, const char *value, struct conf_set *set)
{
    struct conf_addr a;

    if (!strcmp(name, "domain")) {
        conf_put_domain(set, value);
        return conf_name_ok(value) ? 0 : -EINVAL;
    }
    if (!strcmp(name, "ip")) {
        if (!parse_addr(value, true, &a))
            return -EINVAL;
        conf_put(set->addrs, &set->n_addrs, CONF_ADDRS_MAX, &a);
        return 0;
    }
    if (strcmp(name, "gw") != 0 && strcmp(name, "dns") != 0)
        return 1;
    if (!parse_addr(value, false, &a))
        return -EINVAL;
    if (*name == 'g')
        conf_put(set->routers, &set->n_routers, CONF_ROUTERS_MAX, &a);
    else
        conf_put(set->dns, &set->n_dns, CONF_DNS_MAX, &a);
    return 0;
}

static bool copy(char *to, size_t room, const char *value)
{
    if (!*value || strlen(value) >= room)
        return false;
    memcpy(to, value, strlen(value) + 1);
    return true;
}

/* Options that are about the interface or the node. 1: it is none of them. */
static int parse_about(const char *name, const char *value, struct options *o)
{
    if (!strcmp(name, "iface"))
        return copy(o->iface, sizeof o->iface, value) ? 0 : -EINVAL;
    if (!strcmp(name, "ifindex")) {
        char *end;
        unsigned long n = strtoul(value, &end, 10);

        o->ifindex = (unsigned)n;
        return *value && !*end && n > 0 && n <= INT32_MAX ? 0 : -EINVAL;
    }
    if (!strcmp(name, "fqdn"))
        return copy(o->fqdn, sizeof o->fqdn, value) && conf_name_ok(value) ? 0 : -EINVAL;
    if (!strcmp(name, "mac") || !strcmp(name, "macaddr")) {
        o->has_mac = mac_parse(value, o->mac);
        return o->has_mac ? 0 : -EINVAL;
    }
    return 1;
}

/* --- options ------------------------------------------------------------------------------------ */

static int parse_word(const char *word, struct options *o)
{
    bool undo = *word == '-';

    if (!strcmp(word, "debug")) {
        o->debug = true;
        return 0;
    }
    if (!strcmp(word, "-static")) {
        o->off |= IOTHCONF_STATIC;
        return 0;
    }
    if (!strcmp(word, "-all")) {
        o->off |= AUTO4 | AUTO6;
        return 0;
    }
    for (unsigned i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (strcmp(word + undo, methods[i].name) != 0)
            continue;
        *(undo ? &o->off : &o->on) |= methods[i].bits;
        return 0;
    }
    return -EINVAL;
}

static int parse_pair(const char *name, const char *value, bool with_stack,
                      struct options *o, struct err *err)
{
    bool undo = *name == '-';
    int r = 1;

    if (!strcmp(name, "stack") || !strcmp(name, "vnl")) {
        if (!with_stack)
            return err_set(err, -EINVAL, "%s= is for ioth_newstackc()", name);
        *(*name == 's' ? &o->stack : &o->vnl) = value;
        return 0;
    }
    if (!undo)
        r = parse_about(name, value, o);
    if (r == 1) {
        r = parse_static(name + undo, value, undo ? &o->remove : &o->add);
        if (r == 0)
            o->on |= IOTHCONF_STATIC;
    }
    if (r == 1)
        return err_set(err, -EINVAL, "no option is named %.80s=", name);
    return r < 0 ? bad(err, name, value) : 0;
}

int options_parse(const char *config, bool with_stack, struct options *o, struct err *err)
{
    size_t size = config ? strlen(config) : 0;
    unsigned n = 0;
    char *at, *next;
    int r = 0;

    memset(o, 0, sizeof *o);
    if (size >= sizeof o->text)
        return err_set(err, -EINVAL, "the configuration is longer than %u bytes",
                       OPTIONS_SIZE - 1);
    memcpy(o->text, config ? config : "", size + 1);
    for (at = o->text; *at && r == 0; at = next) {
        char *value;

        next = cut(at);
        if (!next || ++n > OPTIONS_MAX)
            return err_set(err, -EINVAL,
                           next ? "more than %u options"
                                : "a quote or bracket is not closed",
                           OPTIONS_MAX);
        if (!*at)
            continue;
        value = strchr(at, '=');
        if (value) {
            *value++ = 0;
            r = parse_pair(at, value, with_stack, o, err);
        } else if (parse_word(at, o) < 0) {
            r = err_set(err, -EINVAL, "no option is named %.80s", at);
        }
    }
    return r;
}
