#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# iothctl with a real daemon of one host: the daemon it starts by itself, the fabric as a file,
# TAP ports, capture, drawings.
#
#      alpha
#        fabricd
#         │  lan1 ── web, client      office ── tap0 (VLAN 10)
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun

e2e_hosts alpha

# --- a daemon of one's own ------------------------------------------------------------------
own() {
    ip netns exec alpha env "IOTH_RUN_DIR=$T/own/run" "IOTH_STATE_DIR=$T/own/state" "$IOTHCTL" "$@"
}
mkdir "$T/own"
status 4 own --no-start net ls
is "hint" "hint: iothctl daemon start" "$(tail -n 1 <<<"$ERR")"
status 0 own net create first
has "it says so" 'starting .*/fabricd in the background' "$ERR"
is "by a plain path" "" "$(grep -F /../ <<<"$ERR" || true)"
status 0 own net ls
is "only once" "" "$ERR"
status 0 own daemon log
status 0 own daemon stop
status 4 own --no-start net ls
# Several at a time end up with one daemon.
for i in 1 2 3 4; do
    own net create "n$i" >"$T/start$i.out" 2>&1 &
    E2E_PID[start$i]=$!
done
for i in 1 2 3 4; do
    e2e_wait "start$i"
    is "start $i ($(cat "$T/start$i.out"))" 0 "$STATUS"
done
is "all on one daemon" "first n1 n2 n3 n4" "$(own net ls -o json | jq -r '[.[].name] | join(" ")')"
is "one daemon" 1 "$(pgrep -cx fabricd)"
status 0 own daemon stop
is "no daemon is left" 0 "$(pgrep -cx fabricd || true)"

# --- networks and ports ---------------------------------------------------------------------
e2e_start alpha
status 0 ctl alpha net create lan1
has "its plan" '^lan1  10\.64\.[0-9]+\.0/24  fd' "$OUT"
status 1 ctl alpha net create lan1
status 0 ctl alpha net create office --vlan 10=staff --vlan 20
is "a line for each VLAN" 2 "$(wc -l <<<"$OUT")"
status 2 ctl alpha net set lan1 mtuu=3
has "nearest key" 'did you mean mtu\?' "$ERR"
status 0 ctl alpha net set lan1 mtu=9000
is "mtu" 9000 "$(ctl alpha net show lan1 -o json | jq .mtu)"
status 2 ctl alpha port add office --tap e2etap
status 0 ctl alpha port add office --tap e2etap --access 10 --rate 10M
is "port add" office/e2etap "$OUT"
is "with nothing to add" "" "$ERR"
allow_log 'port office/taken: lo exists'
status 0 ctl alpha port add office taken --tap lo --access 10
has "an interface that is no TAP" 'port office/taken is down: lo ' "$ERR"
status 0 ctl alpha port rm office/taken
status 0 on alpha ip link show e2etap
is "port" "up tap 10" "$(ctl alpha port show office/e2etap -o json |
    jq -r '[.status.state, .status.kind, .access] | join(" ")')"
status 2 ctl alpha net create closed --allow user:nosuchuser
has "who is not there" 'there is no user nosuchuser on this host' "$ERR"
status 2 ctl alpha net set lan1 allow=group:nosuchgroup
has "nor a group" 'there is no group nosuchgroup on this host' "$ERR"
status 3 ctl alpha net show closed
status 3 ctl alpha port add nosuch --tap x

# --- the root key leaves and comes back -------------------------------------------------------
root=$(ctl alpha fabric show -o json | jq -r .root)
has "the root's public key" '^[0-9a-f]{64}$' "$root"
status 0 ctl alpha fabric key export "$T/root.key"
printf 'ioth root key 1 %043d\n' 0 >"$T/other.key"
status 1 ctl alpha fabric key import "$T/other.key"
has "another fabric's key" 'the root key of another fabric' "$ERR"
head -c 40 "$T/root.key" >"$T/cut.key"
status 2 ctl alpha fabric key import "$T/cut.key"
has "a damaged one" 'a damaged root key' "$ERR"
status 0 ctl alpha fabric key import "$T/root.key"
status 1 ctl alpha fabric key import "$T/root.key"
hasnt "its addresses are real ones" '\[::\]' "$(ctl alpha host ls)"
status 3 ctl alpha link add nosuch 192.0.2.9:4655

