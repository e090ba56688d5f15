#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# An apply is done when the spanning trees of what it touched have settled on every host, and is taken
# back when one has not in time.
#
#      alpha (root) ─────── beta
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun

e2e_hosts alpha beta
for host in alpha beta; do
    e2e_start "$host"
done
e2e_join alpha beta

file_of() { # STP, what the network says of its tree
    cat <<END
version: 1
networks:
  lan1:
    forwarding: tree
    stp: {priority: {alpha: 4096}$1}
    ports:
      a: {host: alpha, tap: lan1-a}
      b: {host: beta, tap: lan1-b}
  plain: {ports: {p: {host: beta, tap: plain-p}}}
END
}
stp_of() { ctl "$1" net show lan1 -o json | jq -r ".status.stp.$2"; }
link_state() { ctl "$1" port show "lan1/link-$2" -o json | jq -r '.status.stp.role + " " + .status.stp.state'; }
settled() {
    is "the root at $1" alpha "$(stp_of "$1" root_host)"
    is "the link at alpha" 'designated forwarding' "$(link_state alpha beta)"
    is "the link at beta" 'root forwarding' "$(link_state beta alpha)"
}

# --- when it is done, it has settled: nobody waits here --------------------------------------------
file_of '' >"$T/rapid.yaml"
status 0 ctl beta apply -f "$T/rapid.yaml"
settled alpha
settled beta
times=', hello: 1, max_age: 6, forward_delay: 4'
file_of "$times" >"$T/times.yaml"
status 0 ctl alpha apply -f "$T/times.yaml"
settled beta
before=$(ctl alpha export)

# --- the old protocol lets ports wait for twice four seconds: not in time ------------------------------
file_of "$times, mode: stp" >"$T/old.yaml"
status 1 ctl alpha apply -f "$T/old.yaml" --within 1500ms
has "where and why" 'network lan1: tree not settled on host (alpha|beta): port link-(beta|alpha) is (discarding|learning) after 1500 ms' "$ERR"
same() { [ "$(ctl "$1" export)" = "$before" ]; }
for host in alpha beta; do
    wait_for 5 same "$host"
done
has "in the history" 'rolled back: network lan1: tree not settled' "$(ctl alpha history -n 1)"

# --- what is not touched may take its time --------------------------------------------------------
file_of '' >"$T/other.yaml"
sed -i '/^  lan1:/,/lan1-b/d; s/plain-p/plain-q/' "$T/other.yaml"
status 0 ctl beta apply -f "$T/other.yaml" --within 3s

# --- in time, if the time is there -------------------------------------------------------------------
status 0 ctl beta apply -f "$T/old.yaml" --within 30s
settled alpha
settled beta

finish
