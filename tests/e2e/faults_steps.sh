#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# kill -9 of control at every step of an apply, of its second word and of its roll-back, at the founder and
# at a host that follows: the table of steps is the code's own. After each, all hosts have the old state
# or the new one, the history tells which, nothing differs from the file, and applying goes on working.
# And a host is cut off while control stands still at a step.
#
#      alpha          the founder
#      ╱   ╲
#   beta   gamma      follow it
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun
# shellcheck source=tests/e2e/steps.sh
. "$(dirname "$0")/steps.sh"

e2e_hosts alpha beta gamma
for host in alpha beta gamma; do
    begin $host
done
e2e_join alpha beta gamma
allow_log 'control'
allow_log 'the parent|is away|was lost|rolled back|lab-bad|port lab/bad'

file_of() { # MTU [EXTRA]
    cat <<END
version: 1
networks:
  lab:
    mtu: $1
    ports:
      a: {host: alpha, tap: lab-a}
      c: {host: gamma, vde: true}
$2
  m$1: {ipv4: 10.$(($1 % 200)).0.0/24, ports: {b: {host: beta, tap: m$1-b}}}
END
}
for n in 1400 1401; do
    file_of $n '' >"$T/$n.yaml"
    file_of $n "  here: {local: true, mtu: $n}" >"$T/$n.local.yaml"
    file_of $n '      bad: {host: beta, tap: up0}' >"$T/$n.bad.yaml"
done
of() { ctl "$1" export -o json 2>/dev/null | jq -S 'del(.networks.here) | del(.networks[].ipv6)'; }
for now in 1401 1400; do
    status 0 ctl alpha apply -f "$T/$now.yaml" --prune
    of alpha >"$T/$now.export"
done
status 0 ctl beta apply -f "$T/1400.local.yaml"

undecided() { on alpha curl -s --unix-socket "$T/alpha/run/api.sock" http://x/v1/apply | jq .status; }
# No apply stands, all hosts have the same, and it is one of the two.
decided() {
    local a
    [ "$(undecided)" = 404 ] && hosts_up alpha beta gamma || return 1
    a=$(of alpha)
    [ "$a" = "$(of beta)" ] && [ "$a" = "$(of gamma)" ] || return 1
    now=
    [ "$a" != "$(cat "$T/1400.export")" ] || now=1400
    [ "$a" != "$(cat "$T/1401.export")" ] || now=1401
    [ -n "$now" ]
}
carried_out() {
    on beta ip link show "m$now-b" && [ "$(on beta ip -o link | grep -c -- -b:)" = 1 ] &&
        on alpha ip link show lab-a
}
local_too() { [ "$(ctl beta net show here -o json | jq .mtu)" = "$now" ]; }

entries() { ctl alpha history -o json | jq "[.[] | select(.revision > $since) | select($1)] | length"; }
# What the history says since is how it is now.
history_right() { # WANTED
    local applied back
    applied=$(entries '.owner == "file"')
    back=$(entries '.owner == "daemon" and (.what | test("^revision .* rolled back"))')
    if [ "$now" = "$1" ]; then
        is "the history" "1 applied, 0 rolled back" "$applied applied, $back rolled back"
    else
        is "the history" "$applied" "$back"
    fi
}

# Everything is one of the two, and goes on.
judge() { # WANTED FILE-SUFFIX
    wait_for 20 decided
    wait_for 10 carried_out
    history_right "$1"
    [ "$2" != .local ] || wait_for 5 local_too
    for host in alpha gamma; do
        status 0 ctl "$host" diff -f "$T/$now.yaml"
    done
    status 0 ctl beta diff -f "$T/$now${2/.bad/}.yaml"
    status 0 ctl alpha apply -f "$T/$now.yaml" --prune
    is "once more" "" "$OUT"
}

# walk STEP HOST AT KIND [ARGS…]: HOST's control dies at STEP of an apply at AT.
walk() {
    local step=$1 victim=$2 at=$3 kind=$4 wanted=$((2801 - now))
    shift 4
    since=$(ctl alpha history -n 1 -o json | jq '.[0].revision')
    arm "$victim" "$step" kill
    if on "$at" "$IOTHCTL" apply -f "$T/$wanted$kind.yaml" --prune --within 4s "$@" >"$T/out" 2>&1 &&
        [ $# -gt 0 ]; then
        on alpha "$IOTHCTL" apply --accept >"$T/out" 2>&1 || true
    fi
    wait_for 5 came "$victim"
    judge "$wanted" "$kind"
    echo "$step at $victim ($*): $([ "$now" = "$wanted" ] && echo new || echo old)"
    killed[$victim]=$((killed[$victim] + 1))
    if [ "${killed[$victim]}" -ge 3 ]; then # The parent waits longer each time.
        e2e_stop "$victim"
        begin "$victim"
        wait_for 10 hosts_up alpha beta gamma
    fi
}

for step in $STEPS; do
    case $step in
    move.*) ;; # migrate_steps.sh
    trial.failed | apply.restored)
        walk $step alpha gamma .bad
        ;;
    confirm.*)
        walk $step alpha gamma '' --confirm 1500ms
        ;;
    local.* | forward.*)
        walk $step beta beta .local
        walk $step beta beta .local --confirm 1500ms
        ;;
    follow.*)
        walk $step beta alpha ''
        ;;
    store.written | reconcile.sent)
        walk $step alpha gamma ''
        walk $step beta beta .local
        ;;
    *)
        walk $step alpha beta .local
        ;;
    esac
done

# --- cut off while it stands at a step ------------------------------------------------------------------
cut() { # STEP HOST
    local wanted=$((2801 - now))
    since=$(ctl alpha history -n 1 -o json | jq '.[0].revision')
    pid=$(ctl "$2" status -o json | jq .pids.control)
    arm "$2" "$1" stop
    bg apply alpha "$IOTHCTL" apply -f "$T/$wanted.yaml" --prune --within 1s
    wait_for 5 stopped "$pid"
    ip -n "$2" link set up0 down
    kill -CONT "$pid"
    e2e_wait apply
    ip -n "$2" link set up0 up
    judge "$wanted" ''
    echo "cut at $1, $2: $([ "$now" = "$wanted" ] && echo new || echo old)"
}
for step in follow.received follow.stored reconcile.sent; do
    cut $step beta
done
cut apply.committed alpha

finish