# --- the fabric as a file -------------------------------------------------------------------
ctl alpha export >"$T/fabric.yaml"
status 0 ctl alpha validate -f "$T/fabric.yaml"
status 0 ctl alpha diff -f "$T/fabric.yaml"
is "no differences" "" "$OUT"
ctl alpha net show lan1 -o yaml >"$T/lan1.yaml"
status 0 ctl alpha diff -f "$T/lan1.yaml"
ctl alpha net ls -o yaml >"$T/list.yaml" # What a list prints is a file, too.
status 0 ctl alpha validate -f "$T/list.yaml"
status 0 ctl alpha diff -f "$T/list.yaml"
status 0 ctl alpha apply -f "$T/list.yaml"
is "the list changes nothing" "" "$OUT"
cat >"$T/new.yaml" <<'YAML'
version: 1
networks:
  lan1: {mtu: 1500}
  lab: {ipv4: 10.80.0.0/24, ipv6: none}
YAML
status 1 ctl alpha diff -f "$T/new.yaml"
has "create" '^create +network lab' "$OUT"
has "update" '^update +network lan1: .*mtu' "$OUT"
status 0 ctl alpha apply -f "$T/new.yaml" --dry-run
status 3 ctl alpha net show lab
status 0 ctl alpha apply -f "$T/new.yaml"
is "applied" "10.80.0.0/24" "$(ctl alpha net show lab -o json | jq -r .ipv4)"
status 0 ctl alpha apply -f "$T/new.yaml"
is "again without effect" "" "$OUT"
status 1 ctl alpha diff --prune -f "$T/new.yaml"
has "prune" '^delete +network office' "$OUT"
printf 'version: 1\nnetworks:\n  a: {mtuu: 3}\n  B: {}\nrouters:\n  r: {}\n' >"$T/bad.yaml"
for verb in apply diff validate; do
    status 2 ctl alpha "$verb" -f "$T/bad.yaml"
    has "$verb" "^$T/bad.yaml:3:[0-9]+: networks.a.mtuu: .*mtu" "$ERR"
    has "$verb" "^$T/bad.yaml:4:[0-9]+: networks.B: " "$ERR"
    has "$verb" "^$T/bad.yaml:6:[0-9]+: routers.r: routers are not built yet" "$ERR"
done
status 3 ctl alpha net show a

# --- nodes, seen by capture and in drawings -----------------------------------------------------
run_in web alpha --net lan1 -- sleep 600
bg capture alpha "$IOTHCTL" capture lan1 -w "$T/lan1.pcapng" icmp or icmp6
bg lines alpha "$IOTHCTL" capture lan1 -c 3 arp
wait_for 5 test -s "$T/lan1.pcapng"
looking() { [ "$(ctl alpha port ls -o json | jq '[.[] | select(.status.kind == "capture")] | length')" = 2 ]; }
wait_for 5 looking
status 0 ctl alpha run --net lan1 -- ping -4 -c 3 -i 0.2 web
e2e_wait lines
is "capture -c" 0 "$STATUS"
has "lines" 'web: .*ARP' "$(cat "$T/lines.out")"
e2e_end capture INT
is "capture is done when interrupted" 0 "$STATUS"
if command -v tshark >/dev/null; then
    has "replies come in by the port of web" '^web.*Echo \(ping\) reply' "$(
        tshark -r "$T/lan1.pcapng" -T fields -e frame.interface_name -e _ws.col.Info 2>/dev/null)"
fi
status 3 ctl alpha capture nosuch
status 2 ctl alpha capture lan1 no such filter

