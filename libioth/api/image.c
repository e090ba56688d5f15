/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/api/image.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADERS_MAX 64

/* --- copying ------------------------------------------------------------------------------------ */

/* Up to where the loader maps the file; what follows is for debuggers. The whole of it if it is not understood. */
static off_t loaded_size(int fd, off_t whole)
{
    ElfW(Phdr) headers[HEADERS_MAX];
    ElfW(Ehdr) file;
    off_t end = 0;

    if (pread(fd, &file, sizeof file, 0) != sizeof file ||
        memcmp(file.e_ident, ELFMAG, SELFMAG) != 0 || file.e_phnum > HEADERS_MAX ||
        file.e_phentsize != sizeof headers[0] ||
        pread(fd, headers, file.e_phnum * sizeof headers[0], (off_t)file.e_phoff) !=
            (ssize_t)(file.e_phnum * sizeof headers[0]))
        return whole;
    for (unsigned i = 0; i < file.e_phnum; i++) {
        off_t last = (off_t)(headers[i].p_offset + headers[i].p_filesz);

        if (headers[i].p_type == PT_LOAD && last > end)
            end = last;
    }
    return end > 0 && end < whole ? end : whole;
}

int image_copy(int to, int from, int whole)
{
    struct stat st;
    off_t at = 0, size;

    if (fstat(from, &st) < 0)
        return -errno;
    size = whole ? st.st_size : loaded_size(from, st.st_size);
    while (at < size) {
        ssize_t n = sendfile(to, from, &at, (size_t)(size - at));

        if (n <= 0)
            return n < 0 ? -errno : -EIO;
    }
    return 0;
}

/* --- sharing ------------------------------------------------------------------------------------ */

struct sharing {
    ElfW(Addr) base;
    int copy, original;
    size_t page;
};

#ifdef IOTH_SANITIZED
/* Their memcmp() knows of holes between variables, which are the same as well. */
__attribute__((no_sanitize_address, noinline)) static bool
same(const uint8_t *a, const uint8_t *b, size_t size)
{
    while (size && *a == *b) {
        a++;
        b++;
        size--;
    }
    return !size;
}
#else
static bool same(const uint8_t *a, const uint8_t *b, size_t size)
{
    return !memcmp(a, b, size);
}
#endif

/* Code is mapped anew while other threads may look at it, so in one step, and only if it is the same. */
static void share_segment(const struct sharing *s, const ElfW(Phdr) * h)
{
    size_t skip = h->p_vaddr % s->page;
    size_t size = (skip + h->p_filesz + s->page - 1) / s->page * s->page;
    uint8_t *at = (uint8_t *)(uintptr_t)(s->base + h->p_vaddr - skip);
    off_t offset = (off_t)(h->p_offset - skip);
    int rights = PROT_READ | (h->p_flags & PF_X ? PROT_EXEC : 0);
    void *original;

    if (h->p_offset % s->page != skip || h->p_filesz != h->p_memsz)
        return;
    original = mmap(NULL, size, rights, MAP_PRIVATE, s->original, offset);
    if (original == MAP_FAILED)
        return;
    if (same((uint8_t *)original + skip, at + skip, h->p_filesz) &&
        mmap(at, size, rights, MAP_PRIVATE | MAP_FIXED, s->original, offset) == at)
        (void)fallocate(s->copy, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset,
                        (off_t)size);
    munmap(original, size);
}

static int share_segments(struct dl_phdr_info *info, size_t size, void *aux)
{
    const struct sharing *s = aux;

    (void)size;
    if (info->dlpi_addr != s->base)
        return 0;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];

        if (h->p_type == PT_LOAD && !(h->p_flags & PF_W) && h->p_filesz > 0)
            share_segment(s, h);
    }
    return 1;
}

void image_share(void *handle, int copy, int original)
{
    struct sharing s = {
        .copy = copy, .original = original, .page = (size_t)sysconf(_SC_PAGESIZE)};
    struct link_map *map;

    if (dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0)
        return;
    s.base = map->l_addr;
    (void)dl_iterate_phdr(share_segments, &s);
}
