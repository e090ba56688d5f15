#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A service moves between hosts, under a client that connects without a pause.
#
#      alpha 192.0.2.1          the founder, which leads; the client is here
#        ╱          ╲
#      beta ─────── gamma       the service goes from one to the other
#      192.0.2.2    192.0.2.3
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun
# shellcheck source=tests/e2e/moves.sh
. "$(dirname "$0")/moves.sh"

HOSTS=(alpha beta gamma)
e2e_hosts "${HOSTS[@]}"
for host in "${HOSTS[@]}"; do
    e2e_start "$host" --services "$(id -un)"
done
status 0 ctl alpha net create lan1
e2e_join "${HOSTS[@]}"

# The server: each instance says its number, its process id; with $T/refuse there it does not start, with
# $T/srv/poison of its host it ends when it is asked, but by its check.
cat >"$T/server.py" <<'PY'
import http.server, os, sys, time
if os.path.exists(sys.argv[1]):
    sys.exit("refused")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if os.path.exists(sys.argv[2]) and self.headers.get("Host") != "localhost":
            os._exit(9)
        body = (open("/proc/self/stat").read().split()[21] + "\n").encode() # When it began.
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
http.server.ThreadingHTTPServer(("", 80), Handler).serve_forever()
PY
status 0 ctl beta service create web --net lan1 --check-http / -- "$PYTHON" "$T/server.py" "$T/refuse" "$T/srv/poison"
host_of() { ctl alpha service show web -o json | jq -r '.host + " " + .status.state'; }
is_on() { [ "$(host_of)" = "$1 running" ]; }
wait_for 20 is_on beta
bg client alpha "$IOTHCTL" run --net lan1 --name client -- "$PYTHON" "$T/client.py" 0.02 0.002
wait_for 20 answers 20
# The longest time without an answer since line $1, in milliseconds; and the instances since then.
gap() { tail -n "+$1" "$T/client.out" | awk 'NR > 1 && $1 - last > most { most = $1 - last } { last = $1 } END { printf "%d\n", most * 1000 }'; }
instances() { tail -n "+$1" "$T/client.out" | awk '!seen[$2]++ { n++ } END { print n + 0 }'; }
goes_on() { # Answers still come, all from one instance.
    local from
    from=$(lines)
    wait_for 20 answers $((from + 15))
    is "instances that answer" 1 "$(instances $((from + 2)))"
}

# --- back and forth ----------------------------------------------------------------------------
mac=$(ctl alpha endpoint show lan1/web -o json | jq -r '.mac + " " + (.addresses | tostring)')
to=(gamma beta gamma alpha beta)
address=$(ctl alpha endpoint show lan1/web -o json | jq -r '.addresses[0] | sub("/.*"; "")')
# Nodes that have spoken with it, on the host that it leaves and on the one that it comes to.
for host in beta gamma; do
    run_in "near-$host" "$host" --net lan1 -- sleep 1000
    status 0 ctl "$host" exec "lan1/near-$host" -- ping -c 1 -W 5 "$address"
done
caches_right() {
    local host
    for host in beta gamma; do
        status 0 ctl "$host" exec "lan1/near-$host" -- ping -c 1 -W 1 "$address"
        has "who it is, on $host" "lladdr ${mac%% *} (REACHABLE|STALE|DELAY|PROBE)" \
            "$(ctl "$host" exec "lan1/near-$host" -- ip neigh show "$address")"
    done
}
for host in "${to[@]}"; do
    from=$(lines)
    status 0 ctl gamma service migrate web --to "$host"
    echo "$OUT" >"$T/told"
    caches_right
    has "what is said" "web is on $host, after a gap of [0-9]+ ms" "$(cat "$T/told")"
    wait_for 10 is_on "$host"
    goes_on
    is "instances on the way" 2 "$(instances $((from + 1)))"
    echo "to $host: $(cat "$T/told"); without an answer for $(gap $((from + 1))) ms"
    [ "$(gap $((from + 1)))" -lt 1500 ] || fail "it was away for too long"
done
is "MAC and addresses" "$mac" "$(ctl alpha endpoint show lan1/web -o json | jq -r '.mac + " " + (.addresses | tostring)')"
for host in beta gamma; do
    e2e_end "near-$host"
    status 0 ctl "$host" endpoint rm "lan1/near-$host"
done
# The old hosts have nothing of it any more.
quiet() { ! pgrep -f "ioth-keeper web $T/$1/run" >/dev/null; }
for host in alpha gamma; do
    wait_for 20 quiet "$host"
done

# --- what is refused ---------------------------------------------------------------------------
status 1 ctl alpha service migrate web --to beta
has "it is there" 'on host beta already' "$ERR"
status 2 ctl alpha service migrate web --to nobody
status 3 ctl alpha service migrate nothing --to beta
status 2 ctl alpha service migrate web

# --- a host that cannot run it -------------------------------------------------------------------
touch "$T/refuse"
from=$(lines)
status 1 ctl alpha service migrate web --to gamma
has "why" 'does not run on host gamma.*on host beta still' "$ERR"
wait_for 10 is_on beta
goes_on
is "nothing happened to it" 1 "$(instances $((from + 1)))"
rm "$T/refuse"
# One that looks well until the first who come to it: it is taken back after the switch.
: >"$T/srv.gamma/poison"
status 1 ctl alpha service migrate web --to gamma
has "why it is taken back" 'does not run on host gamma: .*exit status 9; it is on host beta still' "$ERR"
wait_for 10 is_on beta
goes_on
wait_for 20 quiet gamma
rm "$T/srv.gamma/poison"

