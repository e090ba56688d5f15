#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Trunks, native VLANs and transparent networks: tags on the way in and out, priorities, what is
# filtered, and a change under traffic.
#
#      alpha  office (10, 20, 30)                            beta  office
#        desk: access 10   lab: access 20                      far: access 20
#        core: trunk 10 20, native 10                          edge: trunk 20 30
#        top:  trunk 20 30
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun
frames() { on "$1" "$PYTHON" "$E2E_ROOT/tests/e2e/vlan_frames.py" "${@:2}"; }

e2e_hosts alpha beta
e2e_start alpha
e2e_start beta
status 0 ctl alpha net create office --vlan 10=staff --vlan 20=guests --vlan 30=servers
status 0 ctl alpha net create wire --ipv4 none --ipv6 none
e2e_join alpha beta

# --- what may be declared ------------------------------------------------------------------------
status 2 ctl alpha port add office x --tap x0 --trunk 10,40
has "an undeclared VLAN" '40' "$ERR"
status 2 ctl alpha port add office x --tap x0 --access 10 --trunk 20
status 2 ctl alpha port add office x --tap x0 --native 10
has "a native VLAN is a trunk's" 'only a trunk' "$ERR"
status 2 ctl alpha port add office x --tap x0 --transparent
has "none is transparent among VLANs" 'has VLANs' "$ERR"
status 2 ctl alpha port add wire x --tap x0 --trunk 10
status 2 ctl alpha port add office x --tap x0 --trunk 30-20

status 0 ctl alpha port add office desk --tap desk --access 10
status 0 ctl alpha port add office lab --tap lab --access 20
status 0 ctl alpha port add office core --tap core --trunk 10,20 --native 10
status 0 ctl alpha port add office top --tap top --trunk 20,30
status 0 ctl beta port add office edge --tap edge --trunk 20,30
status 0 ctl alpha port add wire one --tap one --transparent
status 0 ctl alpha port add wire two --tap two
for tap in desk lab core top one two; do ip -n alpha link set "$tap" up; done
ip -n beta link set edge up
is "a trunk in the list" "10, 20 (10)" \
    "$(ctl alpha port ls office | awk '$1 == "office/core" { print $5, $6, $7 }')"

# A VLAN stays as long as a port is in it; who is in the way is named, and what mends it works.
status 1 ctl alpha net set office vlans.10=
has "the port in the way" 'VLAN 10 of network office is in use by port office/(core|desk)' "$ERR"
status 1 ctl alpha net set office vlans.30=
has "of a trunk" 'VLAN 30 of network office is in use by port office/(top|edge)' "$ERR"
has "its remedy" "port set office/(top|edge) 'trunk=\[20\]'" "$ERR"
status 1 ctl alpha net set office vlans=

# --- tags ----------------------------------------------------------------------------------------
b=ff:ff:ff:ff:ff:ff
cat >"$T/cases" <<CASES
desk 0       $b | core=0 lab=- top=-               # access 10 -> native
lab  0       $b | core=20 top=20 desk=-
core 0       $b | desk=0 lab=- top=-               # native
core 10      $b | desk=0 lab=-                    # the native one with its tag
core 20      $b | lab=0 top=20 desk=-
core 20p5    $b | top=20p5 lab=0                   # priority
lab  p6      $b | core=20p6 top=20p6 desk=-        # a priority tag on an access port
core p3      $b | desk=0 lab=- top=-               # and on a trunk
core 30      $b | top=- desk=- lab=-               # not of the trunk
core 4095    $b | top=- desk=- lab=-
top  0       $b | core=- desk=- lab=-             # no native VLAN
desk 20      $b | core=- lab=- top=-               # nobody tags himself elsewhere
desk p0.20   $b | core=- lab=- top=-
core 20.30   $b | top=20.30 lab=- desk=-           # a tag inside stays inside
one  10.20   $b | two=10.20                       # transparent
one  p5      $b | two=p5
one  0       01:80:c2:00:00:03 | two=-            # reserved, there too
CASES
status 0 frames alpha cases "$T/cases"
has "all as they should be" '17 frames, 0 wrong' "$OUT"

