/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/vde/console.h"

#include <string.h>

#include "proto/base/cur.h"

/* clang-format off */

#define MENU(PATH, HELP) {PATH, "============", HELP, CONSOLE_MENU, false, NULL}
#define SHOW(PATH, SYNTAX, HELP, COMMAND) {PATH, SYNTAX, HELP, COMMAND, false, NULL}
#define SET(PATH, SYNTAX, HELP, COMMAND) {PATH, SYNTAX, HELP, COMMAND, true, NULL}
#define NOT_HERE(PATH, SYNTAX, HELP, INSTEAD) {PATH, SYNTAX, HELP, CONSOLE_REFUSED, false, INSTEAD}

const struct console_row console_rows[] = {
    MENU("ds", "DATA SOCKET MENU"),
    SHOW("ds/showinfo", "", "show the folder of the data sockets", CONSOLE_DS_SHOWINFO),
    SHOW("help", "[arg]", "help (limited to arg when specified)", CONSOLE_HELP),
    SHOW("logout", "", "leave this console", CONSOLE_LOGOUT),
    NOT_HERE("shutdown", "", "end of the switch",
             "the daemon serves other networks too: iothctl daemon stop"),
    SHOW("showinfo", "", "show switch version and info", CONSOLE_SHOWINFO),
    NOT_HERE("load", "path", "run a script",
             "the daemon opens no files for users: send its lines, or iothctl apply -f FILE"),
    MENU("debug", "DEBUG MENU"),
    SHOW("debug/list", "", "list debug categories", CONSOLE_DEBUG_LIST),
    SHOW("debug/add", "dbgpath", "enable debug info for a given category", CONSOLE_DEBUG_ADD),
    SHOW("debug/del", "dbgpath", "disable debug info for a given category", CONSOLE_DEBUG_DEL),
    MENU("plugin", "PLUGINS MENU"),
    SHOW("plugin/list", "", "list plugins", CONSOLE_PLUGIN_LIST),
    NOT_HERE("plugin/add", "library", "load a plugin", "there are no plugins here"),
    NOT_HERE("plugin/del", "name", "unload a plugin", "there are no plugins here"),
    MENU("hash", "HASH TABLE MENU"),
    SHOW("hash/showinfo", "", "show hash info", CONSOLE_HASH_SHOWINFO),
    NOT_HERE("hash/setsize", "N", "change hash size", "the size of the table is fixed"),
    NOT_HERE("hash/setgcint", "N", "change garbage collector interval",
             "entries go when they are due"),
    NOT_HERE("hash/setexpire", "N", "change hash entries expire time", "the time is fixed"),
    NOT_HERE("hash/setminper", "N", "minimum persistence time",
             "a MAC moves at once; one that moves too often stays for three minutes"),
    SHOW("hash/print", "", "print the hash table", CONSOLE_HASH_PRINT),
    SHOW("hash/find", "MAC [VLAN]", "MAC lookup", CONSOLE_HASH_FIND),
    MENU("fstp", "FAST SPANNING TREE MENU"),
    SHOW("fstp/showinfo", "", "show fstp info", CONSOLE_FSTP_SHOWINFO),
    SET("fstp/setfstp", "0/1", "fast spanning tree protocol 1=ON 0=OFF", CONSOLE_FSTP_SETFSTP),
    SET("fstp/setedge", "VLAN PORT 1/0", "define an edge port (of all VLANs) 1=Y 0=N",
        CONSOLE_FSTP_SETEDGE),
    NOT_HERE("fstp/bonus", "VLAN PORT COST", "set the port bonus for a vlan",
             "VLANs share the tree: iothctl port set NET/PORT stp.cost=N"),
    SHOW("fstp/print", "[N]", "print fst data for the defined vlan", CONSOLE_FSTP_PRINT),
    MENU("port", "PORT STATUS MENU"),
    SHOW("port/showinfo", "", "show port info", CONSOLE_PORT_SHOWINFO),
    NOT_HERE("port/setnumports", "N", "set the number of ports", "the number is fixed"),
    SET("port/sethub", "0/1", "1=HUB 0=switch", CONSOLE_PORT_SETHUB),
    SET("port/setvlan", "N VLAN", "set port VLAN (untagged)", CONSOLE_PORT_SETVLAN),
    SET("port/createauto", "",
        "create a port with an automatically allocated id (inactive|notallocatable)",
        CONSOLE_PORT_CREATEAUTO),
    SET("port/create", "N", "create the port N (inactive|notallocatable)", CONSOLE_PORT_CREATE),
    SET("port/remove", "N", "remove the port N", CONSOLE_PORT_REMOVE),
    SET("port/allocatable", "N 0/1", "is the port allocatable as unnamed? 1=Y 0=N",
        CONSOLE_PORT_ALLOCATABLE),
    NOT_HERE("port/setuser", "N user", "access control: set user",
             "access is the network's: iothctl net set NET 'allow=[user:U]'"),
    NOT_HERE("port/setgroup", "N group", "access control: set group",
             "access is the network's: iothctl net set NET 'allow=[group:G]'"),
    SET("port/epclose", "N ID", "remove the endpoint port N/id ID", CONSOLE_PORT_EPCLOSE),
    NOT_HERE("port/resetcounter", "[N]", "reset the port (N) counters", "counters only rise"),
    SHOW("port/print", "[N]", "print the port/endpoint table", CONSOLE_PORT_PRINT),
    SHOW("port/allprint", "[N]", "print the port/endpoint table (including inactive port)",
         CONSOLE_PORT_ALLPRINT),
    MENU("vlan", "VLAN MANAGEMENT MENU"),
    SET("vlan/create", "N", "create the VLAN with tag N", CONSOLE_VLAN_CREATE),
    SET("vlan/remove", "N", "remove the VLAN with tag N", CONSOLE_VLAN_REMOVE),
    SET("vlan/addport", "N PORT", "add port to the vlan N (tagged)", CONSOLE_VLAN_ADDPORT),
    SET("vlan/delport", "N PORT", "take port out of the vlan N (tagged)", CONSOLE_VLAN_DELPORT),
    SHOW("vlan/print", "[N]", "print the list of defined vlan", CONSOLE_VLAN_PRINT),
    SHOW("vlan/allprint", "[N]", "print the list of defined vlan (including inactive port)",
         CONSOLE_VLAN_ALLPRINT),
    {NULL, NULL, NULL, CONSOLE_MENU, false, NULL}
};

