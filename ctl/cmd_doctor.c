/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * doctor: what is wrong on this host, and the command that mends it. A table of checks; each looks
 * at one thing and says ok, what is odd (warn) or what will not work (bad). It starts no daemon;
 * without one, what the daemon would tell is passed over.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <netinet/udp.h>
#include <pwd.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ctl/api.h"
#include "ctl/commands.h"
#include "ctl/object.h"
#include "ctl/output.h"
#include "ioth_version.h"
#include "libioth/plug/locate.h"
#include "proto/base/fd.h"
#include "proto/base/xalloc.h"

#define DISK_BAD       (16u << 20) /* Bytes that are left. */
#define DISK_WARN      (256u << 20)
#define TOKEN_WARN_SEC (7 * 86400)
#define CERT_WARN_SEC  (30 * 86400)
#define CLOCK_WARN_SEC 5
#define CLOCK_BAD_SEC  (12 * 3600) /* Of the day that certificates allow for. */

enum verdict { OK, WARN, BAD };

struct doctor {
    struct ctl *ctl;
    struct node *found;  /* A list: check, result, detail, hint. */
    const char *check;   /* The one at work. */
    struct node *status; /* The daemon's; NULL: none answers. */
    unsigned n_bad;
};

__attribute__((format(printf, 4, 5))) static void
report(struct doctor *d, enum verdict verdict, const char *hint, const char *format, ...)
{
    static const char *const names[] = {[OK] = "ok", [WARN] = "warn", [BAD] = "bad"};
    struct node *entry = node_map();
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    node_set_text(entry, "check", d->check);
    node_set_text(entry, "result", names[verdict]);
    node_set_text(entry, "detail", text);
    if (hint)
        node_set_text(entry, "hint", hint);
    node_append(d->found, entry);
    d->n_bad += verdict == BAD;
}

/* The first bytes of a file as a number; -1 without it. */
static long number_in(const char *path)
{
    char text[32] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
    fd_close(&fd);
    return n > 0 ? strtol(text, NULL, 10) : -1;
}

/* --- the machine ---------------------------------------------------------------------------- */

static void check_tun(struct doctor *d)
{
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd >= 0)
        report(d, OK, NULL, "/dev/net/tun can be opened");
    else if (errno == ENOENT)
        report(d, BAD, "sudo modprobe tun", "/dev/net/tun is not there: no TAPs, no nodes");
    else if (errno == EACCES || errno == EPERM)
        report(d, BAD, "sudo chmod 0666 /dev/net/tun",
               "/dev/net/tun may not be opened: no TAPs, no nodes");
    else
        report(d, BAD, "sudo modprobe tun", "/dev/net/tun: %s", err_text(errno));
    fd_close(&fd);
}

/* Tries it, in a process of its own. 0 or an errno. */
static int try_namespaces(void)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 ? 0 : errno & 0xff);
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

