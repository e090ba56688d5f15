# SPDX-License-Identifier: LGPL-2.1-or-later
"""Attacks on the plug socket and on the VDE doors. Each command prints what is wrong and ends with
1, or prints nothing.

    faults_plug.py garbage SOCKET         requests that are none, descriptors that are none
    faults_plug.py crowd SOCKET           500 silent connections while one is served
    faults_plug.py lie SOCKET             clients that lie in their rings, one lie after the other
    faults_plug.py block SOCKET           makes what it shares with the daemon block, until SIGTERM
    faults_plug.py deaf SOCKET NAME       takes a port, shows its MAC, and never reads; until SIGTERM
    faults_plug.py flood SOCKET MAC N     sends N frames to a MAC and as many to all
    faults_plug.py vde DIR                garbage, half requests, wrong paths at a VDE folder
    faults_plug.py vde-crowd DIR          200 clients, each a port, all gone again
"""
import array
import ctypes
import fcntl
import mmap
import os
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

wrong = []
REQUEST, REPLY, VERSION = 0x696F7051, 0x696F7052, 1
TAP, RING, CAPTURE = 1, 2, 3
CONTROL_PAGE, HEAD, ALIGN, POOL_RATIO = 4096, 64, 64, 4
NET = "lan1"


def text(s):
    return struct.pack("=H", len(s)) + s.encode()


def request(kind=RING, flags=0, network=NET, vlan=0, name="", mac=bytes(6), addrs=(), rate=0):
    head = struct.pack("=IHBB", REQUEST, VERSION, kind, flags) + text(network)
    head += struct.pack("=H", vlan) + text(name) + mac + bytes([len(addrs)])
    return head + b"".join(addrs) + struct.pack("=QIII", rate, 15, 0, 0)


class Plug:
    """One exchange; `code` is None if the daemon just hung up."""

    def __init__(self, path, data, fds=()):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(8)
        self.sock.connect(path)
        self.code, self.why, self.fds = None, "", []
        try:
            if fds:
                self.sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
            else:
                self.sock.send(data)
            answer, self.fds, _, _ = socket.recv_fds(self.sock, 2048, 8)
        except (BrokenPipeError, ConnectionResetError):
            return
        except TimeoutError:
            wrong.append(f"no answer within 8 s to {data[:40]!r}")
            return
        if answer:
            magic, _, self.code, size = struct.unpack_from("=IHiH", answer)
            self.why = answer[12:12 + size].decode()
            if magic != REPLY:
                wrong.append(f"an odd answer {answer[:40]!r}")

    def hung_up(self, seconds):
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def close(self):
        self.sock.close()
        for fd in self.fds:
            os.close(fd)


