#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The API as curl sees it: who may what, conditions, bad and slow clients, a full disk, and that
# what was accepted is there after everything was killed.
#
#      alpha
#        fabricd ── RUN/api.sock ── curl (the owner; a stranger; slow ones)
#         │ lan1, open (--allow uid:4242)
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need curl jq

e2e_hosts alpha
# The state is on a small disk that can be filled.
mkdir -p "$T/alpha/state"
mount -t tmpfs -o size=1m,mode=0700 tmpfs "$T/alpha/state"
e2e_start alpha
chmod 0711 "$T"

SOCK=$T/alpha/run/api.sock
# api METHOD PATH [CURL ARGS…]: the status in $CODE, the body in $BODY.
api() {
    local method=$1 path=$2
    shift 2
    CODE=$(curl -sS -m 10 --unix-socket "$SOCK" -X "$method" -o "$T/body" -w '%{http_code}' \
        "$@" "http://localhost$path")
    BODY=$(cat "$T/body")
}
code() {
    local want=$1
    shift
    api "$@"
    is "$1 $2" "$want" "$CODE"
}
field() { jq -r "$1" <<<"$BODY"; }

# Objects, conditions, forms.
code 201 PUT /v1/networks/lan1 -H 'If-None-Match: *' --json '{}'
is "a subnet was picked" 10.64.0.0/24 "$(field .ipv4)"
code 412 PUT /v1/networks/lan1 -H 'If-None-Match: *' --json '{}'
has "the problem names it" 'lan1' "$(field .detail)"
api GET /v1/networks/lan1
revision=$(field .revision)
code 412 PATCH /v1/networks/lan1 -H 'If-Match: "9999"' --json '{"mtu": 9000}'
code 200 PATCH /v1/networks/lan1 -H "If-Match: \"$revision\"" --json '{"mtu": 9000}'
code 412 PATCH /v1/networks/lan1 -H "If-Match: \"$revision\"" --json '{"mtu": 1500}'
code 400 PUT /v1/networks/lan2 --json '{"mtu": 1, "colour": "red"}'
is "both mistakes are told" '/colour /mtu' "$(field '[.errors[].pointer] | sort | join(" ")')"
code 400 PUT /v1/networks/lan2 -H 'Content-Type: application/yaml' --data-binary 'mtu: [1'
code 201 PUT /v1/networks/lan2 -H 'Content-Type: application/yaml' --data-binary 'mtu: 4000'
code 405 POST /v1/networks/lan2
code 204 OPTIONS /v1/networks/lan2
code 406 GET /v1/networks -H 'Accept: text/html'
code 415 PATCH /v1/networks/lan2 -H 'Content-Type: application/json-patch+json' -d '[]'
code 412 DELETE /v1/networks/lan2 -H 'If-Match: W/"1"'
code 415 PUT /v1/networks/lan3 -d '{}'
has "what is wanted is named" 'Content-Type: application/json' "$(field .hint)"
code 400 PUT /v1/networks/lan3 -H 'If-None-Match: "1"' --json '{}'
code 412 PUT /v1/networks/lan3 -H 'If-Match: *' --json '{}'
code 400 PUT /v1/networks/lan3 -H 'If-Match: "1"' -H 'If-Match: "2"' --json '{}'
code 400 GET /v1/networks?limit=many
# A parameter that is not known is not passed over: it may have been meant to hold something back.
before=$(api GET /v1/history && field '.items[0].revision')
code 400 POST '/v1/apply?dryrun=1' --json '{"networks": {"lan3": {}}}'
has "which was meant" 'dryrun.*did you mean dry_run\?' "$(field .detail)"
code 400 POST '/v1/apply?dry_run=yes' --json '{"networks": {"lan3": {}}}'
code 400 POST '/v1/apply?dry_run=1&dry_run=0' --json '{"networks": {"lan3": {}}}'
has "given twice" 'dry_run.*twice' "$(field .detail)"
is "nothing was applied" "$before" "$(api GET /v1/history && field '.items[0].revision')"
code 400 GET '/v1/networks?network=lan1'
code 400 GET '/v1/networks/lan1?zork=1'
has "it takes none" 'zork.*takes none' "$(field .detail)"
code 200 GET '/v1/ports?network=lan1'
code 400 GET '/v1/networks?limit=1&limit=2'
code 400 GET '/v1/networks?limit=1%00'
code 400 PUT '/v1/networks/typo?dry_run=1' --json '{}'
code 404 GET /v1/networks/typo
api GET '/v1/networks?limit=1'
is "a page" '["lan1","lan1"]' "$(jq -c '[.items[0].name, .next]' <<<"$BODY")"
api GET '/v1/networks?limit=1&after=lan1'
is "the last page" '["lan2",null]' "$(jq -c '[.items[0].name, .next]' <<<"$BODY")"
is "the revision is the tag" "\"$(api GET /v1/networks/lan2 && field .revision)\"" \
    "$(curl -sS -m 10 -o /dev/null -D - --unix-socket "$SOCK" http://localhost/v1/networks/lan2 |
        tr -d '\r' | sed -n 's/^ETag: //p')"
