/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a message of the DNS: what is read of it is inside, and what is written of that can be read again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "libioth/dns/cache.h"
#include "libioth/dns/iothdns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(void *copy, size_t size, struct iothdns_pkt **again)
{
    char qname[IOTHDNS_MAXNAME], name[IOTHDNS_MAXNAME], text[IOTHDNS_MAXNAME];
    struct iothdns_header h;
    struct iothdns_rr rr;
    struct iothdns_pkt *p = iothdns_get_header(&h, copy, size, qname);
    int section;

    if (!p)
        return;
    if (strlen(qname) >= IOTHDNS_MAXNAME)
        abort();
    *again = iothdns_put_header(&h);
    while ((section = iothdns_get_rr(p, &rr, name)) != 0) {
        if (section >= IOTHDNS_SECTIONS)
            abort();
        if (*again)
            iothdns_put_rr(section, *again, &rr);
        iothdns_get_int16(p);
        iothdns_get_name(p, text);
        if (*again)
            iothdns_put_name(*again, text);
        iothdns_get_string(p, text);
        iothdns_get_int32(p);
    }
    iothdns_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    struct iothdns_pkt *again = NULL, *third = NULL;

    if (!copy)
        return 0;
    memcpy(copy, data, size);
    (void)cache_ttl(copy, size);
    read_all(copy, size, &again);
    free(copy);
    if (again) {
        struct iovec buf = iothdns_getbuf(again);

        read_all(buf.iov_base, buf.iov_len, &third);
        if (!third)
            abort();
        iothdns_free(third);
    }
    iothdns_free(again);
    return 0;
}
