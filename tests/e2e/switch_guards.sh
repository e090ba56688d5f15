#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a port is kept from, and what is seen of it: a storm in a loop, limits, flapping, guards,
# isolation, mirrors, and the table of MACs.
#
#      alpha   ring:  left ═ br0 ═ right      a bridge without STP closes a loop
#              calm:  quiet0, quiet1          nodes of another network
#              edge:  one two three spy       TAPs
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun
frames() { on alpha "$PYTHON" "$E2E_ROOT/tests/e2e/vlan_frames.py" "$@"; }
as_cased() { frames cases "$T/cases" || fail "$(cat "$T/cases")"; }
drops() { ctl alpha port show "$1" -o json | jq ".status.counters.drops.$2 // 0"; }

e2e_hosts alpha
e2e_start alpha
bg events alpha "$IOTHCTL" events -o json
event() { grep -q "\"verb\": *\"$1\"" "$T/events.out"; }

# --- a loop, with storm control ------------------------------------------------------------------
status 0 ctl alpha net create calm
run_in quiet0 alpha --net calm -- sleep 600
run_in quiet1 alpha --net calm -- sleep 600
status 0 ctl alpha net create ring --stp off
status 0 ctl alpha port add ring left --tap left
status 0 ctl alpha port add ring right --tap right
status 2 ctl alpha port set ring/left storm.broadcast=often
has "the form of a rate" 'frames or bits per second' "$ERR"
for port in left right; do
    status 0 ctl alpha port set "ring/$port" storm.broadcast=1000pps storm.multicast=1000pps \
        storm.unknown=1000pps
done
ip -n alpha link add br0 type bridge stp_state 0
for port in left right; do
    ip -n alpha link set "$port" master br0
    ip -n alpha link set "$port" up
done
ip -n alpha link set br0 up
status 0 frames flood br0 0 50
stormy() { [ "$(drops ring/left storm)" -gt 0 ] || [ "$(drops ring/right storm)" -gt 0 ]; }
wait_for 10 stormy
wait_for 5 event storm
bg pinger alpha "$IOTHCTL" exec calm/quiet0 -- ping -i 0.02 -c $((${STORM_SECONDS:-3} * 50)) -W 1 -q quiet1
while kill -0 "${E2E_PID[pinger]}" 2>/dev/null; do
    status 0 on alpha timeout 2 "$IOTHCTL" net ls
    sleep 0.2 # Asked now and then, as long as the pings take.
done
e2e_wait pinger
has "the other network loses nothing" ' 0% packet loss' "$(cat "$T/pinger.out")"
ip -n alpha link del br0
status 0 ctl alpha net rm ring
wait_for 5 event mac_flap
allow_log '.* floods the network; storm control .*'
allow_log '.* moves between ports of network .*'

# --- limits and guards ---------------------------------------------------------------------------
status 0 ctl alpha net create edge --ipv4 none --ipv6 none
for port in one two three spy; do
    status 0 ctl alpha port add edge "$port" --tap "$port"
    ip -n alpha link set "$port" up
done
settled() { [ "$(ctl alpha net macs edge -o json | jq length)" -ge 4 ]; } # Their own MACs.
wait_for 10 settled
status 0 ctl alpha port set edge/one mac_limit=2
status 0 frames sources one 20
over() { [ "$(drops edge/one mac_limit)" -ge 18 ]; }
wait_for 5 over
wait_for 5 event mac_limit
status 0 ctl alpha net macs edge
has "the table" 'MAC +VLAN +PORT +HOST +ENDPOINT +AGE' "$OUT"
is "as many as it may" 2 "$(ctl alpha net macs edge -o json | jq '[.[] | select(.port == "one")] | length')"
status 0 ctl alpha port set edge/one mac_limit=
allow_log '.* has as many MACs as it may.*'

