/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libcurl behind the few calls that http.h promises. */
#include "libioth/http/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "proto/base/mtime.h"
#include "proto/base/xalloc.h"

struct http {
    CURL *curl;
    char *place; /* The socket's path, or the URL. */
    bool remote;
    char *pin, *token; /* Over TLS; or NULL. */
    char error[CURL_ERROR_SIZE];
};

/* What one exchange collects. */
struct exchange {
    const struct http_request *request;
    CURL *curl;
    char *body;
    size_t size, room;
    bool too_big, cancelled;
    mtime_t asked;
};

static size_t body_arrived(const char *data, size_t one, size_t size, void *aux)
{
    struct exchange *x = aux;
    long status = 0;
    (void)one;
    curl_easy_getinfo(x->curl, CURLINFO_RESPONSE_CODE, &status);
    if (x->request->data && status < 400) {
        x->cancelled = !x->request->data(x->request->aux, data, size);
        return x->cancelled ? 0 : size;
    }
    if (size > HTTP_BODY_MAX - x->size) {
        x->too_big = true;
        return 0;
    }
    if (x->size + size + 1 > x->room) {
        x->room = 2 * (x->size + size) + 1024;
        x->body = xrealloc(x->body, x->room);
    }
    memcpy(x->body + x->size, data, size);
    x->size += size;
    x->body[x->size] = '\0';
    return size;
}

static int transfer_goes_on(void *aux, curl_off_t down_total, curl_off_t down,
                            curl_off_t up_total, curl_off_t up)
{
    struct exchange *x = aux;
    (void)down_total, (void)down, (void)up_total, (void)up;
    if (!x->request->waiting)
        return 0;
    mtime_t now = mtime_now();
    if (now - x->asked < MTIME_SEC)
        return 0;
    x->asked = now;
    x->cancelled = !x->request->waiting(x->request->aux);
    return x->cancelled;
}

static struct http *new_handle(const char *place, long curl_parts)
{
    static bool ready;
    if (!ready && curl_global_init(curl_parts) != CURLE_OK)
        return NULL;
    ready = true;
    struct http *h = xcalloc(1, sizeof(*h));
    h->curl = curl_easy_init();
    if (!h->curl) {
        free(h);
        return NULL;
    }
    h->place = xstrdup(place);
    return h;
}

struct http *http_new(const char *socket_path)
{
    return new_handle(socket_path, CURL_GLOBAL_NOTHING);
}

struct http *http_new_remote(const struct http_remote *remote)
{
    struct http *h = new_handle(remote->url, CURL_GLOBAL_DEFAULT);
    if (!h)
        return NULL;
    h->remote = true;
    h->pin = remote->pin ? xstrdup(remote->pin) : NULL;
    h->token = remote->token ? xstrdup(remote->token) : NULL;
    return h;
}

void http_free(struct http *h)
{
    if (!h)
        return;
    curl_easy_cleanup(h->curl);
    if (h->token)
        explicit_bzero(h->token, strlen(h->token));
    free(h->token);
    free(h->pin);
    free(h->place);
    free(h);
}

void http_reply_done(struct http_reply *reply)
{
    free(reply->body);
    *reply = (struct http_reply){0};
}

static void add_header(struct curl_slist **list, const char *name, const char *value)
{
    char *line = xasprintf("%s: %s", name, value);
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer)
        *list = longer;
    free(line);
}

static struct curl_slist *request_headers(const struct http *h,
                                          const struct http_request *q)
{
    struct curl_slist *list = NULL;
    if (h->token) {
        char *bearer = xasprintf("Bearer %s", h->token);
        add_header(&list, "Authorization", bearer);
        explicit_bzero(bearer, strlen(bearer));
        free(bearer);
    }
    add_header(&list, "Accept", q->accept ? q->accept : "application/json");
    /* curl would ask leave before a body of a kilobyte and wait a second for it. */
    add_header(&list, "Expect", "");
    if (q->body)
        add_header(&list, "Content-Type", q->type ? q->type : "application/json");
    if (q->if_match) {
        char *quoted = xasprintf("\"%s\"", q->if_match);
        add_header(&list, "If-Match", quoted);
        free(quoted);
    }
    if (q->host)
        add_header(&list, "Ioth-Host", q->host);
    if (q->last_event_id)
        add_header(&list, "Last-Event-ID", q->last_event_id);
    if (q->create_only)
        add_header(&list, "If-None-Match", "*");
    return list;
}

static void set_tls(struct http *h)
{
    curl_easy_setopt(h->curl, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(h->curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (!h->pin)
        return;
    /* The key is the right one or it is not: who signed it adds nothing. */
    curl_easy_setopt(h->curl, CURLOPT_PINNEDPUBLICKEY, h->pin);
    curl_easy_setopt(h->curl, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(h->curl, CURLOPT_SSL_VERIFYHOST, 0L);
}

static void set_transport(struct http *h)
{
    curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, h->error);
    curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL, 1L);
    if (h->remote) {
        set_tls(h);
    } else {
        curl_easy_setopt(h->curl, CURLOPT_UNIX_SOCKET_PATH, h->place);
        curl_easy_setopt(h->curl, CURLOPT_PROTOCOLS_STR, "http");
    }
    curl_easy_setopt(h->curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(h->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(h->curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(h->curl, CURLOPT_CONNECTTIMEOUT, 5L);
}

static void set_request(struct http *h, const struct http_request *q, const char *url,
                        struct curl_slist *headers)
{
    const char *method = q->method ? q->method : "GET";
    curl_easy_reset(h->curl);
    set_transport(h);
    curl_easy_setopt(h->curl, CURLOPT_URL, url);
    curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers);
    if (q->body) {
        curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->size);
        curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, q->body);
    } else if (strcmp(method, "POST") == 0) {
        curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE, 0L);
        curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, "");
    }
    curl_easy_setopt(h->curl, CURLOPT_CUSTOMREQUEST, method);
    if (!q->data)
        curl_easy_setopt(h->curl, CURLOPT_TIMEOUT,
                         (long)(q->timeout_sec ? q->timeout_sec : HTTP_TIMEOUT_SEC));
}

