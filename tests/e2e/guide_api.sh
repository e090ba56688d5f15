#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every command of docs/api.md, in one shell on alpha; what it prints has no refusal but the one
# that is meant.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need curl jq
e2e_hosts alpha
e2e_start alpha --api 127.0.0.1:8443

# The daemon runs; what shows things until Ctrl-C is interrupted.
{
    echo 'set -eu -o pipefail'
    awk '/^```/ { block = !block && /sh$/; next } block' "$E2E_ROOT/docs/api.md" |
        sed -e "s#^SOCK=.*#SOCK=$T/alpha/run/api.sock#" -e '/^fabricd /d' \
            -e 's/^curl -N .*/timeout 1 & || [ $? = 124 ]/'
} >"$T/guide"
lines=$(wc -l <"$T/guide")
[ "$lines" -ge 20 ] || fail "the guide has only $lines lines"
mkdir "$T/home"
OUT=$(cd "$T/home" && on alpha env PATH="$E2E_BUILD/ctl:$PATH" bash "$T/guide" 2>"$T/guide.err") ||
    fail "the guide ends with $? ($(cat "$T/guide.err"))"
# In the answer, and in the audit log.
is "one condition is not met" '"status": 412' \
    "$(grep -oE '^ +"status": [45][0-9]+' <<<"$OUT" | sed 's/^ *//' | sort -u)"
has "curl with a token" '"host": "alpha"' "$OUT"
has "iothctl with a token" '^lan1 +10\.' "$OUT"
has "the audit log" 'PUT +/v1/networks/lan2' "$OUT"
finish
