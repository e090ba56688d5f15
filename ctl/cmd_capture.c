/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * capture: a plug of kind CAPTURE brings the frames with the port each came in by; they go into a
 * pcapng file, or a line each to people. A filter is compiled and applied here, by libpcap: the
 * data path parses no expressions.
 *
 * A filter looks at frames as tcpdump's does at an interface of Linux, which takes VLAN tags off: behind the
 * outer tag, unless it speaks of VLANs itself. So `icmp` finds what is in a VLAN, too.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ctl/api.h"
#include "ctl/commands.h"
#include "ctl/ctl.h"
#include "ctl/decode.h"
#include "ctl/object.h"
#include "ctl/output.h"
#include "ctl/pcapng.h"
#include "libioth/plug/locate.h"
#include "libioth/plug/plug.h"
#include "proto/base/xalloc.h"
#include "proto/model/schema.h"
#include "proto/wire/frame.h"

#define TAG_SIZE 4u
#define PORTS_MAX                                                                          \
    1024u /* Interfaces of one file; what comes by more ports is put into the last. */
#define MESSAGE_SIZE (sizeof(struct plug_captured) + FRAME_SUPER_MAX)

struct capture {
    struct plug *plug;
    FILE *file; /* pcapng, or NULL for lines. */
    bool own_file;
    struct bpf_program filter;
    bool filtered;
    bool filters_tags;         /* The filter speaks of VLANs: it is shown the tag. */
    const char *what;          /* NET or NET/PORT. */
    char name[PLUG_NAME_SIZE]; /* Of the capture, as a port. */
    uint32_t snap;
    unsigned long wanted, seen; /* wanted 0 = no end. */
    char *port[PORTS_MAX];
    uint32_t n_ports;
    uint8_t message[MESSAGE_SIZE];
    uint8_t tagged[FRAME_SUPER_MAX + TAG_SIZE];
};

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

/* Lets the two signals in only where *open is in force: while ppoll() waits. */
static void catch_signals(sigset_t *open)
{
    struct sigaction sa = {.sa_handler = interrupt};
    sigset_t ours;
    sigemptyset(&sa.sa_mask);
    sigemptyset(&ours);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGTERM);
    sigprocmask(SIG_BLOCK, &ours, open);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
}

static uint32_t interface_of(struct capture *c, const char *port)
{
    for (uint32_t i = 0; i < c->n_ports; i++)
        if (strcmp(c->port[i], port) == 0)
            return i;
    if (c->n_ports == PORTS_MAX)
        return PORTS_MAX - 1;
    c->port[c->n_ports] = xstrdup(port);
    pcapng_interface(c->file, port, c->snap);
    return c->n_ports++;
}

/* Puts the VLAN tag back where it was; returns the frame's bytes with their number. */
static const uint8_t *put_tag(struct capture *c, const uint8_t *data, uint32_t *size,
                              uint16_t tci)
{
    if (tci == 0 || *size < 12)
        return data;
    memcpy(c->tagged, data, 12);
    c->tagged[12] = 0x81;
    c->tagged[13] = 0x00;
    c->tagged[14] = (uint8_t)(tci >> 8);
    c->tagged[15] = (uint8_t)tci;
    memcpy(c->tagged + 16, data + 12, *size - 12);
    *size += TAG_SIZE;
    return c->tagged;
}

static void print_line(const struct plug_captured *head, const uint8_t *data, uint32_t size)
{
    time_t sec = (time_t)(head->time_ns / 1000000000u);
    struct tm tm;
    char when[16] = "";
    if (localtime_r(&sec, &tm))
        strftime(when, sizeof(when), "%H:%M:%S", &tm);
    printf("%s.%06u ", when, (unsigned)(head->time_ns % 1000000000u / 1000));
    print_clean(stdout, head->port);
    fputs(": ", stdout);
    decode_frame(stdout, data, size);
    putchar('\n');
}

static bool has_tag(const uint8_t *data, uint32_t size)
{
    return size >= 14 + TAG_SIZE && ((data[12] == 0x81 && data[13] == 0x00) ||
                                     (data[12] == 0x88 && data[13] == 0xa8));
}

/* Whether the filter lets the frame through: `bare` as it came in the message, whose tag, if `tci` is not 0, stands
 * in `data` only. */
static bool is_wanted(struct capture *c, const uint8_t *bare, const uint8_t *data,
                      const struct pcap_pkthdr *packet)
{
    struct pcap_pkthdr behind = *packet;

    if (!c->filtered)
        return true;
    if (c->filters_tags || !has_tag(data, packet->caplen))
        return pcap_offline_filter(&c->filter, packet, data) != 0;
    behind.caplen -= TAG_SIZE;
    behind.len -= TAG_SIZE;
    if (bare == data) { /* The tag is among the frame's own bytes. */
        memcpy(c->tagged, data, 12);
        memcpy(c->tagged + 12, data + 12 + TAG_SIZE, behind.caplen - 12);
        bare = c->tagged;
    }
    return pcap_offline_filter(&c->filter, &behind, bare) != 0;
}

