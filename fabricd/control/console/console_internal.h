/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the consoles share. */
#ifndef FABRICD_CONTROL_CONSOLE_CONSOLE_INTERNAL_H
#define FABRICD_CONTROL_CONSOLE_CONSOLE_INTERNAL_H

#include <stdio.h>

#include "fabricd/control/console/console.h"
#include "fabricd/control/events/events.h"
#include "fabricd/control/observe/observe.h"
#include "fabricd/control/view/view.h"
#include "proto/base/door.h"
#include "proto/base/fd.h"
#include "proto/vde/console.h"

struct console {
    struct control *control;
    struct list entries;
    struct store_watch watch;
    unsigned n_sessions;
};

/* The console of one network. */
struct console_entry {
    struct list link;
    struct console *console;
    uint64_t net;
    int sock;
    struct door door;
    struct list sessions;
    /* Names of the ports above CONSOLE_VDE_PORTS, by number; "" = free. */
    char (*names)[IPC_NAME_SIZE];
    size_t n_names;
};

struct console_session {
    struct list link;
    struct console_entry *entry;
    struct loop_watch watch;
    struct loop_timer quiet; /* Nothing more came of a line that has no end. */
    struct fd_peer peer;
    bool full; /* May change the network. */
    struct console_reader reader;
    char in[4096]; /* What was read and not looked at yet. */
    size_t n_in;
    char *out; /* What is to be written. */
    size_t n_out;
    bool ended;                  /* The other side says nothing any more. */
    bool closing;                /* It ends when all is written. */
    bool running;                /* Lines are being taken, further up the stack. */
    struct console_call *call;   /* Under way; NULL = none. */
    struct events_client client; /* While `debug` is not 0. */
    uint32_t debug;              /* Bits of console_debug.c's categories. */
};

/* A command under way. It outlives a session that goes. */
struct console_call {
    struct control *control;
    struct console_session *session; /* NULL: gone. */
    uint64_t net;
    char user[80];
    struct console_request request;
    char *line; /* As it came, for the audit log. */
    FILE *data; /* Lines for the answer, */
    char *text; /* here. */
    size_t size;
    bool has_data; /* The answer has a block of lines, be it empty. */
    int status;    /* Of the change. */
};

/* The network of the call, or NULL: it has gone meanwhile. */
struct view_network *console_net(const struct console_call *);

/* --- console.c ----------------------------------------------------------------------------- */

/* Ends the call: 0 or an errno. */
void console_answer(struct console_call *, int code);

/* What was added from outside of a call is to be written. */
void console_kick(struct console_session *);

/* Adds to what the session is told. */
void console_say(struct console_session *, const char *text, size_t size);

/* --- console_run.c ------------------------------------------------------------------------- */

/* Does what the line asks for. */
void console_run(struct console_call *);

/* --- console_ports.c ----------------------------------------------------------------------- */

struct console_port {
    uint32_t number;
    char name[IPC_NAME_SIZE];
    const struct view_port *declared;   /* NULL = it is not. */
    const struct ipc_stats_port *stats; /* NULL = nobody is there. */
    const struct ipc_port *live;        /* NULL = so, or a link. */
    struct swport_settings set;
};

/* All ports of the network on this host, by number: *n of them, the caller's to free(). Borrows
 * from the view and the stats. */
struct console_port *console_ports(struct console_entry *, const struct stats *, size_t *n);
struct console_port *console_port(struct console_port *, size_t n, uint32_t number);

/* The number of a port by its name; 0 = it has none. */
uint32_t console_port_number(const struct console_entry *, const char *name);

bool console_port_is_link(const struct console_port *);

/* What the VLAN is to the port. */
bool console_port_untagged(const struct console_port *, uint16_t vlan);
bool console_port_tagged(const struct console_port *, uint16_t vlan);

/* The VLAN of its untagged frames, or CONSOLE_VLAN_NONE. */
uint16_t console_port_vlan(const struct console_port *);

/* --- console_show.c, console_set.c: with the ports that there are ------------------------- */

void console_show(struct console_call *, const struct stats *);
void console_set(struct console_call *, const struct stats *);

/* --- console_debug.c ----------------------------------------------------------------------- */

void console_debug(struct console_call *); /* debug/list, debug/add, debug/del */
void console_debug_off(struct console_session *);

#endif
