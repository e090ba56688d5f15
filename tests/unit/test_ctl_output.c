/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What iothctl prints: tables, humanised numbers, clean texts, frames in a line, pcapng. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/decode.h"
#include "ctl/output.h"
#include "ctl/pcapng.h"
#include "ctl/topology.h"
#include "libioth/http/http.h"
#include "proto/model/node.h"

struct memory {
    char *text;
    size_t size;
    FILE *out;
};

static FILE *memory_open(struct memory *m)
{
    *m = (struct memory){0};
    m->out = open_memstream(&m->text, &m->size);
    assert_non_null(m->out);
    return m->out;
}

static void memory_equal(struct memory *m, const char *wanted)
{
    assert_int_equal(fclose(m->out), 0);
    assert_string_equal(m->text, wanted);
    free(m->text);
}

static void table(void **state)
{
    struct memory m;
    (void)state;
    struct table *t = table_new("NAME >COUNT STATE");
    table_cell(t, TINT_NONE, "über");
    table_format(t, TINT_NONE, "%d", 5);
    table_cell(t, TINT_GOOD, "up");
    table_cell(t, TINT_NONE, "b");
    table_format(t, TINT_NONE, "%d", 1234567);
    table_cell(t, TINT_BAD, "");
    table_print(t, memory_open(&m), false);
    memory_equal(&m, "NAME    COUNT  STATE\n"
                     "über        5  up\n"
                     "b     1234567  -\n");
    table_print(table_new("ONE TWO"), memory_open(&m), false);
    memory_equal(&m, "ONE  TWO\n");
    t = facts_new();
    facts_add(t, TINT_GOOD, "state", "%s", "up");
    facts_add(t, TINT_NONE, "longer", "%d", 3);
    table_print(t, memory_open(&m), true);
    memory_equal(&m, "\033[2mstate:\033[0m   \033[32mup\033[0m\n"
                     "\033[2mlonger:\033[0m  3\n");
}

static void human(void **state)
{
    char s[HUMAN_SIZE];
    (void)state;
    assert_string_equal(human_bytes(s, sizeof(s), 0), "0 B");
    assert_string_equal(human_bytes(s, sizeof(s), 1023), "1023 B");
    assert_string_equal(human_bytes(s, sizeof(s), 1536), "1.5 KiB");
    assert_string_equal(human_bytes(s, sizeof(s), 10240), "10 KiB");
    assert_string_equal(human_bytes(s, sizeof(s), UINT64_MAX), "16383 PiB");
    assert_string_equal(human_count(s, sizeof(s), 999), "999");
    assert_string_equal(human_count(s, sizeof(s), 1999), "1.9k");
    assert_string_equal(human_count(s, sizeof(s), 12345678), "12M");
    assert_string_equal(human_us(s, sizeof(s), 640), "640 us");
    assert_string_equal(human_us(s, sizeof(s), 1234), "1.2 ms");
    assert_string_equal(human_us(s, sizeof(s), 2500000), "2.5 s");
}