/* One message of the lifeline. False if it is not what it should be. */
static bool take_frame(struct capture *c, size_t got)
{
    struct plug_captured head;
    if (got < sizeof(head))
        return false;
    memcpy(&head, c->message, sizeof(head));
    if (head.size > got - sizeof(head) || head.size > FRAME_SUPER_MAX ||
        !memchr(head.port, '\0', sizeof(head.port)))
        return false;
    uint32_t size = head.size, whole = head.frame_size;
    const uint8_t *bare = c->message + sizeof(head);
    const uint8_t *data = put_tag(c, bare, &size, head.tci);
    whole += size - head.size;
    struct pcap_pkthdr packet = {.caplen = size, .len = whole};
    if (!is_wanted(c, bare, data, &packet))
        return true;
    c->seen++;
    if (!c->file) {
        print_line(&head, data, size);
        return true;
    }
    struct pcapng_frame frame = {
        .data = data,
        .size = size,
        .frame_size = whole,
        .time_ns = head.time_ns,
        .interface = interface_of(c, head.port),
        .direction = head.direction == PLUG_IN    ? PCAPNG_IN
                     : head.direction == PLUG_OUT ? PCAPNG_OUT
                                                  : PCAPNG_UNKNOWN,
    };
    pcapng_frame(c->file, &frame);
    return true;
}

static int write_out(struct ctl *ctl, const struct capture *c)
{
    FILE *out = c->file ? c->file : stdout;
    if (fflush(out) != 0 || ferror(out))
        return ctl_fail(ctl, CTL_REFUSED, "writing the frames: %s", err_text(errno));
    return 0;
}

/* The end of the lifeline: what was looked at has gone, or the daemon. */
static int hung_up(struct ctl *ctl, const struct capture *c)
{
    char *path = xasprintf("/v1/networks/%.*s", (int)strcspn(c->what, "/"), c->what);
    struct node *net = NULL;
    int r;
    ctl->no_start = true;
    r = api_get(ctl, path, &net);
    node_free(net);
    free(path);
    return r ? r : ctl_fail(ctl, CTL_REFUSED, "the daemon has ended it");
}

/* How many frames found the queue full; 0 where nobody says. */
static int64_t lost(struct ctl *ctl, const struct capture *c)
{
    char *path =
        xasprintf("/v1/ports/%.*s/%s", (int)strcspn(c->what, "/"), c->what, c->name);
    struct node *port = NULL;
    const struct node *counters;
    int64_t n = 0;
    if (api_get(ctl, path, &port) == 0) {
        counters = node_get(node_get(port, "status"), "counters");
        n = node_get_int(node_get(counters, "drops"), "full", 0);
    } else {
        ctl_forget(ctl);
    }
    node_free(port);
    free(path);
    return n;
}

static void tell_end(struct ctl *ctl, const struct capture *c, bool ask)
{
    int64_t n = ask ? lost(ctl, c) : 0;
    if (n > 0)
        ctl_note(ctl,
                 "%lu frame%s; %" PRId64
                 " came faster than they were taken and are missing",
                 c->seen, c->seen == 1 ? "" : "s", n);
    else
        ctl_note(ctl, "%lu frame%s", c->seen, c->seen == 1 ? "" : "s");
}

/* Until the count is reached, a signal comes, or the daemon goes. What is written waits in the
 * buffer only while more frames are there. */
static int capture_all(struct ctl *ctl, struct capture *c)
{
    int fd = plug_fd(c->plug), r = 0;
    sigset_t open;
    catch_signals(&open);
    while (!r && !interrupted && (!c->wanted || c->seen < c->wanted)) {
        ssize_t n = recv(fd, c->message, sizeof(c->message), MSG_DONTWAIT);
        if (n > 0) {
            if (!take_frame(c, (size_t)n))
                return ctl_fail(ctl, CTL_REFUSED, "the daemon sent a broken frame");
            if (c->seen % 1024 != 0)
                continue;
            n = -1; /* Now and then a signal gets its turn in a storm too. */
            errno = EAGAIN;
        }
        if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            r = write_out(ctl, c);
            return r ? r : hung_up(ctl, c);
        }
        r = write_out(ctl, c);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (!r)
            ppoll(&p, 1, NULL, &open);
    }
    return r ? r : write_out(ctl, c);
}

static bool speaks_of_vlans(const char *filter)
{
    static const char word[] = "vlan";
    for (const char *at = filter; (at = strstr(at, word)); at += sizeof(word) - 1)
        if ((at == filter || !isalnum((unsigned char)at[-1])) &&
            !isalnum((unsigned char)at[sizeof(word) - 1]))
            return true;
    return false;
}