# --- over the link ---------------------------------------------------------------------------------
run_in far beta --net office:20 -- sleep 600
lab4=$(ctl alpha net show office -o json | jq -r '.vlans["20"].ipv4 | sub("[.]0/24"; "")')
desk4=$(ctl alpha net show office -o json | jq -r '.vlans["10"].ipv4 | sub("[.]0/24"; "")')
bg tagger alpha "$PYTHON" "$E2E_ROOT/tests/e2e/vlan_frames.py" vlan_if core core.20 20
wait_for 5 grep -q ready "$T/tagger.out"
ip -n alpha addr add "$lab4.200/24" dev core.20
ip -n alpha link set core.20 up
ip -n alpha addr add "$desk4.200/24" dev core
run_in mate alpha --net office:10 --ip "$desk4.201" -- sleep 600
reaches() { on alpha ping -c 1 -W 1 -n "$1"; }
far4=$(ctl beta exec office/far -- ip -4 -o addr show eth0 | sed 's/.*inet \([0-9.]*\).*/\1/')
wait_for 10 reaches "$far4"
wait_for 10 reaches "$desk4.201"
# Superframes go through the trunk both ways, and over the link.
mkdir "$T/web"
head -c 20000000 /dev/urandom >"$T/web/blob"
bg web beta "$IOTHCTL" exec office/far -- "$PYTHON" -m http.server -d "$T/web" 80
fetched() { on alpha curl -sf -o "$T/blob" "http://$far4/blob"; }
wait_for 10 fetched
status 0 cmp "$T/web/blob" "$T/blob"
bg back alpha "$PYTHON" -m http.server -d "$T/web" 8080
status 0 ctl beta exec office/far -- curl -sf --retry 10 --retry-connrefused -o "$T/blob2" \
    "http://$lab4.200:8080/blob"
status 0 cmp "$T/web/blob" "$T/blob2"
e2e_end back
e2e_end web

# --- a change under traffic ------------------------------------------------------------------------
# VLAN 10 is kept: nothing of it is lost. VLAN 20 goes: when the command has returned, nothing of it
# comes any more, by the kernel's own time of each frame; be the port on this host or on another, a trunk or not.
bg pinger alpha ping -i 0.01 -c 300 -W 1 -q -n "$desk4.201"
bg flow alpha "$PYTHON" "$E2E_ROOT/tests/e2e/vlan_frames.py" flow lab 0
status 0 ctl alpha port add office seat --tap seat --access 20
ip -n alpha link set seat up
bg core alpha "$PYTHON" "$E2E_ROOT/tests/e2e/vlan_frames.py" watch core 20
bg seat alpha "$PYTHON" "$E2E_ROOT/tests/e2e/vlan_frames.py" watch seat 0
bg edge beta "$PYTHON" "$E2E_ROOT/tests/e2e/vlan_frames.py" watch edge 20
heard() { [ "$(wc -l <"$T/$1.out")" -gt "$2" ]; }
since() { awk -v at="$2" '$1 != "watching" && $1 > at { n++ } END { print n + 0 }' "$T/$1.out"; }
leaves() { # PORT SETTING…
    local port=$1 returned n
    wait_for 10 heard "$port" $(($(wc -l <"$T/$port.out") + 200))
    ctl alpha port set "office/$port" "${@:2}"
    returned=$EPOCHREALTIME
    n=$(ctl alpha net show office -o json | jq '.status.vlans["20"].rx_frames')
    more() { [ "$(ctl alpha net show office -o json | jq '.status.vlans["20"].rx_frames')" -gt $((n + 1000)) ]; }
    wait_for 10 more
    is "frames of VLAN 20 that came to $port after the command had returned" 0 "$(since "$port" "$returned")"
}
for _ in 1 2 3 4 5; do
    leaves edge 'trunk=[30]'
    status 0 ctl alpha port set office/edge 'trunk=[20, 30]'
    leaves seat access=30
    status 0 ctl alpha port set office/seat access=20
done
leaves core 'trunk=[10, 30]'
e2e_wait pinger
has "VLAN 10 lost nothing" ' 300 received, 0% packet loss' "$(cat "$T/pinger.out")"
status 1 on alpha ping -c 2 -i 0.2 -W 1 -n "$far4"
status 0 ctl alpha port set office/core 'trunk=[10, 20]'
wait_for 5 reaches "$far4"
for job in flow core seat edge tagger; do e2e_end "$job"; done
finish
