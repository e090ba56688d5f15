#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every command of docs/services.md, as its reader would run it.
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/guide.sh
. "$(dirname "$0")/guide.sh"
need_tun
need python3

guide_hosts alpha
guide "$E2E_ROOT/docs/services.md"
[ "$GUIDE_LINES" -ge 18 ] || fail "the guide has only $GUIDE_LINES lines"
guide_user alpha 'iothctl daemon stop'
finish
