# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stranger at the UDP port of a host. Each command prints how many datagrams it sent and
`answers N`, how many came back to it.

    faults_link.py garbage ADDR           datagrams of every size and type, most of them random
    faults_link.py replay ADDR PCAP       what members sent to one another, from the stranger's own
                                          address and from theirs
    faults_link.py flood ADDR KEY N       N first messages with the right mac1 for the host's KEY, as
                                          anybody can make who knows the key, and N with a wrong one
"""
import hashlib
import os
import random
import socket
import struct
import sys
import time

PORT = 4655
generator = random.Random(7)
sent = 0


class Stranger:
    def __init__(self, addr):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("", 0))
        self.to = (addr, PORT)

    def send(self, data):
        global sent
        try:
            self.sock.sendto(data, self.to)
        except ConnectionRefusedError:
            raise SystemExit("the port is closed")
        sent += 1
        if sent % 64 == 0:
            time.sleep(0.001)  # A flood that this machine's other programs survive.

    def answers(self, seconds):
        """By their first byte."""
        found = {}
        self.sock.settimeout(seconds)
        try:
            while True:
                kind = self.sock.recv(65536)[:1].hex()
                found[kind] = found.get(kind, 0) + 1
        except TimeoutError:
            return found


def garbage(addr):
    stranger = Stranger(addr)
    for size in (*range(0, 300), *range(300, 2000, 7), 9000, 65000):
        for kind in (0, 1, 2, 3, 4, 5, 255):
            data = bytes([kind, 0, 0, 0])[:size] + generator.randbytes(max(0, size - 4))
            stranger.send(data)
        stranger.send(bytes(size))
        stranger.send(b"\xff" * size)
    return stranger.answers(1)


def udp_of(path, port):
    """(source address, source port, destination address, payload) of IPv4 datagrams."""
    with open(path, "rb") as file:
        data = file.read()
    at = 24
    while at + 16 <= len(data):
        size = struct.unpack_from("=I", data, at + 8)[0]
        frame = data[at + 16:at + 16 + size]
        at += 16 + size
        if frame[12:14] != b"\x08\x00" or frame[23] != 17 or len(frame) < 42:
            continue
        begin = 14 + (frame[14] & 15) * 4
        ports = struct.unpack_from("!HH", frame, begin)
        if port in ports:
            yield socket.inet_ntoa(frame[26:30]), ports[0], socket.inet_ntoa(frame[30:34]), frame[begin + 8:]


def replay(addr, path):
    stranger = Stranger(addr)
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    seen = list(udp_of(path, PORT))
    handshakes = [d for d in seen if d[3][:1] in (b"\x01", b"\x02")]
    if len(handshakes) < 2 or len(seen) < 50:
        raise SystemExit(f"only {len(handshakes)} handshakes and {len(seen)} datagrams were recorded")
    for source, port, to, data in handshakes * 20 + seen[-2000:]:
        stranger.send(data)
        changed = bytearray(data)
        changed[generator.randrange(len(changed))] ^= 1 << generator.randrange(8)
        stranger.send(bytes(changed))
        if to == addr:
            for body in (data, bytes(changed)):
                udp = struct.pack("!HHHH", port, PORT, 8 + len(body), 0) + body
                head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                                   socket.inet_aton(source), socket.inet_aton(addr))
                raw.sendto(head + udp, (addr, 0))
    return stranger.answers(1)


def mac(size, key, data):
    return hashlib.blake2b(data, digest_size=size, key=key).digest()


def flood(addr, key, n):
    stranger = Stranger(addr)
    key = mac(32, b"", b"mac1----" + bytes.fromhex(key))
    for i in range(int(n)):
        body = b"\x01\0\0\0" + os.urandom(4 + 32 + 48 + 16 + 28 + generator.choice((0, 600)))
        stranger.send(body + mac(16, key, body) + bytes(16))
        stranger.send(body + os.urandom(16) + bytes(16))
    return stranger.answers(1)


answers = {"garbage": garbage, "replay": replay, "flood": flood}[sys.argv[1]](*sys.argv[2:])
print("sent", sent)
print("answers", answers)
