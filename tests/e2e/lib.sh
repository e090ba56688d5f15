# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The ground of the end-to-end tests: sourced by each as its first command, it runs the script
# again inside namespaces of its own (network, mounts, processes; users too if it is not root),
# where hosts are made, daemons are started and everything is looked after:
#
#   e2e_hosts alpha beta        hosts (network namespaces) on one underlay, a bridge:
#                               192.0.2.1, 192.0.2.2, … and 2001:db8::1, …
#   e2e_start alpha [FLAG…]     a fabricd on it;  e2e_stop alpha ends it by SIGTERM
#   hosts_up alpha beta         each of these hosts sees itself and all the others up
#   on alpha CMD…               runs a command there;  ctl alpha ARGS… is iothctl there
#   bg NAME alpha CMD…          starts one in the background: its output in $T/NAME.out, its
#                               pid in ${E2E_PID[NAME]};  e2e_end NAME [SIGNAL] ends it
#   run_in NAME alpha ARGS…     the same with `iothctl run --name NAME ARGS…`, and waits until
#                               the program runs
#   wait_for SECONDS CMD…       until the command succeeds, or the test fails
#   is WHAT EXPECTED ACTUAL, has WHAT PATTERN TEXT, status N CMD…
#   canaries FILE MEGABYTES     a file full of $CANARY
#   sniff, unseen               everything on the underlay, recorded; $CANARY is not in it
#   allow_log REGEX             warnings that a test provokes
#   finish                      the end: stops daemons, checks that nothing is left
#
# Exit status: 0 passed, 1 failed, 77 skipped (the reason is said). T is the scratch folder.
set -euo pipefail

E2E_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
E2E_BUILD=${IOTH_BUILD_DIR:-$E2E_ROOT/build/dev}
FABRICD=$E2E_BUILD/fabricd/fabricd
IOTHCTL=$E2E_BUILD/ctl/iothctl
export LC_ALL=C.UTF-8 PATH=$PATH:/usr/sbin:/sbin PYTHONDONTWRITEBYTECODE=1
# The leak finder of the sanitizers hangs in a process whose children live in another process id
# namespace (iothctl exec).
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0}
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=python3

skip() {
    echo "SKIP: $*"
    exit 77
}

E2E_FAILED=
fail() {
    E2E_FAILED=1
    echo "FAIL: $*" >&2
    exit 1
}

# need CMD…: what the machine must have for this test.
need() {
    local cmd
    for cmd; do
        command -v "$cmd" >/dev/null || skip "$cmd is not installed (deploy/install-deps)"
    done
}

# --- the sandbox --------------------------------------------------------------------------

# Runs the script again where its namespaces hide everything it makes. The process id namespace
# ends with it, and so do all processes in it.
e2e_enter() {
    local flags=(--net --mount --pid --uts --ipc --fork --kill-child --mount-proc)

    need unshare ip jq
    if ! [ -x "$FABRICD" ] || ! [ -x "$IOTHCTL" ]; then
        skip "nothing is built in $E2E_BUILD"
    fi
    if [ "$(id -u)" != 0 ]; then
        flags+=(--user --map-root-user)
    fi
    unshare "${flags[@]}" true 2>/dev/null ||
        skip "no namespaces for this user here (sudo sysctl -w kernel.unprivileged_userns_clone=1)"
    E2E_INSIDE=$$ exec unshare "${flags[@]}" "$0" "$@"
}

if [ -z "${E2E_INSIDE:-}" ]; then
    e2e_enter "$@"
fi

mount -t tmpfs -o mode=0755 tmpfs /run
T=$(mktemp -d "${TMPDIR:-/tmp}/ioth-e2e.XXXXXX")
CANARY="canary-$$-$RANDOM$RANDOM$RANDOM"
unset XDG_RUNTIME_DIR XDG_STATE_HOME IOTH_SOCKET IOTH_RUN_DIR IOTH_STATE_DIR
declare -A E2E_PID=() E2E_DAEMON=() E2E_PROXIES=()
E2E_HOSTS=() E2E_ALLOWED=() E2E_SNIFFER='' E2E_LAST=''
ip link set lo up

