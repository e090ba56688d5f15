#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Loops of our switches, of Linux bridges with STP and of Open vSwitch with RSTP find one tree, pass
# traffic, and heal when any wire is cut. A mix is two bridges joined by two wires, or a triangle:
#
#      [bridge 0]═════[bridge 1]              [bridge 0]──── w0 ────[bridge 1]
#       w0 and w1                                   ╲                 ╱
#                                                    w2            w1
#                                                      ╲           ╱
#                                                       [bridge 2]
#
# and a station at each. Our switches are networks of one daemon. Wires between one of ours and another's
# are our TAPs, those between two of ours are TAPs joined by a Linux bridge without STP, which passes
# BPDUs on; those between others' are veth pairs.
#
#   stp_mix.sh [all | MIX…]       MIX is as ioth,kernel,ovs; without arguments that one
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
need_tun
need ovs-vswitchd ovs-vsctl ovsdb-server ovsdb-tool
[ "$(id -u)" = 0 ] || skip "only root may"

all="ioth,ioth ioth,kernel ioth,ovs
 ioth,kernel,ovs ioth,ioth,ioth ioth,ioth,kernel ioth,ioth,ovs ioth,kernel,kernel ioth,ovs,ovs"
mixes=${*:-ioth,kernel,ovs}
[ "$mixes" != all ] || mixes=$all

e2e_hosts alpha
# Until the first BPDUs, ports that begin as edge ports close the loops that this is about; a probe may
# find one of them before the tree does.
allow_log 'moves between ports of network'
allow_log 'goes down again and again' # Wires are cut and mended faster than anybody would.
allow_log 'is blocked: the LAN behind it is attached at another port'
e2e_start alpha
in_alpha() { on alpha "$@"; }

# --- Open vSwitch, in the host's namespace ---------------------------------------------------
export OVS_RUNDIR=$T/ovs OVS_LOGDIR=$T/ovs OVS_DBDIR=$T/ovs
mkdir "$T/ovs"
ovs() { in_alpha ovs-vsctl --db="unix:$T/ovs/db.sock" --timeout=10 "$@"; }
ovs_start() {
    ovsdb-tool create "$T/ovs/conf.db" /usr/share/openvswitch/vswitch.ovsschema
    bg ovsdb alpha ovsdb-server "$T/ovs/conf.db" --remote="punix:$T/ovs/db.sock"
    wait_for 5 test -S "$T/ovs/db.sock"
    ovs --no-wait init
    bg ovs alpha ovs-vswitchd "unix:$T/ovs/db.sock"
    wait_for 10 ovs --no-wait list Open_vSwitch
}

# --- bridges ---------------------------------------------------------------------------------
# All timers at their minimum; what the kernel's are in hundredths.
declare -a KIND=()
bridge_make() {
    case ${KIND[$1]} in
    ioth)
        status 0 ctl alpha net create "s$1" --local --ipv4 none --ipv6 none
        status 0 ctl alpha net set "s$1" stp.hello=1 stp.max_age=6 stp.forward_delay=4
        ;;
    kernel)
        in_alpha ip link add "kb$1" type bridge stp_state 1 hello_time 100 max_age 600 forward_delay 400
        in_alpha ip link set "kb$1" up
        ;;
    ovs)
        ovs add-br "ob$1" -- set bridge "ob$1" datapath_type=netdev rstp_enable=true \
            other_config:rstp-max-age=6 other_config:rstp-forward-delay=4
        ;;
    esac
}

bridge_end() {
    case ${KIND[$1]} in
    ioth) status 0 ctl alpha net rm "s$1" ;;
    kernel) in_alpha ip link del "kb$1" ;;
    ovs) ovs del-br "ob$1" ;;
    esac
}

# attach BRIDGE INTERFACE: to one of the others'.
attach() {
    case ${KIND[$1]} in
    kernel) in_alpha ip link set "$2" master "kb$1" ;;
    ovs) ovs add-port "ob$1" "$2" ;;
    esac
    in_alpha ip link set "$2" up
}

there() { in_alpha ip link show "$1"; }

# our_tap BRIDGE INTERFACE
our_tap() {
    status 0 ctl alpha port add "s$1" "$2" --tap "$2"
    wait_for 5 there "$2"
}

# A wire, and in CUT the interface by which it is cut.
declare -a CUT=()
wire_make() {
    local w=$1 a=$2 b=$3 swap

    if [ "${KIND[$a]}" != ioth ] && [ "${KIND[$b]}" = ioth ]; then
        swap=$a a=$b b=$swap
    fi
    CUT[w]=w${w}a
    if [ "${KIND[$b]}" = ioth ]; then
        our_tap "$a" "w${w}a"
        our_tap "$b" "w${w}b"
        in_alpha ip link add "x$w" type bridge
        in_alpha ip link set "w${w}a" master "x$w" up
        in_alpha ip link set "w${w}b" master "x$w" up
        in_alpha ip link set "x$w" up
    elif [ "${KIND[$a]}" = ioth ]; then
        our_tap "$a" "w${w}a"
        attach "$b" "w${w}a"
    else
        in_alpha ip link add "w${w}a" type veth peer name "w${w}b"
        attach "$a" "w${w}a"
        attach "$b" "w${w}b"
    fi
}

wire_end() {
    in_alpha ip link del "x$1" 2>/dev/null || true
    # Of our TAPs only what is left of a veth pair.
    in_alpha ip link del "w$1a" 2>/dev/null || true
}

