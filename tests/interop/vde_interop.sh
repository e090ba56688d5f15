#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Other people's VDE programs on our networks, unchanged.
#
#      alpha
#        fabricd
#         │ lan1 ──────────── web (a node), vde_plug+TAP, vdens, QEMU
#         │   ╎ dpipe, wirefilter
#         │ lan2 ──────────── peer (a node)
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
need_tun
need vde_plug vdens dpipe wirefilter curl

e2e_hosts alpha
e2e_start alpha
status 0 ctl alpha net create lan1 --ipv4 10.71.0.0/24
status 0 ctl alpha net create lan2
lan1="vde://$T/alpha/run/net/lan1"
lan2="vde://$T/alpha/run/net/lan2"
mkdir "$T/www"
echo "$CANARY" >"$T/www/index.html"
run_in web alpha --net lan1 --ip 10.71.0.10 -- "$PYTHON" -m http.server 80 -d "$T/www"
# On lan2, with an address of lan1's subnet: a wire will join the two.
run_in peer alpha --net lan2 --ip 10.71.0.20/24 -- sleep 600
wait_for 5 listens alpha lan1/web 80
reaches() { on alpha ping -c 1 -W 1 -n "$1"; }
node_reaches() { ctl alpha exec "$1" -- ping -c 1 -W 1 -n "$2"; }
ports() { ctl alpha port ls "$1" -o json | jq '[.[] | select(.status.kind == "vde")] | length'; }
ports_are() { [ "$(ports "$1")" = "$2" ]; }

# --- vde_plug and a TAP -------------------------------------------------------------------
bg plug alpha vde_plug "$lan1" tap://vtap
tap_there() { ip -n alpha link show vtap; }
wait_for 5 tap_there
ip -n alpha addr add 10.71.0.30/24 dev vtap
ip -n alpha link set vtap up
wait_for 5 reaches 10.71.0.10
is "a page over VDE" "$CANARY" "$(on alpha curl -sS --max-time 5 http://10.71.0.10/)"
# The node's TAP sends segments of 64 KiB, a VDE client takes none: they are cut for it.
canaries "$T/www/big" 20
is "a big file over VDE" "$(sha256sum <"$T/www/big")" \
    "$(on alpha curl -sS --max-time 30 http://10.71.0.10/big | sha256sum)"
is "one VDE port" 1 "$(ports lan1)"
e2e_end plug
wait_for 5 ports_are lan1 0

# --- vdens ------------------------------------------------------------------------------------
# Now and then vdens does not notice that its program has ended; that is not waited for.
bg dens alpha vdens -i eth "$lan1" sh -c '
    ip addr add 10.71.0.31/24 dev eth0 && ip link set eth0 up && sleep 0.2
    for i in $(seq 20); do ping -c 1 -W 1 -n 10.71.0.10 >/dev/null && break; done
    curl -sS --max-time 5 http://10.71.0.10/ && echo status 0'
wait_for 20 grep -q '^status 0$' "$T/dens.out"
has "a page in vdens" "$CANARY" "$(cat "$T/dens.out")"
e2e_end dens
wait_for 5 ports_are lan1 0

# --- dpipe: a wire between two networks -----------------------------------------------------------
bg wire alpha dpipe vde_plug "$lan1" = vde_plug "$lan2"
wait_for 5 node_reaches lan2/peer 10.71.0.10
e2e_end wire
wait_for 5 ports_are lan1 0
wait_for 5 ports_are lan2 0
status 1 ctl alpha exec lan2/peer -- ping -c 1 -W 1 -n 10.71.0.10

# --- wirefilter: the same with 40 ms each way -----------------------------------------------------
bg slow alpha dpipe vde_plug "$lan1" = wirefilter -d 40 = vde_plug "$lan2"
wait_for 5 node_reaches lan2/peer 10.71.0.10
rtt=$(ctl alpha exec lan2/peer -- ping -c 3 -i 0.2 -n 10.71.0.10 | sed -n 's/^rtt [^=]*= \([0-9]*\).*/\1/p')
[ "$rtt" -ge 75 ] || fail "through wirefilter in $rtt ms instead of 80"
e2e_end slow
wait_for 5 ports_are lan1 0

# --- QEMU: its boot ROM asks for an address ---------------------------------------------------
if command -v qemu-system-x86_64 >/dev/null && [ -e /usr/lib/ipxe/qemu/pxe-virtio.rom ]; then
    listen='import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(("eth0", 3))
print("listening", flush=True)
s.settimeout(40)
while s.recv(4096)[6:12] != bytes.fromhex("525400abcdef"):
    pass
print("heard", flush=True)'
    bg ear alpha "$IOTHCTL" run --net lan1 --root -- "$PYTHON" -c "$listen"
    wait_for 5 grep -q listening "$T/ear.out"
    bg qemu alpha qemu-system-x86_64 -accel tcg -nodefaults -display none -m 64 -boot n \
        -netdev "vde,id=n,sock=$T/alpha/run/net/lan1" \
        -device virtio-net-pci,netdev=n,mac=52:54:00:ab:cd:ef
    wait_for 40 grep -q heard "$T/ear.out"
    e2e_wait ear
    is "QEMU is a port" 1 "$(ports lan1)"
    e2e_end qemu
    wait_for 5 ports_are lan1 0
else
    echo "without QEMU, which is not installed (apt-get install qemu-system-x86 ipxe-qemu)"
fi

# --- a client that does not read harms only itself ------------------------------------------------
bg stuck alpha vde_plug "$lan1" tap://vtap
wait_for 5 tap_there
kill -STOP "${E2E_PID[stuck]}"
status 0 ctl alpha run --net lan1 -- curl -sS --max-time 20 -o /dev/null http://10.71.0.10/big
kill -CONT "${E2E_PID[stuck]}"
e2e_end stuck
wait_for 5 ports_are lan1 0
finish
