# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the tests of libioth have in common; sourced behind lib.sh.
flow=$E2E_BUILD/tests/bench/ioth_flow
[ -x "$flow" ] || skip "the stack lwip is not built (IOTH_LWIP)"

# vde_plugins: programs of libvdeplug's find ours, and Debian's.
vde_plugins() {
    VDEPLUGIN_PATH="$E2E_BUILD/libioth/vdeplug:$(dirname "$(ldconfig -p |
        sed -n 's/.*libvdeplug.so.2.* => //p' | head -n 1)")/vdeplug"
    export VDEPLUGIN_PATH
}

# plug_dtap NET: a device dtap of the host alpha in the network, with the addresses 10.75.0.1 and fd75::1; by `plug`.
plug_dtap() {
    bg plug alpha vde_plug "ioth://$1" tap://dtap
    wait_for 5 ip -n alpha link show dtap
    ip -n alpha addr add 10.75.0.1/24 dev dtap
    ip -n alpha addr add fd75::1/64 dev dtap nodad
    ip -n alpha link set dtap up
}

in_web() { ctl alpha exec lan1/web -- "$@"; }

# two_processes SERVER CLIENT4 CLIENT6: processes on lan1 whose stacks are of these kinds; one serves the others.
two_processes() {
    local sent
    bg one alpha "$flow" echo "$1" ioth://lan1 10.72.0.101/24 80
    wait_for 5 grep -q listening "$T/one.out"
    status 0 on alpha timeout 20 "$flow" rtt "$2" ioth://lan1 10.72.0.102/24 80 10.72.0.101 1000 500
    has "round trips from $2 to $1" '^rtt .* 500$' "$OUT"
    e2e_wait one
    is "the server's end" 0 "$STATUS"
    bg one alpha "$flow" sink "$1" ioth://lan1 fd72::101/64 80
    wait_for 5 grep -q listening "$T/one.out"
    status 0 on alpha timeout 20 "$flow" source "$3" ioth://lan1 fd72::102/64 80 fd72::101 65536 0.3
    sent=$(sed -n 's/^bytes \([0-9]*\) .*/\1/p' <<<"$OUT")
    e2e_wait one
    is "all that was sent over IPv6" "$sent" "$(sed -n 's/^bytes \([0-9]*\) .*/\1/p' "$T/one.out")"
}

# endpoint_one KIND: a process `one` that is an endpoint of lan1, and is found there.
endpoint_one() {
    bg one alpha "$flow" echo "$1" 'ioth://lan1[name=one/ip=10.72.0.50]' - 80
    wait_for 5 grep -q listening "$T/one.out"
    is "pings of an endpoint with a stack of its own" 0 \
        "$(in_web ping -c 3 -i 0.2 -W 2 -n 10.72.0.50 >"$T/ping.txt" 2>&1; echo $?)"
}

# echo_of_one: a program of web's kernel talks to it, by its name.
echo_of_one() {
    is "an echo by name" "hello" \
        "$(in_web "$PYTHON" -c 'import socket
s = socket.create_connection(("one", 80), 5)
s.sendall(b"hello")
print(s.recv(5).decode())')"
}
