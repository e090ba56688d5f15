#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A deliberate loop with the spanning tree off and storm control on, for thirty seconds.
#
export STORM_SECONDS=30
exec "$(dirname "$0")/switch_guards.sh"
