#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""link_wire.py LINK_STDIO: a second implementation of the link's handshake and datagrams, written
from docs/protocol.md with nothing but Python's standard library, talks to ours, in both roles."""
import hashlib
import hmac
import os
import struct
import subprocess
import sys

# --- X25519 [RFC 7748] ---------------------------------------------------------------------

P = 2**255 - 19


def x25519(scalar, point):
    k = int.from_bytes(scalar, "little") & ~7 & ~(1 << 255) | 1 << 254
    x1 = int.from_bytes(point, "little") & (1 << 255) - 1
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for t in reversed(range(255)):
        bit = k >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb = d * a % P, c * b % P
        aa, bb = a * a % P, b * b % P
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


BASE = (9).to_bytes(32, "little")

# --- ChaCha20-Poly1305 [RFC 8439] ----------------------------------------------------------


def rotl(v, n):
    return (v << n | v >> 32 - n) & 0xFFFFFFFF


def quarter(s, a, b, c, d):
    s[a] = s[a] + s[b] & 0xFFFFFFFF
    s[d] = rotl(s[d] ^ s[a], 16)
    s[c] = s[c] + s[d] & 0xFFFFFFFF
    s[b] = rotl(s[b] ^ s[c], 12)
    s[a] = s[a] + s[b] & 0xFFFFFFFF
    s[d] = rotl(s[d] ^ s[a], 8)
    s[c] = s[c] + s[d] & 0xFFFFFFFF
    s[b] = rotl(s[b] ^ s[c], 7)


