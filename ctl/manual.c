/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The manual page: what the table knows, between a few paragraphs that it does not. */
#include <string.h>

#include "ctl/commands.h"
#include "ctl/help.h"

/* Text with what troff would take for its own. */
static void put(FILE *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", out);
    for (; *text; text++) {
        if (*text == '-')
            fputs("\\-", out);
        else if (*text == '\\')
            fputs("\\e", out);
        else
            fputc(*text, out);
    }
}

static bool ends_sentence(const char *text)
{
    static const char dots[] = "…";
    size_t size = strlen(text), tail = sizeof dots - 1;
    return size >= tail && memcmp(text + size - tail, dots, tail) == 0;
}

static void put_option(FILE *out, const struct option_row *o)
{
    fputs(".TP\n.B ", out);
    if (o->letter)
        fprintf(out, "\\-%c\\fR, \\fB", o->letter);
    fputs("\\-\\-", out);
    put(out, o->name);
    if (o->value) {
        fputs("\\fR \\fI", out);
        put(out, o->value);
        fputs("\\fR", out);
    }
    fputc('\n', out);
    put(out, o->help);
    if (!ends_sentence(o->help))
        fputc('.', out);
    fputs(o->flags & OPTION_REPEATED ? " May be repeated.\n" : "\n", out);
}

static void put_options(FILE *out, const struct option_row *rows)
{
    for (; rows && rows->name; rows++)
        if (!rows->later || rows->later_words)
            put_option(out, rows);
}

static void put_command(FILE *out, const struct command *c)
{
    fputs(".SS iothctl ", out);
    put(out, c->noun);
    if (c->verb) {
        fputc(' ', out);
        put(out, c->verb);
    }
    if (*c->usage) {
        fputc(' ', out);
        put(out, c->usage);
    }
    fputs(c->flags & COMMAND_REST ? " \\-\\- CMD…\n" : "\n", out);
    put(out, c->help);
    fputs(".\n", out);
    put_options(out, c->options);
}

void manual_print(FILE *out)
{
    fputs(".\\\" SPDX-License-Identifier: LGPL-2.1-or-later\n"
          ".\\\" Made by `iothctl help --manual`; change ctl/commands.c instead.\n"
          ".TH IOTHCTL 1 \"\" \"Ioth Fabric\" \"User Commands\"\n"
          ".SH NAME\niothctl \\- control Ioth Fabric, a distributed virtual Ethernet\n"
          ".SH SYNOPSIS\n.B iothctl\n[\\fIOPTION\\fR…] \\fINOUN\\fR [\\fIVERB\\fR] …\n"
          ".SH DESCRIPTION\n"
          "iothctl talks to a running\n.BR fabricd (8)\nover its API socket. It takes the "
          "socket of "
          "\\fB\\-\\-socket\\fR, else of IOTH_SOCKET, else the user's own running daemon, "
          "else "
          "/run/ioth where the user may. With none running it starts the user's own in the "
          "background, and says so.\n.PP\n"
          "Options of every command may stand anywhere before \\fB\\-\\-\\fR. Tables are "
          "for people; "
          "\\fB\\-o json\\fR and \\fB\\-o yaml\\fR give the objects of the API, and YAML "
          "of an object "
          "is valid input for \\fBiothctl apply\\fR.\n"
          ".SH OPTIONS OF EVERY COMMAND\n",
          out);
    put_options(out, global_options);
    fputs(".SH COMMANDS\n", out);
    for (const struct command *c = commands; c->noun; c++)
        if (!c->later && !(c->flags & COMMAND_HIDDEN))
            put_command(out, c);
    fputs(".SH EXIT STATUS\n"
          ".TP\n.B 0\nDone.\n.TP\n.B 1\nRefused or failed.\n"
          ".TP\n.B 2\nWrong usage or invalid input.\n.TP\n.B 3\nNo such object.\n"
          ".TP\n.B 4\nThe daemon cannot be reached.\n.PP\n"
          "\\fBdiff\\fR ends with 0 without differences, 1 with differences, 2 and more "
          "for errors. "
          "\\fBrun\\fR and \\fBexec\\fR end with the program's own status; with 125 where "
          "iothctl "
          "failed, 126 and 127 as a shell does, and 128+N for signal N.\n"
          ".SH ENVIRONMENT\n"
          ".TP\n.B IOTH_SOCKET\nThe daemon's API socket.\n"
          ".TP\n.BR IOTH_RUN_DIR \", \" IOTH_STATE_DIR\nThe folders of the user's own "
          "daemon.\n"
          ".TP\n.B NO_COLOR\nNo colours.\n"
          ".SH SEE ALSO\n.BR fabricd (8)\n",
          out);
}
