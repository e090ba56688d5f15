/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fabricd/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ioth_version.h"
#include "proto/base/err.h"
#include "proto/base/log.h"
#include "proto/model/node.h"
#include "proto/model/schema.h"

#define CONFIG_MAX ((size_t)64 * 1024)

enum option {
    OPT_NAME,
    OPT_LISTEN,
    OPT_RUN_DIR,
    OPT_STATE_DIR,
    OPT_CONFIG,
    OPT_STORE,
    OPT_API,
    OPT_API_CERT,
    OPT_API_KEY,
    OPT_SERVICES,
    OPT_FOREGROUND,
    OPT_LOG_LEVEL,
    OPT_HELP,
    OPT_VERSION,
    N_OPTIONS
};

static const struct row {
    const char *name;
    const char *arg; /* NULL = takes none. */
    bool in_file;
    const char *help;
} rows[N_OPTIONS] = {
    [OPT_NAME] = {"name", "HOST", true, "this host's name in the fabric"},
    [OPT_LISTEN] = {"listen", "ADDR:PORT", true,
                    "UDP address for other hosts (default: any, port 4655)"},
    [OPT_RUN_DIR] = {"run-dir", "DIR", true,
                     "sockets (default: /run/ioth, or $XDG_RUNTIME_DIR/ioth)"},
    [OPT_STATE_DIR] = {"state-dir", "DIR", true,
                       "store and keys (default: /var/lib/ioth, or $XDG_STATE_HOME/ioth)"},
    [OPT_CONFIG] = {"config", "FILE", false,
                    "settings, by the names of these flags (root: " OPTIONS_CONFIG ")"},
    [OPT_STORE] = {"store", "URL", true, "where objects are kept (default: sqlite:)"},
    [OPT_API] = {"api", "ADDR:PORT", true, "the API over TCP too, with TLS and tokens"},
    [OPT_API_CERT] = {"api-cert", "FILE", true,
                      "its certificate with the chain, PEM (default: one of its own)"},
    [OPT_API_KEY] = {"api-key", "FILE", true, "the key of that certificate, PEM"},
    [OPT_SERVICES] = {"services", "USER", true,
                      "run what other hosts ask for, as that user"},
    [OPT_FOREGROUND] = {"foreground", NULL, true, "stay in the foreground (the default)"},
    [OPT_LOG_LEVEL] = {"log-level", "LEVEL", true, "error, warn, info (default) or debug"},
    [OPT_HELP] = {"help", NULL, false, "this text"},
    [OPT_VERSION] = {"version", NULL, false, "the version"},
};

/* Words of the flags, and of the file's keys. */
static const char *const flag_words[] = {
    "--name",       "--listen",    "--run-dir",  "--state-dir", "--config",
    "--store",      "--api",       "--api-cert", "--api-key",   "--services",
    "--foreground", "--log-level", "--help",     "--version",   NULL};
static const char *const key_words[] = {"name",     "listen",     "run-dir",   "state-dir",
                                        "store",    "api",        "api-cert",  "api-key",
                                        "services", "foreground", "log-level", NULL};

/* A value and where it was written, for messages. */
struct value {
    const char *text;
    char where[320];
};

struct reading {
    struct value values[N_OPTIONS];
    FILE *errors;
    int status; /* OPTIONS_GO while nothing is wrong. */
};

__attribute__((format(printf, 4, 5))) static void
wrong(struct reading *r, int status, const char *where, const char *format, ...)
{
    char text[400];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(r->errors, "%s: %s\n", where, text);
    if (status > r->status)
        r->status = status;
}

/* --- where values come from --------------------------------------------------------------- */

static int row_of(const char *name, size_t len)
{
    for (int i = 0; i < N_OPTIONS; i++) {
        if (strlen(rows[i].name) == len && !memcmp(rows[i].name, name, len))
            return i;
    }
    return -1;
}

static void unknown(struct reading *r, const char *where, const char *what,
                    const char *word, const char *const *words)
{
    const char *near = schema_nearest(word, words);

    if (near)
        wrong(r, 2, where, "unknown %s %s (did you mean %s?)", what, word, near);
    else
        wrong(r, 2, where, "unknown %s %s (fabricd --help lists them)", what, word);
}

static void set_flag(struct reading *r, int opt, const char *text)
{
    r->values[opt].text = text;
    snprintf(r->values[opt].where, sizeof r->values[opt].where, "fabricd: --%s",
             rows[opt].name);
}

