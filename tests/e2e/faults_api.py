# SPDX-License-Identifier: LGPL-2.1-or-later
"""Attacks on the API socket. Each command prints what is wrong and ends with 1, or prints nothing.

    faults_api.py SOCKET probe         a normal client, until SIGUSR1: how long answers take
    faults_api.py SOCKET slow          clients that are slow, silent, or do not read, all at once
    faults_api.py SOCKET requests      wrong requests, each with the answer that it must get
    faults_api.py SOCKET types         every key of every kind with values of every wrong type
    faults_api.py SOCKET openapi       the structure of /openapi.json
"""
import json
import re
import signal
import socket
import statistics
import sys
import threading
import time

try:
    from openapi_spec_validator import OpenAPIV31SpecValidator as validator
except ImportError:
    validator = None

PATH = sys.argv[1]
wrong = []


def connect(timeout=5.0):
    s = socket.socket(socket.AF_UNIX)
    s.connect(PATH)
    s.settimeout(timeout)
    return s


def connect_hasty():
    """As a client does that is not to be held up: it must not find the door's queue full."""
    s = socket.socket(socket.AF_UNIX)
    s.setblocking(False)
    s.connect(PATH)
    s.settimeout(5)
    return s


def read_answer(s):
    """(status, headers, body), or None if the connection ended before."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = s.recv(65536)
        if not more:
            return None
        data += more
    head, body = data.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
    while len(body) < int(headers.get("content-length", 0)):
        more = s.recv(65536)
        if not more:
            return None
        body += more
    return int(lines[0].split()[1]), headers, body


def ask(method, url, body=b"", kind="application/json", door=connect, **more):
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
    if isinstance(body, str):
        body = body.encode()
    head = f"{method} {url} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    if body:
        head += f"Content-Type: {kind}\r\n"
    for key, value in more.items():
        head += f"{key.replace('_', '-')}: {value}\r\n"
    with door() as s:
        try:
            s.sendall(head.encode() + b"\r\n" + body)
        except OSError:
            pass  # It has answered already and does not want the rest.
        return read_answer(s)


# --- a normal client -------------------------------------------------------------------------------

def probe():
    times = []
    stop = threading.Event()
    signal.signal(signal.SIGUSR1, lambda *_: stop.set())
    while not stop.is_set():
        begin = time.monotonic()
        answer = ask("GET", "/v1/networks", door=connect_hasty)
        times.append((time.monotonic() - begin) * 1000)
        if not answer or answer[0] != 200:
            wrong.append(f"a normal client got {answer}")
        if len(times) == 5:
            print("probing", flush=True)
        if len(times) == 50:
            print("probed", flush=True)
        time.sleep(0.02)
    times.sort()
    p95 = times[len(times) * 95 // 100]
    print(f"{len(times)} answers, median {statistics.median(times):.1f} ms, "
          f"95 of 100 within {p95:.1f} ms, the longest {times[-1]:.1f} ms")
    if len(times) < 20 or p95 > 100 or times[-1] > 2000:
        wrong.append("normal clients were held up")


# --- slow ones -------------------------------------------------------------------------------------

def slow():
    """Three hundred connections of eight kinds, for four seconds."""
    request = b"GET /v1/status HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"s" * 400 + b"\r\n"
    starts = [
        b"",                                                     # silent
        b"G",                                                    # half a word
        b"POST /v1/apply HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{",
        b"POST /v1/apply HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n{",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 200,       # never reads an answer
        b"GET /" + b"a" * 60000,                                 # a line without an end
        b"GET / HTTP/1.1\r\n" + b"X: " + b"b" * 60000,           # a header without an end
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,    # another protocol
    ]
    held = []
    until = time.monotonic() + 4
    for i in range(300):
        s = connect()
        s.setblocking(False)
        try:
            s.send(starts[i % len(starts)])
        except OSError:
            pass
        held.append(s)
    dribblers = [connect() for _ in range(60)]
    for s in dribblers:
        s.setblocking(False)
    at = 0
    while time.monotonic() < until:
        for s in dribblers:
            try:
                s.send(request[at % len(request):][:1])
            except OSError:
                pass
        at += 1
        time.sleep(0.01)
    for s in held + dribblers:
        s.close()


# --- wrong requests --------------------------------------------------------------------------------

JSON, YAML = "application/json", "application/yaml"


def requests():
    big = b"{" + b" " * (1 << 20)
    deep = [b"[" * 100000, b"[" * 100000 + b"]" * 100000, b'{"a":' * 100000]
    table = [  # method, url, body, type, headers, status, a word of the answer
        ("GET", "/nope", "", JSON, {}, 404, "no such path"),
        ("GET", "/v1/networks/nope", "", JSON, {}, 404, "nope"),
        ("GET", "/v1/networks/lan1/more/and/more", "", JSON, {}, 404, ""),
        ("GET", "/v1/networks/..%2f..%2fetc", "", JSON, {}, 404, ""),
        ("GET", "/v1/networks/" + "a" * 2000, "", JSON, {}, 404, ""),
        ("POST", "/v1/networks/lan1", "", JSON, {}, 405, "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
        ("DELETE", "/v1/networks", "", JSON, {}, 405, "GET"),
        ("GET", "/v1/rollback", "", JSON, {}, 405, "POST"),
        ("BREW", "/v1/status", "", JSON, {}, 405, "GET"),
        ("PUT", "/v1/networks/lan1", "{}", JSON, {"If-None-Match": "*"}, 412, "lan1"),
        ("PUT", "/v1/networks/UPPER", "{}", JSON, {}, 400, "name"),
        ("PUT", "/v1/networks/lan2", '{"ipv4": "10.77.0.0/25"}', JSON, {}, 409, "lan1"),
        ("PUT", "/v1/endpoints/lan1/other", '{"addresses": ["10.77.0.2"]}', JSON, {}, 409, "lan1/web"),
        ("PATCH", "/v1/networks/lan1", '{"mtu": 1400}', JSON, {"If-Match": '"99"'}, 412, "99"),
        ("DELETE", "/v1/networks/lan1", "", JSON, {"If-Match": '"99"'}, 412, "99"),
        ("PATCH", "/v1/networks/lan1", '{"mtu": 1400}', JSON, {"If-Match": "many"}, 400, "If-Match"),
        ("PATCH", "/v1/networks/lan1", '{"mtu": 1400', JSON, {}, 400, "JSON"),
        ("PATCH", "/v1/networks/lan1", '{"mtu": 1400, "mtu": 1500}', JSON, {}, 400, "mtu"),
        ("PATCH", "/v1/networks/lan1", "[1]", JSON, {}, 400, "map"),
        ("PATCH", "/v1/networks/lan1", "mtu: [", YAML, {}, 400, "YAML"),
        ("PATCH", "/v1/networks/lan1", b"\xff\xfe\x00{}", JSON, {}, 400, ""),
        ("PATCH", "/v1/networks/lan1", b'{"mtu": "\xff"}', JSON, {}, 400, ""),
        ("PATCH", "/v1/networks/lan1", '{"mtu": "a\\u0000b"}', JSON, {}, 400, ""),
        ("PATCH", "/v1/networks/lan1", '{"mtu": 1e999}', JSON, {}, 400, ""),
        ("PATCH", "/v1/networks/lan1", '{"mtu": 99999999999999999999999}', JSON, {}, 400, ""),
        ("PATCH", "/v1/networks/lan1", '{"revision": 1, "id": "x"}', JSON, {}, 200, "lan1"),
        ("PATCH", "/v1/networks/lan1", "a", "image/png", {}, 415, "json"),
        ("POST", "/v1/apply", big, JSON, {}, 413, "1048576"),
        ("POST", "/v1/apply", big, YAML, {}, 413, "1048576"),
        ("POST", "/v1/hosts/join", '{"token": 7}', JSON, {}, 400, "token"),
        ("POST", "/v1/hosts/join", '{"token": "abc"}', JSON, {}, 400, "token"),
        ("POST", "/v1/hosts/join", "{}", JSON, {}, 400, "token"),
        ("POST", "/v1/hosts/invite", '{"expires": "soon"}', JSON, {}, 400, "soon"),
        ("POST", "/v1/hosts/invite", '{"expires": "-1h"}', JSON, {}, 400, "-1h"),
        ("GET", "/v1/resolve?type=A", "", JSON, {}, 400, "name"),
        ("GET", "/v1/resolve?name=web&type=BANANA", "", JSON, {}, 400, "type"),
        ("GET", "/v1/routers", "", JSON, {}, 501, "not built yet"),
        ("PUT", "/v1/services/x", "{}", JSON, {}, 400, "network"),
        ("POST", "/v1/hosts/alpha/revoke", "", JSON, {}, 501, "not built yet"),
    ]
    for body in deep:
        for kind in (JSON, YAML):
            table.append(("POST", "/v1/apply", body, kind, {}, 400, " de"))
    for method, url, body, kind, headers, status, word in table:
        more = {k.replace("-", "_"): v for k, v in headers.items()}
        answer = ask(method, url, body, kind, **more)
        what = f"{method} {url[:60]} {body[:40]!r}"
        if not answer:
            wrong.append(f"{what}: no answer")
            continue
        text = answer[2].decode()
        if answer[0] != status or word not in text + answer[1].get("allow", ""):
            wrong.append(f"{what}: {answer[0]} instead of {status} ({text[:300]})")
        elif status >= 400 and answer[1].get("content-type") != "application/problem+json":
            wrong.append(f"{what}: no problem detail")
    if ask("OPTIONS", "*") is None or ask("GET", "/?" + "a=1&" * 50) is None:
        wrong.append("odd request lines get no answer")
    no_http()


def no_http():
    """What is no HTTP gets a refusal or the end of the connection, soon."""
    for text in (b"hello\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                 b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
                 b"POST /v1/apply HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"):
        with connect() as s:
            s.sendall(text)
            s.shutdown(socket.SHUT_WR)
            try:
                answer = read_answer(s)
            except TimeoutError:
                wrong.append(f"{text[:40]!r} is waited for")
                continue
            except OSError:
                continue
            if answer and answer[0] < 400:
                wrong.append(f"{text[:40]!r} is answered with {answer[0]}")


# --- types -----------------------------------------------------------------------------------------

VALUES = [None, True, 0, -1, 2**31, 2**63, 1.5, "", "x", "\u0000", "a" * 70000, "\U0001f600", "../..",
          [], [None], [[]], [{}], ["x"] * 3000, {}, {"": ""}, {"x": {"x": {"x": []}}}, {"a" * 5000: 1}]


def types():
    spec = json.loads(ask("GET", "/openapi.json")[2])
    n = 0
    for kind, at in (("network", "/v1/networks/lan1"), ("network", "/v1/networks/new1"),
                     ("port", "/v1/ports/lan1/p1"), ("endpoint", "/v1/endpoints/lan1/e1"),
                     ("host", "/v1/hosts/beta"), ("link", "/v1/links/alpha-beta")):
        keys = list(spec["components"]["schemas"][kind]["properties"]) + ["no-such-key"]
        for key in keys:
            for value in VALUES:
                # The file is judged and not carried out.
                plural = at.split("/")[2]
                inner = {at.split("/")[-1]: {key: value}}
                if kind in ("port", "endpoint"):
                    inner = {"lan1": {plural: inner}}
                    plural = "networks"
                for answer in (ask("POST", "/v1/apply?dry_run=1", {"version": 1, plural: inner}),
                               ask("PATCH", at, {key: value}, If_Match='"1"')):
                    n += 1
                    if not answer or answer[0] >= 500 and answer[0] != 501:
                        wrong.append(f"{at} {key}={str(value)[:40]}: {answer}")
                    elif answer[0] == 400 and not json.loads(answer[2]).get("errors") and \
                            not json.loads(answer[2]).get("detail"):
                        wrong.append(f"{at} {key}: nothing says what is wrong: {answer[2]}")
    if n < 1000:
        wrong.append(f"only {n} requests were made")


# --- the description -------------------------------------------------------------------------------

def resolve(spec, ref):
    for part in ref.removeprefix("#/").split("/"):
        spec = spec[part]
    return spec


def check_refs(spec, node, where):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                try:
                    resolve(spec, value)
                except (KeyError, TypeError):
                    wrong.append(f"{where}: {value} leads nowhere")
            else:
                check_refs(spec, value, f"{where}/{key}")
    elif isinstance(node, list):
        for i, value in enumerate(node):
            check_refs(spec, value, f"{where}/{i}")


def check_schema(node, where):
    """JSON Schema 2020-12, as far as it is used."""
    known = {"type", "properties", "items", "required", "enum", "pattern", "minimum", "maximum", "default",
             "description", "$ref", "additionalProperties", "readOnly", "oneOf", "anyOf", "allOf", "format",
             "minLength", "maxLength", "minItems", "maxItems", "propertyNames", "patternProperties",
             "examples", "const", "title", "maxProperties", "uniqueItems"}
    if not isinstance(node, dict):
        if not isinstance(node, bool):
            wrong.append(f"{where}: no schema")
        return
    if set(node) - known:
        wrong.append(f"{where}: unknown words {set(node) - known}")
    types_ = node.get("type", [])
    for t in types_ if isinstance(types_, list) else [types_]:
        if t not in ("object", "array", "string", "integer", "number", "boolean", "null"):
            wrong.append(f"{where}: no type {t}")
    if "pattern" in node:
        re.compile(node["pattern"])
    for key, value in node.get("properties", {}).items():
        check_schema(value, f"{where}/{key}")
    for key in ("items", "additionalProperties"):
        if key in node:
            check_schema(node[key], f"{where}/{key}")
    for key in ("oneOf", "anyOf", "allOf"):
        for i, value in enumerate(node.get(key, [])):
            check_schema(value, f"{where}/{key}/{i}")


def openapi():
    status, headers, body = ask("GET", "/openapi.json")
    spec = json.loads(body)
    if status != 200 or headers["content-type"] != "application/json" or \
            not spec["openapi"].startswith("3.1.") or not spec["info"]["title"] or not spec["info"]["version"]:
        wrong.append("the head of the description")
    if validator:  # A linter, where there is one: Debian 12 has none for OpenAPI 3.1.
        wrong.extend(f"openapi: {e.message}" for e in validator(spec).iter_errors())
    check_refs(spec, spec, "")
    for name, schema in spec["components"]["schemas"].items():
        check_schema(schema, name)
    for path, item in spec["paths"].items():
        declared = {p["name"] for p in item.get("parameters", []) if p["in"] == "path"}
        for method, operation in item.items():
            if method == "parameters":
                continue
            mine = declared | {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            if method not in ("get", "put", "post", "patch", "delete") or not operation["responses"]:
                wrong.append(f"{method} {path}")
            if mine != set(re.findall(r"{(\w+)}", path)):
                wrong.append(f"{method} {path}: parameters {mine}")
            for code, response in operation["responses"].items():
                if "$ref" in response:
                    response = resolve(spec, response["$ref"])
                if not re.fullmatch(r"default|[1-5]\d\d", code) or "description" not in response:
                    wrong.append(f"{method} {path}: answer {code}")
                for media in response.get("content", {}).values():
                    check_schema(media.get("schema", {}), f"{method} {path} {code}")
            # What is described is there.
            url = re.sub(r"{\w+}", "lan1", path)
            if method == "get" and ask("GET", url)[0] in (405, 501):
                wrong.append(f"GET {path} is described and not there")
    for path in ("/v1/networks", "/v1/networks/{name}", "/v1/ports", "/v1/endpoints", "/v1/hosts",
                 "/v1/links", "/v1/apply", "/v1/export", "/v1/status", "/metrics"):
        if path not in spec["paths"]:
            wrong.append(f"{path} is not described")


{"probe": probe, "slow": slow, "requests": requests, "types": types, "openapi": openapi}[sys.argv[2]]()
for line in wrong[:20]:
    print(line)
sys.exit(1 if wrong else 0)
