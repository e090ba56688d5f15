# SPDX-License-Identifier: LGPL-2.1-or-later
"""faults_tls.py HOST PORT TOKEN: strangers at the API's TLS port. While they are at it, a client with a
token is answered within a second. Prints what is wrong; exit status 1 if anything is."""
import os
import socket
import ssl
import sys
import time

HOST, PORT, TOKEN = sys.argv[1], int(sys.argv[2]), sys.argv[3]
wrong = []


def context(version=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    if version:
        c.maximum_version = version
    return c


def connect():
    s = socket.create_connection((HOST, PORT), timeout=20)
    s.settimeout(20)
    return s


def good(what):
    """The client that must not notice."""
    begin = time.monotonic()
    try:
        with context().wrap_socket(connect()) as s:
            s.sendall(f"GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
            answer = b""
            while piece := s.recv(65536):
                answer += piece
        if not answer.startswith(b"HTTP/1.1 200 "):
            wrong.append(f"{what}: {answer[:100]}")
    except OSError as e:
        wrong.append(f"{what}: {e}")
    if time.monotonic() - begin > 2:
        wrong.append(f"{what}: a good client waited {time.monotonic() - begin:.1f} s")


def ended(s, within):
    """Whether the other end hangs up."""
    s.settimeout(within)
    try:
        while s.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


good("alone")
# Clear text, and noise, also after a true begin of a record.
for text in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", os.urandom(4000), b"\x16\x03\x01\x40\x00" + os.urandom(16384),
             b"\x16\x03\x01\xff\xff" + os.urandom(70000), b"\x80\x2e\x01\x00\x02" + os.urandom(44), b"\x15\x03\x03\x00\x02\x02\x28"):
    with connect() as s:
        try:
            s.sendall(text)
        except OSError:
            pass
        if not ended(s, 15):
            wrong.append(f"{text[:8]!r} is listened to for long")
good("after noise")

# Handshakes that do not go on: they fill what an address may have, and end by themselves.
slow = [connect() for _ in range(40)]
for s in slow[::2]:
    try:
        s.sendall(b"\x16\x03\x01")
    except OSError:
        pass
begin = time.monotonic()
good("beside 40 slow handshakes")

# Requests that dribble under TLS.
dribblers = []
for _ in range(8):
    s = context().wrap_socket(connect())
    s.sendall(b"GET /v1/sta")
    dribblers.append(s)
good("beside dribblers")
while time.monotonic() - begin < 25 and (slow or dribblers):
    for group in (slow, dribblers):
        for s in list(group):
            if ended(s, 0.01):
                group.remove(s)
                s.close()
    for s in dribblers:
        try:
            s.sendall(b"x")
        except OSError:
            pass
if slow or dribblers:
    wrong.append(f"{len(slow)} handshakes and {len(dribblers)} dribblers are still there")
good("after them")

# Records cut off in the middle, a hundred times.
for _ in range(100):
    s = context().wrap_socket(connect())
    s.sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\n")
    s.close()
good("after a hundred that hang up")
# Many requests on one connection, each with its own token check.
with context().wrap_socket(connect()) as s:
    f = s.makefile("rb")
    for i in range(50):
        s.sendall(f"GET /v1/networks HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
        line = f.readline()
        size = 0
        while (head := f.readline().strip()) != b"":
            if head.lower().startswith(b"content-length:"):
                size = int(head.split(b":")[1])
        f.read(size)
        if not line.startswith(b"HTTP/1.1 200"):
            wrong.append(f"request {i} of one connection: {line!r}")
            break
for line in wrong[:20]:
    print(line)
sys.exit(1 if wrong else 0)
