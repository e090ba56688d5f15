/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/node/answer.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <ldns/ldns.h>
#include <stdlib.h>
#include <string.h>

/* Says for how long a denial may be kept (RFC 2308). */
#define DENIAL_SOA ". 5 IN SOA ioth. nobody.ioth. 1 3600 600 86400 5"

#define HEADER_SIZE 12
#define UDP_MINIMUM 512

static bool reverse4(const char *name, size_t len, char out[46])
{
    unsigned part[4];
    size_t at = 0;
    struct in_addr addr;
    uint8_t bytes[4];

    for (unsigned i = 0; i < 4; i++) {
        unsigned digits = 0;

        part[i] = 0;
        while (at < len && isdigit((unsigned char)name[at]) && digits++ < 3)
            part[i] = part[i] * 10 + (unsigned)(name[at++] - '0');
        if (digits == 0 || part[i] > 255 || (i < 3 && (at >= len || name[at++] != '.')))
            return false;
        bytes[3 - i] = (uint8_t)part[i];
    }
    memcpy(&addr, bytes, sizeof addr);
    return at == len && inet_ntop(AF_INET, &addr, out, 46);
}

static bool reverse6(const char *name, size_t len, char out[46])
{
    struct in6_addr addr = {.s6_addr = {0}};

    if (len != 63)
        return false;
    for (unsigned i = 0; i < 32; i++) {
        char c = name[2 * i];
        unsigned nibble;

        if (!isxdigit((unsigned char)c) || (i < 31 && name[2 * i + 1] != '.'))
            return false;
        nibble = (unsigned)(isdigit((unsigned char)c) ? c - '0' : c - 'a' + 10);
        addr.s6_addr[15 - i / 2] |= (uint8_t)(i & 1 ? nibble << 4 : nibble);
    }
    return inet_ntop(AF_INET6, &addr, out, 46);
}

/* True, with the length before it, if `name` ends in `suffix`. */
static bool ends_in(const char *name, const char *suffix, size_t *len)
{
    size_t n = strlen(name), s = strlen(suffix);

    if (n < s || strcmp(name + n - s, suffix) != 0)
        return false;
    *len = n - s;
    return true;
}

bool answer_reverse(const char *name, char out[46])
{
    size_t len;

    if (ends_in(name, ".in-addr.arpa", &len))
        return reverse4(name, len, out);
    if (ends_in(name, ".ip6.arpa", &len))
        return reverse6(name, len, out);
    return false;
}

static void add_text(struct answer_result *result, const char *text)
{
    size_t size = strlen(text) + 1;

    if (result->n < ANSWER_MAX && size <= ANSWER_NAME_SIZE)
        memcpy(result->texts[result->n++], text, size);
}

/* What every host knows of itself (RFC 6761, 6.3). */
static bool look_up_local(const char *name, enum answer_type type,
                          struct answer_result *out)
{
    size_t len;

    if (type == ANSWER_PTR) {
        if (strncmp(name, "127.", 4) != 0 && strcmp(name, "::1") != 0)
            return false;
        add_text(out, "localhost");
    } else {
        if (strcmp(name, "localhost") != 0 && !ends_in(name, ".localhost", &len))
            return false;
        add_text(out, type == ANSWER_A ? "127.0.0.1" : "::1");
    }
    out->found = true;
    return true;
}

/* The fabric's names are plain; any other name is nobody's. Lower-cases it in place, takes the
 * final dot off. */
static bool plain_name(char *name)
{
    size_t n = strlen(name);

    if (n > 0 && name[n - 1] == '.')
        name[--n] = '\0';
    for (size_t i = 0; i < n; i++) {
        name[i] = (char)tolower((unsigned char)name[i]);
        if (!isalnum((unsigned char)name[i]) && !strchr("-_.", name[i]))
            return false;
    }
    return n > 0 && n < ANSWER_NAME_SIZE;
}

