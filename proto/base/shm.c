/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/base/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

int shm_create(const char *name, size_t size)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int r;

    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)size) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    return fd;
}

int shm_check(int fd, size_t *size)
{
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat st;

    if (seals < 0 ||
        (seals & (F_SEAL_SHRINK | F_SEAL_GROW)) != (F_SEAL_SHRINK | F_SEAL_GROW))
        return -EPERM;
    if (fstat(fd, &st) < 0)
        return -errno;
    *size = (size_t)st.st_size;
    return 0;
}

int shm_map(int fd, size_t offset, size_t size, void **out)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);

    if (p == MAP_FAILED)
        return -errno;
    *out = p;
    return 0;
}

int shm_map_twice(int fd, size_t offset, size_t size, void **out)
{
    /* Reserve the addresses first, so that the second half cannot land on somebody else's. */
    uint8_t *p = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int r;

    if (p == MAP_FAILED)
        return -errno;
    for (unsigned i = 0; i < 2; i++) {
        if (mmap(p + i * size, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
                 (off_t)offset) == MAP_FAILED) {
            r = -errno;
            munmap(p, 2 * size);
            return r;
        }
    }
    *out = p;
    return 0;
}

int shm_map_to_read(int fd, size_t offset, size_t size, const void **out)
{
    void *p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, (off_t)offset);

    if (p == MAP_FAILED)
        return -errno;
    *out = p;
    return 0;
}

void shm_unmap(const void *p, size_t size)
{
    if (p)
        munmap((void *)(uintptr_t)p, size);
}
