# SPDX-License-Identifier: LGPL-2.1-or-later
"""
A process with several stacks, its peer, and who kills it: kill_stacks.py victim|peer|kill|take|hear|tell

  victim NETWORK FIRST N    N stacks, endpoints v0, v1, … with 10.79.0.FIRST and following, swallow all that comes to port 80
  peer NETWORK FIRST N      a stack that sends to all of them without end, and says how each connection ended
  kill PID DAEMON_PID…      kills it, and says after how many milliseconds nothing of its rings is left in the daemon
  take NETWORK FIRST N      the same stacks again, where nobody has the connections of before
  hear NETWORK FIRST 1      takes one connection, says now and then how much has come, and in the end what it was
  tell NETWORK FIRST 1      sends to it until stdin ends, and says what that was
"""
import ctypes as c
import errno
import hashlib
import os
import select
import signal
import socket
import struct
import sys
import threading
import time

BLOCK = bytes(1 << 16)


class Libioth:
    def __init__(self):
        self.lib = c.CDLL(os.environ["LIBIOTH"], use_errno=True)
        self.lib.ioth_newstack.restype = c.c_void_p
        self.lib.ioth_error.restype = c.c_char_p

    def stack(self, vnl):
        made = self.lib.ioth_newstack(b"lwip", vnl.encode())
        if not made:
            sys.exit("no stack %s: %s" % (vnl, self.lib.ioth_error().decode()))
        return c.c_void_p(made)

    def call(self, name, *args):
        r = getattr(self.lib, "ioth_" + name)(*args)
        if r < 0:
            raise OSError(c.get_errno(), name)
        return r


ioth = Libioth() if "LIBIOTH" in os.environ else None


def at(addr, port):
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton(addr) + bytes(8)


def stacks(network, first, n):
    return [ioth.stack("ioth://%s[name=v%d/ip=10.79.0.%d]" % (network, i, first + i)) for i in range(n)]


def listener(stack):
    fd = ioth.call("msocket", stack, socket.AF_INET, socket.SOCK_STREAM, 0)
    any_ = at("0.0.0.0", 80)
    ioth.call("bind", fd, any_, len(any_))
    ioth.call("listen", fd, 5)
    return fd


def swallow(fd):
    got = c.create_string_buffer(1 << 18)
    conn = ioth.call("accept", fd, None, None)
    while ioth.call("recv", conn, got, c.c_size_t(len(got)), 0):
        pass


def victim(network, first, n):
    for stack in stacks(network, first, n):
        threading.Thread(target=swallow, args=(listener(stack),)).start()
    print("ready", flush=True)


def send(stack, addr, started, ends):
    fd = ioth.call("msocket", stack, socket.AF_INET, socket.SOCK_STREAM, 0)
    to = at(addr, 80)
    sent = 0
    try:
        ioth.call("connect", fd, to, len(to))
        while True:
            sent += ioth.call("send", fd, BLOCK, c.c_size_t(len(BLOCK)), 0x4000)
            if sent > 20 << 20 and not started.is_set():
                started.set()
    except OSError as e:
        ends.append(errno.errorcode[e.errno])


def peer(network, first, n):
    stack = ioth.stack("ioth://%s[name=peer]" % network)
    started = [threading.Event() for _ in range(n)]
    ends = []
    threads = [threading.Thread(target=send, args=(stack, "10.79.0.%d" % (first + i), started[i], ends))
               for i in range(n)]
    for t in threads:
        t.start()
    for s in started:
        s.wait()
    print("under way", flush=True)
    for t in threads:
        t.join()
    print("ends", *sorted(set(ends)), flush=True)


def left(pid):
    """What a process has of rings: descriptors and mappings."""
    n = 0
    for fd in os.listdir("/proc/%s/fd" % pid):
        try:
            n += "memfd:ioth-ring" in os.readlink("/proc/%s/fd/%s" % (pid, fd))
        except OSError:
            pass
    with open("/proc/%s/maps" % pid) as maps:
        return n + sum("memfd:ioth-ring" in line for line in maps)


def kill(pid, *daemon):
    before = [left(d) for d in daemon]
    start = time.monotonic()
    os.kill(int(pid), signal.SIGKILL)
    # Those of the peer stay: as many of each process as is its share.
    keep = int(os.environ["KEEP"])
    while any(left(d) * (keep + 1) > b for d, b in zip(daemon, before)) and time.monotonic() - start < 5:
        time.sleep(0.001)
    print("gone after %d ms, of %s" % ((time.monotonic() - start) * 1000, sum(before)))


def take(network, first, n):
    made = stacks(network, first, n)
    for stack in made:
        listener(stack)
    print("ready", flush=True)
    time.sleep(3600)


def hear(network, first, _):
    fd = listener(stacks(network, first, 1)[0])
    got = c.create_string_buffer(1 << 18)
    total, told, digest = 0, 0, hashlib.sha256()
    print("ready", flush=True)
    conn = ioth.call("accept", fd, None, None)
    while n := ioth.call("recv", conn, got, c.c_size_t(len(got)), 0):
        digest.update(memoryview(got)[:n])
        total += n
        if total - told > 1 << 23:
            told = total
            print("at", total, flush=True)
    print("all", total, digest.hexdigest(), flush=True)


def tell(network, first, _):
    stack = ioth.stack("ioth://%s[name=tells]" % network)
    fd = ioth.call("msocket", stack, socket.AF_INET, socket.SOCK_STREAM, 0)
    to = at("10.79.0.%d" % first, 80)
    total, digest = 0, hashlib.sha256()
    ioth.call("connect", fd, to, len(to))
    while not select.select([sys.stdin], [], [], 0)[0]:
        block = os.urandom(1 << 16)
        digest.update(block)
        ofs = 0
        while ofs < len(block):
            ofs += ioth.call("send", fd, block[ofs:], c.c_size_t(len(block) - ofs), 0x4000)
        total += len(block)
    ioth.call("shutdown", fd, 1)
    ioth.call("recv", fd, c.create_string_buffer(1), c.c_size_t(1), 0)
    print("all", total, digest.hexdigest(), flush=True)


if __name__ == "__main__":
    what, args = sys.argv[1], sys.argv[2:]
    if what == "kill":
        kill(*args)
    else:
        {"victim": victim, "peer": peer, "take": take, "hear": hear, "tell": tell}[what](args[0], int(args[1]), int(args[2]))
