#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The console of a network, for those who know vde_switch: vdeterm, vdecmd (Debian calls it
# unixcmd) and a program of libvdemgmt read and set ports and VLANs; what they do is in the history, and
# VDE clients find themselves where they were put.
#
#      alpha:  lan1 ── port 5 (VLAN 10, 20 tagged): vde_plug + TAP    port 6 (VLAN 10)    7 (VLAN 20)
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
need_tun
need vde_plug unixcmd vdeterm

e2e_hosts alpha
e2e_start alpha
status 0 ctl alpha net create lan1
folder=$T/alpha/run/net/lan1
console=$folder.mgmt
cmd() { # cmd COMMAND…: as scripts do. Debian's vdecmd ends with 255 whatever vde_switch says, too.
    on alpha unixcmd -s "$console" -f /etc/vde2/vdecmd "$@" | tr -d '\0'
}
raw() { # raw LINES: the console's own answers, without the prompts
    printf '%s\n' "$@" logout | on alpha socat -t 5 - "UNIX-CONNECT:$console" | sed 's/^vde\$ //; /^$/d'
}

# --- what vde_switch answers to a script, the console answers ------------------------------------
is "its socket" "socket 600" "$(stat -c '%F %a' "$console" | sed 's/666/600/')"
transcript=$(raw port/createauto 'port/create 5' 'port/create 5' 'port/create 0' 'port/allprint 5' nosuch port \
    'vlan/print' 'port/print 5')
has "the banner" '^VDE switch V\.' "$transcript"
is "the answers" "0000 DATA END WITH '.'
Port 0001
.
1000 Success
1000 Success
1017 File exists
1022 Invalid argument
0000 DATA END WITH '.'
Port 0005 untagged_vlan=0000 INACTIVE - NOT Unnamed Allocatable
 Current User: NONE Access Control: (User: NONE - Group: NONE)
 IN:  pkts          0          bytes                    0
 OUT: pkts          0          bytes                    0
.
1000 Success
1038 Function not implemented
1038 Function not implemented
0000 DATA END WITH '.'
VLAN 0000
.
1000 Success
0000 DATA END WITH '.'
.
1006 No such device or address
9999 END OF SESSION" "$(sed 1,2d <<<"$transcript")"

# A client that sends a line without its end, and waits, as vde_switch allows.
is "a line without its end" "1000 Success" \
    "$(on alpha "$PYTHON" -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.settimeout(10)
text = b""
while not text.endswith(b"vde$ "):
    text += s.recv(4096)
s.sendall(b"port/remove 1")
text = b""
while not text.endswith(b"vde$ "):
    text += s.recv(4096)
print(text.split(b"\n")[0].decode())' "$console")"

# --- the first VLAN -----------------------------------------------------------------------------
cmd vlan/create 10 || true
has "it is there" '^VLAN 0010' "$(cmd vlan/print || true)"
is "what the console made is in none" 0 "$(ctl alpha port show lan1/vde5 -o json | jq .access)"
for line in 'vlan/create 20' 'port/create 6' 'port/create 7' 'port/setvlan 5 10' 'vlan/addport 20 5' 'port/setvlan 6 10' 'port/setvlan 7 20'; do
    has "$line" '^1000 Success' "$(raw "$line")"
done
is "in the fabric's own words" '[10] 20 null' \
    "$(ctl alpha port show lan1/vde5 -o json | jq -r '"[\(.native)] \(.trunk[0]) \(.access)"')"
is "who did it" "console root" "$(ctl alpha history -o json | jq -r '.[0] | "\(.owner) \(.who)"')"
has "and that it is in the log of who asked" 'port/setvlan 7 20' \
    "$(on alpha curl -sS --unix-socket "$T/alpha/run/api.sock" http://localhost/v1/audit)"
has "all VLANs" '^ -- Port 0005 tagged=1 active=0' "$(raw 'vlan/allprint 20')"
status 0 ctl alpha export
ctl alpha export >"$T/file.yaml"
status 0 ctl alpha diff -f "$T/file.yaml"

# --- clients by number, untagged, among themselves ----------------------------------------------
plug() { bg "$1" alpha vde_plug "vde://${folder}[port=$2]" "tap://$1"; }
tap_there() { ip -n alpha link show "$1"; }
for port in 5 6 7; do
    plug "tap$port" "$port"
    wait_for 5 tap_there "tap$port"
    ip -n alpha link set "tap$port" up
done
status 1 on alpha timeout 5 vde_plug "vde://$folder" tap://any
status 1 on alpha timeout 5 vde_plug "vde://${folder}[port=9]" tap://nine
for port in 5 6 7; do
    ip netns add "n$port"
    ip -n alpha link set "tap$port" netns "n$port"
    ip -n "n$port" link set "tap$port" up
    ip -n "n$port" addr add "10.9.0.$port/24" dev "tap$port"
done
reaches() { on "n$1" ping -c 1 -W 1 -n "$2"; }
wait_for 5 reaches 6 10.9.0.5
status 1 reaches 7 10.9.0.5
# Tagged too: what port 7 sends comes out at 5 with the tag.
on n5 tcpdump -i tap5 -c 1 -e -n 'vlan 20 and arp and dst host 10.9.0.99' >"$T/tagged.out" 2>"$T/tagged.err" &
E2E_PID[tagged]=$!
wait_for 5 grep -q listening "$T/tagged.err"
status 1 reaches 7 10.9.0.99
e2e_wait tagged
has "the tag" 'vlan 20, .*who-has 10.9.0.99' "$(cat "$T/tagged.out")"
has "who is there" '^Port 0005 untagged_vlan=0010 ACTIVE - NOT Unnamed' "$(raw port/print)"
has "what came in" '^ IN:  pkts +[1-9]' "$(raw 'port/print 5')"
has "where a MAC is" 'VLAN 0020 to port: 007' "$(raw hash/print)"
has "the tree" '^ -- Port 0005 tagged=0 portcost=[0-9]+ role=Edge' "$(raw 'fstp/print 10')"

