# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tokens altered, and many joiners at once.

    faults_member.py alter FIELD TOKEN [FROM]   TOKEN with one field changed (or taken from the token
                                                FROM) and a right checksum: what a forger can make
    faults_member.py letters SOCKET TOKEN       joins with TOKEN changed in each of its letters; all of
                                                them must be refused
    faults_member.py race TOKEN SOCKET…         joins from all of them at once; prints how it went
    faults_member.py join SOCKET TOKEN          joins; prints the status and why not
"""
import base64
import collections
import hashlib
import http.client
import json
import socket
import sys
import threading

# Where a field is: section 9 of docs/protocol.md.
FIELDS = {"version": (0, 1), "id": (1, 9), "secret": (9, 41), "root": (41, 73), "noise": (73, 105), "expiry": (105, 113),
          "addresses": (113, None)}


def decode(token):
    text = token.removeprefix("ioth1.")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))[:-4]


def encode(data):
    data += hashlib.blake2b(data, digest_size=32).digest()[:4]
    return "ioth1." + base64.urlsafe_b64encode(data).decode().rstrip("=")


def alter(field, token, other=None):
    data = decode(token)
    assert encode(data) == token, "the token is read wrongly"
    begin, end = FIELDS[field]
    if other:
        new = decode(other)[begin:end]
    elif field == "expiry":
        new = (1 << 40).to_bytes(8, "big")
    else:
        new = bytes(b ^ 0x11 for b in data[begin:end])
    return encode(data[:begin] + new + (data[end:] if end else b""))


def join(path, token, timeout=40.0):
    connection = http.client.HTTPConnection("x", timeout=timeout)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(timeout)
    connection.sock.connect(path)
    connection.request("POST", "/v1/hosts/join", json.dumps({"token": token}))
    answer = connection.getresponse()
    body = json.loads(answer.read() or b"{}")
    connection.close()
    return answer.status, body.get("detail") or str(body.get("errors", ""))


def letters(path, token):
    tried = 0
    for i, letter in enumerate(token):
        for other in ("A" if letter != "A" else "B", "\x01", ""):
            changed = token[:i] + other + token[i + 1:]
            if changed == token:
                continue
            status, why = join(path, changed)
            tried += 1
            if status != 400 or "token" not in why:
                print(f"letter {i} {letter!r} as {other!r}: {status} {why}")
    for changed in (token + "A", token + "=", token * 2, token[:-1], "", "ioth1.", "ioth2." + token[6:], token.upper()):
        status, why = join(path, changed)
        if status != 400:
            print(f"{changed[:20]}…: {status} {why}")
    if tried < 300:
        print(f"only {tried} were tried")


def race(token, *paths):
    results = []
    barrier = threading.Barrier(len(paths))

    def one(path):
        barrier.wait()
        try:
            results.append(join(path, token))
        except OSError as e:
            results.append((0, str(e)))
    threads = [threading.Thread(target=one, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for (status, why), n in sorted(collections.Counter(results).items()):
        print(n, status, why)


if sys.argv[1] == "alter":
    print(alter(*sys.argv[2:]))
elif sys.argv[1] == "letters":
    letters(*sys.argv[2:])
elif sys.argv[1] == "race":
    race(*sys.argv[2:])
else:
    print(*join(*sys.argv[2:]))
