# SPDX-License-Identifier: LGPL-2.1-or-later
"""openapi_proxy.py PLACE DAEMON LOG: stands at the socket PLACE between clients and the daemon at the socket
DAEMON, hands every byte on as it is and with the client's own rights, and holds what was said against the
daemon's own OpenAPI document, which it leaves as LOG.document. Each exchange adds a line to LOG: "ok METHOD PATH STATUS", or "BAD …: why".

What must hold: of every answer, that its status, media type and body are described; of every request that was
carried out (2xx), that path, method, parameters and body are. Requests that were refused may be wrong: that is
what tests are for. Bodies in YAML are taken for what they are in JSON only by their media type."""
import json
import os
import re
import select
import signal
import socket
import struct
import sys
import urllib.parse
import warnings

warnings.simplefilter("ignore")
import jsonschema  # noqa: E402

PLACE, DAEMON, LOG = sys.argv[1:4]
MOST = 16 << 20  # Of one direction; what comes after is not looked at.


# --- HTTP ----------------------------------------------------------------------------------------

class Cut(Exception):
    """The connection ended in the middle."""


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def left(self):
        return len(self.data) - self.at

    def line(self):
        end = self.data.find(b"\r\n", self.at)
        if end < 0:
            raise Cut
        text = self.data[self.at:end].decode("latin-1")
        self.at = end + 2
        return text

    def take(self, n):
        if self.left() < n:
            raise Cut
        self.at += n
        return self.data[self.at - n:self.at]

    def headers(self):
        found = {}
        while text := self.line():
            name, _, value = text.partition(":")
            found[name.strip().lower()] = value.strip()
        return found

    def body(self, headers, until_end):
        if headers.get("transfer-encoding", "").lower() == "chunked":
            data = b""
            while size := int(self.line().split(";")[0], 16):
                data += self.take(size)
                self.take(2)
            self.headers()
            return data
        if "content-length" in headers:
            return self.take(int(headers["content-length"]))
        return self.take(self.left()) if until_end else b""


def exchanges(sent, answered):
    """Pairs of what was asked and what came back, as far as both are whole."""
    r, a = Reader(sent), Reader(answered)
    try:
        while r.left():
            method, target, _ = r.line().split(" ")
            headers = r.headers()
            try:
                body = r.body(headers, False)
            except Cut:
                body = None  # Refused before it was whole.
            status = 100
            while status == 100:
                status = int(a.line().split(" ")[1])
                reply = a.headers()
            nothing = method == "HEAD" or status in (204, 304)
            try:
                content = b"" if nothing else a.body(reply, True)
            except Cut:
                if not reply.get("content-type", "").startswith("text/event-stream"):
                    raise
                content = None
            yield method, target, headers, body, status, reply, content
            if body is None:
                return
    except (Cut, ValueError):
        return


# --- the document --------------------------------------------------------------------------------