code 201 POST /v1/tokens --json '{"scope": "read", "name": "ci"}'
code 200 GET /v1/tokens
code 204 DELETE /v1/tokens/ci
code 404 DELETE /v1/tokens/ci
code 400 POST /v1/tokens --json '{"scope": "all", "colour": 1}'
is "both mistakes of a token" '/colour /scope' "$(field '[.errors[].pointer] | sort | join(" ")')"
code 200 GET '/v1/audit?limit=2'
is "it is written down" '["DELETE","/v1/tokens/ci",404]' \
    "$(jq -c '.items[1] | [.method, .path, .status]' <<<"$BODY")"
code 412 PUT /v1/networks/lan1 -H 'If-Match: "1"' --json '{}'
api GET '/v1/audit?limit=1'
has "a conflict is, with the reason" 'was changed meanwhile' "$(field '.items[0].why')"
code 404 GET /v1/nothing
code 501 GET /v1/routers
code 200 GET /openapi.json
is "the document says what it is" 3.1 "$(field '.openapi[0:3]')"
code 200 GET /v1/export -H 'Accept: application/yaml'
has "it is a fabric file" '^version: 1$' "$BODY"
api POST '/v1/apply?dry_run=1&prune=1' -H 'Content-Type: application/yaml' --data-binary "$BODY"
is "what was exported changes nothing" 0 "$(field '.steps | length')"

# Sizes.
head -c 1100000 /dev/zero | tr '\0' ' ' >"$T/large"
code 413 PUT /v1/networks/lan3 --json "@$T/large"
code 413 PUT /v1/networks/lan3 -H 'Transfer-Encoding: chunked' --json "@$T/large"
head -c 10000000 /dev/zero >"$T/huge" # A client that does not listen while it sends hears it, too.
code 413 POST /v1/apply -H Expect: --json "@$T/huge"
head -c 1048000 /dev/zero | tr '\0' ' ' >"$T/large"
echo '{}' >>"$T/large"
code 201 PUT /v1/networks/lan3 --json "@$T/large"
code 204 DELETE /v1/networks/lan3

# Prometheus.
code 200 GET /metrics
has "the counters" '^ioth_networks 2$' "$BODY"
if command -v promtool >/dev/null; then
    printf '%s\n' "$BODY" | promtool check metrics >"$T/promtool" 2>&1 ||
        fail "promtool: $(cat "$T/promtool")"
fi

