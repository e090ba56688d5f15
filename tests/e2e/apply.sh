#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A file is applied on three hosts at once: what it takes for it to begin, to stay, and to be
# taken back; who changed what; and the way back.
#
#      alpha 192.0.2.1          the founder
#        ╱          ╲
#      beta ─────── gamma       follow it
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun

e2e_hosts alpha beta gamma
for host in alpha beta gamma; do
    e2e_start "$host"
done
e2e_join alpha beta gamma

# What a host has of the fabric, without what only it knows.
export_of() { ctl "$1" export; }
same_everywhere() {
    [ "$(export_of alpha)" = "$(export_of beta)" ] && [ "$(export_of beta)" = "$(export_of gamma)" ]
}
last() { ctl alpha history -n 1 -o json | jq -r ".[0].$1"; }
standing() { on alpha curl -s --unix-socket "$T/alpha/run/api.sock" http://x/v1/apply; }
idle() { [ "$(standing | jq .status)" = 404 ]; }

cat >"$T/one.yaml" <<END
version: 1
fabric: campus
networks:
  lab:
    vlans: {10: staff, 20: guests}
    ports:
      a: {host: alpha, tap: lab-a, access: 10}
      b: {host: beta, tap: lab-b, access: 10}
      c: {host: gamma, vde: true, access: 20}
  spare: {}
END

# --- the plan shown is the plan applied, and twice is once ----------------------------------------
status 1 ctl beta diff -f "$T/one.yaml"
plan=$OUT
has "impact" 'create +port lab/a: new \(live\)' "$plan"
status 0 ctl beta apply -f "$T/one.yaml"
is "what was done" "$plan" "$OUT"
on beta ip link show lab-b >/dev/null
on alpha ip link show lab-a >/dev/null
wait_for 5 same_everywhere
status 0 ctl beta diff -f "$T/one.yaml"
status 0 ctl gamma apply -f "$T/one.yaml"
is "a second time" "" "$OUT"
ctl gamma export >"$T/full.yaml"
status 0 ctl gamma diff -f "$T/full.yaml"
status 0 ctl alpha diff -f "$T/full.yaml"
is "the owner" file "$(ctl beta port show lab/b -o json | jq -r .owner)"
status 0 ctl beta net create own
is "its owner" cli "$(ctl alpha net show own -o json | jq -r .owner)"
first=$(ctl alpha history -o json | jq '[.[] | select(.owner == "file")][0].revision')
is "who" "$(id -un) beta" "$(ctl gamma history -o json | jq -r '[.[] | select(.owner == "file")][0] | .who + " " + .host')"
is "what" "apply: 5 created" "$(ctl gamma history -o json | jq -r '[.[] | select(.owner == "file")][0].what')"
has "one revision" 'create +port lab/c' "$(ctl beta history "$first")"

# --- what cannot be carried out on one host is taken back on all ------------------------------------
before=$(export_of alpha)
sed 's/    vlans:/    mtu: 1400\n    vlans:/; s/lab-b/up0/' "$T/one.yaml" >"$T/clash.yaml"
allow_log 'port lab/(b|ghost): '
status 1 ctl gamma apply -f "$T/clash.yaml"
has "which object, where and why" 'rolled back: port lab/b: .*up0.* on host beta' "$ERR"
is "the old state" "$before" "$(export_of alpha)"
wait_for 5 same_everywhere
wait_for 5 on beta ip link show lab-b
has "in the history" 'rolled back: port lab/b' "$(last what)"

# --- what destroys has to be said --------------------------------------------------------------------
sed '/spare/d; s/, 20: guests//; /vde/d' "$T/one.yaml" >"$T/less.yaml"
status 1 ctl alpha apply -f "$T/less.yaml"
has "what it would destroy" 'would destroy network lab \(vlans\.20: removed\)' "$ERR"
has "the way" '^hint: .*--allow-destroy' "$ERR"
status 1 ctl alpha apply -f "$T/less.yaml" --allow-destroy
has "a port that would have no VLAN" 'VLAN 20 of network lab is in use by port lab/c' "$ERR"
status 0 ctl alpha apply -f "$T/less.yaml" --dry-run --prune
has "shown before" 'vlans\.20: removed \(destroy\)' "$OUT"
sed '/spare/d; /vde/d' "$T/one.yaml" >"$T/pruned.yaml"
status 0 ctl alpha apply -f "$T/pruned.yaml"
status 0 ctl alpha net show spare
status 0 ctl beta net create here --local
status 0 ctl alpha apply -f "$T/pruned.yaml" --prune
status 3 ctl alpha net show spare
status 3 ctl alpha net show own
status 3 ctl alpha port show lab/c
status 0 ctl beta net show here
status 0 ctl beta net rm here
status 0 ctl alpha host show gamma
status 0 ctl alpha apply -f "$T/less.yaml" --allow-destroy

# --- the way back -------------------------------------------------------------------------------------
status 0 ctl beta rollback "$first" --dry-run
has "its plan" 'create +network spare' "$OUT"
status 0 ctl beta rollback "$first"
status 0 ctl gamma port show lab/c
status 0 ctl gamma net show spare
status 0 ctl alpha diff -f "$T/one.yaml"
status 0 ctl beta rollback "$first"
is "a second time" "" "$OUT"
status 0 ctl alpha net create later
status 1 ctl alpha rollback "$first"
has "made since" 'would destroy network later' "$ERR"
{ printf 'version: 1\nnetworks:\n' && printf '  later%d: {}\n' {1..12}; } >"$T/many.yaml"
status 0 ctl alpha apply -f "$T/many.yaml"
status 1 ctl alpha rollback "$first"
has "how many" 'refused for 13 reasons' "$ERR"
has "the first of them" '^networks.later: it would destroy network later' "$ERR"
has "and the rest" '^and 3 more$' "$ERR"
status 0 ctl alpha rollback "$first" --allow-destroy
status 3 ctl beta net show later
status 3 ctl alpha rollback 999999

# --- a second word ------------------------------------------------------------------------------------
before=$(export_of alpha)
sed 's/spare: {}/spare: {mtu: 1400}/' "$T/one.yaml" >"$T/mtu.yaml"
status 0 ctl beta apply -f "$T/mtu.yaml" --confirm 60s
has "what is to follow" 'iothctl apply --accept' "$ERR"
status 1 ctl gamma apply -f "$T/one.yaml"
has "another one meanwhile" "apply of revision [0-9]+ by $(id -un) on beta, which waits to be accepted" "$ERR"
status 1 ctl alpha net set spare mtu=1300
status 0 ctl alpha net create apart
e2e_stop alpha
e2e_start alpha
status 0 ctl gamma apply --accept
is "it stays" 1400 "$(ctl alpha net show spare -o json | jq .mtu)"
status 3 ctl gamma apply --accept
status 0 ctl alpha net rm apart
status 0 ctl beta apply -f "$T/one.yaml" --confirm 700ms
wait_for 5 idle
is "not accepted" 1400 "$(ctl alpha net show spare -o json | jq .mtu)"
has "why" 'not accepted in time' "$(last what)"
status 0 ctl beta apply -f "$T/one.yaml"
is "back again" "$before" "$(export_of alpha)"

# --- two people at once ---------------------------------------------------------------------------------
seen=$(ctl alpha apply -f "$T/mtu.yaml" --dry-run -o json | jq .revision)
status 0 ctl gamma net set spare mtu=1350
problem=$(on alpha curl -s --unix-socket "$T/alpha/run/api.sock" -H "If-Match: \"$seen\"" \
    -H 'Content-Type: application/yaml' --data-binary @"$T/mtu.yaml" http://x/v1/apply)
is "the second" 412 "$(jq .status <<<"$problem")"
has "whose" "revision [0-9]+ by $(id -un) on gamma \\(network spare changed\\)" "$problem"
status 0 ctl beta apply -f "$T/one.yaml"

# --- hosts that cannot be reached --------------------------------------------------------------------------
e2e_stop gamma
away() { [ "$(ctl alpha host show gamma -o json | jq -r .status.state)" = down ]; }
wait_for 40 away
status 1 ctl beta apply -f "$T/mtu.yaml"
has "named" 'host gamma cannot be reached, and all joined hosts are required' "$ERR"
is "nothing was written" 1500 "$(ctl alpha net show spare -o json | jq .mtu)"
status 0 ctl beta apply -f "$T/mtu.yaml" --require quorum
status 0 ctl beta apply -f "$T/one.yaml" --require reachable
e2e_start gamma
wait_for 20 hosts_up alpha beta gamma
wait_for 10 same_everywhere

finish
