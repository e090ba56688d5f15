#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# iothctl doctor finds what is wrong, one thing after another, and names the command that mends it:
#
#      alpha ─── underlay ─── beta        a small disk, no TAPs, a host cut off, a token about to go
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun
e2e_hosts alpha beta
mkdir -p "$T/alpha/state"
mount -t tmpfs -o size=300m,mode=0700 tmpfs "$T/alpha/state"

# result CHECK: what doctor says of it on alpha, and the hint.
result() {
    ctl alpha doctor -o json 2>/dev/null | jq -r --arg c "$1" \
        '[.[] | select(.check == $c)] | sort_by(.result)[0] | "\(.result) \(.hint)"'
}
says() { grep -Eq -- "$2" <<<"$(result "$1")"; }

has "without a daemon" '^warn iothctl daemon start' "$(result daemon)"
[ ! -e "$T/alpha/run/api.sock" ] || fail "doctor has started a daemon"
e2e_start alpha
e2e_start beta
status 0 ctl beta host join "$(ctl alpha host invite)"
wait_for 15 says links '^ok'
for check in kernel clocks membership tun namespaces ids daemon disk problems tokens certificate; do
    has "nothing is wrong with $check" '^ok' "$(result $check)"
done
status 0 ctl alpha doctor
has "for people" '^links +ok +all 1 other hosts are reached' "$OUT"

mount -t tmpfs tmpfs /dev/net
status 1 ctl alpha doctor
has "no TAPs" '^tun +bad ' "$OUT"
has "what mends it" '^hint: sudo modprobe tun' "$OUT"
has "how it ends" 'failed: 1 of the checks' "$ERR"
umount /dev/net

ctl alpha -q token create --scope write --expires 1d --name brief >/dev/null
has "a token about to go" '^warn iothctl token create --scope write' "$(result tokens)"

e2e_cut alpha beta
wait_for 20 says links '^bad iothctl link add beta'
e2e_join_up
wait_for 20 says links '^ok'

head -c 60m /dev/zero >"$T/alpha/state/filler"
has "little room" '^warn df -h' "$(result disk)"
cat /dev/zero >"$T/alpha/state/filler" 2>/dev/null || true
has "no room" '^bad df -h' "$(result disk)"
rm "$T/alpha/state/filler"
allow_log 'disk|No space'
e2e_stop beta
e2e_stop alpha
umount "$T/alpha/state"
finish