/* Takes one argument, and the next where the flag has its value there. Returns how many. */
static int read_flag(struct reading *r, int left, char *const *argv)
{
    const char *arg = argv[0];
    const char *equals = strchr(arg, '=');
    size_t len = equals ? (size_t)(equals - arg) : strlen(arg);
    char word[64];
    int opt;

    snprintf(word, sizeof word, "%.*s", (int)(len < 63 ? len : 63), arg);
    if (!strcmp(arg, "-h"))
        opt = OPT_HELP;
    else
        opt = len > 2 && !strncmp(arg, "--", 2) ? row_of(arg + 2, len - 2) : -1;
    if (opt < 0) {
        unknown(r, "fabricd", arg[0] == '-' ? "flag" : "argument", word, flag_words);
        return 1;
    }
    if (!rows[opt].arg) {
        if (equals)
            wrong(r, 2, "fabricd", "--%s takes no value", rows[opt].name);
        set_flag(r, opt, "true");
        return 1;
    }
    if (!equals && left < 2) {
        wrong(r, 2, "fabricd", "--%s needs a value (%s)", rows[opt].name, rows[opt].arg);
        return 1;
    }
    set_flag(r, opt, equals ? equals + 1 : argv[1]);
    return equals ? 1 : 2;
}

static void read_environment(struct reading *r)
{
    static const struct {
        enum option opt;
        const char *name;
    } all[] = {{OPT_RUN_DIR, "IOTH_RUN_DIR"}, {OPT_STATE_DIR, "IOTH_STATE_DIR"}};

    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        struct value *v = &r->values[all[i].opt];
        const char *text = getenv(all[i].name);

        if (v->text || !text || !*text)
            continue;
        v->text = text;
        snprintf(v->where, sizeof v->where, "fabricd: %s", all[i].name);
    }
}

static void take_key(struct reading *r, const char *file, const char *key,
                     const struct node *n)
{
    char where[320];
    int opt = row_of(key, strlen(key));

    snprintf(where, sizeof where, "%s:%u:%u: %s", file, n->key_line, n->key_column, key);
    if (opt < 0 || !rows[opt].in_file) {
        unknown(r, where, "key", key, key_words);
        return;
    }
    if (n->kind == NODE_BOOL && !rows[opt].arg) {
        if (!n->boolean)
            wrong(r, 2, where, "there is no other way to run (true)");
        return;
    }
    if (!rows[opt].arg || !n->text) {
        wrong(r, 2, where, "wrong kind of value (%s)",
              rows[opt].arg ? rows[opt].arg : "true");
        return;
    }
    if (r->values[opt].text)
        return;
    r->values[opt].text = n->text;
    memcpy(r->values[opt].where, where, sizeof where);
}

static void print_diags(struct reading *r, const struct diags *d)
{
    for (size_t i = 0; i < d->n; i++) {
        char *line = diag_print(&d->list[i]);

        fprintf(r->errors, "%s\n", line);
        free(line);
    }
    r->status = 2;
}

/* Reads a file of at most CONFIG_MAX bytes; NULL with errno. The caller's to free(). */
static char *slurp(const char *path, size_t *size)
{
    FILE *f = fopen(path, "re");
    char *text;

    if (!f)
        return NULL;
    text = malloc(CONFIG_MAX);
    *size = text ? fread(text, 1, CONFIG_MAX, f) : 0;
    if (text && (ferror(f) || *size == CONFIG_MAX)) {
        if (!ferror(f))
            errno = EFBIG;
        free(text);
        text = NULL;
    }
    fclose(f);
    return text;
}

/* The tree lives as long as the values that point into it; NULL if there is none. */
static struct node *read_file(struct reading *r)
{
    const char *path = r->values[OPT_CONFIG].text;
    struct node *tree;
    struct diags diags;
    size_t size = 0;
    char *text;

    if (!path && geteuid() != 0)
        return NULL; /* The machine's settings name folders that are not a user's. */
    text = slurp(path ? path : OPTIONS_CONFIG, &size);
    if (!text) {
        if (path || errno != ENOENT)
            wrong(r, 2, path ? path : OPTIONS_CONFIG, "%s", err_text(errno));
        return NULL;
    }
    diags_init(&diags);
    tree = node_from_yaml(text, size, path ? path : OPTIONS_CONFIG, &diags);
    free(text);
    if (!tree)
        print_diags(r, &diags);
    else if (tree->kind != NODE_MAP && tree->kind != NODE_NULL)
        wrong(r, 2, path ? path : OPTIONS_CONFIG, "a map of settings is needed");
    for (size_t i = 0; tree && tree->kind == NODE_MAP && i < tree->n; i++)
        take_key(r, path ? path : OPTIONS_CONFIG, tree->key[i], tree->child[i]);
    diags_done(&diags);
    return tree;
}

/* --- what values mean --------------------------------------------------------------------- */

