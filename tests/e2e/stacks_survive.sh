#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The daemon's processes are killed under the bulk traffic of a connection between two stacks: it goes on when they are
# back, and not a byte is lost, doubled or changed.
#
#      alpha
#        fabricd
#         │ lan1 ── v0 (a stack that hears)   tells (a stack that sends)
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
[ -e "$E2E_BUILD/libioth/ioth/ioth_lwip-c.so" ] || skip "the stack lwip is not built"
! grep -q 'IOTH_SANITIZE:STRING=.' "$E2E_BUILD/CMakeCache.txt" || skip "Python is built without the sanitizers' libraries"

tool=$E2E_ROOT/tests/e2e/kill_stacks.py
allow_log 'ended \((signal 9|gone)\), starting it again'
allow_log 'the (parent|switch) process (has gone|is away)'
allow_log 'lan1/(v0|tells)'

e2e_hosts alpha
e2e_start alpha
status 0 ctl alpha net create lan1 --ipv4 10.79.0.0/24 --ipv6 none
bg hears alpha env LIBIOTH="$E2E_BUILD/libioth/libioth.so" "$PYTHON" "$tool" hear lan1 50 1
wait_for 10 grep -q ready "$T/hears.out"
mkfifo "$T/end"
exec 7<>"$T/end"
bg tells alpha sh -c 'exec "$@" <"$0"' "$T/end" env LIBIOTH="$E2E_BUILD/libioth/libioth.so" \
    "$PYTHON" "$tool" tell lan1 50 1

progress() { grep -c '^at ' "$T/hears.out" || true; }
beyond() { [ "$(progress)" -gt "$1" ]; }
goes_on() { wait_for 20 beyond $(($(progress) + 1)); }
new_switch() { [ "$(e2e_daemon_pids alpha | sed -n 2p)" != "$1" ]; }

goes_on
for n in 1 2 3; do
    switch=$(e2e_daemon_pids alpha | sed -n 2p)
    kill -KILL "$switch"
    wait_for 5 gone "$switch"
    wait_for 10 new_switch "$switch"
    goes_on
done
# All three at a time, and the next daemon.
mapfile -t pids < <(e2e_daemon_pids alpha)
kill -KILL "${pids[@]}"
wait "${E2E_DAEMON[alpha]}" || true
e2e_start alpha
goes_on
echo >&7
e2e_wait tells
is "who sends" 0 "$STATUS"
e2e_wait hears
has "what was sent" '^all [0-9]{8,} [0-9a-f]{64}$' "$(tail -n 1 "$T/tells.out")"
is "what has come" "$(tail -n 1 "$T/tells.out")" "$(tail -n 1 "$T/hears.out")"
finish
