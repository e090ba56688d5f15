#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vdeterm on a pseudo-terminal: looks and changes something; its screen to stdout.   vde_term.py SOCKET"""
import os
import pty
import select
import sys
import time

LIMIT = 10.0
LINES = [("port/print\r", "Success"), ("vlan/create 99\r", "Success"), ("vlan/remove 99\r", "Success")]


def main():
    pid, fd = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "dumb"
        os.execvp("vdeterm", ["vdeterm", sys.argv[1]])
    screen = ""

    def expect(text, start):
        nonlocal screen
        until = time.time() + LIMIT
        while text not in screen[start:]:
            if time.time() > until:
                sys.exit(f"no {text!r} in {screen!r}")
            if select.select([fd], [], [], 0.2)[0]:
                try:
                    screen += os.read(fd, 4096).decode(errors="replace")
                except OSError:
                    sys.exit(f"vdeterm ended before {text!r}: {screen!r}")

    expect("vde", 0)
    for typed, answer in LINES:
        start = len(screen)
        os.write(fd, typed.encode())
        expect(answer, start)
    os.write(fd, b"logout\r")
    os.close(fd)
    os.waitpid(pid, 0)
    print(screen)


main()
