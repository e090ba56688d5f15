#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a program finds in a node made by `iothctl run`.
#
#      alpha
#        fabricd
#         │ lan1, lan2
#        nodes
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun
need curl dig busybox dnsmasq nft pgrep

# What a host's resolvers leave lying about, and a resolv.conf that is a symbolic link.
mkdir -p /run/systemd/resolve /run/nscd
touch /run/systemd/resolve/io.systemd.Resolve /run/nscd/socket
echo 'nameserver 203.0.113.1' >/run/systemd/resolve/stub-resolv.conf
mkdir "$T/etc"
cp -a /etc/. "$T/etc/" 2>/dev/null || true
rm -f "$T/etc/resolv.conf"
ln -s ../run/systemd/resolve/stub-resolv.conf "$T/etc/resolv.conf"
printf 'passwd: files\nhosts: resolve mdns4_minimal files dns\n' >"$T/etc/nsswitch.conf"
echo '203.0.113.7 web' >>"$T/etc/hosts"

e2e_hosts alpha
mount --bind "$T/etc" /etc
e2e_start alpha
status 0 ctl alpha net create lan1
status 0 ctl alpha net create lan2
node() { ctl alpha run --net lan1 "$@"; }

# --- who it is ----------------------------------------------------------------------------
is "the same user" "$(id -u):$(id -g)" "$(node -- sh -c 'echo $(id -u):$(id -g)')"
is "no capabilities" 1 "$(node -- sh -c 'grep -c "CapEff:.0000000000000000" /proc/self/status')"
is "none to be had either" 1 "$(node -- sh -c 'grep -c "NoNewPrivs:.1" /proc/self/status')"
is "its name is the host's" web "$(node --name web -- hostname)"
ctl alpha endpoint rm lan1/web
is "its interfaces" "eth0 lo" "$(node -- sh -c 'echo $(ls /sys/class/net)')"
is "its folder" "$PWD" "$(node -- pwd)"
is "several networks" "eth0 eth1 lo" \
    "$(ctl alpha run --net lan1 --net lan2 -- sh -c 'echo $(ls /sys/class/net)')"
is "no default route without a gateway" "" "$(node -- ip route show default)"
is "as root with --root" "0" "$(node --root -- id -u)"
is "--root may configure its network" "eth0 lo v0 v1" \
    "$(node --root -- sh -c 'ip link add v0 type veth peer name v1; echo $(ls /sys/class/net)')"
mkdir -m 0 "$T/locked"
status 127 on alpha env "PATH=$T/locked:$PATH" "$IOTHCTL" run --net lan1 -- no-such-program
is "descriptors of the caller's" "hello" "$(node -- sh -c 'cat <&3' 3<<<hello)"

on alpha sh -c 'exec <&- >&- 2>&-; exec "$@"' sh "$IOTHCTL" run --net lan1 -- \
    "$PYTHON" -c 'import os, socket, sys
there = [fd for fd in ("0", "1", "2") if os.path.exists("/proc/self/fd/" + fd)]
print(there, socket.gethostbyname("localhost"), file=open(sys.argv[1], "w"))' "$T/closed.txt"
is "what the caller closed is closed, and there are names" '[] 127.0.0.1' "$(cat "$T/closed.txt")"
mkdir "$T/deleted"
is "a folder that is gone" inside \
    "$(cd "$T/deleted" && rmdir "$T/deleted" && node -- sh -c 'echo inside' 2>/dev/null)"
is "limits and environment" "77 a b" \
    "$(ulimit -n 77 && SOME='a b' node -- sh -c 'echo "$(ulimit -n) $SOME"')"
is "what the caller ignores is ignored" "$(trap '' INT PIPE; on alpha grep SigIgn /proc/self/status)" \
    "$(trap '' INT PIPE; node -- grep SigIgn /proc/self/status)"
long=$(printf 'x%.0s' {1..100000})
is "a long command line" "10 100000" \
    "$(node -- sh -c 'echo $# ${#1}' sh "$long" "$long" "$long" "$long" "$long" "$long" "$long" "$long" "$long" "$long")"
for n in 0 1 124 125 126 127 128 255; do
    status "$n" node -- sh -c "exit $n"
done
for signal in HUP:129 INT:130 QUIT:131 KILL:137 SEGV:139 PIPE:141 TERM:143; do
    status "${signal#*:}" node -- sh -c "kill -${signal%:*} \$\$"
done
status 126 node -- /etc/passwd

# --- what it may do -----------------------------------------------------------------------
is "any port" bound "$(node -- "$PYTHON" -c 'import socket
for port in (1, 22, 80, 443):
    s = socket.create_server(("", port))
