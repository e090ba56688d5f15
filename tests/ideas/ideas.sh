#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What processes that are nodes can do, on one host; docs/ideas.md says it in words.
#
#      alpha
#        fabricd
#         │ lan1  ── dns (a node with knotd), otip, webs, ddns (processes with stacks of their own)
#         │ admin ── webs (of root), who may enter: root and one user
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
need_tun
need knotd dig curl jq

ideas=$E2E_BUILD/tests/ideas
[ -x "$E2E_BUILD/tests/bench/ioth_flow" ] || skip "the stack lwip is not built (IOTH_LWIP)"

e2e_hosts alpha
e2e_start alpha
status 0 ctl alpha net create lan1 --ipv4 10.76.0.0/24 --ipv6 fd76::/64

# --- one-time addresses -----------------------------------------------------------------------------
period=4
for form in md5 blake2b; do
    secret=(fd76:: srv.example.org 0123456789abcdef "$period")
    bg otip alpha "$ideas/otip" serve ioth://lan1 "${secret[@]}" 1 "$form"
    wait_for 5 grep -q listening "$T/otip.out"
    # A connection that lives longer than the address.
    mkfifo "$T/talk"
    on alpha "$ideas/otip" ask ioth://lan1 fd76::100 "${secret[@]}" "$form" <"$T/talk" >"$T/talk.out" 2>&1 &
    talk=$!
    exec 8>"$T/talk"
    echo first >&8
    wait_for 5 grep -q first "$T/talk.out"
    old=$(sed -n 's/^connected //p' "$T/talk.out")
    # At any moment who knows the secret finds it: also at the change.
    for n in 1 2 3 4 5 6; do
        is "$form: who knows the secret, time $n" 0 \
            "$(echo hello | on alpha timeout 3 "$ideas/otip" ask ioth://lan1 "fd76::10$n" "${secret[@]}" "$form" \
                >"$T/ask.out" 2>&1; echo $?)"
    done
    moved() { [ "$(grep -c listening "$T/otip.out")" -ge 3 ]; }
    wait_for 15 moved
    on alpha timeout 2 "$ideas/otip" ask ioth://lan1 fd76::200 "${secret[@]}" "$form" 2 </dev/null >"$T/ask.out" 2>&1 ||
        true # Refused where a connection of it lasts, else there is nobody.
    hasnt "$form: nothing listens there" connected "$(cat "$T/ask.out")"
    echo second >&8
    wait_for 5 grep -q second "$T/talk.out"
    isnt_now() { [ "$(on alpha "$ideas/otip" addr "${secret[@]}" "$form")" != "$old" ]; }
    wait_for 5 isnt_now
    exec 8>&-
    wait "$talk" || fail "the end of the talk"
    on alpha timeout 2 "$ideas/otip" ask ioth://lan1 fd76::201 fd76:: srv.example.org fedcba9876543210 "$period" "$form" \
        </dev/null >"$T/ask.out" 2>&1 || true
    hasnt "$form: another secret" connected "$(cat "$T/ask.out")"
    e2e_end otip
    rm "$T/talk"
done

# --- several servers on port 80, found by name, or by whoever knows it ---------------------------------
run_in ask alpha --net lan1 --ip 10.76.0.9 -- sleep 300
in_ask() { ctl alpha exec lan1/ask -- "$@"; }
bg webs alpha "$ideas/webs" 'ioth://lan1' one.example 10.76.0.21 two.example 10.76.0.22 three.example 10.76.0.23
three() { [ "$(grep -c listening "$T/webs.out")" = 3 ]; }
wait_for 5 three
for n in 1:one 2:two 3:three; do
    is "the server ${n#*:}" "${n#*:}.example" "$(in_ask curl -sS --max-time 5 "http://10.76.0.2${n%:*}/")"
done
e2e_end webs

# --- a daemon that registers its name -------------------------------------------------------------------
cat >"$T/knot.conf" <<CONF
server:
    listen: 0.0.0.0@53
    rundir: "$T/knot"
key:
  - id: ours
    algorithm: hmac-sha256
    secret: c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IQ==
acl:
  - id: update
    key: ours
    action: update
zone:
  - domain: example.org
    storage: "$T/knot"
    file: zone
    acl: update
database:
    storage: "$T/knot"
CONF
mkdir "$T/knot"
chmod 777 "$T/knot"
cat >"$T/knot/zone" <<ZONE
example.org. 60 SOA ns.example.org. me.example.org. 1 60 60 60 60
example.org. 60 NS ns.example.org.
ns.example.org. 60 A 10.76.0.53
ZONE
run_in dns alpha --net lan1 --ip 10.76.0.53 -- knotd -c "$T/knot.conf"
wait_for 5 listens alpha lan1/dns 53
says() { in_ask dig +short +timeout=2 @10.76.0.53 web.example.org "$1"; }
bg ddns alpha "$ideas/ddns" 'stack=lwip,vnl=ioth://lan1,eth,ip=10.76.0.31/24,ip=fd76::31' 10.76.0.53 \
    example.org web.example.org ours c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IQ==
wait_for 5 grep -q '^registered 0' "$T/ddns.out"
is "its IPv4 address in the DNS" 10.76.0.31 "$(says A)"
is "its IPv6 address in the DNS" fd76::31 "$(says AAAA)"
e2e_end ddns
is "the daemon's end" 0 "$STATUS"
has "its name is taken out" '^removed 0' "$(cat "$T/ddns.out")"
is "no name any more" "" "$(says A)"
bg ddns alpha "$ideas/ddns" 'stack=netns,vnl=ioth://lan1,eth,ip=10.76.0.31/24' 10.76.0.53 example.org web.example.org \
    ours d3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmch
e2e_wait ddns
is "another key is refused" 1 "$STATUS"

# --- a local host network, by user ------------------------------------------------------------------------
status 0 ctl alpha net create admin --local --ipv4 10.77.0.0/24 --ipv6 none --allow uid:1234
bg webs alpha "$ideas/webs" 'ioth://admin' page.example 10.77.0.10
wait_for 5 grep -q listening "$T/webs.out"
as() { # UID: asks the page as this user
    on alpha setpriv --reuid "$1" --regid "$1" --clear-groups timeout 10 "$ideas/webs" get ioth://admin 10.77.0.11 10.77.0.10
}
chmod 755 "$T" "$T/alpha" # The test's own folder is closed to others.
status 0 as 1234
has "the page for who may see it" '^page.example' "$OUT"
OUT=$(as 1235 2>&1) && fail "another user may enter"
has "another user" 'not open to you' "$OUT"
e2e_end webs
finish
