#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The API of any host, asked at any other: over their links, with the rights of a host.
#
#      alpha 192.0.2.1          the founder
#        ╱          ╲
#      beta ─────── gamma       follow it
#      192.0.2.2    192.0.2.3
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun

HOSTS=(alpha beta gamma)
e2e_hosts "${HOSTS[@]}"
for host in "${HOSTS[@]}"; do
    e2e_start "$host"
done
status 0 ctl alpha net create lan1
e2e_join "${HOSTS[@]}"
sniff

# --- from each to each -------------------------------------------------------------------------
answers() { [ "$(ctl "$1" --host "$2" status -o json | jq -r .host)" = "$2" ]; }
for from in "${HOSTS[@]}"; do
    for to in "${HOSTS[@]}"; do
        wait_for 10 answers "$from" "$to"
        status 0 ctl "$from" --host "$to" net show lan1
        status 0 ctl "$from" net create "$CANARY-$from-$to" --host "$to"
        status 0 ctl "$to" net show "$CANARY-$from-$to"
        status 0 ctl "$from" --host "$to" net rm "$CANARY-$from-$to"
    done
done
status 0 ctl beta port add lan1 tap-of-gamma --tap tg0 --host gamma
is "a port is of the host that was asked" gamma \
    "$(ctl alpha port show lan1/tap-of-gamma -o json | jq -r .host)"
wait_for 5 ip -n gamma link show tg0
status 0 ctl beta port rm lan1/tap-of-gamma --host gamma
run_in web gamma --net lan1 -- sleep 600
has "what runs there" 'web' "$(ctl beta --host gamma port ls lan1)"

# The same over HTTP, with conditions and as YAML; more than a part, more than a window.
api() { # HOST TO METHOD PATH [ARG…]
    on "$1" curl -sS --unix-socket "$T/$1/run/api.sock" -H "Ioth-Host: $2" -X "$3" "http://x$4" "${@:5}"
}
has "not at that revision" '"status": 412' \
    "$(api alpha beta PATCH /v1/networks/lan1 -H 'If-Match: "1"' --json '{"mtu":1400}')"
has "as YAML" '^name: lan1' "$(api alpha gamma GET /v1/networks/lan1 -H 'Accept: application/yaml')"
has "methods are told" '^[Aa]llow: GET' "$(api alpha gamma POST /v1/status -D -)"
"$PYTHON" -c 'print("version: 1\nnetworks:")
allow = ", ".join(f"uid:{n}" for n in range(60000, 60060))
for i in range(200): print(f"  n{i}: {{ipv4: none, ipv6: none, allow: [{allow}]}}")' >"$T/many.yaml"
api beta gamma POST /v1/apply -H 'Content-Type: application/yaml' --data-binary "@$T/many.yaml" >"$T/applied.json"
is "networks that were made" 200 "$(jq '[.steps[]] | length' "$T/applied.json")"
api beta gamma GET /v1/networks >"$T/networks.json"
is "networks listed there" 201 "$(jq '.items | length' "$T/networks.json")"
[ "$(stat -c %s "$T/networks.json")" -gt 150000 ] || fail "the list is not larger than a window"
is "the same as here" "$(ctl gamma net ls -o json | jq -S '[.[].name]')" \
    "$(jq -S '[.items[].name] | sort' "$T/networks.json")"

# --- rights ------------------------------------------------------------------------------------
status 0 ctl gamma net create here --local
status 3 ctl alpha --host gamma net show here
status 1 ctl alpha --host gamma net rm here
status 0 ctl gamma net show here
for path in /v1/daemon/stop /v1/hosts/leave /v1/hosts/join /v1/fabric/key/drop; do
    has "$path" '"status": 403' "$(api beta alpha POST "$path")"
    has "$path" 'done on host alpha itself' "$(api beta alpha POST "$path")"
done
for command in "daemon stop" "host leave" "capture lan1" "daemon log"; do
    # shellcheck disable=SC2086
    status 2 ctl alpha --host beta $command
    has "$command" 'on the host itself' "$ERR"
done
status 125 ctl alpha --host beta run --net lan1 -- true
status 3 ctl alpha --host nobody net ls
has "an unknown host" 'there is no host nobody' "$ERR"
has "bodies have a bound there too" '"status": 413' \
    "$(head -c 1048600 /dev/zero | tr '\0' ' ' | api alpha beta PUT /v1/networks/large --json @-)"

# --- events over a link ------------------------------------------------------------------------
bg events alpha "$IOTHCTL" --socket "$T/alpha/run/api.sock" --host gamma events
sees() { grep -Eq "$2" "$T/$1.out"; }
n=0
hears() {
    n=$((n + 1))
    ctl beta net set lan1 "mtu=$((1300 + n % 100))"
    sees events 'network +lan1 +changed'
}
wait_for 10 hears
e2e_end web
wait_for 10 sees events 'port +lan1/web +down'

# --- a host that goes away in the middle of a call -----------------------------------------------
# Without a direct session the founder passes calls on.
e2e_cut beta gamma
apart() { [ "$(ctl beta host show gamma -o json | jq -r .status.state)" != up ]; }
wait_for 60 apart
wait_for 10 answers beta gamma
wait_for 10 answers gamma beta
e2e_join_up

control=$(e2e_daemon_pids gamma | tail -n 1)
kill -STOP "$control"
bg stuck alpha curl -sSv --unix-socket "$T/alpha/run/api.sock" -H 'Ioth-Host: gamma' http://x/v1/networks
bg stuck2 beta curl -sSv --unix-socket "$T/beta/run/api.sock" -H 'Ioth-Host: gamma' http://x/v1/networks
wait_for 10 sees stuck '^> Ioth-Host: gamma'
wait_for 10 sees stuck2 '^> Ioth-Host: gamma'
for host in alpha beta; do # What is asked later is answered later.
    status 0 ctl "$host" status
done
no_answer() { ! sees stuck '^< HTTP' && ! sees stuck2 '^< HTTP'; }
no_answer || fail "one that stands still answered"
kill -KILL "$control"
kill -CONT "$control" 2>/dev/null || true
for name in stuck stuck2; do
    wait_for 40 sees "$name" 'host gamma was lost before it had answered'
    e2e_end "$name"
done
wait_for 20 answers alpha gamma
e2e_stop gamma
cut() { ! ctl alpha --host gamma status 2>"$T/cut.err" && grep -q 'host gamma cannot be reached' "$T/cut.err"; }
wait_for 60 cut
e2e_end events

allow_log 'ended \(signal 9\), starting it again'
finish
