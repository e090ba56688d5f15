/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/base/fault.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef IOTH_FAULTS

#    define FAULT_NAME(constant, name) name,
static const char *const names[] = {FAULT_STEPS(FAULT_NAME)};

static volatile char
    *armed; /* Shared by all processes of the daemon; NULL = nothing can be. */

bool fault_possible(void)
{
    return true;
}

void fault_open(const char *path)
{
    int fd = path ? open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;
    struct stat st;
    void *map;

    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && st.st_size == FAULT_FILE_SIZE) {
        map = mmap(NULL, FAULT_FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        armed = map != MAP_FAILED ? map : NULL;
    }
    close(fd);
}

void fault_at(enum fault_step step)
{
    char text[FAULT_FILE_SIZE] = "";
    size_t size = strlen(names[step]);

    if (!armed || armed[0] != names[step][0])
        return;
    for (size_t i = 0; i < sizeof text - 1; i++)
        text[i] = armed[i];
    if (strncmp(text, names[step], size) != 0 || text[size] != ' ')
        return;
    armed[0] = '\0';
    raise(strcmp(text + size + 1, "stop") == 0 ? SIGSTOP : SIGKILL);
}

#else

bool fault_possible(void)
{
    return false;
}

void fault_open(const char *path)
{
    (void)path;
}

void fault_at(enum fault_step step)
{
    (void)step;
}

#endif
