/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the command line to the exit status: global options, the daemon, messages. */
#include "ctl/ctl.h"

#include <errno.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/commands.h"
#include "ctl/help.h"
#include "ctl/launch.h"
#include "ctl/output.h"
#include "libioth/plug/locate.h"
#include "proto/base/xalloc.h"

#define TOKEN_LINE_MAX 4096

int ctl_fail(struct ctl *ctl, int code, const char *why, ...)
{
    va_list args;
    va_start(args, why);
    char *text = xvasprintf(why, args);
    va_end(args);
    ctl_forget(ctl);
    ctl->why = text;
    return code;
}

void ctl_reasons(struct ctl *ctl, char *lines)
{
    free(ctl->reasons);
    ctl->reasons = lines;
}

void ctl_hint(struct ctl *ctl, const char *hint, ...)
{
    va_list args;
    va_start(args, hint);
    char *text = xvasprintf(hint, args);
    va_end(args);
    free(ctl->hint);
    ctl->hint = text;
}

int ctl_fail_err(struct ctl *ctl, int code, const struct err *err)
{
    ctl_fail(ctl, code, "%s", err->why[0] ? err->why : "for no reason that is known");
    if (err->hint[0])
        ctl_hint(ctl, "%s", err->hint);
    return code;
}

void ctl_forget(struct ctl *ctl)
{
    free(ctl->why);
    free(ctl->hint);
    free(ctl->reasons);
    ctl->why = ctl->hint = ctl->reasons = NULL;
}

static void print_reasons(char *lines)
{
    for (char *line; (line = strsep(&lines, "\n")) && lines;) {
        print_clean(stderr, line);
        fputc('\n', stderr);
    }
}

void ctl_report(struct ctl *ctl)
{
    if (!ctl->why)
        return;
    print_reasons(ctl->reasons);
    fputs("iothctl: ", stderr);
    print_clean(stderr, ctl->what ? ctl->what : "reading the command line");
    fputs(" failed: ", stderr);
    print_clean(stderr, ctl->why);
    fputc('\n', stderr);
    if (ctl->hint) {
        fputs("hint: ", stderr);
        print_clean(stderr, ctl->hint);
        fputc('\n', stderr);
    }
    ctl_forget(ctl);
}

void ctl_what(struct ctl *ctl, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = xvasprintf(format, args);
    va_end(args);
    free(ctl->what);
    ctl->what = text;
}

static void __attribute__((format(printf, 1, 0))) say(const char *format, va_list args)
{
    char *text = xvasprintf(format, args);
    print_clean(stderr, text);
    fputc('\n', stderr);
    free(text);
}

