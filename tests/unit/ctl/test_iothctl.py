#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""iothctl against a fake daemon: what it asks, what it prints, how it ends.

usage: test_iothctl.py IOTHCTL [unittest options]
"""

import json
import os
import re
import shutil
import signal
import socketserver
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import xml.etree.ElementTree

from fake_daemon import FakeDaemon, FakePlug, Problem

IOTHCTL = None


class Result:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr


class Base(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="ioth-ctl-")
        self.addCleanup(self.dir.cleanup)
        os.mkdir(self.path("run"), 0o700)
        self.env = dict(PATH=os.environ["PATH"], HOME=self.dir.name, LANG="C.UTF-8",
                        IOTH_RUN_DIR=self.path("run"), IOTH_STATE_DIR=self.path("state"),
                        ASAN_OPTIONS=os.environ.get("ASAN_OPTIONS", "detect_leaks=1"))

    def path(self, name):
        return os.path.join(self.dir.name, name)

    def ctl(self, *args, stdin=None, **env):
        return Result(subprocess.run([IOTHCTL, *args], input=stdin, capture_output=True, text=True,
                                     timeout=30, env=dict(self.env, **env)))

    def check(self, code, *args, **more):
        r = self.ctl(*args, **more)
        self.assertEqual(r.code, code, f"{args}: {r.out}{r.err}")
        return r


class WithDaemon(Base):
    def setUp(self):
        super().setUp()
        self.daemon = FakeDaemon(self.path("run/api.sock"))
        self.addCleanup(self.daemon.close)
        self.daemon.actions[("GET", "/v1/status")] = lambda q, b: (
            200, dict(version="9.9", host="alpha", fabric="campus", problems=["disk is full"]))

    def last(self):
        return self.daemon.requests[-1]

    def hosts(self):
        self.daemon.put("hosts", "alpha", founder=True, status=dict(state="self"))
        self.daemon.put("hosts", "beta", status=dict(
            state="up", address="198.51.100.2:4655", rtt_us=1234, cipher="AES-256-GCM", mtu=1472))
        self.daemon.put("hosts", "gamma", status=dict(state="down"))
        self.daemon.put("links", "alpha-beta", between=["alpha", "beta"], status=dict(
            state="up", address="198.51.100.2:4655", rtt_us=1234, cipher="AES-256-GCM", mtu=1472))
        self.daemon.put("links", "alpha-gamma", between=["alpha", "gamma"],
                        status=dict(state="down"))


class Usage(Base):
    """Wrong usage never reaches a daemon: there is none here, and --no-start is not given."""

    def one_line(self, code, *args):
        r = self.check(code, *args)
        self.assertEqual(r.out, "")
        self.assertEqual(r.err.count("\n"), 1, r.err)
        self.assertTrue(r.err.startswith("iothctl: "), r.err)
        return r.err

    def test_nearest_word(self):
        for line, near in [(["nett"], "net?"), (["net", "craete", "x"], "create?"),
                           (["net", "create", "x", "--vlna", "3"], "--vlan?"),
                           (["-o", "jsn", "net", "ls"], "json?"),
                           (["--sokcet", "x", "net", "ls"], "--socket?")]:
            self.assertIn("did you mean " + near, self.one_line(2, *line))

    def test_no_nearest_word(self):
        """Where nothing is near, the way to the list, and not the list cut off."""
        r = self.check(2, "service", "create", "x", "--zork", "3")
        self.assertEqual(r.err, "iothctl: service create x failed: unknown option --zork (none is near it)\n"
                                "hint: iothctl service create --help\n")
        self.assertIn("did you mean --check-command?",
                      self.one_line(2, "service", "create", "x", "--check-comand", "y"))

    def test_no_file_says_it(self):
        for line in (["host", "invite"], ["host", "join", "T"], ["host", "leave"], ["token", "rm", "t"],
                     ["token", "create", "--scope", "read"], ["daemon", "stop"], ["rollback", "3"],
                     ["service", "restart", "x"], ["fabric", "key", "export", "f"]):
            with self.subTest(line):
                self.assertRegex(self.one_line(1, *line, "--print-yaml"),
                                 r"--print-yaml: .*(no file|in the history)")
                self.assertNotIn("print-yaml", self.check(0, *line[:2], "--help").out)
        self.assertIn("no file starts a program",
                      self.one_line(125, "run", "--net", "x", "--print-yaml", "--", "true"))

    def test_wrong_usage(self):
        for line in (["net"], ["net", "create"], ["net", "create", "a", "b"],
                     ["net", "create", "Big"], ["net", "create", "x", "--vlan", "4095"],
                     ["net", "create", "x", "--vlan", "1", "--vlan", "1=y"],
                     ["net", "create", "x", "--mtu", "1000"], ["net", "set", "x", "novalue"],
                     ["net", "create", "x", "--local=yes"], ["net", "create", "x", "--ipv4"],
                     ["port", "add", "x"], ["port", "add", "x", "--vde", "--tap", "t"],
                     ["port", "show", "x"], ["port", "rm", "x"], ["net", "ls", "--", "x"],
                     ["apply"], ["completion", "tcsh"], ["fabric", "key", "move", "f"]):
            with self.subTest(line):
                self.one_line(2, "--no-start", *line)

    def test_check_command(self):
        for command in ('sh -c "exit 0"', "sh -c 'exit 0'", "sh -c exit\\ 0"):
            err = self.check(2, "service", "create", "x", "--net", "l", "--check-command", command,
                             "--", "true").err
            self.assertIn("hold no quotes", err)
            self.assertIn("hint: a list, as", err)

    def test_refused_by_name(self):
        for line in (["router", "ls"], ["store", "show"],
                     ["import", "netplan", "f"],
                     ["host", "revoke", "b"],
                     ["link", "set", "b", "--delay", "10ms"],
                     ["net", "create", "x", "--forwarding", "mesh"]):
            with self.subTest(line):
                self.assertIn("not built yet", self.one_line(1, *line))

    def test_run_is_ours(self):
        self.one_line(125, "run", "--net", "x")
        self.one_line(125, "run", "--net", "x", "true")
        self.one_line(125, "run", "--nte", "x", "--", "true")
        self.one_line(125, "run", "--net", "x", "--stack", "lwip", "--root", "--", "true")

    def test_help(self):
        out = self.check(0, "--help").out
        for noun in ("net create", "host join", "topology", "daemon start"):
            self.assertIn(noun, out)
        self.assertNotIn("router", out)
        self.assertIn("--vlan ID", self.check(0, "net", "create", "-h").out)
        self.assertIn("net rm", self.check(0, "help", "net").out)
        self.assertIn("usage: iothctl run [OPTION…] -- CMD…\n", self.check(0, "run", "--help").out)
        self.assertEqual(self.ctl().code, 2)

    def test_manual(self):
        """docs/man/iothctl.1 is what the table says; `iothctl help --manual` makes it."""
        root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../..")
        with open(os.path.join(root, "docs/man/iothctl.1"), encoding="utf-8") as f:
            self.assertEqual(f.read(), self.check(0, "help", "--manual").out)

    def test_reference(self):
        """docs/reference.md is what the tables say; `iothctl help --reference` makes it."""
        docs = os.path.join(os.path.dirname(__file__), "../../../docs/reference.md")
        with open(docs, encoding="utf-8") as f:
            self.assertEqual(f.read(), self.check(0, "help", "--reference").out)

    def test_complete(self):
        def words(*typed):
            return self.check(0, "complete", "--", *typed).out.split()
        self.assertEqual(words("topol"), ["topology"])
        self.assertIn("net", words(""))
        self.assertNotIn("complete", words(""))
        self.assertEqual(words("net", "cr"), ["create"])
        self.assertEqual(words("-o", "js"), ["json"])
        self.assertEqual(words("-o", "json", "net", "create", "x", "--vl"), ["--vlan"])
        self.assertEqual(words("net", "create", "--forwarding", "d"), ["direct"])
        self.assertEqual(words("net", "set", "lan1", "mt"), ["mtu="])
        self.assertEqual(words("net", "set", "lan1", "mtu=1500", "forwarding=d"), ["forwarding=direct"])
        self.assertEqual(words("port", "set", "lan1/p", "vde="), ["vde=true", "vde=false"])
        self.assertNotIn("local=", words("net", "set", "lan1", ""))  # It is never changed.
        self.assertEqual(words("apply", "-f", ""), [])  # Files.
        self.assertEqual(words("completion", "z"), ["zsh"])
        self.assertEqual(words("run", "--net", "x", "--", "-"), [])
        self.assertEqual(words("no", "such", ""), [])

    # What the shells make of it: what is typed, and what the last word becomes.
    TYPED = (("net cr", "create"), ("net create x --vl", "--vlan"), ("topol", "topology"),
             ("net set x mt", "mtu="))

    def test_completion_bash(self):
        script = self.check(0, "completion", "bash").out
        probe = script
        for line, _ in self.TYPED + (("net set x forwarding = d", "direct"),):
            probe += f"\nCOMP_WORDS=({IOTHCTL} {line}); COMP_CWORD={len(line.split())}; _iothctl; " \
                     'echo "${COMPREPLY[@]}"'
        r = subprocess.run(["bash", "-u"], input=probe, capture_output=True, text=True, timeout=30)
        self.assertEqual(r.stderr, "")
        self.assertEqual(r.stdout.split(), [word for _, word in self.TYPED] + ["direct"])

    @unittest.skipUnless(shutil.which("fish"), "there is no fish")
    def test_completion_fish(self):
        script = self.check(0, "completion", "fish").out
        os.symlink(IOTHCTL, self.path("iothctl"))
        for line, word in self.TYPED:
            r = subprocess.run(["fish", "--no-config", "-c", script + f"\ncomplete -C 'iothctl {line}'"],
                               capture_output=True, text=True, timeout=30,
                               env=dict(self.env, PATH=self.dir.name + ":" + os.environ["PATH"]))
            self.assertEqual(r.stdout.split(), [word], r.stderr)

    @unittest.skipUnless(shutil.which("zsh"), "there is no zsh")
    def test_completion_zsh(self):
        script = self.check(0, "completion", "zsh").out
        for line, word in self.TYPED:
            words = " ".join([IOTHCTL, *line.split()])
            probe = "compdef() { :; }\n" \
                    "compadd() { while [[ $1 != -- ]]; do shift; done; shift; print -r -- $@; }\n" \
                    "_files() { print FILES; }\n" + script + \
                    f"\nwords=({words}); CURRENT={len(line.split()) + 1}; _iothctl\n"
            r = subprocess.run(["zsh", "-f"], input=probe, capture_output=True, text=True, timeout=30)
            self.assertEqual(r.stderr, "")
            self.assertEqual(r.stdout.split(), [word])


class Unreachable(Base):
    def test_no_start(self):
        r = self.check(4, "--no-start", "net", "ls")
        self.assertIn("hint: iothctl daemon start", r.err)
        self.check(4, "--socket", self.path("none.sock"), "net", "ls")
        self.check(4, "net", "ls", IOTH_SOCKET=self.path("none.sock"))

    def test_path_too_long(self):
        r = self.check(4, "--socket", "/tmp/" + "x" * 120, "net", "ls")
        self.assertIn("too long", r.err)

    def test_not_http(self):
        class Rude(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.recv(1)
                self.request.sendall(b"hello\r\n")

        with socketserver.UnixStreamServer(self.path("run/api.sock"), Rude) as server:
            server.handle_error = lambda request, address: None  # The first probe just hangs up.
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
            self.check(4, "net", "ls")
            server.shutdown()

    def copy(self):
        """iothctl alone in a folder: it finds the fabricd that the test puts beside it."""
        os.mkdir(self.path("alone"))
        subprocess.run(["cp", IOTHCTL, self.path("alone/iothctl")], check=True)
        return self.path("alone/iothctl")

    def test_starts_a_daemon(self):
        program = self.copy()
        here = os.path.dirname(os.path.abspath(__file__))
        with open(self.path("alone/fabricd"), "w", encoding="utf-8") as f:
            f.write(f"""#!{sys.executable}
