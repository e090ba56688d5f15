#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A link that is lost again and again is held: the tree does not take it back while there is another way,
# says so at both ends, and takes it back when it has held.
#
#            beta 192.0.2.2
#           ╱              ╲
#      alpha ──────╳─────── gamma
#      192.0.2.1 (root)   192.0.2.3
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun

e2e_hosts alpha beta gamma
for host in alpha beta gamma; do
    e2e_start "$host"
done
status 0 ctl alpha net create lan1 --forwarding tree
e2e_join alpha beta gamma
status 0 ctl alpha net set lan1 stp.priority.alpha=4096 stp.priority.beta=8192

port() { ctl "$1" port show "lan1/link-$2" -o json | jq -r ".status.stp | $3"; }
is_port() { [ "$(port "$1" "$2" '"\(.role) \(.state)"')" = "$3" ]; }
link() { ctl "$1" link show "$2" -o json | jq -r ".status.$3"; }
wait_for 20 is_port gamma alpha 'root forwarding'
wait_for 20 is_port gamma beta 'alternate discarding'
for host in alpha gamma; do
    run_in "n-$host" "$host" --net lan1 -- sleep 600
done
bg pings alpha "$IOTHCTL" exec lan1/n-alpha -- ping -i 0.01 -q n-gamma
for host in alpha gamma; do
    bg "events-$host" "$host" "$IOTHCTL" events
done
has "no column is filled" '^alpha-gamma +up +- ' "$(ctl gamma link ls)"

# --- three times ---------------------------------------------------------------------------------
allow_log 'the link to (alpha|gamma) is lost again and again'
lost() { is_port gamma beta 'root forwarding'; }
comes_back() { [ "$(port gamma alpha .state)" != null ] && ! is_port gamma alpha 'disabled discarding'; }
for i in 1 2 3; do
    e2e_cut alpha gamma
    wait_for 10 lost
    e2e_join_up
    wait_for 20 comes_back
    [ "$i" = 3 ] || wait_for 20 is_port gamma alpha 'root forwarding'
done
wait_for 2 is_port gamma alpha 'alternate discarding'
is "how often it was lost" 3 "$(link gamma alpha losses)"
# The other end may not have noticed each of them, but has been told.
has "it is held there as well" '^[1-9][0-9]*$' "$(link alpha gamma held_ms)"
has "link ls says for how long" '^alpha-gamma +up +[1-5]s ' "$(ctl gamma link ls)"
is "alpha's port waits" 'designated discarding not needed' "$(port alpha gamma '"\(.role) \(.state) \(.held)"')"
has "a metric" '^ioth_link_held\{host="alpha"\} 1' \
    "$(on gamma curl -s --unix-socket "$T/gamma/run/api.sock" http://x/metrics)"
for host in alpha gamma; do
    has "$host tells of it" 'host +(alpha|gamma) +held' "$(cat "$T/events-$host.out")"
    has "and logs it" 'lost again and again: .* for [1-5] s' "$(cat "$T/$host.log")"
done
is "the way is beta's" 'root forwarding' "$(port gamma beta '"\(.role) \(.state)"')"

# --- it holds ------------------------------------------------------------------------------------
wait_for 10 is_port gamma alpha 'root forwarding'
is "held no more" null "$(link gamma alpha held_ms)"
released() { grep -Eq 'released' "$T/events-$1.out"; }
wait_for 5 released gamma
wait_for 5 released alpha
pings() { ctl alpha exec lan1/n-alpha -- ping -c 1 -W 1 n-gamma; }
wait_for 5 pings
finish
