#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The API over TCP:   client (namespace of host beta) --- TLS --- alpha, fabricd --api
# Tokens with scope and expiry, the pin, who is refused and how; the audit log of both ways in;
# what strangers can do with a TLS port; the operator's own certificate.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need curl openssl
e2e_hosts alpha beta
e2e_start alpha --api 192.0.2.1:8443
URL=https://192.0.2.1:8443

pin=$(ctl alpha status -o json | jq -r .api.pin)
has "status shows the pin" 'pin: +sha256//' "$(ctl alpha status)"
is "the key is its owner's" 600 "$(stat -c %a "$T/alpha/state/api/api.key")"

# remote TOKENFILE ARGS…: iothctl on beta, over TLS.
remote() {
    local file=$1
    shift
    on beta env -u IOTH_SOCKET IOTH_TOKEN_FILE="$file" IOTH_PIN="$pin" "$IOTHCTL" --socket "$URL" "$@"
}

# http TOKEN CURLARGS…: the status alone; headers in $T/head, the body in $T/body.
http() {
    local token=$1
    shift
    on beta curl -sS -m 20 -k --pinnedpubkey "$pin" -H "Authorization: Bearer $token" -D "$T/head" \
        -o "$T/body" -w '%{http_code}' "$@"
}

# --- tokens ---------------------------------------------------------------------------------------

for scope in read write admin; do
    ctl alpha -q token create --scope $scope --name "ci-$scope" --expires 1h >"$T/$scope.token"
    is "the token alone is printed" 1 "$(wc -l <"$T/$scope.token")"
done
has "they are listed" '^ci-write +write +20' "$(ctl alpha token ls)"
hasnt "nothing at rest gives it away" "$(cut -d_ -f3- "$T/admin.token")" \
    "$(cat "$T"/alpha/state/store/* "$T"/alpha/state/api/* | tr -d '\0')"
status 1 ctl alpha token create --scope read --name ci-read
has "a name is taken once" 'ci-read already' "$ERR"
status 2 ctl alpha token create --scope all
status 2 ctl alpha token create --scope read --expires 2y
status 2 ctl alpha token create
has "what is missing" 'scope' "$ERR"
status 3 ctl alpha token rm nobody

remote "$T/write.token" net create lan1 >/dev/null
has "read reads" '^lan1 ' "$(remote "$T/read.token" net ls)"
status 1 remote "$T/read.token" net create lan2
has "read writes nothing" 'scope read, and this needs write' "$ERR"
status 1 remote "$T/write.token" host invite
has "write is not admin" 'needs admin' "$ERR"
status 1 remote "$T/write.token" token ls
has "admin is" 'ci-admin' "$(remote "$T/admin.token" token ls)"
is "of run, 125" 125 "$(remote "$T/admin.token" run --net lan1 -- true 2>/dev/null && echo 0 || echo $?)"
has "the version too" 'fabricd' "$(remote "$T/read.token" version)"

status 4 on beta env -u IOTH_SOCKET IOTH_TOKEN_FILE="$T/read.token" \
    "$IOTHCTL" --pin sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= --socket "$URL" net ls
has "another key is not talked to" 'another key than the pinned' "$ERR"
status 4 on beta env -u IOTH_SOCKET IOTH_TOKEN_FILE="$T/read.token" "$IOTHCTL" --socket "$URL" net ls
has "nor one that nobody vouches for" 'not trusted' "$ERR"
has "the remedy" 'hint: --pin' "$ERR"

# --- refusals -------------------------------------------------------------------------------------

read -r secret <"$T/read.token"
is "a good token" 200 "$(http "$secret" "$URL/v1/status")"
for wrong in "" x "ioth_ci-read_" "${secret}x" "ioth_ci-read_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" \
    "ioth_nobody_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"; do
    is "no token: '$wrong'" 401 "$(http "$wrong" "$URL/v1/networks")"
    has "it says which kind" '^WWW-Authenticate: Bearer' "$(cat "$T/head")"
    has "nothing tells why" 'not valid here' "$(cat "$T/body")"
