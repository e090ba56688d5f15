#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# docs/fabric-file.md, every command of it; and that what it shows of mistakes is what is printed.
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/guide.sh
. "$(dirname "$0")/guide.sh"

guide_hosts alpha
guide "$E2E_ROOT/docs/fabric-file.md"
[ "$GUIDE_LINES" -ge 22 ] || fail "the guide has only $GUIDE_LINES lines"

# shown FILE…: what validating them says is in the page, but for the lists that it cuts short.
shown() {
    local line
    guide_user alpha "iothctl validate $*" >"$T/validate.out" 2>&1 || true
    while IFS= read -r line; do
        line=${line% (*}
        grep -qF -- "$line" "$E2E_ROOT/docs/fabric-file.md" || fail "the page does not show: $line"
    done <"$T/validate.out"
    [ -s "$T/validate.out" ] || fail "no mistakes in $*"
}
shown -f wrong.yaml
cat >"$T/home-alpha/lab.yaml" <<EOF
version: 1
networks:
  lab: {mtu: 1500}
EOF
shown -f lab.yaml -f net.d/lab.yaml
guide_user alpha "iothctl daemon stop"
finish
