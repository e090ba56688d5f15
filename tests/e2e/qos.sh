#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Priorities: a voice flow beside a bulk flow on a port of 20 Mbit/s, and policing.
#
#      alpha  lan1 ── bulk (a node) ═ 60 Mbit/s of UDP ═╗
#                  ── phone (a node) ─ pings, DSCP EF ──╨─► desk: a TAP, rate 20M, trust dscp
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun

e2e_hosts alpha
e2e_start alpha
status 0 ctl alpha net create lan1 --ipv4 10.64.7.0/24 --ipv6 none
status 0 ctl alpha port add lan1 desk --tap desk --rate 20M
status 2 ctl alpha port set lan1/desk qos.trust=tag
status 0 ctl alpha port set lan1/desk qos.trust=dscp
ip -n alpha addr add 10.64.7.250/24 dev desk
ip -n alpha link set desk up
run_in phone alpha --net lan1 -- sleep 600
reaches() { ctl alpha exec lan1/phone -- ping -c 1 -W 1 -n 10.64.7.250; }
wait_for 10 reaches

# Round trips in milliseconds: the median. The way back is not shaped.
median() { # median TOS
    ctl alpha exec lan1/phone -- ping -Q "$1" -n -i 0.02 -c 100 -W 1 10.64.7.250 |
        sed -n 's/.*time=\([0-9.]*\) ms/\1/p' | sort -n | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'
}
alone=$(median 0xb8)
bulk='import socket, time
s, data, end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), bytes(1400), time.monotonic() + 60
while time.monotonic() < end:
    for _ in range(11):
        s.sendto(data, ("10.64.7.250", 9))
    time.sleep(0.002)'
run_in bulk alpha --net lan1 -- "$PYTHON" -c "$bulk"
full() { [ "$(ctl alpha port show lan1/desk -o json | jq '.status.counters.drops.full // 0')" -gt 100 ]; }
wait_for 10 full
voice=$(median 0xb8)
best=$(median 0)
echo "voice: $alone ms alone, $voice ms beside bulk; best effort $best ms beside bulk"
has "voice: under 1 ms more" yes "$(awk -v a="$alone" -v v="$voice" 'BEGIN { print (v - a < 1) ? "yes" : v - a }')"
has "best effort waits in its queue" yes "$(awk -v b="$best" 'BEGIN { print (b > 10) ? "yes" : b }')"
e2e_end bulk

# What comes in over the limit is dropped, and told of.
bg events alpha "$IOTHCTL" events -o json
status 0 ctl alpha port set lan1/desk qos.police=100pps
status 0 on alpha "$PYTHON" -c 'import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("desk", 0))
for i in range(200):
    s.send(b"\xff" * 6 + bytes([2, 0, 0, 0, 0, 9]) + b"\x88\xb5" + bytes(60))'
policed() { [ "$(ctl alpha port show lan1/desk -o json | jq '.status.counters.drops.policed // 0')" -ge 100 ]; }
wait_for 5 policed
wait_for 5 grep -q '"name": *"desk".*"verb": *"policed".*02:00:00:00:00:09' "$T/events.out"
e2e_end events

# --- limits of VLANs of a port --------------------------------------------------------------------
status 0 ctl alpha net create office --vlan 10 --vlan 20
status 0 ctl alpha port add office core --tap core --trunk 10,20
ip -n alpha link set core up
run_in ten alpha --net office:10 -- sleep 600
run_in twenty alpha --net office:20 -- sleep 600
status 2 ctl alpha port set office/core qos.vlans.4095.police=1M
status 2 ctl alpha port set office/core qos.vlans.30.police=1M
is "a VLAN that there is not" "iothctl: port set office/core failed: network office has no VLAN 30" "$(head -1 <<<"$ERR")"
status 0 ctl alpha port set office/core qos.vlans.10.police=100pps qos.vlans.10.rate=1M
for vlan in 10 20; do
    status 0 on alpha "$PYTHON" -c 'import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("core", 0))
