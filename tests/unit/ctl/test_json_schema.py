#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The JSON Schema that `iothctl validate --schema` prints says what `iothctl validate` does.

  test_json_schema.py PATH-OF-IOTHCTL

Debian's jsonschema is the judge of the one, the program of the other.
"""
import json
import os
import subprocess
import sys
import unittest

try:
    import jsonschema
except ImportError:
    print("SKIP: python3-jsonschema is not installed")
    sys.exit(77)

IOTHCTL = None
FULL = {
    "version": 1,
    "fabric": "campus",
    "hosts": {"alpha": {"address": "198.51.100.1:4655"}, "beta": {"address": ["[2001:db8::1]:4655", "192.0.2.7"]},
              "gamma": {}, "delta": None},
    "networks": {
        "lab": {"ipv4": "10.80.0.0/24", "ipv6": "fd42:80::/64", "mtu": 9000, "forwarding": "direct",
                "local": False, "allow": ["uid:1000", "group:staff"], "on": ["alpha", "beta"],
                "endpoints": {"web": {"mac": "02:00:00:00:00:09", "addresses": ["10.80.0.9/24", "fd42:80::9"],
                                      "host": "alpha"}}},
        "office": {"vlans": {"10": "staff", "20": {"name": "guests", "ipv4": "auto", "ipv6": "none"}, "30": None},
                   "stp": "off",
                   "ports": {"core": {"host": "alpha", "tap": "office0", "access": 10, "rate": "10M"},
                             "vm": {"vde": True, "access": 20, "rate": 1000000}}},
        "lan1": None,
    },
    "links": {"ab": {"between": ["alpha", "beta"], "address": "192.0.2.1"}},
}
# The keys that are tried with every wrong value.
PLACES = [("fabric",), ("hosts",), ("hosts", "alpha"), ("hosts", "alpha", "address"), ("networks",),
          ("networks", "lab", "ipv4"), ("networks", "lab", "ipv6"), ("networks", "lab", "mtu"),
          ("networks", "lab", "forwarding"), ("networks", "lab", "local"), ("networks", "lab", "allow"),
          ("networks", "lab", "on"), ("networks", "lab", "endpoints", "web", "mac"),
          ("networks", "lab", "endpoints", "web", "addresses"), ("networks", "lab", "endpoints", "web", "host"),
          ("networks", "office", "vlans"), ("networks", "office", "vlans", "20", "name"),
          ("networks", "office", "vlans", "20", "ipv4"), ("networks", "office", "stp"),
          ("networks", "office", "ports", "core", "host"), ("networks", "office", "ports", "core", "tap"),
          ("networks", "office", "ports", "core", "rate"), ("networks", "office", "ports", "vm", "vde"),
          ("links", "ab", "between"), ("links", "ab", "address"), ("links",)]
VALUES = [None, True, -1, 1.5, "x y", "auto", [], [True], {"a": {"b": 1}}, "alpha", "A" * 5000]
# What only the checks can judge: it depends on other keys, on other objects, or on the kernel's rules.
BEYOND = ("there is no host", "there is no network", "tree by default", "declares no VLANs",
          "says nothing of what it is", "is not a name of an interface", "is between two hosts")


class Schema(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        text = subprocess.run([IOTHCTL, "validate", "--schema"], capture_output=True, text=True, check=True,
                              timeout=30).stdout
        cls.schema = json.loads(text)
        jsonschema.Draft202012Validator.check_schema(cls.schema)
        cls.validator = jsonschema.Draft202012Validator(cls.schema)

    def file(self):
        """A file that is valid but for its links, without which networks need not say forwarding."""
        tree = json.loads(json.dumps(FULL))
        for name in ("office", "lan1"):
            tree["networks"][name] = dict(tree["networks"][name] or {}, forwarding="direct")
        return tree

    def agree(self, tree, text):
        done = subprocess.run([IOTHCTL, "validate", "-f", "-"], input=text, capture_output=True, text=True,
                              timeout=30)
        self.assertIn(done.returncode, (0, 2), done.stderr)
        return self.validator.is_valid(tree), done.returncode == 0, done.stderr

    def same(self, tree, valid):
        schema, checks, why = self.agree(tree, json.dumps(tree))
        self.assertEqual((schema, checks), (valid, valid), f"{tree}\n{why}")

    def test_examples(self):
        self.same(self.file(), True)
        self.same({"version": 1, "networks": {"lan1": {}}}, True)
        self.same({"version": 1}, True)
        self.same({"version": 1, "include": ["other.yaml", 3]}, False)
        self.assertTrue(self.validator.is_valid({"version": 1, "include": "other.yaml"}))

    def test_keys(self):
        for tree in ({}, {"version": 2}, {"version": "1"}, {"version": 1, "netwroks": {}},
                     {"version": 1, "routers": {"edge": {}}}, {"version": 1, "services": {"wiki": 3}},
                     {"version": 1, "networks": {"Lan": {}}}, {"version": 1, "networks": {"a": {"mut": 1}}},
                     {"version": 1, "networks": {"a": {"vlans": {"4095": None}}}},
                     {"version": 1, "networks": {"a": {"vlans": {"010": "x"}}}},
                     {"version": 1, "networks": {"a": {"vlans": {"10": "Staff"}}}},
                     {"version": 1, "hosts": {"all": {}}}, {"version": 1, "links": {"l": {}}}):
            self.same(tree, False)

    def test_every_wrong_value(self):
        wrong = []
        for place in PLACES:
            for value in VALUES:
                tree = self.file()
                at = tree
                for key in place[:-1]:
                    at = at[key]
                at[place[-1]] = value
                text = json.dumps(tree)
                schema, checks, why = self.agree(tree, text)
                known = any(reason in why for reason in BEYOND)
                if schema != checks and not (schema and known):
                    wrong.append(f"{'.'.join(place)}: {json.dumps(value)[:40]}: schema {schema}, checks {checks} {why}")
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))


if __name__ == "__main__":
    IOTHCTL = os.path.abspath(sys.argv.pop(1))
    unittest.main()