static bool is_name(const char *text)
{
    size_t len = strlen(text);

    return len && len < IPC_NAME_SIZE && text[0] >= 'a' && text[0] <= 'z' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

void options_fit_name(const char *text, char name[IPC_NAME_SIZE])
{
    size_t n = 0;

    for (; *text && *text != '.' && n < IPC_NAME_SIZE - 1; text++) {
        unsigned char c = (unsigned char)*text;

        if (c >= 'A' && c <= 'Z')
            c = (unsigned char)(c + ('a' - 'A'));
        if (!((c >= 'a' && c <= 'z') || (n && c >= '0' && c <= '9')))
            c = '-';
        if (c == '-' && (!n || name[n - 1] == '-'))
            continue;
        name[n++] = (char)c;
    }
    while (n && name[n - 1] == '-')
        n--;
    name[n] = '\0';
    if (!n)
        memcpy(name, "host", 5);
}

static void default_name(char name[IPC_NAME_SIZE])
{
    char host[256] = "host", both[512];
    const struct passwd *pw = geteuid() ? getpwuid(geteuid()) : NULL;

    gethostname(host, sizeof host - 1);
    host[strcspn(host, ".")] = '\0';
    if (geteuid() == 0)
        snprintf(both, sizeof both, "%s", host);
    else if (pw)
        snprintf(both, sizeof both, "%s-%s", pw->pw_name, host);
    else
        snprintf(both, sizeof both, "u%u-%s", geteuid(), host);
    options_fit_name(both, name);
}

bool options_parse_listen(const char *text, struct ipc_addr *out)
{
    const char *colon = strrchr(text, ':');
    struct ipc_addr a = {0};
    char host[64];
    size_t len;
    char *end;
    long port;

    if (!colon || (size_t)(colon - text) >= sizeof host || colon[1] < '0' || colon[1] > '9')
        return false;
    port = strtol(colon + 1, &end, 10);
    if (*end || port < 1 || port > 65535)
        return false;
    a.port = (uint16_t)port;
    len = (size_t)(colon - text);
    memcpy(host, text, len);
    host[len] = '\0';
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        host[len - 1] = '\0';
        a.family = 6;
        if (inet_pton(AF_INET6, host + 1, a.addr) != 1)
            return false;
    } else if (len) {
        a.family = 4;
        if (inet_pton(AF_INET, host, a.addr) != 1)
            return false;
    }
    *out = a;
    return true;
}

/* Copies a text that has to fit a field of `size`. */
static void put_text(struct reading *r, enum option opt, char *field, size_t size)
{
    const struct value *v = &r->values[opt];

    if (strlen(v->text) >= size || !*v->text)
        wrong(r, 2, v->where, "%s", *v->text ? "too long" : "must not be empty");
    else
        memcpy(field, v->text, strlen(v->text) + 1);
}

static void put_store(struct reading *r, struct ipc_start *start)
{
    const struct value *v = &r->values[OPT_STORE];

    if (!strncmp(v->text, "etcd", 4))
        wrong(r, 1, v->where, "the etcd store is refused: it is not built yet (sqlite:)");
    else if (strncmp(v->text, "sqlite:", 7) != 0)
        wrong(r, 2, v->where, "%.100s is no store (sqlite: or sqlite:PATH)", v->text);
    else
        put_text(r, OPT_STORE, start->store, sizeof start->store);
}

static void put_log_level(struct reading *r, struct ipc_start *start)
{
    const struct value *v = &r->values[OPT_LOG_LEVEL];
    enum log_level level;

    if (log_level_parse(v->text, &level))
        start->log_level = (uint8_t)level;
    else
        wrong(r, 2, v->where, "%.60s is no level (error, warn, info or debug)", v->text);
}

static void put_name(struct reading *r, struct ipc_start *start)
{
    const struct value *v = &r->values[OPT_NAME];

    if (is_name(v->text))
        memcpy(start->host, v->text, strlen(v->text) + 1);
    else
        wrong(r, 2, v->where,
              "%.80s is no name (1-63 of a-z 0-9 -, beginning with a letter)", v->text);
}

/* Root's daemon becomes the user; another can be itself only. */
static void put_services(struct reading *r, struct ipc_start *start)
{
    const struct value *v = &r->values[OPT_SERVICES];
    const struct passwd *pw = getpwnam(v->text);

    if (!pw)
        wrong(r, 2, v->where, "there is no user %.60s", v->text);
    else if (geteuid() != 0 && pw->pw_uid != geteuid())
        wrong(r, 1, v->where,
              "refused: only root's fabricd can be another user than its own");
    else
        put_text(r, OPT_SERVICES, start->services, sizeof start->services);
}