static int compile_filter(struct ctl *ctl, const struct args *args, struct capture *c)
{
    char *text = NULL;
    size_t size = 0;
    if (args->n_words < 2)
        return 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    for (unsigned i = 1; i < args->n_words; i++)
        fprintf(out, "%s%s", i > 1 ? " " : "", args->words[i]);
    if (fclose(out) != 0)
        abort();
    int r = 0;
    pcap_t *pcap = pcap_open_dead(DLT_EN10MB, FRAME_SUPER_MAX + TAG_SIZE);
    if (!pcap)
        abort();
    if (pcap_compile(pcap, &c->filter, text, 1, PCAP_NETMASK_UNKNOWN) < 0)
        r = ctl_fail(ctl, CTL_USAGE, "the filter \"%s\": %s", text, pcap_geterr(pcap));
    c->filtered = !r;
    c->filters_tags = speaks_of_vlans(text);
    pcap_close(pcap);
    free(text);
    return r;
}

static int open_file(struct ctl *ctl, const struct args *args, struct capture *c)
{
    const char *path = args_value(args, "write");
    if (!path)
        return 0;
    if (strcmp(path, "-") == 0) {
        if (isatty(STDOUT_FILENO))
            return ctl_fail(ctl, CTL_USAGE, "pcapng is not for a terminal");
        c->file = stdout;
    } else {
        c->file = fopen(path, "we");
        c->own_file = true;
    }
    if (!c->file)
        return ctl_fail(ctl, CTL_REFUSED, "%s: %s", path, err_text(errno));
    pcapng_section(c->file, "iothctl");
    return 0;
}

static int read_options(struct ctl *ctl, const struct args *args, struct capture *c,
                        struct plug_request *q)
{
    const char *value, *slash = strchr(args->words[0], '/');
    long n = 0;
    int r = 0;
    *q = (struct plug_request){.kind = PLUG_CAPTURE};
    c->what = args->words[0];
    if (slash && slash - args->words[0] < PLUG_NAME_SIZE)
        memcpy(q->network, args->words[0], (size_t)(slash - args->words[0]));
    else if (!slash && strlen(args->words[0]) < PLUG_NAME_SIZE)
        memcpy(q->network, args->words[0], strlen(args->words[0]));
    if (slash && strlen(slash + 1) < PLUG_NAME_SIZE)
        memcpy(q->name, slash + 1, strlen(slash + 1));
    if (!schema_name_ok(q->network) || (slash && !schema_name_ok(q->name)))
        return ctl_fail(ctl, CTL_MISSING, "there is no %s \"%s\"",
                        slash ? "port" : "network", args->words[0]);
    if ((value = args_value(args, "count")))
        r = number_parse(ctl, "--count", value, 1, 2000000000, &n);
    c->wanted = (unsigned long)n;
    n = FRAME_SUPER_MAX;
    if (!r && (value = args_value(args, "snap")))
        r = number_parse(ctl, "--snap", value, 14, FRAME_SUPER_MAX, &n);
    c->snap = (uint32_t)n + TAG_SIZE;
    q->snap = n == FRAME_SUPER_MAX ? 0 : (uint32_t)n;
    return r;
}

static int plug_in(struct ctl *ctl, struct capture *c, const struct plug_request *q)
{
    struct locate where;
    struct plug_reply reply = {.code = 0};
    struct err err = {0};
    int r = ctl_connect(ctl);
    if (!r)
        r = ctl_locate(ctl, &where);
    if (r)
        return r;
    int code = plug_capture(where.plug, q, &reply, &c->plug, &err);
    if (code == -ENOENT || code == -ESRCH)
        return ctl_fail_err(ctl, CTL_MISSING, &err);
    memcpy(c->name, reply.name, sizeof(c->name));
    return code < 0 ? ctl_fail_err(ctl, CTL_REFUSED, &err) : 0;
}

static void capture_free(struct capture *c)
{
    plug_free(c->plug);
    for (uint32_t i = 0; i < c->n_ports; i++)
        free(c->port[i]);
    if (c->filtered)
        pcap_freecode(&c->filter);
    free(c);
}

int cmd_capture(struct ctl *ctl, const struct args *args)
{
    struct capture *c = xcalloc(1, sizeof(*c));
    struct plug_request request;
    int r = read_options(ctl, args, c, &request);
    if (!r)
        r = compile_filter(ctl, args, c);
    if (!r)
        r = plug_in(ctl, c, &request);
    if (!r)
        r = open_file(ctl, args, c);
    if (!r) {
        r = capture_all(ctl, c);
        if (c->file &&
            c->n_ports == 0) /* A file without an interface is none to tcpdump. */
            interface_of(c, strchr(c->what, '/') ? strchr(c->what, '/') + 1 : c->what);
        tell_end(ctl, c, !r);
    }
    if (c->own_file && c->file && fclose(c->file) != 0 && !r)
        r = ctl_fail(ctl, CTL_REFUSED, "writing the frames: %s", err_text(errno));
    capture_free(c);
    return r;
}
