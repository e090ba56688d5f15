#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Job control through `iothctl run`: an interactive shell on a pseudo-terminal starts nodes, stops
them, and takes them back.   terminal.py IOTHCTL NETWORK"""
import os
import pty
import re
import select
import signal
import sys
import time

LIMIT = 10.0


class Terminal:
    def __init__(self, argv):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["PS1"] = "outer> "
            os.execvp(argv[0], argv)
        self.seen = ""

    def expect(self, pattern):
        """Waits until the pattern shows, and forgets everything up to it."""
        until = time.time() + LIMIT
        while True:
            match = re.search(pattern, self.seen)
            if match:
                self.seen = self.seen[match.end() :]
                return match
            left = until - time.time()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                sys.exit(f"no {pattern!r} in {self.seen!r}")
            try:
                self.seen += os.read(self.fd, 4096).decode(errors="replace")
            except OSError:
                sys.exit(f"the shell ended before {pattern!r}: {self.seen!r}")

    def type(self, text):
        os.write(self.fd, text.encode())


def job():
    """Says when it was continued: before, the terminal may not be its own again. One process, so
    that it stops as a whole at once."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGCONT, lambda *_: print("continued", flush=True))
    print("started", flush=True)
    while True:
        signal.pause()


def main():
    job_line = f"{sys.executable} {os.path.abspath(__file__)} job"
    run = f"{sys.argv[1]} run --net {sys.argv[2]} --"
    t = Terminal(["bash", "--norc", "--noprofile", "--noediting"])
    t.expect("outer> ")

    # A shell in a node: job control inside it is its own.
    t.type(f"PS1='inner> ' {run} bash --norc --noprofile --noediting\n")
    t.expect("\ninner> ")
    t.type(f"{job_line}\n")
    t.expect("started")
    t.type("\x1a")
    t.expect("Stopped")
    t.expect("\ninner> ")
    t.type("fg\n")
    t.expect("continued")
    t.type("\x03")
    t.expect("\ninner> ")
    t.type("echo status=$?; exit 3\n")
    t.expect("status=130")
    t.expect("outer> ")
    t.type("echo status=$?\n")
    t.expect("status=3")

    # A program in a node, stopped and continued by the outer shell.
    t.expect("outer> ")
    t.type(f"{run} {job_line}\n")
    t.expect("started")
    t.type("\x1a")
    t.expect("Stopped")
    t.expect("outer> ")
    t.type("fg\n")
    t.expect("continued")
    t.type("\x03")
    t.expect("outer> ")
    t.type("echo status=$?\n")
    t.expect("status=130")

    # In the background it stops when it wants to read, and reads when it is taken back.
    t.expect("outer> ")
    t.type(f"{run} sh -c 'read x; echo got $x' &\n")
    t.expect("outer> ")
    until = time.time() + LIMIT
    stopped = False
    while not stopped:
        if time.time() > until:
            sys.exit("a node in the background reads from the terminal")
        t.type("jobs; echo li''sted\n")
        stopped = "Stopped" in t.expect("(?s).*listed").group()
        t.expect("outer> ")
        time.sleep(0.05)
    t.type("fg\n")
    t.expect("read x")
    t.type("hello\n")
    t.expect("got hello")
    t.expect("outer> ")

    # In a pipeline everybody keeps the terminal.
    t.type(f"{run} sh -c 'echo one; echo two' | cat\n")
    t.expect("\none\r\ntwo")
    t.expect("outer> ")
    t.type("exit\n")
    _, status = os.waitpid(t.pid, 0)
    sys.exit(os.waitstatus_to_exitcode(status))


if sys.argv[1] == "job":
    job()
else:
    main()
