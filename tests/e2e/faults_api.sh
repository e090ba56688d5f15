#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Hostile, slow and mistaken clients of the API; meanwhile a normal one is answered at once and
# frames flow. And who may what: another user of the machine.
#
#      alpha
#   ┌──────────────────────────────────┐
#   │ web ──[ fabricd: lan1 ]── pinger │      attackers ──> api.sock <── a normal client
#   └──────────────────────────────────┘
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun
need curl
e2e_hosts alpha
e2e_start alpha
SOCKET=$T/alpha/run/api.sock
status 0 ctl alpha net create lan1 --ipv4 10.77.0.0/24
run_in web alpha --net lan1 --ip 10.77.0.2 -- sleep 600
before=$(ctl alpha export)
pids=$(e2e_daemon_pids alpha)
fds() { find "/proc/$(sed -n 3p <<<"$pids")/fd" -mindepth 1 | wc -l; }
fds_before=$(fds)

attack() {
    "$PYTHON" "$E2E_ROOT/tests/e2e/faults_api.py" "$SOCKET" "$1" >"$T/attack.out" 2>&1 ||
        fail "$1: $(cat "$T/attack.out")"
}

bg probe alpha "$PYTHON" "$E2E_ROOT/tests/e2e/faults_api.py" "$SOCKET" probe
bg pinging alpha "$IOTHCTL" run --net lan1 -- ping -n -i 0.02 -c 2000 10.77.0.2
wait_for 10 grep -q probing "$T/probe.out"
wait_for 5 grep -q 'icmp_seq=10 ' "$T/pinging.out"
attack slow
attack requests
attack types
attack openapi
wait_for 5 grep -q probed "$T/probe.out"
e2e_end probe USR1
is "the normal client ($(cat "$T/probe.out"))" 0 "$STATUS"
cat "$T/probe.out"
e2e_end pinging INT
# The end cuts off the ping that is under way, if there is one: all before it are answered, in order.
replies=$(sed -n 's/.*icmp_seq=\([0-9]*\) ttl.*/\1/p' "$T/pinging.out")
sent=$(sed -n 's/^\([0-9]*\) packets transmitted.*/\1/p' "$T/pinging.out")
got=$(wc -l <<<"$replies")
is "the replies meanwhile" "$(seq "$got")" "$replies"
[ $((sent - got)) -le 1 ] || fail "loss meanwhile: $(tail -3 "$T/pinging.out")"
is "the processes" "$pids" "$(e2e_daemon_pids alpha)"
is "the state" "$before" "$(ctl alpha export)"
few_fds() { [ "$(fds)" -le "$fds_before" ]; }
wait_for 5 few_fds

# --- metrics --------------------------------------------------------------------------------------
metrics=$(on alpha curl -sS --unix-socket "$SOCKET" http://x/metrics)
has "metrics of ports" '^ioth_port_frames_total\{.*\} [0-9]+$' "$metrics"
if command -v promtool >/dev/null; then
    promtool check metrics <<<"$metrics" >"$T/promtool.txt" 2>&1 || fail "$(cat "$T/promtool.txt")"
    is "what promtool says" "" "$(cat "$T/promtool.txt")"
fi

# --- another user ---------------------------------------------------------------------------------
if setpriv --reuid 65534 --regid 65534 --clear-groups true 2>/dev/null; then
    chmod 711 "$T" "$T/alpha"
    mkdir "$T/bin"
    chmod 755 "$T/bin"
    cp "$IOTHCTL" "$T/bin/"
    stranger() {
        on alpha setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs \
            env HOME=/nonexistent "$@"
    }
    answers() {
        is "what a stranger gets for $2 $3" "$1" \
            "$(stranger curl -sS -o /dev/null -w '%{http_code}' --unix-socket "$SOCKET" -X "$2" "http://x$3" "${@:4}")"
    }
    answers 200 GET /v1/status
    answers 200 GET /v1/networks
    is "networks that a stranger sees" "[]" "$(stranger curl -sS --unix-socket "$SOCKET" http://x/v1/networks | jq -c .items)"
    answers 404 GET /v1/networks/lan1
    answers 404 GET /v1/endpoints/lan1/web
    is "names that a stranger finds" false \
        "$(stranger curl -sS --unix-socket "$SOCKET" 'http://x/v1/resolve?name=web&type=A&network=lan1' | jq '.found == true')"
    answers 403 PUT /v1/networks/lan2 -d '{}'
    answers 403 PATCH /v1/networks/lan1 -d '{"mtu": 1400}'
    answers 403 DELETE /v1/networks/lan1
    answers 403 POST /v1/apply -d '{"version": 1}'
    answers 403 GET /v1/export
    answers 403 GET /metrics
    answers 403 POST /v1/daemon/stop
    answers 403 POST /v1/hosts/invite
    answers 403 POST /v1/hosts/leave
    answers 403 POST /v1/fabric/key/drop
    status 125 stranger "$T/bin/iothctl" run --net lan1 -- true
    # A stranger who holds connections takes none from the owner.
    bg hog alpha setpriv --reuid 65534 --regid 65534 --clear-groups "$PYTHON" -c 'import socket, sys, time
held = [socket.socket(socket.AF_UNIX) for _ in range(300)]
for s in held:
    s.connect(sys.argv[1])
print("holding", flush=True)
time.sleep(60)' "$SOCKET"
    wait_for 5 grep -q holding "$T/hog.out"
    bg probe alpha "$PYTHON" "$E2E_ROOT/tests/e2e/faults_api.py" "$SOCKET" probe
    many() { [ "$(fds)" -gt $((fds_before + 20)) ]; }
    wait_for 2 many
    wait_for 10 grep -q probed "$T/probe.out"
    e2e_end probe USR1
    is "the owner beside a hog ($(cat "$T/probe.out"))" 0 "$STATUS"
    e2e_end hog KILL

    # --allow opens running and reading, of that network, and nothing else.
    status 0 ctl alpha net set lan1 allow=uid:65534
    status 0 ctl alpha net create private
    is "networks that the guest sees" '["lan1"]' \
        "$(stranger curl -sS --unix-socket "$SOCKET" http://x/v1/networks | jq -c '[.items[].name]')"
    answers 200 GET /v1/networks/lan1
    answers 200 GET /v1/endpoints/lan1/web
    answers 404 GET /v1/networks/private
    answers 403 PATCH /v1/networks/lan1 -d '{"mtu": 1400}'
    answers 403 DELETE /v1/endpoints/lan1/web
    # Here, in this mount namespace, everybody may open the device, as distributions have it.
    if mknod -m 0666 "$T/tun" c 10 200 2>/dev/null && chmod 0666 "$T/tun" &&
        mount --bind "$T/tun" /dev/net/tun && stranger unshare --user true 2>/dev/null; then
        status 0 stranger "$T/bin/iothctl" run --net lan1 -- ping -c 1 -W 1 web
        status 125 stranger "$T/bin/iothctl" run --net private -- true
        has "why" 'not open to you|no network private' "$ERR"
    fi
    status 0 ctl alpha net set lan1 allow=
    answers 404 GET /v1/networks/lan1
fi
finish
