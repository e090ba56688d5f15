#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The spanning tree at the edge: what people plug in.
#
#   1. a cable with both ends in one network of a host, and a switch process that dies over it
#   2. a bridge at a port that guards against BPDUs, and one that guards against roots
#   3. a LAN at two hosts of a network that forwards direct; then by tree
#
#        alpha: lan1 ═══ a0, a1: the cable            beta: lan1
#                 │ └─ g0: a Linux bridge               │
#                 └─ ta ──[la]──────── the LAN ──────[lb]── tb
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun
[ "$(id -u)" = 0 ] || skip "only root may"

e2e_hosts alpha beta
e2e_start alpha
e2e_start beta
# Until a BPDU is heard, a loop is one.
allow_log 'moves between ports of network|another port of this host'
status 0 ctl alpha net create lan1
status 0 ctl alpha net set lan1 stp.priority.alpha=4096
e2e_join alpha beta
there() { on "$1" ip link show "$2"; }
add_tap() { # HOST PORT [KEY=VALUE…]
    status 0 ctl "$1" port add lan1 "$2" --tap "$2"
    wait_for 5 there "$1" "$2"
    [ $# = 2 ] || status 0 ctl "$1" port set "lan1/$2" "${@:3}"
}
# A Linux bridge without STP is a wire: it passes BPDUs on.
wire() { # HOST NAME PORT…
    local port
    on "$1" ip link add "$2" type bridge
    for port in "${@:3}"; do on "$1" ip link set "$port" master "$2" up; done
    on "$1" ip link set "$2" up
}
stp() { ctl "$1" port show "lan1/$2" -o json | jq -r ".status.stp.$3"; }
is_stp() { [ "$(stp "$@")" = "$4" ]; }
frames() { ctl alpha port show lan1/a0 -o json | jq .status.counters.rx_frames; }

# --- a cable plugged twice -----------------------------------------------------------------------
add_tap alpha a0
add_tap alpha a1
wire alpha cable a0 a1
wait_for 10 is_stp alpha a1 role backup
is "the other end" 'designated forwarding' "$(stp alpha a0 role) $(stp alpha a0 state)"
run_in near alpha --net lan1 -- sleep 600
run_in far beta --net lan1 -- sleep 600
pings() { ctl "$1" exec "lan1/$2" -- ping -4 -c 1 -W 1 "$3"; }
wait_for 10 pings alpha near far
before=$(frames)
sleep 1
[ $(($(frames) - before)) -lt 100 ] || fail "it goes round: $(frames) frames, $before a second ago"

# The new switch process knows where bridges were heard, and does not begin with a loop.
old=$(e2e_daemon_pids alpha | sed -n 2p)
kill -9 "$old"
new_switch() { [ "$(e2e_daemon_pids alpha | sed -n 2p)" != "$old" ] && stp alpha a0 role; }
wait_for 10 new_switch
wait_for 10 pings alpha near far
wait_for 40 is_stp alpha a0 state forwarding
is "the same end blocks" backup "$(stp alpha a1 role)"
[ "$(frames)" -lt 200 ] || fail "the new switch let it go round: $(frames) frames"
allow_log 'ended .signal 9.|the switch process is away'
on alpha ip link del cable
status 0 ctl alpha port rm lan1/a0 lan1/a1

# --- guards ----------------------------------------------------------------------------------------
allow_log 'received a BPDU and is shut'
allow_log 'hears of a better root'
add_tap alpha g0 'guard=[bpdu]'
on alpha ip link add kb type bridge stp_state 1 hello_time 100 max_age 600 forward_delay 400 priority 0
on alpha ip link set g0 master kb up
on alpha ip link set kb up
wait_for 10 is_stp alpha g0 problem 'shut by the BPDU guard'
has "the status tells of it" 'port .*/g0 does not forward: shut by the BPDU guard' "$(ctl alpha status)"
is "its role" disabled "$(stp alpha g0 role)"
status 0 ctl alpha port set lan1/g0 'guard=[root]'
wait_for 20 is_stp alpha g0 problem 'kept back by the root guard'
is "the root stays" alpha "$(ctl alpha net show lan1 -o json | jq -r .status.stp.root_host)"
status 0 ctl alpha port set lan1/g0 guard=
wait_for 20 is_stp alpha g0 role root
is "the root is the bridge" null "$(ctl alpha net show lan1 -o json | jq -r .status.stp.root_host)"
on alpha ip link del kb
status 0 ctl alpha port rm lan1/g0

# --- a physical interface that goes down and comes up, and the same of a TAP ----------------------------
on alpha ip link add phy type veth peer name far0
on alpha ip link set far0 up
on alpha ip link set phy up
status 0 ctl alpha port add lan1 phy --raw phy
add_tap alpha t0
on alpha ip link set t0 up
for port in phy t0; do
    wait_for 10 is_stp alpha "$port" role designated
    on alpha ip link set "$port" down
    wait_for 10 is_stp alpha "$port" role disabled
    on alpha ip link set "$port" up
    wait_for 10 is_stp alpha "$port" role designated
done
status 0 ctl alpha port rm lan1/phy lan1/t0
on alpha ip link del phy

# --- a LAN at two hosts ------------------------------------------------------------------------------
allow_log 'the LAN behind it is attached at host'
bg watch beta "$IOTHCTL" events
add_tap alpha ta
add_tap beta tb
ip link add va netns alpha type veth peer name vb netns beta
on alpha ip link set va up
on beta ip link set vb up
wire alpha la ta va
wire beta lb tb vb
blocked() { [ "$(stp alpha ta problem) $(stp beta tb problem)" = "null the same LAN is attached elsewhere" ]; }
wait_for 10 blocked
is "by whom" alpha "$(stp beta tb blocked_by)"
wait_for 5 grep -q 'lan1/tb .*loop-blocked  host alpha$' "$T/watch.out"
wait_for 5 pings alpha near far
has "what it says" "iothctl net set lan1 forwarding=tree" "$(cat "$T/beta.log")"
status 0 ctl alpha net set lan1 forwarding=tree
forwards() {
    local n=0 port
    for port in "alpha ta" "beta tb" "alpha link-beta" "beta link-alpha"; do
        # shellcheck disable=SC2086 # two words
        [ "$(stp $port state) $(stp $port problem)" != "forwarding null" ] || n=$((n + 1))
    done
    echo "$n"
    [ "$n" = "$1" ]
}
wait_for 20 forwards 3
wait_for 10 pings alpha near far
on alpha ip link del la
on beta ip link del lb
on beta ip link del vb
status 0 ctl alpha port rm lan1/ta
status 0 ctl beta port rm lan1/tb
finish
