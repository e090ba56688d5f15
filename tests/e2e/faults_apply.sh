#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# kill -9 of control walks through an apply, at the founder and at a host that follows, with and
# without a second word; and a host is cut off in the middle of one. Whatever dies, all hosts have
# the old state or the new one, and never a part of either.
#
#      alpha          the founder
#      ╱   ╲
#   beta   gamma      follow it
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun

e2e_hosts alpha beta gamma
for host in alpha beta gamma; do
    e2e_start "$host"
done
e2e_join alpha beta gamma
allow_log 'control'
allow_log 'the parent|is away|was lost'

file_of() { # N, the MTU
    cat <<END
version: 1
networks:
  lab:
    mtu: $1
    ports:
      a: {host: alpha, tap: lab-a}
      c: {host: gamma, vde: true}
  m$1: {ipv4: 10.$(($1 % 200)).0.0/24, ports: {b: {host: beta, tap: m$1-b}}}
END
}
file_of 1400 >"$T/old.yaml"
file_of 1401 >"$T/new.yaml"
status 0 ctl alpha apply -f "$T/old.yaml"
for which in old new; do
    status 0 ctl alpha apply -f "$T/$which.yaml" --prune
    ctl alpha export | sed '/ipv6:/d' >"$T/$which.export"
done
now=new other=old

of() { ctl "$1" export 2>/dev/null | sed '/ipv6:/d'; }
quiet() {
    local state
    state=$(on alpha curl -s --unix-socket "$T/alpha/run/api.sock" http://x/v1/apply | jq .status)
    [ "$state" = 404 ] && hosts_up alpha beta gamma
}
# All hosts have the same, and it is one of the two.
decided() {
    local a
    a=$(of alpha)
    [ "$a" = "$(of beta)" ] && [ "$a" = "$(of gamma)" ] || return 1
    now='' other=''
    [ "$a" != "$(cat "$T/old.export")" ] || now=old other=new
    [ "$a" != "$(cat "$T/new.export")" ] || now=new other=old
    [ -n "$now" ]
}
# What is there is what is declared.
carried_out() {
    local n=1400
    [ $now = old ] || n=1401
    on beta ip link show "m$n-b" && [ "$(on beta ip -o link | grep -c -- -b:)" = 1 ] &&
        on alpha ip link show lab-a
}

# walk HOST AT SLEEP ARGS…: applies the other file at AT, kills HOST's control SLEEP seconds later.
walk() {
    local victim=$1 at=$2 wait=$3 pid
    shift 3
    pid=$(ctl "$victim" status -o json | jq .pids.control)
    bg apply "$at" "$IOTHCTL" apply -f "$T/$other.yaml" --prune "$@"
    sleep "$wait"
    kill -KILL "$pid"
    e2e_wait apply
    wait_for 20 quiet
    wait_for 10 decided
    wait_for 10 carried_out
    outcomes+=("$now")
}

outcomes=()
for wait in 0.01 0.03 0.05 0.07 0.1; do
    walk alpha beta $wait
done
for wait in 0.03 0.06; do
    walk gamma alpha $wait --within 3s
done
for wait in 0.05 0.2; do
    walk alpha gamma $wait --confirm 400ms
done
echo "outcomes: ${outcomes[*]}"

# --- a host is cut off in the middle --------------------------------------------------------------
before=$now
e2e_cut alpha gamma
status 1 ctl alpha apply -f "$T/$other.yaml" --prune --within 700ms
has "who" 'host gamma (has not|was cut off|cannot be reached)|more than half' "$ERR"
decided_without_gamma() { [ "$(of alpha)" = "$(cat "$T/$before.export")" ] && [ "$(of beta)" = "$(of alpha)" ]; }
wait_for 5 decided_without_gamma
e2e_join_up
wait_for 20 quiet
wait_for 10 decided
is "the old state" "$before" "$now"

finish
