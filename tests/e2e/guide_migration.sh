#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The story of docs/migration.md, every command of it, on three hosts.
#
#      alpha 192.0.2.1  ─── underlay ─── beta 192.0.2.2
#                              └──────── gamma 192.0.2.3
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/guide.sh
. "$(dirname "$0")/guide.sh"
need_tun

guide_hosts alpha beta gamma
guide "$E2E_ROOT/docs/migration.md"
[ "$GUIDE_LINES" -ge 35 ] || fail "the guide has only $GUIDE_LINES lines"
finish
