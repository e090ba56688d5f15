# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon's API without a daemon: enough of it, in memory, to see what iothctl asks and how it
shows the answers. It refuses requests that the API would refuse, and keeps a record of all."""

import copy
import http.server
import json
import socket
import socketserver
import struct
import threading
from urllib.parse import parse_qs, urlsplit


def HANG_UP(query, body):
    """An action: the connection ends without an answer."""
    raise ConnectionAbortedError


class Problem(Exception):
    def __init__(self, status, detail, **more):
        super().__init__(detail)
        self.status = status
        self.body = dict(type="about:blank", title="refused", status=status, detail=detail, **more)


def merge(base, patch):
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    out = dict(base) if isinstance(base, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merge(out.get(key), value)
    return out


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "unix"

    def log_message(self, format, *args):
        pass

    def reply(self, status, body=None, kind="application/json"):
        text = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if status != 204:
            self.wfile.write(text)

    def any_method(self):
        size = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(size)
        url = urlsplit(self.path)
        kind = self.headers.get("Content-Type", "")
        if raw and "json" not in kind and "yaml" not in kind:
            return self.reply(415, dict(title="media type", detail="unknown media type"),
                              "application/problem+json")
        body = json.loads(raw) if raw and "json" in kind else raw.decode() or None
        daemon = self.server.daemon
        daemon.requests.append((self.command, self.path, copy.deepcopy(body), dict(self.headers)))
        daemon.connections.add(id(self.connection))
        try:
            answer = daemon.answer(self.command, url.path, parse_qs(url.query), body, self.headers)
        except Problem as p:
            return self.reply(p.status, p.body, "application/problem+json")
        return self.reply(*answer)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = any_method


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request, client_address):
        pass  # iothctl hangs up when it has what it wants.


class FakeDaemon:
    def __init__(self, path):
        self.requests, self.connections = [], set()
        self.objects = {k: {} for k in ("networks", "ports", "endpoints", "hosts", "links")}
        self.revision = 0
        self.actions = {}  # (method, path) -> function(query, body) -> (status, body[, type])
        self.server = Server(path, Handler)
        self.server.daemon = self
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def put(self, plural, name, **keys):
        self.revision += 1
        body = dict(name=name.split("/")[-1], revision=self.revision, **keys)
        if "/" in name:
            body["network"] = name.split("/")[0]
        body.setdefault("status", {})
        self.objects[plural][name] = body
        return body

    def answer(self, method, path, query, body, headers):
        if (method, path) in self.actions:
            return self.actions[(method, path)](query, body)
        parts = path.strip("/").split("/")
        if parts[0] != "v1" or len(parts) < 2 or parts[1] not in self.objects:
            raise Problem(404, f"there is no {path}")
        plural, name = parts[1], "/".join(parts[2:])
        table = self.objects[plural]
        if not name:
            wanted = query.get("network", [None])[0]
            if wanted is not None and wanted not in self.objects["networks"]:
                raise Problem(404, f"there is no network {wanted}")
            return 200, {"items": [o for o in table.values()
                                   if wanted is None or o["network"] == wanted]}
        if method == "PUT":
            if name in table and headers.get("If-None-Match") == "*":
                raise Problem(409, f"{name} exists already", hint=f"iothctl net show {name}")
            new = name not in table
            if plural == "networks" and "vlans" not in body:
                body.setdefault("ipv4", "10.64.0.0/24")
                body.setdefault("ipv6", "fd00:0:0:1::/64")
            return (201 if new else 200), self.put(plural, name, **body)
        if name not in table:
            raise Problem(404, f"there is no {plural[:-1]} {name}")
        if method == "DELETE":
            del table[name]
            return (204,)
        if method == "PATCH":
            if "merge-patch" not in headers.get("Content-Type", ""):
                raise Problem(415, "a patch is application/merge-patch+json")
            for key in body:
                if key == "nonsense":
                    raise Problem(422, "the network is wrong", errors=[
                        dict(pointer="/nonsense", detail="unknown key, did you mean none?")])
            table[name] = merge(table[name], body)
        return 200, table[name]


class FakePlug:
    """RUN/plug.sock for a capture: answers one request and sends frames until it is closed."""

    def __init__(self, path, frames, code=0, why=""):
        self.frames, self.code, self.why = frames, code, why
        self.request = None
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.bind(path)
        self.socket.listen(1)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        connection, _address = self.socket.accept()
        with connection:
            self.request = connection.recv(2048)
            why = self.why.encode()
            connection.send(struct.pack("=IHiH", 0x696F7052, 1, self.code, len(why)) + why
                            + struct.pack("=HHHI6sB", 0, 0, 0, 1500, b"", 0) + bytes(18) * 2)
            for port, tci, data, whole in self.frames:
                connection.send(struct.pack("=QIIIHH64s", 1700000000123456789, 2, whole,
                                            len(data), tci, 0, port.encode()) + data)
            connection.recv(1)  # Until the other side hangs up.

    def close(self):
        self.socket.close()
        self.thread.join(10)
