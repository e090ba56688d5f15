/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The words of a command line, one to a line. A configuration file is not opened. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/options.h"

#define MAX_WORDS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(char *text)
{
    char *argv[MAX_WORDS + 2] = {NULL};
    struct ipc_start start;
    int argc = 0;
    char *save = NULL;
    char said[8192] = "";
    FILE *f = fmemopen(said, sizeof said, "w");
    int status;

    argv[argc++] = text; /* Any word will do for the program's name. */
    for (char *w = strtok_r(text, "\n", &save); w && argc <= MAX_WORDS;
         w = strtok_r(NULL, "\n", &save)) {
        if (strncmp(w, "--config", 8) != 0)
            argv[argc++] = w;
    }
    status = options_read(argc, argv, &start, f, f);
    fclose(f);
    if (status < OPTIONS_GO || status > 2)
        abort();
    if (status > 0 && !*said)
        abort(); /* Refused without a word. */
    if (status == OPTIONS_GO && (!*start.host || !*start.run_dir || !*start.state_dir))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    run(text);
    free(text);
    return 0;
}