# Somebody else: reads what is open to him, and changes nothing.
code 201 PUT /v1/networks/open --json '{"allow": "uid:4242"}'
if [ "$(id -u)" = 0 ] && setpriv --reuid 4242 --regid 4242 --clear-groups true 2>/dev/null; then
    chmod 0711 "$T/alpha" "$T/alpha/run"
    other() {
        CODE=$(setpriv --reuid 4242 --regid 4242 --clear-groups curl -sS -m 10 \
            --unix-socket "$SOCK" -X "$1" -w '\n%{http_code}' "http://localhost$2")
        BODY=${CODE%$'\n'*} CODE=${CODE##*$'\n'}
    }
    other GET /v1/networks
    is "he sees one network" open "$(field '[.items[].name] | join(" ")')"
    other GET /v1/networks/lan1
    is "not the other" 404 "$CODE"
    other DELETE /v1/networks/open
    is "he removes none" 403 "$CODE"
    api GET '/v1/audit?limit=1'
    is "that he tried is written down" '[4242,"DELETE","/v1/networks/open",403]' \
        "$(jq -c '.items[0] | [.uid, .method, .path, .status]' <<<"$BODY")"
    has "and why he was refused" 'owner, root and group ioth' "$(field '.items[0].why')"
    other POST /v1/daemon/stop
    is "he does not end the daemon" 403 "$CODE"
    other GET /v1/hosts
    is "hosts are not his business" 403 "$CODE"
fi

# Events by kind and name; one that is not known any more is told so.
code 400 GET /v1/events?kind=weather
curl -sSN -m 10 --unix-socket "$SOCK" -H 'Last-Event-ID: 0123456789abcdef-1' \
    'http://localhost/v1/events?kind=network&name=seen' >"$T/events" &
watching=$!
wait_for 5 grep -q '"verb":"reset","why":' "$T/events"
code 201 PUT /v1/networks/unseen --json '{}'
code 201 PUT /v1/networks/seen --json '{}'
wait_for 5 grep -q '"name":"seen"' "$T/events"
is "and of no other" '' "$(grep unseen "$T/events" || true)"
kill "$watching"
wait "$watching" || true

# Slow and broken clients hold up nobody.
"$PYTHON" - "$(e2e_direct alpha)" <<'PY'
import os, socket, sys, time

def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    s.connect(sys.argv[1])
    return s

slow = []
for i in range(300):
    s = connect()
    try:
        s.send((b"", b"GET /v1/sta", b"PUT /v1/networks/x HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")[i % 3])
    except BrokenPipeError:
        pass
    slow.append(s)
for junk in (b"\0" * 5000, os.urandom(5000), b"GET " + b"/" * 70000 + b" HTTP/1.1\r\n\r\n"):
    s = connect()
    try:
        s.sendall(junk)
    except (BrokenPipeError, ConnectionResetError):
        pass
    s.close()
start = time.monotonic()
for i in range(20):
    s = connect()
    s.sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"200 OK" in s.recv(4096)
assert time.monotonic() - start < 2, "a request waited for slow clients"
PY
code 200 GET /v1/status

# Many at once: each name is given once, no answer is lost.
racers=()
for i in $(seq 20); do
    curl -sS -m 10 --unix-socket "$SOCK" -X PUT -H 'If-None-Match: *' --json '{}' -o /dev/null \
        -w '%{http_code}\n' http://localhost/v1/networks/race >"$T/race.$i" &
    racers+=($!)
done
wait "${racers[@]}"
is "one of twenty made it" '19 412,1 201,' "$(cat "$T"/race.[0-9]* | sort | uniq -c |
    sort -rn | awk '{printf "%s %s,", $1, $2}')"

# A full disk refuses the change, says so, and keeps what there is.
api GET /v1/networks
before=$(field '[.items[].name] | sort | join(" ")')
head -c 2000000 /dev/zero >"$T/alpha/state/filler" 2>/dev/null || true
# shellcheck disable=SC2317 # called by wait_for
full() {
    api PUT "/v1/networks/full$RANDOM" --json '{}'
    [ "$CODE" != 201 ]
}
wait_for 20 full
is "no room" 507 "$CODE"
has "the reason" 'disk.*full' "$(field .detail)"
code 200 GET /v1/networks
for name in $before; do
    has "what was there is there" "\"$name\"" "$BODY"
done
rm "$T/alpha/state/filler"
code 201 PUT /v1/networks/afterwards --json '{}'

# Everything is killed: what was accepted is there again.
code 201 PUT /v1/endpoints/lan1/web --json '{}'
address=$(field '.addresses[0]')
api GET /v1/networks
before=$(field '[.items[] | [.name, .id, .ipv4, .revision] | join(" ")] | sort | join(",")')
allow_log '.'
pids=$(e2e_daemon_pids alpha)
# shellcheck disable=SC2086 # three of them
kill -9 $pids
wait "${E2E_DAEMON[alpha]}" || true
e2e_start alpha
api GET /v1/networks
is "networks come back" "$before" \
    "$(field '[.items[] | [.name, .id, .ipv4, .revision] | join(" ")] | sort | join(",")')"
api GET /v1/endpoints/lan1/web
is "so does the address" "$address" "$(field '.addresses[0]')"

# It ends in order while a request waits for a switch that says nothing.
api GET /v1/status
switch=$(field .pids.switch)
kill -STOP "$switch"
curl -sS -m 10 --unix-socket "$SOCK" http://localhost/v1/ports >/dev/null 2>&1 &
waiting=$!
asked() { ss -Hxp 2>/dev/null | grep -q "pid=$waiting,"; }
wait_for 5 asked
pids=$(field '.pids | .parent, .control')
kill "${E2E_DAEMON[alpha]}"
for pid in $pids; do
    wait_for 5 gone "$pid"
done
kill -CONT "$switch" 2>/dev/null || true # It may have been killed for that.
wait_for 5 gone "$switch"
wait "$waiting" || true
unset "E2E_DAEMON[alpha]"
hasnt "it ends in order" 'Fatal error' "$(cat "$T/alpha.log")"
umount "$T/alpha/state"
finish
