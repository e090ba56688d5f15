#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Clients that plug in and are hostile, dead or deaf, at the plug socket, in their rings and at
# the VDE door; whoever else is plugged in notices nothing of it.
#
#      alpha
#   ┌────────────────────────────────────────────────────┐
#   │ web ──┐                                 ┌── pinger │
#   │       └──────────[ fabricd: lan1 ]──────┘          │      liars, deaf and dead ones
#   │                        │ │ │                       │      ──> plug.sock, net/lan1/ctl
#   └────────────────────────┼─┼─┼───────────────────────┘
#                          hostile clients
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun
need vde_plug
e2e_hosts alpha
e2e_start alpha
status 0 ctl alpha net create lan1 --ipv4 10.77.0.0/24 --ipv6 none
run_in web alpha --net lan1 --ip 10.77.0.2 -- sleep 600
pids=$(e2e_daemon_pids alpha)
PLUG=$T/alpha/run/plug.sock
before=$(ctl alpha export)

attack() { # attack COMMAND ARGS…
    on alpha "$PYTHON" "$E2E_ROOT/tests/e2e/faults_plug.py" "$@" >"$T/attack.out" 2>&1 ||
        fail "$1: $(cat "$T/attack.out")"
}
attacker() { # attacker NAME COMMAND ARGS…: in the background, until it is ready
    local name=$1
    shift
    bg "$name" alpha "$PYTHON" "$E2E_ROOT/tests/e2e/faults_plug.py" "$@"
    wait_for 20 grep -Eq 'ready|all' "$T/$name.out"
}
# meanwhile WHAT: pings have gone on, and none was lost (but for one under way at the end).
ping_on() {
    bg pinging alpha "$IOTHCTL" run --net lan1 -- ping -n -i 0.02 -c 3000 10.77.0.2
    wait_for 5 grep -q 'icmp_seq=10 ' "$T/pinging.out"
}
meanwhile() {
    local sent received
    e2e_end pinging INT
    read -r sent received < <(sed -En 's/^([0-9]+) packets transmitted, ([0-9]+) received.*/\1 \2/p' "$T/pinging.out")
    [ "$received" -ge $((sent - 1)) ] || fail "pings beside $1: $received of $sent came back"
    is "the processes after $1" "$pids" "$(e2e_daemon_pids alpha)"
}
fds() {
    local p
    for p in $pids; do
        find "/proc/$p/fd" -mindepth 1
    done | wc -l
}
drops() { # drops NET/PORT: all of its drops but of frames to nobody
    ctl alpha port show "$1" -o json | jq '.status.counters.drops // {} | del(.nowhere) | add // 0'
}
alone() { [ "$(ctl alpha port ls lan1 -o json | jq length)" -le "${1:-2}" ]; }

ping_on
fds_before=$(fds)
few_fds() { [ "$(fds)" -le $((fds_before + ${1:-0})) ]; }

# --- the plug socket ------------------------------------------------------------------------------
attack garbage "$PLUG"
wait_for 5 alone
attack crowd "$PLUG"
wait_for 5 alone
wait_for 8 few_fds
meanwhile "garbage"

# --- rings ----------------------------------------------------------------------------------------
ping_on
attack lie "$PLUG"
wait_for 5 alone
meanwhile "lies"
ping_on
attacker blocker block "$PLUG"
wait_for 20 grep -q 'icmp_seq=100 ' "$T/pinging.out"
meanwhile "a client that clears O_NONBLOCK"
e2e_end blocker
is "the blocker ($(cat "$T/blocker.out"))" 1 "$((STATUS < 2))"
wait_for 5 alone 1

# --- deaf and dead ones ---------------------------------------------------------------------------
# A ring that nobody reads, and a VDE client that is stopped: what is sent to them is dropped and
# counted at their ports; pings go on, and the one who sends is not held up.
attacker deaf deaf "$PLUG" deaf1
bg vde alpha vde_plug "vde://$T/alpha/run/net/lan1" tap://vde0
wait_for 5 ip -n alpha link show vde0
ip -n alpha link set vde0 up
vde_mac=$(ip -n alpha -j link show vde0 | jq -r '.[0].address')
knows() { ctl alpha topology >/dev/null && on alpha curl -s --unix-socket "$T/alpha/run/api.sock" 'http://x/v1/macs?network=lan1' | grep -qi "$1"; }
wait_for 5 knows "$vde_mac"
kill -STOP "${E2E_PID[vde]}"
for p in $(pgrep -P "${E2E_PID[vde]}" || true); do
    kill -STOP "$p"
done
ping_on
begin=${EPOCHREALTIME/./}
attack flood "$PLUG" "02:64:65:61:66:31" 20000
attack flood "$PLUG" "$vde_mac" 20000
echo "40000 frames beside two deaf clients: $(((${EPOCHREALTIME/./} - begin) / 1000)) ms"
meanwhile "deaf clients"
vde_port=$(ctl alpha port ls lan1 -o json | jq -r '.[] | select(.status.kind == "vde") | .name' | head -n 1)
[ "$(drops lan1/deaf1)" -gt 10000 ] || fail "drops at the deaf ring: $(drops lan1/deaf1)"
[ "$(drops "lan1/$vde_port")" -gt 10000 ] || fail "drops at the stopped VDE client: $(drops "lan1/$vde_port")"
is "drops at web" 0 "$(drops lan1/web)"
# Both die without a word, and their ports with them.
for p in $(pgrep -P "${E2E_PID[vde]}" || true); do
    kill -KILL "$p"
done
e2e_end vde KILL
e2e_end deaf KILL
wait_for 5 alone 1

# --- the VDE door ---------------------------------------------------------------------------------
ping_on
attack vde "$T/alpha/run/net/lan1"
wait_for 5 alone
attacker vde-crowd vde-crowd "$T/alpha/run/net/lan1"
crowded() { [ "$(ctl alpha port ls lan1 -o json | jq length)" -ge 200 ]; }
wait_for 5 crowded
e2e_end vde-crowd
is "the crowd ($(cat "$T/vde-crowd.out"))" 0 "$STATUS"
wait_for 5 alone
meanwhile "VDE clients"
is "data sockets that are left" "" "$(find "$T/alpha/run/net/lan1" -name '[0-9]*')"
rm -rf "$T/alpha/run/vde-client" "$T/alpha/run/vde-crowd"

allow_log 'port lan1/liar[0-9]+ cannot be used: Protocol error'
is "the state" "$before" "$(ctl alpha export)"
wait_for 12 few_fds 0
finish
