#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Services: made, found by name, supervised, checked, logged, depending on one another; kept by
# processes that outlive every process of the daemon, and ended with it.
#
#   alpha  web  an HTTP server that is checked      lan1
#          and others, one for each thing that a service may do
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun
need python3 curl

e2e_hosts alpha
# `ip netns exec` makes /sys anew, without the control groups of the machine.
# shellcheck disable=SC2016 # the words are the starter's
E2E_STARTER=(sh -c 'mount -t cgroup2 none /sys/fs/cgroup 2>/dev/null; exec "$@"' starter)
e2e_start alpha
ctl alpha net create lan1 -q

# state NAME STATE: is it in that state?
state() {
    [ "$(ctl alpha service show "$1" -o json | jq -r .status.state)" = "$2" ]
}
field() {
    ctl alpha service show "$1" -o json | jq -r "$2"
}
node_of() {
    field "$1" .status.pid
}

# --- made, running, found ---------------------------------------------------------------------
status 2 ctl alpha service create web --net lan1
has "a service without a program" 'the command to run is missing' "$ERR"
status 3 ctl alpha service create web --net no-such -- true
ctl alpha service create web --net lan1 --check-http / --every 300ms -- \
    python3 -u -m http.server 80 >"$T/created"
has "what create says" '^web  lan1  10\.64\.0\.' "$(cat "$T/created")"
wait_for 10 state web running
is "its health" healthy "$(field web .status.health)"
is "an HTTP request by name" 200 \
    "$(ctl alpha run --net lan1 -- python3 -c 'import urllib.request
print(urllib.request.urlopen("http://web/").status)')"
# Its check hears the answer out: a server complains of clients that hang up in the middle.
checked() {
    [ "$(ctl alpha service logs web | grep -c 'GET / HTTP/1.0')" -ge 4 ]
}
wait_for 10 checked
hasnt "its check hangs up" 'ConnectionResetError' "$(ctl alpha service logs web)"
has "exec sees its program" 'http.server 80' "$(ctl alpha exec lan1/web -- ps ax)"
has "it is an endpoint" '^lan1/web .* up$' "$(ctl alpha endpoint ls)"
status 1 ctl alpha endpoint rm lan1/web
has "its endpoint is not removed alone" 'is that of service web' "$ERR"
status 1 ctl alpha net rm lan1
has "its network is not removed" 'in use by service web' "$ERR"
status 125 ctl alpha run --net lan1 --name web -- true
has "its name is taken" 'name of a service' "$ERR"
has "what was run is written down" 'RUN +/v1/endpoints/lan1/run-[0-9a-f]+ +20[01]' "$(ctl alpha audit -n 100)"
has "since when, for people" '^status\.since: +20[0-9-]+ [0-9:]+ \([0-9]+ s ago\)' "$(ctl alpha service show web)"
has "since when, for programs" '^20[0-9-]+T[0-9:]+Z$' "$(field web .status.since)"
ctl alpha service stop web --print-yaml >"$T/stop.yaml"
has "the file that ends it" 'run: false' "$(cat "$T/stop.yaml")"
status 0 ctl alpha diff -f <(ctl alpha service start web --print-yaml)
status 1 ctl alpha diff -f "$T/stop.yaml"
status 0 ctl alpha service create checked --net lan1 --check-command '[sh, -c, "exit 0"]' --timeout 1s \
    --failures 2 --every 200ms --print-yaml -- true
has "a check by command" 'command: \[sh, "-c", exit 0\]' "$OUT"
has "all its keys" 'failures: 2' "$OUT"
status 1 ctl alpha service create web --net lan1 -- true
has "there is one already" 'exists already' "$ERR"

# What it may: nothing. Its surroundings: what was said.
ctl alpha service create bare --net lan1 --restart never --env GREETING=hello -- \
    sh -c 'env; grep -E "^(CapEff|CapPrm|NoNewPrivs)" /proc/self/status; ls /proc/self/fd | wc -l; pwd'
