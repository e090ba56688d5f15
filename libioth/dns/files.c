/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libioth/dns/files.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LINE_SIZE 1024
#define SPACE     " \t\r\n"

/* The words of a line, which is cut up. Returns how many are in words[max]. */
static unsigned words_of(char *line, char **words, unsigned max)
{
    char *save = NULL;
    unsigned n = 0;

    line[strcspn(line, "#")] = 0;
    for (char *w = strtok_r(line, SPACE, &save); w && n < max;
         w = strtok_r(NULL, SPACE, &save))
        words[n++] = w;
    return n;
}

#define WORDS_MAX 32u

static bool parse(const char *text, struct files_addr *a)
{
    a->family = inet_pton(AF_INET, text, a->bytes) == 1    ? AF_INET
                : inet_pton(AF_INET6, text, a->bytes) == 1 ? AF_INET6
                                                           : 0;
    return a->family != 0;
}

static bool is_among(char **words, unsigned n, const char *name)
{
    for (unsigned i = 0; i < n; i++) {
        if (!strcasecmp(words[i], name))
            return true;
    }
    return false;
}

unsigned files_host(const char *path, const char *name, struct files_addr *out,
                    unsigned max)
{
    FILE *f = fopen(path, "re");
    char line[LINE_SIZE], *words[WORDS_MAX];
    unsigned found = 0;

    while (f && found < max && fgets(line, sizeof line, f)) {
        unsigned n = words_of(line, words, WORDS_MAX);
        struct files_addr a = {.family = 0};

        if (n > 1 && is_among(words + 1, n - 1, name) && parse(words[0], &a))
            out[found++] = a;
    }
    if (f)
        (void)fclose(f);
    return found;
}

bool files_host_name(const char *path, const struct files_addr *wanted, char *out,
                     size_t size)
{
    FILE *f = fopen(path, "re");
    char line[LINE_SIZE], *words[WORDS_MAX];
    bool found = false;

    while (f && !found && fgets(line, sizeof line, f)) {
        struct files_addr a = {.family = 0};

        if (words_of(line, words, WORDS_MAX) < 2 || !parse(words[0], &a) ||
            a.family != wanted->family ||
            memcmp(a.bytes, wanted->bytes, sizeof a.bytes) != 0)
            continue;
        found = snprintf(out, size, "%s", words[1]) < (int)size;
    }
    if (f)
        (void)fclose(f);
    return found;
}

/* "80/tcp" */
static bool parse_port(const char *text, unsigned *port, const char *protocol)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    *port = (unsigned)n;
    return n > 0 && n <= UINT16_MAX && *end == '/' && !strcmp(end + 1, protocol);
}

int files_port(const char *path, const char *service, const char *protocol)
{
    FILE *f = fopen(path, "re");
    char line[LINE_SIZE], *words[WORDS_MAX];
    int found = -1;

    while (f && found < 0 && fgets(line, sizeof line, f)) {
        unsigned n = words_of(line, words, WORDS_MAX), port;

        if (n > 1 && parse_port(words[1], &port, protocol) &&
            (!strcmp(words[0], service) || is_among(words + 2, n - 2, service)))
            found = (int)port;
    }
    if (f)
        (void)fclose(f);
    return found;
}

bool files_service(const char *path, unsigned wanted, const char *protocol, char *out,
                   size_t size)
{
    FILE *f = fopen(path, "re");
    char line[LINE_SIZE], *words[WORDS_MAX];
    bool found = false;

    while (f && !found && fgets(line, sizeof line, f)) {
        unsigned port;

        if (words_of(line, words, WORDS_MAX) > 1 && parse_port(words[1], &port, protocol) &&
            port == wanted)
            found = snprintf(out, size, "%s", words[0]) < (int)size;
    }
    if (f)
        (void)fclose(f);
    return found;
}