print("bound")')"
status 0 node -- ping -c 1 -W 2 127.0.0.1
status 0 node -- ping -6 -c 1 -W 2 ::1
is "an explicit address and MAC" "10.64.0.200/24 02:00:00:00:00:99" "$(node --ip 10.64.0.200 \
    --mac 02:00:00:00:00:99 -- sh -c 'echo $(ip -4 -o addr show eth0 | sed "s/.*inet \([^ ]*\).*/\1/") $(cat /sys/class/net/eth0/address)')"
is "IPv6 at once" "0" "$(node -- sh -c 'ip -6 addr show tentative | wc -l')"

# --- names --------------------------------------------------------------------------------
mkdir "$T/www"
echo "$CANARY" >"$T/www/index.html"
run_in web alpha --net lan1 -- "$PYTHON" -m http.server 80 --bind :: -d "$T/www"
wait_for 5 listens alpha lan1/web 80
status 0 ctl alpha exec lan1/web -- ip -o addr show eth0
four=$(sed -n 's/.*inet \([0-9.]*\).*/\1/p' <<<"$OUT")
six=$(sed -n 's/.*inet6 \(fd[0-9a-f:]*\).*/\1/p' <<<"$OUT")
has "getaddrinfo" "^$six +STREAM" "$(node -- getent ahosts web)"
has "getaddrinfo" "^$four +STREAM" "$(node -- getent ahosts web.lan1)"
is "dig" "$four" "$(node -- dig +short web.lan1.ioth)"
is "dig, a bare name" "$four" "$(node -- dig +short web)"
is "dig over TCP, IPv6" "$six" "$(node -- dig +short +tcp @::1 web.lan1.ioth AAAA)"
is "dig, reverse" "web.lan1.ioth." "$(node -- dig +short -x "$four")"
is "dig, reverse IPv6" "web.lan1.ioth." "$(node -- dig +short -x "$six")"
has "static busybox" "Address: $four" "$(node -- busybox nslookup web)"
is "static busybox fetches" "$CANARY" "$(node -- busybox wget -qO- http://web/)"
has "musl's way: a search list" 'search lan1\.ioth ioth' "$(node -- cat /etc/resolv.conf)"
has "no way out" 'NXDOMAIN' "$(node -- dig example.com)"
has "the class of nobody" 'REFUSED' "$(node -- dig CH TXT version.bind)"
has "localhost" '127\.0\.0\.1' "$(node -- getent ahostsv4 localhost)"
has "nsswitch.conf" '^hosts: files dns$' "$(node -- cat /etc/nsswitch.conf)"
hasnt "nsswitch.conf" 'resolve|mdns' "$(node -- cat /etc/nsswitch.conf)"
hasnt "the host's own names" '203\.0\.113\.7' "$(node -- getent ahosts web)"
is "the host's resolvers are out of sight" "" "$(node -- ls /run/nscd)"
is "the host's resolvers are out of sight" "stub-resolv.conf" "$(node -- ls /run/systemd/resolve)"
is "the host's files are as they were" 'nameserver 203.0.113.1' "$(cat /etc/resolv.conf)"

