#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Ways into a network for what is no program of ours: a physical interface, QEMU's stream.
#
#      legacy 10.9.0.9 ── eth0 ═══ eth1 ── alpha (10.9.0.1 there) ── fabricd: lan1, port lan
#                                                  web 10.9.0.20: a program on lan1
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun
need curl

e2e_hosts alpha
ip netns add legacy
ip link add eth0 netns legacy type veth peer name eth1 netns alpha
for at in legacy:eth0:10.9.0.9 alpha:eth1:10.9.0.1; do
    IFS=: read -r host link address <<<"$at"
    ip -n "$host" addr add "$address/24" dev "$link"
    ip -n "$host" link set "$link" up
done
on legacy ping -c 1 -W 5 10.9.0.1 >/dev/null || fail "the cable does not work"

e2e_start alpha
status 0 ctl alpha net create lan1 --ipv4 10.9.0.0/24

# --- a physical interface ---------------------------------------------------------------------
status 2 ctl alpha port add lan1 --raw eth1 --vde
allow_log 'cannot open interface no-such'
status 0 ctl alpha port add lan1 lan --raw no-such
has "what is not there" 'No such device' "$(ctl alpha port show lan1/lan)"
status 0 ctl alpha port rm lan1/lan
status 0 ctl alpha port add lan1 lan --raw eth1
has "its kind" '^lan1/lan +raw +up' "$(ctl alpha port ls lan1 | sed 's/  */ /g; s/^lan1 /lan1\//' )"
status 1 ctl alpha port add lan1 twice --raw eth1
has "who has it" 'interface eth1 is in use by port lan1/lan' "$ERR"

mkdir "$T/www"
canaries "$T/www/big" 16
run_in web alpha --net lan1 --ip 10.9.0.20 -- "$PYTHON" -m http.server 80 -d "$T/www"
wait_for 5 listens alpha lan1/web 80
big=$(sha256sum <"$T/www/big")
is "a page over the cable" "$big" "$(on legacy curl -sS --max-time 20 http://10.9.0.20/big | sha256sum)"
(cd "$T/www" && exec ip netns exec legacy "$PYTHON" -m http.server 80 --bind 10.9.0.9) >"$T/legacy.out" 2>&1 &
E2E_PID[legacy]=$!
legacy_listens() { on legacy ss -Htln 'sport = :80' | grep -q LISTEN; }
wait_for 5 legacy_listens
is "and the other way" "$big" \
    "$(ctl alpha run --net lan1 -- curl -sS --max-time 20 http://10.9.0.9/big | sha256sum)"
e2e_end legacy

# The interface stays the host's as well: its address answers, once.
replies=$(on legacy ping -c 3 -i 0.2 -W 2 10.9.0.1)
has "the host's own address" '3 received' "$replies"
hasnt "answered once" 'DUP' "$replies"

# Nothing leaves in the host's name, whatever its MAC is called by now.
status 0 ctl alpha port add lan1 liar --tap liar
ip -n alpha link set liar up
cat >"$T/liar.py" <<'PY'
"""A broadcast with the MAC given."""
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("liar", 0))
s.send(b"\xff" * 6 + bytes.fromhex(sys.argv[1].replace(":", "")) + b"\x88\xb5" + bytes(60))
PY
kept_in() { [ "$(ctl alpha port show lan1/lan -o json | jq '.status.counters.drops.source // 0')" = "$1" ]; }
status 0 on alpha "$PYTHON" "$T/liar.py" "$(on alpha cat /sys/class/net/eth1/address)"
wait_for 5 kept_in 1
ip -n alpha link set eth1 address 02:aa:00:00:00:01
status 0 on alpha "$PYTHON" "$T/liar.py" 02:aa:00:00:00:01
wait_for 5 kept_in 2
status 0 ctl alpha port rm lan1/liar
on legacy ip neigh flush all
has "the host's address goes along" '1 received' "$(on legacy ping -c 1 -W 2 10.9.0.1)"

# What comes faster than it is read is counted as well.
full() { [ "$(ctl alpha port show lan1/lan -o json | jq '.status.counters.drops.full // 0')" -gt 0 ]; }
pid=$(ctl alpha status -o json | jq .pids.switch)
kill -STOP "$pid"
status 0 on legacy "$PYTHON" "$E2E_ROOT/tests/e2e/vlan_frames.py" flood eth0 0 20000
kill -CONT "$pid"
wait_for 10 full

