#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Wrong words, wrong values, things that do not exist, and features that are not there yet: what
# a clumsy user sees of them. One line each on stderr, with the exit status that scripts rely on.
#
#      alpha
#   ┌───────────────────┐
#   │ [ fabricd: lan1 ] │
#   └───────────────────┘
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
e2e_hosts alpha

# says STATUS PATTERN ARGS…: iothctl ends with this, and its one line fits; after it at most a hint.
says() {
    local want=$1 pattern=$2
    shift 2
    status "$want" ctl alpha "$@"
    has "iothctl $*" "$pattern" "$(head -n 1 <<<"$ERR")"
    has "who speaks" '^iothctl: .+ failed: ' "$(head -n 1 <<<"$ERR")"
    is "lines of: iothctl $*" "" "$(tail -n +2 <<<"$ERR" | grep -v '^hint: ')"
    is "output of: iothctl $*" "" "$OUT"
}

# --- no daemon -----------------------------------------------------------------------------------
says 4 'cannot be reached|no daemon|No such file' --no-start net ls
says 4 'cannot be reached|no daemon|No such file' --socket "$T/none.sock" --no-start host ls

e2e_start alpha
before=$(ctl alpha export)

# --- wrong usage ---------------------------------------------------------------------------------
says 2 '"nett".*mean net\?' nett ls
says 2 '"lss".*mean ls\?' net lss
says 2 '"craete".*mean create\?' net craete lan1
says 2 '--sockett.*mean --socket\?' --sockett x net ls
says 2 '--ipv44.*mean --ipv4\?' net create lan1 --ipv44 10.1.0.0/24
says 2 'unknown option --force' net rm lan1 --force
says 2 'a verb is missing' net
says 2 'argument is missing' net create
says 2 'one argument too many, "extra"' net ls extra
says 2 '"xml"' -o xml net ls
says 2 '"LAN" is no name' net create LAN
says 2 'is no name' net create "$(printf 'x%.0s' {1..64})"
says 2 'is no name' net create 1st
says 2 'is no name' net create ../../etc
says 2 '--vlan: "5000".*1 to 4094' net create a --vlan 5000
says 2 '--vlan 10 is given twice' net create a --vlan 10=staff --vlan 10
says 2 'ipv4: "10.0.0.0/33"' net create a --ipv4 10.0.0.0/33
says 2 'ipv6: "fd::/129"' net create a --ipv6 fd::/129
says 2 '--mtu: "12".*1280 to 9216' net create a --mtu 12
says 2 'forwarding.*"foo"' net create a --forwarding foo
says 2 'one of --tap IF, --raw IF, --stream SOCKET and --vde' port add lan1 p
says 2 '--access: "4095"' port add lan1 p --tap t0 --access 4095
says 125 'net a b: a network.s name is' run --net "a b" -- true
status 2 ctl alpha
status 0 ctl alpha net create lan1
says 2 'mut: unknown key, did you mean mtu\?' net set lan1 mut=1400
says 2 'mtu: not a whole number \(1280 to 9216\)' net set lan1 mtu=abc
says 2 'mtu: 99999 is out of range' net set lan1 mtu=99999
status 0 ctl alpha net rm lan1

# --- not found -----------------------------------------------------------------------------------
for noun in net host link; do
    says 3 "no (network|host|link) nope" "$noun" show nope
    [ $noun = host ] || says 3 "no (network|host|link) nope" "$noun" rm nope
done
status 0 ctl alpha net create lan1
for noun in port endpoint; do
    says 3 "no $noun lan1/nope" "$noun" show lan1/nope
    says 3 "no $noun lan1/nope" "$noun" rm lan1/nope
    says 3 "no network nope|no $noun nope/x" "$noun" show nope/x
done
says 3 'no network nope' net set nope mtu=1400
says 3 'no network nope' capture nope
says 3 'no host nope' link add nope 192.0.2.9:4655
says 125 'no network nope' run --net nope -- true
says 125 'no endpoint lan1/nope' exec lan1/nope -- true
says 1 'lan1 exists already' net create lan1
status 0 ctl alpha net rm lan1

# --- refused by name -----------------------------------------------------------------------------
not_yet() {
    says 1 "$1.*not built yet" "${@:2}"
}
not_yet 'forwarding mesh' net create a --forwarding mesh
not_yet 'console' console lan1
not_yet 'host revoke' host revoke alpha
for flag in delay jitter loss rate duplicate reorder; do
    not_yet "$flag" link set beta "--$flag" 1
done
for noun in router store; do
    not_yet "$noun" "$noun" ls
done
not_yet 'router' router create r1
status 3 ctl alpha service migrate s1 --to beta
not_yet 'import' import docker x.yml
status 3 ctl alpha --host beta net ls
says 125 'root: with --stack lwip' run --net lan1 --stack lwip --root -- true
says 125 'stack.*lwp' run --net lan1 --stack lwp -- true

# --- a fabric file: all of its mistakes in one run, none of it applied -----------------------------
cat >"$T/bad.yaml" <<'EOF'
version: 1
fabric: campus
links:
  spine: {between: [alpha, beta], cost: 0, loss: 3}
