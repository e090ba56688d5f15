#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A stranger on the underlay: garbage, replays of what members said, forged and real addresses, and
# a flood of handshakes. Members' frames pass, nothing changes, and the stranger hears nothing.
#
#      alpha 192.0.2.1 ───────── beta 192.0.2.2
#        node web          │       node pinger
#                       mallory 192.0.2.3: no daemon
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun
e2e_hosts alpha beta mallory

# The port is closed until it is needed.
e2e_start alpha
is "UDP sockets before the first invite" "" "$(on alpha ss -Hnlu)"
sniff
e2e_start beta
status 0 ctl alpha net create lan1 --ipv4 10.77.0.0/24
status 0 ctl beta host join "$(ctl alpha host invite)"
run_in web alpha --net lan1 --ip 10.77.0.2 -- sleep 600
pings() { ctl beta run --net lan1 -- ping -n -c 1 -W 1 10.77.0.2; }
wait_for 10 pings
status 0 ctl beta run --net lan1 -- ping -n -i 0.01 -c 100 10.77.0.2
cp "$T/underlay.pcap" "$T/members.pcap"

stranger() { # stranger COMMAND ARGS…: its output in $OUT
    status 0 on mallory "$PYTHON" "$E2E_ROOT/tests/e2e/faults_link.py" "$@"
}
heard() { # How many datagrams of the fabric's port went to mallory, by what the underlay saw.
    "$PYTHON" - "$T/mallory.pcap" <<'EOF'
import sys
data, at, n = open(sys.argv[1], "rb").read(), 24, 0
while at + 16 <= len(data):
    size = int.from_bytes(data[at + 8:at + 12], sys.byteorder)
    frame = data[at + 16:at + 16 + size]
    at += 16 + size
    if frame[12:14] == b"\x08\x00" and frame[30:34] == bytes([192, 0, 2, 3]):
        n += 1
print(n)
EOF
}
state() {
    for host in alpha beta; do
        ctl "$host" export
        ctl "$host" host ls -o json | jq -c '[.[] | del(.status)]'
        ctl "$host" host ls -o json | jq -c '[.[] | .status | {state, address, cipher}]'
        e2e_daemon_pids "$host"
    done
}
ping_on() {
    bg pinging beta "$IOTHCTL" run --net lan1 -- ping -n -i 0.02 -c 3000 10.77.0.2
    wait_for 5 grep -q 'icmp_seq=10 ' "$T/pinging.out"
}
# meanwhile WHAT LOST: of the pings at most LOST did not come back; a burst of datagrams may fill the
# socket's room where the machine is busy.
meanwhile() {
    local sent received
    e2e_end pinging INT
    read -r sent received < <(sed -En 's/^([0-9]+) packets transmitted, ([0-9]+) received.*/\1 \2/p' "$T/pinging.out")
    [ "$received" -ge $((sent - 1 - $2)) ] || fail "pings beside $1: $received of $sent came back"
    wait_for 5 pings
    is "the state after $1" "$before" "$(state)"
}
ticks() { # CPU time of alpha's processes
    local p n=0
    for p in $(e2e_daemon_pids alpha); do
        n=$((n + $(awk '{print $14 + $15}' "/proc/$p/stat")))
    done
    echo "$n"
}

before=$(state)
"$PYTHON" "$E2E_ROOT/tests/e2e/sniff.py" record u3 "$T/mallory.pcap" >"$T/mallory.out" 2>&1 &
sniffer=$!
wait_for 5 grep -q listening "$T/mallory.out"

ping_on
stranger garbage 192.0.2.1
is "answers to garbage" "answers {}" "$(tail -n 1 <<<"$OUT")"
stranger garbage 192.0.2.2
is "answers to garbage" "answers {}" "$(tail -n 1 <<<"$OUT")"
meanwhile garbage 3

# A first message that its receiver has never accepted (alpha greets beta before beta knows the
# fabric) cannot be told from one that is late: replayed, it gets the one answer that it is due, to
# where it came from, which is worth nothing without alpha's key. All else is met with silence.
ping_on
stranger replay 192.0.2.1 "$T/members.pcap"
is "answers to replays" "answers {}" "$(tail -n 1 <<<"$OUT")"
stranger replay 192.0.2.2 "$T/members.pcap"
has "answers to replays: $OUT" "^answers (\{\}|\{'02': 1\})$" "$(tail -n 1 <<<"$OUT")"
stranger replay 192.0.2.2 "$T/members.pcap"
is "answers to the same replays" "answers {}" "$(tail -n 1 <<<"$OUT")"
meanwhile replays 3
[ "$(heard)" -le 1 ] || fail "datagrams to the stranger: $(heard)"

# Who knows a host's key can make it compute; under load it asks for a cookie first, and more is
# not to be had. A wrong mac1 costs next to nothing.
ping_on
key=$(ctl alpha host show alpha -o json | jq -r .key)
stranger flood 192.0.2.1 "$key" 10000
has "answers to a flood of first messages: $OUT" "^answers (\{\}|\{'03': [0-9]+\})$" "$(tail -n 1 <<<"$OUT")"
echo "a flood of 10000 forged first messages: $(tail -n 1 <<<"$OUT")"
meanwhile flood 3
quiet() {
    local ticks_before
    ticks_before=$(ticks)
    sleep 0.5
    [ $(($(ticks) - ticks_before)) -le 5 ]
}
wait_for 5 quiet
kill "$sniffer"
wait "$sniffer" || true

# A new session comes about as ever.
e2e_stop beta
e2e_start beta
wait_for 15 pings
finish
