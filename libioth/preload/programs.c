/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which program would be executed, as far as that can be said before: connections are closed for it, and where there is
 * none they must go on. What only the kernel finds out (too many arguments, say) is not seen here.
 */
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "libioth/preload/preload.h"

#define HEAD_SIZE    256
#define SCRIPTS_DEEP 5 /* Interpreters of interpreters: as many as the kernel follows. */
#define PATH_DEFAULT "/bin:/usr/bin"

enum form { FORM_NONE, FORM_PROGRAM, FORM_SCRIPT, FORM_UNKNOWN };

/* What a file is by its beginning; of a script, `head` begins with the path of its interpreter then. */
static enum form form_of(const char *path, char head[HEAD_SIZE])
{
    struct stat st;
    ssize_t n;
    char *at;
    int fd;

    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || access(path, X_OK) < 0)
        return FORM_NONE;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return FORM_UNKNOWN; /* One may execute what one may not read. */
    n = libc()->read(fd, head, HEAD_SIZE - 1);
    libc()->close(fd);
    head[n < 0 ? 0 : n] = '\0';
    if (strncmp(head, "\177ELF", 4) == 0)
        return FORM_PROGRAM;
    if (strncmp(head, "#!", 2) != 0)
        return FORM_UNKNOWN;
    at = head + 2 + strspn(head + 2, " \t");
    at[strcspn(at, " \t\r\n")] = '\0';
    memmove(head, at, strlen(at) + 1);
    return FORM_SCRIPT;
}

/* Does the kernel know forms that somebody has told it? */
static bool others_known(void)
{
    return access("/proc/sys/fs/binfmt_misc/register", F_OK) == 0;
}

static bool may_run(const char *path, bool by_shell)
{
    char head[HEAD_SIZE];
    char next[HEAD_SIZE];

    for (unsigned i = 0; i < SCRIPTS_DEEP; i++) {
        switch (form_of(path, head)) {
        case FORM_NONE:
            return false;
        case FORM_PROGRAM:
            return true;
        case FORM_UNKNOWN:
            return by_shell || others_known();
        case FORM_SCRIPT:
            memcpy(next, head, sizeof next);
            path = next;
            by_shell = false;
        }
    }
    return false;
}

bool programs_may_run(const char *path)
{
    return may_run(path, false);
}

bool programs_may_find(const char *file)
{
    const char *folders = getenv("PATH");
    char path[PATH_MAX];

    if (strchr(file, '/'))
        return may_run(file, true);
    if (!folders)
        folders = PATH_DEFAULT;
    for (;;) {
        size_t n = strcspn(folders, ":");
        int size =
            snprintf(path, sizeof path, "%.*s%s%s", (int)n, folders, n ? "/" : "", file);

        if (*file && size > 0 && (size_t)size < sizeof path && may_run(path, true))
            return true;
        if (!folders[n])
            return false;
        folders += n + 1;
    }
}