done
is "not even what there is" 401 "$(http "" "$URL/v1/nothing")"
# Who does not wait for leave to send may find the connection closed before he reads why.
has "bodies of strangers are not taken" '^(401|000)$' \
    "$(head -c 900000 /dev/zero | http "" -H 'Expect:' --data-binary @- "$URL/v1/apply" 2>/dev/null || true)"
# Of wrong tokens the rest of the burst, and then none.
for _ in 1 2 3 4 5; do
    http "ioth_ci-read_x" "$URL/v1/networks" >/dev/null
done
is "then the address waits" 429 "$(http "ioth_ci-read_x" "$URL/v1/networks")"
has "for a time that is told" '^Retry-After: [1-9]' "$(cat "$T/head")"
is "with any token" 429 "$(http "$secret" "$URL/v1/networks")"
is "another address does not" 200 "$(on alpha curl -sS -k -H "Authorization: Bearer $secret" \
    -o /dev/null -w '%{http_code}' "$URL/v1/status")"
is "nor the socket" 0 "$(ctl alpha net ls >/dev/null && echo 0)"
allowed() { [ "$(http "$secret" "$URL/v1/status")" = 200 ]; }
wait_for 15 allowed

ctl alpha -q token create --scope read --expires 1s --name brief >"$T/brief.token"
expired() { [ "$(http "$(cat "$T/brief.token")" "$URL/v1/status")" = 401 ]; }
wait_for 5 expired
has "its holder is told" 'has expired' "$(cat "$T/body")"
has "so is its owner" 'brief +read.*expired' "$(ctl alpha token ls)"

# A token that is taken back ends what goes on with it.
bg watch beta curl -sS -N -k -H "Authorization: Bearer $secret" "$URL/v1/events"
wait_for 5 grep -q ': events' "$T/watch.out"
ctl alpha net create lan3 >/dev/null
wait_for 5 grep -q 'lan3' "$T/watch.out"
ctl alpha token rm ci-read
wait_for 25 gone "${E2E_PID[watch]}"
e2e_wait watch
is "it is refused at once" 401 "$(http "$secret" "$URL/v1/status")"

# --- TLS ------------------------------------------------------------------------------------------

tls() { on beta openssl s_client -connect 192.0.2.1:8443 "$@" </dev/null 2>&1; }
has "TLS 1.3" 'TLSv1.3' "$(tls)"
has "TLS 1.2" 'TLSv1.2, Cipher is ECDHE' "$(tls -tls1_2)"
hasnt "nothing older" 'Cipher is [A-Z]' "$(tls -tls1_1 -cipher DEFAULT@SECLEVEL=0 || true)"
hasnt "no cipher without forward secrecy" 'Cipher is [A-Z]' \
    "$(tls -tls1_2 -cipher AES128-GCM-SHA256:AES256-SHA || true)"
# A client that wants to begin anew in the middle (R) gets no second handshake.
has "no renegotiation" 'RENEGOTIATING *(closed|.*alert|.*errno)' \
    "$(on beta bash -c '(sleep 0.3; echo R; sleep 1) | timeout 5 openssl s_client -tls1_2 -connect 192.0.2.1:8443' 2>&1 | tr '\n' ' ' || true)"
read -r secret <"$T/admin.token"
on beta "$PYTHON" "$E2E_ROOT/tests/e2e/faults_tls.py" 192.0.2.1 8443 "$secret" ||
    fail "strangers at the TLS port"

# --- the audit log --------------------------------------------------------------------------------

ctl alpha net rm lan3
log=$(ctl alpha audit -o json)
is "the last one" '["DELETE","/v1/networks/lan3",204,0]' \
    "$(jq -c '.[0] | [.method, .path, .status, .uid]' <<<"$log")"
