#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The commands of docs/switching.md, on one host.
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/guide.sh
. "$(dirname "$0")/guide.sh"
need_tun

guide_hosts alpha
guide "$E2E_ROOT/docs/switching.md"
[ "$GUIDE_LINES" -ge 38 ] || fail "the guide has only $GUIDE_LINES lines"
finish
