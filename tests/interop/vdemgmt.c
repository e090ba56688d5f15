/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A user of VirtualSquare's libvdemgmt: shows what it takes out of a console, runs the commands, and
 * with -w EVENT waits for asynchronous lines of that category until N of them have come.
 *   vdemgmt SOCKET [-w EVENT N] COMMAND…
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libvdemgmt.h>

static int waited;

static void came(const char *event, const int tag, const char *data)
{
    printf("event %s %o %s", event, (unsigned)tag, data);
    fflush(stdout);
    waited--;
}

static void run(struct vdemgmt *conn, const char *command)
{
    struct vdemgmt_out out = {NULL, 0};
    int code = vdemgmt_sendcmd(conn, command, &out);

    printf("%s = %d\n%.*s", command, code, (int)out.sz, out.buf ? out.buf : "");
    fflush(stdout);
    vdemgmt_rstout(&out);
}

static int watch(struct vdemgmt *conn, const char *event, int n)
{
    int code = vdemgmt_asyncreg(conn, event, came);

    printf("watching %s = %d\n", event, code);
    fflush(stdout);
    for (waited = n; code == 0 && waited > 0;)
        vdemgmt_asyncrecv(conn);
    if (code == 0)
        vdemgmt_asyncunreg(conn, event);
    return code;
}

int main(int argc, char **argv)
{
    struct vdemgmt *conn = argc > 1 ? vdemgmt_open(argv[1]) : NULL;
    char **commands = conn ? vdemgmt_commandlist(conn) : NULL;
    int i = 2;

    if (!conn || !commands) {
        fprintf(stderr, "vdemgmt: %s cannot be opened\n", argc > 1 ? argv[1] : "SOCKET");
        return 1;
    }
    printf("prompt %s\nversion %s\ncommands", vdemgmt_getprompt(conn),
           vdemgmt_getversion(conn));
    for (char **c = commands; *c; c++)
        printf(" %s", *c);
    printf("\n");
    vdemgmt_freecommandlist(commands);
    if (argc > 4 && strcmp(argv[2], "-w") == 0) {
        if (watch(conn, argv[3], (int)strtol(argv[4], NULL, 10)) != 0)
            return 1;
        i = 5;
    }
    for (; i < argc; i++)
        run(conn, argv[i]);
    vdemgmt_close(conn);
    return 0;
}
