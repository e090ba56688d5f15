#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Ports whose interface goes down: left at once, told of, and held where it happens again and again and a bridge
# is behind them.
#
#      alpha  lan1 ── p0 (--raw) ══ veth ══ p0 (--raw) ── lan1  beta, a fabric of its own
#               └──── p1 (--raw) ══ veth ══ p1 (--raw) ────┘
#               └──── edge (--tap): an end station
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun
[ "$(id -u)" = 0 ] || skip "only root may open packet sockets"

e2e_hosts alpha beta
for p in p0 p1; do
    ip -n alpha link add "$p" type veth peer name "$p" netns beta
    ip -n alpha link set "$p" up
    ip -n beta link set "$p" up
done
for host in alpha beta; do
    e2e_start "$host"
    status 0 ctl "$host" net create lan1 --ipv4 10.64.9.0/24 --ipv6 none
    for p in p0 p1; do status 0 ctl "$host" port add lan1 "$p" --raw "$p"; done
done
status 0 ctl alpha net set lan1 stp.priority.alpha=4096
status 0 ctl beta port set lan1/p0 stp.cost=1000
allow_log 'another port of this host|goes down again and again|moves between ports of network'

stp() { ctl "$1" port show "lan1/$2" -o json | jq -r ".status.stp | $3"; }
is_port() { [ "$(stp "$1" "$2" '"\(.role) \(.state)"')" = "$3" ]; }
wait_for 20 is_port beta p0 'root forwarding'
wait_for 20 is_port beta p1 'alternate discarding'
bg events beta "$IOTHCTL" events -o json

# --- a carrier that goes, without a frame that would tell ------------------------------------------
set_down() { ip -n alpha link set p0 down; }
row() { ctl "$1" port ls lan1 | grep "^lan1/$2 "; }
set_down
wait_for 1 is_port beta p1 'root forwarding'
is "it is seen" 'disabled discarding' "$(stp beta p0 '"\(.role) \(.state)"')"
has "and shown" '^lan1/p0 +raw +no carrier ' "$(row beta p0)"
has "at the end that was set down, too" '^lan1/p0 +raw +no carrier ' "$(row alpha p0)"
ip -n alpha link set p0 up
wait_for 10 is_port beta p0 'root forwarding'
has "and seen to come back" '^lan1/p0 +raw +up ' "$(row beta p0)"

# --- again, and again --------------------------------------------------------------------------------
for i in 2 3; do
    set_down
    wait_for 5 is_port beta p1 'root forwarding'
    ip -n alpha link set p0 up
    [ "$i" = 3 ] || wait_for 10 is_port beta p0 'root forwarding'
done
held() { has "held" '^lan1/p0 +raw +held [1-5]s ' "$(row beta p0)"; }
wait_for 2 held
is "how often it was lost" 3 "$(stp beta p0 .losses)"
is "the other way is the way" 'root forwarding' "$(stp beta p1 '"\(.role) \(.state)"')"
told() { grep -q "\"name\": *\"p0\".*\"verb\": *\"$1\"" "$T/events.out"; }
wait_for 2 told held
has "in the log" 'port lan1/p0 goes down again and again: .* for [1-5] s' "$(cat "$T/beta.log")"
need curl
has "a metric" '^ioth_stp_port_held\{network="lan1",port="p0"\} 1$' \
    "$(on beta curl -s --unix-socket "$T/beta/run/api.sock" http://x/metrics)"

# Where there is no other way it is used all the same: nobody is cut off.
ip -n alpha link set p1 down
wait_for 3 is_port beta p0 'root forwarding'
ip -n alpha link set p1 up
wait_for 20 told released
wait_for 20 is_port beta p0 'root forwarding'
is "held no more" null "$(stp beta p0 .held_ms)"

# --- a TAP, and an end station -----------------------------------------------------------------------
status 0 ctl alpha port add lan1 edge --tap edge
is "a new one is down" 'disabled discarding' "$(stp alpha edge '"\(.role) \(.state)"')"
ip -n alpha link set edge up
forwards() { is_port alpha edge 'designated forwarding'; }
wait_for 5 forwards
is "that it began down is no loss" null "$(stp alpha edge .losses)"
for _ in 1 2 3 4; do
    ip -n alpha link set edge down
    wait_for 1 is_port alpha edge 'disabled discarding'
    ip -n alpha link set edge up
    wait_for 1 forwards
done
is "nobody waits for it" null "$(stp alpha edge .held_ms)"

# What is down when the daemon comes is known as well.
ip -n alpha link set edge down
old=$(e2e_daemon_pids alpha | sed -n 2p)
kill -9 "$old"
allow_log 'ended .signal 9.|the switch process is away'
new_switch() { [ "$(e2e_daemon_pids alpha | sed -n 2p)" != "$old" ] && [ "$(stp alpha p1 .role)" != null ]; }
wait_for 10 new_switch
wait_for 20 is_port beta p0 'root forwarding'
ip -n alpha link set p0 down
wait_for 2 is_port alpha p0 'disabled discarding'
e2e_end events
e2e_stop alpha
e2e_stop beta
for p in p0 p1; do ip -n alpha link del "$p"; done
finish
