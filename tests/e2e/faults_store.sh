#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The store under a full disk, under kill -9 in the middle of changes, and where it cannot be
# opened at all.
#
#      alpha                          its state folder: a file system of 1 MiB
#   ┌────────────────────────┐
#   │ [ fabricd: lan1 ] node │
#   └────────────────────────┘
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun
need mountpoint
e2e_hosts alpha

nets() { ctl alpha net ls -o json | jq -r '.[].name' | sort; }

# --- a full disk ----------------------------------------------------------------------------------
mkdir -p "$T/alpha/state"
mount -t tmpfs -o mode=0700,size=1m tmpfs "$T/alpha/state"
trap 'umount -l "$T"/*/state 2>/dev/null || true; e2e_exit' EXIT
e2e_start alpha
status 0 ctl alpha net create lan1 --ipv4 10.77.0.0/24
run_in web alpha --net lan1 --ip 10.77.0.2 -- sleep 600
fill() { head -c 2M /dev/zero >"$T/alpha/state/filler" 2>/dev/null || true; }
fill
# What is left of the write-ahead log may take a few more changes; then the disk is full.
accepted=(lan1)
for i in $(seq 200); do
    code=0
    ctl alpha net create "full-$i" >"$T/full.txt" 2>&1 || code=$?
    [ $code = 0 ] || break
    accepted+=("full-$i")
    fill
