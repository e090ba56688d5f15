#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A process with stacks is killed under bulk traffic: its ports, rings, names and addresses are free at once.
#
#      alpha
#        fabricd
#         │ lan1 ── v0, v1, v2 (stacks of one process: the victim)
#         │      ── peer (sends to all of them)
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
[ -e "$E2E_BUILD/libioth/ioth/ioth_lwip-c.so" ] || skip "the stack lwip is not built"
! grep -q 'IOTH_SANITIZE:STRING=.' "$E2E_BUILD/CMakeCache.txt" || skip "Python is built without the sanitizers' libraries"

STACKS=3
tool=$E2E_ROOT/tests/e2e/kill_stacks.py
# with_libioth NAME ARGUMENTS…: kill_stacks.py in the background; what a former one has said is not its.
with_libioth() {
    local name=$1
    shift
    rm -f "$T/$name.out"
    bg "$name" alpha env LIBIOTH="$E2E_BUILD/libioth/libioth.so" "$PYTHON" "$tool" "$@"
}
killing() { "$PYTHON" "$tool" kill "$@"; }
ports() { ctl alpha port ls lan1 -o json | jq -r '.[].name' | grep -c '^v' || true; }
no_ports() { [ "$(ports)" = 0 ]; }

e2e_hosts alpha
e2e_start alpha
status 0 ctl alpha net create lan1 --ipv4 10.79.0.0/24 --ipv6 none
mapfile -t PIDS < <(e2e_daemon_pids alpha)

quickest=1000000
for round in 1 2 3; do
    with_libioth victim victim lan1 50 $STACKS
    wait_for 10 grep -q ready "$T/victim.out"
    with_libioth peer peer lan1 50 $STACKS
    wait_for 20 grep -q 'under way' "$T/peer.out"
    is "ports of the victim" $STACKS "$(ports)"
    took=$(KEEP=$STACKS killing "${E2E_PID[victim]}" "${PIDS[@]}")
    wait "${E2E_PID[victim]}" || true
    unset "E2E_PID[victim]"
    ms=$(sed -n 's/^gone after \([0-9]*\) ms, of [1-9].*/\1/p' <<<"$took")
    [ -n "$ms" ] || fail "what the daemon had of rings: $took"
    [ "$ms" -lt 1000 ] || fail "rings are there for $ms ms"
    [ "$ms" -ge "$quickest" ] || quickest=$ms

    # The same names and addresses, for another process, at once; who still sends there is told that nobody knows it.
    with_libioth heir take lan1 50 $STACKS
    wait_for 5 grep -q ready "$T/heir.out"
    e2e_wait peer
    is "how the peer's connections end, $round" "ends ECONNRESET" "$(tail -n 1 "$T/peer.out")"
    e2e_end heir
    wait_for 5 no_ports
done
[ "$quickest" -lt 100 ] || fail "at its best the daemon takes $quickest ms"
echo "gone after $quickest ms"

# A program that knows nothing of its stack, and its launcher; each of them is killed once.
if [ -e "$E2E_BUILD/libioth/libioth-preload.so" ]; then
    for which in program launcher; do
        rm -f "$T/short.out"
        bg short alpha "$IOTHCTL" run --stack lwip --net lan1 --name v0 --ip 10.79.0.50 -- "$PYTHON" -u -c '
import os, socket
l = socket.create_server(("", 80))
print("ready", os.getpid(), flush=True)
c = l.accept()[0]
while c.recv(1 << 18):
    pass'
        wait_for 10 grep -q ready "$T/short.out"
        with_libioth peer peer lan1 50 1
        wait_for 20 grep -q 'under way' "$T/peer.out"
        victim=$(sed -n 's/^ready //p' "$T/short.out")
        [ $which = program ] || victim=${E2E_PID[short]}
        took=$(KEEP=1 killing "$victim" "${PIDS[@]}")
        has "what the daemon has of rings, $which" '^gone after [0-9]{1,3} ms, of [1-9]' "$took"
        e2e_wait short
        is "the launcher's status, $which" 137 "$STATUS"
        with_libioth heir take lan1 50 1
        wait_for 5 grep -q ready "$T/heir.out"
        e2e_wait peer
        is "how the peer's connection ends, $which" "ends ECONNRESET" "$(tail -n 1 "$T/peer.out")"
        e2e_end heir
        wait_for 5 no_ports
    done
fi
finish