wait_for 5 state bare stopped
ctl alpha service logs bare >"$T/bare.txt"
has "its environment" '^GREETING=hello$' "$(cat "$T/bare.txt")"
hasnt "no variable of the daemon's" '^IOTH_' "$(cat "$T/bare.txt")"
has "no capabilities" '^CapEff:.*0000000000000000$' "$(cat "$T/bare.txt")"
has "no new privileges" '^NoNewPrivs:.*1$' "$(cat "$T/bare.txt")"
has "its descriptors" '^4$' "$(cat "$T/bare.txt")" # 0, 1, 2 and the folder that ls reads.
ctl alpha service rm bare

# A secret comes out of its file, and into nothing else.
echo s3cret-text >"$T/secret"
ctl alpha service create secret --net lan1 --restart never --secret "TOKEN=$T/secret" -- \
    sh -c 'echo "length ${#TOKEN}"'
wait_for 5 state secret stopped
has "the secret" '^length 11$' "$(ctl alpha service logs secret)"
! ctl alpha export | grep -q s3cret || fail "the secret is in the export"
ctl alpha service rm secret
ctl alpha service create secret --net lan1 --secret "TOKEN=$T/none" -- true
wait_for 5 state secret backoff
has "a secret that is not there" "secret in $T/none cannot be read" "$(field secret .status.problem)"
ctl alpha service rm secret

