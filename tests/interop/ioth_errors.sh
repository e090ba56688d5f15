#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What ICMP says of packets: one program, on the kernel's stack and on lwip's, is told the same; and other people's
# programs that live by it.
#
#      alpha
#        error_calls (a node; a process; with libioth)── lan1 ──dtap: ioth_errors.py answers all with errors
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
# shellcheck source=tests/interop/ioth_lib.sh
. "$(dirname "$0")/ioth_lib.sh"
need_tun
need vde_plug traceroute tracepath dig
vde_plugins

e2e_hosts alpha
e2e_start alpha
status 0 ctl alpha net create lan1 --ipv4 10.74.0.0/24 --ipv6 fd74::/64
bg plug alpha vde_plug ioth://lan1 tap://dtap
wait_for 5 ip -n alpha link show dtap
on alpha sh -c 'echo 1 >/proc/sys/net/ipv6/conf/dtap/disable_ipv6'
ip -n alpha link set dtap up
bg errors alpha "$PYTHON" "$(dirname "$0")/ioth_errors.py" dtap
wait_for 5 grep -q ready "$T/errors.out"

calls=$E2E_BUILD/tests/interop/error_calls
same() { # WHAT FILE FILE
    diff "$2" "$3" >"$T/diff.txt" || fail "$1: $(head -n 40 "$T/diff.txt")"
    [ -s "$2" ] || fail "$1: nothing"
}
on alpha timeout 60 "$IOTHCTL" run --net lan1 --root -- "$calls" >"$T/kernel.txt" 2>&1 ||
    fail "the kernel: $(tail -n 1 "$T/kernel.txt")"
on alpha timeout 60 "${calls}_ioth" 'ioth://lan1[name=native]' >"$T/native.txt" 2>&1 ||
    fail "with libioth: $(tail -n 1 "$T/native.txt")"
grep -v ^select "$T/kernel.txt" >"$T/kernel_native.txt"
same "what a program of libioth is told" "$T/kernel_native.txt" "$T/native.txt"
if [ -e "$E2E_BUILD/libioth/libioth-preload.so" ] &&
    ! grep -q 'IOTH_SANITIZE:STRING=.' "$E2E_BUILD/CMakeCache.txt"; then
    on alpha timeout 60 "$IOTHCTL" run --stack lwip --net lan1 -- "$calls" >"$T/lwip.txt" 2>&1 ||
        fail "the stack in the process: $(tail -n 1 "$T/lwip.txt")"
    same "what a program is told" "$T/kernel.txt" "$T/lwip.txt"

    lw() { on alpha timeout 20 "$IOTHCTL" run --stack lwip --net lan1 -- "$@" 2>&1; }
    for way in '10.74.0.205 10.74.0.211 10.74.0.212' 'fd74::205 fd74::20b fd74::20c'; do
        read -r host first second <<<"$way"
        is "traceroute to $host" "1 $first
2 $second
3 $host" "$(lw traceroute -n -q 1 -w 5 -m 5 "$host" | awk 'NR > 1 {print $1, $2}')"
        lw tracepath -n -m 5 "$host" >"$T/path.txt" || fail "tracepath to $host"
        has "who tells tracepath of the MTU" "^ 2: +$first .*pmtu 1400" "$(cat "$T/path.txt")"
        has "tracepath to $host" '^     Resume: pmtu 1400 hops 3 ' "$(cat "$T/path.txt")"
    done
    # A name server that is not there is none at once, and not when its time is over.
    for server in '10.74.0.205 -p 771' 'fd74::205 -p 260'; do
        # shellcheck disable=SC2086 # words
        lw timeout 8 dig +tries=1 +time=10 @$server web >"$T/dig.txt" || true
        has "dig to a closed port of $server" 'connection refused' "$(cat "$T/dig.txt")"
    done
fi
e2e_end errors
e2e_end plug
finish
