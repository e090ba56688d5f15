#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# VLANs of a network: each has its own addresses and its own broadcast, on every host.
#
#      alpha 192.0.2.1                         beta 192.0.2.2
#        fabricd ───────── underlay ───────────── fabricd
#         │ office:10  office:20                   │ office:10  office:20
#        a10         a20                          b10         b20
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun

e2e_hosts alpha beta
e2e_start alpha
e2e_start beta
sniff
status 0 ctl alpha net create office --vlan 10=staff --vlan 20=guests
has "a subnet for each VLAN" '"10\.64\.[0-9]+\.0/24"' "$(ctl alpha net show office -o json)"
e2e_join alpha beta

# A network with VLANs wants one named; one without refuses it.
status 125 ctl alpha run --net office -- true
has "a VLAN must be named" 'VLAN' "$ERR"
status 125 ctl alpha run --net office:30 -- true
has "an undeclared VLAN" '30' "$ERR"
status 0 ctl alpha net create plain
status 125 ctl alpha run --net plain:10 -- true

run_in a10 alpha --net office:10 -- sleep 600
run_in a20 alpha --net office:20 -- sleep 600
run_in b10 beta --net office:10 -- sleep 600
run_in b20 beta --net office:20 -- sleep 600
four() { ctl "$1" exec "office/$2" -- ip -4 -o addr show eth0 | sed 's/.*inet \([0-9.]*\).*/\1/'; }
pings() { ctl "$1" exec "office/$2" -- ping -c 1 -W 1 "$3"; }

# The same VLAN reaches across hosts.
wait_for 10 pings alpha a10 "$(four beta b10)"
wait_for 10 pings alpha a20 "$(four beta b20)"
wait_for 10 pings beta b10 a10

# Another does not, on one host or on two: a node in VLAN 20 that puts itself into VLAN 10's
# subnet asks for its neighbour there, and nobody hears.
ten=$(four alpha a10)
separated() {
    status 1 ctl "$1" run --net office:20 --root --ip "$2/24" -- ping -c 2 -i 0.2 -W 1 "$ten"
    has "no answer in another VLAN" '100% packet loss' "$OUT"
}
separated alpha "${ten%.*}.250"
separated beta "${ten%.*}.251"

# Tags of its own: the switch drops them.
send_tagged='import socket, struct
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
mac = s.getsockname()[4]
for i in range(20):
    s.send(b"\xff" * 6 + mac + struct.pack("!HHH", 0x8100, 10, 0x88b5) + b"TAGGED-INTO-TEN" + bytes(40))'
listen='import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(("eth0", 3))
print("listening", flush=True)
s.settimeout(1.0)
try:
    while True:
        if b"TAGGED-INTO-TEN" in s.recv(2000):
            print("heard", flush=True)
except TimeoutError:
    pass'
bg ear alpha "$IOTHCTL" run --net office:10 --root -- "$PYTHON" -c "$listen"
wait_for 5 grep -q listening "$T/ear.out"
status 0 ctl alpha run --net office:20 --root -- "$PYTHON" -c "$send_tagged"
e2e_wait ear
hasnt "nobody tags itself into another VLAN" heard "$(cat "$T/ear.out")"

# What the VLAN's own members send is heard: the ear is no deaf one.
bg ear alpha "$IOTHCTL" run --net office:10 --root -- "$PYTHON" -c "$listen"
wait_for 5 grep -q listening "$T/ear.out"
status 0 ctl alpha run --net office:10 --root -- "$PYTHON" -c \
    "${send_tagged/struct.pack(\"!HHH\", 0x8100, 10, 0x88b5)/struct.pack(\"!H\", 0x88b5)}"
e2e_wait ear
has "the ear hears" heard "$(cat "$T/ear.out")"
finish
