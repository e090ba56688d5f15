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
need_tun
need jq

flow=$E2E_BUILD/tests/bench/ioth_flow
[ -x "$flow" ] || skip "the stack lwip is not built (IOTH_LWIP)"

e2e_hosts alpha
e2e_start alpha
status 0 ctl alpha net create lan1 --ipv4 10.72.0.0/24 --ipv6 fd72::/64
run_in web alpha --net lan1 --ip 10.72.0.10 -- sleep 300
in_web() { ctl alpha exec lan1/web -- "$@"; }

# Without a name the program gives its addresses; from lwip, and from another netns (vdestack).
bg one alpha "$flow" echo netns ioth://lan1 10.72.0.101/24 80
wait_for 5 grep -q listening "$T/one.out"
status 0 on alpha timeout 20 "$flow" rtt lwip ioth://lan1 10.72.0.102/24 80 10.72.0.101 1000 500
has "round trips from lwip" '^rtt .* 500$' "$OUT"
e2e_wait one
is "the server's end" 0 "$STATUS"
bg one alpha "$flow" sink netns ioth://lan1 fd72::101/64 80
wait_for 5 grep -q listening "$T/one.out"
status 0 on alpha timeout 20 "$flow" source vdestack ioth://lan1 fd72::102/64 80 fd72::101 65536 0.3
sent=$(sed -n 's/^bytes \([0-9]*\) .*/\1/p' <<<"$OUT")
e2e_wait one
is "all that was sent over IPv6" "$sent" "$(sed -n 's/^bytes \([0-9]*\) .*/\1/p' "$T/one.out")"

# With a name it is an endpoint: the fabric gives its addresses, and others find it.
bg one alpha "$flow" echo netns 'ioth://lan1[name=one/ip=10.72.0.50]' - 80
wait_for 5 grep -q listening "$T/one.out"
is "pings of an endpoint" 0 \
    "$(in_web ping -c 3 -i 0.2 -W 2 -n 10.72.0.50 >"$T/ping.txt" 2>&1; echo $?)"

# The daemon goes and comes: the TAP is offered again, and the endpoint has what it had.
e2e_stop alpha
allow_log 'lan1/(web|one)'
e2e_start alpha
answers() { in_web ping -c 1 -W 1 -n 10.72.0.50; }
wait_for 10 answers
is "an echo by name" "hello" \
    "$(in_web "$PYTHON" -c 'import socket
s = socket.create_connection(("one", 80), 5)
s.sendall(b"hello")
print(s.recv(5).decode())')"
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