e2e_exit() {
    local status=$? log
    trap - EXIT
    if [ $status != 0 ] && [ $status != 77 ]; then
        [ -n "$E2E_FAILED" ] || echo "FAIL: ${E2E_LAST:-exit status $status}" >&2
        for log in "$T"/*.log "$T"/*.out; do
            [ -s "$log" ] || continue
            echo "--- ${log##*/}"
            tail -n 40 "$log"
        done >&2
    fi
    # Nothing of ours is a mount below it.
    rm -rf "$T"
    exit "$status"
}
trap e2e_exit EXIT
# Where a command failed last: commands may fail in conditions, so it is said only at the end.
trap 'E2E_LAST="${BASH_SOURCE[0]##*/}:$LINENO: $BASH_COMMAND"' ERR
set -o errtrace

# TAPs: root, or everybody, must be able to open the device.
need_tun() {
    [ -c /dev/net/tun ] ||
        skip "/dev/net/tun is missing (sudo modprobe tun; sudo mknod -m 0666 /dev/net/tun c 10 200)"
    (: <>/dev/net/tun) 2>/dev/null ||
        skip "/dev/net/tun may not be opened (sudo chmod 0666 /dev/net/tun)"
}

# --- waiting and comparing ----------------------------------------------------------------

# wait_for SECONDS CMD…: polls until the command succeeds.
wait_for() {
    local until=$((${EPOCHREALTIME/./} + $1 * 1000000))
    shift
    until "$@" >"$T/wait.txt" 2>&1; do
        if [ "${EPOCHREALTIME/./}" -gt "$until" ]; then
            sed 's/^/  | /' "$T/wait.txt" >&2
            fail "waited too long for: $*"
        fi
        sleep 0.03
    done
}

