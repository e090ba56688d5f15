/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/service/supervise.h"

void supervise_init(struct supervise *s, const struct supervise_policy *policy,
                    const struct supervise_ops *ops, void *aux)
{
    *s = (struct supervise){.ops = ops,
                            .aux = aux,
                            .policy = *policy,
                            .due = MTIME_NEVER,
                            .check_due = MTIME_NEVER,
                            .check_late = MTIME_NEVER};
}

static void enter(struct supervise *s, enum supervise_state state, mtime_t due)
{
    s->state = state;
    s->due = due;
    if (state != SUPERVISE_RUNNING) {
        s->check_due = s->check_late = MTIME_NEVER;
        s->checking = false;
    }
}

static void start(struct supervise *s)
{
    enter(s, SUPERVISE_STARTING, MTIME_NEVER);
    s->health = SUPERVISE_UNKNOWN;
    s->failed = 0;
    s->again = s->at_once = false;
    s->ops->changed(s->aux);
    s->ops->start(s->aux);
}

/* Asks the program to end. */
static void stop(struct supervise *s, mtime_t now)
{
    if (s->state == SUPERVISE_STOPPING)
        return;
    enter(s, SUPERVISE_STOPPING, now + s->policy.stop_wait);
    s->ops->changed(s->aux);
    s->ops->terminate(s->aux);
}

static void start_later(struct supervise *s, mtime_t now)
{
    mtime_t wait = SUPERVISE_AGAIN_MAX;

    if (s->quick < 16)
        wait = mtime_min(SUPERVISE_AGAIN_MIN << s->quick, SUPERVISE_AGAIN_MAX);
    s->quick++;
    s->restarts++;
    enter(s, SUPERVISE_BACKOFF, now + wait);
    s->ops->changed(s->aux);
}

static void rest(struct supervise *s, enum supervise_state state)
{
    enter(s, state, MTIME_NEVER);
    if (s->health == SUPERVISE_HEALTHY)
        s->health = SUPERVISE_UNKNOWN;
    s->ops->changed(s->aux);
}

static bool is_up(const struct supervise *s)
{
    return s->state == SUPERVISE_STARTING || s->state == SUPERVISE_RUNNING ||
           s->state == SUPERVISE_STOPPING;
}

/* How long to the next check of a program that has not succeeded in one yet. */
static mtime_t next_probe(struct supervise *s)
{
    mtime_t wait = mtime_min(s->probe, mtime_min(s->policy.every, SUPERVISE_PROBE));

    s->probe = mtime_min(s->probe * 2, SUPERVISE_PROBE);
    return wait;
}

void supervise_configure(struct supervise *s, const struct supervise_policy *policy,
                         mtime_t now)
{
    bool had_check = s->policy.has_check;

    s->policy = *policy;
    if (s->state != SUPERVISE_RUNNING)
        return;
    if (policy->has_check != had_check)
        s->health = SUPERVISE_UNKNOWN;
    if (!policy->has_check) {
        s->check_due = s->check_late = MTIME_NEVER;
        s->checking = false;
        s->due = had_check ? s->began + SUPERVISE_SETTLE : s->due;
    } else {
        s->due = MTIME_NEVER;
        s->probe = had_check ? s->probe : SUPERVISE_PROBE_FIRST;
        s->check_due = s->checking ? s->check_due : now;
    }
}

void supervise_want(struct supervise *s, bool wanted, mtime_t now)
{
    bool was = s->wanted;

    s->wanted = wanted;
    if (wanted == was)
        return;
    if (!wanted && is_up(s)) {
        s->again = false;
        stop(s, now);
    } else if (!wanted) {
        rest(s, SUPERVISE_STOPPED);
    } else {
        s->quick = s->restarts = 0;
        if (s->state == SUPERVISE_STOPPING)
            s->again = s->at_once = true;
        else if (!is_up(s))
            start(s);
    }
}

void supervise_restart(struct supervise *s, mtime_t now)
{
    if (!s->wanted)
        return;
    s->quick = 0;
    if (!is_up(s)) {
        start(s);
        return;
    }
    s->restarts++;
    s->again = s->at_once = true;
    stop(s, now);
}

