#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""iothctl and files: apply, diff, validate and export against a daemon that is none.

  test_files.py PATH-OF-IOTHCTL
"""
import os
import re
import sys
import unittest

sys.dont_write_bytecode = True
import test_iothctl as base  # noqa: E402
from fake_daemon import HANG_UP, Problem  # noqa: E402


class Files(base.WithDaemon):
    GOOD = "version: 1\nnetworks:\n  lan1: {}\n"

    def plan(self, *steps):
        self.daemon.actions[("POST", "/v1/apply")] = lambda q, b: (
            200, dict(steps=list(steps), applied="dry_run" not in q))

    def test_apply(self):
        self.plan(dict(verb="create", kind="network", name="lan1"),
                  dict(verb="update", kind="port", network="lan1", name="p", impact="flap",
                       what="access: 10 -> 20"))
        r = self.check(0, "apply", "-f", "-", stdin=self.GOOD)
        self.assertEqual(r.out, "create  network lan1\nupdate  port lan1/p: access: 10 -> 20 (flap)\n")
        method, path, body, headers = self.last()
        self.assertEqual((method, path), ("POST", "/v1/apply"))
        self.assertEqual(body, dict(version=1, networks=dict(lan1={})))
        self.assertEqual(headers["Content-Type"], "application/json")
        self.check(0, "apply", "-f", "-", "--prune", "--dry-run", stdin=self.GOOD)
        self.assertEqual(self.last()[1], "/v1/apply?dry_run=1&prune=1")
        self.check(0, "apply", "-f", "-", "--prune", stdin=self.GOOD)
        self.assertEqual(self.last()[1], "/v1/apply?prune=1")

    def test_revision(self):
        """The plan that was looked at, or none."""
        self.plan()
        self.check(0, "apply", "-f", "-", "--if-revision", "12", stdin=self.GOOD)
        self.assertEqual(self.last()[3]["If-Match"], '"12"')
        self.check(0, "apply", "-f", "-", stdin=self.GOOD)
        self.assertNotIn("If-Match", self.last()[3])
        before = len(self.daemon.requests)
        for bad in ("0", "-1", "12x", "", "9" * 20):
            self.assertIn("is no revision",
                          self.check(2, "apply", "-f", "-", "--if-revision", bad, stdin=self.GOOD).err)
        self.assertEqual(len(self.daemon.requests), before)
        self.daemon.actions[("POST", "/v1/rollback")] = lambda q, b: (200, dict(steps=[]))
        r = self.check(0, "rollback", "3", "--dry-run", "--if-revision", "12")
        self.assertEqual(self.last()[3]["If-Match"], '"12"')
        self.assertIn("nothing to do: the fabric is as it was at revision 3", r.err)

    def test_print_yaml(self):
        """apply --print-yaml: the files as one, checked, and no daemon is asked."""
        a = self.write("a.yaml", self.GOOD + "include: b.yaml\n")
        self.write("b.yaml", "networks: {lan2: {mtu: 1400}}\n")
        r = self.check(0, "apply", "-f", a, "--print-yaml")
        self.assertEqual(r.out, "networks:\n  lan2: {mtu: 1400}\n  lan1: {}\nversion: 1\n")
        self.write("b.yaml", "networks: {lan2: {mtu: 1}}\n")
        self.assertIn("b.yaml:1:24: networks.lan2.mtu", self.check(2, "apply", "-f", a, "--print-yaml").err)
        self.check(1, "apply", "--accept", "--print-yaml")
        self.assertEqual(len(self.daemon.requests), 0)

    def test_diff(self):
        self.plan()
        self.assertEqual(self.check(0, "diff", "-f", "-", stdin=self.GOOD).out, "")
        self.assertEqual(self.last()[1], "/v1/apply?dry_run=1")
        self.plan(dict(verb="delete", kind="network", name="lan1"))
        self.assertEqual(self.check(1, "diff", "-f", "-", stdin=self.GOOD).out,
                         "delete  network lan1\n")
        self.check(2, "diff", "-f", self.path("nosuch"))
        self.check(4, "--socket", self.path("none"), "diff", "-f", "-", stdin=self.GOOD)

        def refuse(query, body):
            raise Problem(403, "not yours")
        self.daemon.actions[("POST", "/v1/apply")] = refuse
        self.check(2, "diff", "-f", "-", stdin=self.GOOD)
        self.refuse(("/networks/lan1", "is there already"), status=409)
        self.check(1, "apply", "-f", "-", stdin=self.GOOD)
        self.check(2, "diff", "-f", "-", stdin=self.GOOD)

    def test_options_of_another_apply(self):
        before = len(self.daemon.requests)
        for more in (["-f", "-"], ["--prune"], ["--dry-run"], ["--confirm", "5s"],
                     ["--if-revision", "3"]):
            self.assertIn("is not for it", self.check(2, "apply", "--accept", *more, stdin=self.GOOD).err)
        for line in (["apply", "-f", "-"], ["rollback", "3"]):
            self.assertIn("--dry-run does nothing",
                          self.check(2, *line, "--dry-run", "--confirm", "5s", stdin=self.GOOD).err)
        self.assertEqual(len(self.daemon.requests), before)

    def test_answer_lost(self):
        """A daemon that dies meanwhile may have done it: where that is seen."""
        for asked, line, hint in (
                ("/v1/apply", ["apply", "-f", "-"], "iothctl history"),
                ("/v1/rollback", ["rollback", "3"], "iothctl history"),
                ("/v1/apply/accept", ["apply", "--accept"], "iothctl history"),
                ("/v1/services/web/migrate", ["service", "migrate", "web", "--to", "beta"],
                 "iothctl service show web")):
            self.daemon.actions[("POST", asked)] = HANG_UP
            r = self.check(4, *line, stdin=self.GOOD)
            self.assertIn("went away before it answered", r.err)
            self.assertIn(f"hint: {hint} shows whether it was done\n", r.err)
        self.daemon.actions[("GET", "/v1/history")] = HANG_UP
        self.assertNotIn("hint", self.check(4, "history").err)

    def refuse(self, *errors, status=422):
        def answer(query, body):
            raise Problem(status, "the file is wrong", errors=[
                dict(pointer=pointer, detail=detail) for pointer, detail in errors])
        self.daemon.actions[("POST", "/v1/apply")] = answer

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.path(name)

    def test_errors_have_places(self):
        """The daemon's pointers become places, whatever file the key came from."""
        self.refuse(("/networks/lan1", "is wrong (allowed: not that)"),
                    ("/networks/lan2/mut", "unknown key"), ("/hosts/x", "is absent"))
        a = self.write("a.yaml", self.GOOD)
        b = self.write("b.yaml", "version: 1\nnetworks:\n  lan2:\n    mtu: 1500\n")
        r = self.check(2, "apply", "-f", a, "-f", b)
        self.assertEqual(r.err.splitlines(), [
            f"{a}:1:1: hosts.x: is absent",
            f"{a}:3:9: networks.lan1: is wrong (allowed: not that)",
            f"{b}:4:5: networks.lan2.mut: unknown key"])

    def test_same_mistake_same_place(self):
        """What the daemon finds and we find too is shown where we see it: at the key."""
        text = "networks: {lan1: {mtuu: 3}}\nversion: 1\n"
        ours = self.check(2, "validate", "-f", "-", stdin=text).err
        self.refuse(("/networks/lan1/mtuu", ours.strip().split(": ", 2)[2]))
        self.assertEqual(self.check(2, "apply", "-f", "-", stdin=text).err, ours)

    def test_objects_have_places(self):
        self.refuse(("/networks/lan1/ports/p/tap", "is taken"), ("/networks/lan2", "is there"))
        r = self.check(2, "apply", "-f", "-", stdin="- {kind: network, name: lan2}\n"
                       "- {kind: port, network: lan1, name: p, tap: t0}\n")
        self.assertEqual(r.err, "<stdin>:1:3: networks.lan2: is there\n"
                                "<stdin>:2:45: networks.lan1.ports.p.tap: is taken\n")

    def test_several_files(self):
        self.plan()
        os.mkdir(self.path("d"))
        self.write("d/2.yml", "networks: {lan2: {mtu: 9000}}\n")
        self.write("d/1.json", '{"networks": {"lan2": {"ipv6": "none"}}}')
        self.write("d/.hidden.yaml", "no: file")
        self.write("d/README", "no: file")
        self.check(0, "apply", "-f", self.path("d"), "-f", "-", stdin=self.GOOD)
        self.assertEqual(self.last()[2], dict(version=1, networks=dict(
            lan1={}, lan2=dict(mtu=9000, ipv6="none"))))
        p = self.write("p.yaml", "{kind: port, network: lan1, name: p, tap: t0}\n")
        self.check(0, "apply", "-f", p, "-f", p, "-f", "-", stdin=self.GOOD)
        self.assertEqual(self.last()[2]["items"], [
            dict(kind="port", network="lan1", name="p", tap="t0")])

    def test_contradictions(self):
        a = self.write("a.yaml", "version: 1\nnetworks: {lan1: {mtu: 1500, on: [x]}, lan2: }\n")
        b = self.write("b.yaml", "version: 1\nnetworks: {lan1: {mtu: 9000, on: [y]}, lan2: {}}\n")
        r = self.check(2, "validate", "-f", a, "-f", b)
        self.assertEqual(r.err.splitlines(), [
            f"{b}:2:24: networks.lan1.mtu: 9000 differs from 1500 at {a}:2:24 (say it once)",
            f"{a}:2:24: networks.lan1.mtu: 1500 differs from 9000 at {b}:2:24 (say it once)",
            f"{b}:2:34: networks.lan1.on: differs from {a}:2:34 (say it once)",
            f"{a}:2:34: networks.lan1.on: differs from {b}:2:34 (say it once)"])

    def test_include(self):
        self.plan()
        os.mkdir(self.path("d"))
        a = self.write("a.yaml", self.GOOD + "include: [d/b.yaml, d/c.yaml]\n")
        self.write("d/b.yaml", "include: c.yaml\nnetworks: {lan2: {mtu: 1400}}\n")
        self.write("d/c.yaml", "networks: {lan3: {}}\n")
        self.check(0, "apply", "-f", a)
        self.assertEqual(self.last()[2], dict(version=1, networks=dict(
            lan1={}, lan2=dict(mtu=1400), lan3={})))
        c = self.write("d/c.yaml", "include: [../a.yaml]\nnetworks: {lan3: {mut: 1}}\n")
        r = self.check(2, "apply", "-f", a)
        ring, unknown = r.err.splitlines()
        self.assertEqual(ring, f"{c}:1:11: include: {a} includes itself by way of this")
        self.assertTrue(unknown.startswith(f"{c}:2:19: networks.lan3.mut: unknown key"), unknown)

    def test_include_refused(self):
        os.mkfifo(self.path("pipe"))
        f = self.write("f.yaml", "version: 1\ninclude: [nosuch.yaml, pipe, 3, .]\n")
        self.assertEqual(self.check(2, "validate", "-f", f).err.splitlines(), [
            f"{f}:2:11: include: {self.path('nosuch.yaml')}: No such file or directory",
            f"{f}:2:24: include: {self.path('pipe')} is not a file",
            f"{f}:2:30: include: not a file's name",
            f"{f}:2:33: include: {self.path('.')} is not a file"])
        for i in range(10):
            self.write(f"deep{i}.yaml", f"include: deep{i + 1}.yaml\n")
        self.assertRegex(self.check(2, "validate", "-f", self.path("deep0.yaml")).err,
                         r"deep7\.yaml:1:10: include: more than 8 files deep")
        for i in range(70):
            self.write(f"wide{i}.yaml", "version: 1\n")
        names = ", ".join(f"wide{i}.yaml" for i in range(70))
        f = self.write("f.yaml", f"include: [{names}]\n")
        self.assertRegex(self.check(2, "validate", "-f", f).err, "more than 64 files")

    def test_hostile_files(self):
        for text in ("[" * 100000, "a: " * 1000, "{a: " * 100000, "- " * 100000,
                     "a: &x [*x]", "&a a: b", "!!str a", "? [a]\n: b", "a: 1\na: 2", "\0", "".join(f"%TAG !a{i}! x\n" for i in range(60000)),
                     "a: 0o7777777777777777777777777", "[" * 5 + "a: b" + "]" * 4,
                     "version: 1\n" + "".join(f"n{i}: 1\n" for i in range(80000))):
            r = self.check(2, "validate", "-f", "-", stdin=text)
            self.assertRegex(r.err, r"^<stdin>:\d+:\d+: ")

    def test_syntax_is_ours(self):
        before = len(self.daemon.requests)
        r = self.check(2, "apply", "-f", "-", stdin="version: 1\nnetworks: [")
        self.assertTrue(r.err.startswith("<stdin>:"), r.err)
        self.assertEqual(len(self.daemon.requests), before)

    def test_validate(self):
        self.check(0, "validate", "-f", "-", stdin=self.GOOD)
        r = self.check(2, "validate", "-f", "-", stdin="version: 1\nnetworks:\n  lan1: {mtuu: 3}\n"
                                                       "routers:\n  r: {}\n")
        self.assertRegex(r.err.splitlines()[0], r"^<stdin>:3:\d+: networks\.lan1\.mtuu: .*mtu")
        self.assertIn("routers are not built yet", r.err)
        r = self.check(0, "validate", "-f", "-", stdin="version: 1\nnetworks: {lan1: {on: alpha}}\n"
                                                       "services: {web: {network: lan2, command: [web]}}\n")
        self.assertIn("the fabric must have what is named and not declared: network lan2, host alpha", r.err)
        self.assertEqual(len(self.daemon.requests), 0)

    def test_all_at_once(self):
        """What YAML forbids and what the model forbids come in one run, each once."""
        r = self.check(2, "validate", "-f", "-", stdin="version: 1\nnetworks:\n  a: {mtuu: 3}\n  b: {mtu: 1500, mtu: 1400}\n"
                                                       "  c: {ipv4: *x, ipv6: !t fd00::/64}\n  d: {mtu: 99999}\n"
                                                       "routers:\n  r: {}\n")
        self.assertEqual([re.sub(r" \(.*", "", line) for line in r.err.splitlines()], [
            "<stdin>:4:18: networks.b.mtu: stands twice in this map",
            "<stdin>:5:13: networks.c.ipv4: aliases are not allowed",
            "<stdin>:5:23: networks.c.ipv6: tags are not allowed",
            "<stdin>:3:7: networks.a.mtuu: unknown key, did you mean mtu?",
            "<stdin>:6:12: networks.d.mtu: 99999 is out of range",
            "<stdin>:8:3: routers.r: routers are not built yet"])

    def test_twice(self):
        """An object that stands twice is one mistake."""
        r = self.check(2, "validate", "-f", "-", stdin="version: 1\nnetworks:\n  a: {}\n  a: {mtu: 1400}\n")
        self.assertEqual(r.err, "<stdin>:4:3: networks.a: stands twice in this map (each key once)\n")

    def test_what_is_allowed(self):
        """A text that has a form is told by that, not by its length."""
        r = self.check(2, "validate", "-f", "-", stdin="version: 1\nservices:\n  s: {network: a, command: [x], "
                                                       "limits: {memory: x}, environment: [x]}\n")
        self.assertIn("services.s.limits.memory: \"x\" is not valid (a number of K, M or G as 512M)", r.err)
        self.assertIn("(NAME=VALUE)", r.err)

    def test_export(self):
        self.daemon.actions[("GET", "/v1/export")] = lambda q, b: (
            200, b"version: 1\n", "application/yaml")
        self.assertEqual(self.check(0, "export").out, "version: 1\n")
        self.assertEqual(self.last()[3]["Accept"], "application/yaml")
        self.check(0, "export", "-o", "json")
        self.assertEqual(self.last()[3]["Accept"], "application/json")

    def test_no_line(self):
        """What belongs to no line of a file is an error as any other."""
        r = self.check(2, "apply", "-f", self.path("nosuch"))
        self.assertEqual(r.err, f"iothctl: apply failed: {self.path('nosuch')}: No such file or directory\n")
        for option in ("--confirm", "--within"):
            self.assertIn(f"{option}: \"soon\" is no time",
                          self.check(2, "apply", "-f", "-", option, "soon", stdin=self.GOOD).err)

    def test_byte_order_mark(self):
        self.check(0, "validate", "-f", "-", stdin="\ufeff" + self.GOOD)

    def test_too_big_as_json(self):
        text = "version: 1\nnetworks:\n" + "".join(
            f"  n{i}: {{ipv4: none, ipv6: none}}\n" for i in range(30000))
        self.assertIn("too large", self.check(2, "apply", "-f", "-", stdin=text).err)
        self.assertEqual(len(self.daemon.requests), 0)

    def test_too_big(self):
        with open(self.path("big"), "w", encoding="ascii") as f:
            f.write("#" * (1 << 20) + "\n")
        self.assertIn("1 MiB", self.check(2, "apply", "-f", self.path("big")).err)


if __name__ == "__main__":
    base.IOTHCTL = os.path.abspath(sys.argv.pop(1))
    unittest.main()
