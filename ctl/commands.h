/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of all commands, and the functions behind it. Each returns the exit status. */
#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

#include "ctl/grammar.h"

struct ctl;

extern const struct command commands[];
extern const struct option_row global_options[];

/* Any kind of object (cmd_object.c); which one follows from the noun. */
int cmd_ls(struct ctl *, const struct args *);
int cmd_show(struct ctl *, const struct args *);
int cmd_set(struct ctl *, const struct args *);
int cmd_rm(struct ctl *, const struct args *);

int cmd_net_macs(struct ctl *, const struct args *);
int cmd_net_create(struct ctl *, const struct args *);
int cmd_port_add(struct ctl *, const struct args *);
int cmd_link_add(struct ctl *, const struct args *);
int cmd_link_set(struct ctl *, const struct args *);

int cmd_service_create(struct ctl *, const struct args *);
int cmd_service_migrate(struct ctl *, const struct args *);
int cmd_service_logs(struct ctl *, const struct args *);
/* start, stop, restart. */
int cmd_service_do(struct ctl *, const struct args *);

int cmd_fabric_show(struct ctl *, const struct args *);
int cmd_fabric_rename(struct ctl *, const struct args *);
int cmd_fabric_key(struct ctl *, const struct args *);

int cmd_host_invite(struct ctl *, const struct args *);
int cmd_host_join(struct ctl *, const struct args *);
int cmd_host_leave(struct ctl *, const struct args *);

int cmd_token_create(struct ctl *, const struct args *);
int cmd_token_ls(struct ctl *, const struct args *);
int cmd_token_rm(struct ctl *, const struct args *);
int cmd_audit(struct ctl *, const struct args *);

int cmd_apply(struct ctl *, const struct args *);
int cmd_diff(struct ctl *, const struct args *);
int cmd_export(struct ctl *, const struct args *);
int cmd_validate(struct ctl *, const struct args *);

int cmd_history(struct ctl *, const struct args *);
int cmd_rollback(struct ctl *, const struct args *);
int apply_accept(struct ctl *); /* apply --accept */

int cmd_doctor(struct ctl *, const struct args *);
int cmd_status(struct ctl *, const struct args *);
int cmd_events(struct ctl *, const struct args *);
int cmd_topology(struct ctl *, const struct args *);
int cmd_capture(struct ctl *, const struct args *);

int cmd_daemon_start(struct ctl *, const struct args *);
int cmd_daemon_stop(struct ctl *, const struct args *);
int cmd_daemon_log(struct ctl *, const struct args *);

int cmd_version(struct ctl *, const struct args *);
int cmd_help(struct ctl *, const struct args *);
int cmd_completion(struct ctl *, const struct args *);
int cmd_complete(struct ctl *, const struct args *);

#endif
