#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every command of README.md's tour, read out of it and run, in its order: on alpha until a block
# that says it is for the second machine, beta. Nobody starts a daemon: iothctl does.
#
#      alpha 192.0.2.1  ───── underlay ─────  beta 192.0.2.2
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun
need curl vdens hostname

e2e_hosts alpha beta
for host in alpha beta; do
    mkdir -p "$T/$host" "$T/home-$host"
done
sniff

# user HOST LINE: as a user's shell on that host, which has a name of its own, would run it.
as_user() {
    USER_AT=(ip netns exec "$1" env -u IOTH_SOCKET IOTH_RUN_DIR="$T/$1/run"
        IOTH_STATE_DIR="$T/$1/state" HOME="$T/home-$1" SHELL=/bin/bash
        PATH="$E2E_BUILD/ctl:$E2E_BUILD/fabricd:$PATH"
        unshare --uts bash -c "hostname $1; cd $T/home-$1; $2")
}
user() {
    local USER_AT
    as_user "$@"
    "${USER_AT[@]}"
}

# The lines of the tour's code blocks, each with the host it is for.
tour() {
    awk '/^## A tour/ { tour = 1; next }
         /^## / { tour = 0 }
         tour && /second machine/ { host = "beta" }
         tour && /on the first machine/ { host = "alpha" }
         /^```/ { block = !block && /sh$/; next }
         tour && block && NF { print (host ? host : "alpha") " " $0 }' "$E2E_ROOT/README.md"
}

run_line() {
    local host=$1 line=$2 token=$T/token
    line=${line%%  #*}
    case $line in
    export\ PATH=*) return 0 ;;
    *' &')
        as_user "$host" "exec ${line% &}"
        "${USER_AT[@]}" >"$T/background.out" 2>&1 </dev/null &
        E2E_PID[background]=$!
        ;;
    'kill %1') e2e_end background ;;
    *' -- bash' | vdens*) user "$host" "$line" <<<'ip -brief address; exit' ;;
    *' capture '*) user "$host" "timeout --foreground -s INT 2 $line" || [ $? = 124 ] ;;
    *' host invite') user "$host" "$line" | tee "$token" ;;
    *TOKEN*) user "$host" "${line/TOKEN/$(cat "$token")}" ;;
    *) user "$host" "$line" </dev/null ;;
    esac
}

page() { run_line "$1" "$2" | grep -Eq '<html|<!DOCTYPE'; }

lines=0
while read -r -u 4 host line; do
    echo "$host\$ $line"
    case $line in
    # A person takes a moment to type it.
    *curl*) wait_for 10 page "$host" "$line" ;;
    *)
        run_line "$host" "$line" >"$T/line.out" 2>&1 || {
            cat "$T/line.out" >&2
            fail "$host\$ $line"
        }
        ;;
    esac
    lines=$((lines + 1))
done 4< <(tour)
[ "$lines" -ge 20 ] || fail "the tour has only $lines lines"
finish
