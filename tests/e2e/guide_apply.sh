#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# docs/apply.md, every command of it; and that what it shows is what is printed.
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/guide.sh
. "$(dirname "$0")/guide.sh"

page=$E2E_ROOT/docs/apply.md
guide_hosts alpha
guide "$page"
[ "$GUIDE_LINES" -ge 12 ] || fail "the guide has only $GUIDE_LINES lines"
is "the last word" "rollback to" "$(guide_user alpha "iothctl history -n 1 -o json" | jq -r '.[0].what[:11]')"

# What is refused is refused in the words of the page: the file has one VLAN, the fabric two again.
if guide_user alpha "iothctl apply -f lab.yaml" >"$T/refused" 2>&1; then
    fail "it destroyed a VLAN"
fi
[ "$(wc -l <"$T/refused")" = 2 ] || fail "$(cat "$T/refused")"
while IFS= read -r line; do
    grep -qxF -- "$line" "$page" || fail "the page does not show: $line"
done <"$T/refused"
guide_user alpha "iothctl daemon stop"
finish
