#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Unmodified programs with a stack in their own process: no device, no namespace.
#
#      alpha                                   beta
#        fabricd ─────────── link ──────────── fabricd
#         │ lan1 ── web, db, … (processes)      │ lan1 ── far (a process)
#         │      ── sshd (a node, TAP)
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need busybox curl iperf3 redis-server redis-cli redis-benchmark nginx memcached ssh sshd
[ -e "$E2E_BUILD/libioth/libioth-preload.so" ] || skip "the preloaded library is not built"
! grep -q 'IOTH_SANITIZE:STRING=.' "$E2E_BUILD/CMakeCache.txt" ||
    skip "programs are built without the sanitizers' libraries"

e2e_hosts alpha beta
e2e_start alpha
status 0 ctl alpha net create lan1 --ipv4 10.72.0.0/24 --ipv6 fd72::/64
# Nothing that a node with namespaces needs is there for these.
lwip=(run --stack lwip --net lan1)
lw() { on alpha timeout 30 "$IOTHCTL" "${lwip[@]}" "$@"; }
start() {
    local name=$1
    shift
    bg "$name" alpha "$IOTHCTL" "${lwip[@]}" --name "$name" -- "$@"
}
mkdir "$T/www"
canaries "$T/www/big" 20
sum=$(sha256sum <"$T/www/big")

# --- who it is -----------------------------------------------------------------------------------
is "the same user" "$(id -u):$(id -g)" "$(lw -- sh -c 'echo $(id -u):$(id -g)')"
is "nothing to be gained" 1 "$(lw -- sh -c 'grep -c "NoNewPrivs:.1" /proc/self/status')"
is "the host's namespaces" "$(on alpha readlink /proc/self/ns/user /proc/self/ns/net)" \
    "$(lw -- readlink /proc/self/ns/user /proc/self/ns/net)"
is "what the environment says" "lwip lan1" "$(lw -- sh -c 'echo $IOTH_STACK $IOTH_NET')"
is "an exit status" 7 "$(lw -- sh -c 'exit 7' || echo $?)"
is "a signal" 143 "$(lw -- sh -c 'kill -TERM $$' || echo $?)"
# shellcheck disable=SC2016
is "its own names" "me 10.72.0.50 lo eth0" "$(lw --name me --ip 10.72.0.50 -- "$PYTHON" -c 'import socket, fcntl, struct
s = socket.socket()
a = fcntl.ioctl(s, 0x8915, struct.pack("256s", b"eth0"))[20:24]
print(socket.gethostname(), socket.inet_ntoa(a), *[n for _, n in socket.if_nameindex()])')"
status 0 ctl alpha endpoint rm lan1/me
lw -- ip address >"$T/ip.out" 2>&1 || fail "ip address: $(cat "$T/ip.out")"
has "its interface, to ip" 'eth0: <.*UP.*> mtu 1500 .*state UP .*qlen 1000' "$(cat "$T/ip.out")"
hasnt "nothing that ip misses" 'failed' "$(cat "$T/ip.out")"
has "its routes" '^10\.72\.0\.0/24 dev eth0' "$(lw -- ip route)"
has "those of IPv6, too" '^fd72::/64 dev eth0' "$(lw -- ip -6 route)"

# A resolver of its own asks the host's name servers: it is said, and nothing else is.
if command -v dig >/dev/null && [ -e /etc/resolv.conf ]; then
    printf 'nameserver 192.0.2.53\nnameserver 2001:db8::53\n' >"$T/resolv.conf"
    asks() {
        { on alpha unshare --mount sh -c 'mount --bind "$1" /etc/resolv.conf && shift && exec timeout 20 "$@"' - "$T/resolv.conf" \
            "$IOTHCTL" "${lwip[@]}" -- dig +tries=1 +timeout=1 "$@" web >"$T/dig.out" || true; } 2>&1
    }
    has "whom it asks" '^iothctl: dig: 192\.0\.2\.53 is the host.s name server; here names are found by getaddrinfo' "$(asks)"
    has "and what can" '^hint: iothctl run --stack netns' "$(asks)"
    hasnt "nothing of others" 'iothctl' "$(asks @10.72.0.250)"