class Ring(Plug):
    """A port over a ring, whose memory can be written to at will."""

    def __init__(self, path, name):
        super().__init__(path, request(name=name))
        if self.code != 0:
            raise SystemExit(f"no ring: {self.code} {self.why}")
        size = os.fstat(self.fds[0]).st_size
        self.mem = mmap.mmap(self.fds[0], size)
        self.size = struct.unpack_from("=I", self.mem, 8)[0]
        self.base = {0: CONTROL_PAGE, 1: CONTROL_PAGE + self.size}
        self.head = 0

    # struct ring_shared: head, tx_sleeping | tail, rx_sleeping; 128 bytes per direction; behind
    # 16 bytes of geometry, aligned.
    def put_u32(self, direction, field, value):
        at = 64 + direction * 128 + {"head": 0, "tx": 4, "tail": 64, "rx": 68}[field]
        # Not pack_into(), which clears the bytes first: the daemon may look just then, and an index that is 0
        # for a moment is a lie.
        self.mem[at:at + 4] = struct.pack("=I", value & 0xFFFFFFFF)

    def get_u32(self, direction, field):
        at = 64 + direction * 128 + {"head": 0, "tx": 4, "tail": 64, "rx": 68}[field]
        return struct.unpack_from("=I", self.mem, at)[0]

    def write(self, offset, data):
        at = offset % self.size
        first = min(len(data), self.size - at)
        self.mem[self.base[0] + at:self.base[0] + at + first] = data[:first]
        if first < len(data):
            self.mem[self.base[0]:self.base[0] + len(data) - first] = data[first:]

    def put(self, frame, inline=None, ref=(0, 0), gso=(0, 0, 0, 0), tci=0, kind=0, flags=0):
        """One record; every field of its descriptor may lie."""
        size = len(frame) if inline is None else inline
        desc = struct.pack("=IIQHHHHHBBI", size & 0xFFFFFFFF, ref[1], ref[0], *gso, tci, kind, flags, 0)
        self.write(self.head, desc + bytes(HEAD - len(desc)) + frame)
        self.head = (self.head + (HEAD + len(frame) + ALIGN - 1) // ALIGN * ALIGN) & 0xFFFFFFFF

    def publish(self):
        self.put_u32(0, "head", self.head)
        self.ring()

    def ring(self):
        try:
            os.write(self.fds[1], b"1")
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            pass  # Full, or the port has been closed on a liar.

    def close(self):
        self.mem.close()
        super().close()


def frame(size=60, to=b"\xff" * 6, source=b"\x02\x66\x61\x6c\x73\x65", ethertype=0x88B5):
    return (to + source + struct.pack("!H", ethertype) + bytes(size))[:size]


# --- requests --------------------------------------------------------------------------------------

def refused(path, data, fds=(), may_hang_up=True):
    plug = Plug(path, data, fds)
    if plug.code is None and may_hang_up:
        pass
    elif plug.code is None or plug.code >= 0:
        wrong.append(f"{data[:50]!r} with {len(fds)} descriptors: {plug.code} {plug.why}")
    elif not plug.why:
        wrong.append(f"{data[:50]!r}: refused without a word")
    if plug.code != 0 and not plug.hung_up(2):
        wrong.append(f"{data[:50]!r}: refused and not hung up")
    plug.close()


def garbage(path):
    generator = random.Random(1)
    good = request(name="good")
    for size in range(1, len(good)):
        refused(path, good[:size])
    for data in (good + b"\0", b"\0" * 2048, b"\xff" * 2048, b"x" * 60000, REPLY.to_bytes(4, "little") + good[4:]):
        refused(path, data)
    for _ in range(300):
        data = bytearray(good)
        for _ in range(generator.randrange(1, 6)):
            data[generator.randrange(8)] = generator.randrange(256)
        if data != good:
            Plug(path, bytes(data)).close()  # Some of them are good requests of another kind.
    for what in (request(kind=9), request(flags=0x80), request(network=""), request(network="nope"),
                 request(network="../lan1"), request(network="lan1\0x"), request(name="UPPER"),
                 request(name="a/b"), request(name="\x1b[2J"), request(vlan=7), request(vlan=4095),
                 request(flags=1), request(flags=3, addrs=[struct.pack("=BB16s", 5, 24, bytes(16))]),
                 request(flags=3, addrs=[struct.pack("=BB16s", 4, 24, bytes(16))] * 9),
                 request(flags=3, addrs=[struct.pack("=BB16s", 4, 24, b"\xff" * 4)]),
                 request(flags=3, addrs=[struct.pack("=BB16s", 4, 24, bytes(16))]),
                 request(flags=3, mac=b"\xff" * 6), request(flags=3, mac=b"\x01\0\0\0\0\1"),
                 request(kind=CAPTURE, name="no-such-port"), request(kind=TAP, flags=3)):
        refused(path, what)
    wrong_descriptors(path)


def wrong_descriptors(path):
    sizes = ctypes.CDLL(None)
    memfd = os.memfd_create("not-sealed")
    os.ftruncate(memfd, 1 << 20)
    pipe = os.pipe()
    pair = socket.socketpair()
    epoll = select.epoll()
    event = sizes.eventfd(0, 0)
    tun = os.open("/dev/net/tun", os.O_RDWR)  # Not attached to any device.
    ip = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(ip, 0x400454CA, struct.pack("16sH22x", b"not-a-tap", 1 | 0x1000 | 0x4000))
    bare = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(bare, 0x400454CA, struct.pack("16sH22x", b"no-header", 2 | 0x1000))
    with open(__file__, "rb") as file:
        for fd in (file.fileno(), memfd, *pipe, pair[0].fileno(), epoll.fileno(), event, tun, ip, bare,
                   os.open("/", os.O_RDONLY), os.open("/dev/zero", os.O_RDWR)):
            refused(path, request(kind=TAP, name="wrong"), [fd], may_hang_up=False)
        many = [file.fileno()] * 200
        refused(path, request(kind=TAP, name="wrong"), many)
        # A ring needs none: what comes with it is closed.
        Plug(path, request(name="many"), many[:20]).close()


def crowd(path):
    held = []
    for i in range(500):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.connect(path)
        if i % 50 == 0:
            begin = time.monotonic()
            plug = Plug(path, request(name="served"))
            if plug.code != 0 or time.monotonic() - begin > 1:
                wrong.append(f"not served beside {i}: {plug.code} {plug.why}, {time.monotonic() - begin:.2f} s")
            plug.close()
        held.append(s)
    time.sleep(0.1)


# --- rings -----------------------------------------------------------------------------------------

def lie(path):
    """Each lie costs the liar its port, or a drop; it is told by the hang-up or by the counters."""
    n = 0

    def try_one(change, must_lose):
        nonlocal n
        n += 1
        ring = Ring(path, f"liar{n}")
        ring.put(frame())
        change(ring)
        ring.ring()
        lost = ring.hung_up(2 if must_lose else 0.05)
        if must_lose and not lost:
            wrong.append(f"lie {n} ({change.__name__ or 'it'}, line {change.__code__.co_firstlineno}) was believed")
        ring.close()

    def indices(field, direction, value):
        def change(ring):
            ring.publish()
            ring.put_u32(direction, field, value(ring))
        return change

    for value in (lambda r: r.size + 64, lambda r: r.head + r.size * 2, lambda r: -64, lambda r: r.head + 1,
                  lambda r: 0x7FFFFFC0, lambda r: 63):
        try_one(indices("head", 0, value), True)
    # What it says of the other direction shows when somebody sends to it.
    for value in (lambda r: r.size, lambda r: -64, lambda r: 1, lambda r: 0x80000000):
        try_one(indices("tail", 1, value), False)

    def record(must_lose, **fields):
        def change(ring):
            ring.put(frame(200), **fields)
            ring.publish()
        try_one(change, must_lose)

    for size in (0xFFFFFFFF, 0x7FFFFFFF, 65551, 70000, 1 << 20):
        record(True, inline=size)
    probe = Ring(path, "probe")
    pool = POOL_RATIO * probe.size
    probe.close()
    # What lies in the pool is no lie; what ends behind it, or is more than a frame has, is one.
    record(False, ref=(4096, 100))
    record(False, ref=(pool - 100, 100))
    for ref in ((pool - 100, 101), (pool, 1), (0xFFFFFFFFFFFFFFFF, 1), (0xFFFFFFFFFFFFFFFF, 0xFFFFFFFF),
                (4096, 70000), (4096, 0xFFFFFFFF)):
        record(True, ref=ref)
    for size in (0, 1, 13):
        record(False, inline=size)
    generator = random.Random(2)
    for _ in range(60):
        record(False, gso=tuple(generator.choice((0, 1, 14, 54, 200, 1460, 65535)) for _ in range(4)),
               kind=generator.randrange(256), flags=generator.randrange(256), tci=generator.randrange(65536))

    def noise(ring):
        ring.write(0, generator.randbytes(ring.size))
        ring.head = ring.size
        ring.publish()
    for _ in range(5):
        try_one(noise, False)

    def racing(ring):
        """Descriptors that change while they are looked at."""
        def spoil():
            words = [struct.pack("=I", v) for v in (200, 0xFFFFFFFF, 14, 65550, 0)]
            for i in range(4000):
                for at in range(0, 64):
                    offset = ring.base[0] + at * 320
                    ring.mem[offset:offset + 4] = words[i % 5]
        thread = threading.Thread(target=spoil)
        thread.start()
        for _ in range(200):
            ring.head = (ring.get_u32(0, "tail") + 64 * 5) & ~63 & 0xFFFFFFFF
            ring.publish()
        thread.join()
    try_one(racing, False)


def until_term(ready="ready"):
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    print(ready, flush=True)
    return stop


def block(path):
    """The bells are shared, and so are their flags. Reading and writing them is made to block."""
    ring = Ring(path, "blocker")
    stop = until_term()

    def may_block(fd):
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) & ~os.O_NONBLOCK)
    ring.put_u32(1, "rx", 1)  # It says that it sleeps: it wants to be rung for.
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", b"blocker", 2 | 0x1000 | 0x4000))
    tap = Plug(path, request(kind=TAP, name="blocktap"), [fd])
    if tap.code != 0:
        wrong.append(f"no TAP: {tap.why}")
    subprocess.run(["ip", "link", "set", "blocker", "up"], check=True)
    while not stop.is_set():
        for shared in (fd, *ring.fds[1:]):
            may_block(shared)
        ring.put(frame())
        ring.publish()
        ring.put_u32(1, "rx", 1)
        time.sleep(0.0005)
    os._exit(1 if wrong else 0)


