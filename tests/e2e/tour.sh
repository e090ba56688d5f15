#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every command of README.md's tour, read out of it and run, in its order.
#
#      alpha 192.0.2.1  ───── underlay ─────  beta 192.0.2.2
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/guide.sh
. "$(dirname "$0")/guide.sh"
need_tun
need vdens

guide_hosts alpha beta
sniff
guide "$E2E_ROOT/README.md" "A tour"
[ "$GUIDE_LINES" -ge 20 ] || fail "the tour has only $GUIDE_LINES lines"
finish
