# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# For tests that let a process of a daemon die, or stand still, at a step of the code's own table
# (proto/base/fault.h). Read after lib.sh.
#
#   STEPS                       all steps
#   begin HOST [FLAG…]          a fabricd on it in which that can happen
#   arm HOST STEP kill|stop     it is to happen;  came HOST: it has
#   stopped PID                 the process stands still

# shellcheck disable=SC2034
STEPS=$("$E2E_BUILD/tests/support/fault_steps")
[ -n "$STEPS" ] || skip "this build has no faults (cmake --preset dev)"

declare -A killed=() # By host: how often, since it began.
begin() {
    truncate -s 0 "$T/$1.fault"
    truncate -s 64 "$T/$1.fault"
    killed[$1]=0
    IOTH_FAULT=$T/$1.fault e2e_start "$@"
}
arm() {
    printf '%s %s\0' "$2" "$3" | dd of="$T/$1.fault" conv=notrunc status=none
}
came() { [ "$(head -c 1 "$T/$1.fault" | tr -d '\0')" = '' ]; }
stopped() { [ "$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status")" = T ]; }