fi

# --- nothing to be had ------------------------------------------------------------------------------
nothing=$(on alpha unshare --user --map-root-user --mount sh -c '
    mount -t tmpfs tmpfs /dev/net
    echo 0 >/proc/sys/user/max_user_namespaces
    ! unshare --user true 2>/dev/null || exit 99
    exec "$@"' - "$IOTHCTL" "${lwip[@]}" -- "$PYTHON" -c 'import socket
s = socket.create_server(("", 80))
print(socket.create_connection(("127.0.0.1", 80)).getpeername()[1])')
is "no device and no user namespace, port 80" 80 "$nothing"

# --- as with namespaces ----------------------------------------------------------------------------
status 0 ctl alpha net create lan2 --ipv4 10.73.0.0/24
status 0 ctl alpha net create office --vlan 10=staff
status 0 ctl alpha net create small --ipv4 10.74.0.0/24 --mtu 1400
is "the MTUs are the networks'" "lo 65536 eth0 1500 eth1 1400" \
    "$(lw --net small -- "$PYTHON" -c 'import socket, fcntl, struct
s = socket.socket()
for name in "lo", "eth0", "eth1":
    print(name, *struct.unpack_from("i", fcntl.ioctl(s, 0x8921, struct.pack("256s", name.encode())), 16), end=" ")' |
        sed 's/ $//')"
is "several networks, a MAC and addresses" "eth0 10.72.0.60 02:00:00:00:00:60 eth1 10.73.0.61" \
    "$(lw --name two --ip 10.72.0.60 --mac 02:00:00:00:00:60 --net lan2 --ip 10.73.0.61 -- "$PYTHON" -c 'import socket, fcntl, struct
s = socket.socket()
def ask(name, what):
    return fcntl.ioctl(s, what, struct.pack("256s", name))
print("eth0", socket.inet_ntoa(ask(b"eth0", 0x8915)[20:24]), ask(b"eth0", 0x8927)[18:24].hex(":"),
      "eth1", socket.inet_ntoa(ask(b"eth1", 0x8915)[20:24]))')"
is "its endpoint has them" "02:00:00:00:00:60" "$(ctl alpha endpoint show lan1/two -o json | jq -r .mac)"
status 0 ctl alpha endpoint rm lan1/two
status 0 ctl alpha endpoint rm lan2/two
status 125 ctl alpha run --stack lwip --net office -- true
has "a network with VLANs wants one" 'VLAN' "$ERR"
status 0 ctl alpha run --stack lwip --net office:10 --rate 100M -- "$PYTHON" -c 'import socket; socket.socket()'

status 125 lw -- busybox true
has "a static program is refused" 'busybox is linked statically' "$ERR"
has "and what can run it" 'stack netns' "$ERR"
status 125 ctl alpha run --stack lwip --net nope -- true
has "a network that is not there" 'no network nope' "$ERR"
status 125 ctl alpha run --stack lwip,rcvbuf=1 --net lan1 -- true
has "what a setting may be" 'rcvbuf is a size in bytes' "$ERR"
status 0 ctl alpha run --stack lwip,rcvbuf=64K,keepidle=30s --net lan1 -- "$PYTHON" -c 'import socket as s
fd = s.socket()
print(fd.getsockopt(s.SOL_SOCKET, s.SO_RCVBUF), fd.getsockopt(s.IPPROTO_TCP, s.TCP_KEEPIDLE))'
is "settings of a stack" "131072 30" "$OUT"
status 127 lw -- no-such-program

