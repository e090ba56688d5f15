# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Runs a guide as its reader would: every command of its `sh` blocks, in their order, on the host
# that the text before the block names ("On **beta**, …"; in README.md "the second machine" is
# beta). Sourced after lib.sh.
#
#   guide_hosts alpha beta   hosts for readers who start no daemon themselves: iothctl does
#   guide FILE [HEADING]     runs the commands; of the section "## HEADING" alone if it is named
#   GUIDE_LINES              how many it has run
#
# A line that ends in & goes on in the background and is ended by `kill %N`; TOKEN is what
# `host invite` printed last; what shows things until Ctrl-C is interrupted after two seconds;
# the comment behind a command ("  # …") is for readers.
need curl hostname
GUIDE_LINES=0
declare -A GUIDE_JOBS=() # How many jobs each host's shell has started.

guide_hosts() {
    local host
    e2e_hosts "$@"
    for host; do
        mkdir -p "$T/$host" "$T/home-$host"
    done
}

# What runs a line as a user's shell on that host, which has a name of its own, in GUIDE_AT.
guide_at() {
    GUIDE_AT=(ip netns exec "$1" env -u IOTH_SOCKET IOTH_RUN_DIR="$T/$1/run"
        IOTH_STATE_DIR="$T/$1/state" HOME="$T/home-$1" SHELL=/bin/bash
        PATH="$E2E_BUILD/ctl:$E2E_BUILD/fabricd:$PATH"
        unshare --uts bash -c "hostname $1; cd $T/home-$1; $2")
}

guide_user() {
    local GUIDE_AT
    guide_at "$@"
    "${GUIDE_AT[@]}"
}

# The lines of the guide's code blocks, each with the host that it is for; a here-document, a
# file that the reader writes, stays one line with \n for its ends of lines.
guide_lines() {
    awk -v heading="$2" '
        BEGIN { inside = heading == ""; host = "alpha" }
        !block && heading != "" && /^## / { inside = index($0, "## " heading) == 1; next }
        /On the second machine/ { host = "beta" }
        /[Oo]n the first machine/ { host = "alpha" }
        !block && match($0, /[Oo]n \*\*[a-z]+\*\*/) {
            host = substr($0, RSTART + 5, RLENGTH - 7)
        }
        /^```/ { block = !block && /sh$/; next }
        !inside || !block { next }
        document != "" {
            whole = whole "\\n" $0
            if ($0 == document) { print host " " whole; document = "" }
            next
        }
        match($0, /<<.?EOF/) { document = "EOF"; whole = $0; next }
        NF { print host " " $0 }' "$1"
}

# E2E_PID is of lib.sh.
# shellcheck disable=SC2034
guide_line() {
    local host=$1 line=$2 token=$T/token job GUIDE_AT
    line=${line%%  #*}
    case $line in
    export\ PATH=*) return 0 ;;
    *' &')
        GUIDE_JOBS[$host]=$((${GUIDE_JOBS[$host]:-0} + 1))
        job=$host-${GUIDE_JOBS[$host]}
        guide_at "$host" "exec ${line% &}"
        "${GUIDE_AT[@]}" >"$T/job-$job.out" 2>&1 </dev/null &
        E2E_PID[$job]=$!
        ;;
    'kill %'*) e2e_end "$host-${line#kill %}" ;;
    *' -- bash' | vdens*) guide_user "$host" "$line" <<<'ip -brief address; exit' ;;
    *' capture '* | *'iothctl events' | *' logs -f '*)
        guide_user "$host" "timeout --foreground -s INT 2 $line" || [ $? = 124 ]
        ;;
    *' host invite'*) guide_user "$host" "$line" | tee "$token" ;;
    *TOKEN*) guide_user "$host" "${line/TOKEN/$(cat "$token")}" ;;
    *'<<'*) guide_user "$host" "$(printf '%b' "$line")" ;;
    *) guide_user "$host" "$line" </dev/null ;;
    esac
}

guide_page() {
    guide_line "$1" "$2" | grep -Eq '<html|<!DOCTYPE'
}

guide() {
    local host line
    while read -r -u 4 host line; do
        echo "$host\$ $line"
        case $line in
        # A person takes a moment to type it.
        *curl*http://[a-z]*) wait_for 10 guide_page "$host" "$line" ;;
        *)
            guide_line "$host" "$line" >"$T/line.out" 2>&1 || {
                cat "$T/line.out" >&2
                fail "$host\$ $line"
            }
            ;;
        esac
        GUIDE_LINES=$((GUIDE_LINES + 1))
    done 4< <(guide_lines "$1" "${2:-}")
}
