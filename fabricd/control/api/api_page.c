/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lists by the page: ?limit=N gives at most so many, and where there are more a key `next` beside
 * `items`, which as ?after=NEXT goes on behind them. Lists of objects are in the order of network
 * and name, and `next` names the last one shown: so objects that come and go meanwhile make none
 * appear twice and none be missed that was there all the time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fabricd/control/api/routes.h"
#include "proto/base/xalloc.h"

struct api_page api_page_asked(const struct api_request *rq)
{
    const char *limit = api_query(rq, "limit");

    return (struct api_page){
        .limit = limit != NULL ? (unsigned)strtoul(limit, NULL, 10) : 0,
        .after = api_query(rq, "after"),
    };
}

struct place {
    const char *network, *name;
};

static struct place place_of(const struct node *item)
{
    return (struct place){node_get_text(item, "network", ""),
                          node_get_text(item, "name", "")};
}

static int compare(struct place a, struct place b)
{
    int r = strcmp(a.network, b.network);

    return r != 0 ? r : strcmp(a.name, b.name);
}

static int by_place(const void *a, const void *b)
{
    const struct node *const *x = a, *const *y = b;

    return compare(place_of(*x), place_of(*y));
}

/* "NAME" or "NETWORK/NAME", into `copy`, which the caller frees. */
static struct place parse_cursor(const char *after, char **copy)
{
    char *slash;

    *copy = xstrdup(after);
    slash = strchr(*copy, '/');
    if (slash == NULL)
        return (struct place){"", *copy};
    *slash = '\0';
    return (struct place){*copy, slash + 1};
}

/* Takes the items from `first` on, at most `limit`, out of the list into a new one. */
static struct node *take(struct node *items, size_t first, size_t limit)
{
    struct node *page = node_list();

    for (size_t i = first; i < items->n && page->n < limit; i++) {
        node_append(page, items->child[i]);
        items->child[i] = node_new(NODE_NULL);
    }
    node_free(items);
    return page;
}

static char *cursor_of(const struct node *item)
{
    struct place at = place_of(item);

    return xasprintf("%s%s%s", at.network, at.network[0] != '\0' ? "/" : "", at.name);
}

void api_answer_page(struct api_request *rq, struct node *items)
{
    struct node *answer = node_map();
    char *copy = NULL, *next = NULL;
    struct api_page page = api_page_asked(rq);
    size_t first = 0;

    if (items->n > 1)
        qsort(items->child, items->n, sizeof(items->child[0]), by_place);
    if (page.after != NULL) {
        struct place after = parse_cursor(page.after, &copy);

        while (first < items->n && compare(place_of(items->child[first]), after) <= 0)
            first++;
        free(copy);
    }
    if (page.limit > 0 && items->n - first > page.limit)
        next = cursor_of(items->child[first + page.limit - 1]);
    if (page.after != NULL || next != NULL)
        items = take(items, first, page.limit > 0 ? page.limit : items->n);
    node_set(answer, "items", items);
    if (next != NULL)
        node_set_text(answer, "next", next);
    free(next);
    api_answer_node(rq, 200, answer);
}
