#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# IGMP and MLD snooping: a stream goes to those who have joined its group, on two hosts.
#
#      alpha  lan1 ── sender, near (joins), deaf          beta  lan1 ── far (joins), deaf2
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun

e2e_hosts alpha beta
e2e_start alpha
e2e_start beta
status 0 ctl alpha net create lan1
status 0 ctl alpha net set lan1 multicast.snooping=true multicast.querier=true
e2e_join alpha beta

listener='import socket, struct, sys
group, port = sys.argv[1], 5000
six = ":" in group
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("::" if six else "", port))
index = socket.if_nametoindex("eth0")
if six:
    s.setsockopt(41, 20, socket.inet_pton(10, group) + struct.pack("@I", index))
else:
    s.setsockopt(0, 35, socket.inet_aton(group) + bytes(4) + struct.pack("@i", index))
print("joined", flush=True)
while True:
    print(s.recv(100)[:4].decode(), flush=True)'
# At a pace at which a socket's room is enough for a listener that has to wait for its processor.
sender='import socket, struct, sys, time
for group in sys.argv[1:]:
    six = ":" in group
    s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    if six:
        s.setsockopt(41, 17, socket.if_nametoindex("eth0"))
        s.setsockopt(41, 18, 4)
    else:
        s.setsockopt(0, 32, bytes(8) + struct.pack("@i", socket.if_nametoindex("eth0")))
    for i in range(300):
        s.sendto(b"data" + bytes(60), (group, 5000))
        if i % 10 == 0:
            time.sleep(0.01)'
run_in near alpha --net lan1 -- "$PYTHON" -c "$listener" 239.1.2.3
run_in far beta --net lan1 -- "$PYTHON" -c "$listener" ff05::1234:5678
run_in deaf alpha --net lan1 -- sleep 600
run_in deaf2 beta --net lan1 -- sleep 600
joined() { grep -q joined "$T/$1.out"; }
wait_for 10 joined near
wait_for 10 joined far
got() { [ "$(grep -c data "$T/$1.out")" -ge "$2" ]; }
out_of() { ctl "$1" port show "lan1/$2" -o json | jq .status.counters.tx_frames; }

# Until the listeners are known the first frames go to all.
send() { ctl alpha run --net lan1 --name sender -- "$PYTHON" -c "$sender" 239.1.2.3 ff05::1234:5678; }
wait_for 10 send
wait_for 10 got near 250
wait_for 10 got far 250
before=$(out_of alpha deaf) before2=$(out_of beta deaf2)
send
wait_for 10 got near 500
wait_for 10 got far 500
is "who has not joined gets nothing of it" yes \
    "$([ $(($(out_of alpha deaf) - before)) -lt 100 ] && echo yes || echo "$(out_of alpha deaf) after $before")"
is "on the other host either" yes \
    "$([ $(($(out_of beta deaf2) - before2)) -lt 100 ] && echo yes || echo "$(out_of beta deaf2) after $before2")"

# Who listens, as each host knows it: its own ports, and over the link.
members() { ctl "$1" net show lan1 -o json | jq -r ".status.memberships[] | select(.group == \"$2\") | .port" | sort | tr '\n' ' '; }
shown() { [ "$(members "$1" "$2")" = "$3" ]; }
wait_for 5 shown alpha 01:00:5e:01:02:03 "near "
wait_for 5 shown beta 01:00:5e:01:02:03 "link-alpha "
wait_for 5 shown alpha 33:33:12:34:56:78 "link-beta "
wait_for 5 shown beta 33:33:12:34:56:78 "far "

# What was said is counted by kind and family, at the port and of the whole network.
at_least() { [ "$(ctl "$1" "$2" show "$3" -o json | jq ".status.$4 // -1")" -ge "$5" ]; }
for what in igmp.reports igmp.asked mld.reports mld.asked; do
    wait_for 5 at_least alpha net lan1 "snooping.$what" 1
done
wait_for 5 at_least alpha port lan1/near counters.snooping.igmp.reports 1
wait_for 5 at_least beta port lan1/link-alpha counters.snooping.igmp.reports 1
is "nobody has left" 0 "$(ctl alpha net show lan1 -o json | jq .status.snooping.igmp.leaves)"
is "no router asks" 0 "$(ctl alpha net show lan1 -o json | jq .status.snooping.igmp.queries)"
bg leaver alpha "$IOTHCTL" exec lan1/deaf -- "$PYTHON" -c "$listener" 239.9.9.9
wait_for 5 shown alpha 01:00:5e:09:09:09 "deaf "
e2e_end leaver
wait_for 5 at_least alpha net lan1 snooping.igmp.leaves 1
has "in the table too" 'status[.]snooping[.]igmp[.]leaves: +1' "$(ctl alpha net show lan1)"
need curl
metrics=$(on alpha curl -sS --unix-socket "$T/alpha/run/api.sock" http://localhost/metrics)
has "and a metric" '^ioth_network_memberships[{]network="lan1"[}] [2-9]' "$metrics"
has "and of what was said" '^ioth_network_snooped_total[{]network="lan1",protocol="igmp",kind="leave"[}] 1$' "$metrics"

# Turned off, it goes to all.
status 0 ctl alpha net set lan1 multicast.snooping=false
before=$(out_of alpha deaf)
send
flooded() { [ $(($(out_of alpha deaf) - before)) -ge 500 ]; }
wait_for 10 flooded

# Requests for addresses of endpoints go to these alone, here and on another host.
status 0 ctl alpha net set lan1 multicast.suppression=true
request='import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
mac = s.getsockname()[4]
for i in range(100):
    s.send(b"\xff" * 6 + mac + struct.pack("!HHHBBH6s4s6s4s", 0x806, 1, 0x800, 6, 4, 1, mac,
           socket.inet_aton(sys.argv[1]), bytes(6), socket.inet_aton(sys.argv[2])))'
four() { ctl alpha endpoint show "lan1/$1" -o json | jq -r '.addresses[] | select(test("[.]")) | sub("/.*"; "")'; }
own=$(four sender)
for who in near:alpha far:beta; do
    name=${who%:*} host=${who#*:}
    here=$(out_of alpha deaf) there2=$(out_of beta deaf2) asked=$(out_of "$host" "$name")
    status 0 ctl alpha run --net lan1 --name sender --root -- "$PYTHON" -c "$request" "$own" "$(four "$name")"
    arrived() { [ $(($(out_of "$host" "$name") - asked)) -ge 100 ]; }
    wait_for 5 arrived
    is "requests for $name reach nobody else" yes \
        "$([ $(($(out_of alpha deaf) - here)) -lt 50 ] && [ $(($(out_of beta deaf2) - there2)) -lt 50 ] && echo yes)"
done
wait_for 5 at_least alpha net lan1 suppressed.arp 200
wait_for 5 at_least beta port lan1/link-alpha counters.suppressed.arp 100
status 0 ctl alpha net set lan1 multicast.suppression=false
is "not counted where it is off" null "$(ctl alpha net show lan1 -o json | jq .status.suppressed)"
here=$(out_of alpha deaf)
status 0 ctl alpha run --net lan1 --name sender --root -- "$PYTHON" -c "$request" "$own" "$(four near)"
heard_by_all() { [ $(($(out_of alpha deaf) - here)) -ge 100 ]; }
wait_for 5 heard_by_all
finish
