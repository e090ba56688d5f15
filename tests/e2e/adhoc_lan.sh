#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The ad-hoc LAN of the README: two hosts, one encrypted network, unmodified programs as nodes.
#
#      alpha 192.0.2.1                         beta 192.0.2.2
#        fabricd ───────── underlay ───────────── fabricd
#         │  lan1                                  │  lan1
#       web, db                                  clients
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun
need curl

e2e_hosts alpha beta
e2e_start alpha
e2e_start beta
sniff

# --- a network on one host ----------------------------------------------------------------
status 0 ctl alpha net create lan1
has "net ls" '^lan1 +10\.64\.0\.0/24 .*fd' "$(ctl alpha net ls)"
status 1 ctl alpha net create lan1
status 2 ctl alpha net create Lan_1
status 3 ctl alpha net show lan2

mkdir "$T/www"
echo "$CANARY" >"$T/www/index.html"
run_in web alpha --net lan1 -- "$PYTHON" -m http.server 80 -d "$T/www"
wait_for 5 listens alpha lan1/web 80
is "page by name on the same host" "$CANARY" "$(ctl alpha run --net lan1 -- curl -sS http://web/)"

# --- the same network on another host -----------------------------------------------------
token=$(ctl alpha host invite)
is "invite prints the token alone" 1 "$(wc -l <<<"$token")"
status 0 ctl beta host join "$token"
beta_has_lan1() { ctl beta net show lan1; }
wait_for 10 beta_has_lan1
linked() { ctl beta link ls -o json | jq -e '.[0].status.state == "up"'; }
wait_for 10 linked

page() { [ "$(ctl beta run --net lan1 -- curl -sS --max-time 5 http://web/)" = "$CANARY" ]; }
wait_for 10 page
is "by full name" "$CANARY" "$(ctl beta run --net lan1 -- curl -sS --max-time 5 http://web.lan1.ioth/)"

# The token is used up; so is a wrong one refused.
status 1 ctl beta host join "$token"

# --- IPv4 and IPv6, both ways; addresses back to names ----------------------------------------
run_in db beta --net lan1 -- sleep 600
alpha_knows_db() { ctl alpha run --net lan1 -- getent ahosts db; }
wait_for 10 alpha_knows_db
status 0 ctl alpha run --net lan1 -- ping -4 -c 2 -W 3 db
status 0 ctl alpha run --net lan1 -- ping -6 -c 2 -W 3 db
status 0 ctl beta run --net lan1 -- ping -4 -c 2 -W 3 web
status 0 ctl beta run --net lan1 -- ping -6 -c 2 -W 3 web.lan1
address=$(ctl alpha exec lan1/web -- ip -4 -o addr show eth0 | sed 's/.*inet \([0-9.]*\).*/\1/')
has "reverse" 'web\.lan1\.ioth' "$(ctl beta run --net lan1 -- getent hosts "$address")"

# Much of it in clear would be seen: 8 MB of canary.
canaries "$T/www/big" 8
is "a big file arrives whole" "$(sha256sum <"$T/www/big")" \
    "$(ctl beta run --net lan1 -- curl -sS --max-time 20 http://web/big | sha256sum)"

# --- one name, one holder ---------------------------------------------------------------------
status 125 ctl beta run --net lan1 --name web -- true
has "the holder is named" 'alpha' "$ERR"
before=$(ctl beta exec lan1/db -- cat /sys/class/net/eth0/address)
e2e_end db
run_in db alpha --net lan1 -- sleep 600
is "an endpoint keeps its MAC on whatever host" "$before" \
    "$(ctl alpha exec lan1/db -- cat /sys/class/net/eth0/address)"

# --- the program's own exit status ------------------------------------------------------------
status 0 ctl alpha run --net lan1 -- true
status 42 ctl alpha run --net lan1 -- sh -c 'exit 42'
status 127 ctl alpha run --net lan1 -- no-such-program
status 126 ctl alpha run --net lan1 -- /etc/passwd
# shellcheck disable=SC2016 # for the shell inside
status 143 ctl alpha run --net lan1 -- sh -c 'kill -TERM $$'
status 125 ctl alpha run --net nowhere -- true

# --- what one sees ----------------------------------------------------------------------------
has "topology" 'beta' "$(ctl alpha topology)"
has "endpoints" '^lan1/web|^web' "$(ctl alpha endpoint ls)"
has "status" 'alpha' "$(ctl alpha status)"
finish