def deaf(path, name):
    ring = Ring(path, name)
    ring.put(frame(source=b"\x02deaf" + name.encode()[-1:]))
    ring.publish()
    until_term().wait()


def flood(path, mac, n):
    ring = Ring(path, f"flooder{os.getpid()}")
    to = bytes.fromhex(mac.replace(":", ""))
    sent = 0
    limit = time.monotonic() + 60
    while sent < n and time.monotonic() < limit:
        used = (ring.head - ring.get_u32(0, "tail")) & 0xFFFFFFFF
        if used > ring.size - 8192:
            if ring.hung_up(0):
                wrong.append(f"hung up on after {sent} frames")
                break
            ring.ring()
            time.sleep(0.0002)
            continue
        ring.put(frame(1000, to if sent % 2 else b"\xff" * 6))
        sent += 1
        if sent % 16 == 0:
            ring.publish()
    ring.publish()
    if sent < n:
        wrong.append(f"only {sent} of {n} frames were taken")
    time.sleep(0.2)


def attached(run):
    """How many ports of networks that this user may see the switch has."""
    api = socket.socket(socket.AF_UNIX)
    api.connect(os.path.join(run, "api.sock"))
    api.sendall(b"GET /v1/ports HTTP/1.1\r\nHost: ioth\r\nConnection: close\r\n\r\n")
    answer = b""
    while piece := api.recv(65536):
        answer += piece
    api.close()
    return answer.count(b'"counters"')


