/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Intrusive, circular, doubly linked lists. The links live in the objects; a list owns nothing. */
#ifndef PROTO_BASE_LIST_H
#define PROTO_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next;
    struct list *prev;
};

/* The object that holds the member `link`. */
#define list_entry(link, type, member)                                                     \
    ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* Walks a list; the body may not remove `it`. The _safe form may. */
#define list_for_each(it, head)                                                            \
    for (struct list *it = (head)->next; it != (head); it = it->next)
#define list_for_each_safe(it, head)                                                       \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head);              \
         it = it##_next, it##_next = it->next)

static inline void list_init(struct list *head)
{
    head->next = head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_append(struct list *head, struct list *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

static inline void list_prepend(struct list *head, struct list *link)
{
    list_append(head->next, link);
}

/* Takes `link` out and leaves it an empty list, so removing twice is harmless. */
static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

static inline struct list *list_first(const struct list *head)
{
    return list_empty(head) ? NULL : head->next;
}

#endif
