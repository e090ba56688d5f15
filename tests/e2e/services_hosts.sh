#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Services on two hosts: placed by host and by label, seen and logged from the other one, started one
# after another across hosts; and what a host does not run for others unless it was told to.
#
#   alpha (founder) ══ link ══ beta
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun
need python3

# Services of another user open the device themselves.
if mknod -m 0666 /run/tun c 10 200 2>/dev/null; then
    mount --bind /run/tun /dev/net/tun
fi
chmod 0711 "$T"

e2e_hosts alpha beta
e2e_start alpha
e2e_start beta
ctl alpha net create lan1 -q
e2e_join alpha beta

# state HOST NAME STATE: does that host see it in that state?
state() {
    [ "$(ctl "$1" service show "$2" -o json | jq -r .status.state)" = "$3" ]
}
field() {
    ctl "$1" service show "$2" -o json | jq -r "$3"
}

# --- a service of beta's own ----------------------------------------------------------------------
ctl beta service create web --net lan1 --check-tcp 80 --every 300ms -- \
    python3 -u -m http.server 80 >/dev/null
is "it is where it was made" beta "$(field beta web .host)"
wait_for 10 state beta web running
wait_for 10 state alpha web running
is "alpha sees its health" healthy "$(field alpha web .status.health)"
is "alpha reaches it by name" 200 \
    "$(ctl alpha run --net lan1 -- python3 -c 'import urllib.request
print(urllib.request.urlopen("http://web/").status)')"
has "alpha reads its log" 'started' "$(ctl alpha service logs web)"
bg follow alpha "$IOTHCTL" service logs web -f -n 0
sleep 0.3
ctl alpha run --net lan1 -- python3 -c 'import urllib.request
urllib.request.urlopen("http://web/?followed")' >/dev/null
wait_for 10 grep -q 'followed' "$T/follow.out"
e2e_end follow

# Alpha stops and starts it: it is beta's all the same.
ctl alpha service stop web
wait_for 10 state beta web stopped
wait_for 10 state alpha web stopped
ctl alpha service start web
wait_for 10 state beta web running

# --- what alpha asks for there ---------------------------------------------------------------------
ctl alpha service create odd --net lan1 --host beta -- sleep 1000 >/dev/null
wait_for 10 state alpha odd refused
has "why beta does not run it" 'without --services USER' "$(field alpha odd .status.problem)"
# What it runs of its own it does not run changed.
ctl alpha service set web command='[sleep, 1000]'
wait_for 10 state alpha web refused
ctl beta service set web command='[python3, -u, -m, http.server, "80"]'
wait_for 10 state alpha web running
# Asked through beta's own API from alpha, it is alpha that asks.
status 0 ctl alpha --host beta service create sly --net lan1 -- sleep 1000
wait_for 10 state alpha sly refused
ctl alpha service rm sly

e2e_stop beta
user=nobody
[ "$(id -u)" = 0 ] && [ "$(wc -l </proc/self/uid_map)" = 1 ] &&
    grep -q '^ *0 *0 *4294967295' /proc/self/uid_map || user=root
e2e_start beta --services "$user"
wait_for 15 state alpha odd running
pid=$(field beta odd .status.pid)
is "whose it is" "$user" "$(ps -o user= -p "$pid" | tr -d ' ')"
is "names resolve in it" 0 "$(ctl beta exec lan1/odd -- getent hosts web >/dev/null; echo $?)"
wait_for 15 state alpha web running
is "beta's own is beta's own" "$(id -un)" "$(ps -o user= -p "$(field beta web .status.pid)" | tr -d ' ')"

# --- by label ---------------------------------------------------------------------------------------
status 1 ctl alpha service create disk --net lan1 --place ssd -- sleep 1000
has "no host has the label" 'no host has the labels' "$ERR"
ctl beta host ls >/dev/null
ctl alpha host show beta >/dev/null
printf 'version: 1\nhosts: {beta: {labels: [ssd, rack1]}}\n' >"$T/labels.yaml"
ctl alpha apply -f "$T/labels.yaml" >/dev/null
ctl alpha service create disk --net lan1 --place ssd --place rack1 -- sleep 1000 >/dev/null
is "where the labels are" beta "$(field alpha disk .host)"
wait_for 10 state alpha disk running
status 2 ctl alpha service create bad --net lan1 --place ssd --host alpha -- sleep 1000
has "a host without it" 'host alpha has not the label ssd' "$ERR"

# --- across hosts -----------------------------------------------------------------------------------
ctl alpha service create front --net lan1 --requires disk -- sleep 1000 >/dev/null
wait_for 10 state alpha front running
ctl alpha service stop disk
wait_for 10 state alpha front waiting
ctl alpha service start disk
wait_for 10 state alpha front running

# --- another host ---------------------------------------------------------------------------------
# Without being migrated it simply ends there and starts here, with its name and addresses.
ctl alpha service create rover --net lan1 --host alpha -- sleep 1000 >/dev/null
wait_for 10 state beta rover running
address=$(field alpha rover '.addresses[0]')
ctl alpha service set rover host=beta
on_beta() {
    state beta rover running && ctl beta endpoint ls | grep -q '^lan1/rover .* beta .* up$'
}
wait_for 15 on_beta
is "its address" "$address" "$(field beta rover '.addresses[0]')"
ctl alpha service rm rover

# --- order alone ------------------------------------------------------------------------------------
# One that comes after another starts when that one is well, and not before; one that is not to run is not waited for.
ctl alpha service create late --net lan1 --check-tcp 81 --every 200ms -- python3 -c 'import socket, time
time.sleep(1)
s = socket.create_server(("", 81))
while True: s.accept()' >/dev/null
ctl beta service create next --net lan1 --after late -- sleep 1000 >/dev/null
wait_for 5 state beta next waiting
has "what it waits for" 'comes after service late, which is not running' "$(field beta next .status.problem)"
wait_for 10 state beta next running
is "what it came after" running "$(field alpha late .status.state)"
ctl alpha service stop late
wait_for 5 state alpha late stopped
ctl beta service restart next
wait_for 10 state beta next running
ctl alpha service rm late next

# --- a host that leaves, or is away -----------------------------------------------------------------
status 1 ctl beta host leave
has "it has services" 'service [a-z]+ is placed on this host' "$ERR"
has "what to do" 'hint: iothctl service migrate [a-z]+ --to HOST' "$ERR"
status 1 ctl alpha service create nowhere --net lan1 --place tape -- sleep 1000
has "no host has the label" 'no host has the labels' "$ERR"

# --- a host that is declared and has not joined ---------------------------------------------------
printf 'version: 1\nhosts: {gamma: {}}\n' >"$T/gamma.yaml"
ctl alpha apply -f "$T/gamma.yaml" >/dev/null
ctl alpha service create far --net lan1 --host gamma -- sleep 1000 >/dev/null
has "nobody knows of it, and why" '^far .* unknown .*host gamma has not joined' "$(ctl beta service ls)"
is "who has not joined has no role" 'gamma pending -' \
    "$(ctl alpha host ls | awk '/^gamma/ {print $1, $2, $NF}')"
ctl alpha service rm far

# --- the file ----------------------------------------------------------------------------------------
ctl beta export >"$T/fabric.yaml"
ctl alpha diff -f "$T/fabric.yaml"
ctl beta diff -f "$T/fabric.yaml"

ctl alpha service rm front disk odd web
none() {
    [ "$(ctl beta service ls -o json | jq 'if type == "array" then length else (.items | length) end')" = 0 ]
}
wait_for 5 none
finish
