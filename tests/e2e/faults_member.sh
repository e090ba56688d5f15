#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Joining a fabric with wrong, worn and stolen tokens, with too much of one's own, all at once, and
# by the word of somebody else.
#
#      alpha ─────── beta ─────── mallory            crowd: 100 daemons on one host
#      the fabric    joins it     another fabric
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
JOINERS=100
e2e_hosts alpha beta mallory crowd
e2e_start alpha
e2e_start beta
e2e_start mallory
status 0 ctl alpha net create lan1

tool() { "$PYTHON" "$E2E_ROOT/tests/e2e/faults_member.py" "$@"; }
members() { ctl alpha host ls -o json | jq -r '.[].name' | sort | paste -sd ' '; }
invite() { ctl alpha host invite "$@"; }

# --- a joiner with objects of its own -------------------------------------------------------------
token=$(invite)
status 0 ctl beta net create own
status 0 ctl beta net create mine --local
status 1 ctl beta host join "$token"
has "the list of its objects" 'network own' "$ERR"
hasnt "local ones do not count" 'mine' "$ERR"
has "what to do" 'hint: iothctl host join TOKEN --discard' "$ERR"
is "what beta has" "mine own" "$(ctl beta net ls -o json | jq -r '.[].name' | sort | paste -sd ' ')"
is "members" alpha "$(members)"

# --- tokens that are none -------------------------------------------------------------------------
is "a token changed in each of its letters" "" "$(tool letters "$T/beta/run/api.sock" "$token")"
expired=$(invite --expires 1s)
over() { [ "$(date +%s)" -gt "$expired_at" ]; }
expired_at=$(($(date +%s) + 1))
wait_for 4 over
status 1 ctl beta host join "$expired" --discard
has "an expired token" 'expired' "$ERR"
status 1 ctl beta host join "$(tool alter expiry "$expired")" --discard
has "an expired token that claims not to be" 'expired' "$ERR"
status 1 ctl beta host join "$(tool alter secret "$token")" --discard
hasnt "a wrong secret is told nothing of the token" 'used|expired' "$ERR"
status 2 ctl beta host join "$(tool alter version "$token")" --discard
is "members" alpha "$(members)"
is "beta has kept what it had" "mine own" "$(ctl beta net ls -o json | jq -r '.[].name' | sort | paste -sd ' ')"

# --- another fabric does not pass itself off -------------------------------------------------------
# A token of mallory's that names the root key of alpha's fabric: mallory has the secret, answers
# and shows a chain, which is not of that fabric.
theirs=$(ctl mallory host invite)
bg fraud beta "$IOTHCTL" host join "$(tool alter root "$theirs" "$token")" --discard

# Meanwhile a hundred want to be the one whom a token is for.
for i in $(seq $JOINERS); do
    mkdir -p "$T/j$i"
    ip netns exec crowd "$FABRICD" --name "j$i" --run-dir "$T/j$i/run" --state-dir "$T/j$i/state" \
        --log-level warn >>"$T/crowd.log" 2>&1 </dev/null &
    CROWD[i]=$!
done
e2e_wait fraud
is "the fraud's end" 1 "$STATUS"
has "and why" 'root|chain|certificate|fabric' "$(cat "$T/fraud.out")"
is "beta is its own" beta "$(ctl beta host ls -o json | jq -r '.[].name')"
is "and has kept what it had" "mine own" "$(ctl beta net ls -o json | jq -r '.[].name' | sort | paste -sd ' ')"
sockets=()
for i in $(seq $JOINERS); do
    wait_for 30 test -S "$T/j$i/run/api.sock"
    sockets+=("$T/j$i/run/api.sock")
done

