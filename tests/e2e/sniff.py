#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A packet sniffer for root of a user namespace, where tcpdump cannot be one: it insists on
becoming a user that is not there.

  sniff.py record INTERFACE FILE   writes all frames to FILE (pcap) until it is ended; says
                                   "listening" once it sees
  sniff.py count FILE PORT         how many UDP datagrams of that port are in FILE
"""
import socket
import struct
import sys
import time

ALL = 3  # ETH_P_ALL
SNAP = 0x40000
SOL_PACKET, ADD_MEMBERSHIP, PROMISC = 263, 1, 1


def record(interface, path):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
    sock.bind((interface, ALL))
    # Without it a bridge shows what it floods, and nothing of what it forwards.
    member = struct.pack("=iHH8s", socket.if_nametoindex(interface), PROMISC, 0, b"")
    sock.setsockopt(SOL_PACKET, ADD_MEMBERSHIP, member)
    with open(path, "wb", buffering=0) as out:
        out.write(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, SNAP, 1))
        print("listening", flush=True)
        while True:
            frame = sock.recv(SNAP)
            now = time.time()
            head = struct.pack("=IIII", int(now), int(now % 1 * 1e6), len(frame), len(frame))
            out.write(head + frame)


def frames(path):
    with open(path, "rb") as file:
        data = file.read()
    at = 24
    while at + 16 <= len(data):
        size = struct.unpack_from("=I", data, at + 8)[0]
        yield data[at + 16 : at + 16 + size]
        at += 16 + size


def count(path, port):
    found = 0
    for frame in frames(path):
        kind = frame[12:14]
        if kind == b"\x08\x00" and frame[23] == 17:
            udp = 14 + (frame[14] & 15) * 4
        elif kind == b"\x86\xdd" and frame[20] == 17:
            udp = 54
        else:
            continue
        if port in struct.unpack_from("!HH", frame, udp):
            found += 1
    print(found)


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "record":
        record(sys.argv[2], sys.argv[3])
    elif len(sys.argv) == 4 and sys.argv[1] == "count":
        count(sys.argv[2], int(sys.argv[3]))
    else:
        sys.exit(__doc__)