void supervise_started(struct supervise *s, mtime_t now)
{
    if (s->state != SUPERVISE_STARTING)
        return;
    enter(s, SUPERVISE_RUNNING, s->policy.has_check ? MTIME_NEVER : now + SUPERVISE_SETTLE);
    s->began = now;
    s->probe = SUPERVISE_PROBE_FIRST;
    if (s->policy.has_check)
        s->check_due = now + next_probe(s);
    s->ops->changed(s->aux);
}

static bool starts_again(const struct supervise *s, bool well)
{
    if (s->state == SUPERVISE_STOPPING)
        return s->again;
    return s->policy.restart == SUPERVISE_ALWAYS ||
           (s->policy.restart == SUPERVISE_ON_FAILURE && !well);
}

void supervise_exited(struct supervise *s, bool well, mtime_t now)
{
    bool ran = s->state == SUPERVISE_RUNNING || s->state == SUPERVISE_STOPPING;

    if (!is_up(s))
        return;
    if (ran && now - s->began >= SUPERVISE_STEADY)
        s->quick = 0;
    if (!s->wanted)
        rest(s, SUPERVISE_STOPPED);
    else if (!starts_again(s, well))
        rest(s, well ? SUPERVISE_STOPPED : SUPERVISE_FAILED);
    else if (s->at_once)
        start(s);
    else
        start_later(s, now);
}

static void unwell(struct supervise *s, mtime_t now)
{
    s->health = SUPERVISE_UNHEALTHY;
    if (s->policy.restart == SUPERVISE_NEVER) {
        s->ops->changed(s->aux);
        return;
    }
    s->again = true;
    stop(s, now);
}

/* How long a program that has just started may take to its first success. */
static mtime_t patience(const struct supervise *s)
{
    return s->policy.failures * (s->policy.every + s->policy.timeout);
}

void supervise_checked(struct supervise *s, bool well, mtime_t now)
{
    enum supervise_health was = s->health;

    if (s->state != SUPERVISE_RUNNING || !s->checking)
        return;
    s->checking = false;
    s->check_late = MTIME_NEVER;
    s->check_due = now + s->policy.every;
    if (well) {
        s->failed = 0;
        s->health = SUPERVISE_HEALTHY;
        if (was != SUPERVISE_HEALTHY)
            s->ops->changed(s->aux);
    } else if (was == SUPERVISE_UNKNOWN) {
        s->check_due = now + next_probe(s);
        if (now - s->began >= patience(s))
            unwell(s, now);
    } else if (++s->failed >= s->policy.failures && was == SUPERVISE_HEALTHY) {
        unwell(s, now);
    }
}

static void settle(struct supervise *s)
{
    s->health = SUPERVISE_HEALTHY;
    s->ops->changed(s->aux);
}

mtime_t supervise_deadline(const struct supervise *s)
{
    return mtime_min(s->due, mtime_min(s->check_due, s->check_late));
}

void supervise_run(struct supervise *s, mtime_t now)
{
    if (s->due <= now) {
        s->due = MTIME_NEVER;
        if (s->state == SUPERVISE_BACKOFF)
            start(s);
        else if (s->state == SUPERVISE_STOPPING)
            s->ops->kill(s->aux);
        else if (s->state == SUPERVISE_RUNNING)
            settle(s);
    }
    if (s->check_late <= now)
        supervise_checked(s, false, now);
    if (s->check_due <= now && !s->checking) {
        s->check_due = MTIME_NEVER;
        s->checking = true;
        s->check_late = now + s->policy.timeout;
        s->ops->check(s->aux);
    }
}

const char *supervise_word(const struct supervise *s)
{
    static const char *const words[] = {
        [SUPERVISE_STOPPED] = "stopped", [SUPERVISE_STARTING] = "starting",
        [SUPERVISE_RUNNING] = "running", [SUPERVISE_STOPPING] = "stopping",
        [SUPERVISE_BACKOFF] = "backoff", [SUPERVISE_FAILED] = "failed"};

    if (s->state == SUPERVISE_RUNNING) {
        if (s->health == SUPERVISE_UNHEALTHY)
            return "unhealthy";
        if (s->health == SUPERVISE_UNKNOWN)
            return "starting";
    }
    return words[s->state];
}

const char *supervise_health_word(const struct supervise *s)
{
    static const char *const words[] = {"unknown", "healthy", "unhealthy"};

    return s->policy.has_check ? words[s->health] : "";
}