# --- http.server, curl -----------------------------------------------------------------------------
start web "$PYTHON" -u -m http.server 80 -b :: -d "$T/www"
serves() { lw -- curl -sS --max-time 5 -o "$T/got" "$@"; }
wait_for 10 serves http://web/
is "the endpoint is there" up "$(ctl alpha endpoint show lan1/web -o json | jq -r .status.state)"
is "its port is a ring" ring "$(ctl alpha port show lan1/web -o json | jq -r .status.kind)"
serves http://web.lan1/big
is "a big file" "$sum" "$(sha256sum <"$T/got")"
serves -6 http://web/big
is "and over IPv6" "$sum" "$(sha256sum <"$T/got")"
lw --name turns -- sh -c 'for i in 1 2 3 4 5; do curl -sS --max-time 5 -o "$1" http://web/ || exit 1; done' \
    - "$T/got" || fail "one program after another in one node"
status 0 ctl alpha endpoint rm lan1/turns
status 125 lw --name web -- true
has "a name in use" 'lan1/web' "$ERR"
status 125 ctl alpha exec lan1/web -- true
has "exec has nowhere to go" 'stack lwip' "$ERR"

for family in 4 6; do
    lw -- ping "-$family" -c 2 -i 0.2 -W 2 web >"$T/ping.txt" 2>&1 || fail "ping -$family: $(cat "$T/ping.txt")"
    hasnt "nothing that ping -$family misses" 'failed|[Ww]arning' "$(cat "$T/ping.txt")"
done
lw -- ping -c 1 -W 5 10.72.0.250 >"$T/ping.txt" 2>&1 || true
has "nobody is there" '^From 10\.72\.0\..* Destination Host Unreachable' "$(cat "$T/ping.txt")"

# --- asyncio --------------------------------------------------------------------------------------
start echo "$PYTHON" -c 'import asyncio
async def one(r, w):
    while data := await r.read(65536):
        w.write(data)
        await w.drain()
    w.close()
async def main():
    async with await asyncio.start_server(one, None, 7) as s:
        await s.serve_forever()
asyncio.run(main())'
lw -- "$PYTHON" -c 'import asyncio, time
async def one(n):
    for i in range(100):
        try:
            r, w = await asyncio.open_connection("echo", 7)
            break
        except OSError:
            await asyncio.sleep(0.05)
    data = bytes([n]) * 300000
    w.write(data)
    w.write_eof()
    assert await r.read() == data
    w.close()
async def main():
    await asyncio.gather(*[one(n) for n in range(20)])
    print("all came back")
asyncio.run(main())' >"$T/asyncio.out"
has "asyncio" 'all came back' "$(cat "$T/asyncio.out")"

# --- iperf3 ---------------------------------------------------------------------------------------
start perf iperf3 -s -p 5201
iperf() { lw -- iperf3 -c perf -p 5201 -t 1 -J "$@" >"$T/iperf.json"; }
wait_for 10 iperf
for how in "" -R -u "-P 3" -6; do
    # shellcheck disable=SC2086
    iperf $how || fail "iperf3 $how: $(cat "$T/iperf.json")"
    jq -e '(.end.sum_received // .end.sum).bytes > 10000' "$T/iperf.json" >/dev/null ||
        fail "iperf3 $how moved nothing"
done

# --- redis, memcached, nginx -----------------------------------------------------------------------
start db redis-server --port 6379 --save '' --dir "$T" --protected-mode no
reds() { [ "$(lw -- redis-cli -h db ping)" = PONG ]; }
wait_for 10 reds
is "a value is kept" OK "$(lw -- redis-cli -h db set key 'some words')"
is "and found" 'some words' "$(lw -- redis-cli -h db get key)"
lw -- redis-benchmark -h db -n 5000 -c 20 -t set,get -q >"$T/benchmark.out" 2>&1
has "redis-benchmark" 'GET: .* requests per second' "$(tr '\r' '\n' <"$T/benchmark.out")"
lw -- redis-cli -h db bgsave >"$T/bgsave.out" 2>&1 || true
has "a fork with sockets is refused" 'fork\(\) failed: .*one process|fork\(\) failed' "$(cat "$T/db.out")"
has "and what can" 'stack netns' "$(cat "$T/db.out")"
wait_for 5 reds

