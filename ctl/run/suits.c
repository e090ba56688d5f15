/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/run/suits.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "proto/base/fd.h"

#define SCRIPTS_MAX 4 /* Scripts whose interpreters are scripts. */
#define HEADERS_MAX 64u

/* Where execvp() looks. */
static bool find(const char *program, char out[PATH_MAX])
{
    const char *path = getenv("PATH");

    if (strchr(program, '/'))
        return snprintf(out, PATH_MAX, "%s", program) < PATH_MAX;
    for (path = path ? path : "/bin:/usr/bin"; *path; path += *path == ':') {
        size_t len = strcspn(path, ":");

        if (snprintf(out, PATH_MAX, "%.*s/%s", (int)len, path, program) < PATH_MAX &&
            access(out, X_OK) == 0)
            return true;
        path += len;
    }
    return false;
}

static int unfit(const char *path, const char *why, struct err *err)
{
    err_set(err, -ENOEXEC, "%s %s", path, why);
    err_hint(err, "iothctl run --stack netns …");
    return -ENOEXEC;
}

/* Is a loader named? -EIO if the file ends before it says. */
static int has_interpreter(int fd, const Elf64_Ehdr *e)
{
    for (unsigned i = 0; i < e->e_phnum && i < HEADERS_MAX; i++) {
        Elf64_Phdr p;

        if (pread(fd, &p, sizeof p, (off_t)(e->e_phoff + i * sizeof p)) !=
            (ssize_t)sizeof p)
            return -EIO;
        if (p.p_type == PT_INTERP)
            return 1;
    }
    return 0;
}

/* The machine that this program itself is for. */
static unsigned own_machine(void)
{
    Elf64_Ehdr e = {.e_machine = EM_NONE};
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    if (fd >= 0)
        (void)!pread(fd, &e, sizeof e, 0);
    fd_close(&fd);
    return e.e_machine;
}

static int check_elf(int fd, const char *path, struct err *err)
{
    Elf64_Ehdr e;
    int r;

    if (pread(fd, &e, sizeof e, 0) != (ssize_t)sizeof e)
        return 0;
    if (e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_machine != own_machine())
        return unfit(path, "is for another kind of machine than the stack lwip", err);
    r = has_interpreter(fd, &e);
    if (r == 0)
        return unfit(
            path, "is linked statically: the stack lwip cannot be preloaded into it", err);
    if (geteuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0)
        return unfit(path,
                     "has file capabilities: nothing is preloaded into it, so not the "
                     "stack lwip",
                     err);
    return 0;
}

/* The interpreter that a script names in its first line. */
static bool read_script(int fd, char out[PATH_MAX])
{
    char line[PATH_MAX];
    ssize_t n = pread(fd, line, sizeof line - 1, 0);
    size_t from, len;

    if (n < 3 || line[0] != '#' || line[1] != '!')
        return false;
    line[n] = '\0';
    from = 2 + strspn(line + 2, " \t");
    len = strcspn(line + from, " \t\r\n");
    return len && snprintf(out, PATH_MAX, "%.*s", (int)len, line + from) < PATH_MAX;
}

int suits_check(const char *program, struct err *err)
{
    char path[PATH_MAX];
    int r = 0;

    if (!find(program, path))
        return 0;
    for (unsigned i = 0; i < SCRIPTS_MAX && r == 0; i++) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        char magic[SELFMAG];
        bool more = false;

        if (fd < 0)
            return 0;
        if (pread(fd, magic, SELFMAG, 0) == SELFMAG && !memcmp(magic, ELFMAG, SELFMAG))
            r = check_elf(fd, path, err);
        else
            more = read_script(fd, path);
        fd_close(&fd);
        if (!more)
            break;
    }
    return r;
}

int suits_confine(struct err *err)
{
    static const int domains[] = {AF_INET, AF_INET6, AF_PACKET};
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int r = filter ? 0 : -ENOMEM;

    if (r == 0)
        r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_TRAP);
    for (unsigned i = 0; i < sizeof domains / sizeof *domains && r == 0; i++)
        r = seccomp_rule_add(filter, SCMP_ACT_TRAP, SCMP_SYS(socket), 1,
                             SCMP_A0_32(SCMP_CMP_EQ, (scmp_datum_t)domains[i]));
    if (r == 0)
        r = seccomp_rule_add(filter, SCMP_ACT_TRAP, SCMP_SYS(io_uring_setup), 0);
    if (r == 0)
        r = seccomp_load(filter);
    seccomp_release(filter);
    return r ? err_set(err, r, "cannot confine the program: %s", err_text(r)) : 0;
}