/* clang-format on */

static bool is_printable(uint8_t byte)
{
    return byte >= ' ' && byte < 0x7f;
}

/* The next word into out[room], cut where it is longer. False at the end of the line. */
static bool next_word(struct cur *c, char *out, size_t room)
{
    size_t n = 0;

    while (cur_left(c) && (*c->p == ' ' || *c->p == '\t'))
        cur_skip(c, 1);
    while (cur_left(c) && is_printable(*c->p) && *c->p != ' ') {
        char byte = (char)cur_u8(c);

        if (n + 1 < room)
            out[n++] = byte;
    }
    out[n] = '\0';
    return n > 0;
}

static const struct console_row *row_of(const char *path)
{
    for (const struct console_row *row = console_rows; row->path; row++) {
        if (row->command != CONSOLE_MENU && strcmp(row->path, path) == 0)
            return row;
    }
    return NULL;
}

void console_parse(const void *line, size_t size, struct console_request *out)
{
    struct cur c = cur_init(line, size);
    char path[32];

    *out = (struct console_request){.row = NULL};
    out->empty = !next_word(&c, path, sizeof path) || path[0] == '#';
    if (out->empty)
        return;
    out->row = row_of(path);
    while (out->n_args < CONSOLE_ARGS &&
           next_word(&c, out->arg[out->n_args], sizeof out->arg[0]))
        out->n_args++;
}

bool console_number(const char *text, uint32_t most, uint32_t *out)
{
    uint32_t value = 0;

    if (!*text)
        return false;
    for (; *text; text++) {
        uint32_t digit = (uint32_t)(*text - '0');

        if (*text < '0' || *text > '9' || value > (UINT32_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    if (value > most)
        return false;
    *out = value;
    return true;
}

enum console_read console_reader_feed(struct console_reader *r, const void *data,
                                      size_t size, size_t *used)
{
    struct cur c = cur_init(data, size);
    bool ended = false;

    if (r->complete)
        *r = (struct console_reader){.size = 0};
    while (cur_left(&c) && !ended) {
        char byte = (char)cur_u8(&c);

        ended = byte == '\n';
        if (r->size < sizeof r->line)
            r->line[r->size++] = byte;
        else
            r->too_long = true;
    }
    *used = size - cur_left(&c);
    return ended ? console_reader_end(r) : CONSOLE_MORE;
}

enum console_read console_reader_end(struct console_reader *r)
{
    if (!r->size || r->complete)
        return CONSOLE_MORE;
    r->complete = true;
    return r->too_long ? CONSOLE_LONG : CONSOLE_LINE;
}
