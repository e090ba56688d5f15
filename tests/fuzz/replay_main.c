/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replays a corpus through a fuzz target in builds without libFuzzer: each argument is a file,
 * or a folder whose files are taken. Fails if there was nothing to replay.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Returns how many inputs were replayed, or -1. */
static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *all = malloc(INPUT_MAX);
    uint8_t *exact = NULL;
    int n = -1;

    if (file && all) {
        size_t size = fread(all, 1, INPUT_MAX, file);

        /* A buffer of the exact size, so that a sanitizer sees reads behind it. */
        exact = malloc(size ? size : 1);
        if (exact) {
            memcpy(exact, all, size);
            (void)LLVMFuzzerTestOneInput(exact, size);
            n = 1;
        }
    }
    if (n < 0)
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    if (file)
        fclose(file);
    free(all);
    free(exact);
    return n;
}

static int replay_folder(const char *path)
{
    DIR *folder = opendir(path);
    int total = 0;

    if (!folder)
        return -1;
    for (const struct dirent *e = readdir(folder); e; e = readdir(folder)) {
        char name[4096];
        int n;

        if (e->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        n = replay_file(name);
        if (n < 0) {
            total = -1;
            break;
        }
        total += n;
    }
    closedir(folder);
    return total;
}

int main(int argc, char **argv)
{
    int total = 0;

    for (int i = 1; i < argc; i++) {
        struct stat st;
        int n = -1;

        if (stat(argv[i], &st) == 0)
            n = S_ISDIR(st.st_mode) ? replay_folder(argv[i]) : replay_file(argv[i]);
        if (n < 0) {
            fprintf(stderr, "cannot replay %s\n", argv[i]);
            return 1;
        }
        total += n;
    }
    if (total == 0) {
        fprintf(stderr, "nothing to replay: the corpus is empty\n");
        return 1;
    }
    printf("%d inputs replayed\n", total);
    return 0;
}
