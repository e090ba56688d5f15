#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# VDE clients without a declared port are not remembered as bridges: when they come anew, two ways to a bridge of
# somebody else's that forwards to both are a loop for as long as a probe takes to go round, and no longer. A
# switch process that dies remembers them: it takes their ports over.
#
#      alpha: lan1 ── vde_plug ── vde_switch ── x0 ┐
#                └─── vde_plug ── vde_switch ── x1 ┴ kb, a Linux bridge with STP (the root, a BPDU every 2 s)
#                                                    └ n1 ── n0: broadcasts, 1000 a second
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/foreign_bridge.sh
. "$(dirname "$0")/foreign_bridge.sh"
need_tun
need vde_plug vde_switch
[ "$(id -u)" = 0 ] || skip "only root may"

e2e_hosts alpha
e2e_start alpha
status 0 ctl alpha net create lan1
foreign_bridge
for i in 0 1; do
    on alpha vde_switch -d -p "$T/sw$i.pid" -s "$T/sw$i" -t "x$i"
    on alpha ip link set "x$i" master kb up
done

plug() { bg "plug$1" alpha vde_plug "vde://$T/alpha/run/net/lan1" "vde://$T/sw$1"; }
roles() { ctl alpha port ls lan1 -o json | jq -r '[.[] | .status.stp | "\(.role) \(.state)"] | sort | join(", ")'; }
settled() { [ "$(roles)" = "alternate discarding, root forwarding" ]; }
forwarding() { [ "$(on alpha cat "/sys/class/net/kb/lower_x$1/brport/state")" = 3 ]; }
out_of() { on alpha cat "/sys/class/net/$1/statistics/rx_packets"; }
allow_log 'another port of this host|moves between ports of network|the switch process is away|ended .signal 9.'

plug 0
plug 1
wait_for 30 settled
for i in 0 1; do wait_for 20 forwarding "$i"; done
noise 0.001

# --- a new switch process ----------------------------------------------------------------------------
old=$(e2e_daemon_pids alpha | sed -n 2p)
before=$(($(out_of x0) + $(out_of x1)))
kill -9 "$old"
new_switch() { [ "$(e2e_daemon_pids alpha | sed -n 2p)" != "$old" ] && settled; }
wait_for 20 new_switch
echo "a new switch: $(($(out_of x0) + $(out_of x1) - before)) frames came out"
[ $(($(out_of x0) + $(out_of x1) - before)) -lt 50 ] || fail "a loop: $(($(out_of x0) + $(out_of x1) - before)) frames"

# --- a new daemon, to which the clients come anew -----------------------------------------------------
for round in 1 2 3; do
    e2e_stop alpha
    for i in 0 1; do e2e_end "plug$i"; done
    e2e_start alpha
    before=$(($(out_of x0) + $(out_of x1)))
    plug 0
    plug 1
    wait_for 30 settled
    echo "start $round: $(($(out_of x0) + $(out_of x1) - before)) frames came out"
    [ $(($(out_of x0) + $(out_of x1) - before)) -lt 200 ] || fail "a loop: $(($(out_of x0) + $(out_of x1) - before)) frames"
done
e2e_end noise
for i in 0 1; do e2e_end "plug$i"; done
for i in 0 1; do kill "$(cat "$T/sw$i.pid")"; done
for i in n0 kb; do on alpha ip link del "$i"; done
finish