done
is "the exit status on a full disk" 1 "$code"
has "what is said" 'net create full-[0-9]+ failed: .*disk.* full' "$(cat "$T/full.txt")"
expected=$(printf '%s\n' "${accepted[@]}" | sort)
is "the old state" "$expected" "$(nets)"
status 1 ctl alpha net rm lan1
status 1 ctl alpha net set lan1 mtu=1400
is "nothing has changed" 1500 "$(ctl alpha net show lan1 -o json | jq .mtu)"
status 125 ctl alpha run --net lan1 --name other -- true
has "run, too" 'disk.* full' "$ERR"
problem=$(on alpha curl -s --unix-socket "$T/alpha/run/api.sock" http://x/v1/networks/more -X PUT --json '{}')
is "the API's answer" 507 "$(jq .status <<<"$problem")"
status 0 ctl alpha exec lan1/web -- ping -c 1 -W 1 10.77.0.2

# With the disk still full, the daemon is killed and started again: nothing is lost.
restart_killed() {
    local pids p
    mapfile -t pids < <(e2e_daemon_pids alpha)
    kill -KILL "${pids[@]}"
    for p in "${pids[@]}"; do
        wait_for 2 gone "$p"
    done
    wait "${E2E_DAEMON[alpha]}" || true
    e2e_start alpha
}
restart_killed
is "the state after kill -9 on a full disk" "$expected" "$(nets)"
rm "$T/alpha/state/filler"
status 0 ctl alpha net create roomy
status 0 ctl alpha net set lan1 mtu=1400
restart_killed
is "the state when there is room again" "$(printf '%s\n' "$expected" roomy | sort)" "$(nets)"
is "and the change" 1400 "$(ctl alpha net show lan1 -o json | jq .mtu)"
wait_for 8 e2e_runs web alpha --net lan1
e2e_end web
e2e_stop alpha
umount "$T/alpha/state"

# --- kill -9 in the middle of changes -------------------------------------------------------------
# Six writers make and remove networks and note what was answered, while control is killed again
# and again. What was accepted last is what is there in the end.
e2e_start alpha
bg writers alpha "$PYTHON" "$E2E_ROOT/tests/e2e/faults_writers.py" "$T/alpha/run/api.sock" "$T/accepted.json"
wait_for 5 grep -q '^40 ' "$T/writers.out"
for i in 1 2 3 4 5; do
    count=$(wc -l <"$T/writers.out")
    before=$(e2e_daemon_pids alpha | tail -n 1)
    kill -KILL "$before"
    wait_for 5 gone "$before"
    more() { [ "$(wc -l <"$T/writers.out")" -gt $((count + 2)) ]; }
    wait_for 10 more
done
e2e_end writers USR1
is "the writers' end" 0 "$STATUS"
hasnt "the writers' changes" 'refused' "$(cat "$T/writers.out")"
restart_killed
is "what was accepted and what is there" "" \
    "$("$PYTHON" "$E2E_ROOT/tests/e2e/faults_writers.py" --compare "$T/accepted.json" <<<"$(ctl alpha net ls -o json)")"

# SIGTERM in the middle of changes: gone within a second, nothing lost either.
bg writers alpha "$PYTHON" "$E2E_ROOT/tests/e2e/faults_writers.py" "$T/alpha/run/api.sock" "$T/accepted2.json" late
wait_for 5 grep -q '^40 ' "$T/writers.out"
mapfile -t pids < <(e2e_daemon_pids alpha)
begin=${EPOCHREALTIME/./}
kill -TERM "${E2E_DAEMON[alpha]}"
for p in "${pids[@]}"; do
    wait_for 3 gone "$p"
done
took=$(((${EPOCHREALTIME/./} - begin) / 1000))
[ "$took" -lt 1000 ] || fail "SIGTERM took $took ms"
wait "${E2E_DAEMON[alpha]}" || fail "fabricd's exit status is not 0"
e2e_end writers USR1
e2e_start alpha
is "what was accepted before SIGTERM" "" \
    "$("$PYTHON" "$E2E_ROOT/tests/e2e/faults_writers.py" --compare "$T/accepted2.json" late <<<"$(ctl alpha net ls -o json)")"

# --- a state folder that cannot be used -----------------------------------------------------------
# refuses PATTERN DIR: fabricd ends by itself with 1 and says why once.
refuses() {
    status 1 on alpha timeout 5 "$FABRICD" --name other --run-dir "$T/other/run" --state-dir "$2"
    is "lines that say why: $ERR" 1 "$(grep -Ec -- "$1" <<<"$ERR")"
    [ "$(wc -l <<<"$ERR")" -le 4 ] || fail "too much is said: $ERR"
}
refuses 'in use by another process' "$T/alpha/state"
e2e_stop alpha
mkdir -p "$T/damaged" "$T/readonly" "$T/wide" "$T/newer"
chmod 700 "$T"/damaged "$T"/readonly "$T"/newer
head -c 8192 /dev/urandom >"$T/damaged/store.sqlite"
refuses "$T/damaged/store/store.sqlite: .*damaged" "$T/damaged"
cp -a "$T/alpha/state/." "$T/newer"
"$PYTHON" -c 'import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("PRAGMA user_version=99")
db.commit()' "$T/newer/store/store.sqlite"
refuses 'written by a later version' "$T/newer"
cp -a "$T/alpha/state/." "$T/damaged"
"$PYTHON" -c 'import sqlite3, sys
sqlite3.connect(sys.argv[1]).execute("PRAGMA wal_checkpoint(TRUNCATE)")' "$T/damaged/store/store.sqlite"
rm -f "$T"/damaged/store/store.sqlite-*
truncate -s 6000 "$T/damaged/store/store.sqlite"
refuses "$T/damaged/store/store.sqlite: .*damaged" "$T/damaged"
mount -t tmpfs -o mode=0700,size=1m,ro tmpfs "$T/readonly"
refuses "Read-only file system" "$T/readonly"
umount "$T/readonly"
chmod 777 "$T/wide"
refuses 'others may write' "$T/wide"
refuses 'no folder' "$T/alpha.log"
if chown 65534 "$T/wide" 2>/dev/null; then
    chmod 700 "$T/wide"
    refuses 'belongs to another user' "$T/wide"
fi

allow_log 'disk that holds the store is full'
allow_log 'ended \((signal 9|gone)\), starting it again'
allow_log 'the (parent|switch) process (has gone|is away)'
finish