static int explain_connect(struct http *h, struct err *err)
{
    long code = 0;
    curl_easy_getinfo(h->curl, CURLINFO_OS_ERRNO, &code);
    int r = code > 0 ? -(int)code : -ECONNREFUSED;
    struct sockaddr_un un;
    if (!h->remote && strlen(h->place) >= sizeof(un.sun_path))
        return err_set(err, -ENAMETOOLONG,
                       "the path %s is too long for a socket (107 bytes)", h->place);
    if (r == -ENOENT)
        return err_set(err, r, "no daemon at %s", h->place);
    if (r == -ECONNREFUSED)
        return err_set(err, r, "no daemon answers at %s", h->place);
    return err_set(err, r, "%s: %s", h->place, err_text(r));
}

/* 0 if it is nothing of TLS. */
static int explain_tls(struct http *h, CURLcode code, struct err *err)
{
    switch (code) {
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        err_set(err, -EPERM, "%s has another key than the pinned one", h->place);
        break;
    case CURLE_PEER_FAILED_VERIFICATION:
        err_set(err, -EPERM, "%s is not trusted: %s", h->place, h->error);
        break;
    case CURLE_SSL_CONNECT_ERROR:
        return err_set(err, -EPROTO, "%s: no TLS with it: %s", h->place, h->error);
    default:
        return 0;
    }
    err_hint(err, "--pin PIN, which iothctl status shows on that host");
    return -EPERM;
}

static int explain(struct http *h, const struct exchange *x, CURLcode code, struct err *err)
{
    if (x->too_big)
        return err_set(err, -EMSGSIZE, "the daemon's answer is over %u MiB",
                       HTTP_BODY_MAX >> 20);
    if (x->cancelled)
        return err_set(err, -ECANCELED, "given up");
    if (code == CURLE_COULDNT_CONNECT)
        return explain_connect(h, err);
    if (h->remote && explain_tls(h, code, err) < 0)
        return -EPERM;
    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_set(err, -ETIMEDOUT, "the daemon at %s does not answer", h->place);
    if (code == CURLE_WEIRD_SERVER_REPLY || code == CURLE_UNSUPPORTED_PROTOCOL)
        return err_set(err, -EPROTO, "what answers at %s does not speak HTTP", h->place);
    if (code == CURLE_GOT_NOTHING || code == CURLE_PARTIAL_FILE ||
        code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR)
        return err_set(err, -ECONNRESET, "the daemon at %s went away before it answered",
                       h->place);
    return err_set(err, -EIO, "%s: %s", h->place,
                   h->error[0] ? h->error : curl_easy_strerror(code));
}

static void take_reply(struct http *h, struct exchange *x, struct http_reply *reply)
{
    long status = 0;
    const char *type = NULL;
    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(h->curl, CURLINFO_CONTENT_TYPE, &type);
    *reply =
        (struct http_reply){.status = (unsigned)status, .body = x->body, .size = x->size};
    if (type)
        snprintf(reply->type, sizeof(reply->type), "%.*s", (int)strcspn(type, "; "), type);
}

int http_call(struct http *h, const struct http_request *q, struct http_reply *reply,
              struct err *err)
{
    int r = 0;
    struct exchange x = {.request = q, .curl = h->curl, .asked = mtime_now()};
    char *url = xasprintf("%s%s", h->remote ? h->place : "http://ioth", q->path);
    struct curl_slist *headers = request_headers(h, q);

    *reply = (struct http_reply){0};
    h->error[0] = '\0';
    set_request(h, q, url, headers);
    curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, body_arrived);
    curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, &x);
    curl_easy_setopt(h->curl, CURLOPT_NOPROGRESS, q->waiting ? 0L : 1L);
    curl_easy_setopt(h->curl, CURLOPT_XFERINFOFUNCTION, transfer_goes_on);
    curl_easy_setopt(h->curl, CURLOPT_XFERINFODATA, &x);

    CURLcode code = curl_easy_perform(h->curl);
    if (code != CURLE_OK) {
        r = explain(h, &x, code, err);
        free(x.body);
    } else {
        take_reply(h, &x, reply);
    }
    curl_slist_free_all(headers);
    free(url);
    return r;
}

static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~", c));
}

static void append_escaped(FILE *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (is_unreserved(c))
            fputc(c, out);
        else
            fprintf(out, "%%%02X", (unsigned)c);
    }
}

char *http_path(const char *format, ...)
{
    char *path = NULL;
    size_t size = 0;
    va_list args;
    FILE *out = open_memstream(&path, &size);
    if (!out)
        abort();
    va_start(args, format);
    for (const char *f = format; *f; f++) {
        if (f[0] != '%') {
            fputc(*f, out);
        } else if (*++f == 's') {
            append_escaped(out, va_arg(args, const char *));
        } else {
            if (!*f)
                break;
            fputc(*f, out);
        }
    }
    va_end(args);
    if (fclose(out) != 0)
        abort();
    return path;
}
