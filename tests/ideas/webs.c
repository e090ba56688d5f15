/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * webs VNL [NAME ADDR]…: several servers of one kind in one process, each on port 80 of an address of its own: each is a
 * node with its own stack. Each says its name to whoever comes, by HTTP. Until it is ended.
 * webs get VNL OWN ADDR: asks one, from the address OWN, and prints what it says.
 */
#include <arpa/inet.h>
#include <ioth.h>
#include <iothconf.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PORT 80

struct web {
    struct ioth *stack;
    const char *name;
};

static void answer(const struct web *w, int fd)
{
    char request[2048], reply[256];
    int n;

    if (ioth_recv(fd, request, sizeof request, 0) > 0) {
        n = snprintf(reply, sizeof reply,
                     "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: "
                     "%zu\r\n\r\n%s\n",
                     strlen(w->name) + 1, w->name);
        (void)ioth_send(fd, reply, (size_t)n, MSG_NOSIGNAL);
    }
    ioth_close(fd);
}

static void *serve(void *aux)
{
    const struct web *w = aux;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int fd = ioth_msocket(w->stack, AF_INET, SOCK_STREAM, 0), from;

    if (ioth_bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || ioth_listen(fd, 5) < 0) {
        perror(w->name);
        exit(1);
    }
    printf("listening %s\n", w->name);
    fflush(stdout);
    while ((from = ioth_accept(fd, NULL, NULL)) >= 0)
        answer(w, from);
    return NULL;
}

static int get(const char *vnl, const char *own, const char *addr)
{
    static const char request[] = "GET / HTTP/1.0\r\n\r\n";
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    char config[512], reply[512];
    struct ioth *stack;
    ssize_t n;
    int fd;

    snprintf(config, sizeof config, "stack=lwip,vnl='%s',eth,ip=%s/24", vnl, own);
    stack = ioth_newstackc(config);
    if (!stack) {
        fprintf(stderr, "webs: %s\n", ioth_error());
        return 1;
    }
    inet_pton(AF_INET, addr, &to.sin_addr);
    fd = ioth_msocket(stack, AF_INET, SOCK_STREAM, 0);
    if (ioth_connect(fd, (struct sockaddr *)&to, sizeof to) < 0 ||
        ioth_send(fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0) {
        perror(addr);
        return 1;
    }
    while ((n = ioth_recv(fd, reply, sizeof reply, 0)) > 0)
        fwrite(reply, 1, (size_t)n, stdout);
    ioth_close(fd);
    return ioth_delstack(stack) < 0;
}

int main(int argc, char **argv)
{
    if (argc == 5 && !strcmp(argv[1], "get"))
        return get(argv[2], argv[3], argv[4]);
    if (argc < 4 || argc % 2) {
        fputs("usage: webs VNL NAME ADDR [NAME ADDR]…\n       webs get VNL OWN ADDR\n",
              stderr);
        return 2;
    }
    for (int i = 2; i + 1 < argc; i += 2) {
        struct web *w = malloc(sizeof *w);
        char config[512];
        pthread_t thread;

        snprintf(config, sizeof config, "stack=lwip,vnl='%s',eth,fqdn=%s,ip=%s/24", argv[1],
                 argv[i], argv[i + 1]);
        w->name = argv[i];
        w->stack = ioth_newstackc(config);
        if (!w->stack || pthread_create(&thread, NULL, serve, w) != 0) {
            fprintf(stderr, "webs: %s\n", ioth_error());
            return 1;
        }
    }
    pause();
    return 0;
}
