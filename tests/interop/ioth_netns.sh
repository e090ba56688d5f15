#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Processes with stacks of the kind netns on a fabric network, beside lwip and a node.
#
#      alpha
#        fabricd
#         │ lan1 ── web (a node), one (a process with a stack netns), two (lwip or netns)
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
# shellcheck source=tests/interop/ioth_lib.sh
. "$(dirname "$0")/ioth_lib.sh"
need_tun
need jq

e2e_hosts alpha
e2e_start alpha
status 0 ctl alpha net create lan1 --ipv4 10.72.0.0/24 --ipv6 fd72::/64
run_in web alpha --net lan1 --ip 10.72.0.10 -- sleep 300

# Without a name the program gives its addresses; from lwip, and from another netns (vdestack).
two_processes netns lwip vdestack

# With a name it is an endpoint: the fabric gives its addresses, and others find it.
endpoint_one netns

# Its addresses are those, and one of the link: that of its MAC.
status 0 on alpha timeout 20 "$E2E_BUILD/tests/interop/ioth_addrs" netns 'ioth://lan1[name=two]' 5 2
has "what the fabric gave" '^vde0 10\.72\.0\.' "$OUT"
mac=$(ctl alpha endpoint show lan1/two -o json | jq -r .mac)
is "one link-local address, of the MAC" \
    "$("$PYTHON" -c 'import ipaddress, sys
m = bytes.fromhex(sys.argv[1].replace(":", ""))
print("vde0", ipaddress.ip_address(b"\xfe\x80" + bytes(6) + bytes([m[0] ^ 2]) + m[1:3] + b"\xff\xfe" + m[3:]))' "$mac")" \
    "$(grep 'vde0 fe80' <<<"$OUT")"
status 0 ctl alpha endpoint rm lan1/two

# The daemon goes and comes: the TAP is offered again, and the endpoint has what it had.
e2e_stop alpha
allow_log 'lan1/(web|one)'
e2e_start alpha
answers() { in_web ping -c 1 -W 1 -n 10.72.0.50; }
wait_for 10 answers
echo_of_one
e2e_wait one

# A program that is killed takes its holder, its namespace and its port with it.
bg one alpha "$flow" echo netns 'ioth://lan1[name=one]' - 80
wait_for 5 grep -q listening "$T/one.out"
taps() { ctl alpha port ls lan1 -o json | jq '[.[] | select(.status.kind == "tap")] | length'; }
is "TAPs of the node and of the process" 2 "$(taps)"
e2e_end one KILL
one_tap() { [ "$(taps)" = 1 ]; }
wait_for 5 one_tap

# What a machine forbids is said.
OUT=$(on alpha unshare -Ur sh -c "echo 0 >/proc/sys/user/max_user_namespaces
    exec $flow echo netns - - 80" 2>&1) || true
has "no user namespaces" 'user namespaces are switched off' "$OUT"
finish
