#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Declared VDE ports: doors of their own in the network's folder, which put their client into a
# VLAN, one client at a time.
#
#      alpha:  office ── VLAN 10 ── web (a node)   desk: vde_plug + TAP, by vde://…/office[desk]
#                     └─ VLAN 20 ── lab (a node)   the same after `port set access=20`
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
need_tun
need vde_plug

e2e_hosts alpha
e2e_start alpha
status 0 ctl alpha net create office --vlan 10=staff --vlan 20=guests
web=$(ctl alpha net show office -o json | jq -r '.vlans["10"].ipv4 | sub("[.]0/24"; "")')
lab=$(ctl alpha net show office -o json | jq -r '.vlans["20"].ipv4 | sub("[.]0/24"; "")')
run_in web alpha --net office:10 --ip "$web.10" -- sleep 600
run_in lab alpha --net office:20 --ip "$lab.10" -- sleep 600
folder=$T/alpha/run/net/office
port() { ctl alpha port show office/desk -o json | jq -r "$1"; }
port_is() { [ "$(port "$1")" = "$2" ]; }
reaches() { on alpha ping -c 1 -W 1 -n "$1"; }
tap_there() { ip -n alpha link show "$1"; }
plug() { # plug NAME DOOR TAP
    bg "$1" alpha vde_plug "vde://${folder}[$2]" "tap://$3"
}

# --- declared, and nobody there --------------------------------------------------------------
status 0 ctl alpha port add office desk --vde --access 10 --rate 50M
is "the port" "down vde 10" "$(port '"\(.status.state) \(.status.kind) \(.access)"')"
is "its door" socket "$(stat -c %F "$folder/desk")"
status 2 ctl alpha port add office ctl --vde --access 10
has "names of the network itself" "cannot be called ctl: that is the network's own entry" "$ERR"
status 2 ctl alpha port add office v10 --vde --access 10
has "names of VLANs" "cannot be called v10" "$ERR"
status 2 ctl alpha port add office open --vde
has "a VLAN is needed" "VLAN" "$ERR"

# --- a client ----------------------------------------------------------------------------------
plug first desk desk0
wait_for 5 tap_there desk0
ip -n alpha addr add "$web.30/24" dev desk0
ip -n alpha link set desk0 up
wait_for 5 reaches "$web.10"
is "up" "up vde" "$(port '"\(.status.state) \(.status.kind)"')"
is "its program" "${E2E_PID[first]}" "$(port .status.owner.pid)"
status 0 ctl alpha port ls office
has "the list" "office/desk.*up" "$OUT"

# --- no port of one's own: the groups of VLANs -------------------------------------------------------
for vlan in 10 20; do
    plug "group$vlan" "v$vlan" "any$vlan"
    wait_for 5 tap_there "any$vlan"
    ip netns add "g$vlan"
    ip -n alpha link set "any$vlan" netns "g$vlan" up
done
ip -n g10 addr add "$web.31/24" dev any10
ip -n g20 addr add "$lab.31/24" dev any20
wait_for 5 on g10 ping -c 1 -W 1 -n "$web.10"
wait_for 5 on g20 ping -c 1 -W 1 -n "$lab.10"
ip -n g20 addr add "$web.32/24" dev any20
status 1 on g20 ping -c 1 -W 1 -n "$web.10"
is "ports that nobody declared" "10 20" \
    "$(ctl alpha port ls office -o json | jq -r '[.[] | select(.status.kind == "vde" and .name != "desk") | .access] | sort | join(" ")')"
# Of a VLAN that there is not, there is no group: the client falls back to the network's own entry.
status 1 on alpha timeout 5 vde_plug "vde://${folder}[v30]" tap://any30
for vlan in 10 20; do
    e2e_end "group$vlan"
    ip netns del "g$vlan"
done
only_desk() { [ "$(ctl alpha port ls office -o json | jq '[.[] | select(.status.kind == "vde")] | length')" = 1 ]; }
wait_for 5 only_desk

# --- a second one is refused, and so is who names no VLAN ---------------------------------------
status 1 on alpha timeout 5 vde_plug "vde://${folder}[desk]" tap://desk1
status 1 on alpha timeout 5 vde_plug "vde://$folder" tap://desk1
reaches "$web.10" >/dev/null

# --- another VLAN for the client that is there -----------------------------------------------------
status 0 ctl alpha port set office/desk access=20
ip -n alpha addr add "$lab.30/24" dev desk0
wait_for 5 reaches "$lab.10"
status 1 reaches "$web.10"
is "another VLAN" "up 20" "$(port '"\(.status.state) \(.access)"')"

# --- the daemon's processes die; the client stays ---------------------------------------------------
for what in switch control; do
    pid=$(ctl alpha status -o json | jq -r ".pids.$what")
    on alpha kill -KILL "$pid"
    other() { [ "$(ctl alpha status -o json | jq -r ".pids.$what")" != "$pid" ]; }
    wait_for 10 other
    wait_for 10 port_is .status.state up
    wait_for 10 reaches "$lab.10"
done
allow_log 'the (switch|control) process .*'
allow_log 'fabricd-(switch|control) ended \(signal 9\).*'

# --- a trunk: tags reach the client, and come from it --------------------------------------------------
status 0 ctl alpha port add office probe --tap probe --access 20
ip -n alpha link set probe up
status 0 ctl alpha port set office/desk access= 'trunk=[10, 20]' native=10
printf '%s\n' 'desk0 20p5 ff:ff:ff:ff:ff:ff | probe=0' 'probe 0 ff:ff:ff:ff:ff:ff | desk0=20' \
    'probe p3 ff:ff:ff:ff:ff:ff | desk0=20p3' 'desk0 0 ff:ff:ff:ff:ff:ff | probe=-' >"$T/cases"
status 0 on alpha "$PYTHON" "$E2E_ROOT/tests/e2e/vlan_frames.py" cases "$T/cases"
reaches "$web.10" >/dev/null # By the native VLAN.
status 0 ctl alpha port set office/desk access=20 trunk= native=
wait_for 5 reaches "$lab.10"

# --- it goes, and the next one comes ----------------------------------------------------------------
e2e_end first
wait_for 5 port_is .status.state down
plug next desk desk0
wait_for 5 tap_there desk0
wait_for 5 port_is .status.state up

# --- a file has the same ----------------------------------------------------------------------------
ctl alpha export >"$T/file.yaml"
has "in the file" 'vde: true' "$(cat "$T/file.yaml")"
status 0 ctl alpha diff -f "$T/file.yaml"
status 0 ctl alpha port rm office/desk
gone() { ! [ -e "$folder/desk" ] && ! tap_there desk0; }
wait_for 5 gone
status 0 ctl alpha apply -f "$T/file.yaml"
wait_for 5 test -S "$folder/desk"
is "back again" down "$(port .status.state)"
finish
