# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Somebody else's bridge on the host alpha; sourced behind lib.sh.

# `kb`, a Linux bridge with STP, which is the root and sends a BPDU every 2 s; at it a station, `n0`.
foreign_bridge() {
    on alpha ip link add kb type bridge stp_state 1 hello_time 200 max_age 600 forward_delay 400 priority 0
    on alpha ip link set kb up
    on alpha ip link add n0 type veth peer name n1
    on alpha ip link set n1 master kb up
    on alpha ip link set n0 up
}

# noise PAUSE: the station's broadcasts, as `bg noise`, with so many seconds between them.
noise() {
    bg noise alpha "$PYTHON" -c 'import socket, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("n0", 0))
while True:
    s.send(b"\xff" * 6 + b"\x02\0\0\0\0\x09" + b"\x88\xb6" + bytes(60))
    time.sleep(float(sys.argv[1]))' "$1"
}
