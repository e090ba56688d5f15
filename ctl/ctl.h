/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One run of iothctl: what was asked for globally, the daemon it talks to, how it ends. */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <stdbool.h>

#include "ctl/grammar.h"
#include "libioth/http/http.h"

enum ctl_exit {
    CTL_DONE = 0,
    CTL_REFUSED = 1, /* Or failed. */
    CTL_USAGE = 2,   /* Wrong usage or invalid input. */
    CTL_MISSING = 3, /* No such object. */
    CTL_UNREACHABLE = 4,
    CTL_OURS = 125, /* run and exec: anything of the above. */
};

enum ctl_output { CTL_TABLE, CTL_JSON, CTL_YAML };

struct ctl {
    const char *program; /* argv[0] */
    const char *socket;  /* --socket, or NULL. */
    const char *host;    /* --host, or NULL. */
    const char
        *url; /* https://HOST:PORT, where that is what --socket or IOTH_SOCKET says. */
    const char *token_file, *pin; /* Over https; or NULL. */
    enum ctl_output output;
    bool output_given; /* -o was there. */
    bool quiet, verbose, no_start;
    const char *
        outcome; /* The command that shows what became of a request whose answer is lost. */
    bool colour; /* stdout is a terminal and wants colour. */

    /* Private to ctl.c and api.c. */
    struct http *http;
    char *api_path; /* Of the daemon's API socket, once it is known. */
    char *what;     /* "net create lan1": opens an error line. */
    char *why, *hint;
    char *reasons; /* Lines that stand before the error's own; or NULL. */
};

/* The whole program. Returns the exit status. */
int ctl_main(int argc, char **argv);

/* Records why the command fails (a later one replaces an earlier) and returns `code`. */
int ctl_fail(struct ctl *, int code, const char *why, ...)
    __attribute__((format(printf, 3, 4)));
int ctl_fail_err(struct ctl *, int code, const struct err *);
/* Lines, each ended by '\n', that are told before the failure just recorded. Takes them. */
void ctl_reasons(struct ctl *, char *lines);
/* The command that mends it: for the failure just recorded. */
void ctl_hint(struct ctl *, const char *hint, ...) __attribute__((format(printf, 2, 3)));

/* Prints the failure recorded, `iothctl: WHAT failed: WHY` and the hint, and forgets it: for a
 * command that goes on with its next argument. The last one is printed by the caller. */
void ctl_report(struct ctl *);

/* Forgets the failure recorded: its reasons have been printed already. */
void ctl_forget(struct ctl *);

/* What is being done, where it is more than noun, verb and first argument. */
void ctl_what(struct ctl *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A line on stderr for people; not with -q. With -v only: ctl_detail(). */
void ctl_note(const struct ctl *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void ctl_detail(const struct ctl *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Finds the daemon and makes sure that it answers, starting the user's own if none runs and
 * --no-start is absent. Returns 0, or CTL_UNREACHABLE or CTL_REFUSED with the failure recorded.
 * Afterwards ctl->api_path names its API socket and ctl->http is connected to it.
 */
int ctl_connect(struct ctl *) __attribute__((warn_unused_result));

struct locate;

/* Where the daemon is, without starting one (libioth/plug/locate.h). */
int ctl_locate(struct ctl *, struct locate *where) __attribute__((warn_unused_result));

#endif
