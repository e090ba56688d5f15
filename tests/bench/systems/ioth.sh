# SPDX-License-Identifier: LGPL-2.1-or-later
# Our rows of the peers' benchmark: sourced by its bench.sh, whose helpers (mkns, daemon, nx,
# overlay, waitping, tunns) it uses. IOTH_BIN holds fabricd, iothctl and wire2.
# shellcheck shell=bash disable=SC2034,SC2154

ioth_ctl() { # NAME arguments…: iothctl to the daemon NAME
    local name=$1
    shift
    "$IOTH_BIN/iothctl" --socket "$RUN/ioth-$name/run/api.sock" "$@"
}

ioth_start() { # NAMESPACE NAME: a daemon of its own there, and wait until it answers
    local i pid
    rm -rf "$RUN/ioth-$2"
    (umask 077; mkdir -p "$RUN/ioth-$2/run" "$RUN/ioth-$2/state")
    daemon "$1" "$IOTH_BIN/fabricd" --name "$2" --run-dir "$RUN/ioth-$2/run" \
        --state-dir "$RUN/ioth-$2/state"
    pid=${PIDS[-1]}
    for i in $(seq 100); do
        if ioth_ctl "$2" status >/dev/null 2>&1; then
            # shellcheck disable=SC2207
            DPIDS+=($(cat "/proc/$pid/task/$pid/children"))
            return 0
        fi
        sleep .05
    done
    log "$SYS: fabricd $2 does not answer"
    return 1
}

ioth_tap() { # NAME INTERFACE: a TAP port on the network bench
    ioth_ctl "$1" port add bench "$2" --tap "$2" >/dev/null
}

# Two programs on one host, TAP to TAP through the switch.
up_ioth_tap() {
    mkns pbA pbB pbC
    ioth_start pbC c || return 1
    ioth_ctl c net create bench --ipv4 none --ipv6 none >/dev/null || return 1
    ioth_tap c ta && ioth_tap c tb && waitdev pbC ta && waitdev pbC tb || return 1
    ip -n pbC link set ta netns pbA
    ip -n pbC link set tb netns pbB
    overlay pbA ta pbB tb
    waitping pbA "$IPB"
}

# Two hosts, a TAP on each, the encrypted link between them.
up_ioth_link() {
    local token i
    tunns
    ioth_start pbA alpha && ioth_start pbB beta || return 1
    ioth_ctl alpha net create bench --ipv4 none --ipv6 none >/dev/null || return 1
    token=$(ioth_ctl alpha host invite) || return 1
    ioth_ctl beta host join "$token" >/dev/null || return 1
    for i in $(seq 100); do
        ioth_ctl beta net show bench >/dev/null 2>&1 && break
        sleep .05
    done
    ioth_tap alpha ta && ioth_tap beta tb || return 1
    overlay pbA ta pbB tb
    waitping pbA "$IPB"
}
