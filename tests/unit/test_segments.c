/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Segments as large as superframes, cut where the window ends (patch 0004), and those that begin anew (patch 0007). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <lwip/init.h>
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>

#define MSS      1460u
#define SENT_MAX 64u

/* What has left. */
static struct {
    unsigned n;
    struct {
        uint32_t seq, len, gso;
        bool fin;
    } frames[SENT_MAX];
} sent;

static struct netif netif;
static uint8_t data[60000];

static err_t take(struct netif *out, struct pbuf *p, const ip4_addr_t *to)
{
    struct ip_hdr ip;
    struct tcp_hdr tcp;
    unsigned headers;

    (void)out;
    (void)to;
    assert_true(sent.n < SENT_MAX);
    assert_int_equal(pbuf_copy_partial(p, &ip, IP_HLEN, 0), IP_HLEN);
    assert_int_equal(pbuf_copy_partial(p, &tcp, TCP_HLEN, IP_HLEN), TCP_HLEN);
    headers = IP_HLEN + (unsigned)TCPH_HDRLEN_BYTES(&tcp);
    assert_int_equal(lwip_ntohs(IPH_LEN(&ip)), p->tot_len);
    sent.frames[sent.n].seq = lwip_ntohl(tcp.seqno);
    sent.frames[sent.n].len = p->tot_len - headers;
    sent.frames[sent.n].gso = p->gso_size;
    sent.frames[sent.n].fin = TCPH_FLAGS(&tcp) & TCP_FIN;
    sent.n++;
    return ERR_OK;
}

static err_t init(struct netif *n)
{
    n->output = take;
    n->mtu = 1500;
    n->flags = NETIF_FLAG_UP | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

static int start(void **state)
{
    ip4_addr_t own, mask;

    (void)state;
    lwip_init();
    IP4_ADDR(&own, 10, 0, 0, 1);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    return netif_add(&netif, &own, &mask, NULL, NULL, init, ip_input) ? 0 : -1;
}

/* A connection to 10.0.0.2:80 with windows of so many bytes. */
static struct tcp_pcb *connection(uint32_t window)
{
    struct tcp_pcb *pcb = tcp_new();

    assert_non_null(pcb);
    ip_addr_copy_from_ip4(pcb->local_ip, *netif_ip4_addr(&netif));
    IP_ADDR4(&pcb->remote_ip, 10, 0, 0, 2);
    pcb->local_port = 1000;
    pcb->remote_port = 80;
    pcb->state = ESTABLISHED;
    pcb->mss = MSS;
    pcb->snd_wnd = pcb->snd_wnd_max = pcb->cwnd = window;
    pcb->snd_nxt = pcb->snd_lbb = pcb->lastack = pcb->snd_wl2 = 5000;
    TCP_REG_ACTIVE(pcb);
    sent.n = 0;
    return pcb;
}

static void test_superframe(void **state)
{
    struct tcp_pcb *pcb = connection(100 * MSS);

    (void)state;
    assert_int_equal(tcp_write(pcb, data, 20 * MSS + 7, 0), ERR_OK);
    assert_int_equal(tcp_output(pcb), ERR_OK);
    assert_int_equal(sent.n, 1);
    assert_int_equal(sent.frames[0].len, 20 * MSS + 7);
    assert_int_equal(sent.frames[0].gso, MSS);
    tcp_abandon(pcb, 0);
}

/* What does not fit is cut, at the end of a packet, and only its end is the end. */
static void test_cut_at_the_window(void **state)
{
    struct tcp_pcb *pcb = connection(100 * MSS);

    (void)state;
    assert_int_equal(tcp_write(pcb, data, 20 * MSS, 0), ERR_OK);
    pcb->snd_wnd = 3 * MSS + 100; /* It has become small. */
    assert_int_equal(tcp_shutdown(pcb, 0, 1), ERR_OK);
    assert_int_equal(sent.n, 1);
    assert_int_equal(sent.frames[0].len, 3 * MSS);
    assert_int_equal(sent.frames[0].gso, MSS);
    assert_false(sent.frames[0].fin);
    pcb->snd_wnd = 100 * MSS;
    assert_int_equal(tcp_output(pcb), ERR_OK);
    assert_int_equal(sent.n, 2);
    assert_int_equal(sent.frames[1].seq, 5000 + 3 * MSS);
    assert_int_equal(sent.frames[1].len, 17 * MSS);
    assert_true(sent.frames[1].fin);
    tcp_abandon(pcb, 0);
}

/* Data that is not added to what waits, so that a segment lies in one piece of memory. */
static void test_begun_anew(void **state)
{
    struct tcp_pcb *pcb = connection(100 * MSS);

    (void)state;
    assert_int_equal(tcp_write(pcb, data, 100, TCP_WRITE_FLAG_MORE), ERR_OK);
    assert_int_equal(tcp_write(pcb, data + 200, 100, 0), ERR_OK);
    assert_int_equal(tcp_write(pcb, data + 400, 100, TCP_WRITE_FLAG_NEW), ERR_OK);
    assert_int_equal(tcp_write(pcb, data + 500, 3 * MSS, 0), ERR_OK);
    tcp_nagle_disable(pcb);
    assert_int_equal(tcp_output(pcb), ERR_OK);
    assert_int_equal(sent.n, 2);
    assert_int_equal(sent.frames[0].len, 200);
    assert_int_equal(sent.frames[1].len, 100 + 3 * MSS);
    tcp_abandon(pcb, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_superframe),
        cmocka_unit_test(test_cut_at_the_window),
        cmocka_unit_test(test_begun_anew),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
