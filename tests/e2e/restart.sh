#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Any of the daemon's three processes may be killed, in any combination, under everything that
# is plugged in.
#
#      alpha                                      beta (no daemon)
#   ┌───────────────────────────────┐           ┌──────────────┐
#   │ node web   tap0 10.77.0.1     │           │ vde0         │
#   │    │        │                 │           │ 10.77.0.2    │
#   │    └──[ fabricd: lan1 ]───────┼──VDE──────┤ vde_plug     │
#   └───────────────────────────────┘           └──────────────┘
#
# P, S and C are parent, switch and control. What has to hold:
#   S, C, SC       the parent starts them again; nobody has to do anything
#   P, PC          the switch goes on; the next fabricd adopts it; no port is lost
#   PS, PSC        the next fabricd starts from the store: TAP and node are back by themselves;
#                  a VDE client has to connect again
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need vde_plug jq ping
need_tun
e2e_hosts alpha beta

VDE="vde://$T/alpha/run/net/lan1"

# The TAP's address goes with the device.
tap_up() {
    wait_for 5 ip -n alpha link show tap0
    ip -n alpha addr replace 10.77.0.1/24 dev tap0
    ip -n alpha link set tap0 up
}

vde_up() {
    bg vde beta vde_plug "$VDE" tap://vde0
    wait_for 5 ip -n beta link show vde0
    ip -n beta addr replace 10.77.0.2/24 dev vde0
    ip -n beta link set vde0 up
}

reaches() {
    on "$1" ping -c 1 -W 1 -n "$2"
}

all_reach_all() {
    wait_for 8 reaches alpha 10.77.0.2
    wait_for 8 reaches beta 10.77.0.1
    wait_for 8 reaches alpha 10.77.0.3
    wait_for 8 reaches beta 10.77.0.3
}

pids() {
    mapfile -t PIDS < <(e2e_daemon_pids alpha)
    is "processes" 3 "${#PIDS[@]}"
}

three_live() {
    local p
    pids && for p in "${PIDS[@]}"; do
        [ "$p" != 0 ] && kill -0 "$p" || return 1
    done
}

# What must be the same before and after. Revisions and states are not of interest here.
state() {
    ctl alpha net show lan1 -o json | jq -S 'del(.status, .revision)'
    ctl alpha endpoint show lan1/web -o json | jq -S '{network, name, mac, addresses}'
    ctl alpha port ls lan1 -o json | jq -S '[.[] | select(.tap) | {network, name, tap}]'
}

# kill_and_see LETTERS: kills these processes, starts a new fabricd if the parent was one of them.
kill_and_see() {
    local letters=$1 victims=() before old=() p
    local -a again

    pids
    old=("${PIDS[@]}")
    before=$(state)
    [[ $letters != *P* ]] || victims+=("${old[0]}")
    [[ $letters != *S* ]] || victims+=("${old[1]}")
    [[ $letters != *C* ]] || victims+=("${old[2]}")
    kill -KILL "${victims[@]}"
    for p in "${victims[@]}"; do
        wait_for 2 gone "$p"
    done
    if [[ $letters == *PS* ]]; then
        wait_for 2 gone "${old[2]}" # With both gone, control ends by itself.
    fi
    if [[ $letters == *P* ]]; then
        wait "${E2E_DAEMON[alpha]}" || true
        e2e_start alpha
    fi
    wait_for 5 three_live
    again=("${PIDS[@]}")

    # Only those that were killed are new.
    [[ $letters == *P* ]] || is "$letters: parent" "${old[0]}" "${again[0]}"
    [[ $letters == *S* ]] || is "$letters: switch" "${old[1]}" "${again[1]}"
    if [[ $letters != *C* && $letters != *PS* ]]; then
        is "$letters: control" "${old[2]}" "${again[2]}"
    fi
    if [[ $letters == *PS* ]]; then
        e2e_end vde
        vde_up
        tap_up
    fi
    wait_for 8 e2e_runs web alpha --net lan1
    all_reach_all
    is "$letters: the state" "$before" "$(state)"
    is "$letters: the program" "$WEB_PID" "$(node_pid)"
    kill -0 "${E2E_PID[vde]}" || fail "$letters: the VDE client has ended"
    echo "ok $letters"
}

node_pid() {
    ctl alpha endpoint show lan1/web -o json | jq .status.pid
}

allow_log 'ended \((signal 9|gone)\), starting it again'
allow_log 'the (parent|switch) process (has gone|is away)'

e2e_start alpha
ctl alpha net create lan1 --ipv4 10.77.0.0/24 --ipv6 none
ctl alpha port add lan1 lan --tap tap0
tap_up
vde_up
run_in web alpha --net lan1 --ip 10.77.0.3 -- sleep 600
WEB_PID=$(node_pid)
all_reach_all

# What each has given up. (A build with sanitizers has no filter: Seccomp is 0 there.)
pids
for p in "${PIDS[@]:1}"; do
    has "process $p" '^NoNewPrivs:\s1$' "$(cat "/proc/$p/status")"
    has "process $p" '^CapEff:\s0+$' "$(cat "/proc/$p/status")"
    has "process $p" '^Max core file size +0 ' "$(cat "/proc/$p/limits")"
    if ! grep -aq __asan_init "$FABRICD"; then
        has "process $p" '^Seccomp:\s2$' "$(cat "/proc/$p/status")"
    fi
done

for letters in S C SC P PC PS PSC; do
    kill_and_see "$letters"
done

# Forwarding does not stop where the switch lives: not a frame is lost.
for which in 2 0; do
    pids
    bg pinging beta ping -n -i 0.02 -c 100 10.77.0.1
    wait_for 3 grep -q 'icmp_seq=20 ' "$T/pinging.out"
    kill -KILL "${PIDS[which]}"
    e2e_wait pinging
    has "loss with process $which killed" ' 0% packet loss' "$(cat "$T/pinging.out")"
    if [ $which = 0 ]; then
        wait "${E2E_DAEMON[alpha]}" || true
        e2e_start alpha
    fi
    wait_for 5 three_live
done

# SIGTERM ends everything within a second, and leaves no socket; the node waits for the next one.
before=$(state)
pids
begin=${EPOCHREALTIME/./}
kill -TERM "${E2E_DAEMON[alpha]}"
for p in "${PIDS[@]}"; do
    wait_for 2 gone "$p"
done
took=$(((${EPOCHREALTIME/./} - begin) / 1000))
[ "$took" -lt 1000 ] || fail "SIGTERM took $took ms"
wait "${E2E_DAEMON[alpha]}" || fail "fabricd's exit status is not 0"
is "sockets after the end" "" "$(find "$T/alpha/run" -type s)"
e2e_end vde
e2e_start alpha
tap_up
vde_up
wait_for 8 e2e_runs web alpha --net lan1
all_reach_all
is "state after SIGTERM" "$before" "$(state)"
is "the program after SIGTERM" "$WEB_PID" "$(node_pid)"

# One at a time on a run folder.
status 1 on alpha "$FABRICD" --name alpha --run-dir "$T/alpha/run" --state-dir "$T/alpha/state"
has "a second fabricd" "^fabricd: a fabricd \(pid ${E2E_DAEMON[alpha]}\) is running in" "$ERR"
finish