import os, sys, time
sys.path.insert(0, {here!r})
from fake_daemon import FakeDaemon
print("up", flush=True)
d = FakeDaemon({self.path("run/api.sock")!r})
d.actions[("GET", "/v1/status")] = lambda q, b: (200, dict(host="x", pids=dict(parent=os.getpid())))
d.actions[("POST", "/v1/daemon/stop")] = lambda q, b: (os.unlink({self.path("run/api.sock")!r}), (204,))[1]
open({self.path("pid")!r}, "w").write(str(os.getpid()))
assert os.getsid(0) == os.getpid() and os.getcwd() == "/"
for _ in range(600):
    if not os.path.exists({self.path("run/api.sock")!r}):
        sys.exit(0)
    time.sleep(0.05)
""")
        os.chmod(self.path("alone/fabricd"), 0o755)
        done = subprocess.run([program, "net", "ls"], capture_output=True, text=True, env=self.env,
                              timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("starting", done.stderr)
        self.assertIn("up", self.check(0, "daemon", "log").out)
        self.assertEqual(stat.S_IMODE(os.stat(self.path("state/fabricd.log")).st_mode), 0o600)
        self.assertIn("already", self.check(0, "daemon", "start").err)
        self.check(0, "daemon", "stop")
        self.check(4, "--no-start", "net", "ls")
        self.assertIn("no daemon", self.check(0, "daemon", "stop").err)

    def test_daemon_that_dies(self):
        program = self.copy()
        with open(self.path("alone/fabricd"), "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\necho 'no room for me' >&2\nexit 1\n")
        os.chmod(self.path("alone/fabricd"), 0o755)
        done = subprocess.run([program, "net", "ls"], capture_output=True, text=True, env=self.env,
                              timeout=30)
        self.assertEqual(done.returncode, 4)
        self.assertIn("no room for me", done.stderr)
        self.assertIn("hint: iothctl daemon log", done.stderr)

    def test_no_fabricd(self):
        done = subprocess.run([self.copy(), "net", "ls"], capture_output=True, text=True,
                              env=dict(self.env, PATH="/nowhere"), timeout=30)
        self.assertEqual(done.returncode, 4)
        self.assertIn("fabricd", done.stderr)


class Nets(WithDaemon):
    def test_create(self):
        r = self.check(0, "net", "create", "lan1")
        self.assertEqual(r.out, "lan1  10.64.0.0/24  fd00:0:0:1::/64\n")
        method, path, body, headers = self.last()
        self.assertEqual((method, path, body), ("PUT", "/v1/networks/lan1", {}))
        self.assertEqual(headers["If-None-Match"], "*")
        r = self.check(1, "net", "create", "lan1")
        self.assertEqual(r.err, "iothctl: net create lan1 failed: lan1 exists already\n"
                                "hint: iothctl net show lan1\n")
        self.assertEqual(self.check(0, "-q", "net", "create", "lan2").out, "")

    def test_create_options(self):
        self.check(0, "net", "create", "x", "--vlan", "10=staff", "--vlan", "20", "--mtu", "9000",
                   "--local", "--allow", "uid:5", "--allow", "group:dev", "--on", "alpha,beta",
                   "--forwarding", "direct", "--stp", "off", "--ipv6", "none")
        self.assertEqual(self.last()[2], dict(
            vlans={"10": {"name": "staff"}, "20": {}}, mtu=9000, local=True,
            allow=["uid:5", "group:dev"], on=["alpha", "beta"], forwarding="direct", stp="off",
            ipv6="none"))
        self.check(0, "net", "create", "y", "--on", "all")
        self.assertEqual(self.last()[2], {"on": "all"})

    def test_globals_anywhere(self):
        for line in (["-o", "json", "net", "ls"], ["net", "-o", "json", "ls"],
                     ["net", "ls", "-ojson"], ["net", "ls", "--output=json"],
                     ["--socket", self.path("run/api.sock"), "net", "ls", "--output", "json"]):
            self.assertEqual(json.loads(self.check(0, *line).out), [])

    def test_ls(self):
        self.daemon.put("networks", "lan1", ipv4="10.64.0.0/24", ipv6="fd00::/64",
                        status=dict(hosts=["alpha", "beta"], degraded=["alpha-gamma"], ports=3))
        self.daemon.put("networks", "office", vlans={"10": {"name": "staff"}, "20": {}}, local=True,
                        status=dict(hosts=["alpha"], ports=12))
        self.assertEqual(self.check(0, "net", "ls").out.splitlines(), [
            "NAME    IPV4          IPV6       VLANS         PORTS  HOSTS        STATE",
            "lan1    10.64.0.0/24  fd00::/64  -                 3  alpha, beta  degraded: alpha-gamma",
            "office  -             -          10 staff, 20     12  local        ok"])
        listed = json.loads(self.check(0, "net", "ls", "-o", "json").out)
        self.assertEqual([n["name"] for n in listed], ["lan1", "office"])
        self.assertEqual(listed[0]["kind"], "network")

    def test_show(self):
        self.daemon.put("networks", "lan1", ipv4="10.64.0.0/24", status=dict(ports=3))
        out = self.check(0, "net", "show", "lan1").out
        self.assertIn("ipv4:          10.64.0.0/24\n", out)
        self.assertIn("status.ports:  3\n", out)
        self.daemon.put("ports", "lan1/p", rate=10000000, status=dict(
            counters=dict(rx_bytes=1536, rx_frames=12345)))
        out = self.check(0, "port", "show", "lan1/p").out
        for line in ("rate: +10M bit/s", r"counters.rx_bytes: +1\.5 KiB", "rx_frames: +12345"):
            self.assertRegex(out, line)
        self.assertEqual(self.daemon.objects["networks"]["lan1"]["ipv4"],
                         json.loads(self.check(0, "net", "show", "lan1", "-o", "json").out)["ipv4"])
        self.assertIn("name: lan1", self.check(0, "net", "show", "lan1", "-o", "yaml").out)

    def test_missing(self):
        r = self.check(3, "net", "show", "nosuch")
        self.assertEqual(r.err, "iothctl: net show nosuch failed: there is no network nosuch\n")
        self.check(3, "net", "show", "../hosts")
        self.check(3, "net", "show", "")
        self.check(3, "port", "show", "a/b")
        self.check(3, "port", "ls", "nosuch")

    def test_set(self):
        self.daemon.put("networks", "x", mtu=1500, vlans={"10": {"name": "a"}}, on=["alpha"])
        self.check(0, "net", "set", "x", "mtu=9000", "vlans.10.name=staff", "vlans.20={}", "on=",
                   "allow=[uid:5, gid:6]")
        self.assertEqual(self.last()[2], dict(mtu=9000, vlans={"10": {"name": "staff"}, "20": {}},
                                              on=None, allow=["uid:5", "gid:6"]))
        r = self.check(2, "net", "set", "x", "nonsense=1")
        self.assertIn("nonsense: unknown key, did you mean none?", r.err)

    def test_rm(self):
        self.daemon.put("networks", "a")
        self.daemon.put("networks", "c")
        r = self.check(3, "net", "rm", "a", "b", "c")
        self.assertEqual(r.err, "iothctl: net rm b failed: there is no network b\n")
        self.assertEqual(self.daemon.objects["networks"], {})

    def test_one_connection(self):
        self.hosts()
        self.check(0, "topology")
        self.assertEqual(len(self.daemon.connections), 1)

    def test_hostile_texts(self):
        self.daemon.put("networks", "x", ipv4="\x1b[31mred\n\u202e")
        for form in ("ls", "show"):
            out = self.check(0, "net", form, *(["x"] if form == "show" else [])).out
            self.assertNotIn("\x1b", out)

    def test_no_colour(self):
        self.daemon.put("networks", "x")
        self.assertNotIn("\x1b", self.check(0, "net", "ls").out)
        for env, colour in (({}, True), ({"NO_COLOR": "1"}, False)):
            main, other = os.openpty()
            subprocess.run([IOTHCTL, "net", "ls"], stdout=other, env=dict(self.env, TERM="xterm", **env),
                           check=True, timeout=30)
            os.close(other)
            self.assertEqual(b"\x1b[" in os.read(main, 65536), colour)
            os.close(main)


class Others(WithDaemon):
    def test_port_add(self):
        self.check(3, "port", "add", "lan1", "--vde")
        self.daemon.put("networks", "lan1")
        self.check(0, "port", "add", "lan1", "--tap", "Office_0", "--access", "10", "--rate", "10M")
        self.assertEqual(self.daemon.requests[-2][:3],
                         ("PUT", "/v1/ports/lan1/office-0",
                          dict(tap="Office_0", access=10, rate="10M")))
        self.assertEqual(self.check(0, "port", "add", "lan1", "--vde").out, "lan1/vde1\n")
        self.assertEqual(self.check(0, "port", "add", "lan1", "--vde").out, "lan1/vde2\n")
        self.assertEqual(self.check(0, "port", "add", "lan1", "gate", "--vde").out, "lan1/gate\n")
        self.daemon.put("ports", "lan2/x")
        self.assertEqual(len(self.check(0, "port", "ls", "lan1").out.splitlines()), 5)
        self.check(0, "port", "rm", "lan1/gate")

    def test_endpoints(self):
        self.daemon.put("endpoints", "lan1/web", vlan=10, mac="02:00:00:00:00:01", host="alpha",
                        addresses=["10.64.0.2/24", "fd00::2/64"], status=dict(state="up"))
        out = self.check(0, "endpoint", "ls").out.splitlines()
        self.assertEqual(out[1].split(), ["lan1/web", "10", "10.64.0.2/24,", "fd00::2/64",
                                          "02:00:00:00:00:01", "alpha", "up"])
        self.check(0, "endpoint", "rm", "lan1/web")

    def test_hosts_and_links(self):
        self.hosts()
        self.assertEqual(self.check(0, "host", "ls").out.splitlines()[2].split(),
                         ["beta", "up", "198.51.100.2:4655", "1.2", "ms", "AES-256-GCM", "1472",
                          "member"])
        self.assertEqual(self.check(0, "link", "ls").out.splitlines()[1].split()[:6],
                         ["alpha-beta", "up", "-", "1.2", "ms", "AES-256-GCM"])
        self.check(0, "link", "show", "beta")
        self.assertEqual(self.last()[1], "/v1/links/alpha-beta")
        self.check(3, "link", "add", "delta", "198.51.100.9:4655")
        self.daemon.put("hosts", "delta")
        self.check(0, "link", "add", "delta", "198.51.100.9:4655")
        self.assertEqual(self.last()[:3], ("PUT", "/v1/links/alpha-delta", dict(
            between=["alpha", "delta"], address="198.51.100.9:4655")))
        self.check(0, "link", "rm", "delta")
        self.check(3, "link", "rm", "delta")

    def test_invite_and_join(self):
        self.daemon.actions[("POST", "/v1/hosts/invite")] = lambda q, b: (
            200, dict(token="ioth1.SECRET", expires="1h", asked=b))
        self.assertEqual(self.check(0, "host", "invite", "--expires", "2h").out, "ioth1.SECRET\n")
        self.assertEqual(self.last()[2], {"expires": "2h"})
        self.daemon.actions[("POST", "/v1/hosts/join")] = lambda q, b: (200, dict(name="campus"))
        self.assertEqual(self.check(0, "host", "join", "ioth1.SECRET", "--discard").out,
                         "joined the fabric campus\n")
        self.assertEqual(self.last()[2], dict(token="ioth1.SECRET", discard=True))
        self.daemon.actions[("POST", "/v1/hosts/join")] = lambda q, b: (
            200, dict(name=None, founder="alpha"))
        self.assertEqual(self.check(0, "host", "join", "ioth1.SECRET").out,
                         "joined the fabric of alpha\n")
        self.check(0, "host", "join", "-", stdin="ioth1.OTHER\n")
        self.assertEqual(self.last()[2], dict(token="ioth1.OTHER"))

        def used(query, body):
            raise Problem(409, "the token was used already", hint="iothctl host invite")
        self.daemon.actions[("POST", "/v1/hosts/join")] = used
        r = self.check(1, "host", "join", "ioth1.SECRET")
        self.assertEqual(r.err, "iothctl: host join failed: the token was used already\n"
                                "hint: iothctl host invite\n")

    def test_fabric(self):
        self.daemon.actions[("GET", "/v1/fabric")] = lambda q, b: (200, dict(name="campus", id="12"))
        self.assertEqual(self.check(0, "fabric", "show").out, "name:  campus\nid:    12\n")
        self.daemon.actions[("POST", "/v1/fabric/rename")] = lambda q, b: (200, b)
        self.check(0, "fabric", "rename", "other")
        self.assertEqual(self.last()[2], {"name": "other"})

    def test_key(self):
        dropped = []
        self.daemon.actions[("POST", "/v1/fabric/key/drop")] = lambda q, b: (
            dropped.append(1), os.unlink(self.path("state/keys/root.key")), (204,))[2]
        key = "ioth root key 1 " + "A" * 43 + "\n"
        self.daemon.actions[("GET", "/v1/fabric")] = lambda q, b: (200, dict(
            root="3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29"))
        os.makedirs(self.path("state/keys"))
        with open(self.path("state/keys/root.key"), "w", encoding="ascii") as f:
            f.write(key)
        self.check(0, "fabric", "key", "export", self.path("k"))
        self.assertEqual(dropped, [1])
        self.assertEqual(stat.S_IMODE(os.stat(self.path("k")).st_mode), 0o600)
        self.check(3, "fabric", "key", "export", self.path("k2"))
        self.check(0, "fabric", "key", "import", self.path("k"))
        with open(self.path("state/keys/root.key"), encoding="ascii") as f:
            self.assertEqual(f.read(), key)
        self.check(1, "fabric", "key", "export", self.path("k"))  # Overwrites nothing.
        self.check(2, "fabric", "key", "import", __file__)

    def test_status(self):
        self.hosts()
        self.daemon.put("networks", "lan1", status=dict(hosts=["alpha", "beta"], ports=2,
                                                        degraded=["alpha-gamma"]))
        out = self.check(0, "status").out
        for text in ("host:      alpha", "fabric:    campus", "hosts up:  2 of 3", "AES-256-GCM",
                     "degraded: alpha-gamma", "disk is full"):
            self.assertIn(text, out)
        self.assertEqual(json.loads(self.check(0, "status", "-o", "json").out)["host"], "alpha")

    def test_status_of_an_apply(self):
        standing = dict(revision=41, who="root", host="alpha", phase="confirm", until=1777636800000)
        self.daemon.actions[("GET", "/v1/status")] = lambda q, b: (
            200, dict(version="9.9", host="alpha", apply=standing))
        self.assertRegex(self.check(0, "status").out,
                         r"\napply: revision 41 by root on alpha waits to be accepted until "
                         r"2026-\S+ \S+; iothctl apply --accept\n")
        standing["phase"] = "verify"
        self.assertNotIn("accept", self.check(0, "status").out)

    def test_watch(self):
        self.hosts()
        p = subprocess.Popen([IOTHCTL, "status", "--watch"], env=self.env, stdout=subprocess.PIPE)
        end = time.monotonic() + 20
        while sum(r[1] == "/v1/status" for r in self.daemon.requests) < 2:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)
        p.terminate()
        p.communicate(timeout=10)

    def test_version(self):
        self.assertRegex(self.check(0, "version").out, r"^iothctl \S+\nfabricd 9\.9\n$")
        self.assertRegex(self.check(0, "--version").out, r"^iothctl \S+\nfabricd 9\.9\n$")

    def assert_svg_fits(self, svg):
        """No text leaves its box, no link the picture."""
        root = xml.etree.ElementTree.fromstring(svg)
        height = int(root.get("height"))
        boxes = [{k: int(v) for k, v in e.attrib.items() if v.isdigit()}
                 for e in root if e.tag.endswith("rect")]
        rows = [e for e in root if e.get("class") in ("title", "net", "item")]
        inside = [e for e in rows for b in boxes
                  if b["x"] < int(e.get("x")) and b["y"] < int(e.get("y")) < b["y"] + b["height"]
                  and int(e.get("x")) + 8 * len(e.text) <= b["x"] + b["width"]]
        self.assertEqual({id(e) for e in rows if e.get("y") != "20"}, {id(e) for e in inside})
        paths = [e for e in root if e.tag.endswith("path")]
        self.assertEqual(len(paths), 2)
        for path in paths:
            y = [int(n) for n in re.findall(r"-?[0-9]+", path.get("d"))][1::2]
            crest = (y[0] + 2 * y[1] + y[2]) / 4
            self.assertTrue(0 < crest < min(b["y"] for b in boxes) and y[0] < height)

    def test_problem_without_json(self):
        self.daemon.actions[("GET", "/v1/networks")] = lambda q, b: (500, b"<html>", "text/html")
        self.assertIn("status 500", self.check(1, "net", "ls").err)
        self.daemon.actions[("GET", "/v1/networks")] = lambda q, b: (200, b"{broken", "application/json")
        self.assertIn("not JSON", self.check(1, "net", "ls").err)

    def test_topology(self):
        self.hosts()
        self.daemon.put("networks", "lan1", ipv4="10.64.0.0/24",
                        status=dict(hosts=["alpha", "beta"], degraded=["alpha-gamma"]))
        self.daemon.put("endpoints", "lan1/web", addresses=["10.64.0.2/24"], host="alpha",
                        status=dict(state="up"))
        self.daemon.put("ports", "lan1/web", status=dict(state="up", kind="tap", host="alpha"))
        self.daemon.put("ports", "lan1/gate", host="beta", status=dict(state="up", kind="vde"))
        self.assertEqual(self.check(0, "topology").out, """fabric campus
