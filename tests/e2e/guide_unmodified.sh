#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The story of docs/unmodified.md, every command of it, on one host.
#
#      alpha
#        iothctl ──starts──> fabricd
#         │ lan1 ── web, and its clients (processes)
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/guide.sh
. "$(dirname "$0")/guide.sh"
need busybox
[ -e "$E2E_BUILD/libioth/libioth-preload.so" ] || skip "the preloaded library is not built"
! grep -q 'IOTH_SANITIZE:STRING=.' "$E2E_BUILD/CMakeCache.txt" ||
    skip "programs are built without the sanitizers' libraries"

guide_hosts alpha
guide "$E2E_ROOT/docs/unmodified.md"
[ "$GUIDE_LINES" -ge 10 ] || fail "the guide has only $GUIDE_LINES lines"
finish
