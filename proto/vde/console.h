/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The management console of VDE, server side, without what it talks about: the commands that
 * vde_switch has, and how a line asks for one. A session begins with a banner, then
 *
 *     prompt, line, [ "0000 DATA END WITH '.'", lines, "." ], "1NNN TEXT" (NNN an errno), prompt …
 *
 * and lines "3OOO PATH TEXT" may come between them, where debugging was asked for. A line ends
 * with a newline. vde_switch takes whatever one read gave for a line; clients that write one
 * without its newline and wait are served by console_reader_end(), after a moment.
 */
#ifndef PROTO_VDE_CONSOLE_H
#define PROTO_VDE_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONSOLE_LINE_MAX 1024u
#define CONSOLE_ARGS     3u
#define CONSOLE_PROMPT   "\nvde$ "
#define CONSOLE_DATA     "0000 DATA END WITH '.'\n"
#define CONSOLE_DATA_END ".\n"

/* VDE's numbers. */
#define CONSOLE_VLAN_NONE  4095u /* Of a port: untagged frames are not taken. */
#define CONSOLE_TAG_PORT   021u  /* port/+, and the next one port/-. */
#define CONSOLE_TAG_END    031u  /* port/ep/+, port/ep/-. */
#define CONSOLE_TAG_STATUS 044u  /* fstp/status */
#define CONSOLE_TAG_ROOT   045u  /* fstp/root */

enum console_command {
    CONSOLE_MENU, /* Not a command: the head of some. */
    CONSOLE_HELP,
    CONSOLE_LOGOUT,
    CONSOLE_SHOWINFO,
    CONSOLE_DS_SHOWINFO,
    CONSOLE_DEBUG_LIST,
    CONSOLE_DEBUG_ADD,
    CONSOLE_DEBUG_DEL,
    CONSOLE_PLUGIN_LIST,
    CONSOLE_HASH_SHOWINFO,
    CONSOLE_HASH_PRINT,
    CONSOLE_HASH_FIND,
    CONSOLE_FSTP_SHOWINFO,
    CONSOLE_FSTP_SETFSTP,
    CONSOLE_FSTP_SETEDGE,
    CONSOLE_FSTP_PRINT,
    CONSOLE_PORT_SHOWINFO,
    CONSOLE_PORT_SETHUB,
    CONSOLE_PORT_SETVLAN,
    CONSOLE_PORT_CREATEAUTO,
    CONSOLE_PORT_CREATE,
    CONSOLE_PORT_REMOVE,
    CONSOLE_PORT_ALLOCATABLE,
    CONSOLE_PORT_EPCLOSE,
    CONSOLE_PORT_PRINT,
    CONSOLE_PORT_ALLPRINT,
    CONSOLE_VLAN_CREATE,
    CONSOLE_VLAN_REMOVE,
    CONSOLE_VLAN_ADDPORT,
    CONSOLE_VLAN_DELPORT,
    CONSOLE_VLAN_PRINT,
    CONSOLE_VLAN_ALLPRINT,
    CONSOLE_REFUSED, /* vde_switch has it; `instead` says what there is here. */
};

struct console_row {
    const char *path;
    const char *syntax; /* "" = takes nothing. */
    const char *help;
    enum console_command command;
    bool changes;        /* It is for those who may change the network. */
    const char *instead; /* Of CONSOLE_REFUSED. */
};

/* All, in the order in which `help` tells of them; the last has no path. */
extern const struct console_row console_rows[];

struct console_request {
    const struct console_row *row; /* NULL = there is no such command. */
    bool empty;                    /* Nothing was asked: white space, a comment (#). */
    unsigned n_args;
    char arg[CONSOLE_ARGS][128]; /* Cut where longer, so that it is none that is known. */
};

/* Takes a line, without its newline, apart. Bytes that are not printable end the line. */
void console_parse(const void *line, size_t size, struct console_request *out);

/* A decimal number of at most `most`, and nothing else. */
bool console_number(const char *text, uint32_t most, uint32_t *out);

/* Lines out of what is read. */
struct console_reader {
    bool too_long; /* The line at hand; what is left of it is dropped. */
    bool complete; /* It was told of: what comes is the next one's. */
    uint16_t size;
    char line[CONSOLE_LINE_MAX];
};

enum console_read {
    CONSOLE_MORE, /* All was taken, and the line is not complete. */
    CONSOLE_LINE, /* A line is complete: line[0..size). */
    CONSOLE_LONG, /* It was longer than may be. */
};

/* Takes bytes, *used of them, up to the end of a line. The line is valid until the next call. */
enum console_read console_reader_feed(struct console_reader *, const void *data,
                                      size_t size, size_t *used);

/* What there is of a line is the line: nothing more has come. CONSOLE_MORE if there is none. */
enum console_read console_reader_end(struct console_reader *);

#endif