class Document:
    def __init__(self, text):
        self.root = json.loads(text)
        self.resolver = jsonschema.RefResolver("", self.root)
        self.routes = []
        for path, item in self.root["paths"].items():
            pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path))
            self.routes.append((re.compile(pattern + "/?"), path, item))
        # A path without parameters is meant before one with them.
        self.routes.sort(key=lambda route: route[1].count("{"))

    def deref(self, node):
        while "$ref" in node:
            node = self.resolver.resolve(node["$ref"])[1]
        return node

    def find(self, path):
        for pattern, name, item in self.routes:
            if match := pattern.fullmatch(path):
                return name, item, match.groupdict()
        return None, None, {}

    def check(self, schema, value, what):
        validator = jsonschema.Draft202012Validator(schema, resolver=self.resolver)
        for error in validator.iter_errors(value):
            at = "/".join(str(p) for p in error.absolute_path)
            yield f"{what} /{at}: {error.message[:200]}"

    def check_content(self, content, kind, body, what):
        kind = kind.split(";")[0].strip().lower()
        if kind not in content:
            yield f"{what}: {kind or 'no media type'} is not described ({', '.join(content)})"
        elif kind.endswith("json"):
            try:
                value = json.loads(body)
            except ValueError:
                yield f"{what}: no JSON"
                return
            yield from self.check(content[kind]["schema"], value, what)

    def check_parameters(self, operation, item, query, values):
        known = {}
        for p in item.get("parameters", []) + operation.get("parameters", []):
            p = self.deref(p)
            known[p["in"], p["name"]] = p["schema"]
        for key, value in query:
            if ("query", key) not in known:
                yield f"query parameter {key} is not described"
            else:
                yield from self.check_text(known["query", key], value, key)
        for key, value in values.items():
            yield from self.check_text(known["path", key], value, key)

    def check_text(self, schema, value, name):
        if schema.get("type") == "integer" and value.isdigit():
            value = int(value)
        elif schema.get("type") == "array":
            value = value.split(",")
        yield from self.check(schema, value, f"parameter {name}")

    def judge(self, method, target, headers, body, status, reply, content):
        path, _, query = target.partition("?")
        name, item, values = self.find(urllib.parse.unquote(path))
        operation = (item or {}).get({"HEAD": "get"}.get(method, method.lower()))
        if operation is None:
            if status < 400 and method != "OPTIONS":
                yield "this is not described"
            elif content and not reply.get("content-type", "").startswith("application/problem+json"):
                yield "the refusal is no problem+json"
            return
        if status < 300:
            pairs = urllib.parse.parse_qsl(query, keep_blank_values=True)
            yield from self.check_parameters(operation, item, pairs, values)
            wanted = operation.get("requestBody")
            kind = headers.get("content-type", "")
            if body and wanted:
                yield from self.check_content(wanted["content"], kind, body, "request")
            elif body and body not in (b"{}",):
                yield "a body is not described"
        response = operation["responses"].get(str(status), operation["responses"]["default"])
        response = self.deref(response)
        if status < 400 and str(status) not in operation["responses"]:
            yield "this success is not described"
        elif content:
            yield from self.check_content(response.get("content", {}), reply.get("content-type", ""), content, "answer")
        elif content == b"" and response.get("content") and method != "HEAD":
            yield "an answer without a body is not described"


# --- between the two -----------------------------------------------------------------------------

def relay(client, daemon):
    """Hands on what comes until both have ended; returns both streams."""
    streams = {client: bytearray(), daemon: bytearray()}
    other = {client: daemon, daemon: client}
    open_ends = {client, daemon}
    while open_ends:
        for s in select.select(list(open_ends), [], [])[0]:
            try:
                data = s.recv(65536)
            except OSError:
                data = b""
            if not data:
                open_ends.discard(s)
                try:
                    other[s].shutdown(socket.SHUT_WR)
                except OSError:
                    pass
                if s is daemon:  # Nothing more will be answered.
                    return bytes(streams[client]), bytes(streams[daemon])
                continue
            if len(streams[s]) < MOST:
                streams[s] += data
            try:
                other[s].sendall(data)
            except OSError:
                open_ends.discard(s)
    return bytes(streams[client]), bytes(streams[daemon])


def become(client):
    """The daemon sees the client's rights in place of ours."""
    _, uid, gid = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if os.geteuid() == 0 and uid != 0:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)


def serve(client, document, log):
    become(client)
    daemon = socket.socket(socket.AF_UNIX)
    try:
        daemon.connect(DAEMON)
    except OSError:
        return
    sent, answered = relay(client, daemon)
    client.close()
    for exchange in exchanges(sent, answered):
        method, target, status = exchange[0], exchange[1], exchange[4]
        mistakes = list(document.judge(*exchange))
        for why in mistakes:
            os.write(log, f"BAD {method} {target} {status}: {why}\n".encode())
        if not mistakes:
            os.write(log, f"ok {method} {target[:200]} {status}\n".encode())


def fetch():
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(DAEMON)
        s.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        data = b""
        while piece := s.recv(65536):
            data += piece
    r = Reader(data)
    r.line()
    return r.body(r.headers(), True)


def main():
    log = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    text = fetch()
    with open(LOG + ".document", "wb") as f:
        f.write(text)
    document = Document(text)
    place = socket.socket(socket.AF_UNIX)
    place.bind(PLACE)
    os.chmod(PLACE, 0o666)
    place.listen(128)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        client, _ = place.accept()
        if os.fork() == 0:
            place.close()
            try:
                serve(client, document, log)
            except Exception as e:  # A mistake of the proxy is one that the test has to show.
                os.write(log, f"BAD proxy: {e!r}\n".encode())
            os._exit(0)
        client.close()


main()
