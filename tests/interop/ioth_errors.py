# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Hosts that have something against what they are sent: ioth_errors.py INTERFACE

Everything from 10.74.0.200 to .219 and fd74::200 to ::219 is at this interface. What comes there is answered by the
router (.219, ::219) with the ICMP message that its port says: type * 256 + code. Of other protocols than UDP and TCP the
first two bytes of the payload say it. Port 7 of UDP echoes, port 9 of TCP takes connections: each segment is answered by
the message that its first two bytes say, and then by "ok".

Ports of UDP from 33000 on are closed, and two routers away (.211 and .212); behind the first one packets are of 1400 bytes
at the most.
"""
import ipaddress
import socket
import struct
import sys

ECHO, OPEN, FAR = 7, 9, 33000
TTL = 61
MTU = 1400
WRONG_BYTE = 20
ROUTER = {4: ipaddress.ip_address("10.74.0.219").packed, 6: ipaddress.ip_address("fd74::219").packed}
NETS = {4: ipaddress.ip_address("10.74.0.200").packed, 6: ipaddress.ip_address("fd74::200").packed}


def checksum(data):
    if len(data) & 1:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def is_here(addr):
    if len(addr) == 4:
        return addr[:3] == NETS[4][:3] and 200 <= addr[3] < 220
    return addr[:14] == NETS[6][:14] and 0x200 <= struct.unpack("!H", addr[14:])[0] < 0x220


def pseudo(src, dst, proto, size):
    if len(src) == 4:
        return src + dst + struct.pack("!BBH", 0, proto, size)
    return src + dst + struct.pack("!IHBB", size, 0, 0, proto)


def packet(src, dst, proto, body, ttl=TTL):
    """One of IPv4 or IPv6; the checksum of what is in it is at the place of its protocol."""
    at = {1: 2, 58: 2, 6: 16, 17: 6}[proto]
    over = b"" if proto == 1 else pseudo(src, dst, proto, len(body))
    body = body[:at] + struct.pack("!H", checksum(over + body)) + body[at + 2:]
    if len(src) == 4:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, ttl, proto, 0) + src + dst
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    else:
        head = struct.pack("!IHBB", 6 << 28, len(body), proto, ttl) + src + dst
    return head + body


class Place:
    def __init__(self, name):
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.sock.bind((name, 0))
        self.mac = self.sock.getsockname()[4]

    def send(self, mac, ethertype, body):
        self.sock.send(mac + self.mac + struct.pack("!H", ethertype) + body)

    def send_ip(self, mac, data):
        self.send(mac, 0x0800 if data[0] >> 4 == 4 else 0x86dd, data)

    def arp(self, mac, body):
        if body[6:8] == b"\0\1" and is_here(body[24:28]):
            self.send(mac, 0x0806, body[:6] + b"\0\2" + self.mac + body[24:28] + body[8:18])

    def solicited(self, mac, src, body):
        target = body[8:24]
        if is_here(target):
            answer = struct.pack("!BBHI", 136, 0, 0, 6 << 28) + target + b"\2\1" + self.mac
            self.send_ip(mac, packet(target, src, 58, answer, 255))

    def far(self, mac, whole, src, dst):
        """Who says what of a packet depends on how far it gets."""
        six = len(src) == 16
        hops = whole[7] if six else whole[8]
        hop = {1: 211, 2: 212}.get(hops)
        if hops > 1 and len(whole) > MTU:
            hop = 211
            kind, code = (2, 0) if six else (3, 4)
        elif hop:
            kind, code = (3, 0) if six else (11, 0)
        else:
            kind, code = (1, 4) if six else (3, 3)
        at = dst if not hop else ROUTER[6][:14] + struct.pack("!H", 0x200 + hop - 200) if six else \
            ROUTER[4][:3] + bytes([hop])
        self.fail(mac, whole, src, kind, code, at)

    def fail(self, mac, whole, src, kind, code, by=None):
        six = len(src) == 16
        by = by or ROUTER[6 if six else 4]
        too_large = (kind, code) == (3, 4) if not six else kind == 2
        info = MTU if too_large else WRONG_BYTE << 24 if not six and kind == 12 else WRONG_BYTE if six else 0
        message = struct.pack("!BBHI", kind, code, 0, info) + whole[:500]
        self.send_ip(mac, packet(by, src, 58 if six else 1, message))

    def tcp(self, mac, whole, src, dst, body):
        sport, dport, seq, ack = struct.unpack("!HHII", body[:12])
        head, flags = body[12] >> 4 << 2, body[13]
        data = body[head:]
        if dport != OPEN:
            if flags & 2:
                self.fail(mac, whole, src, dport >> 8, dport & 255)
            return

        def answer(flags, seq, ack, data=b""):
            body = struct.pack("!HHIIBBHHH", dport, sport, seq, ack, 5 << 4, flags, 65000, 0, 0) + data
            self.send_ip(mac, packet(dst, src, 6, body))
        if flags & 2:
            answer(0x12, 1000, seq + 1 & 0xffffffff)
        elif flags & 1:
            answer(0x14, ack, seq + 1 & 0xffffffff)
        elif data:
            self.fail(mac, whole, src, data[0], data[1])
            answer(0x18, ack, seq + len(data) & 0xffffffff, b"ok")

    def ip(self, mac, whole):
        if whole[0] >> 4 == 4:
            head, size = (whole[0] & 15) << 2, struct.unpack("!H", whole[2:4])[0]
            proto, src, dst = whole[9], whole[12:16], whole[16:20]
        else:
            head, size = 40, struct.unpack("!H", whole[4:6])[0] + 40
            proto, src, dst = whole[6], whole[8:24], whole[24:40]
        whole = whole[:size]
        body = whole[head:]
        if proto == 58 and body[0] == 135:
            self.solicited(mac, src, body)
        if not is_here(dst):
            return
        if proto == 6:
            self.tcp(mac, whole, src, dst, body)
        elif proto == 17 and body[2:4] == struct.pack("!H", ECHO):
            self.send_ip(mac, packet(dst, src, 17, body[2:4] + body[:2] + body[4:6] + b"\0\0" + body[8:]))
        elif proto == 17 and struct.unpack("!H", body[2:4])[0] >= FAR:
            self.far(mac, whole, src, dst)
        elif proto == 17:
            self.fail(mac, whole, src, body[2], body[3])
        elif proto not in (1, 58):
            self.fail(mac, whole, src, body[0], body[1])

    def serve(self):
        while True:
            frame, (_, ethertype, kind, _, _) = self.sock.recvfrom(65536)
            mac = frame[6:12]
            if kind == socket.PACKET_OUTGOING:
                continue
            if ethertype == 0x0806:
                self.arp(mac, frame[14:])
            elif ethertype in (0x0800, 0x86dd):
                self.ip(mac, frame[14:])


place = Place(sys.argv[1])
print("ready", flush=True)
place.serve()
