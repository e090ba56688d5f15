/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A control context in memory, without processes around it: for tests of changes and the API. */
#ifndef TESTS_UNIT_CONTROL_FIXTURE_H
#define TESTS_UNIT_CONTROL_FIXTURE_H

#include "fabricd/control/context.h"
#include "fabricd/control/view/view.h"

/* Host `name`, number 1, of a fabric with id 0x1234; founder or not. Aborts if it cannot. */
struct control *fixture_new(const char *name, bool founder);
void fixture_free(struct control *);

/* One more host in the store. */
void fixture_add_host(struct control *, const char *name, unsigned number);

/* Submits a change of one item and waits for its end, which must come at once. The result is the
 * caller's to change_result_done(). `json` may be NULL. */
struct change_result fixture_change(struct control *, enum change_verb, const char *kind,
                                    const char *network, const char *name,
                                    const char *json);

/* The same, only its status. */
int fixture_status(struct control *, enum change_verb, const char *kind,
                   const char *network, const char *name, const char *json);

/* Keeps a result beyond its callback: a change_done_fn with a struct change_result * as aux. */
void fixture_keep(void *aux, struct change_result *);

struct node *fixture_json(const char *json);
struct node *fixture_yaml(const char *yaml);

#endif