# The tree's cost follows from its speed: a TAP says whatever it is told to say of itself.
ip -n alpha tuntap add slow mode tap
cat >"$T/speed.py" <<'PY'
"""ETHTOOL_GSET, and ETHTOOL_SSET with a speed of 100 Mb/s."""
import array, fcntl, socket, struct
s = socket.socket()
data = array.array("B", struct.pack("I", 1) + bytes(60))
ask = struct.pack("16sP", b"slow", data.buffer_info()[0]) + bytes(16)
fcntl.ioctl(s, 0x8946, ask)
struct.pack_into("I", data, 0, 2)
struct.pack_into("H", data, 12, 100)
fcntl.ioctl(s, 0x8946, ask)
PY
cost() { [ "$(ctl alpha port show lan1/slow -o json | jq .status.stp.cost)" = "$1" ]; }
speed=yes
on alpha "$PYTHON" "$T/speed.py" 2>/dev/null || speed=
status 0 ctl alpha port add lan1 slow --raw slow
[ -z "$speed" ] || wait_for 5 cost 200000
status 0 ctl alpha port set lan1/slow rate=5M
wait_for 5 cost 4000000
status 0 ctl alpha port rm lan1/slow
ip -n alpha link del slow

# Tags come and go in their place.
status 0 ctl alpha net create office --vlan 10 --vlan 20
status 0 ctl alpha port rm lan1/lan
e2e_end web
cat >"$T/trunk.yaml" <<'EOF'
version: 1
networks:
  office:
    vlans: {10: {ipv4: 10.10.0.0/24}, 20: {ipv4: 10.20.0.0/24}}
    ports:
      lan: {host: alpha, raw: eth1, trunk: [10]}
EOF
status 0 ctl alpha apply -f "$T/trunk.yaml"
run_in ten alpha --net office:10 --ip 10.10.0.2 -- sleep 600
cat >"$T/arp.py" <<'PY'
"""Asks for an address by ARP under a VLAN tag; prints the VLAN and PCP of the answer, or nothing."""
import socket, struct, sys, time
vlan, pcp, target = int(sys.argv[1]), int(sys.argv[2]), socket.inet_aton(sys.argv[3])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(("eth0", 0x0003))
s.setsockopt(263, 8, 1)  # PACKET_AUXDATA
mac = b"\x02\x99\x00\x00\x00\x01"
arp = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, mac, socket.inet_aton("10.10.0.99"), bytes(6), target)
s.send(b"\xff" * 6 + mac + struct.pack("!HHH", 0x8100, pcp << 13 | vlan, 0x0806) + arp.ljust(46, b"\0"))
end = time.monotonic() + float(sys.argv[4])
while (left := end - time.monotonic()) > 0:
    s.settimeout(left)
    try:
        data, control, _, _ = s.recvmsg(2000, 200)
    except TimeoutError:
        break
    if data[:6] == mac and b"\x08\x06" in data[12:18]:
        for level, kind, value in control:
            status, _, _, _, _, tci, tpid = struct.unpack("=IIIHHHH", value[:20])
            print("vlan", tci & 0xFFF if status & 0x10 else 0)
        break
PY
tagged() { on legacy "$PYTHON" "$T/arp.py" 10 5 10.10.0.2 3; }
answered() { [ "$(tagged)" = "vlan 10" ]; }
wait_for 15 answered
is "another VLAN gets no answer" "" "$(on legacy "$PYTHON" "$T/arp.py" 20 0 10.10.0.2 1)"
e2e_end ten

# An interface that goes takes the port down; one that comes brings it up.
down() { ctl alpha port show office/lan -o json | jq -e '.status.state != "up"'; }
up() { ctl alpha port show office/lan -o json | jq -e '.status.state == "up"'; }
allow_log 'port office/lan: '
ip -n alpha link del eth1
wait_for 10 down
ip link add eth0 netns legacy type veth peer name eth1 netns alpha
ip -n alpha link set eth1 up
ip -n legacy link set eth0 up
wait_for 10 up
answers_again() { [ "$(on legacy "$PYTHON" "$T/arp.py" 10 5 10.10.0.3 1)" = "vlan 10" ]; }
run_in again alpha --net office:10 --ip 10.10.0.3 -- sleep 600
wait_for 15 answers_again
e2e_end again
status 0 ctl alpha port rm office/lan

# Promiscuous as long as a daemon has it, and not a moment longer, however that ends.
promiscuous() { [ "$(ip -n alpha -d -j link show eth1 | jq '.[0].promiscuity')" = "$1" ]; }
status 0 ctl alpha port add lan1 lan --raw eth1
wait_for 5 promiscuous 1
status 0 ctl alpha port rm lan1/lan
wait_for 5 promiscuous 0
status 0 ctl alpha port add lan1 lan --raw eth1
wait_for 5 promiscuous 1
allow_log 'the parent process (is away|has gone)'
for pid in $(e2e_daemon_pids alpha); do
    kill -KILL "$pid"
done
wait "${E2E_DAEMON[alpha]}" 2>/dev/null || true
wait_for 5 promiscuous 0
e2e_start alpha
wait_for 5 promiscuous 1
status 0 ctl alpha port rm lan1/lan

