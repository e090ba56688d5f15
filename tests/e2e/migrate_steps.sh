#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# kill -9 of control at every step of a service's move, at the founding host, which leads, at the host that it
# goes to and at the one that it leaves; or, as migrate_steps_cut.sh, that host is cut off there for a while.
# The table of steps is the code's own. After each: no move is under way, one instance answers
# and one keeper is there, its state is the right one (it counts what it answers: no number comes twice or goes
# back), and the next move succeeds.
#
#      alpha 192.0.2.1          the founder, which leads; the client is here
#        ╱          ╲
#      beta ─────── gamma       the service goes from one to the other
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun
# shellcheck source=tests/e2e/moves.sh
. "$(dirname "$0")/moves.sh"
# shellcheck source=tests/e2e/steps.sh
. "$(dirname "$0")/steps.sh"
STEPS=$(grep '^move\.' <<<"$STEPS")

ACTION=${1:-kill}

HOSTS=(alpha beta gamma)
e2e_hosts "${HOSTS[@]}"
for host in "${HOSTS[@]}"; do
    begin "$host" --services "$(id -un)"
done
status 0 ctl alpha net create lan1
e2e_join "${HOSTS[@]}"
allow_log 'control|the parent|is away|was lost|does not move:|does not go on:|an endpoint could not be let go'

# It counts its answers in a file of its state. With $T/srv/refuse of its host it does not start.
cat >"$T/counter.py" <<'PY'
import http.server, os, sys
root, top = sys.argv[1], sys.argv[2]
path = root + "/count"
if os.path.exists(top + "/refuse"):
    sys.exit("refused")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
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
    def log_message(self, *args):
        pass
http.server.HTTPServer(("", 80), Handler).serve_forever()
PY
service=web
mkdir -p "$T/srv.beta/state"
head -c 100000 /dev/urandom >"$T/srv.beta/state/data"
status 0 ctl beta service create web --net lan1 --state "$T/srv/state" --check-http /check -- \
    "$PYTHON" "$T/counter.py" "$T/srv/state" "$T/srv"
shown() { ctl alpha service show "$service" -o json | jq -r "$1"; }
settled() { [ "$(shown '[.status.state, .status.moving // "-", .host == .status.host] | join(" ")')" = "running - true" ]; }
wait_for 20 settled
bg client alpha "$IOTHCTL" run --net lan1 --name client -- "$PYTHON" "$T/client.py" 0.05 0.005
wait_for 20 answers 20
# Of all hosts: the keeper and two processes of its node.
one_keeper() { [ "$(pgrep -fc "ioth-keeper $service $T/")" = 3 ]; }
at_home() { [ "$(ctl "$1" endpoint show "lan1/$service" -o json | jq -r .host)" = "$(shown .host)" ]; }

judge() {
    local host
    wait_for 60 settled
    wait_for 20 one_keeper
    wait_for 20 answers $(($(lines) + 5))
    rises || fail "a number came twice"
    for host in "${HOSTS[@]}"; do
        wait_for 10 at_home "$host"
    done
}

next() { # The host that it is to go to, and the one that it leaves.
    from=$(shown .host)
    to=beta
    [ "$from" != beta ] || to=gamma
}

# walk STEP VICTIM ACTION: the control of alpha, or of the hosts `from` or `to`, dies at the step, or is cut
# off there.
walk() {
    local step=$1 victim=$2 action=$3 from to pid began=$EPOCHREALTIME
    next
    [ "$victim" = alpha ] || victim=${!victim}
    pid=$(ctl "$victim" status -o json | jq .pids.control)
    arm "$victim" "$step" "$action"
    [[ $step != *failed* ]] || touch "$T/srv.$to/refuse"
    bg move alpha "$IOTHCTL" --no-start service migrate "$service" --to "$to"
    wait_for 30 came "$victim"
    rm -f "$T/srv.$to/refuse"
    if [ "$action" = stop ]; then
        wait_for 5 stopped "$pid"
        ip -n "$victim" link set up0 down
        kill -CONT "$pid"
        sleep 1.2 # Longer than a session is believed in.
        ip -n "$victim" link set up0 up
    fi
    judge
    e2e_end move
    printf '%s %s of %s, %s to %s: on %s after %d ms; %s\n' "$action" "$step" "$victim" "$from" "$to" \
        "$(shown .host)" $(((${EPOCHREALTIME/./} - ${began/./}) / 1000)) "$(tail -n 1 "$T/move.out")"
    [ "$action" = kill ] || return 0
    killed[$victim]=$((killed[$victim] + 1))
    if [ "${killed[$victim]}" -ge 3 ]; then # The parent waits longer each time.
        e2e_stop "$victim"
        begin "$victim" --services "$(id -un)"
        wait_for 15 hosts_up "${HOSTS[@]}"
        judge
    fi
}

for step in $STEPS; do
    case $step in
    move.lead.*) walk "$step" alpha $ACTION ;;
    move.to.plugged) # One without state is there before the other ends.
        service=plain
        status 0 ctl alpha service create plain --net lan1 --check-http / -- "$PYTHON" -m http.server 80
        wait_for 20 settled
        walk "$step" to $ACTION
        walk move.lead.switch-committed alpha $ACTION
        walk move.seen.switch from $ACTION
        walk move.seen.switch to $ACTION
        status 0 ctl alpha service rm plain
        service=web
        ;;
    move.to.*) walk "$step" to $ACTION ;;
    move.from.*) walk "$step" from $ACTION ;;
    move.seen.*)
        for victim in alpha from to; do
            walk "$step" "$victim" $ACTION
        done
        ;;
    *) fail "nobody walks through $step" ;;
    esac
done
finish
