#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Processes with stacks of their own, and other people's VDE programs over the plugin.
#
#      alpha
#        fabricd
#         │ lan1 ── web (a node, TAP)   one, two (processes with a stack lwip)
#         │      ── vde_plug ioth://lan1 tap://vtap
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
# shellcheck source=tests/interop/ioth_lib.sh
. "$(dirname "$0")/ioth_lib.sh"
need_tun
need vde_plug curl dnsmasq

vde_plugins

e2e_hosts alpha
e2e_start alpha
status 0 ctl alpha net create lan1 --ipv4 10.72.0.0/24 --ipv6 fd72::/64
mkdir "$T/www"
canaries "$T/www/big" 20
run_in web alpha --net lan1 --ip 10.72.0.10 -- "$PYTHON" -m http.server 80 -d "$T/www"
wait_for 5 listens alpha lan1/web 80

# One process to another, both without any privilege or device; IPv4 and IPv6.
two_processes lwip lwip lwip

# Without a switch at all: vxvde, whose processes find one another by multicast.
ip -n alpha route add 239.0.0.0/8 dev up0
bg one alpha "$flow" echo lwip vxvde://239.1.2.3 10.79.0.1/24 80
wait_for 5 grep -q listening "$T/one.out"
status 0 on alpha timeout 20 "$flow" rtt lwip vxvde://239.1.2.3 10.79.0.2/24 80 10.79.0.1 1000 500
has "round trips over vxvde" '^rtt .* 500$' "$OUT"
e2e_wait one

# An endpoint of the fabric: its name gives it its addresses, and others find it by name.
endpoint_one lwip
# A program of the host's kernel, behind a TAP, to a process, and back.
echo_of_one
e2e_wait one
# Its address is free again.
status 0 ctl alpha endpoint rm lan1/one

# From a kernel with segments of 64 KiB, and to one.
bg one alpha "$flow" sink lwip ioth://lan1 10.72.0.101/24 80
wait_for 5 grep -q listening "$T/one.out"
in_web "$PYTHON" -c 'import socket
s = socket.create_connection(("10.72.0.101", 80), 5)
s.sendall(bytes(20000000))'
e2e_wait one
has "bytes from a kernel" '^bytes 20000000 ' "$(cat "$T/one.out")"
bg ear alpha "$IOTHCTL" exec lan1/web -- "$PYTHON" -c 'import socket
l = socket.create_server(("", 81))
print("listening", flush=True)
c, _ = l.accept()
n = 0
while data := c.recv(1 << 20):
    n += len(data)
print("bytes", n, flush=True)'
wait_for 5 grep -q listening "$T/ear.out"
status 0 on alpha timeout 20 "$flow" source lwip ioth://lan1 10.72.0.102/24 81 10.72.0.10 65536 0.3
sent=$(sed -n 's/^bytes \([0-9]*\) .*/\1/p' <<<"$OUT")
e2e_wait ear
has "bytes to a kernel" "^bytes $sent\$" "$(cat "$T/ear.out")"

# A process that goes takes its port with it.
rings() { [ "$(ctl alpha port ls lan1 -o json | jq '[.[] | select(.status.kind == "ring")] | length')" = "$1" ]; }
wait_for 5 rings 0

# A VDE program that knows nothing of us.
bg plug alpha vde_plug ioth://lan1 tap://vtap
tap_there() { ip -n alpha link show vtap; }
wait_for 5 tap_there
ip -n alpha addr add 10.72.0.30/24 dev vtap
ip -n alpha link set vtap up
reaches() { on alpha ping -c 1 -W 1 -n "$1"; }
wait_for 5 reaches 10.72.0.10
is "a big file over the plugin" "$(sha256sum <"$T/www/big")" \
    "$(on alpha curl -sS --max-time 30 http://10.72.0.10/big | sha256sum)"
e2e_end plug

# One that does not poll sleeps in vde_recv() until a frame comes; one that polls, in poll().
frames=$E2E_BUILD/tests/bench/vde_frames
asleep() { # PROCESS: nothing but sleep, whenever one looks
    local i state
    for i in {1..20}; do
        state=$(sed 's/.*) //' "/proc/${E2E_PID[$1]}/stat") || return 1
        [ "${state%% *}" = S ] || return 1
    done
}
for waits in rx poll; do
    bg ear alpha "$frames" "$waits" ioth://lan1
    wait_for 5 rings 1
    wait_for 5 asleep ear
    status 0 on alpha timeout 20 "$frames" tx ioth://lan1 60 0.2
    wait_for 5 asleep ear
    e2e_end ear
    wait_for 5 rings 0
    has "frames by $waits" '^rx [1-9][0-9]{2,} ' "$(cat "$T/ear.out")"
done

# Addresses that a network's server gives, and those that a stack makes of what a router says.
addrs=$E2E_BUILD/tests/interop/ioth_addrs
status 0 ctl alpha net create lan2 --ipv4 none --ipv6 none
plug_dtap lan2
bg dns alpha dnsmasq --no-daemon --port=0 --conf-file=/dev/null --interface=dtap --bind-interfaces \
    --dhcp-leasefile="$T/leases" --dhcp-range=10.75.0.50,10.75.0.60,2m \
    --enable-ra --dhcp-range=fd75::,ra-only,64,2m
wait_for 5 grep -q 'DHCP, IP range' "$T/dns.out"
status 0 on alpha timeout 20 "$addrs" lwip,dhcp,slaac ioth://lan2 15 2
has "an address by DHCP" '^vde0 10\.75\.0\.[56]' "$OUT"
has "an address by SLAAC" '^vde0 fd75::' "$OUT"
e2e_end dns
e2e_end plug

# The daemon goes and comes: the stack plugs in again by itself, and its connection goes on.
bg one alpha "$flow" echo lwip ioth://lan1 10.72.0.101/24 80
wait_for 5 grep -q listening "$T/one.out"
bg two alpha "$flow" rtt lwip ioth://lan1 10.72.0.102/24 80 10.72.0.101 1000 300000
wait_for 5 rings 2
e2e_stop alpha
allow_log 'lan1/web'
e2e_start alpha
wait_for 10 rings 2
e2e_wait two
is "round trips across a restart" 0 "$STATUS"
e2e_wait one
finish
