/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who asks, and what he may. On the socket the peer's credentials say it, between hosts the link,
 * over TCP a bearer token (RFC 6750), without which nothing at all is answered.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "fabricd/control/api/routes.h"
#include "fabricd/control/perm/perm.h"
#include "fabricd/control/tokens/failures.h"

static const char token_hint[] =
    "iothctl token create --scope read, on that host; then --token-file FILE";

/* What stands behind "Bearer", or NULL. */
static const char *bearer(const char *authorization)
{
    static const char scheme[] = "Bearer ";
    size_t n = sizeof(scheme) - 1;

    if (authorization == NULL || strncasecmp(authorization, scheme, n) != 0)
        return NULL;
    return authorization + n + strspn(authorization + n, " ");
}

static void refuse(struct api_request *rq, const char *why)
{
    struct err err = {.why = ""};

    rq->audited = true;
    snprintf(err.why, sizeof(err.why), "%s", why);
    snprintf(err.hint, sizeof(err.hint), "%s", token_hint);
    api_problem_err(rq, 401, &err, NULL);
}

static bool admit_token(struct api_request *rq)
{
    struct control *control = rq->control;
    mtime_t now = loop_now(control->loop);
    mtime_t wait = failures_wait(control->failures, rq->address, now);
    const char *text = bearer(rq->authorization);
    struct token_row row;

    if (wait > 0) {
        rq->retry_after = (unsigned)((wait + MTIME_SEC - 1) / MTIME_SEC);
        api_problem(rq, 429, "too many wrong tokens came from your address: wait %u s",
                    rq->retry_after);
        return false;
    }
    if (text == NULL) {
        refuse(rq, "over TCP every request needs a token (Authorization: Bearer TOKEN)");
        return false;
    }
    switch (tokens_check(control->store, text, wall_now(), &row)) {
    case TOKEN_GOOD:
        snprintf(rq->token, sizeof(rq->token), "%s", row.name);
        rq->scope = row.scope;
        rq->full = true;
        return true;
    case TOKEN_EXPIRED:
        refuse(rq, "the token has expired");
        return false;
    case TOKEN_UNKNOWN:
        break;
    }
    failures_note(control->failures, rq->address, now);
    refuse(rq, "the token is not valid here");
    return false;
}

bool api_admit(struct api_request *rq)
{
    if (rq->admitted)
        return true;
    rq->admitted = true;
    if (rq->remote)
        return admit_token(rq);
    rq->full = rq->from_host[0] != '\0' || perm_full(&rq->peer);
    rq->scope = rq->full && !rq->read_only ? SCOPE_ADMIN : SCOPE_READ;
    return true;
}

bool api_still_admitted(const struct api_request *rq)
{
    return !rq->remote || tokens_alive(rq->control->store, rq->token, wall_now());
}

enum scope api_scope_of(const struct route *route)
{
    if (route->who == API_ADMIN || route->who == API_OWN)
        return SCOPE_ADMIN;
    return strcmp(route->method, "GET") == 0 ? SCOPE_READ : SCOPE_WRITE;
}

bool api_permit(struct api_request *rq, const struct route *route)
{
    enum scope needed = api_scope_of(route);
    bool audited = rq->audited;

    rq->audited = true; /* That he may not, whatever it is. */
    if (route->who == API_OWN && rq->from_host[0] != '\0')
        api_problem(rq, 403, "that is done on host %s itself", control_host(rq->control));
    else if (route->who != API_READ && !rq->full)
        api_problem(rq, 403, "only the daemon's owner, root and group ioth may do that");
    else if (rq->scope < needed && rq->token[0] == '\0')
        api_problem(rq, 403, "whoever asks may read only");
    else if (rq->scope < needed)
        api_problem(rq, 403, "the token %s has the scope %s, and this needs %s", rq->token,
                    scope_name(rq->scope), scope_name(needed));
    else {
        rq->audited = audited;
        return true;
    }
    return false;
}
