#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Two instances of one endpoint: only the one of the highest epoch is ever reached.
#
#      alpha 192.0.2.1          the founder, with a client
#        ╱          ╲
#      beta ─────── gamma       `web` runs on beta, which is cut off; then on gamma; beta comes back
#      192.0.2.2    192.0.2.3
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun
need socat

e2e_hosts alpha beta gamma
for host in alpha beta gamma; do
    e2e_start "$host"
done
status 0 ctl alpha net create lan1
e2e_join alpha beta gamma
state_of() { ctl "$1" host show "$2" -o json | jq -r .status.state; }
is_up() { [ "$(state_of "$1" "$2")" = up ]; }
is_away() { [ "$(state_of "$1" "$2")" != up ]; }

serve() { # NAME HOST: says on which host it runs.
    # shellcheck disable=SC2016 # expanded by the shell inside
    bg "$1" "$2" "$IOTHCTL" run --net lan1 --name web -- bash -c \
        'ping -i 0.2 client >/dev/null & exec socat TCP-LISTEN:80,reuseaddr,fork "SYSTEM:echo $0"' "$2"
    wait_for 10 listens "$2" lan1/web 80
}
asks() { ctl alpha exec lan1/client -- socat -T 2 - TCP:web:80,connect-timeout=2; }
answer() { [ "$(asks)" = "$1" ]; }
run_in client alpha --net lan1 -- sleep 600
serve old beta
wait_for 10 answer beta

# --- beta is cut off, with the first instance ---------------------------------------------------
ip link set u2 down
wait_for 60 is_away alpha beta
wait_for 60 is_away gamma beta
status 0 ctl alpha endpoint rm lan1/web
serve new gamma
wait_for 10 answer gamma

# --- it comes back, its control deaf: its switch forwards what the first instance says -------------
control=$(e2e_daemon_pids beta | tail -n 1)
kill -STOP "$control"
ip link set u2 up
wait_for 30 is_up alpha beta
wait_for 30 is_up gamma beta
elsewhere() { # HOST: frames of the first instance that it has dropped
    ctl "$1" port show lan1/link-beta -o json | jq '[.. | objects | .elsewhere // empty] | add // 0'
}
drops() { [ "$(elsewhere "$1")" -gt "$2" ]; }
for host in alpha gamma; do
    wait_for 20 drops "$host" 0
done
for _ in 1 2 3 4 5 6 7 8 9 10; do
    is "who answers" gamma "$(asks)"
done
before=$(elsewhere alpha)
wait_for 20 drops alpha "$before"

# --- it hears: its own host takes it off the network ---------------------------------------------
kill -CONT "$control"
off() { grep -q 'web is off lan1: endpoint lan1/web runs on host gamma' "$T/old.out"; }
wait_for 20 off
hasnt "no port" 'lan1/web' "$(ctl beta port ls lan1)"
is "who answers" gamma "$(asks)"
# What was learnt of homes outlives control, and the switch hears it again.
kill -KILL "$(e2e_daemon_pids alpha | sed -n 2p)"
answers_again() { answer gamma; }
wait_for 20 answers_again

allow_log 'ended \(signal 9\), starting it again|the switch process is away'
for name in old new client; do
    e2e_end "$name"
done
finish
