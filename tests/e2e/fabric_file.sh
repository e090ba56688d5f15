#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The fabric as files: what -o yaml and --print-yaml print is input for apply, for every kind and
# every command; several files and their includes; mistakes at their places, whoever finds them.
#
#      alpha 192.0.2.1 ───── beta 192.0.2.2
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun

e2e_hosts alpha beta
e2e_start alpha
e2e_start beta

# The fabric as it is, but for revisions, ids and what is observed.
picture() {
    ctl alpha export
}
# same COMMAND…: the file that COMMAND prints does nothing by being printed, and by being applied
# what the command itself does. $UNDO takes the command back (else the file of before does), $PRUNE
# is how the printed file is applied.
same() {
    local before after
    before=$(picture)
    printf '%s\n' "$before" >"$T/before.yaml"
    status 0 ctl alpha "$1" "$2" --print-yaml "${@:3}"
    printf '%s\n' "$OUT" >"$T/printed.yaml"
    is "$*: printing does nothing" "$before" "$(picture)"
    status 0 ctl alpha "$@"
    after=$(picture)
    [ "$before" != "$after" ] || fail "$* does nothing"
    # shellcheck disable=SC2086 # words
    status 0 ctl alpha ${UNDO:-apply -f $T/before.yaml --prune}
    is "$*: and back" "$before" "$(picture)"
    status 0 ctl alpha apply -f "$T/printed.yaml" ${PRUNE:+--prune}
    is "$*: by a file" "$after" "$(picture)"
}

# --- a fabric with a name ---------------------------------------------------------------------
status 0 ctl alpha fabric rename campus --print-yaml
is "the file of a name" "$(printf 'version: 1\nfabric: campus')" "$OUT"
is "it has none yet" "" "$(ctl alpha fabric show -o json | jq -r '.name // ""')"
printf '%s\n' "$OUT" >"$T/name.yaml"
status 0 ctl alpha apply -f "$T/name.yaml"
is "now it has" campus "$(ctl alpha fabric show -o json | jq -r .name)"
status 1 ctl alpha fabric rename other --print-yaml
has "said so" 'has a name' "$ERR"
printf 'version: 1\nfabric: other\n' >"$T/other.yaml"
status 1 ctl alpha apply -f "$T/other.yaml"
has "a file of another fabric" 'the file is for fabric other, this is fabric campus' "$ERR"
has "where it belongs" 'apply it on a host of fabric other' "$ERR"
e2e_join alpha beta

# --- every changing command -------------------------------------------------------------------
status 0 ctl alpha net create base --ipv4 10.80.0.0/24 --ipv6 fd42:80::/64
same net create lan1 --ipv4 10.81.0.0/24 --ipv6 none --mtu 9000 --allow uid:12345 --on alpha,beta
same net create office --vlan 10=staff --vlan 20 --on all --ipv4 auto
UNDO="port rm lan1/vde1" same port add lan1 --vde
UNDO="port rm office/desk" same port add office desk --tap e2efile --access 10 --rate 10M
same net set lan1 mtu=1400 on=all
same net set office vlans.20.name=guests
same port set office/desk rate= access=20
UNDO="link rm beta" same link add beta 192.0.2.2:4655
PRUNE=1 same link rm beta
PRUNE=1 same port rm office/desk lan1/vde1
status 0 ctl alpha net create passing --ipv4 10.90.0.0/24 --ipv6 none
PRUNE=1 same net rm passing
UNDO="service rm sleeper" same service create sleeper --net base --restart never -- sleep 100
same service set sleeper restart=always
status 2 ctl alpha net create lan2 --ipv4 10.0.0.1/24 --print-yaml
has "checked all the same" 'ipv4: .*bits set' "$ERR"
status 3 ctl alpha net rm lan7 --print-yaml
status 0 ctl alpha net create here --local
status 1 ctl alpha net rm here --print-yaml
has "no file can" 'local' "$ERR"
status 1 ctl alpha endpoint rm lan1/x --print-yaml
has "nor that" 'endpoints' "$ERR"
status 4 env IOTH_RUN_DIR="$T/nobody" "$IOTHCTL" net rm lan1 --print-yaml
is "no daemon was started for it" 0 "$(find "$T/nobody" -name api.sock 2>/dev/null | wc -l)"
status 0 env IOTH_RUN_DIR="$T/nobody" "$IOTHCTL" net create lan1 --print-yaml
is "some need none" "$(printf 'version: 1\nnetworks:\n  lan1: {}')" "$OUT"