void ctl_note(const struct ctl *ctl, const char *format, ...)
{
    va_list args;
    if (ctl->quiet)
        return;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

void ctl_detail(const struct ctl *ctl, const char *format, ...)
{
    va_list args;
    if (!ctl->verbose)
        return;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

int ctl_locate(struct ctl *ctl, struct locate *where)
{
    struct err err = {0};
    if (locate_daemon(ctl->socket, where, &err) < 0)
        return ctl_fail_err(ctl, CTL_UNREACHABLE, &err);
    return 0;
}

/* The first line of the file. */
static int read_token(struct ctl *ctl, char *line, size_t size)
{
    FILE *f = fopen(ctl->token_file, "re");
    if (!f)
        return ctl_fail(ctl, errno == ENOENT ? CTL_MISSING : CTL_REFUSED, "%s: %s",
                        ctl->token_file, err_text(errno));
    if (!fgets(line, (int)size, f))
        line[0] = '\0';
    fclose(f);
    line[strcspn(line, "\r\n")] = '\0';
    if (*line)
        return 0;
    return ctl_fail(ctl, CTL_USAGE, "%s holds no token", ctl->token_file);
}

static int connect_remote(struct ctl *ctl)
{
    char token[TOKEN_LINE_MAX] = "";
    int r = ctl->token_file ? read_token(ctl, token, sizeof(token)) : 0;
    if (r)
        return r;
    ctl->api_path = xstrdup(ctl->url);
    ctl->http = http_new_remote(&(struct http_remote){
        .url = ctl->url, .pin = ctl->pin, .token = *token ? token : NULL});
    explicit_bzero(token, sizeof(token));
    return ctl->http ? 0 : ctl_fail(ctl, CTL_REFUSED, "there is no memory");
}

int ctl_connect(struct ctl *ctl)
{
    struct locate where;
    if (ctl->http)
        return 0;
    if (ctl->url)
        return connect_remote(ctl);
    int r = ctl_locate(ctl, &where);
    if (r)
        return r;
    if (!where.running && (where.named || ctl->no_start)) {
        r = ctl_fail(ctl, CTL_UNREACHABLE, "no daemon answers at %s", where.api);
        if (!where.named)
            ctl_hint(ctl, "iothctl daemon start");
        return r;
    }
    if (!where.running)
        r = launch_fabricd(ctl, &where);
    if (r)
        return r;
    ctl->api_path = xstrdup(where.api);
    ctl->http = http_new(where.api);
    if (!ctl->http)
        return ctl_fail(ctl, CTL_REFUSED, "there is no memory");
    return 0;
}

static const char *value_or_variable(const struct args *args, const char *name,
                                     const char *variable)
{
    const char *value = args_value(args, name);
    if (!value)
        value = getenv(variable);
    return value && *value ? value : NULL;
}

static void take_remote(struct ctl *ctl, const struct args *args)
{
    const char *place = value_or_variable(args, "socket", "IOTH_SOCKET");
    if (place && strncmp(place, "https://", 8) == 0)
        ctl->url = place;
    ctl->token_file = value_or_variable(args, "token-file", "IOTH_TOKEN_FILE");
    ctl->pin = value_or_variable(args, "pin", "IOTH_PIN");
}

static void take_globals(struct ctl *ctl, const struct args *args)
{
    const char *output = args_value(args, "output");
    const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
    ctl->socket = args_value(args, "socket");
    ctl->host = args_of(args, global_options, "host");
    take_remote(ctl, args);
    ctl->output_given = output != NULL;
    if (output && strcmp(output, "json") == 0)
        ctl->output = CTL_JSON;
    else if (output && strcmp(output, "yaml") == 0)
        ctl->output = CTL_YAML;
    ctl->quiet = args_has(args, "quiet");
    ctl->verbose = args_has(args, "verbose");
    ctl->no_start = args_has(args, "no-start");
    ctl->colour = isatty(STDOUT_FILENO) && !(no_colour && *no_colour) &&
                  !(term && strcmp(term, "dumb") == 0);
}

/* "net create lan1": the words that matter, never a secret. */
static void name_what(struct ctl *ctl, const struct args *args)
{
    const struct command *c = args->command;
    if (!c) {
        if (args->noun)
            ctl_what(ctl, "reading the command line");
        return;
    }
    bool show = args->n_words > 0 && !(c->flags & COMMAND_SECRET);
    ctl_what(ctl, "%s%s%s%s%s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "",
             show ? " " : "", show ? args->words[0] : "");
}

/* What an exit status of ours becomes for commands whose status says something else. */
static int exit_as(const struct command *c, int code)
{
    if (c && code && (c->flags & COMMAND_PROGRAM))
        return CTL_OURS;
    if (c && (c->flags & COMMAND_COMPARE) && code == CTL_REFUSED)
        return CTL_USAGE;
    return code;
}

static int dispatch(struct ctl *ctl, const struct args *args)
{
    const struct command *c = args->command;
    if (args_has(args, "help")) {
        help_print(stdout, args->noun, c);
        return CTL_DONE;
    }
    if (args_has(args, "version"))
        return cmd_version(ctl, args);
    if (!c) {
        help_print(stderr, NULL, NULL);
        return CTL_USAGE;
    }
    if ((ctl->host || ctl->url) && (c->flags & COMMAND_HERE)) {
        ctl_fail(ctl, CTL_USAGE, "this is done on the host itself, %s is not for it",
                 ctl->host ? "--host" : "https");
        ctl_report(ctl);
        return exit_as(c, CTL_USAGE);
    }
    int code = c->run(ctl, args);
    bool ours = ctl->why != NULL;
    if (fflush(stdout) != 0 && !code) {
        code = ctl_fail(ctl, CTL_REFUSED, "writing the output: %s", err_text(errno));
        ours = true;
    }
    ctl_report(ctl);
    return ours && !(c->flags & COMMAND_PROGRAM) ? exit_as(c, code) : code;
}

int ctl_main(int argc, char **argv)
{
    struct ctl ctl = {.program = argc > 0 ? argv[0] : "iothctl"};
    struct args *args = xcalloc(1, sizeof(*args));
    struct err err = {0};
    int code;

    setlocale(LC_CTYPE, "");
    int r = args_parse(argc, argv, commands, global_options, args, &err);
    take_globals(&ctl, args);
    name_what(&ctl, args);
    if (r < 0) {
        code = ctl_fail_err(&ctl, r == -ENOSYS ? CTL_REFUSED : CTL_USAGE, &err);
        ctl_report(&ctl);
        code = exit_as(args->command, code);
    } else {
        code = dispatch(&ctl, args);
    }
    http_free(ctl.http);
    free(ctl.api_path);
    free(ctl.what);
    args_done(args);
    free(args);
    return code;
}
