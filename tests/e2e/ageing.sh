#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# MACs that are not heard of any more are forgotten, and their ages are shown until then; those of programs stay.
# The daemon's clock is forty times as fast.
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun
need faketime
# Its segments are named after process ids, which are small here, and stay behind.
mount -t tmpfs tmpfs /dev/shm
FAKETIME_LIB=$(faketime -f '+0s' sh -c 'echo "$LD_PRELOAD"')
[ -n "$FAKETIME_LIB" ] || skip "libfaketime is not found"

e2e_hosts alpha
LD_PRELOAD=$FAKETIME_LIB FAKETIME='+0 x40' e2e_start alpha
status 0 ctl alpha net create lan1 --ipv4 none --ipv6 none
status 0 ctl alpha port add lan1 desk --tap desk
ip -n alpha link set desk up
run_in program alpha --net lan1 -- sleep 600
status 0 on alpha "$PYTHON" "$E2E_ROOT/tests/e2e/vlan_frames.py" sources desk 20
mac() { ctl alpha net macs lan1 -o json | jq "[.[] | select((.mac | startswith(\"02:ee:\")) and .port == \"desk\")] | $1"; }
learnt() { [ "$(mac length)" = 20 ]; }
wait_for 5 learnt
old() { [ "$(mac 'length == 20 and (map(.age_ms) | min > 200000 and max <= 310000)')" = true ]; }
wait_for 20 old
forgotten() { [ "$(mac length)" = 0 ]; }
wait_for 20 forgotten
is "the program's stays" 1 "$(ctl alpha net macs lan1 -o json | jq '[.[] | select(.endpoint == "program")] | length')"
finish