# --- port 53 is the programs' -------------------------------------------------------------
# Where the kernel has nf_tables.
if unshare -n nft add table inet probe 2>/dev/null; then
    is "port 53 of every address" bound "$(node -- "$PYTHON" -c 'import socket
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    for family, at in ((socket.AF_INET, ""), (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::"), (socket.AF_INET6, "::1")):
        s = socket.socket(family, kind)
        s.bind((at, 53))
        s.close()
print("bound")')"
    # A DNS server in a node serves others at the node's address, and does not hide the node's names.
    run_in server alpha --net lan1 -- dnsmasq --no-daemon --conf-file=/dev/null --no-resolv --no-hosts \
        --port=53 --address=/example.test/203.0.113.9 --user="$(id -un)" --group="$(id -gn)" --pid-file=
    wait_for 5 listens alpha lan1/server 53
    status 0 ctl alpha exec lan1/server -- ip -4 -o addr show eth0
    dns4=$(sed -n 's/.*inet \([0-9.]*\).*/\1/p' <<<"$OUT")
    is "the server, from another node" 203.0.113.9 "$(node -- dig +short @"$dns4" example.test)"
    is "the server, over TCP" 203.0.113.9 "$(node -- dig +short +tcp @server example.test)"
    is "the server, in its node" 203.0.113.9 \
        "$(ctl alpha exec lan1/server -- dig +short @"$dns4" example.test)"
    for at in 127.0.0.1 ::1; do
        for over in +notcp +tcp; do
            status 0 ctl alpha exec lan1/server -- dig "$over" "@$at" web
            has "names beside the server, $at $over" "^web\..*A[[:space:]]+$four$" "$OUT"
            has "who answered" "SERVER: $at#53" "$OUT"
        done
    done
    has "getaddrinfo beside the server" "^$four +STREAM" \
        "$(ctl alpha exec lan1/server -- getent ahostsv4 web.lan1)"
    has "busybox beside the server" "Address: $four" \
        "$(ctl alpha exec lan1/server -- busybox nslookup web)"
    e2e_end server
    hasnt "root of the node cannot lose its names" 'timed out|refused' \
        "$(node --root -- sh -c 'nft flush ruleset; dig +short web')"
fi

# --- the answerer dies ----------------------------------------------------------------------
# It is the launcher's child that is in the launcher's own process id namespace.
launcher=${E2E_PID[web]}
answerer() { pgrep -P "$launcher" | while read -r pid; do
    [ "$(readlink "/proc/$pid/ns/pid")" != "$(readlink /proc/self/ns/pid)" ] || echo "$pid"
done; }
for _ in 1 2 3; do
    old=$(answerer)
    kill -9 "$old"
    is "names while a new answerer starts" "$four" \
        "$(ctl alpha exec lan1/web -- dig +short +tries=1 +time=5 web)"
    new=$(answerer)
    [ -n "$new" ] && [ "$new" != "$old" ] || fail "the answerer was not replaced: $old, $new"
done

# --- exec ---------------------------------------------------------------------------------
is "exec is inside" web "$(ctl alpha exec lan1/web -- hostname)"
is "exec finds names" "$four" "$(ctl alpha exec lan1/web -- dig +short web)"
is "exec has no capabilities" 1 \
    "$(ctl alpha exec lan1/web -- grep -c 'CapEff:.0000000000000000' /proc/self/status)"
status 7 ctl alpha exec lan1/web -- sh -c 'exit 7'
status 125 ctl alpha exec lan1/nobody -- true
has "no such node" 'nobody' "$ERR"

# --- how it ends --------------------------------------------------------------------------
run_in forks alpha --net lan1 -- sh -c 'setsid sleep 9001 & sleep 9002 & wait'
sleeps() { pgrep -f "^sleep 900[12]"; }
wait_for 5 sleeps
e2e_end forks KILL
no_sleeps() { ! sleeps; }
wait_for 5 no_sleeps
bg signals alpha "$IOTHCTL" run --net lan1 -- sh -c 'trap "exit 9" USR1; echo ready; while :; do sleep 0.05; done'
wait_for 5 grep -q ready "$T/signals.out"
e2e_end signals USR1
is "signals are passed on" 9 "$STATUS"
bg term alpha "$IOTHCTL" run --net lan1 -- sleep 600
term_runs() { ctl alpha endpoint ls -o json | jq -e '[.[] | select(.anonymous)] | length == 1'; }
wait_for 5 term_runs
e2e_end term TERM
is "SIGTERM" 143 "$STATUS"
bg asked alpha "$IOTHCTL" run --net lan1 --name asked -- sh -c 'echo ready; exec sleep 600'
wait_for 5 grep -q ready "$T/asked.out"
kill "$(ctl alpha endpoint show lan1/asked -o json | jq .status.pid)"
e2e_wait asked
is "SIGTERM to the process that status shows" 143 "$STATUS"
no_anonymous() { ctl alpha endpoint ls -o json | jq -e '[.[] | select(.anonymous)] | length == 0'; }
wait_for 5 no_anonymous
# A name is free as soon as its program has ended.
for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
    status 0 node --name again -- true
done
# Also when its launcher was killed.
bg killed alpha "$IOTHCTL" run --net lan1 --name killed -- sh -c 'echo ready; exec sleep 600'
wait_for 5 grep -q ready "$T/killed.out"
for i in $(seq 50); do
    disown "${E2E_PID[killed]}" # The shell has nothing to say of it.
    rm "$T/killed.out"
    kill -9 "${E2E_PID[killed]}"
    bg killed alpha "$IOTHCTL" run --net lan1 --name killed -- sh -c 'echo ready; exec sleep 600'
    wait_for 5 grep -qE 'ready|failed' "$T/killed.out"
    grep -q ready "$T/killed.out" || fail "killed and started again, the $i-th time: $(cat "$T/killed.out")"
done
# And while the switch is slow to notice.
switch=$(pgrep -x fabricd-switch)
kill -STOP "$switch"
e2e_end killed KILL
rm "$T/killed.out"
bg killed alpha "$IOTHCTL" run --net lan1 --name killed -- sh -c 'echo ready; exec sleep 600'
sleep 0.5 # Longer than a program that is alive is waited for.
kill -CONT "$switch"
wait_for 5 grep -qE 'ready|failed' "$T/killed.out"
has "a slow switch" ready "$(cat "$T/killed.out")"
status 125 node --name killed -- true
has "a name that is in use" 'runs on this host already' "$ERR"
e2e_end killed
# shellcheck disable=SC2016 # for the shell inside
status 0 node -- sh -c 'for i in $(seq 500); do (true &) ; done; ps ax -o stat= | grep -c Z >&2; true'

# --- a terminal ---------------------------------------------------------------------------
status 0 on alpha "$PYTHON" "$E2E_ROOT/tests/e2e/terminal.py" "$IOTHCTL" lan1

# --- the daemon goes and comes back -------------------------------------------------------
mac=$(ctl alpha exec lan1/web -- cat /sys/class/net/eth0/address)
run_in peer alpha --net lan1 -- sleep 600
e2e_stop alpha
e2e_start alpha
reached() { ctl alpha exec lan1/peer -- curl -sS --max-time 1 "http://web/" | grep -q "$CANARY"; }
wait_for 10 reached
is "the same address" "$four" "$(ctl alpha exec lan1/peer -- dig +short web)"
is "the same MAC" "$mac" "$(ctl alpha exec lan1/web -- cat /sys/class/net/eth0/address)"

# --- it comes back with nothing, and the address is another's by then ------------------------
kill -STOP "${E2E_PID[web]}"
e2e_stop alpha
rm -rf "$T/alpha/state"
e2e_start alpha
status 0 ctl alpha net create lan1
run_in thief alpha --net lan1 --ip "$four" -- sleep 600
kill -CONT "${E2E_PID[web]}"
moved() {
    ctl alpha exec lan1/web -- ip -o addr show eth0 >"$T/moved.txt"
    grep -q 'inet 10\.64\.0\.' "$T/moved.txt" && ! grep -q "inet $four/" "$T/moved.txt"
}
wait_for 10 moved
hasnt "the old addresses" "$four/|$six/" "$(cat "$T/moved.txt")"
has "and it was said" 'web has other addresses on lan1 now' "$(cat "$T/web.out")"
old=$four
four=$(sed -n 's/.*inet \([0-9.]*\).*/\1/p' "$T/moved.txt")
is "by its name" "$four" "$(node -- dig +short web)"
is "its own name" "$four" "$(ctl alpha exec lan1/web -- getent ahostsv4 web | awk 'NR == 1 {print $1}')"
hasnt "its own old name" "^${old//./\\.}[[:space:]]" "$(ctl alpha exec lan1/web -- cat /etc/hosts)"
is "reached there" "$CANARY" "$(node -- curl -sS --max-time 2 "http://$four/")"
e2e_end thief

# --- who asks before anybody is there is answered as soon as somebody is ---------------------------
# The kernel asks anew after a second only; the second node says who it is when it can answer.
asked() { ctl alpha exec lan1/early -- ip neigh show "${four%.*}.200" | grep -q INCOMPLETE; }
early() { # In $ms: the time that the first ping took.
    bg early alpha "$IOTHCTL" run --net lan1 --name early -- ping -c 1 -W 5 "${four%.*}.200"
    wait_for 5 asked
    run_in late alpha --net lan1 --ip "${four%.*}.200" -- sleep 600
    e2e_wait early
    e2e_end late
    ms=$(sed -n 's/.*time=\([0-9]*\).*/\1/p' "$T/early.out")
}
for _ in 1 2 3 4; do
    early
    [ "${ms:-9999}" -ge 800 ] || break
done
[ "${ms:-9999}" -lt 800 ] || fail "the first ping took ${ms:-too many} ms"

# --- fast enough: the budget is 100 ms; a machine under test is slow -----------------------
best=999999
for _ in 1 2 3 4 5; do
    start=${EPOCHREALTIME/./}
    ctl alpha run --net lan1 -- true
    took=$((${EPOCHREALTIME/./} - start))
    [ "$took" -ge "$best" ] || best=$took
done
echo "run -- true: best of five $((best / 1000)) ms"
[ "$best" -lt 300000 ] || fail "iothctl run takes $((best / 1000)) ms"
umount -l /etc
finish