┌─ alpha (this host) ────────────┐
│ lan1  10.64.0.0/24             ├──┐      alpha-beta: up, 1.2 ms, AES-256-GCM
│ └─ web  10.64.0.2/24  up       ├┈┈┼┈┈┐   alpha-gamma: down
└────────────────────────────────┘  │  ┊
┌─ beta (up, 198.51.100.2:4655) ─┐  │  ┊
│ lan1  10.64.0.0/24             ├──┘  ┊
│ └─ gate  vde  up               │     ┊
└────────────────────────────────┘     ┊
┌─ gamma (down) ─────────────────┐     ┊
│ no networks                    ├┈┈┈┈┈┘
└────────────────────────────────┘
degraded: lan1: alpha-gamma
""")
        ascii_only = self.check(0, "topology", LANG="C").out
        self.assertTrue(ascii_only.isascii())
        self.assertIn("subgraph cluster_0", self.check(0, "topology", "-o", "dot").out)
        self.daemon.put("endpoints", "lan1/wide", host="beta", status=dict(state="down"),
                        addresses=["10.64.0.3/24", "fd68:285e:fdb5:ca85:1ef2:d754:6fe3:29fb/64"])
        svg = self.check(0, "topology", "-o", "svg").out
        self.assertTrue(svg.startswith("<svg ") and svg.endswith("</svg>\n"))
        self.assert_svg_fits(svg)
        drawn = json.loads(self.check(0, "-o", "json", "topology").out)
        self.assertEqual([h["name"] for h in drawn["hosts"]], ["alpha", "beta", "gamma"])
        self.assertEqual(drawn["links"][1], dict(name="alpha-gamma", between=["alpha", "gamma"],
                                                 up=False))


class Capture(WithDaemon):
    ARP = bytes.fromhex("ffffffffffff 020000000001 0806 0001080006040001 020000000001 0a400001"
                        "000000000000 0a400002")
    OTHER = bytes.fromhex("020000000001 020000000002 88b5") + bytes(46)

    def plug(self, *frames, **more):
        plug = FakePlug(self.path("run/plug.sock"), frames, **more)
        self.addCleanup(plug.close)
        return plug

    def test_lines(self):
        plug = self.plug(("web", 0, self.ARP, len(self.ARP)), ("office0", 10, self.ARP, 42))
        r = self.check(0, "capture", "lan1/web", "-c", "2")
        self.assertIn(b"lan1", plug.request)
        self.assertIn(b"web", plug.request)
        lines = r.out.splitlines()
        self.assertRegex(lines[0], r"^\d\d:\d\d:\d\d\.123456 web: 02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff, "
                                   r"ARP, who has 10\.64\.0\.2, tell 10\.64\.0\.1$")
        self.assertIn("office0: ", lines[1])
        self.assertIn(", vlan 10, ARP", lines[1])
        self.assertEqual(r.err, "2 frames\n")

    def test_filter(self):
        self.plug(("a", 0, self.OTHER, 60), ("b", 0, self.ARP, 42))
        r = self.check(0, "capture", "lan1", "arp", "and", "ether", "src", "2:0:0:0:0:1", "-c", "1")
        self.assertEqual(len(r.out.splitlines()), 1)
        self.assertIn(" b: ", r.out)
        self.assertIn("filter", self.check(2, "capture", "lan1", "no such filter").err)

    def test_file(self):
        self.plug(("web", 0, self.ARP, 42), ("office0", 10, self.OTHER, 90), ("web", 0, self.ARP, 42))
        self.check(0, "capture", "lan1", "-w", self.path("x.pcapng"), "-c", "3")
        if not shutil.which("tshark"):
            self.skipTest("tshark is not installed")
        done = subprocess.run(
            ["tshark", "-r", self.path("x.pcapng"), "-T", "fields", "-e", "frame.interface_name",
             "-e", "frame.time_epoch", "-e", "frame.len", "-e", "frame.cap_len", "-e", "vlan.id"],
            capture_output=True, text=True, check=True)
        self.assertEqual([line.split() for line in done.stdout.splitlines()], [
            ["web", "1700000000.123456789", "42", "42"],
            ["office0", "1700000000.123456789", "94", "64", "10"],
            ["web", "1700000000.123456789", "42", "42"]])

    def test_interrupted(self):
        self.plug(("web", 0, self.ARP, 42))
        p = subprocess.Popen([IOTHCTL, "capture", "lan1", "-w", self.path("x.pcapng")],
                             env=self.env, stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + 20
        while not os.path.exists(self.path("x.pcapng")) or os.path.getsize(self.path("x.pcapng")) < 150:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.communicate(timeout=10)[1], "1 frame\n")
        self.assertEqual(p.returncode, 0)

    def test_refused(self):
        self.plug(code=-2, why="there is no network lan1")
        r = self.check(3, "capture", "lan1")
        self.assertEqual(r.err, "iothctl: capture lan1 failed: there is no network lan1\n")


if __name__ == "__main__":
    IOTHCTL = os.path.abspath(sys.argv.pop(1))
    unittest.main()