def many(path, folder, uid):
    """A user takes all the ports that he may have: rings, then one more, then one by VDE."""
    place = os.path.join(os.path.dirname(path), "vde-many")
    os.makedirs(place)
    os.chown(place, uid, -1)
    os.seteuid(uid)
    held = [Plug(path, request(name=f"many{i}")) for i in range(257)]
    took = sum(plug.code == 0 for plug in held)
    print(f"{took} ports, then: {held[-1].why}", flush=True)
    limit = time.monotonic() + 10 # What is under way is not counted yet.
    while attached(os.path.dirname(path)) < took and time.monotonic() < limit:
        time.sleep(0.05)
    data = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    data.bind(os.path.join(place, "s"))
    # The last ring may still be on its way to the switch, which counts for itself.
    limit = time.monotonic() + 5
    while True:
        s, answer = vde_ask(os.path.join(folder, "ctl"), vde_request(data.getsockname()))
        if answer is None or time.monotonic() > limit:
            break
        s.close()
        time.sleep(0.05)
    print(f"VDE: {'refused' if answer is None else answer}", flush=True)
    held[0].close()
    limit = time.monotonic() + 5
    while (again := Plug(path, request(name="again"))).code != 0 and time.monotonic() < limit:
        again.close()
        time.sleep(0.05)
    print(f"again: {again.code}", flush=True)
    again.close()


# --- VDE -------------------------------------------------------------------------------------------

def vde_request(path, magic=0xFEEDFACE, version=3, kind=0, port=0, family=1, description=b"test"):
    name = path if isinstance(path, bytes) else path.encode()
    return struct.pack("=IIIH", magic, version, kind | port << 8, family) + name.ljust(108, b"\0") + description


