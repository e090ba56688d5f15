/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names: a resolver that asks through the sockets of a stack, and messages of the DNS for servers. The source
 * interface is that of VirtualSquare's iothdns; what is beyond it is marked so. Link with -lioth.
 *
 * A resolver asks up to three name servers, with EDNS0 (RFC 6891) and, where an answer does not fit a datagram,
 * over TCP. It keeps answers, also that there is no such name, for as long as they say, up to an hour and to
 * IOTHDNS_CACHE_MAX of them. Any thread may use it. For C only, since a member is named class. Functions return -1 or NULL with errno on failure:
 * ENOENT (there is no such name), ETIMEDOUT, ENOTCONN (no name server is known), EBADMSG.
 */
#ifndef IOTHDNS_H
#define IOTHDNS_H

#include <ioth.h>
#include <netdb.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define IOTHDNS_DEFAULT_PORT        53
#define IOTHDNS_MAXNS               3
#define IOTHDNS_TIMEOUT_MS          1000 /* For one server, the first time. */
#define IOTHDNS_DEFAULT_RESOLV_CONF "/etc/resolv.conf"
#define IOTHDNS_DEFAULT_HOSTS       "/etc/hosts"
#define IOTHDNS_DEFAULT_SERVICES    "/etc/services"
#define IOTHDNS_CACHE_MAX           256

struct iothdns;
struct iothdns_pkt;

/* --- resolvers ---------------------------------------------------------------------------------- */

/*
 * Makes a resolver that asks through `stack` (NULL: the default one). It reads name servers and domains from a
 * file in the form of resolv.conf(5) (NULL: /etc/resolv.conf), or from a text: the same form, or addresses
 * separated by commas. A link-local server has its interface behind '%'. The caller's until iothdns_fini().
 */
IOTH_API struct iothdns *iothdns_init(struct ioth *stack, char *path_config);
IOTH_API struct iothdns *iothdns_init_strcfg(struct ioth *stack, char *config);

/* Reads it anew: servers and domains are replaced, and nothing is remembered. 0 or -1. */
IOTH_API int iothdns_update(struct iothdns *iothdns, char *path_config);
IOTH_API int iothdns_update_strcfg(struct iothdns *iothdns, char *config);

/* One more name server: struct in_addr or in6_addr. -1: EAFNOSUPPORT, ENOSPC (there are three). */
IOTH_API int iothdns_add_nameserver(struct iothdns *iothdns, int af, void *in46_addr);

/* Files to be used instead of /etc/hosts and /etc/services; NULL: these. getpath returns the length as
 * snprintf(3) does. */
enum iothdns_pathtag { IOTHDNS_HOSTS, IOTHDNS_SERVICES, IOTHDNS_PATH_SIZE };
IOTH_API void iothdns_setpath(struct iothdns *iothdns, enum iothdns_pathtag pathtag,
                              char *newvalue);
IOTH_API int iothdns_getpath(struct iothdns *iothdns, enum iothdns_pathtag pathtag,
                             char *buf, size_t size);

IOTH_API void iothdns_fini(struct iothdns *iothdns);

/* --- asking ------------------------------------------------------------------------------------- */

/*
 * The addresses of a name; a name without a dot is looked for in the domains to search. An address as text
 * is itself. They return how many there are, of which up to n are stored. compat gives IPv6 addresses, and
 * those of IPv4 behind them as ::ffff:A.
 */
IOTH_API int iothdns_lookup_a(struct iothdns *iothdns, const char *name, struct in_addr *a,
                              int n);
IOTH_API int iothdns_lookup_aaaa(struct iothdns *iothdns, const char *name,
                                 struct in6_addr *aaaa, int n);
IOTH_API int iothdns_lookup_aaaa_compat(struct iothdns *iothdns, const char *name,
                                        struct in6_addr *aaaa, int n);

/* getaddrinfo(3) and getnameinfo(3), with the resolver's files of hosts and services in front of the
 * DNS. Addresses of IPv6 come first. freeaddrinfo frees what getaddrinfo gave. */
IOTH_API int iothdns_getaddrinfo(struct iothdns *iothdns, const char *node,
                                 const char *service, const struct addrinfo *hints,
                                 struct addrinfo **res);