# --- QEMU's stream ------------------------------------------------------------------------------
status 0 ctl alpha port add lan1 vm --stream vm.sock
status 1 ctl alpha port add lan1 vm2 --stream vm.sock
status 2 ctl alpha port add lan1 vm2 --stream v10
run_in web alpha --net lan1 --ip 10.9.0.20 -- sleep 600
cat >"$T/stream.py" <<'PY'
"""A client of a stream port: asks for an address by ARP and prints who has it."""
import signal, socket, struct, sys
signal.alarm(20)  # A timeout of the socket would begin anew with each BPDU.
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
mac = b"\x02\x99\x00\x00\x00\x02"
arp = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, mac, socket.inet_aton("10.9.0.77"), bytes(6), socket.inet_aton(sys.argv[2]))
frame = (b"\xff" * 6 + mac + b"\x08\x06" + arp).ljust(60, b"\0")
def exactly(n):
    data = b""
    while len(data) < n:
        part = s.recv(n - len(data))
        if not part:
            raise ConnectionError
        data += part
    return data
def hung_up(*_):
    print("hung up")
    sys.exit()
sys.excepthook = hung_up
s.sendall(struct.pack("!I", len(frame)) + frame)
while True:
    data = exactly(struct.unpack("!I", exactly(4))[0])
    if data[:6] == mac and data[12:14] == b"\x08\x06":
        print(data[22:28].hex(":"))
        break
if len(sys.argv) > 3:
    print("waiting", flush=True)
    while s.recv(65536):
        pass
PY
mac=$(ctl alpha exec lan1/web -- cat /sys/class/net/eth0/address)
door=$T/alpha/run/net/lan1/vm.sock
is "ARP through a stream" "$mac" "$("$PYTHON" "$T/stream.py" "$door" 10.9.0.20)"
bg stays alpha "$PYTHON" "$T/stream.py" "$door" 10.9.0.20 wait
holds() { grep -q waiting "$T/stays.out"; }
wait_for 5 holds
has "who has it" '"pid"' "$(ctl alpha port show lan1/vm -o json)"
is "one client at a time" "hung up" "$("$PYTHON" "$T/stream.py" "$door" 10.9.0.20)"
e2e_end stays
again() { [ "$("$PYTHON" "$T/stream.py" "$door" 10.9.0.20)" = "$mac" ]; }
wait_for 5 again

# QEMU itself: its boot ROM asks for an address, is offered one, and takes it.
if command -v qemu-system-x86_64 >/dev/null && [ -e /usr/lib/ipxe/qemu/pxe-virtio.rom ]; then
    cat >"$T/offer.py" <<'PY'
"""Offers 10.9.0.50 to the station with the MAC given, until it asks for just that."""
import socket, struct, sys
mac = bytes.fromhex(sys.argv[1])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
s.bind(("offers", 0x0800))
own, me, you = s.getsockname()[4], socket.inet_aton("10.9.0.2"), socket.inet_aton("10.9.0.50")
print("listening", flush=True)
s.settimeout(40)
while True:
    data = s.recv(4096)
    if data[6:12] != mac or data[23] != 17 or data[36:38] != b"\0\x43":
        continue
    bootp, kind, asked = data[42:], None, b""
    at = 240
    while at + 1 < len(bootp) and bootp[at] != 255:
        if bootp[at] == 53:
            kind = bootp[at + 2]
        if bootp[at] == 50:
            asked = bootp[at + 2:at + 6]
        at += 1 if bootp[at] == 0 else 2 + bootp[at + 1]
    if kind == 3 and asked == you:
        print("taken", flush=True)
        break
    answer = (b"\2\1\6\0" + bootp[4:8] + bytes(8) + you + me + bytes(4) + mac + bytes(10 + 192)
              + b"\x63\x82\x53\x63" + b"\x35\1\2" + b"\x36\4" + me + b"\x33\4\0\0\x0e\x10"
              + b"\1\4\xff\xff\xff\0" + b"\xff").ljust(300, b"\0")
    udp = struct.pack("!HHHH", 67, 68, 8 + len(answer), 0) + answer
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, me, b"\xff" * 4)
    total = sum(struct.unpack("!10H", ip))
    total = (total & 0xFFFF) + (total >> 16)
    ip = ip[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + ip[12:]
    s.send(mac + own + b"\x08\0" + ip + udp)
PY
    status 0 ctl alpha port add lan1 offers --tap offers
    ip -n alpha link set offers up
    bg offers alpha "$PYTHON" "$T/offer.py" 525400abcdef
    wait_for 5 grep -q listening "$T/offers.out"
    bg qemu alpha qemu-system-x86_64 -accel tcg -nodefaults -display none -m 64 -boot n \
        -netdev "stream,id=n,server=off,addr.type=unix,addr.path=$door" \
        -device virtio-net-pci,netdev=n,mac=52:54:00:ab:cd:ef
    wait_for 40 grep -q taken "$T/offers.out"
    e2e_wait offers
    e2e_end qemu
    status 0 ctl alpha port rm lan1/offers
else
    echo "without QEMU, which is not installed (apt-get install qemu-system-x86 ipxe-qemu)"
fi
status 0 ctl alpha port rm lan1/vm
[ ! -e "$door" ] || fail "the socket of a port that was removed is still there"

ip netns del legacy
e2e_end web
status 0 ctl alpha net rm office
finish
