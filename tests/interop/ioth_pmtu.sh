#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The MTU of a path that is less than that of its ends: a stack lwip finds it out from what the router says.
#
#      alpha
#        client (stack lwip)── lan1 ── r1 [ alpha's kernel routes ] r2, MTU 1300 ── lan2 ── server (a node, MTU 1500)
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
# shellcheck source=tests/interop/ioth_lib.sh
. "$(dirname "$0")/ioth_lib.sh"
need_tun
need vde_plug
vde_plugins

e2e_hosts alpha
e2e_start alpha
status 0 ctl alpha net create lan1 --ipv4 10.75.1.0/24 --ipv6 fd75:1::/64
status 0 ctl alpha net create lan2 --ipv4 10.75.2.0/24 --ipv6 fd75:2::/64
for n in 1 2; do
    bg "plug$n" alpha vde_plug "ioth://lan$n" "tap://r$n"
    wait_for 5 ip -n alpha link show "r$n"
    ip -n alpha addr add "10.75.$n.1/24" dev "r$n"
    ip -n alpha addr add "fd75:$n::1/64" dev "r$n" nodad
    ip -n alpha link set "r$n" up
done
ip -n alpha link set r2 mtu 1300
on alpha sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'

# The server counts what comes: bytes of a connection, sizes of datagrams.
server='import socket, threading
def tcp():
    l = socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        c, _ = l.accept()
        n = 0
        while data := c.recv(1 << 16):
            n += len(data)
        c.sendall(str(n).encode())
        c.close()
threading.Thread(target=tcp, daemon=True).start()
u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
u.bind(("::", 81))
print("ready", flush=True)
while True:
    data, peer = u.recvfrom(65536)
    u.sendto(str(len(data)).encode(), peer)'
run_in server alpha --net lan2 --ip 10.75.2.10 --ip fd75:2::10 --root -- sh -c \
    'ip route add default via 10.75.2.1 && ip -6 route add default via fd75:2::1 && exec "$@"' - \
    "$PYTHON" -c "$server"
wait_for 5 grep -q ready "$T/server.out"

cat >"$T/ends.py" <<'END'
"""A stack with a route to the other side, and sockets of it."""
import ctypes as c
import errno
import os
import socket
import struct
import sys

lib = c.CDLL(os.environ["LIBIOTH"], use_errno=True)
lib.ioth_newstack.restype = lib.ioth_error.restype = c.c_char_p
lib.ioth_newstack.restype = c.c_void_p
host = sys.argv[1]
six = ":" in host
family = socket.AF_INET6 if six else socket.AF_INET
router = socket.inet_pton(family, "fd75:1::1" if six else "10.75.1.1")
stack = c.c_void_p(lib.ioth_newstack(b"lwip", b"ioth://lan1[name=client]"))
if not stack or lib.ioth_iproute_add(stack, family, None, 0, router, 0) < 0:
    sys.exit("no stack: %s" % lib.ioth_error())


def call(name, *args):
    r = getattr(lib, "ioth_" + name)(*args)
    if r < 0:
        raise OSError(c.get_errno(), name)
    return r


def address(port):
    at = socket.inet_pton(family, host)
    return (struct.pack("=H", family) + struct.pack("!H", port) +
            (bytes(4) + at + bytes(4) if six else at + bytes(8)))


class Socket:
    def __init__(self, kind, port=None):
        self.fd = call("msocket", stack, family, kind, 0)
        if port:
            self.connect(port)

    def connect(self, port):
        to = address(port)
        call("connect", self.fd, to, len(to))

    def get(self, level, name):
        value, size = c.c_int(), c.c_uint(4)
        call("getsockopt", self.fd, level, name, c.byref(value), c.byref(size))
        return value.value

    def set(self, level, name, value):
        call("setsockopt", self.fd, level, name, c.byref(c.c_int(value)), 4)

    def send(self, size):
        return call("send", self.fd, bytes(size), c.c_size_t(size), 0)

    def recv(self):
        got = c.create_string_buffer(100)
        n = call("recv", self.fd, got, c.c_size_t(100), 0)
        return got.raw[:n].decode()


def attempt(what, f, *args):
    try:
        print(what, f(*args))
    except OSError as e:
        print(what, errno.errorcode[e.errno])
END
cat >"$T/datagrams.py" <<'END'
from ends import *

level, discover, mtu = (41, 23, 24) if six else (0, 10, 14)
head = 48 if six else 28
s = Socket(socket.SOCK_DGRAM)
call("setsockopt", s.fd, 1, 20, struct.pack("qq", 5, 0), 16)
attempt("alone", s.get, level, mtu)
s.connect(81)
print("first", s.get(level, mtu), s.get(level, discover))
s.set(level, discover, 2)
attempt("link", s.send, 1501 - head)
s.send(1400)
attempt("path", s.recv)
print("then", s.get(level, mtu))
s.send(1300 - head)
print("fits", s.recv())
attempt("more", s.send, 1301 - head)
s.set(level, discover, 1)
s.send(3000)
print("pieces", s.recv())
END
cat >"$T/connection.py" <<'END'
from ends import *

s = Socket(socket.SOCK_STREAM, 80)
print("mss", s.get(6, 2))
sent = 0
while sent < 3000000:
    sent += s.send(50000)
call("shutdown", s.fd, 1)
print("came", s.recv())
print("mss", s.get(6, 2))
END

lwip() { on alpha env LIBIOTH="$E2E_BUILD/libioth/libioth.so" timeout 40 "$PYTHON" "$@" 2>&1; }

for host in 10.75.2.10 fd75:2::10; do
    head=$([ "$host" = 10.75.2.10 ] && echo 28 || echo 48)
    is "datagrams to $host" "alone ENOTCONN
first 1500 1
link EMSGSIZE
path EMSGSIZE
then 1300
fits $((1300 - head))
more EMSGSIZE
pieces 3000" "$(lwip "$T/datagrams.py" "$host")"
    is "a connection to $host" "mss $((1500 - head - 12))
came 3000000
mss $((1300 - head - 12))" "$(lwip "$T/connection.py" "$host")"
done

e2e_end plug1
e2e_end plug2
finish
