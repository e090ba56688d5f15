#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A host is cut off for a while at every step of a service's move.
exec "$(dirname "$0")/migrate_steps.sh" stop