station_make() {
    ip netns add "st$1"
    if [ "${KIND[$1]}" = ioth ]; then
        our_tap "$1" "sta$1"
        in_alpha ip link set "sta$1" netns "st$1"
    else
        in_alpha ip link add "sv$1" type veth peer name "sta$1" netns "st$1"
        attach "$1" "sv$1"
    fi
    ip -n "st$1" addr add "10.99.0.$(($1 + 1))/24" dev "sta$1"
    ip -n "st$1" link set "sta$1" up
}

station_end() {
    in_alpha ip link del "sv$1" 2>/dev/null || true
    if [ "${KIND[$1]}" = ioth ]; then
        status 0 ctl alpha port rm "s$1/sta$1"
    fi
    ip netns del "st$1"
}

# --- looking ---------------------------------------------------------------------------------
# The root's MAC, as the bridge has it; how many of its ports block.
root_of() {
    case ${KIND[$1]} in
    ioth) ctl alpha net show "s$1" -o json | jq -r '.status.stp.root' | sed 's/.*\.//; s/://g' ;;
    kernel) in_alpha sed 's/.*\.//' "/sys/class/net/kb$1/bridge/root_id" ;;
    ovs) ovs get bridge "ob$1" rstp_status:rstp_root_id | tr -d '"' | sed 's/.*\.//' ;;
    esac
}

blocked_at() {
    local port n=0
    case ${KIND[$1]} in
    ioth) ctl alpha port ls "s$1" -o json |
        jq '[.[] | select(.status.stp.state == "discarding" and .status.stp.role != "designated")] | length' ;;
    kernel) in_alpha sh -c "cat /sys/class/net/kb$1/brif/*/state" | grep -c 4 || true ;;
    ovs)
        for port in $(ovs list-ports "ob$1"); do
            case $(ovs get port "$port" rstp_status:rstp_port_role 2>/dev/null) in
            *Alternate* | *Backup*) n=$((n + 1)) ;;
            esac
        done
        echo "$n"
        ;;
    esac
}

# One root that all agree on, and so many ports that block.
is_tree() {
    local i roots='' blocked=0
    for i in "${!KIND[@]}"; do
        roots+="$(root_of "$i")"$'\n'
        blocked=$((blocked + $(blocked_at "$i")))
    done
    echo "roots: ${roots//$'\n'/ } blocked: $blocked"
    [ "$(sort -u <<<"${roots%$'\n'}" | wc -l)" = 1 ] && [ "$blocked" = "$1" ]
}

pings() { ip netns exec "st$1" ping -c 1 -W 1 -n "10.99.0.$(($2 + 1))"; }
all_ping() {
    local i k
    for i in "${!KIND[@]}"; do
        for k in "${!KIND[@]}"; do
            [ "$i" = "$k" ] || wait_for "$1" pings "$i" "$k"
        done
    done
}

# Each of ten broadcasts of the first station comes once to the last one: never twice.
listen='import collections, socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b6))
s.bind((sys.argv[1], 0x88b6))
print("listening", flush=True)
s.settimeout(3.0)
got = collections.Counter()
try:
    while True:
        got[struct.unpack("!I", s.recv(2000)[14:18])[0]] += 1
        s.settimeout(1.0)
except TimeoutError:
    print("heard", len(got), "most", max(got.values(), default=0))'
shout='import socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
for i in range(10):
    s.send(b"\xff" * 6 + s.getsockname()[4] + struct.pack("!HI", 0x88b6, i) + bytes(60))'
hears() {
    local last=$((${#KIND[@]} - 1)) ear
    ip netns exec "st$last" "$PYTHON" -c "$listen" "sta$last" >"$T/ear.out" 2>&1 </dev/null &
    ear=$!
    wait_for 5 grep -q listening "$T/ear.out"
    ip netns exec st0 "$PYTHON" -c "$shout" sta0
    wait "$ear"
    grep -q '^heard 10 ' "$T/ear.out"
}
# On a busy machine a hello may be late enough for a bridge to go another way for a moment.
once() {
    hears || hears || hears || hears || hears || fail "$1: broadcasts are lost"
    has "$1: each broadcast once" 'most 1$' "$(cat "$T/ear.out")"
}

now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

# --- a mix -----------------------------------------------------------------------------------
run_mix() {
    local mix=$1 n i w wires at

    IFS=, read -ra KIND <<<"$mix"
    CUT=()
    n=${#KIND[@]}
    wires=$((n == 2 ? 2 : 3))
    for ((i = 0; i < n; i++)); do
        bridge_make "$i"
        station_make "$i"
    done
    at=$(now_ms)
    for ((w = 0; w < wires; w++)); do
        wire_make "$w" "$((n == 2 ? 0 : w))" "$((n == 2 ? 1 : (w + 1) % 3))"
    done
    wait_for 60 is_tree $((wires - n + 1))
    all_ping 30
    echo "$mix: one tree, all reached after $(($(now_ms) - at)) ms"
    once "$mix"
    for ((w = 0; w < wires; w++)); do
        in_alpha ip link set "${CUT[w]}" down
        at=$(now_ms)
        all_ping 40
        echo "$mix: wire $w cut, all reached after $(($(now_ms) - at)) ms"
        in_alpha ip link set "${CUT[w]}" up
        wait_for 60 is_tree $((wires - n + 1))
        all_ping 40
        once "$mix, wire $w mended"
    done
    for ((w = 0; w < wires; w++)); do
        wire_end "$w"
    done
    for ((i = 0; i < n; i++)); do
        station_end "$i"
        [ "${KIND[$i]}" != ioth ] || for w in $(ctl alpha port ls "s$i" -o json | jq -r '.[].name'); do
            status 0 ctl alpha port rm "s$i/$w"
        done
        bridge_end "$i"
    done
}

ovs_start
for mix in $mixes; do
    run_mix "$mix"
done
e2e_end ovs
e2e_end ovsdb
finish