static void clean(void **state)
{
    static const struct {
        const char *dirty, *clean;
    } cases[] = {
        {"plain", "plain"},
        {"a\tb\nc", "a b c"},
        {"\x1b[31m", "?[31m"},
        {"\x7f", "?"},
        {"\xc2\x9b"
         "31m",
         "??31m"}, /* A control sequence introducer as one character. */
        {"\xc3\xbc", "\xc3\xbc"},
        {"\xff\xfe", "??"},
        {"\xe2\x82", "??"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = text_clean(cases[i].dirty);
        assert_string_equal(text, cases[i].clean);
        free(text);
    }
}

static void brief(void **state)
{
    static const char json[] = "{\"a\":[1,\"x\"],\"b\":{\"c\":true},\"d\":null}";
    struct diags diags;
    (void)state;
    diags_init(&diags);
    struct node *n = node_from_json(json, strlen(json), NULL, &diags);
    assert_non_null(n);
    char *text = node_brief(n);
    assert_string_equal(text, "a (1, x), b (c yes), d ");
    free(text);
    text = node_brief(NULL);
    assert_string_equal(text, "");
    free(text);
    node_free(n);
    diags_done(&diags);
}

static void paths(void **state)
{
    (void)state;
    char *path = http_path("/v1/%s/%s?x=100%%", "a/b", "ü&-._~9");
    assert_string_equal(path, "/v1/a%2Fb/%C3%BC%26-._~9?x=100%");
    free(path);
}

static void decodes(void **state)
{
    static const struct {
        const char *hex, *text;
    } cases[] = {
        {"", "00:00:00:00:00:00 > 00:00:00:00:00:00, cut short"},
        {"ffffffffffff 020000000001 0806 0001080006040001 020000000001 0a400001 "
         "000000000000 0a400002",
         "02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff, ARP, who has 10.64.0.2, tell 10.64.0.1"},
        {"ffffffffffff 020000000001 8100 200a 0806 0001080006040002 020000000001 0a400001 "
         "000000000000 0a400002",
         "02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff, vlan 10, ARP, 10.64.0.1 is at "
         "02:00:00:00:00:01"},
        {"020000000002 020000000001 0800 4500002a00004000 40060000 0a400001 0a400002 "
         "d4310050 0000000a 0000000b 5018 0040 0000 0000 6162",
         "02:00:00:00:00:01 > 02:00:00:00:00:02, IPv4 10.64.0.1.54321 > 10.64.0.2.80, TCP "
         "[PA] "
         "seq 10 ack 11 win 64 length 2"},
        {"020000000002 020000000001 0800 450000540000 2001 40010000 0a400001 0a400002 0800",
         "02:00:00:00:00:01 > 02:00:00:00:00:02, IPv4 10.64.0.1 > 10.64.0.2, protocol 255 "
         "length "
         "64 (fragment at 8)"},
        {"020000000002 020000000001 86dd 60000000 0008 3a ff "
         "fd000000000000000000000000000001 "
         "fd000000000000000000000000000002 8000",
         "02:00:00:00:00:01 > 02:00:00:00:00:02, IPv6 fd00::1 > fd00::2, ICMP echo "
         "request"},
        {"020000000002 020000000001 0800 4f",
         "02:00:00:00:00:01 > 02:00:00:00:00:02, IPv4, cut short"},
        {"0180c2000000 020000000001 0026 424203",
         "02:00:00:00:00:01 > 01:80:c2:00:00:00, 802.3 length 38"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t data[256];
        size_t size = 0;
        struct memory m;
        for (const char *p = cases[i].hex; *p; p++) {
            if (*p == ' ')
                continue;
            char byte[3] = {p[0], p[1], '\0'};
            data[size++] = (uint8_t)strtoul(byte, NULL, 16);
            p++;
        }
        decode_frame(memory_open(&m), data, size);
        memory_equal(&m, cases[i].text);
        for (size_t cut = 0; cut < size; cut++) { /* No length makes it read beyond. */
            uint8_t *copy = malloc(cut + 1);
            assert_non_null(copy);
            memcpy(copy, data, cut);
            decode_frame(memory_open(&m), copy, cut);
            assert_int_equal(fclose(m.out), 0);
            free(m.text);
            free(copy);
        }
    }
}

static uint32_t word(const char *data, size_t at)
{
    uint32_t v;
    memcpy(&v, data + at, sizeof(v));
    return v;
}

/* Every block says its length in front and behind, and the lengths lead from block to block. */
static void pcapng(void **state)
{
    struct memory m;
    static const uint8_t frame[61] = {1, 2, 3};
    static const uint32_t types[] = {0x0a0d0d0a, 1, 1, 6};
    (void)state;
    memory_open(&m);
    pcapng_section(m.out, "iothctl");
    pcapng_interface(m.out, "web", 65535);
    pcapng_interface(m.out, "office0", 65535);
    pcapng_frame(m.out, &(struct pcapng_frame){.data = frame,
                                               .size = sizeof(frame),
                                               .frame_size = 90,
                                               .time_ns = UINT64_C(0x123456789abcdef0),
                                               .interface = 1,
                                               .direction = PCAPNG_OUT});
    assert_int_equal(fclose(m.out), 0);
    size_t at = 0;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(word(m.text, at), types[i]);
        uint32_t size = word(m.text, at + 4);
        assert_int_equal(size % 4, 0);
        assert_true(at + size <= m.size);
        assert_int_equal(word(m.text, at + size - 4), size);
        if (types[i] == 6) {
            assert_int_equal(word(m.text, at + 8), 1);
            assert_int_equal(word(m.text, at + 12), 0x12345678);
            assert_int_equal(word(m.text, at + 16), 0x9abcdef0);
            assert_int_equal(word(m.text, at + 20), 61);
            assert_int_equal(word(m.text, at + 24), 90);
            assert_memory_equal(m.text + at + 28, frame, sizeof(frame));
            /* epb_flags: 4 bytes, outbound; then the end of the options. */
            assert_int_equal(word(m.text, at + 92), 4u << 16 | 2);
            assert_int_equal(word(m.text, at + 96), 2);
            assert_int_equal(word(m.text, at + 100), 0);
        }
        at += size;
    }
    assert_int_equal(at, m.size);
    free(m.text);
}

/* A fabric of more links than there are lanes is listed instead; an empty one draws nothing. */
static void topology(void **state)
{
    struct topo t;
    struct memory m;
    struct topo_source none = {0};
    (void)state;
    topo_init(&t, &none);
    topo_text(&t, memory_open(&m), true);
    memory_equal(&m, "");
    topo_done(&t);

    struct node *hosts = node_list(), *links = node_list();
    for (int i = 0; i < 8; i++) {
        char name[8];
        snprintf(name, sizeof(name), "h%d", i);
        struct node *host = node_map();
        node_set_text(host, "name", name);
        node_append(hosts, host);
        for (int k = 0; k < i; k++) {
            char other[8], both[20];
            struct node *link = node_map(), *ends = node_list();
            snprintf(other, sizeof(other), "h%d", k);
            snprintf(both, sizeof(both), "%s-%s", other, name);
            node_append(ends, node_text(name));
            node_append(ends, node_text(other));
            node_set_text(link, "name", both);
            node_set(link, "between", ends);
            node_append(links, link);
        }
    }
    struct topo_source source = {.hosts = hosts, .links = links};
    topo_init(&t, &source);
    assert_int_equal(t.n_links, 28);
    for (size_t i = 0; i < t.n_links; i++)
        assert_true(t.links[i].from < t.links[i].to);
    topo_text(&t, memory_open(&m), true);
    assert_int_equal(fclose(m.out), 0);
    assert_non_null(strstr(m.text, "\nh6-h7: "));
    free(m.text);
    topo_done(&t);
    node_free(hosts);
    node_free(links);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),  cmocka_unit_test(human),    cmocka_unit_test(clean),
        cmocka_unit_test(brief),  cmocka_unit_test(paths),    cmocka_unit_test(decodes),
        cmocka_unit_test(pcapng), cmocka_unit_test(topology),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