networks:
  office:
    vlans: {10: staff, 4095: x}
    stp: {mode: mstp, hello: 3}
    forwarding: star
    mtuu: 3
    ports:
      core: {host: alpha, tap: office0, trunk: [10, 4095], access: 10}
      vm1:  {host: alpha, stream: v10}
      lan:  {host: alpha, raw: eth1, vde: true}
  lab:
    ipv4: banana
    forwarding: mesh
routers:
  edge: {host: alpha}
services:
  wiki: {host: alpha}
stores: x
EOF
cat >"$T/bad.expected" <<'EOF'
4:41: links.spine.cost: 
4:44: links.spine.loss: 
7:24: networks.office.vlans.4095: 
8:17: networks.office.stp.mode: 
8:30: networks.office.stp.hello: 
9:17: networks.office.forwarding: 
10:5: networks.office.mtuu: unknown key, did you mean mtu?
12:53: networks.office.ports.core.trunk: 
13:35: networks.office.ports.vm1.stream: 
14:13: networks.office.ports.lan: 
16:11: networks.lab.ipv4: 
17:17: networks.lab.forwarding: 
19:3: routers.edge: 
21:9: services.wiki.network: is missing
21:9: services.wiki.command: is missing
22:1: stores: unknown key
EOF
for verb in validate diff apply; do
    status 2 ctl alpha "$verb" -f "$T/bad.yaml"
    is "mistakes that $verb finds" "$(wc -l <"$T/bad.expected")" "$(wc -l <<<"$ERR")"
    while read -r line; do
        grep -Fq "$T/bad.yaml:$line" <<<"$ERR" || fail "$verb does not say '$line': $ERR"
    done <"$T/bad.expected"
    hasnt "a traceback of $verb" '^iothctl|hint' "$ERR"
done
# Text that is no YAML, a tree of aliases, and nothing at all.
printf 'version: 1\nnetworks: {a: [}\n' >"$T/broken.yaml"
status 2 ctl alpha apply -f "$T/broken.yaml"
has "where it is broken" "^$T/broken.yaml:2:1[0-9]+: " "$ERR"
"$PYTHON" - >"$T/laughs.yaml" <<'EOF'
print("version: 1\na0: &a0 [x, x]")
for i in range(1, 40):
    print(f"a{i}: &a{i} [*a{i-1}, *a{i-1}, *a{i-1}]")
EOF
status 2 ctl alpha apply -f "$T/laughs.yaml"
has "aliases" "^$T/laughs.yaml:[0-9]+:[0-9]+: " "$ERR"
"$PYTHON" -c 'print("version: 1\nnetworks: " + "[" * 100000)' >"$T/deep.yaml"
status 2 ctl alpha validate -f "$T/deep.yaml"
has "depth" "^$T/deep.yaml:2:[0-9]+: .*deep" "$ERR"
status 2 ctl alpha apply -f "$T/no-such.yaml"
status 2 ctl alpha apply -f "$T"
status 2 ctl alpha apply -f /dev/zero
is "nothing of all this was applied" "$before" "$(ctl alpha export)"

# --- fabricd: flags, and the same as keys of its file ----------------------------------------------
# starts STATUS PATTERN ARGS…
starts() {
    local want=$1 pattern=$2
    shift 2
    status "$want" on alpha timeout 5 "$FABRICD" --run-dir "$T/other/run" \
        --state-dir "$T/other/state" "$@"
    has "fabricd $*" "$pattern" "$ERR"
    is "lines of: fabricd $*" 1 "$(wc -l <<<"$ERR")"
}
starts 2 'unknown flag --run-dirr \(did you mean --run-dir\?\)' --run-dirr x
starts 2 'unknown argument start' start
starts 2 '--name needs a value' --name
starts 2 '--name: A b is no name' --name 'A b'
starts 2 '--listen: 192.0.2.1:99999 is no address' --listen 192.0.2.1:99999
starts 2 '--log-level: loud is no level' --log-level loud
starts 2 '--store: foo: is no store' --store foo:
starts 1 '--store: .*etcd.*not built yet' --store etcd://192.0.2.1:2379
starts 2 '--services: there is no user no-such' --services no-such
starts 2 "$T/none.yaml: No such file" --config "$T/none.yaml"
starts 2 'Is a directory' --config "$T"
starts 2 'too large' --config /dev/zero
cat >"$T/fabricd.yaml" <<'EOF'
nmae: x
log-level: loud
store: etcd://192.0.2.1
services: bob
api: nowhere
listen: [1, 2]
EOF
status 2 on alpha timeout 5 "$FABRICD" --config "$T/fabricd.yaml"
is "mistakes of fabricd's file" "1:1 2:1 3:1 4:1 5:1 6:1" \
    "$(cut -d: -f2,3 <<<"$ERR" | sort | paste -sd ' ')"
has "the nearest key" '1:1: nmae: unknown key nmae \(did you mean name\?\)' "$ERR"

is "the daemon has the same state" "$before" "$(ctl alpha export)"
finish