IOTH_API void iothdns_freeaddrinfo(struct addrinfo *res);
IOTH_API const char *iothdns_gai_strerror(int errcode);
IOTH_API int iothdns_getnameinfo(struct iothdns *iothdns, const struct sockaddr *addr,
                                 socklen_t addrlen, char *host, socklen_t hostlen,
                                 char *serv, socklen_t servlen, int flags);

/* The same with a resolver of the stack (NULL: the default one) that is made for this call out of what
 * ioth_config() was told, or else of /etc/resolv.conf. Beyond VirtualSquare's. */
IOTH_API int ioth_getaddrinfo(struct ioth *stack, const char *node, const char *service,
                              const struct addrinfo *hints, struct addrinfo **res);
IOTH_API void ioth_freeaddrinfo(struct addrinfo *res);

/* Any records: calls lookup_cb for each one of the answer until it returns something else than 0, which is
 * returned. cb_tcp asks over TCP from the start. */
struct iothdns_rr;
typedef int lookup_cb_t(int section, struct iothdns_rr *rr, struct iothdns_pkt *vpkt,
                        void *arg);
IOTH_API int iothdns_lookup_cb(struct iothdns *iothdns, const char *name, int qtype,
                               lookup_cb_t *lookup_cb, void *arg);
IOTH_API int iothdns_lookup_cb_tcp(struct iothdns *iothdns, const char *name, int qtype,
                                   lookup_cb_t *lookup_cb, void *arg);

/* --- answering ---------------------------------------------------------------------------------- */

struct iothdns_header;

/* Makes the answer to a question (freed by who calls it), or NULL: none is sent. */
typedef struct iothdns_pkt *parse_request_t(struct iothdns_header *h, void *arg);

/* Reads one question from a socket of a stack (UDP; a connection over TCP) and sends what parse_request makes of
 * it; an answer too long for the datagram is cut, and says so. They return the question's size, 0 at the end of
 * a connection, or -1. */
IOTH_API int iothdns_udp_process_request(int fd, parse_request_t *parse_request, void *arg);
IOTH_API int iothdns_tcp_process_request(int fd, parse_request_t *parse_request, void *arg);

/* --- messages ----------------------------------------------------------------------------------- */

struct iothdns_header {
    uint16_t id;
    uint16_t flags;
    const char *qname;
    uint16_t qtype;
    uint16_t qclass;
};

struct iothdns_rr {
    const char *name;
    uint16_t type;
    uint16_t class;
    uint32_t ttl;
    uint16_t rdlength; /* Of what is read; found out when written. */
};

/* A message with its question (qname NULL: none). NULL: a name that is none, or out of memory. */
IOTH_API struct iothdns_pkt *iothdns_put_header(struct iothdns_header *h);

/* A record, in the order of sections (one of an earlier section is passed over), then what is in it. What
 * does not fit 64 KiB, and names that are none, are passed over with their record. */
IOTH_API void iothdns_put_rr(int section, struct iothdns_pkt *vpkt, struct iothdns_rr *rr);
IOTH_API void iothdns_put_int8(struct iothdns_pkt *vpkt, uint8_t data);
IOTH_API void iothdns_put_int16(struct iothdns_pkt *vpkt, uint16_t data);
IOTH_API void iothdns_put_int32(struct iothdns_pkt *vpkt, uint32_t data);
IOTH_API void iothdns_put_data(struct iothdns_pkt *vpkt, const void *data, uint16_t len);
IOTH_API void iothdns_put_name(struct iothdns_pkt *vpkt, const char *name);
IOTH_API void iothdns_put_name_uncompressed(struct iothdns_pkt *vpkt, const char *name);
IOTH_API void iothdns_put_string(struct iothdns_pkt *vpkt, const char *string);
IOTH_API void iothdns_put_a(struct iothdns_pkt *vpkt, const void *addr_ipv4);
IOTH_API void iothdns_put_aaaa(struct iothdns_pkt *vpkt, const void *addr_ipv6);

/* Reads a message, which must stay where it is; its question's name goes to qnamebuf[IOTHDNS_MAXNAME]. NULL: it
 * is none (EBADMSG). */
IOTH_API struct iothdns_pkt *iothdns_get_header(struct iothdns_header *h, void *buf,
                                                size_t bufsize, char *qnamebuf);