def vde_ask(door, data, pieces=1):
    """The path of the switch's socket; None if it hung up."""
    with_ = socket.socket(socket.AF_UNIX)
    with_.settimeout(15)
    with_.connect(door)
    answer = b""
    try:
        step = max(1, len(data) // pieces)
        for at in range(0, len(data), step):
            with_.sendall(data[at:at + step])
            if pieces > 1:
                time.sleep(0.01)
        answer = with_.recv(110)
    except (BrokenPipeError, ConnectionResetError):
        pass
    except TimeoutError:
        wrong.append(f"{data[:40]!r} is waited for")
    return with_, answer[2:].rstrip(b"\0").decode() if answer else None


def vde(folder):
    door = os.path.join(folder, "ctl")
    place = os.path.join(os.path.dirname(folder), "..", "vde-client")
    os.makedirs(place, exist_ok=True)
    place = os.path.realpath(place)

    def client(name, kind=socket.SOCK_DGRAM):
        path = os.path.join(place, name)
        s = socket.socket(socket.AF_UNIX, kind)
        s.bind(path)
        return s, path

    good, path = client("good")
    open(os.path.join(place, "file"), "w").close()
    os.symlink(path, os.path.join(place, "link"))
    stream, stream_path = client("stream", socket.SOCK_STREAM)
    others, others_path = client("others")
    try:
        os.chown(others_path, 65533, -1)
        is_others = True
    except OSError:  # In a namespace there may be no other user.
        is_others = False
    bad = [b"\0" * 400, b"\xff" * 400, b"GET / HTTP/1.1\r\n\r\n" + b"x" * 200, vde_request(path, magic=0xDEADBEEF),
           vde_request(path, version=2), vde_request(path, version=4000000000), vde_request(path, kind=7),
           vde_request(path, family=2), vde_request(""), vde_request("relative"),
           vde_request("/nonexistent/socket"), vde_request("/" * 108), vde_request("/a" * 54),
           vde_request(os.path.join(place, "file")), vde_request(os.path.join(place, "link")), vde_request(place),
           vde_request(stream_path), vde_request("/dev/null"), vde_request(path, port=0xFFFFFF)]
    if is_others:
        bad.append(vde_request(others_path))
    for data in bad:
        s, answer = vde_ask(door, data)
        if answer is not None:
            wrong.append(f"{data[:60]!r} is answered with {answer}")
        s.close()
    for size in (1, 4, 13, 14, 60, 121):  # The client goes in the middle of its request.
        s = socket.socket(socket.AF_UNIX)
        s.connect(door)
        s.sendall(vde_request(path)[:size])
        s.close()
    for data, pieces in ((vde_request(path), 1), (vde_request(path, description=b""), 40),
                         (vde_request(path, description=b"\x1b[31m" + b"d" * 60000), 1)):
        s, answer = vde_ask(door, data, pieces)
        if not answer or not answer.startswith(folder):
            wrong.append(f"a good client got {answer}")
        s.close()


def vde_crowd(folder):
    door = os.path.join(folder, "ctl")
    place = os.path.realpath(os.path.join(os.path.dirname(folder), "..", "vde-crowd"))
    os.makedirs(place, exist_ok=True)
    held, silent, answers = [], [], set()
    for i in range(200):
        data = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = os.path.join(place, str(i))
        data.bind(path)
        quiet = socket.socket(socket.AF_UNIX)  # One more that says nothing.
        quiet.connect(door)
        silent.append(quiet)
        s, answer = vde_ask(door, vde_request(path))
        held += [s, data]
        answers.add(answer)
    if len(answers) != 200 or None in answers:
        wrong.append(f"{len(answers)} of 200 clients got a socket")
    print("held", flush=True)
    until_term("all").wait()
    for s in held + silent:
        s.close()


commands = {"garbage": garbage, "crowd": crowd, "lie": lie, "block": block, "deaf": deaf, "flood": flood,
            "many": many, "vde": vde, "vde-crowd": vde_crowd}
commands[sys.argv[1]](*[int(a) if a.isdigit() else a for a in sys.argv[2:]])
for line in wrong[:20]:
    print(line)
sys.exit(1 if wrong else 0)