/* Returns the code of the reply, and what goes into it. */
static ldns_pkt_rcode look_up(const ldns_rr *question, answer_lookup *lookup, void *aux,
                              struct answer_result *result)
{
    ldns_rr_type type = ldns_rr_get_type(question);
    enum answer_type wanted = type == LDNS_RR_TYPE_AAAA ? ANSWER_AAAA : ANSWER_A;
    char *name = ldns_rdf2str(ldns_rr_owner(question));
    char address[46];
    const char *asked = name;
    int r = 0;

    if (name && plain_name(name)) {
        if (answer_reverse(name, address)) {
            asked = address;
            wanted = ANSWER_PTR;
        }
        if (!look_up_local(asked, wanted, result))
            r = lookup(aux, asked, wanted, result);
    }
    free(name);
    if (r)
        return LDNS_RCODE_SERVFAIL;
    /* It exists, which is all that could be said of a type that the fabric has not. */
    if (wanted == ANSWER_PTR ? type != LDNS_RR_TYPE_PTR
                             : type != LDNS_RR_TYPE_A && type != LDNS_RR_TYPE_AAAA)
        result->n = 0;
    return result->found ? LDNS_RCODE_NOERROR : LDNS_RCODE_NXDOMAIN;
}

/* The data of one record, or NULL if the text is not of the type. */
static ldns_rdf *data_of(const char *text, ldns_rr_type type)
{
    uint8_t addr[16];

    if (type == LDNS_RR_TYPE_PTR)
        return ldns_dname_new_frm_str(text);
    if (inet_pton(type == LDNS_RR_TYPE_A ? AF_INET : AF_INET6, text, addr) != 1)
        return NULL;
    return type == LDNS_RR_TYPE_A ? ldns_rdf_new_frm_data(LDNS_RDF_TYPE_A, 4, addr)
                                  : ldns_rdf_new_frm_data(LDNS_RDF_TYPE_AAAA, 16, addr);
}

static void push_answers(ldns_pkt *reply, const ldns_rr *question,
                         const struct answer_result *result)
{
    ldns_rr_type type = ldns_rr_get_type(question);

    for (unsigned i = 0; i < result->n; i++) {
        ldns_rdf *data = data_of(result->texts[i], type);
        ldns_rr *rr = data ? ldns_rr_new() : NULL;

        if (!rr) {
            ldns_rdf_deep_free(data);
            continue;
        }
        ldns_rr_set_owner(rr, ldns_rdf_clone(ldns_rr_owner(question)));
        ldns_rr_set_type(rr, type);
        ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
        ldns_rr_set_ttl(rr, ANSWER_TTL_SEC);
        ldns_rr_push_rdf(rr, data);
        ldns_pkt_push_rr(reply, LDNS_SECTION_ANSWER, rr);
    }
}

static void push_denial(ldns_pkt *reply)
{
    ldns_rr *soa = NULL;

    if (ldns_rr_new_frm_str(&soa, DENIAL_SOA, 0, NULL, NULL) == LDNS_STATUS_OK)
        ldns_pkt_push_rr(reply, LDNS_SECTION_AUTHORITY, soa);
}

/* The reply to `query` (which asked `question`, or nothing that can be told) without records. */
static ldns_pkt *reply_start(const ldns_pkt *query, const ldns_rr *question,
                             ldns_pkt_rcode code)
{
    ldns_pkt *reply = ldns_pkt_new();

    if (!reply)
        return NULL;
    ldns_pkt_set_id(reply, ldns_pkt_id(query));
    ldns_pkt_set_opcode(reply, ldns_pkt_get_opcode(query));
    ldns_pkt_set_qr(reply, true);
    ldns_pkt_set_rd(reply, ldns_pkt_rd(query));
    /* Not true, but resolvers warn of a server that cannot, and there is nobody else to ask. */
    ldns_pkt_set_ra(reply, true);
    ldns_pkt_set_rcode(reply, (uint8_t)code);
    if (ldns_pkt_edns(query))
        ldns_pkt_set_edns_udp_size(reply, ANSWER_UDP_SIZE);
    if (question)
        ldns_pkt_push_rr(reply, LDNS_SECTION_QUESTION, ldns_rr_clone(question));
    return reply;
}