# A filter that says nothing of VLANs looks behind the tag, one that does is shown it.
run_in desk alpha --net office:10 -- sleep 600
bg behind alpha "$IOTHCTL" capture office -c 2 icmp
bg shown alpha "$IOTHCTL" capture office -c 2 vlan 10 and icmp
bg without alpha "$IOTHCTL" capture office -w "$T/none.pcapng" 'vlan 20 or not ip and not arp and not ip6 and not stp'
looking() { [ "$(ctl alpha port ls -o json | jq '[.[] | select(.status.kind == "capture")] | length')" = 3 ]; }
wait_for 5 looking
status 0 ctl alpha run --net office:10 -- ping -4 -c 2 -i 0.2 desk
for name in behind shown; do
    e2e_wait "$name"
    has "$name" 'vlan 10, .*ICMP echo reply' "$(cat "$T/$name.out")"
done
e2e_end without INT
has "neither of these" '^0 frames' "$(cat "$T/without.out")"
e2e_end desk
if command -v tcpdump >/dev/null; then
    status 0 tcpdump -nr "$T/none.pcapng"
fi
# Who looks too slowly is told what is missing.
bg slow alpha "$IOTHCTL" capture lan1 -w "$T/slow.pcapng" icmp
looking() { [ "$(ctl alpha port ls -o json | jq '[.[] | select(.status.kind == "capture")] | length')" = 1 ]; }
wait_for 5 looking
pid=$(ctl alpha port ls -o json | jq '[.[] | select(.status.kind == "capture") | .status.owner.pid] | max')
kill -STOP "$pid"
status 0 ctl alpha run --net lan1 -- ping -4 -f -c 2000 web
kill -CONT "$pid"
e2e_end slow INT
has "what is missing" '^[0-9]+ frames; [0-9]+ came faster' "$(cat "$T/slow.out")"
# What is looked at goes, and not the daemon.
status 0 ctl alpha net create short
bg gone alpha "$IOTHCTL" capture short
looking() { [ "$(ctl alpha port ls short -o json | jq length)" = 1 ]; }
wait_for 5 looking
status 0 ctl alpha net rm short
e2e_wait gone
is "capture of what goes" 3 "$STATUS"
has "says so" 'there is no network short' "$(cat "$T/gone.out")"

drawing=$(ctl alpha topology)
has "host" 'alpha \(this host\)' "$drawing"
has "node" '└─ web +10\.64\.' "$drawing"
has "tap" 'e2etap +vlan 10  tap +up' "$drawing"
is "drawn as JSON" alpha "$(ctl alpha topology -o json | jq -r '.hosts[0].name')"
ctl alpha topology -o svg | "$PYTHON" -c 'import sys, xml.dom.minidom as m; m.parse(sys.stdin.buffer)'
if command -v dot >/dev/null; then
    ctl alpha topology -o dot | dot -Tsvg >/dev/null
fi
has "status" '^host: +alpha' "$(ctl alpha status)"
has "lan1 is well" '^lan1 +alpha +[0-9]+ +ok' "$(ctl alpha status)"

# --- the end of things ------------------------------------------------------------------------
status 0 ctl alpha port rm office/e2etap
status 1 on alpha ip link show e2etap
status 1 ctl alpha endpoint rm lan1/web
has "a program that runs" 'runs as lan1/web on host alpha; end it first' "$ERR"
status 0 ctl alpha exec lan1/web -- true
status 3 ctl alpha port rm lan1/web
has "a port that is a program's" 'lan1/web is not declared; it goes with its program' "$ERR"
e2e_end web
status 125 ctl alpha exec lan1/web -- true
has "a program that has ended" 'no program runs as lan1/web now' "$ERR"
status 0 ctl alpha endpoint rm lan1/web
status 3 ctl alpha endpoint show lan1/web
status 0 ctl alpha net rm lan1 lab
status 3 ctl alpha net rm lan1 office
for flag in $("$FABRICD" --help | grep -oE '^  --[a-z-]+'); do
    grep -qF -- "${flag//-/\\-}" "$E2E_ROOT/docs/man/fabricd.8" || fail "fabricd(8) says nothing of $flag"
done
is "all gone" "[]" "$(ctl alpha net ls -o json | jq -c .)"
finish
