#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What happens is told: to curl, to iothctl, to one who comes back, and not to one who sleeps.
#
#      alpha 192.0.2.1 ───── beta 192.0.2.2
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun

e2e_hosts alpha beta
e2e_start alpha
e2e_start beta
SOCK=$T/alpha/run/api.sock
status 0 ctl alpha net create lan1

# --- a line for each event -------------------------------------------------------------------
stream() { # NAME [HEADER]
    bg "$1" alpha curl -sSN -m 60 --unix-socket "$SOCK" ${2:+-H "$2"} http://localhost/v1/events
    wait_for 5 grep -q '^: events' "$T/$1.out"
}
bg table alpha "$IOTHCTL" --socket "$SOCK" events
bg json alpha "$IOTHCTL" --socket "$SOCK" -o json events
stream raw
sees() { grep -Eq "$2" "$T/$1.out"; }
# The two of iothctl may still be connecting: they are there when a first event has come to them.
# shellcheck disable=SC2317 # called by wait_for
both_hear() {
    ctl alpha net set lan1 mtu=$((1400 + RANDOM % 100))
    sees table 'network +lan1 +changed' && sees json '"lan1"'
}
wait_for 10 both_hear
status 0 ctl alpha net create lan2
for who in table raw; do
    wait_for 5 sees "$who" 'network.*lan2.*created'
done
wait_for 5 sees json '"name":"lan2","verb":"created","revision":[0-9]+'
status 0 ctl alpha net set lan2 mtu=1400
wait_for 5 sees table 'network +lan2 +changed +revision [0-9]+$'
status 0 ctl alpha net rm lan2
wait_for 5 sees table 'network +lan2 +removed'
run_in web alpha --net lan1 -- sleep 600
wait_for 5 sees table 'port +lan1/web +up'
wait_for 5 sees table 'endpoint +lan1/web +created'
e2e_end web
wait_for 10 sees table 'port +lan1/web +down'
token=$(ctl alpha host invite)
status 0 ctl beta host join "$token"
wait_for 15 sees table 'host +beta +up'
e2e_stop beta
wait_for 60 sees table 'host +beta +down'

# --- resuming ----------------------------------------------------------------------------------
id_of() { sed -n "/^data:.*$2/{x;p;q};/^id: /{s/^id: //;h}" "$T/$1.out"; }
id=$(id_of raw '"lan2","verb":"created"')
has "events have numbers" '^[0-9a-f]{16}-[0-9]+$' "$id"
stream again "Last-Event-ID: $id"
wait_for 5 sees again 'lan2.*removed'
hasnt "not what was heard" 'lan2.*created' "$(cat "$T/again.out")"
for wrong in "0000000000000000-1" "${id%-*}-99999999" "${id%-*}-" nonsense; do
    stream wrong "Last-Event-ID: $wrong"
    wait_for 5 sees wrong '^event: reset'
    e2e_end wrong
done

# --- bounds ------------------------------------------------------------------------------------
# One who does not read is dropped, whoever reads is not; there are 32 at most.
"$PYTHON" - "$SOCK" <<'PY' || fail "slow and many clients"
import http.client, json, select, socket, sys, time

class Conn(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self.sock.connect(sys.argv[1])

def watch():
    c = Conn("x")
    c.request("GET", "/v1/events")
    return c, c.getresponse()

sleeper, answer = watch()
assert answer.status == 200
work = Conn("x")
ended = select.poll()
ended.register(sleeper.sock, select.POLLRDHUP)
n = 0
while not ended.poll(0): # More than what is kept and what fits into the socket's buffers.
    work.request("PATCH", "/v1/networks/lan1", json.dumps({"mtu": 1400 + n % 50}))
    r = work.getresponse()
    r.read()
    assert r.status == 200, r.status
    n += 1
    assert n < 10000, "one that does not read is kept"
print("dropped after", n, "events")
sleeper.close()
conns = []
while True:
    c, r = watch()
    if r.status != 200:
        assert r.status == 503, r.status
        break
    conns.append((c, r))
    assert len(conns) <= 32
assert len(conns) >= 20, len(conns)
for c, r in conns:
    c.close()
# Those who have hung up make room.
deadline = time.monotonic() + 30
while True:
    c, r = watch()
    c.close()
    if r.status == 200:
        break
    assert time.monotonic() < deadline, "the dead keep their places"
    time.sleep(0.2)
PY
wait_for 5 sees table 'lan1 +changed'
kill -0 "${E2E_PID[table]}" || fail "who read was dropped"

for who in table json raw again; do
    e2e_end "$who"
done
finish