# --- a hundred, one token -------------------------------------------------------------------------
tool race "$token" "${sockets[@]}" >"$T/race.out"
is "how many got in: $(cat "$T/race.out")" 1 "$(awk '$2 == 200 || $2 == 201 {n += $1} END {print n + 0}' "$T/race.out")"
is "how many answers: $(cat "$T/race.out")" $JOINERS "$(awk '{n += $1} END {print n}' "$T/race.out")"
told=$(awk '/used already/ {n += $1} END {print n + 0}' "$T/race.out")
[ "$told" -ge $((JOINERS / 2)) ] || fail "few were told why: $(cat "$T/race.out")"
two() { [ "$(ctl alpha host ls -o json | jq length)" = 2 ]; }
wait_for 5 two
winner=$(ctl alpha host ls -o json | jq -r '.[].name | select(. != "alpha")')
is "networks of the winner" lan1 "$(IOTH_SOCKET=$T/$winner/run/api.sock "$IOTHCTL" net ls -o json | jq -r '.[].name')"
loser=$([ "$winner" = j1 ] && echo j2 || echo j1)
is "networks of a loser" "" "$(IOTH_SOCKET=$T/$loser/run/api.sock "$IOTHCTL" net ls -o json | jq -r '.[].name')"

# --- used, taken, and not understood ---------------------------------------------------------------
status 1 ctl beta host join "$token" --discard
has "a used token" "used already, by host $winner" "$ERR"
status 1 ctl alpha host invite --name "$winner"
has "a name that is taken" "there is a host $winner" "$ERR"
status 1 env "IOTH_SOCKET=$T/$winner/run/api.sock" "$IOTHCTL" host join "$(invite)"
has "a member cannot join" 'in a fabric' "$ERR"
# A second host of the same name; what is altered so that nobody answers takes its time, so both
# are waited for together.
silent=$(tool alter id "$(invite)")
bg lost crowd env "IOTH_SOCKET=$T/$loser/run/api.sock" "$IOTHCTL" host join "$silent"
status 0 ctl beta host join "$(invite)" --discard
status 0 ctl beta host leave
e2e_stop beta
rm -rf "$T/beta"
mkdir -p "$T/beta"
ip netns exec beta "$FABRICD" --name "$winner" --run-dir "$T/beta/run" --state-dir "$T/beta/state" >>"$T/beta.log" 2>&1 </dev/null &
E2E_DAEMON[beta]=$!
wait_for 10 ctl beta --no-start status
status 1 ctl beta host join "$(invite)"
has "a joiner whose name is taken" "there is a host $winner" "$ERR"
status 0 ctl beta host join "$(invite --name beta)"
e2e_wait lost
is "a token with another id" 1 "$STATUS"
has "and why" 'answer' "$(cat "$T/lost.out")"
is "members" "alpha beta $winner" "$(ctl alpha host ls -o json | jq -r '.[].name' | sort | paste -sd ' ')"

# --- somebody else at the founder's address --------------------------------------------------------
before=$(ctl beta export)
e2e_stop mallory
e2e_stop alpha
ip -n alpha addr del 192.0.2.1/24 dev up0
ip -n mallory addr add 192.0.2.1/24 dev up0
e2e_start mallory
status 0 ctl mallory host invite
parted() { ctl beta host show alpha -o json | jq -e '.status.state != "up"'; }
wait_for 30 parted
status 1 ctl beta net create by-mallory
has "beta's founder is away" 'alpha' "$ERR"
is "what beta believes" "$before" "$(ctl beta export)"
is "whom mallory reaches" "" "$(ctl mallory host ls -o json | jq -r '.[] | select(.status.state == "up") | .name')"
e2e_stop mallory
ip -n mallory addr del 192.0.2.1/24 dev up0
ip -n alpha addr add 192.0.2.1/24 dev up0
e2e_start alpha
joined() { ctl beta host show alpha -o json | jq -e '.status.state == "up"'; }
wait_for 30 joined
status 0 ctl beta net create by-beta

kill "${CROWD[@]}"
for i in $(seq $JOINERS); do
    wait_for 10 gone "${CROWD[i]}"
done
finish
