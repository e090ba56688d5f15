/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A datagram none of whose fragments could be kept comes to its end without one (patch 0003). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <lwip/init.h>
#include <lwip/ip6.h>
#include <lwip/ip6_frag.h>
#include <lwip/netif.h>
#include <lwip/pbuf.h>

#define PIECE    8u
#define IP6_SIZE 40u

static err_t swallow(struct netif *netif, struct pbuf *p, const ip6_addr_t *to)
{
    (void)netif;
    (void)p;
    (void)to;
    return ERR_OK;
}

static err_t init(struct netif *netif)
{
    netif->output_ip6 = swallow;
    netif->mtu = 1500;
    netif->flags = NETIF_FLAG_UP | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

/* The first fragment of a datagram of UDP, fd::2 to fd::1, in so many pieces of memory. */
static struct pbuf *fragment(unsigned n_pieces)
{
    const uint16_t size = (uint16_t)(8 + n_pieces * PIECE);
    const uint8_t headers[IP6_SIZE + 8] = {0x60,
                                           [4] = (uint8_t)(size >> 8),
                                           [5] = (uint8_t)size,
                                           [6] = 44,
                                           [7] = 64,
                                           [8] = 0xfd,
                                           [23] = 2,
                                           [24] = 0xfd,
                                           [39] = 1,
                                           [40] = 17,
                                           [43] = 1 /* more follow */,
                                           [47] = 9};
    struct pbuf *p = pbuf_alloc(PBUF_RAW, sizeof headers, PBUF_RAM);

    assert_non_null(p);
    memcpy(p->payload, headers, sizeof headers);
    for (unsigned i = 0; i < n_pieces; i++) {
        struct pbuf *piece = pbuf_alloc(PBUF_RAW, PIECE, PBUF_RAM);

        assert_non_null(piece);
        memset(piece->payload, 0, PIECE);
        pbuf_cat(p, piece);
    }
    return p;
}

static void test_no_room_for_the_first(void **state)
{
    const ip6_addr_t own = {.addr = {PP_HTONL(0xfd000000), 0, 0, PP_HTONL(1)}, .zone = 0};
    struct netif netif;

    (void)state;
    lwip_init();
    memset(&netif, 0, sizeof netif);
    assert_non_null(netif_add_noaddr(&netif, NULL, init, ip6_input));
    netif_set_up(&netif);
    netif_ip6_addr_set(&netif, 0, &own);
    netif_ip6_addr_set_state(&netif, 0, IP6_ADDR_PREFERRED);

    assert_int_equal(ip6_input(fragment(IP_REASS_MAX_PBUFS + 1), &netif), ERR_OK);
    assert_true(ip6_reass_is_waiting());
    for (unsigned i = 0; i <= IPV6_REASS_MAXAGE; i++)
        ip6_reass_tmr();
    assert_false(ip6_reass_is_waiting());
    netif_remove(&netif);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_room_for_the_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