static void put_default_folders(struct ipc_start *start)
{
    const char *run = getenv("XDG_RUNTIME_DIR");
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");

    if (geteuid() == 0) {
        memcpy(start->run_dir, "/run/ioth", sizeof "/run/ioth");
        memcpy(start->state_dir, "/var/lib/ioth", sizeof "/var/lib/ioth");
        return;
    }
    if (run && *run == '/')
        snprintf(start->run_dir, sizeof start->run_dir, "%s/ioth", run);
    else
        snprintf(start->run_dir, sizeof start->run_dir, "/tmp/ioth-%u", geteuid());
    if (state && *state == '/')
        snprintf(start->state_dir, sizeof start->state_dir, "%s/ioth", state);
    else if (home && *home == '/')
        snprintf(start->state_dir, sizeof start->state_dir, "%s/.local/state/ioth", home);
}

static void put_api(struct reading *r, struct ipc_start *start)
{
    const struct value *api = &r->values[OPT_API], *cert = &r->values[OPT_API_CERT];
    const struct value *key = &r->values[OPT_API_KEY];

    if (api->text && !options_parse_listen(api->text, &start->api))
        wrong(r, 2, api->where, "%.80s is no address (ADDR:PORT, [ADDR]:PORT or :PORT)",
              api->text);
    if (!cert->text != !key->text)
        wrong(r, 2, cert->text ? cert->where : key->where,
              "api-cert and api-key belong together");
    if ((cert->text || key->text) && !api->text)
        wrong(r, 2, cert->text ? cert->where : key->where, "needs api (ADDR:PORT)");
    if (cert->text)
        put_text(r, OPT_API_CERT, start->api_cert, sizeof start->api_cert);
    if (key->text)
        put_text(r, OPT_API_KEY, start->api_key, sizeof start->api_key);
}

static void put_values(struct reading *r, struct ipc_start *start)
{
    const struct value *v = r->values;

    put_api(r, start);
    if (v[OPT_SERVICES].text)
        put_services(r, start);
    if (v[OPT_LOG_LEVEL].text)
        put_log_level(r, start);
    if (v[OPT_STORE].text)
        put_store(r, start);
    if (v[OPT_NAME].text)
        put_name(r, start);
    else
        default_name(start->host);
    if (v[OPT_LISTEN].text && !options_parse_listen(v[OPT_LISTEN].text, &start->listen))
        wrong(r, 2, v[OPT_LISTEN].where,
              "%.80s is no address (ADDR:PORT, [ADDR]:PORT or :PORT)", v[OPT_LISTEN].text);
    if (v[OPT_RUN_DIR].text)
        put_text(r, OPT_RUN_DIR, start->run_dir, sizeof start->run_dir);
    if (v[OPT_STATE_DIR].text)
        put_text(r, OPT_STATE_DIR, start->state_dir, sizeof start->state_dir);
    if (!*start->state_dir)
        wrong(r, 2, "fabricd", "--state-dir is needed where HOME is not set");
}

/* --- the whole ---------------------------------------------------------------------------- */

static void print_help(FILE *out)
{
    fprintf(out, "usage: fabricd [FLAG]...\n\n"
                 "The daemon of a fabric: one per host, or per user of a host.\n\n");
    for (int i = 0; i < N_OPTIONS; i++) {
        char flag[40];

        snprintf(flag, sizeof flag, "--%s%s%s", rows[i].name, rows[i].arg ? " " : "",
                 rows[i].arg ? rows[i].arg : "");
        fprintf(out, "  %-22s %s\n", flag, rows[i].help);
    }
}

int options_read(int argc, char *const *argv, struct ipc_start *start, FILE *out,
                 FILE *errors)
{
    struct reading r = {.errors = errors, .status = OPTIONS_GO};
    struct node *tree;

    /* After a wrong word it is not known what the next one belongs to. */
    for (int i = 1; i < argc && r.status == OPTIONS_GO;)
        i += read_flag(&r, argc - i, argv + i);
    if (r.status != OPTIONS_GO)
        return r.status;
    if (r.values[OPT_HELP].text) {
        print_help(out);
        return 0;
    }
    if (r.values[OPT_VERSION].text) {
        fprintf(out, "fabricd %s\n", IOTH_VERSION_TEXT);
        return 0;
    }
    *start = (struct ipc_start){.log_level = LOG_LEVEL_INFO};
    memcpy(start->store, "sqlite:", sizeof "sqlite:");
    put_default_folders(start);
    read_environment(&r);
    tree = read_file(&r);
    put_values(&r, start);
    node_free(tree);
    return r.status;
}
