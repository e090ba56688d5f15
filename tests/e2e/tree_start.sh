#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A daemon that starts from its store alone remembers where bridges were heard: two ways to a bridge of
# somebody else's, which forwards to both already, are no loop for a moment: neither forwards before a BPDU has come.
#
#      alpha: lan1 ── p0 ═══ x0 ┐
#                └─── p1 ═══ x1 ┴ kb, a Linux bridge with STP (the root, a BPDU every 2 s)
#                                 └ n1 ── n0: broadcasts, 100 a second
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/foreign_bridge.sh
. "$(dirname "$0")/foreign_bridge.sh"
[ "$(id -u)" = 0 ] || skip "only root may"

e2e_hosts alpha
e2e_start alpha
status 0 ctl alpha net create lan1
foreign_bridge
for i in 0 1; do
    on alpha ip link add "p$i" type veth peer name "x$i"
    on alpha ip link set "x$i" master kb up
    on alpha ip link set "p$i" up
done
bg events alpha "$IOTHCTL" events
for i in 0 1; do
    status 0 ctl alpha port add lan1 "p$i" --raw "p$i"
done
role() { ctl alpha port show "lan1/$1" -o json | jq -r '.status.stp | "\(.role) \(.state)"'; }
is_role() { [ "$(role "$1")" = "$2" ]; }
wait_for 20 is_role p0 'root forwarding'
wait_for 20 is_role p1 'alternate discarding'
heard() { grep -Eq "lan1/$1 +bridge-heard" "$T/events.out"; }
wait_for 5 heard p0
wait_for 5 heard p1
e2e_end events

# --- broadcasts, and a start -------------------------------------------------------------------------
noise 0.01
x_rx() { on alpha cat /sys/class/net/x1/statistics/rx_packets; }
for round in 1 2 3; do
    e2e_stop alpha
    before=$(x_rx)
    begin=${EPOCHREALTIME/./}
    e2e_start alpha
    for i in p0 p1; do
        is "that $i forwards before it has heard the bridge" false "$(ctl alpha port show "lan1/$i" -o json |
            jq '.status.stp | .rx_bpdus == 0 and (.edge or .state != "discarding")')"
    done
    wait_for 10 is_role p0 'root forwarding'
    took=$(((${EPOCHREALTIME/./} - begin) / 1000))
    wait_for 10 is_role p1 'alternate discarding'
    echo "start $round: p0 forwards after $took ms, $(($(x_rx) - before)) frames came out of p1"
    # BPDUs, and no more than a moment's broadcasts: p1 may be the way to the root until p0 hears of it.
    [ $(($(x_rx) - before)) -lt 20 ] || fail "a loop: $(($(x_rx) - before)) frames came out of p1"
done
e2e_end noise

# --- another cable in the same place is a new one ------------------------------------------------------
status 0 ctl alpha port rm lan1/p1
on alpha ip link set x1 nomaster
status 0 ctl alpha port add lan1 p1 --raw p1
wait_for 2 is_role p1 'designated forwarding'
status 0 ctl alpha port rm lan1/p0 lan1/p1
for i in p0 p1 n0 kb; do on alpha ip link del "$i"; done
finish
