#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Who may join, what they then have, and what becomes of changes when hosts, processes and
# the underlay fail.
#
#      alpha 192.0.2.1          the founder: the fabric's store is here
#        ╱          ╲
#      beta ─────── gamma       follow it
#      192.0.2.2    192.0.2.3
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun

e2e_hosts alpha beta gamma
for host in alpha beta gamma; do
    e2e_start "$host"
done
sniff
# The name itself is what may not be seen: it travels between the controls.
status 0 ctl alpha net create "$CANARY"
status 0 ctl alpha net create lan1

# --- tokens that do not let anybody in ---------------------------------------------------------
token=$(ctl alpha host invite)
damaged=${token:0:20}_${token:21}
[ "$damaged" != "$token" ] || damaged=${token:0:20}a${token:21}
status 2 ctl beta host join "$damaged"
has "altered" 'damaged' "$ERR"
status 2 ctl beta host join "nonsense"
old=$(ctl alpha host invite --expires 1s)
expired() {
    status 1 ctl beta host join "$old"
    grep -q expired <<<"$ERR"
}
sleep_until_expired=$((EPOCHSECONDS + 2))
past() { [ "$EPOCHSECONDS" -gt "$sleep_until_expired" ]; }
wait_for 5 past
expired || fail "an expired token: $ERR"
has "the remedy" '^hint: iothctl host invite' "$ERR"

# --- objects of one's own ----------------------------------------------------------------------
status 0 ctl beta net create own
status 0 ctl beta net create here --local
status 1 ctl beta host join "$token"
has "the list" 'network own' "$ERR"
hasnt "local ones are no hindrance" 'network here' "$ERR"
status 0 ctl beta host join "$token" --discard
status 3 ctl beta net show own
status 0 ctl beta net show here
status 0 ctl beta net show "$CANARY"

# --- a token is good once ----------------------------------------------------------------------
status 1 ctl gamma host join "$token"
has "used" 'used already, by host beta' "$ERR"
status 1 ctl beta host join "$(ctl alpha host invite)"
has "in a fabric already" 'hint: iothctl host leave' "$ERR"
status 1 ctl alpha host invite --name beta
has "the name is taken" 'a host beta in the fabric already' "$ERR"

# An invitation made at a joined host is as good; it may give the name.
token=$(ctl beta host invite --name delta)
status 0 ctl gamma host join "$token"
is "the name it was given" delta "$(ctl gamma status -o json | jq -r '.host')"
names() { ctl "$1" host ls -o json | jq -r '[.[].name] | sort | join(" ")'; }
for host in alpha beta gamma; do
    is "hosts of $host" "alpha beta delta" "$(names "$host")"
done
wait_for 15 hosts_up alpha beta gamma

# --- changes made at any host are made at the founder, and are everywhere ------------------------
has_net() { ctl "$1" net show "$2"; }
no_net() { ! ctl "$1" net show "$2"; }
status 0 ctl beta net create lan2 --ipv4 10.99.0.0/24
status 0 ctl beta net show lan2
status 0 ctl alpha net show lan2
wait_for 5 has_net gamma lan2
status 1 ctl gamma net create lan2
has "the founder's refusal" 'exists already' "$ERR"
status 1 ctl gamma net create lan3 --ipv4 10.99.0.0/25
status 0 ctl gamma net rm lan2
status 3 ctl gamma net show lan2
status 3 ctl alpha net show lan2
wait_for 5 no_net beta lan2
status 1 ctl alpha host leave
has "the founder stays" "keeps the fabric's store" "$ERR"

# --- processes die: whoever comes after them follows on -----------------------------------------
allow_log 'starting it again|is away|has gone|this host is delta in its fabric'
i=0
for host in alpha beta; do
    for part in control switch; do
        i=$((i + 1))
        kill -9 "$(ctl "$host" status -o json | jq -r ".pids.$part")"
        created() { ctl beta net create "again$i"; }
        wait_for 20 created
        wait_for 10 has_net alpha "again$i"
        wait_for 10 has_net gamma "again$i"
    done
done

# --- the founder is away ------------------------------------------------------------------------
wait_for 15 hosts_up alpha beta gamma
e2e_stop alpha
refused() {
    status 1 ctl beta net create lan4
    grep -q 'host alpha.*cannot be reached' <<<"$ERR"
}
wait_for 15 refused
status 0 ctl beta net show lan1
# Programs still start: addresses are held in advance.
run_in early beta --net lan1 -- sleep 600
is "its own address" 1 "$(ctl beta endpoint show lan1/early -o json | jq '[.addresses[] | select(startswith("10."))] | length')"

e2e_start alpha
status 0 ctl alpha net show lan1
known() { ctl "$1" endpoint show lan1/early -o json | jq -e '.host == "beta" and .status.state == "up"'; }
wait_for 20 known beta
shown() { ctl "$1" endpoint show lan1/early; }
wait_for 20 shown alpha
wait_for 20 shown gamma
created() { ctl beta net create lan4; }
wait_for 15 created
status 0 ctl alpha net show lan4

# --- a partition: what was accepted on one side reaches the other --------------------------------
e2e_cut alpha beta
cut_off() {
    status 1 ctl beta net create lan5
    grep -q 'host alpha' <<<"$ERR"
}
wait_for 30 cut_off
for n in 1 2 3; do
    status 0 ctl alpha net create "meanwhile$n"
done
status 0 ctl alpha net rm meanwhile2
e2e_join_up
wait_for 30 has_net beta meanwhile1
wait_for 5 has_net beta meanwhile3
wait_for 5 no_net beta meanwhile2

# --- all at once, from the disk ------------------------------------------------------------------
e2e_end early
for host in alpha beta gamma; do
    # shellcheck disable=SC2046 # three numbers
    kill -9 $(e2e_daemon_pids "$host")
    unset "E2E_DAEMON[$host]"
done
for host in alpha beta gamma; do
    e2e_start "$host"
done
wait_for 15 hosts_up alpha beta gamma
for host in alpha beta gamma; do
    status 0 ctl "$host" net show meanwhile3
done

# --- leaving --------------------------------------------------------------------------------------
status 0 ctl gamma run --net lan1 --name left -- true
status 0 ctl gamma host leave
is "a fabric of its own" gamma "$(names gamma)"
is "no networks of the old one" "[]" "$(ctl gamma net ls -o json | jq -c .)"
is "alpha's hosts" "alpha beta" "$(names alpha)"
status 0 ctl gamma host join "$(ctl alpha host invite)"
status 0 ctl alpha endpoint show lan1/left
ctl alpha export >"$T/export.yaml"
status 0 ctl alpha diff -f "$T/export.yaml"
is "it may come again" "alpha beta gamma" "$(names gamma)"
status 0 ctl gamma net show lan1
finish