# --- counted, and told ----------------------------------------------------------------------------
metrics=$(on alpha curl -sS --unix-socket "$T/alpha/run/api.sock" http://ioth/metrics)
has "that it runs" '^ioth_service_up{service="web",network="lan1"} 1$' "$metrics"
has "its restarts" '^ioth_service_restarts_total{service="web",network="lan1"} 0$' "$metrics"
bg events alpha "$IOTHCTL" events
sleep 0.3

# --- as a file ----------------------------------------------------------------------------------
ctl alpha export >"$T/fabric.yaml"
ctl alpha diff -f "$T/fabric.yaml"
hasnt "the endpoint is not declared twice" 'endpoints' "$(cat "$T/fabric.yaml")"
before=$(node_of web)
ctl alpha apply -f "$T/fabric.yaml" >/dev/null
is "an apply of the same" "$before" "$(node_of web)"
cat >"$T/bad.yaml" <<END
version: 1
services: {bad: {network: lan1, host: alpha, command: [sleep, "600"], check: {tcp: 99, every: 1s}}}
END
status 1 ctl alpha apply -f "$T/bad.yaml" --within 1s
has "one that does not answer" 'service bad: its check fails: tcp 99: Connection refused' "$ERR"
status 3 ctl alpha service show bad
# Without a check it has to run for a while; an end in that time is told as it was.
for end in 'sleep 0.2; exit 3' 'exit 3' 'kill -9 $$'; do
    cat >"$T/bad.yaml" <<END
version: 1
services: {bad: {network: lan1, command: [sh, -c, "$end"]}}
END
    status 1 ctl alpha apply -f "$T/bad.yaml"
    has "one that ends after '$end'" 'service bad: its program ended: (exit status 3|signal 9)' "$ERR"
    status 3 ctl alpha service show bad
done
sed 's/command: .*/command: ["true"], restart: on-failure}}/' "$T/bad.yaml" >"$T/once.yaml"
status 0 ctl alpha apply -f "$T/once.yaml"
is "one that has done its work" stopped "$(field bad .status.state)"
ctl alpha service rm bad
# What is required has to be there, in the file or in the fabric, and not to wait for itself.
cat >"$T/bad.yaml" <<'END'
version: 1
services:
  one: {network: lan1, command: [sleep, 600], requires: [two]}
  two: {network: lan1, command: [sleep, 600], requires: [web, three]}
END
status 2 ctl alpha apply -f "$T/bad.yaml"
has "where" 'bad.yaml:4:.*services.two.requires: service two requires three, and there is no such service' "$ERR"
sed 's/three/one/' "$T/bad.yaml" >"$T/ring.yaml"
status 2 ctl alpha apply -f "$T/ring.yaml" --dry-run
has "a ring in a file" 'ring.yaml:[34]:.*would wait for itself' "$ERR"
sed 's/, three//' "$T/bad.yaml" >"$T/order.yaml"
status 0 ctl alpha apply -f "$T/order.yaml"
is "the one that another waits for is well" running "$(field two .status.state)"
ctl alpha service rm one two

# An apply is done when its services are well, and taken back when one is not.
cat >"$T/good.yaml" <<'EOF'
version: 1
services:
  slow:
    network: lan1
    command: [python3, -c, 'import socket, time; time.sleep(0.7); s = socket.create_server(("", 9)); time.sleep(1000)']
    check: {tcp: 9, every: 200ms}
EOF
ctl alpha apply -f "$T/good.yaml" >/dev/null
is "it is well when the apply is done" running "$(field slow .status.state)"
sed 's/python3, -c, .*/sh, -c, "exit 7"]/' "$T/good.yaml" >"$T/bad.yaml"
status 1 ctl alpha apply -f "$T/bad.yaml"
has "why it is taken back" 'service slow.*exit status 7' "$ERR"
wait_for 10 state slow running
has "what it was" 'create_server' "$(field slow '.command[2]')"
# The endpoint of a service is in no plan, there and back again.
revision=$(ctl alpha history -o json | jq '[.. | .revision? // empty] | max')
ctl alpha service rm slow
status 0 ctl alpha rollback "$revision" --dry-run
has "the way back" 'create +service slow' "$OUT"
hasnt "the way back" endpoint "$OUT"

# --- restart, stop, start -----------------------------------------------------------------------
ctl alpha service restart web
anew() {
    state web running && [ "$(node_of web)" != "$1" ]
}
wait_for 10 anew "$before"
ctl alpha service stop web
wait_for 5 state web stopped
wait_for 2 gone "$(node_of web | sed 's/null/999999/')"
hasnt "its endpoint is down" 'lan1/web .* up$' "$(ctl alpha endpoint ls)"
ctl alpha service start web
wait_for 10 state web running

# Its end is seen, and it starts again, with back-off; the log tells.
before=$(node_of web)
kill -9 "$(node_of web)"
wait_for 10 anew "$before"
ctl alpha service create crash --net lan1 -- sh -c 'echo once more; exit 3'
wait_for 5 state crash backoff
has "how it ended" 'exit status 3' "$(field crash .status.exit)"
glance() { ctl alpha service ls | grep '^crash .*exit status 3'; }
wait_for 10 glance # Between two starts.
explained() { # Between two starts.
    ! ctl alpha exec lan1/crash -- true 2>"$T/exec.err" && grep -q 'crash starts again in [0-9.]* s; its last end: exit status 3' "$T/exec.err"
}
wait_for 10 explained
has "where it tells" 'hint: iothctl service logs crash' "$(cat "$T/exec.err")"
thrice() {
    [ "$(ctl alpha service logs crash | grep -c 'once more')" -ge 3 ]
}
wait_for 5 thrice
before=$(ctl alpha endpoint show lan1/crash -o json | jq .revision)
restarts=$(field crash .status.restarts)
again() {
    [ "$(field crash .status.restarts)" -gt $((restarts + 1)) ]
}
wait_for 10 again
is "its starts change nothing that is stored" "$before" "$(ctl alpha endpoint show lan1/crash -o json | jq .revision)"
ctl alpha service set crash restart=never
wait_for 40 state crash failed
ctl alpha service rm crash
ctl alpha service create fine --net lan1 --restart on-failure -- true
wait_for 5 state fine stopped
ctl alpha service rm fine
ctl alpha service create none --net lan1 --restart on-failure -- /no/such/program
wait_for 5 state none backoff
is "when it starts again" number "$(field none '.status.starts_in_ms | type')"
has "a program that is not there" '/no/such/program' "$(field none .status.problem)"
ctl alpha service rm none

# A check that fails makes it unhealthy, and it is started anew.
ctl alpha service create sick --net lan1 -- sh -c 'echo up; exec sleep 1000'
ctl alpha service set sick check.command='[test, -d, /proc]' check.every=100ms check.failures=2
wait_for 5 state sick running
is "what its check runs" healthy "$(field sick .status.health)"
ctl alpha service set sick check.command="[test, -e, $T/well]"
twice() {
    [ "$(ctl alpha service logs sick | grep -c '^up$')" -ge 2 ]
}
wait_for 15 twice
has "why it was started anew" 'unhealthy' "$(ctl alpha service logs sick)"
ctl alpha service rm sick

# What it forked and let go of ends with it.
ctl alpha service create demon --net lan1 -- \
    sh -c 'setsid -f sleep 98765; setsid -f sh -c "trap \"\" TERM; sleep 98764"; exec sleep 98763'
wait_for 5 state demon running
sleepers() {
    pgrep -fc 'sleep 9876[345]' || true
}
three() {
    [ "$(sleepers)" -ge 3 ]
}
wait_for 5 three
ctl alpha service rm demon
none() {
    [ "$(sleepers)" = 0 ]
}
wait_for 8 none

# A program that comes up again changes nothing that the history is about.
hasnt "every start in the history" 'endpoint lan1/crash changed' "$(ctl alpha history)"

told() {
    grep -q 'service *crash *backoff' "$T/events.out" && grep -q 'service *web *running' "$T/events.out"
}
wait_for 5 told
e2e_end events

# --- the log ------------------------------------------------------------------------------------
ctl alpha service create count --net lan1 -- sh -c 'i=0; while :; do i=$((i+1)); echo line $i; sleep 0.1; done'
wait_for 5 state count running
bg follow alpha "$IOTHCTL" service logs count -f
wait_for 5 grep -q '^line 8$' "$T/follow.out"
e2e_end follow
is "the last two lines" 2 "$(ctl alpha service logs count -n 2 | wc -l)"
ctl alpha service rm count
# A flood is bounded on the disk, and what is followed is told on over the rotation.
ctl alpha service create flood --net lan1 -- sh -c 'yes "$(printf %0100d 7)"'
wait_for 5 state flood running
wait_for 10 test -e "$T/alpha/state/services/flood/log.1"
size=$(du -sb "$T/alpha/state/services/flood" | cut -f1)
[ "$size" -lt 3000000 ] || fail "the log has $size bytes"
ctl alpha service ls >/dev/null
ctl alpha service rm flood
no_folder() {
    ! [ -e "$T/alpha/state/services/flood" ]
}
wait_for 5 no_folder

# --- one after another --------------------------------------------------------------------------
status 2 ctl alpha service create app --net lan1 --requires db -- sleep 1000
has "one that there is not" 'service app requires db, and there is no such service' "$ERR"
ctl alpha service create db --net lan1 --check-tcp 5432 --every 200ms -- \
    python3 -c 'import socket, time
time.sleep(0.5)
s = socket.create_server(("", 5432))
while True: s.accept()'
ctl alpha service create app --net lan1 --requires db -- sleep 1000
is "it waits for db to be well" waiting "$(field app .status.state)"
has "what it waits for" 'requires service db, which is not running' "$(field app .status.problem)"
wait_for 10 state db running
wait_for 10 state app running
ctl alpha service stop db
wait_for 5 state app waiting
ctl alpha service start db
wait_for 10 state app running
status 2 ctl alpha service set db requires=app
has "a ring" 'wait for itself' "$ERR"
status 1 ctl alpha service rm db
has "it is required" 'service app requires service db' "$ERR"
ctl alpha service rm app db

# --- limits -------------------------------------------------------------------------------------
# can_limit: has the machine the controllers, in version 2 of control groups, for us?
can_limit() {
    # shellcheck disable=SC2016
    on alpha "${E2E_STARTER[@]}" sh -c 'cd /sys/fs/cgroup/$(sed -n s/^0:://p /proc/self/cgroup) &&
        for controller in memory cpu pids; do grep -qw $controller cgroup.controllers || exit 1; done &&
        [ -w cgroup.subtree_control ]' 2>/dev/null
}
ctl alpha service create small --net lan1 --memory 64M --cpu 20 --processes 8 --restart never -- \
    python3 -u -c 'import os, time
wall, used = time.monotonic(), time.process_time()
while time.monotonic() < wall + 2: pass
print("cpu", round(100 * (time.process_time() - used) / (time.monotonic() - wall)))
children = 0
try:
    while children < 100:
        if os.fork() == 0: time.sleep(1000)
        children += 1
except OSError: pass
print("processes", 1 + children)
print("memory", len(bytearray(b"x") * (48 << 20)) >> 20)
print("memory", len(bytearray(b"x") * (200 << 20)) >> 20)'
if can_limit; then
    wait_for 60 state small failed
    ctl alpha service logs small >"$T/small.txt"
    has "its share of a processor" '^cpu (1[0-9]|2[0-9])$' "$(cat "$T/small.txt")"
    has "its processes" '^processes 8$' "$(cat "$T/small.txt")"
    has "the memory that it has" '^memory 48$' "$(cat "$T/small.txt")"
    hasnt "more memory" '^memory 200$' "$(cat "$T/small.txt")"
    has "how it ended" '^signal 9 .*limits.memory is used up' "$(field small .status.exit)"
else
    # Refused rather than run without.
    refused() { field small .status.problem | grep -q '^limits'; }
    wait_for 5 refused
fi
ctl alpha service rm small
status 2 ctl alpha service create small --net lan1 --memory 64 -- sleep 1000

# --- whoever of the daemon dies -------------------------------------------------------------------
wait_for 10 state web running
same() {
    [ "$(node_of web)" = "$1" ] && state web running &&
        ctl alpha exec lan1/web -- python3 -c 'import urllib.request
urllib.request.urlopen("http://127.0.0.1/")'
}
before=$(node_of web)
allow_log 'fabricd.*(ended|is away|was killed|starting it again|is gone)|gone|adopt'
for which in control switch; do
    pid=$(ctl alpha status -o json | jq -r ".pids.$which")
    kill -9 "$pid"
    wait_for 5 gone "$pid"
    wait_for 10 same "$before"
    wait_for 10 grep -q 200 <(ctl alpha run --net lan1 -- python3 -c 'import urllib.request
print(urllib.request.urlopen("http://web/").status)')
done
# The parent: the next one adopts.
kill -9 "${E2E_DAEMON[alpha]}"
wait "${E2E_DAEMON[alpha]}" 2>/dev/null || true
e2e_start alpha
wait_for 10 same "$before"
# All at once: the next daemon finds the service where it was.
mapfile -t pids < <(e2e_daemon_pids alpha)
kill -9 "${pids[@]}"
wait "${E2E_DAEMON[alpha]}" 2>/dev/null || true
e2e_start alpha
wait_for 10 same "$before"
# The keeper: the service ends with it, and is started anew.
keeper=$(ps -o ppid= -p "$before" | tr -d ' ')
kill -9 "$keeper"
wait_for 15 anew "$before"
wait_for 5 gone "$before"

# --- the end --------------------------------------------------------------------------------------
# SIGTERM ends everything within a second, a program that does not want to as well.
ctl alpha service create stubborn --net lan1 -- sh -c 'trap "" TERM; while :; do sleep 1; done'
wait_for 5 state stubborn running
nodes="$(node_of web) $(node_of stubborn)"
began=${EPOCHREALTIME/./}
e2e_stop alpha
took=$(((${EPOCHREALTIME/./} - began) / 1000))
for pid in $nodes; do
    gone "$pid" || fail "a service outlives its daemon"
done
[ $took -lt 1500 ] || fail "the end took $took ms"
# And the next daemon starts them.
e2e_start alpha
wait_for 10 state web running
wait_for 10 state stubborn running
ctl alpha service rm stubborn web
finish
