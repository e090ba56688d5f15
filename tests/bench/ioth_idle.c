/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ioth_idle N VNL SECONDS: N stacks of the kind lwip in one process, each with an address, that do nothing. Prints what
 * a stack takes of memory (proportional set size, the copies of the module included), and how often the process
 * was woken and how long it ran within the last SECONDS, after as much time again and the 20 s in which a stack's own
 * timers come to rest:
 *
 *   stacks N kib_each K seconds_to_make S wakeups W cpu_ms C
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "libioth/api/ioth.h"
#include "proto/base/mtime.h"

#define REST_SECONDS 20

static double pss_kib(void)
{
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    char line[256];
    double kib = 0;

    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "Pss: %lf kB", &kib) == 1)
            break;
    }
    if (f)
        fclose(f);
    return kib;
}

static void add_address(struct ioth *stack, unsigned n)
{
    struct in_addr addr = {htonl(0x0a010000u + n + 1)};
    int index = ioth_if_nametoindex(stack, "vde0");

    if (index < 0 || ioth_linksetupdown(stack, (unsigned)index, 1) < 0 ||
        ioth_ipaddr_add(stack, AF_INET, &addr, 16, (unsigned)index) < 0)
        perror("ioth_idle: no address");
}

int main(int argc, char **argv)
{
    unsigned n = argc == 4 ? (unsigned)strtoul(argv[1], NULL, 10) : 0, made = 0;
    unsigned seconds = argc == 4 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
    struct rlimit files;
    struct rusage before, after;
    double memory = pss_kib();
    mtime_t start = mtime_now();

    if (!n) {
        fprintf(stderr, "usage: ioth_idle N VNL SECONDS\n");
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    for (; made < n; made++) {
        struct ioth *stack = ioth_newstack("lwip", argv[2]);

        if (!stack) {
            fprintf(stderr, "ioth_idle: stack %u: %s (%s)\n", made, strerror(errno),
                    ioth_error());
            break;
        }
        add_address(stack, made);
    }
    start = mtime_now() - start;
    sleep(REST_SECONDS + seconds);
    getrusage(RUSAGE_SELF, &before);
    sleep(seconds);
    getrusage(RUSAGE_SELF, &after);
    printf("stacks %u kib_each %.0f seconds_to_make %.2f wakeups %ld cpu_ms %.1f\n", made,
           made ? (pss_kib() - memory) / made : 0.0, (double)start / MTIME_SEC,
           after.ru_nvcsw - before.ru_nvcsw,
           (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec -
                    before.ru_stime.tv_sec) *
                   1e3 +
               (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec +
                        after.ru_stime.tv_usec - before.ru_stime.tv_usec) /
                   1e3);
    fflush(stdout);
    _exit(made == n ? 0
                    : 1); /* Ending a thousand stacks in order is not what is measured. */
}
