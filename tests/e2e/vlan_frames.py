#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Frames with tags, sent into TAPs and looked for at others.

  vlan_frames.py cases FILE          each line: FROM TAGS DEST | TO=TAGS TO=- ...
  vlan_frames.py flood IF TAGS N     N broadcasts with these tags, at once
  vlan_frames.py sources IF N        one broadcast each of N sources
  vlan_frames.py server IF           an answer of a DHCP server, a router advertisement
  vlan_frames.py watch IF VLAN       prints a line for each frame of a flow in the VLAN: when it came
  vlan_frames.py flow IF TAGS        broadcasts with these tags, twenty a millisecond
  vlan_frames.py vlan_if IF NAME VID makes a TAP NAME that is the VLAN VID on IF, superframes
                                     and all: for kernels without 802.1Q interfaces
TAGS are numbers of 16 bits with dots between, outermost first; 0 alone is none, p5 is PCP 5.
"""
import contextlib
import fcntl
import os
import select
import socket
import struct
import sys
import time
import zlib

ETH_ALL, AUXDATA, SOL_PACKET, OUTGOING, TIMESTAMPNS = 3, 8, 263, 4, 35
TYPE = 0x88b5


def tags_of(text):
    tags = []
    for part in text.split("."):
        if part == "0":
            continue
        pcp, _, vid = part.rpartition("p")
        if pcp or part.startswith("p"):
            pcp, vid = int(vid), pcp
        tags.append(int(vid or 0) | (int(pcp or 0) << 13))
    return tags


def frame(name, tags, dest, serial):
    dest = bytes.fromhex(dest.replace(":", ""))
    head = dest + b"\x02\xee" + zlib.crc32(name.encode()).to_bytes(4, "big")
    for tag in tags:
        head += struct.pack("!HH", 0x8100, tag)
    return head + struct.pack("!HI", TYPE, serial) + b"Z" * 46


def opened(name):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_ALL))
    s.setsockopt(SOL_PACKET, AUXDATA, 1)
    s.bind((name, ETH_ALL))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    return s


def received(s, timeout):
    """(tags, serial, when it came) of the next frame of ours, or None."""
    end = time.monotonic() + timeout
    while True:
        s.settimeout(max(end - time.monotonic(), 0.001))
        try:
            data, aux, _, address = s.recvmsg(70000, 256)
        except TimeoutError:
            return None
        tags, at, when = [], 12, 0
        for level, kind, value in aux:
            if level == socket.SOL_SOCKET and kind == TIMESTAMPNS:
                when = "%d.%09d" % struct.unpack("qq", value)
            if level == SOL_PACKET and kind == AUXDATA:
                status, _, _, _, _, tci, _ = struct.unpack("=IIIHHHH", value[:20])
                if status & 16:
                    tags.append(tci)
        while data[at:at + 2] == b"\x81\x00":
            tags.append(struct.unpack_from("!H", data, at + 2)[0])
            at += 4
        if address[2] != OUTGOING and data.endswith(b"Z" * 46):
            return tags, struct.unpack_from("!I", data, at + 2)[0], when
        if time.monotonic() > end:
            return None


def cases(path):
    lines = [l.split("#")[0].split() for l in open(path)]
    lines = [l for l in lines if l]
    names = {l[0] for l in lines} | {t.split("=")[0] for l in lines for t in l[4:]}
    ports = {name: opened(name) for name in names}
    failed = 0
    for serial, (source, tags, dest, _, *wanted) in enumerate(lines, 1):
        ports[source].send(frame(source, tags_of(tags), dest, serial))
        silent = []
        for want in wanted:
            name, text = want.split("=")
            if text == "-":
                silent.append(name)
                continue
            got = received(ports[name], 5)
            while got and got[1] < serial:
                got = received(ports[name], 5)
            if not got or got[:2] != (tags_of(text), serial):
                print(f"{source} {tags} {dest}: {name} got {got} instead of {text}")
                failed += 1
        for name in silent:  # What it may have got came no later than what others got.
            got = received(ports[name], 0.05)
            if got:
                print(f"{source} {tags} {dest}: {name} got {got}, and should not")
                failed += 1
    print(f"{len(lines)} frames, {failed} wrong")
    return failed != 0


def flood(name, tags, count):
    s = opened(name)
    for serial in range(int(count)):
        s.send(frame(name, tags_of(tags), "ff:ff:ff:ff:ff:ff", serial))
    return 0


def sources(name, count):
    s = opened(name)
    for serial in range(int(count)):
        s.send(frame(f"{name}{serial}", [], "ff:ff:ff:ff:ff:ff", serial))
    return 0


def server(name):
    s = opened(name)
    head = bytes.fromhex("ffffffffffff02ee00000001")
    udp = struct.pack("!HHHH", 67, 68, 28, 0) + bytes(20)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 48, 0, 0, 64, 17, 0, bytes([10, 0, 0, 1]),
                     b"\xff" * 4)
    s.send(head + b"\x08\x00" + ip + udp)
    advert = bytes([134, 0, 0, 0, 64, 0, 0, 30]) + bytes(8)
    ip6 = struct.pack("!IHBB16s16s", 6 << 28, 16, 58, 255, socket.inet_pton(10, "fe80::1"),
                      socket.inet_pton(10, "ff02::1"))
    s.send(bytes.fromhex("33330000000102ee00000001") + b"\x86\xdd" + ip6 + advert)
    return 0


def flow(name, tags):
    s = opened(name)
    data = frame(name, tags_of(tags), "ff:ff:ff:ff:ff:ff", 0)
    while True:
        for _ in range(20):
            s.send(data)
        time.sleep(0.001)


def watch(name, vlan):
    s = opened(name)
    s.setsockopt(socket.SOL_SOCKET, TIMESTAMPNS, 1)
    print("watching", flush=True)
    while True:
        got = received(s, 0.5)
        if got and (got[0][0] & 4095 if got[0] else 0) == int(vlan):
            print(got[2], flush=True)


def vlan_if(name, tap_name, vid):
    set_iff, set_offload, set_hdr = 0x400454ca, 0x400454d0, 0x400454d8
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, set_iff, struct.pack("16sH22x", tap_name.encode(), 0x0002 | 0x1000 | 0x4000))
    fcntl.ioctl(tap, set_offload, 1 | 2 | 4)  # CSUM, TSO4, TSO6
    fcntl.ioctl(tap, set_hdr, struct.pack("i", 10))
    s = opened(name)
    s.setsockopt(SOL_PACKET, 15, 1)  # PACKET_VNET_HDR
    tag = struct.pack("!HH", 0x8100, int(vid))
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([tap, s], [], [])
        if tap in ready:
            data = bytearray(os.read(tap, 70000))
            flags, _, header, _, start = struct.unpack_from("=BBHHH", data)
            struct.pack_into("=H", data, 2, header + 4 if header else 0)
            struct.pack_into("=H", data, 6, start + 4 if flags & 1 else 0)
            s.send(bytes(data[:22]) + tag + bytes(data[22:]))
        if s in ready:
            data, aux, _, address = s.recvmsg(70000, 256)
            for level, kind, value in aux:
                if level == SOL_PACKET and kind == AUXDATA and address[2] != OUTGOING:
                    status, _, _, _, _, tci, _ = struct.unpack("=IIIHHHH", value[:20])
                    if status & 16 and tci & 4095 == int(vid):
                        with contextlib.suppress(OSError):  # It may be down.
                            os.write(tap, data)


if __name__ == "__main__":
    sys.exit(globals()[sys.argv[1]](*sys.argv[2:]))