status 0 ctl alpha port set edge/two 'guard=[dhcp, ra]'
status 0 frames server two
guarded() { [ "$(drops edge/two guard)" = 2 ]; }
wait_for 5 guarded
wait_for 5 event guard
allow_log '.* sent what its guards keep out.*'
status 2 ctl alpha port set edge/two guard=nonsense

# Programs are pinned to what they were given.
status 0 ctl alpha run --net calm --root --name liar -- "$PYTHON" -c 'import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
s.send(b"\xff" * 6 + bytes.fromhex("02000000beef") + b"\x88\xb5" + bytes(60))'
wait_for 5 grep -q '"name": *"liar".*"verb": *"spoof".*02:00:00:00:be:ef' "$T/events.out"

# So are services, whoever gets into their place; and what is behind a trunk or a LAN is not.
status 0 ctl alpha service create shop --net calm -- sleep 4321
shop() { pgrep -f '^sleep 4321$'; }
wait_for 10 shop
lie='import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
for mac in sys.argv[2:]:
    s.send(b"\xff" * 6 + bytes.fromhex(mac) + b"\x88\xb5" + bytes(60))'
status 0 nsenter --net="/proc/$(shop)/ns/net" "$PYTHON" -c "$lie" eth0 02000000beee
wait_for 5 grep -q '"name": *"shop".*"verb": *"spoof".*02:00:00:00:be:ee' "$T/events.out"
spoofed() { [ "$(drops calm/shop source)" -ge 1 ]; }
wait_for 5 spoofed
status 0 ctl alpha service rm shop
status 0 ctl alpha net create lans --vlan 10 --ipv4 none --ipv6 none
ip -n alpha link add phys0 type veth peer name phys1
ip -n alpha link set phys0 up
ip -n alpha link set phys1 up
status 0 ctl alpha port add lans lan --raw phys0 --access 10
status 0 ctl alpha port add lans core --tap core --trunk 10 --native 10
ip -n alpha link set core up
for from in phys1 core; do
    status 0 on alpha "$PYTHON" -c "$lie" "$from" 02000000beea 02000000beeb 02000000beec
done
as_they_please() { [ "$(ctl alpha net macs lans -o json | jq -c "[.[] | select((.mac | startswith(\"02:00:00:00:be\")) and .port == \"$1\")] | length")" = 3 ]; }
wait_for 5 as_they_please core # The last to have sent by them.
is "nothing was held against them" "0 0" "$(drops lans/lan source) $(drops lans/core guard)"
status 0 ctl alpha net rm lans
ip -n alpha link del phys0

# --- isolation and mirror --------------------------------------------------------------------------
b=ff:ff:ff:ff:ff:ff
status 0 ctl alpha port set edge/one isolated=true
status 0 ctl alpha port set edge/two isolated=true
printf '%s\n' "one 0 $b | two=- three=0 spy=0" "three 0 $b | one=0 two=0 spy=0" >"$T/cases"
as_cased
apart() { [ "$(drops edge/two isolated)" -ge 1 ]; }
wait_for 5 apart
status 2 ctl alpha port set edge/one mirror=one
has "a port that would only hear itself" 'edge/one cannot be its own mirror' "$ERR"
status 0 ctl alpha port set edge/one mirror=spy
printf '%s\n' "one 0 $b | spy=0 three=0 two=-" "three 0 $b | spy=0 one=0" "spy 0 $b | one=- three=-" \
    "one 10 $b | spy=10 three=10" >"$T/cases"
as_cased
blocked() { [ "$(drops edge/spy blocked)" -ge 1 ]; }
wait_for 5 blocked
mirrored() { ctl alpha port show edge/one -o json | jq -e ".status.counters.mirrored.$1 >= $2"; }
wait_for 5 mirrored frames 3
ip -n alpha link set spy down
status 0 frames flood three 0 1
wait_for 5 mirrored lost 1
ip -n alpha link set spy up
status 0 ctl alpha port set edge/one mirror=
printf '%s\n' "spy 0 $b | one=0 three=0" >"$T/cases"
as_cased
e2e_end events
finish
