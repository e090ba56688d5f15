#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Clocks that are an hour apart: hosts join, applies wait for a second word and are taken back in
# their time, and a service moves. What is compared between hosts is never a time of day.
#
#      alpha  12:00          beta  13:00 (libfaketime)          gamma  11:00
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun
need faketime curl
# Its segments are named after process ids, which are small here, and stay behind.
mount -t tmpfs tmpfs /dev/shm
FAKETIME_LIB=$(faketime -f '+0s' sh -c 'echo "$LD_PRELOAD"')
[ -n "$FAKETIME_LIB" ] || skip "libfaketime is not found"

# start_at HOST OFFSET: its daemon, whose time of day is another.
start_at() {
    LD_PRELOAD=$FAKETIME_LIB FAKETIME=$2 FAKETIME_DONT_FAKE_MONOTONIC=1 \
        e2e_start "$1" --services "$(id -un)"
}

e2e_hosts alpha beta gamma
e2e_start alpha --services "$(id -un)"
start_at beta +3600s
start_at gamma -3600s
hour() { sed -n '1s/^[0-9-]*T\([0-9:]*\).*/\1/p' "$T/$1.log"; }
[ "$(hour beta | cut -d: -f1)" != "$(hour alpha | cut -d: -f1)" ] || skip "the clocks cannot be moved here"

status 0 ctl alpha net create lan1
for host in beta gamma; do
    status 0 ctl "$host" host join "$(ctl alpha host invite --expires 10m)"
done
wait_for 15 hosts_up alpha beta gamma

status 0 ctl alpha doctor
has "what doctor says" '^clocks +warn +the clock of host beta is 3(599|60[0-9]) s ahead' "$OUT"
has "and of the other" '^clocks +warn +the clock of host gamma is 3(599|60[0-9]) s behind' "$OUT"

# --- tokens last as long as they were made for -----------------------------------------------------
for host in beta gamma; do
    secret=$(ctl "$host" -q token create --scope read --expires 10m --name short)
    [ -n "$secret" ] || fail "no token at $host"
    is "it is good" false "$(ctl "$host" token ls -o json | jq '.[0].expired // false')"
done

# --- an apply is taken back in its time, whoever asked for it -------------------------------------
cat >"$T/fabric.yaml" <<'EOF'
version: 1
networks:
  lan3: {}
EOF
status 0 ctl gamma apply -f "$T/fabric.yaml" --confirm 2s
status 0 ctl gamma net show lan3
taken_back() { ! ctl beta net show lan3; }
wait_for 10 taken_back
status 3 ctl beta net show lan3
status 0 ctl beta apply -f "$T/fabric.yaml" --confirm 60s
status 0 ctl beta apply --accept
status 0 ctl gamma net show lan3

# --- and a service moves ---------------------------------------------------------------------------
mkdir "$T/www"
echo "$CANARY" >"$T/www/index.html"
status 0 ctl alpha service create web --net lan1 --host beta -- \
    "$PYTHON" -m http.server 80 --directory "$T/www"
page() { [ "$(ctl alpha run --net lan1 -- curl -sS --max-time 2 http://web/)" = "$CANARY" ]; }
wait_for 15 page
status 0 ctl alpha service migrate web --to gamma
has "where it is" 'gamma' "$(ctl alpha service ls)"
wait_for 10 page
status 0 ctl alpha service rm web
finish
