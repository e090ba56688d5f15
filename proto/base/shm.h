/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared memory between processes that do not trust each other: memfds whose size is sealed, so
 * that no access can fault because the other side cut the file.
 */
#ifndef PROTO_BASE_SHM_H
#define PROTO_BASE_SHM_H

#include <stddef.h>
#include <stdint.h>

/* Makes a zeroed, close-on-exec memfd of `size` bytes that can neither shrink nor grow nor lose
 * its seals. The descriptor is the caller's. Returns it or -errno. */
int shm_create(const char *name, size_t size) __attribute__((warn_unused_result));

/* The size of a memfd that somebody handed us. Returns 0, -EPERM if it is not sealed as
 * shm_create() does, or -errno. */
int shm_check(int fd, size_t *size) __attribute__((warn_unused_result));

/* Maps size bytes at offset, shared, readable and writable; both are multiples of the page size.
 * Returns 0 and the address (shm_unmap() gives it back), or -errno. */
int shm_map(int fd, size_t offset, size_t size, void **out)
    __attribute__((warn_unused_result));

/* The same, only for reading. */
int shm_map_to_read(int fd, size_t offset, size_t size, const void **out)
    __attribute__((warn_unused_result));

/* Maps the same bytes twice, one after the other: 2 * size bytes of addresses. To be given back
 * with shm_unmap(p, 2 * size). */
int shm_map_twice(int fd, size_t offset, size_t size, void **out)
    __attribute__((warn_unused_result));

/* Does nothing for NULL. */
void shm_unmap(const void *p, size_t size);

#endif
