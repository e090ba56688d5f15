#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A network that forwards by a spanning tree: links are ports of it, one of three blocks, and takes
# over when another is cut. From direct to tree and back under traffic nothing goes round.
#
#            beta 192.0.2.2
#           ╱              ╲
#      alpha ──────╳─────── gamma
#      192.0.2.1 (root)   192.0.2.3
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun

e2e_hosts alpha beta gamma
for host in alpha beta gamma; do
    e2e_start "$host"
done
status 0 ctl alpha net create lan1 --forwarding tree
status 2 ctl alpha net set lan1 stp.priority.beta=8192
has "it has not joined" 'stp.priority.beta: there is no host beta' "$ERR"
e2e_join alpha beta gamma
status 0 ctl alpha net set lan1 stp.priority.alpha=4096 stp.priority.beta=8192

# --- one tree ------------------------------------------------------------------------------
stp_of() { ctl "$1" net show lan1 -o json | jq -r ".status.stp.$2"; }
port_stp() { ctl "$1" port show "lan1/link-$2" -o json | jq -r ".status.stp.$3"; }
is_stp() { [ "$(stp_of "$1" "$2")" = "$3" ]; }
is_port() { [ "$(port_stp "$1" "$2" role) $(port_stp "$1" "$2" state)" = "$3" ]; }
for host in alpha beta gamma; do
    wait_for 20 is_stp "$host" root_host alpha
done
wait_for 20 is_port alpha beta 'designated forwarding'
wait_for 20 is_port alpha gamma 'designated forwarding'
wait_for 20 is_port beta alpha 'root forwarding'
wait_for 20 is_port gamma alpha 'root forwarding'
wait_for 20 is_port beta gamma 'designated forwarding'
wait_for 20 is_port gamma beta 'alternate discarding'
is "gamma's way to the root" link-alpha "$(stp_of gamma root_port)"
is "its cost" 2000 "$(stp_of gamma cost)"
has "port ls says it" '^lan1/link-beta .* alternate discarding +2000 ' "$(ctl gamma port ls lan1)"

for host in alpha beta gamma; do
    run_in "n-$host" "$host" --net lan1 -- sleep 600
done
pings() { ctl "$1" exec "lan1/n-$1" -- ping -c 1 -W 1 "n-$2"; }
all_ping() {
    local from to
    for from in alpha beta gamma; do
        for to in alpha beta gamma; do
            [ "$from" = "$to" ] || wait_for "$1" pings "$from" "$to"
        done
    done
}
all_ping 10

# --- every broadcast comes once, whatever changes ------------------------------------------------
# Counts how often each number comes.
listen='import collections, socket, struct, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b6))
s.bind(("eth0", 0x88b6))
print("listening", flush=True)
s.settimeout(20.0)
got = collections.Counter()
try:
    while True:
        got[struct.unpack("!I", s.recv(2000)[14:18])[0]] += 1
        s.settimeout(float(sys.argv[1]))
except TimeoutError:
    print("heard", len(got), "most", max(got.values(), default=0))'
shout='import socket, struct, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
for i in range(int(sys.argv[1])):
    s.send(b"\xff" * 6 + s.getsockname()[4] + struct.pack("!HI", 0x88b6, i) + bytes(60))
    time.sleep(0.01)'
for host in beta gamma; do
    bg "ear-$host" "$host" "$IOTHCTL" run --net lan1 --root -- "$PYTHON" -c "$listen" 2
    wait_for 5 grep -q listening "$T/ear-$host.out"
done
status 0 ctl alpha run --net lan1 --root -- "$PYTHON" -c "$shout" 20
for host in beta gamma; do
    e2e_wait "ear-$host"
    has "each broadcast once on $host" '^heard 20 most 1$' "$(cat "$T/ear-$host.out")"
done

# --- an end of a link that says nothing any more ---------------------------------------------------
e2e_cut alpha gamma
wait_for 10 is_port gamma beta 'root forwarding'
wait_for 5 pings alpha gamma
wait_for 5 pings gamma alpha
e2e_join_up
wait_for 40 is_port gamma alpha 'root forwarding'
wait_for 10 is_port gamma beta 'alternate discarding'
all_ping 10

# --- costs ---------------------------------------------------------------------------------------
status 0 ctl gamma link set alpha --cost 5000
wait_for 10 is_port gamma beta 'root forwarding'
is "the cost through beta" 4000 "$(stp_of gamma cost)"
wait_for 10 is_port gamma alpha 'alternate discarding'
status 0 ctl gamma link set alpha --cost 2000
wait_for 10 is_port gamma alpha 'root forwarding'
has "the change and its cause" 'topology_changes.cause' "$(ctl beta net show lan1)"

# --- from tree to direct and back under traffic ---------------------------------------------------
bg ear gamma "$IOTHCTL" run --net lan1 --root -- "$PYTHON" -c "$listen" 3
wait_for 5 grep -q listening "$T/ear.out"
bg mouth alpha "$IOTHCTL" run --net lan1 --root -- "$PYTHON" -c "$shout" 1200
forwards() { ctl "$1" port show lan1/link-beta -o json | jq -e "$2"; }
for i in 1 2; do
    status 0 ctl alpha net set lan1 forwarding=direct
    wait_for 10 forwards gamma '.status.stp == null'
    status 0 ctl alpha net set lan1 forwarding=tree
    wait_for 10 forwards gamma '.status.stp.role == "alternate"'
done
e2e_wait mouth
e2e_wait ear
most=$(sed -n 's/^heard .* most //p' "$T/ear.out")
# A host that is already one while the others are still the other may pass a frame on once.
[ "${most:-0}" -le 3 ] || fail "a broadcast came $most times: $(cat "$T/ear.out")"
all_ping 10
has "events tell of the tree" ioth_stp_root "$(on alpha curl -s --unix-socket "$T/alpha/run/api.sock" http://x/metrics)"
finish
