#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Many stacks in one process that do nothing take little memory, and nothing wakes them: no timer of their own, no
# hello and no loop probe of the switch.
#
#      alpha  lan1 ── 50 stacks of the kind lwip
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
[ -f "$E2E_BUILD/libioth/ioth/ioth_lwip-c.so" ] || skip "built without the stack lwip"

e2e_hosts alpha
e2e_start alpha
status 0 ctl alpha net create lan1

on alpha "$E2E_BUILD/tests/bench/ioth_idle" 50 ioth://lan1 5 >"$T/idle.out" || fail "$(cat "$T/idle.out")"
read -r _ stacks _ kib _ _ _ wakeups _ <"$T/idle.out"
is "stacks" 50 "$stacks"
# A process is woken now and then by what has nothing to do with stacks.
[ "$wakeups" -le 5 ] || fail "$wakeups wake-ups of 50 idle stacks in 5 s"
# Sanitizers need memory of their own.
if ! grep -q '^IOTH_SANITIZE:[^=]*=.' "$E2E_BUILD/CMakeCache.txt"; then
    [ "$kib" -lt 300 ] || fail "an idle stack takes $kib KiB"
fi
finish