static void check_namespaces(struct doctor *d)
{
    int code = try_namespaces();
    const char *hint = "sudo sysctl -w user.max_user_namespaces=15000";
    if (!code) {
        report(d, OK, NULL, "user and network namespaces can be made");
        return;
    }
    if (number_in("/proc/sys/kernel/unprivileged_userns_clone") == 0)
        hint = "sudo sysctl -w kernel.unprivileged_userns_clone=1";
    else if (number_in("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
        hint = "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
    report(d, BAD, hint, "namespaces cannot be made (%s): iothctl run will not work",
           err_text(code));
}

static bool has_line_of(const char *path, const char *user, unsigned uid)
{
    char line[256], number[16];
    bool found = false;
    FILE *f = fopen(path, "re");
    snprintf(number, sizeof(number), "%u", uid);
    while (f && !found && fgets(line, sizeof(line), f)) {
        line[strcspn(line, ":")] = '\0';
        found = strcmp(line, user) == 0 || strcmp(line, number) == 0;
    }
    if (f)
        fclose(f);
    return found;
}

static void check_subids(struct doctor *d)
{
    const struct passwd *pw = getpwuid(geteuid()); /* One thread. */
    const char *user = pw ? pw->pw_name : "";
    char hint[200];
    if (geteuid() == 0) {
        report(d, OK, NULL, "root has all user ids");
        return;
    }
    snprintf(hint, sizeof(hint),
             "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %.64s",
             user);
    if (access("/usr/bin/newuidmap", X_OK) != 0)
        report(d, WARN, "sudo apt-get install uidmap",
               "newuidmap is not installed: run --root has one user id only");
    else if (!has_line_of("/etc/subuid", user, geteuid()) ||
             !has_line_of("/etc/subgid", user, geteuid()))
        report(d, WARN, hint, "no subordinate ids: run --root has one user id only");
    else
        report(d, OK, NULL, "there are subordinate ids for run --root");
}

static void check_clock(struct doctor *d)
{
    struct timex t = {.modes = 0};
    int state = adjtimex(&t);
    if (time(NULL) < 1700000000)
        report(d, BAD, "sudo timedatectl set-ntp true",
               "the clock is years behind: certificates of other hosts look invalid");
    else if (state == TIME_ERROR || (t.status & STA_UNSYNC) != 0)
        report(d, WARN, "sudo timedatectl set-ntp true",
               "nothing keeps the clock right; a day of difference cuts hosts off");
    else
        report(d, OK, NULL, "the clock is kept right");
}

static bool takes(int family, int type, int level, int option)
{
    int fd = socket(family, type | SOCK_CLOEXEC, 0), on = 0;
    socklen_t size = sizeof(on);
    bool does = fd >= 0 && getsockopt(fd, level, option, &on, &size) == 0;
    fd_close(&fd);
    return does;
}

/* What the daemon uses where the kernel has it, and what is lost without. */
static void check_kernel(struct doctor *d)
{
    bool landlock =
        syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 1;
    bool cuts = takes(AF_INET, SOCK_DGRAM, SOL_UDP, UDP_SEGMENT);
    int process = (int)syscall(SYS_pidfd_open, getpid(), 0);
    struct utsname name;
    if (uname(&name) < 0)
        return;
    if (process < 0)
        report(d, BAD, "a kernel from 5.10 on",
               "Linux %.60s has no process descriptors: fabricd cannot run", name.release);
    else if (!cuts)
        report(d, WARN, "a kernel from 5.10 on",
               "Linux %.60s does not cut UDP datagrams: links are slow", name.release);
    else if (!landlock)
        report(d, WARN, "lsm=landlock,... on the kernel's command line",
               "Linux %.60s has no Landlock: files are guarded by their modes only",
               name.release);
    else
        report(d, OK, NULL, "Linux %.60s has all that is used", name.release);
    fd_close(&process);
}

static void check_disk(struct doctor *d)
{
    char usual[LOCATE_PATH_SIZE] = "", hint[LOCATE_PATH_SIZE + 8], left[HUMAN_SIZE];
    const char *dir = d->status ? node_get_text(d->status, "state_dir", "") : "";
    struct statvfs vfs;
    if (!*dir && locate_state_dir(usual, NULL) == 0)
        dir = usual;
    if (statvfs(dir, &vfs) < 0) {
        report(d, OK, NULL, "there is no state folder yet (%s)", dir);
        return;
    }
    uint64_t bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize;
    snprintf(hint, sizeof(hint), "df -h %s", dir);
    human_bytes(left, sizeof(left), bytes);
    if (bytes < DISK_BAD || vfs.f_favail == 0)
        report(d, BAD, hint, "the disk of %s is full (%s left): changes are refused", dir,
               left);
    else if (bytes < DISK_WARN)
        report(d, WARN, hint, "the disk of %s has only %s left", dir, left);
    else
        report(d, OK, NULL, "%s has %s left", dir, left);
}

/* --- the daemon ----------------------------------------------------------------------------- */

static void check_daemon(struct doctor *d)
{
    const char *version;
    if (!d->status) {
        report(d, WARN, "iothctl daemon start", "no daemon answers");
        return;
    }
    version = node_get_text(d->status, "version", "");
    if (strcmp(version, IOTH_VERSION_TEXT) != 0)
        report(d, WARN, "iothctl daemon stop, then start it again",
               "the daemon is version %s, iothctl %s", version, IOTH_VERSION_TEXT);
    else
        report(d, OK, NULL, "the daemon of host %s answers",
               node_get_text(d->status, "host", "?"));
}

static void check_problems(struct doctor *d)
{
    const struct node *problems = node_get(d->status, "problems");
    size_t n = problems && problems->kind == NODE_LIST ? problems->n : 0;
    for (size_t i = 0; i < n; i++) {
        char *text = node_brief(problems->child[i]);
        const char *hint = strstr(text, "parent process is away") ? "fabricd, started again"
                           : strstr(text, "no link works")        ? "iothctl link ls"
                                                                  : "iothctl port ls";
        report(d, BAD, hint, "%s", text);
        free(text);
    }
    if (n == 0)
        report(d, OK, NULL, "the daemon has no complaints");
}

static void check_links(struct doctor *d)
{
    const struct node *peers = node_get(d->status, "peers");
    size_t n = peers && peers->kind == NODE_LIST ? peers->n : 0;
    unsigned down = 0;
    for (size_t i = 0; i < n; i++) {
        const char *host = node_get_text(peers->child[i], "host", "?");
        char hint[160];
        if (strcmp(node_get_text(peers->child[i], "state", ""), "up") == 0)
            continue;
        snprintf(hint, sizeof(hint), "iothctl link add %.64s ADDRESS:PORT", host);
        report(d, BAD, hint,
               "host %s is not reached: its daemon, its UDP port, or a firewall between",
               host);
        down++;
    }
    if (down == 0)
        report(d, OK, NULL,
               n ? "all %zu other hosts are reached" : "there is no other host", n);
}

/* A time as the API gives it; 0 if it is none. */
static time_t time_of(const char *text)
{
    time_t when;
    return time_parse(text, &when) ? when : 0;
}

static void check_tokens(struct doctor *d)
{
    struct node *answer = NULL;
    unsigned n = 0;
    if (api_get_allowed(d->ctl, "/v1/tokens", &answer) != 0)
        ctl_forget(d->ctl);
    const struct node *items = api_items(answer);
    for (size_t i = 0; i < items->n; i++) {
        const struct node *token = items->child[i];
        const char *name = node_get_text(token, "name", "?"), *until;
        char hint[160];
        until = node_get_text(token, "expires", "");
        if (time_of(until) - time(NULL) > TOKEN_WARN_SEC)
            continue;
        snprintf(hint, sizeof(hint), "iothctl token create --scope %.8s",
                 node_get_text(token, "scope", "read"));
        report(d, WARN, hint, "token %s %s %s", name,
               node_get_bool(token, "expired", false) ? "has expired at" : "expires at",
               until);
        n++;
    }
    if (n == 0)
        report(d, OK, NULL, "no token is about to expire");
    node_free(answer);
}

/* Seconds that the other host's clock is ahead; what lies within the question's own time is none. */
static long long clock_ahead(const struct node *status, time_t asked, time_t answered)
{
    time_t there = time_of(node_get_text(status, "time", ""));
    if (there > answered + 1)
        return there - answered;
    return there < asked - 1 ? there - asked : 0;
}

/* Asks each host that is reached, over the links. */
static void check_clocks(struct doctor *d)
{
    const struct node *peers = node_get(d->status, "peers");
    const char *own = d->ctl->host;
    size_t n = peers && peers->kind == NODE_LIST ? peers->n : 0;
    unsigned told = 0;
    for (size_t i = 0; i < n; i++) {
        struct node *status = NULL;
        time_t asked = time(NULL);
        char hint[200];
        d->ctl->host = node_get_text(peers->child[i], "host", "?");
        if (strcmp(node_get_text(peers->child[i], "state", ""), "up") != 0)
            continue;
        if (api_get(d->ctl, "/v1/status", &status) != 0) {
            ctl_forget(d->ctl);
            continue;
        }
        long long ahead = clock_ahead(status, asked, time(NULL));
        snprintf(hint, sizeof(hint), "sudo timedatectl set-ntp true   (on %.64s, or here)",
                 d->ctl->host);
        if (llabs(ahead) > CLOCK_WARN_SEC)
            report(d, llabs(ahead) > CLOCK_BAD_SEC ? BAD : WARN, hint,
                   "the clock of host %s is %lld s %s", d->ctl->host, llabs(ahead),
                   ahead > 0 ? "ahead" : "behind");
        told += llabs(ahead) > CLOCK_WARN_SEC;
        node_free(status);
    }
    d->ctl->host = own;
    if (!told)
        report(d, OK, NULL, "no other host's clock differs");
}

static void check_membership(struct doctor *d)
{
    const struct node *cert = node_get(d->status, "certificate");
    const char *until = node_get_text(cert, "expires", "");
    if (!cert)
        report(d, OK, NULL, "this host is in no fabric with others");
    else if (node_get_bool(cert, "expired", false))
        report(d, BAD, "iothctl host leave, then join again",
               "this host's certificate has expired, or its clock is wrong");
    else if (time_of(until) - time(NULL) > CERT_WARN_SEC)
        report(d, OK, NULL, "this host's certificate is good until %s", until);
    else
        report(d, WARN, "iothctl host leave, then join again",
               "this host's certificate is good until %s only", until);
}

static void check_certificate(struct doctor *d)
{
    const struct node *api = node_get(d->status, "api");
    const char *until = api ? node_get_text(api, "expires", "") : "";
    if (!api)
        report(d, OK, NULL, "the API is not open over TCP");
    else if (time_of(until) - time(NULL) > CERT_WARN_SEC)
        report(d, OK, NULL, "the API's certificate is good until %s", until);
    else
        report(d, time_of(until) > time(NULL) ? WARN : BAD,
               "renew the files of --api-cert and --api-key, then start fabricd again",
               "the API's certificate is good until %s", until);
}

/* --- all ------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    void (*run)(struct doctor *);
    bool asks; /* The daemon has to answer. */
} checks[] = {
    {"tun", check_tun, false},
    {"namespaces", check_namespaces, false},
    {"ids", check_subids, false},
    {"clock", check_clock, false},
    {"kernel", check_kernel, false},
    {"clocks", check_clocks, true},
    {"membership", check_membership, true},
    {"daemon", check_daemon, false},
    {"disk", check_disk, false},
    {"problems", check_problems, true},
    {"links", check_links, true},
    {"tokens", check_tokens, true},
    {"certificate", check_certificate, true},
};

static void print_found(const struct ctl *ctl, const struct node *found)
{
    struct table *t = table_new("CHECK RESULT WHAT");
    for (size_t i = 0; i < found->n; i++) {
        const struct node *entry = found->child[i];
        const char *result = node_get_text(entry, "result", "");
        enum tint tint = strcmp(result, "ok") == 0     ? TINT_GOOD
                         : strcmp(result, "warn") == 0 ? TINT_WARN
                                                       : TINT_BAD;
        table_cell(t, TINT_NONE, node_get_text(entry, "check", ""));
        table_cell(t, tint, result);
        table_cell(t, TINT_NONE, node_get_text(entry, "detail", ""));
    }
    table_print(t, stdout, ctl->colour);
    for (size_t i = 0; i < found->n; i++) {
        const char *hint = node_get_text(found->child[i], "hint", "");
        if (!*hint)
            continue;
        fputs("hint: ", stdout);
        print_clean(stdout, hint);
        printf("   # %s\n", node_get_text(found->child[i], "check", ""));
    }
}

int cmd_doctor(struct ctl *ctl, const struct args *args)
{
    struct doctor d = {.ctl = ctl, .found = node_list()};
    (void)args;
    ctl->no_start = true;
    if (api_get(ctl, "/v1/status", &d.status) != 0)
        ctl_forget(ctl);
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        d.check = checks[i].name;
        if (d.status || !checks[i].asks)
            checks[i].run(&d);
    }
    if (ctl->output != CTL_TABLE)
        output_tree(ctl, d.found);
    else
        print_found(ctl, d.found);
    unsigned bad = d.n_bad;
    node_free(d.status);
    node_free(d.found);
    return bad ? ctl_fail(ctl, CTL_REFUSED, "%u of the checks found what will not work",
                          bad)
               : CTL_DONE;
}
