#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Hundreds of TAPs come, move to another network and go: in time, and whoever pings meanwhile does not
# notice. The kernel takes some 10 ms to take one down.
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun
ulimit -n "$(ulimit -Hn)"

e2e_hosts alpha
e2e_start alpha
status 0 ctl alpha net create lan
run_in b alpha --net lan -- sleep 600
TAPS=400
file_of() { # NETWORK
    printf '%s\n' 'version: 1' 'networks:' "  $1:" '    ports:'
    for ((i = 0; i < TAPS; i++)); do
        printf '      p%d: {host: alpha, tap: many%d}\n' $i $i
    done
    printf '%s\n' '  lan: {}'
}
taps() { on alpha ip -o link | grep -c ': many' || true; }
file_of one >"$T/one.yaml"
file_of two >"$T/two.yaml"
printf '%s\n' 'version: 1' 'networks: {lan: {}}' >"$T/none.yaml"

status 0 ctl alpha apply -f "$T/one.yaml"
is "TAPs" $TAPS "$(taps)"
bg a alpha "$IOTHCTL" run --net lan -- ping -i 0.02 b
wait_for 5 grep -q 'icmp_seq=20 ' "$T/a.out"
status 0 ctl alpha apply -f "$T/two.yaml" --prune
is "TAPs that moved" $TAPS "$(taps)"
is "their state" $TAPS "$(ctl alpha port ls two -o json | jq '[.[] | select(.status.state == "up")] | length')"
status 0 ctl alpha apply -f "$T/none.yaml" --prune --within 3s
is "TAPs that are left" 0 "$(taps)"
e2e_end a INT
has "nobody noticed" ' 0% packet loss' "$(cat "$T/a.out")"
longest=$(sed -n 's|^rtt .*= [0-9.]*/[0-9.]*/\([0-9]*\).*|\1|p' "$T/a.out")
[ "$longest" -lt 400 ] || fail "a ping took $longest ms"

# The daemon ends in time, too.
status 0 ctl alpha apply -f "$T/one.yaml"
e2e_end b
e2e_stop alpha
finish