is "who came by TCP" '["ci-write","192.0.2.2",201]' \
    "$(jq -c '.[] | select(.path == "/v1/networks/lan1") | [.token, .address, .status]' <<<"$log")"
has "for people" 'token ci-write from 192.0.2.2 +PUT +/v1/networks/lan1' "$(ctl alpha audit)"
hasnt "no secret is in it" "$(cut -d_ -f3 "$T/admin.token")" "$(cat "$T"/alpha/state/api/audit.jsonl)"
is "pages are the whole" "$(jq -c 'map(.number)' <<<"$log")" \
    "$(after='' all='[]' && while page=$(curl -sS --unix-socket "$T/alpha/run/api.sock" "http://x/v1/audit?limit=3$after"); do
        all=$(jq -c --argjson all "$all" '$all + (.items | map(.number))' <<<"$page")
        next=$(jq -r '.next // empty' <<<"$page")
        [ -n "$next" ] || break
        after="&after=$next"
    done; echo "$all")"
status 1 remote "$T/write.token" audit
log=$(ctl alpha audit -o json)
is "who may not read it" '["ci-write","GET","/v1/audit",403]' \
    "$(jq -c '.[0] | [.token, .method, .path, .status]' <<<"$log")"
before=$(jq '.[0].number' <<<"$log")
e2e_stop alpha
e2e_start alpha --api 192.0.2.1:8443
is "the key stays" "$pin" "$(ctl alpha status -o json | jq -r .api.pin)"
ctl alpha net create lan4 >/dev/null
is "numbers go on" $((before + 1)) "$(ctl alpha audit -n 1 -o json | jq '.[0].number')"
has "tokens stay" '^ci-admin ' "$(remote "$T/admin.token" token ls)"

# Control is killed, twice: the next one has both doors.
allow_log 'ended \(signal 9\), starting it again'
die() {
    kill -KILL "$(ctl alpha status -o json | jq .pids.control)"
    sleep 0.1
    wait_for 20 ctl alpha --no-start net ls >/dev/null
}
die
die
has "the API over TCP comes back" '^ci-admin ' "$(remote "$T/admin.token" token ls)"
e2e_stop alpha

# --- the operator's certificate -------------------------------------------------------------------

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=alpha.example \
    -addext subjectAltName=DNS:alpha.example,IP:192.0.2.1 -keyout "$T/own.key" -out "$T/own.crt" 2>/dev/null
e2e_start alpha --api 192.0.2.1:8443 --api-cert "$T/own.crt" --api-key "$T/own.key"
is "its name is checked by its authority" 200 "$(on beta curl -sS --cacert "$T/own.crt" \
    -H "Authorization: Bearer $secret" -o /dev/null -w '%{http_code}' "$URL/v1/status")"
die
is "and so it is after control died" 200 "$(on beta curl -sS --cacert "$T/own.crt" \
    -H "Authorization: Bearer $secret" -o /dev/null -w '%{http_code}' "$URL/v1/status")"
e2e_stop alpha
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$T/other.key" 2>/dev/null
start() {
    on alpha "$FABRICD" --name alpha --run-dir "$T/alpha/run" --state-dir "$T/alpha/state" "$@"
}
status 1 start --api 192.0.2.1:8443 --api-cert "$T/own.crt" --api-key "$T/other.key"
has "a key of another certificate" 'does not belong' "$ERR"
status 1 start --api 192.0.2.1:8443 --api-cert "$T/none.crt" --api-key "$T/own.key"
has "no certificate" 'none.crt: No such file' "$ERR"
status 2 start --api 192.0.2.1:8443 --api-cert "$T/own.crt"
bg holder alpha "$PYTHON" -m http.server --bind 192.0.2.1 8443
wait_for 5 on beta bash -c ': </dev/tcp/192.0.2.1/8443'
status 1 start --api 192.0.2.1:8443
has "a port in use" 'TCP port 8443: Address already in use' "$ERR"
e2e_end holder
finish