# --- hosts that are cut off in the middle --------------------------------------------------------
ip link set u3 down
status 1 ctl alpha service migrate web --to gamma
wait_for 10 is_on beta
goes_on
ip link set u3 up
reaches() { [ "$(ctl alpha --host gamma status -o json | jq -r .host)" = gamma ]; }
wait_for 30 reaches
# The host that has it: it runs elsewhere, and is not reached when it comes back.
ip link set u2 down
status 0 ctl alpha service migrate web --to gamma
goes_on
ip link set u2 up
wait_for 30 quiet beta
goes_on
wait_for 10 is_on gamma

# --- with state ----------------------------------------------------------------------------------
# It counts its answers in a file: no number may come twice, or go back. With poison beside its state it ends after
# the fifth, having written down what the third was.
cat >"$T/counter.py" <<'PY'
import http.server, os, sys
path = sys.argv[1] + "/count"
top = os.path.dirname(sys.argv[1])
poisoned = os.path.exists(top + "/poison")
served = 0
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global served
        n = int(open(path).read()) + 1 if os.path.exists(path) else 1
        if self.path == "/":
            with open(path + ".new", "w") as f:
                f.write(str(n))
            os.rename(path + ".new", path)
        body = b"%d\n" % n
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        served += self.path == "/"
        if poisoned and served == 3:
            with open(top + "/third", "w") as f:
                f.write(str(n))
        if poisoned and served == 5:
            os._exit(9)
    def log_message(self, *args):
        pass
http.server.HTTPServer(("", 80), Handler).serve_forever()
PY
e2e_end client
status 0 ctl alpha service rm web
state=$T/srv.beta/state
mkdir -p "$state/sub/deep" "$state/gone"
head -c 3000000 /dev/urandom >"$state/sub/large"
echo "$CANARY" >"$state/sub/deep/secret"
: >"$state/empty"
ln -s ../sub/large "$state/gone/link"
chmod 640 "$state/empty"
mkfifo "$state/fifo"
sniff
status 0 ctl beta service create web --net lan1 --state "$T/srv/state" --check-http /check -- \
    "$PYTHON" "$T/counter.py" "$T/srv/state"
wait_for 20 is_on beta
bg client alpha "$IOTHCTL" run --net lan1 --name client -- "$PYTHON" "$T/client.py" 0.02 0.002
wait_for 20 answers 20
same_state() { # FROM TO: but for what the instance at TO has changed since
    diff -r --no-dereference --exclude fifo --exclude 'count*' "$T/srv.$1/state" "$T/srv.$2/state" &&
        [ "$(stat -c %a "$T/srv.$2/state/empty")" = 640 ]
}
from=$(lines)
status 0 ctl alpha service migrate web --to gamma
echo "with state: $OUT; without an answer for $(gap $((from + 1))) ms"
wait_for 20 answers $((from + 100))
rises || fail "a number came twice"
same_state beta gamma || fail "the state differs"
[ ! -e "$T/srv.gamma/state/fifo" ] || fail "a fifo was copied"
# Back: what went is taken away, what did not change is not fetched again.
rm -r "$T/srv.gamma/state/gone"
echo more >>"$T/srv.gamma/state/empty"
before=$(stat -c %i "$state/sub/large")
from=$(lines)
status 0 ctl gamma service migrate web --to beta
echo "with state: $OUT; without an answer for $(gap $((from + 1))) ms"
wait_for 20 answers $((from + 100))
rises || fail "a number came twice"
same_state gamma beta || fail "the state differs"
is "not fetched again" "$before" "$(stat -c %i "$state/sub/large")"
# Nobody else gets it.
answer=$(on gamma curl -sS --unix-socket "$T/gamma/run/api.sock" -H 'Ioth-Host: beta' \
    "http://x/v1/services/web/state?op=list&folder=0")
has "the state is not for everybody" '"status": 403' "$answer"
# The new instance answers some and dies, again and again: what it answered is not forgotten when it is taken back.
: >"$T/srv.gamma/poison"
status 1 ctl alpha service migrate web --to gamma
has "why it is taken back" 'does not run on host gamma: .*exit status 9; it is on host beta still' "$ERR"
rm "$T/srv.gamma/poison"
wait_for 10 is_on beta
from=$(lines)
wait_for 20 answers $((from + 20))
grep -q " $(cat "$T/srv.gamma/third")\$" "$T/client.out" || fail "the new instance was not reached"
rises || fail "a number came twice"
# The next host cannot take it: it goes on where it was.
rm -r "$T/srv.gamma/state"
: >"$T/srv.gamma/state"
status 1 ctl alpha service migrate web --to gamma
has "why" 'state.*on host beta still' "$ERR"
rm "$T/srv.gamma/state"
from=$(lines)
wait_for 20 answers $((from + 20))
rises || fail "a number came twice"

# The host that has it is cut off while its state is copied and the service stands. (Control killed and hosts cut
# off for a while at each step: migrate_steps.sh.)
bg move alpha "$IOTHCTL" --no-start service migrate web --to gamma
moving() { [ "$(ctl alpha service show web -o json | jq -r '.status.moving // "no"')" = gamma ]; }
wait_for 5 moving
ip link set u2 down
settled() { [ "$(ctl alpha service show web -o json | jq -r '.status.moving // "no"')" = no ]; }
wait_for 90 settled # A host that comes gets a minute to be ready, from the last of what it got.
ip link set u2 up
is_somewhere() { is_on beta || is_on gamma; }
wait_for 40 is_somewhere
from=$(lines)
wait_for 40 answers $((from + 15))
rises || fail "a number came twice"
e2e_end move
echo "cut off on the way: $(host_of); $(tail -n 1 "$T/move.out")"

allow_log 'is lost again and again' # Links are cut more often than they would be.
allow_log 'ended \(signal 9\), starting it again|does not move:|does not go on:'
e2e_end client
status 0 ctl alpha service rm web
finish