/* The next record, its name in namebuf[IOTHDNS_MAXNAME]. Returns its section, 0 after the last. */
IOTH_API int iothdns_get_rr(struct iothdns_pkt *vpkt, struct iothdns_rr *rr, char *namebuf);

/* What is in it, piece by piece; 0, or an empty text, behind its end. Names have IOTHDNS_MAXNAME bytes of
 * room, strings IOTHDNS_MAXSTRING + 1. */
IOTH_API uint8_t iothdns_get_int8(struct iothdns_pkt *vpkt);
IOTH_API uint16_t iothdns_get_int16(struct iothdns_pkt *vpkt);
IOTH_API uint32_t iothdns_get_int32(struct iothdns_pkt *vpkt);
IOTH_API void *iothdns_get_data(struct iothdns_pkt *vpkt, void *data, uint16_t len);
IOTH_API char *iothdns_get_name(struct iothdns_pkt *vpkt, char *name);
IOTH_API char *iothdns_get_string(struct iothdns_pkt *vpkt, char *name);
IOTH_API void *iothdns_get_a(struct iothdns_pkt *vpkt, void *addr_ipv4);
IOTH_API void *iothdns_get_aaaa(struct iothdns_pkt *vpkt, void *addr_ipv6);

/* The bytes of a message, valid until it is changed or freed. */
IOTH_API struct iovec iothdns_getbuf(struct iothdns_pkt *vpkt);
IOTH_API void iothdns_free(struct iothdns_pkt *vpkt);

/* Id and flags in place: for who passes messages on. */
IOTH_API void iothdns_retrieve_header(struct iothdns_pkt *vpkt, uint16_t *id,
                                      uint16_t *flags);
IOTH_API void iothdns_rewrite_header(struct iothdns_pkt *vpkt, uint16_t id, uint16_t flags);

#define IOTHDNS_MAXNAME    256
#define IOTHDNS_MAXSTRING  255
#define IOTHDNS_UDP_MAXBUF 512
#define IOTHDNS_TCP_MAXBUF 65536

#define IOTHDNS_SECTIONS       4
#define IOTHDNS_SEC_QUERY      0
#define IOTHDNS_SEC_ANSWER     1
#define IOTHDNS_SEC_AUTH       2
#define IOTHDNS_SEC_ADDITIONAL 3

#define IOTHDNS_QUERY          0x0000
#define IOTHDNS_RESPONSE       0x8000
#define IOTHDNS_QR_MASK        0x8000
#define IOTHDNS_IS_QUERY(x)    (((x)&IOTHDNS_QR_MASK) == IOTHDNS_QUERY)
#define IOTHDNS_IS_RESPONSE(x) (((x)&IOTHDNS_QR_MASK) == IOTHDNS_RESPONSE)
#define IOTHDNS_OP_MASK        0x7800

#define IOTHDNS_AA    0x0400
#define IOTHDNS_TRUNC 0x0200
#define IOTHDNS_RD    0x0100
#define IOTHDNS_RA    0x0080
#define IOTHDNS_Z     0x0040
#define IOTHDNS_AD    0x0020
#define IOTHDNS_CD    0x0010

#define IOTHDNS_RCODE_MASK   0x000F
#define IOTHDNS_GET_RCODE(x) ((x)&IOTHDNS_RCODE_MASK)
#define IOTHDNS_RCODE_OK     0
#define IOTHDNS_RCODE_EFMT   1
#define IOTHDNS_RCODE_EFAIL  2
#define IOTHDNS_RCODE_ENOENT 3
#define IOTHDNS_RCODE_ENOSUP 4
#define IOTHDNS_RCODE_EPERM  5

#define IOTHDNS_CLASS_IN  1
#define IOTHDNS_CLASS_ANY 255

#define IOTHDNS_TYPE_A     1
#define IOTHDNS_TYPE_NS    2
#define IOTHDNS_TYPE_CNAME 5
#define IOTHDNS_TYPE_SOA   6
#define IOTHDNS_TYPE_NULL  10
#define IOTHDNS_TYPE_PTR   12
#define IOTHDNS_TYPE_MX    15
#define IOTHDNS_TYPE_TXT   16
#define IOTHDNS_TYPE_AAAA  28
#define IOTHDNS_TYPE_ANY   255

#endif