# --- every kind: what is printed is input -----------------------------------------------------
status 0 ctl alpha port add office --tap e2efile --access 10
status 0 ctl alpha link add beta 192.0.2.2:4655
printf '{kind: endpoint, network: base, name: web, addresses: 10.80.0.77}\n' >"$T/web.yaml"
status 0 ctl alpha apply -f "$T/web.yaml"
for noun in net port endpoint host link service; do
    ctl alpha "$noun" ls -o yaml >"$T/$noun.yaml"
    is "there is a $noun" 0 "$(grep -q name: "$T/$noun.yaml"; echo $?)"
    status 0 ctl alpha validate -f "$T/$noun.yaml"
    status 0 ctl alpha diff -f "$T/$noun.yaml"
    is "a list of $noun changes nothing" "" "$OUT"
    ctl alpha "$noun" ls -o json | jq -r '.[] | (if .network and .kind != "service" then .network + "/" else "" end) + .name' |
        while read -r name; do
            ctl alpha "$noun" show "$name" -o yaml >"$T/one.yaml"
            status 0 ctl alpha diff -f "$T/one.yaml"
            is "$noun $name changes nothing" "" "$OUT"
        done
done
# The endpoint of a service may be in a file, and says nothing that the service does not say.
printf '{kind: endpoint, network: base, name: sleeper, addresses: 10.80.0.99/24}\n' >"$T/its.yaml"
status 1 ctl alpha apply -f "$T/its.yaml"
has "whose it is" "its.yaml:1:59: .*sleeper.addresses: it is the endpoint of service sleeper" "$ERR"
status 0 ctl alpha diff -f "$T/net.yaml" -f "$T/port.yaml" -f "$T/link.yaml" -f "$T/web.yaml"
is "all of them change nothing" "" "$OUT"
# A link keeps the name that it was declared with, and there is one between two hosts.
printf '{version: 1, links: {spine: {between: [beta, alpha], cost: 7}}}\n' >"$T/spine.yaml"
status 1 ctl alpha apply -f "$T/spine.yaml"
has "there is one" 'links.spine: .*between beta and alpha is declared as alpha-beta' "$ERR"
status 0 ctl alpha link rm beta
status 0 ctl alpha apply -f "$T/spine.yaml"
status 0 ctl alpha link show spine
has "by its other end too" '^name: +spine$' "$(ctl alpha link show beta)"
status 0 ctl alpha link set beta --cost 9
ctl alpha link ls -o yaml >"$T/link.yaml"
status 0 ctl alpha diff -f "$T/link.yaml"
is "a list of links changes nothing" "" "$OUT"
picture >"$T/all.yaml"
status 0 ctl alpha diff -f "$T/all.yaml"
status 0 ctl alpha diff -f "$T/all.yaml" --prune

# --- what only the daemon can find ------------------------------------------------------------
# All of it in one run, each at its place; what follows from another mistake is none.
cat >"$T/wrong.yaml" <<'YAML'
version: 1
networks:
  wrong1: {ports: {p: {tap: e2ew0, host: nobody}, q: {tap: e2ew1, host: nowhere}}}
  wrong2: {ipv4: 10.199.0.0/24}
  wrong3: {ipv4: 10.199.0.0/24}
services:
  wrong: {network: wrong1, host: far, command: [sleep, 1]}
YAML
status 2 ctl alpha diff -f "$T/wrong.yaml"
is "lines with a mistake" "3 3 4 7" \
    "$(sed -nE 's/^.*wrong.yaml:([0-9]+):.*/\1/p' <<<"$ERR" | tr '\n' ' ' | sed 's/ $//')"

# --- several files ----------------------------------------------------------------------------
mkdir "$T/d"
printf 'version: 1\nfabric: campus\ninclude: [d/nets.yaml, d/ports.yaml]\n' >"$T/main.yaml"
printf 'networks:\n  inc: {ipv4: 10.95.0.0/24, ipv6: none}\n' >"$T/d/nets.yaml"
printf 'networks:\n  inc:\n    ports:\n      p: {vde: true}\n' >"$T/d/ports.yaml"
status 0 ctl alpha apply -f "$T/main.yaml"
status 0 ctl alpha port show inc/p
status 0 ctl alpha diff -f "$T/d" -f "$T/name.yaml"
# What only the daemon can know has its place too, in the file that says it.
printf 'networks:\n  inc:\n    ports:\n      p: {tap: e2efile}\n' >"$T/d/ports.yaml"
status 1 ctl alpha apply -f "$T/main.yaml"
has "in the included file" "^$T/d/ports.yaml:4:10: networks.inc.ports.p: .*e2efile is in use" "$ERR"
has "with the remedy" "^hint: iothctl port show office/e2efile" "$ERR"
printf 'networks:\n  here: {local: false}\n' >"$T/d/ports.yaml"
status 2 ctl alpha apply -f "$T/main.yaml" --allow-destroy
has "a key that is fixed" "^$T/d/ports.yaml:2:17: networks.here.local: cannot be changed" "$ERR"
status 2 ctl alpha apply -f "$T/main.yaml" -f "$T/nosuch.yaml"
has "and none of it done" 'nosuch.yaml: No such file' "$ERR"
# The daemon itself opens no file.
is "include is the client's" 400 "$(on alpha curl -s -o "$T/answer" -w '%{http_code}' \
    --unix-socket "$T/alpha/run/api.sock" -H 'Content-Type: application/yaml' \
    --data-binary $'version: 1\ninclude: /etc/passwd\n' http://x/v1/apply)"
has "says so" 'included by who reads' "$(cat "$T/answer")"
finish