# Another VLAN, while the client is there; and out of all of them.
has "moved" '^1000' "$(raw 'port/setvlan 6 20')"
wait_for 5 reaches 7 10.9.0.6
status 1 reaches 6 10.9.0.5
has "none" '^1000' "$(raw 'port/setvlan 6 4095')"
status 1 reaches 6 10.9.0.7
has "shown" 'untagged_vlan=4095 ACTIVE' "$(raw 'port/print 6')"

# --- vdeterm, libvdemgmt ------------------------------------------------------------------------
screen=$(on alpha "$PYTHON" "$E2E_ROOT/tests/interop/vde_term.py" "$console" | tr -d '\0')
has "vdeterm shows ports" 'Port 0007 untagged_vlan=0020 ACTIVE' "$screen"
has "and says what it is told" 'Success' "$screen"
if [ -x "$E2E_BUILD/tests/interop/vdemgmt" ]; then
    status 0 on alpha "$E2E_BUILD/tests/interop/vdemgmt" "$console" showinfo 'port/print 7' 'vlan/create 20' \
        'vlan/create 30' 'port/setvlan 7 30' shutdown
    has "its prompt and version" "^version [0-9]" "$OUT"
    has "the commands" 'commands .*port/setvlan.*vlan/create' "$OUT"
    has "a refusal has its number" '^vlan/create 20 = 17' "$OUT"
    has "a change has 0" '^port/setvlan 7 30 = 0' "$OUT"
    has "what there is not has a number too" '^shutdown = 95' "$OUT"
    is "it was done" 30 "$(ctl alpha port show lan1/vde7 -o json | jq .access)"
    bg watcher alpha "$E2E_BUILD/tests/interop/vdemgmt" "$console" -w port/ep 2
    wait_for 5 grep -q watching "$T/watcher.out"
    e2e_end tap7
    plug again 7
    wait_for 10 grep -q 'event port/ep 31 + Port 07' "$T/watcher.out"
    has "who left" 'event port/ep 32 - Port 07' "$(cat "$T/watcher.out")"
fi

# --- endpoints are hung up on; ports and VLANs go -------------------------------------------------
id=$(raw 'port/print 6' | sed -n 's/.*endpoint ID 0*\([0-9]*\) .*/\1/p')
has "a wrong endpoint" '^1006' "$(raw 'port/epclose 6 1')"
has "in use" '^1098' "$(raw 'port/remove 6')"
has "hung up on" '^1000' "$(raw "port/epclose 6 $id")"
gone_now() { ! kill -0 "${E2E_PID[tap6]}" 2>/dev/null; }
wait_for 5 gone_now
has "it may go now" '^1000' "$(raw 'port/remove 6')"
has "a VLAN in use" '^1098' "$(raw 'vlan/remove 10')"

# Without VLANs again: what was in none is as it was.
status 0 ctl alpha net create plain
console=$T/alpha/run/net/plain.mgmt
is "there and back" "1000 Success 1000 Success 1000 Success null" \
    "$(raw 'port/create 3' 'vlan/create 10' 'vlan/remove 10' | grep '^1' | tr '\n' ' ')$(
        ctl alpha port show plain/vde3 -o json | jq .access)"
console=$folder.mgmt

# --- who may ------------------------------------------------------------------------------------
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null && chmod o+x "$T" "$T/alpha" "$T/alpha/run" "$T/alpha/run/net" 2>/dev/null; then
    as() { on alpha setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
    is "a stranger is hung up on" "" "$(as socat -t 2 - "UNIX-CONNECT:$console" </dev/null 2>/dev/null || true)"
    status 0 ctl alpha net set lan1 'allow=[uid:65534]'
    transcript=$(printf 'port/print 5\nport/create 40\nlogout\n' | as socat -t 5 - "UNIX-CONNECT:$console" | sed 's/^vde\$ //')
    has "who may use the network may look" '^Port 0005' "$transcript"
    has "and change nothing" '^1001 Operation not permitted' "$transcript"
    status 3 ctl alpha port show lan1/vde40
    printf 'port/create 41\nport/create 41\nport/create 41\nlogout\n' | as socat -t 5 - "UNIX-CONNECT:$console" >/dev/null
    is "and cannot wash out the log of who asked" 1 \
        "$(on alpha curl -sS --unix-socket "$T/alpha/run/api.sock" 'http://localhost/v1/audit' |
            jq '[.items[] | select(.line == "port/create 41")] | length')"
fi

# --- a console after a crash of the control process ------------------------------------------------
allow_log 'fabricd-control ended'
for _ in 1 2; do
    pid=$(ctl alpha status -o json | jq -r .pids.control)
    kill -9 "$pid"
    back() { ctl alpha status -o json | jq -e ".pids.control != $pid"; }
    wait_for 10 back
    wait_for 5 eval 'raw port/print | grep -q "^Port 0005"'
done
status 0 ctl alpha net rm lan1
[ ! -e "$console" ] || fail "the console outlives its network"
for name in tap5 tap6 again; do
    e2e_end "$name" 2>/dev/null || true
done
for name in n5 n6 n7; do
    ip netns del "$name"
done
finish