is() {
    [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}

# has WHAT PATTERN TEXT: the text matches the extended regular expression, in some line.
has() {
    grep -Eq -- "$2" <<<"$3" || fail "$1: no '$2' in: $3"
}

hasnt() {
    ! grep -Eq -- "$2" <<<"$3" || fail "$1: there is '$2' in: $3"
}

# status N CMD…: the command ends with that exit status. Its output is in $OUT and $ERR.
status() {
    local want=$1 got=0
    shift
    "$@" >"$T/status.stdout" 2>"$T/status.stderr" </dev/null || got=$?
    # For the caller.
    # shellcheck disable=SC2034
    OUT=$(cat "$T/status.stdout") ERR=$(cat "$T/status.stderr")
    [ "$got" = "$want" ] || fail "exit status $got instead of $want of: $* ($ERR)"
}

gone() {
    ! kill -0 "$1" 2>/dev/null
}

# canaries FILE MEGABYTES: a file full of them.
canaries() {
    "$PYTHON" -c 'import sys
line = sys.argv[1].encode() + b"\n"
size = int(sys.argv[3]) << 20
open(sys.argv[2], "wb").write((line * (size // len(line) + 1))[:size])' "$CANARY" "$1" "$2"
}

# --- hosts --------------------------------------------------------------------------------

# The underlay is a bridge in the test's own namespace: uN leads to the N-th host.
e2e_hosts() {
    local name n=${#E2E_HOSTS[@]}

    if [ "$n" = 0 ]; then
        ip link add underlay type bridge
        ip link set underlay up
    fi
    for name; do
        n=$((n + 1))
        ip netns add "$name"
        ip link add "u$n" type veth peer name up0 netns "$name"
        ip link set "u$n" master underlay up
        ip -n "$name" link set lo up
        ip -n "$name" addr add "192.0.2.$n/24" dev up0
        ip -n "$name" addr add "2001:db8::$n/64" dev up0 nodad
        ip -n "$name" link set up0 up
        E2E_HOSTS+=("$name")
    done
}

# Cuts or restores the underlay between hosts: those named do not reach each other any more, but
# do reach the others.
e2e_cut() {
    local i name
    for name; do
        for i in "${!E2E_HOSTS[@]}"; do
            [ "${E2E_HOSTS[i]}" != "$name" ] || bridge link set dev "u$((i + 1))" isolated on
        done
    done
}

e2e_join_up() {
    local i
    for i in "${!E2E_HOSTS[@]}"; do
        bridge link set dev "u$((i + 1))" isolated off
    done
}

# What runs a command on a host, in E2E_AT; it becomes the command, so that a pid stays good.
e2e_at() {
    E2E_AT=(ip netns exec "$1" env "IOTH_SOCKET=$T/$1/run/api.sock")
}

# on HOST CMD…
on() {
    local E2E_AT
    e2e_at "$1"
    "${E2E_AT[@]}" "${@:2}"
}

ctl() {
    local host=$1
    shift
    on "$host" "$IOTHCTL" "$@"
}

# What starts the daemons, if it is not to be this shell.
E2E_STARTER=()

e2e_start() {
    local host=$1 E2E_AT
    shift
    e2e_unproxy "$host"
    mkdir -p "$T/$host"
    e2e_at "$host"
    "${E2E_AT[@]}" "${E2E_STARTER[@]}" "$FABRICD" --name "$host" --run-dir "$T/$host/run" --state-dir "$T/$host/state" \
        "$@" >>"$T/$host.log" 2>&1 </dev/null &
    E2E_DAEMON[$host]=$!
    wait_for 10 ctl "$host" --no-start status
    [ -z "${E2E_PROXY:-}" ] || e2e_proxy "$host"
}

# With E2E_PROXY=FILE all that is said to a daemon's API goes through openapi_proxy.py, which writes
# into FILE what it finds.
e2e_proxy() {
    local run=$T/$1/run
    mv "$run/api.sock" "$run/api.direct"
    "$PYTHON" "$E2E_ROOT/tests/e2e/openapi_proxy.py" "$run/api.sock" "$run/api.direct" "$E2E_PROXY" \
        >>"$T/proxy.out" 2>&1 </dev/null &
    E2E_PROXIES[$1]=$!
    wait_for 10 test -S "$run/api.sock"
    wait_for 10 ctl "$1" --no-start status
}

# The daemon's own socket, for clients that no proxy could serve in time.
e2e_direct() {
    local run=$T/$1/run
    [ -S "$run/api.direct" ] && echo "$run/api.direct" || echo "$run/api.sock"
}

e2e_unproxy() {
    local pid=${E2E_PROXIES[$1]:-}
    [ -n "$pid" ] || return 0
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    unset "E2E_PROXIES[$1]"
    rm -f "$T/$1/run/api.sock" "$T/$1/run/api.direct"
}

# By SIGTERM: all of its processes are gone within a second.
e2e_stop() {
    local host=$1 pid=${E2E_DAEMON[$1]} pids p
    pids=$(e2e_daemon_pids "$host")
    kill "$pid"
    for p in $pid $pids; do
        wait_for 2 gone "$p"
    done
    unset "E2E_DAEMON[$host]"
    e2e_unproxy "$host"
}

hosts_up() {
    local host wanted=self i
    for ((i = 1; i < $#; i++)); do
        wanted+=" up"
    done
    for host; do
        [ "$(ctl "$host" host ls -o json | jq -r '[.[].status.state] | sort | join(" ")')" = "$wanted" ] ||
            return 1
    done
}

# e2e_join FOUNDER HOST…: the others join the fabric of the first; all see each other, and have its networks.
e2e_join() {
    local host
    for host in "${@:2}"; do
        status 0 ctl "$host" host join "$(ctl "$1" host invite)"
    done
    wait_for 20 hosts_up "$@"
    wait_for 10 networks_alike "$@"
}

networks_alike() {
    local host first
    first=$(ctl "$1" net ls -o json | jq -c 'map(.name)')
    for host in "${@:2}"; do
        [ "$(ctl "$host" net ls -o json | jq -c 'map(.name)')" = "$first" ] || return 1
    done
}

# The three processes of a host's daemon: parent, switch, control.
e2e_daemon_pids() {
    ctl "$1" status -o json | jq -r '.pids | .parent, .switch, .control'
}

# --- programs in the background -----------------------------------------------------------

bg() {
    local name=$1 host=$2 E2E_AT
    shift 2
    e2e_at "$host"
    rm -f "$T/$name.out" # What one of that name said before is none of its.
    "${E2E_AT[@]}" "$@" >"$T/$name.out" 2>&1 </dev/null &
    E2E_PID[$name]=$!
}

# STATUS is for the caller.
# shellcheck disable=SC2034
# e2e_end NAME [SIGNAL]: ends it and waits for it; its exit status in $STATUS.
e2e_end() {
    local pid=${E2E_PID[$1]}
    kill -s "${2:-TERM}" "$pid" 2>/dev/null || true
    STATUS=0
    wait "$pid" || STATUS=$?
    unset "E2E_PID[$1]"
}

# shellcheck disable=SC2034
# e2e_wait NAME: waits for its own end.
e2e_wait() {
    STATUS=0
    wait "${E2E_PID[$1]}" || STATUS=$?
    unset "E2E_PID[$1]"
}

# run_in NAME HOST ARGS…: `iothctl run --name NAME ARGS…` in the background.
run_in() {
    local name=$1 host=$2
    shift 2
    bg "$name" "$host" "$IOTHCTL" run --name "$name" "$@"
    wait_for 5 e2e_runs "$name" "$host" "$@"
}

e2e_runs() {
    local name=$1 host=$2 net
    shift 2
    while [ "$1" != --net ]; do
        shift
    done
    net=${2%%:*}
    gone "${E2E_PID[$name]}" && fail "$name ended: $(cat "$T/$name.out")"
    ctl "$host" endpoint show "$net/$name" -o json | jq -e '.status.state == "up"'
}

# listens HOST NET/NAME PORT: something accepts TCP connections there, in that node.
listens() {
    ctl "$1" exec "$2" -- ss -Htln "sport = :$3" | grep -q LISTEN
}

# --- what crosses the underlay ------------------------------------------------------------

# Records the underlay from here on.
sniff() {
    "$PYTHON" "$E2E_ROOT/tests/e2e/sniff.py" record underlay "$T/underlay.pcap" \
        >"$T/sniffer.out" 2>&1 &
    E2E_SNIFFER=$!
    wait_for 5 grep -q listening "$T/sniffer.out"
}

sniffed() {
    grep -aqF -- "$1" "$T/underlay.pcap"
}

# The canary is not to be seen, though the sniffer does see: what a host sends in clear, too.
unseen() {
    local control="control-$RANDOM$RANDOM" datagrams
    # shellcheck disable=SC2016 # expanded by the shell inside
    on "${E2E_HOSTS[0]}" bash -c 'echo "$1" >/dev/udp/192.0.2.2/9' - "$control"
    wait_for 5 sniffed "$control"
    ! sniffed "$CANARY" || fail "the underlay carried the canary in clear"
    datagrams=$("$PYTHON" "$E2E_ROOT/tests/e2e/sniff.py" count "$T/underlay.pcap" 4655)
    [ "$datagrams" -gt 0 ] || fail "the sniffer saw nothing of the fabric"
}

# --- the end ------------------------------------------------------------------------------

allow_log() {
    E2E_ALLOWED+=("$1")
}

# Lines of the daemons' logs that nobody expects.
e2e_complaints() {
    local pattern='^$' regex
    for regex in ${E2E_ALLOWED[@]+"${E2E_ALLOWED[@]}"}; do
        pattern="$pattern|$regex"
    done
    grep -EHn '\] (warn|error): |Sanitizer|runtime error' "$T"/*.log 2>/dev/null |
        grep -Ev -- "$pattern" || true
}

# All that live in this process id namespace, but this shell and its subshell.
e2e_others() {
    local p state
    for p in /proc/[0-9]*; do
        p=${p#/proc/}
        if [ "$p" = $$ ] || [ "$p" = "$BASHPID" ]; then
            continue
        fi
        state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$p/status" 2>/dev/null) || continue
        case $state in
        '' | Z) ;;
        *) echo "$p $(tr '\0' ' ' <"/proc/$p/cmdline" 2>/dev/null)" ;;
        esac
    done
}

no_others() {
    [ -z "$(e2e_others)" ] || {
        e2e_others
        return 1
    }
}

finish() {
    local name host left

    for name in "${!E2E_PID[@]}"; do
        e2e_end "$name"
    done
    for host in "${!E2E_DAEMON[@]}"; do
        e2e_stop "$host"
    done
    for host in "${!E2E_PROXIES[@]}"; do
        e2e_unproxy "$host"
    done
    if [ -n "$E2E_SNIFFER" ]; then
        unseen
        kill "$E2E_SNIFFER"
        wait "$E2E_SNIFFER" || true
    fi
    wait_for 5 no_others
    left=$(e2e_complaints)
    [ -z "$left" ] || fail "the log has complaints: $left"
    left=$(find "$T" -type s)
    [ -z "$left" ] || fail "sockets are left: $left"
    for host in "${E2E_HOSTS[@]}"; do
        left=$(ip -n "$host" -o link | grep -Ev ': (lo|up0)[@:]' || true)
        [ -z "$left" ] || fail "an interface is left on $host: $left"
        ip netns del "$host"
    done
    left=$(ip netns list)
    [ -z "$left" ] || fail "a namespace is left: $left"
    wait_for 5 e2e_one_netns
    echo "PASS"
    exit 0
}

# No network namespace but the test's own has a process or a mount.
e2e_one_netns() {
    [ "$(lsns -t net -n -o NS | sort -u | wc -l)" = 1 ]
}
