#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The socket calls of a program, on the kernel and with a stack in its own process; and those that are
# refused.
#
#      alpha
#        fabricd
#         │ lan1 ── a process
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need busybox
[ -e "$E2E_BUILD/libioth/libioth-preload.so" ] || skip "the preloaded library is not built"
! grep -q 'IOTH_SANITIZE:STRING=.' "$E2E_BUILD/CMakeCache.txt" ||
    skip "programs are built without the sanitizers' libraries"

e2e_hosts alpha
e2e_start alpha
status 0 ctl alpha net create lan1 --ipv4 10.72.0.0/24 --ipv6 fd72::/64
lw() { on alpha timeout 60 "$IOTHCTL" run --stack lwip --net lan1 -- "$@"; }
calls=$E2E_BUILD/tests/e2e/preload_calls
refused=$E2E_BUILD/tests/e2e/preload_refused

on alpha timeout 60 "$calls" >"$T/kernel.txt" 2>&1 || fail "the kernel: $(tail -n 1 "$T/kernel.txt")"
lw "$calls" >"$T/lwip.txt" 2>"$T/lwip.err" ||
    fail "the stack in the process: $(tail -n 1 "$T/lwip.txt") $(cat "$T/lwip.err")"
is "what a program sees" "$(cat "$T/kernel.txt")" "$(cat "$T/lwip.txt")"
is "nothing is said" "" "$(cat "$T/lwip.err")"

# On a machine that has been up for eight months.
late=(unshare --time --monotonic 20000000 --fork)
if on alpha "${late[@]}" true 2>/dev/null; then
    on alpha timeout 60 "${late[@]}" "$IOTHCTL" run --stack lwip --net lan1 -- "$calls" >"$T/late.txt" 2>&1 ||
        fail "when the clock has gone far: $(tail -n 1 "$T/late.txt")"
    is "what a program sees when the clock has gone far" "$(cat "$T/kernel.txt")" "$(cat "$T/late.txt")"
fi

for n in 1 2 3; do
    for how in exit _exit; do
        status 0 lw "$calls" $how
        is "the end by $how, $n" "ends" "$OUT$ERR"
    done
done

while read -r what says; do
    status 0 lw "$refused" "$what"
    is "refused: $what" "refused as it should be" "$OUT"
    has "a line about: $what" "^iothctl: preload_refused: $says" "$ERR"
    has "and what can: $what" '^hint: iothctl run --stack netns' "$ERR"
done <<'END'
fork fork\(\) failed: sockets are open
two socket\(\) failed: process [0-9]+ \(preload_refused\) has this node's stack
exec handing a socket to another program failed
inherit handing a socket to another program failed
pass sending a socket to another process
splice splice\(\) failed
async O_ASYNC failed
raw a socket made by the system call itself failed
uring io_uring failed
netlink a netlink socket failed
handler a socket call in a signal handler failed
END

# A static program that is started by another is ended, and it is said of the first one too.
status 159 lw sh -c 'exec busybox nc 127.0.0.1 9'
has "who is past the library" 'system call itself|linked statically' "$ERR"
status 0 lw sh -c 'busybox true'
finish