start cache memcached -u "$(id -un)" -p 11211 -U 11211 -t 3
talks() {
    lw -- "$PYTHON" -c 'import socket
s = socket.create_connection(("cache", 11211), 5)
s.sendall(b"set k 0 0 5\r\nhello\r\nget k\r\n")
f = s.makefile("rb")
print(*[f.readline().strip().decode() for _ in range(4)])'
}
wait_for 10 talks
is "memcached" "STORED VALUE k 0 5 hello END" "$(talks)"

cat >"$T/nginx.conf" <<END
daemon off; master_process off; user root; error_log stderr; pid $T/nginx.pid;
events { }
http {
    access_log off; sendfile on;
    client_body_temp_path $T/n1; proxy_temp_path $T/n2; fastcgi_temp_path $T/n3;
    uwsgi_temp_path $T/n4; scgi_temp_path $T/n5;
    server { listen 80; listen [::]:80; root $T/www; }
}
END
start engine nginx -c "$T/nginx.conf" -e stderr
wait_for 10 serves http://engine/big
is "nginx with sendfile" "$sum" "$(sha256sum <"$T/got")"
serves -6 http://engine/big
is "and over IPv6" "$sum" "$(sha256sum <"$T/got")"

# --- the daemon goes and comes ----------------------------------------------------------------------
start lasting "$PYTHON" -u -c 'import socket, time
for i in range(200):
    try:
        s = socket.create_connection(("db", 6379), 5)
        break
    except OSError:
        time.sleep(0.05)
f = s.makefile("rb")
for i in range(100):
    s.sendall(b"PING\r\n")
    print(f.readline().decode().strip(), i)
    time.sleep(0.05)
print("to the end")'
wait_for 10 grep -q PONG "$T/lasting.out"
e2e_stop alpha
e2e_start alpha
wait_for 30 grep -q 'to the end' "$T/lasting.out"
e2e_wait lasting
is "a connection across a restart" "0 100" "$STATUS $(grep -c PONG "$T/lasting.out")"

# --- a launcher that is killed ------------------------------------------------------------------------
start short "$PYTHON" -u -m http.server 80
wait_for 10 serves http://short/
kill -9 "${E2E_PID[short]}"
wait "${E2E_PID[short]}" || true
unset "E2E_PID[short]"
no_short() { ! ctl alpha port show lan1/short; }
wait_for 5 no_short

# --- the other host --------------------------------------------------------------------------------
token=$(ctl alpha host invite -q)
e2e_start beta
status 0 ctl beta host join "$token"
far() { on beta timeout 30 "$IOTHCTL" "${lwip[@]}" --name far -- "$@"; }
crosses() { far curl -sS --max-time 10 -o "$T/far" http://engine/big; }
wait_for 20 crosses
is "a big file over a link" "$sum" "$(sha256sum <"$T/far")"
far iperf3 -c perf -p 5201 -t 1 -J >"$T/iperf.json"
jq -e '.end.sum_received.bytes > 10000' "$T/iperf.json" >/dev/null || fail "iperf3 over a link"

# --- ssh -------------------------------------------------------------------------------------------
if (: <>/dev/net/tun) 2>/dev/null; then
    mkdir -p /run/sshd
    ssh-keygen -q -t ed25519 -N '' -f "$T/host_key"
    ssh-keygen -q -t ed25519 -N '' -f "$T/user_key"
    cp "$T/user_key.pub" "$T/authorized"
    run_in sshd alpha --net lan1 --root -- "$(command -v sshd)" -D -e -p 22 -o HostKey="$T/host_key" \
        -o AuthorizedKeysFile="$T/authorized" -o StrictModes=no -o UsePAM=no -o PidFile=none
    wait_for 10 listens alpha lan1/sshd 22
    lw -- ssh -F none -i "$T/user_key" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
        -o BatchMode=yes "root@sshd" 'echo there; cat' <"$T/www/big" >"$T/ssh.out" 2>"$T/ssh.err" ||
        fail "ssh: $(cat "$T/ssh.err")"
    is "what came back by ssh" "$({ echo there; cat "$T/www/big"; } | sha256sum)" \
        "$(sha256sum <"$T/ssh.out")"
fi
finish