def block(key, counter, nonce):
    init = list(struct.unpack("<16I", b"expand 32-byte k" + key + struct.pack("<I", counter) + nonce))
    s = init[:]
    for _ in range(10):
        for q in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                  (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(s, *q)
    return struct.pack("<16I", *(a + b & 0xFFFFFFFF for a, b in zip(s, init)))


def chacha(key, nonce, data):
    out = bytearray()
    for i in range(0, len(data), 64):
        out += bytes(a ^ b for a, b in zip(data[i:i + 64], block(key, 1 + i // 64, nonce)))
    return bytes(out)


def poly(key, nonce, ad, sealed):
    otk = block(key, 0, nonce)
    r = int.from_bytes(otk[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    s = int.from_bytes(otk[16:32], "little")
    text = b"".join((ad, bytes(-len(ad) % 16), sealed, bytes(-len(sealed) % 16),
                     struct.pack("<QQ", len(ad), len(sealed))))
    acc = 0
    for i in range(0, len(text), 16):
        acc = (acc + int.from_bytes(text[i:i + 16] + b"\1", "little")) * r % (2**130 - 5)
    return ((acc + s) % 2**128).to_bytes(16, "little")


def seal(key, n, ad, plain):
    nonce = bytes(4) + struct.pack("<Q", n)
    sealed = chacha(key, nonce, plain)
    return sealed + poly(key, nonce, ad, sealed)


def unseal(key, n, ad, data):
    nonce = bytes(4) + struct.pack("<Q", n)
    if not hmac.compare_digest(poly(key, nonce, ad, data[:-16]), data[-16:]):
        raise ValueError("forged")
    return chacha(key, nonce, data[:-16])


# --- Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b ---------------------------------------------------


def blake(data, size=64, key=b""):
    return hashlib.blake2b(data, digest_size=size, key=key).digest()


def hkdf(ck, data, n):
    temp = hmac.new(ck, data, hashlib.blake2b).digest()
    out, last = [], b""
    for i in range(n):
        last = hmac.new(temp, last + bytes([i + 1]), hashlib.blake2b).digest()
        out.append(last)
    return out


class Noise:
    def __init__(self, responder):
        self.h = self.ck = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b".ljust(64, b"\0")
        self.k, self.n = None, 0
        self.mix_hash(b"ioth link 1")
        self.mix_hash(responder)

    def mix_hash(self, data):
        self.h = blake(self.h + data)

    def mix_key(self, data):
        self.ck, key = hkdf(self.ck, data, 2)
        self.k, self.n = key[:32], 0

    def mix_psk(self, psk):
        self.ck, h, key = hkdf(self.ck, psk, 3)
        self.mix_hash(h)
        self.k, self.n = key[:32], 0

    def encrypt(self, plain):
        out = seal(self.k, self.n, self.h, plain)
        self.n += 1
        self.mix_hash(out)
        return out

    def decrypt(self, data):
        out = unseal(self.k, self.n, self.h, data)
        self.n += 1
        self.mix_hash(data)
        return out

    def e(self, public):
        self.mix_hash(public)
        self.mix_key(public)

    def split(self):
        return [k[:32] for k in hkdf(self.ck, b"", 2)]


# --- the link --------------------------------------------------------------------------------

INIT, RESPONSE, SEALED = 1, 2, 4
FRAME, CONTROL, PROBE, PROBE_REPLY, CLOSE, PIECE = 1, 3, 4, 5, 6, 8
TAKES_PIECES = 1
LAST = 8
NET = 0x1122334455667788
CHACHA = 1


def with_macs(data, responder):
    mac1 = blake(data, 16, blake(b"mac1----" + responder, 32))
    return data + mac1 + bytes(16)


def hello(instance, timestamp, chain, suites=CHACHA):
    return struct.pack(">BBHQQQH", 1, suites, TAKES_PIECES, instance, timestamp, 0, len(chain)) + chain


def transport(key):
    return blake(b"ioth transport 1" + bytes([CHACHA]), 32, key)


class Peer:
    """Host 2."""

    def __init__(self, program):
        self.child = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.keys = {}
        for _ in range(4):
            name, value = self.child.stdout.readline().split()
            self.keys[name] = bytes.fromhex(value)
        self.public = x25519(self.keys["secret"], BASE)
        self.counter = 0

    def tell(self, line):
        """Gives host 1 a line; returns what it says until it is done."""
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()
        out = []
        while True:
            answer = self.child.stdout.readline().strip()
            if answer == ".":
                return out
            if answer == "":
                raise SystemExit("host 1 is gone")
            out.append(answer)

    def end(self):
        self.child.stdin.close()
        if self.child.wait(10) != 0:
            raise SystemExit("host 1 failed")

    def initiate(self, timestamp, index=0x01020304, instance=77):
        ns, es = Noise(self.keys["public"]), os.urandom(32)
        ep = x25519(es, BASE)
        ns.e(ep)
        ns.mix_key(x25519(es, self.keys["public"]))
        message = ep + ns.encrypt(self.public)
        ns.mix_key(x25519(self.keys["secret"], self.keys["public"]))
        message += ns.encrypt(hello(instance, timestamp, self.keys["chain"]))
        data = with_macs(struct.pack(">II", INIT << 24, index) + message, self.keys["public"])
        assert len(data) < 1200
        return ns, es, index, data

    def finish(self, ns, es, index, data):
        kind, theirs, ours = struct.unpack(">III", data[:12])
        assert kind == RESPONSE << 24 and ours == index, "not an answer to ours"
        assert data == with_macs(data[:-32], self.public), "mac1 of the answer"
        message = data[12:-32]
        re = message[:32]
        ns.e(re)
        ns.mix_key(x25519(es, re))
        ns.mix_key(x25519(self.keys["secret"], re))
        ns.mix_psk(bytes(32))
        payload = ns.decrypt(message[32:])
        version, suite, features, self.remote_instance = struct.unpack(">BBHQ", payload[:12])
        assert (version, suite) == (1, CHACHA), "suite"
        assert features & TAKES_PIECES
        assert len(payload) == 30 + struct.unpack(">H", payload[28:30])[0]
        tx, rx = ns.split()
        self.begin(theirs, index, tx, rx)

    def respond(self, data, index=0x0a0b0c0d, instance=78):
        kind, theirs = struct.unpack(">II", data[:8])
        assert kind == INIT << 24
        assert data == with_macs(data[:-32], self.public), "mac1 of the first message"
        message, ns = data[8:-32], Noise(self.public)
        re = message[:32]
        ns.e(re)
        ns.mix_key(x25519(self.keys["secret"], re))
        rs = ns.decrypt(message[32:80])
        assert rs == self.keys["public"], "the initiator's static key"
        ns.mix_key(x25519(self.keys["secret"], rs))
        payload = ns.decrypt(message[80:])
        version, suites = payload[0], payload[1]
        assert version == 1 and suites & CHACHA and payload[3] & TAKES_PIECES
        es = os.urandom(32)
        ep = x25519(es, BASE)
        ns.e(ep)
        ns.mix_key(x25519(es, re))
        ns.mix_key(x25519(es, rs))
        ns.mix_psk(bytes(32))
        answer = ep + ns.encrypt(hello(instance, 0, self.keys["chain"]))
        rx, tx = ns.split()
        self.begin(theirs, index, tx, rx)
        return with_macs(struct.pack(">III", RESPONSE << 24, index, theirs) + answer,
                         self.keys["public"])

    def begin(self, theirs, index, tx, rx):
        self.theirs, self.index, self.counter = theirs, index, 0
        self.tx, self.rx = transport(tx), transport(rx)

    def sealed(self, kind, body, channel=0, source=2, flags=0, index=0, at=0, head=0, segment_size=0):
        outer = struct.pack(">IIQ", SEALED << 24, self.theirs, self.counter)
        inner = struct.pack(">BBHHBBHHHH", kind, flags, channel, source, 0, index, 0, at, head, segment_size)
        data = outer + seal(self.tx, self.counter, outer, inner + body)
        self.counter += 1
        return data

    def opened(self, data):
        kind, index, number = struct.unpack(">IIQ", data[:16])
        assert kind == SEALED << 24 and index == self.index, "another session"
        plain = unseal(self.rx, number, data[:16], data[16:])
        inner = struct.unpack(">BBHHBBHHHH", plain[:16])
        return inner[0], inner[2], inner[3], plain[16:]


def datagrams(lines):
    return [bytes.fromhex(line[2:]) for line in lines if line.startswith("D ")]


def segment(place, ack, text):
    return struct.pack(">BQQI", 1, place, ack, 65536) + text


def message(text):
    return struct.pack(">H", len(text)) + text


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def segment_frame(size, ident, seq, flags, payload=b""):
    """Ethernet, IPv4 and TCP, with an open checksum, of a segment of so many bytes."""
    pseudo = bytes((10, 0, 0, 1, 10, 0, 0, 2)) + struct.pack(">HH", 6, 20 + size)
    tcp = struct.pack(">HHIIBBHHH", 7, 80, seq, 1, 5 << 4, flags, 500, checksum(pseudo), 0)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + size, ident, 0x4000, 64, 6, 0, pseudo[:4], pseudo[4:8])
    ip = ip[:10] + struct.pack(">H", checksum(ip) ^ 0xFFFF) + ip[12:]
    return bytes((2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0)) + ip + tcp + payload


def pieces(peer, channel):
    """A superframe of 5,000 bytes whose first piece and its headers are lost; the last has them too."""
    push, ack, first = 0x08, 0x10, 1000
    payload = os.urandom(5000)
    head = segment_frame(0, 70, first, push | ack)

    def piece(index, at, end, flags=0, head=b"", **more):
        data = peer.sealed(PIECE, payload[at:end] + head, channel, flags=flags, index=index, at=at, head=len(head),
                           segment_size=1448, **more)
        return lambda: [x.split()[2] for x in peer.tell("D " + data.hex()) if x.startswith("F")]

    def frame(index, at, end, flags):
        return segment_frame(end - at, 70 + index, first + at, flags, payload[at:end]).hex()

    piece(0, 0, 1370, head=head)  # Sealed, never sent.
    second, third, last = piece(1, 1370, 2794), piece(2, 2794, 4218), piece(3, 4218, 5000, LAST, head)
    late = piece(1, 1370, 2794)  # Of another superframe, by its number.
    assert not third() and not second() and not late(), "frames without headers"
    assert last() == [frame(1, 1370, 5000, push | ack)], "what had waited"
    assert not third(), "a replay came out"
    first_piece, second = piece(0, 0, 1370, head=head), piece(1, 1370, 2794)
    assert first_piece() == [frame(0, 0, 1370, ack)]
    assert second() == [frame(1, 1370, 2794, ack)]
    wrong = piece(2, 2794, 4218, source=3)
    assert not wrong(), "another's name"


def converse(peer, lines):
    """Both are up: probes, channels, frames, messages, the end."""
    sent = datagrams(lines)
    inner = [peer.opened(d) for d in sent if d[0] == SEALED]
    assert all(source == 1 for _, _, source, _ in inner)
    offers = [body for kind, channel, _, body in inner if kind == CONTROL and channel == 0]
    assert offers, "no channel was offered"
    _, place, _, _ = struct.unpack(">BQQI", offers[0][:21])
    text = offers[0][23:]
    assert (place, text[0]) == (0, 1) and struct.unpack(">HQ", text[1:11]) == (1, NET)
    channel = struct.unpack(">H", text[11:13])[0]

    probe = peer.sealed(PROBE, struct.pack(">Q", 123456) + bytes(100))
    replies = [peer.opened(d) for d in datagrams(peer.tell("D " + probe.hex()))]
    assert [(k, b) for k, _, _, b in replies if k == PROBE_REPLY] == [
        (PROBE_REPLY, struct.pack(">QH", 123456, len(probe)))], replies

    # Before we have offered a channel the network is not open to us.
    frame = bytes(range(60))
    early = peer.sealed(FRAME, frame, channel)
    assert not [x for x in peer.tell("D " + early.hex()) if x.startswith("F")]
    offer = message(struct.pack(">BHQH", 1, 1, NET, 9))
    peer.tell("D " + peer.sealed(CONTROL, segment(0, len(offers[0]) - 21, offer)).hex())
    late = peer.sealed(FRAME, frame, channel)
    assert [x.split() for x in peer.tell("D " + late.hex()) if x.startswith("F")] == [
        ["F", "0", frame.hex()]]
    assert not [x for x in peer.tell("D " + late.hex()) if x.startswith("F")], "a replay came out"
    wrong = peer.sealed(FRAME, frame, channel, source=3)
    assert not [x for x in peer.tell("D " + wrong.hex()) if x.startswith("F")], "another's name"

    pieces(peer, channel)
    told = peer.tell("D " + peer.sealed(CONTROL, segment(0, 0, message(b"hello")), 1).hex())
    assert "M " + b"hello".hex() in told
    said = [peer.opened(d) for d in datagrams(peer.tell("S " + b"welcome".hex()))]
    assert said[0][3][21:] == message(b"welcome") and said[0][1] == 1
    assert "DOWN" in peer.tell("D " + peer.sealed(CLOSE, b"").hex())


def as_initiator(program):
    peer = Peer(program)
    ns, es, index, data = peer.initiate(1000)
    answers = datagrams(peer.tell("D " + data.hex()))
    assert len(answers) == 1
    assert not peer.tell("D " + data.hex()), "a replayed first message was answered"
    broken = bytearray(data)
    broken[100] ^= 1
    assert not peer.tell("D " + broken.hex()), "a forged one was answered"
    peer.finish(ns, es, index, answers[0])
    lines = peer.tell("D " + peer.sealed(PROBE, struct.pack(">Q", 1)).hex())
    assert lines and "UP" in lines
    converse(peer, lines)
    assert not datagrams(peer.tell("D " + peer.initiate(1000)[3].hex())), "an old timestamp"
    assert len(datagrams(peer.tell("D " + peer.initiate(1001)[3].hex()))) == 1
    peer.end()


def as_responder(program):
    peer = Peer(program)
    first = datagrams(peer.tell("C"))
    assert len(first) == 1
    lines = peer.tell("D " + peer.respond(first[0]).hex())
    assert "UP" in lines
    converse(peer, lines)
    peer.end()


def self_test():
    """RFC 7748, 6.1 and RFC 8439, 2.8.2, so that a fault here is not taken for one there."""
    a = bytes(range(1, 33))
    b = bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    assert x25519(a, x25519(b, BASE)) == x25519(b, x25519(a, BASE))
    assert x25519(b, BASE).hex() == \
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
    key = bytes(range(0x80, 0xA0))
    nonce = bytes.fromhex("070000004041424344454647")
    ad = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
    text = (b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for "
            b"the future, sunscreen would be it.")
    assert poly(key, nonce, ad, chacha(key, nonce, text)).hex() == \
        "1ae10b594f09e26a7e902ecbd0600691"


if __name__ == "__main__":
    self_test()
    as_initiator(sys.argv[1])
    as_responder(sys.argv[1])
    print("ok: handshake and datagrams in both roles")