for i in range(200):
    s.send(b"\xff" * 6 + bytes([2, 0, 0, 0, 0, 10]) + b"\x81\0\0" + bytes([int(sys.argv[1])]) + b"\x88\xb5" + bytes(60))' "$vlan"
done
vlan_policed() { ctl alpha net show office -o json | jq ".status.vlans[\"$1\"].policed // 0"; }
over() { [ "$(vlan_policed 10)" -ge 90 ]; }
wait_for 5 over
is "the other VLAN has its own way" 0 "$(vlan_policed 20)"

# 60 frames of 1,400 bytes take two thirds of a second at 1 Mbit/s, those of the other VLAN do not wait for them.
on alpha tcpdump -i core -c 120 -e -n -tt 'vlan and udp' >"$T/both.out" 2>"$T/both.err" &
E2E_PID[both]=$!
wait_for 5 grep -q listening "$T/both.err"
for at in ten:10 twenty:20; do
    everybody=$(ctl alpha net show office -o json | jq -r ".vlans[\"${at#*:}\"].ipv4 | sub(\"[.]0/24\"; \".255\")")
    status 0 ctl alpha exec "office/${at%:*}" -- "$PYTHON" -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
for i in range(60):
    s.sendto(bytes(1358), (sys.argv[1], 9))' "$everybody"
done
e2e_wait both
status 1 ctl alpha net set office vlans.10=
has "a VLAN in use" 'VLAN 10 of network office is in use by ' "$ERR"
spans=$(awk '{ at = $1; vlan = ""; for (i = 1; i < NF; i++) if ($i == "vlan") vlan = $(i + 1) + 0
    if (!(vlan in first)) first[vlan] = at; last[vlan] = at }
    END { print (last[10] - first[10] > 0.5) ? "waits" : last[10] - first[10], (last[20] < last[10]) ? "passes" : "late" }' "$T/both.out")
is "VLAN 10 waits, VLAN 20 passes it" "waits passes" "$spans"
status 0 ctl alpha port set office/core qos.vlans=
is "no limits are left" null "$(ctl alpha port show office/core -o json | jq .qos.vlans)"

# --- marking: what a port is set to shows in the tags of trunks --------------------------------------
status 0 ctl alpha port add office seat --tap seat --access 20
ip -n alpha link set seat up
marks() { # SETTING… TOS PCP: a datagram with that octet leaves by the trunk with that priority
    status 0 ctl alpha port set office/seat "${@:1:$#-2}"
    rm -f "$T/mark.err" # Or the one before is taken for listening.
    on alpha timeout 10 tcpdump -i core -c 1 -e -n 'vlan 20 and udp port 99' >"$T/mark.out" 2>"$T/mark.err" &
    E2E_PID[mark]=$!
    wait_for 5 grep -q listening "$T/mark.err"
    status 0 on alpha "$PYTHON" -c 'import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("seat", 0))
ip = struct.pack("!BBHHHBBH4s4s", 0x45, int(sys.argv[1]), 28, 0, 0, 64, 17, 0, bytes([10, 0, 0, 1]), b"\xff" * 4)
s.send(b"\xff" * 6 + bytes([2, 0, 0, 0, 0, 20]) + b"\x08\0" + ip + struct.pack("!HHHH", 99, 99, 8, 0) + bytes(20))' "${*: -2:1}"
    e2e_wait mark
    is "$*" "${*: -1}" "$(sed -n 's/.* vlan 20, p \([0-7]\),.*/\1/p' "$T/mark.out")"
}
marks qos.trust=dscp 184 5                  # EF
marks qos.trust=dscp qos.priority=2 0 2     # It tells nothing.
marks qos.trust=none qos.priority=1 184 1   # Nor is it asked.
marks qos.trust=pcp qos.priority= 184 0
finish
