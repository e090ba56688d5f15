#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The commands of docs/spanning-tree.md, on two hosts.
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/guide.sh
. "$(dirname "$0")/guide.sh"
need_tun

guide_hosts alpha beta
guide "$E2E_ROOT/docs/spanning-tree.md"
[ "$GUIDE_LINES" -ge 18 ] || fail "the guide has only $GUIDE_LINES lines"
guide_user alpha "iothctl port show lan1/desk; iothctl net show lan1; iothctl port ls lan1; iothctl daemon stop"
guide_user beta "iothctl daemon stop"
finish