/* Why a query is not looked up, or NOERROR. */
static ldns_pkt_rcode refusal(const ldns_pkt *query, const ldns_rr *question)
{
    ldns_rr_type type;

    if (ldns_pkt_get_opcode(query) != LDNS_PACKET_QUERY)
        return LDNS_RCODE_NOTIMPL;
    if (!question || ldns_pkt_qdcount(query) != 1)
        return LDNS_RCODE_FORMERR;
    type = ldns_rr_get_type(question);
    if (ldns_rr_get_class(question) != LDNS_RR_CLASS_IN || type == LDNS_RR_TYPE_AXFR ||
        type == LDNS_RR_TYPE_IXFR)
        return LDNS_RCODE_REFUSED;
    return LDNS_RCODE_NOERROR;
}

/* Writes the reply if it fits. Returns its size, or 0. */
static size_t to_wire(const ldns_pkt *reply, uint8_t *out, size_t limit)
{
    uint8_t *wire = NULL;
    size_t size = 0;

    if (ldns_pkt2wire(&wire, reply, &size) != LDNS_STATUS_OK || size > limit)
        size = 0;
    if (size)
        memcpy(out, wire, size);
    LDNS_FREE(wire);
    return size;
}

static size_t size_taken(const ldns_pkt *query, bool udp, size_t limit)
{
    size_t taken = limit;

    if (udp)
        taken = ldns_pkt_edns(query) ? ldns_pkt_edns_udp_size(query) : UDP_MINIMUM;
    if (taken < UDP_MINIMUM)
        taken = UDP_MINIMUM;
    if (udp && taken > ANSWER_UDP_SIZE)
        taken = ANSWER_UDP_SIZE;
    return taken < limit ? taken : limit;
}

static size_t answer_packet(const ldns_pkt *query, size_t limit, answer_lookup *lookup,
                            void *aux, uint8_t *out)
{
    const ldns_rr *question = ldns_rr_list_rr(ldns_pkt_question(query), 0);
    struct answer_result *result = calloc(1, sizeof *result);
    ldns_pkt_rcode code = refusal(query, question);
    bool looked_up = code == LDNS_RCODE_NOERROR;
    ldns_pkt *reply = NULL;
    size_t size = 0;

    if (result && looked_up)
        code = look_up(question, lookup, aux, result);
    if (result)
        reply = reply_start(query, question, code);
    if (reply) {
        if (looked_up && code != LDNS_RCODE_SERVFAIL) {
            ldns_pkt_set_aa(reply, true);
            push_answers(reply, question, result);
            if (result->n == 0)
                push_denial(reply);
        }
        size = to_wire(reply, out, limit);
    }
    if (reply && size == 0) {
        ldns_pkt_free(reply);
        reply = reply_start(query, question, code);
        if (reply) {
            ldns_pkt_set_tc(reply, true);
            size = to_wire(reply, out, limit);
        }
    }
    ldns_pkt_free(reply);
    free(result);
    return size;
}

/* What is left to say to a message that cannot be read: its id, and FORMERR. */
static size_t answer_unreadable(const uint8_t *query, uint8_t *out, size_t limit)
{
    if (limit < HEADER_SIZE)
        return 0;
    memset(out, 0, HEADER_SIZE);
    memcpy(out, query, 2);
    out[2] = (uint8_t)(0x80 | (query[2] & 0x79)); /* QR; opcode and RD as they came. */
    out[3] = (uint8_t)LDNS_RCODE_FORMERR;
    return HEADER_SIZE;
}

size_t answer_message(const uint8_t *query, size_t size, bool udp, answer_lookup *lookup,
                      void *aux, uint8_t *out, size_t limit)
{
    ldns_pkt *pkt = NULL;
    size_t written;

    /* Too short to be asked, or a reply: two servers must never talk to each other. */
    if (size < HEADER_SIZE || query[2] & 0x80)
        return 0;
    if (ldns_wire2pkt(&pkt, query, size) != LDNS_STATUS_OK)
        return answer_unreadable(query, out, limit);
    written = answer_packet(pkt, size_taken(pkt, udp, limit), lookup, aux, out);
    ldns_pkt_free(pkt);
    return written;
}
