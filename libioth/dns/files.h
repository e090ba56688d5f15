/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of hosts(5) and services(5). */
#ifndef LIBIOTH_DNS_FILES_H
#define LIBIOTH_DNS_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct files_addr {
    int family; /* AF_INET or AF_INET6 */
    uint8_t bytes[16];
};

/* The addresses of a name. Returns how many are in out[max]. */
unsigned files_host(const char *path, const char *name, struct files_addr *out,
                    unsigned max);

/* The name of an address. False: there is none. */
bool files_host_name(const char *path, const struct files_addr *, char *out, size_t size);

/* The port (host order) of a service over "tcp" or "udp"; -1: there is none. */
int files_port(const char *path, const char *service, const char *protocol);
bool files_service(const char *path, unsigned port, const char *protocol, char *out,
                   size_t size);

#endif
