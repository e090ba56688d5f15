# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writers that keep an account: each makes, changes and removes networks of its own over the API,
one change at a time, and notes what was answered. A change whose answer was lost may have been
made or not; the next answer on that network settles it.

    faults_writers.py SOCKET ACCOUNT [PREFIX]     until SIGUSR1; prints a line per accepted change
    faults_writers.py --compare ACCOUNT [PREFIX]  the list of networks on stdin; prints differences
"""
import http.client
import json
import signal
import socket
import sys
import threading

WRITERS = 6
stop = threading.Event()
print_lock = threading.Lock()
accepted = 0


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("x", timeout=5)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(self.path)


def ask(path, method, url, body=None):
    """The status, or None if there was no answer."""
    connection = Connection(path)
    try:
        connection.request(method, url, body and json.dumps(body))
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def write(path, prefix, which, account):
    """account: name -> the MTUs it may have now; None among them: it may be absent."""
    global accepted
    turn = 0
    while not stop.is_set():
        name = f"{prefix}{which}-{turn % 5}"
        mtu = 1300 + turn % 700
        now = account.setdefault(name, [None])
        if turn % 7 == 6:
            method, body, then = "DELETE", None, None
        else:
            method, body, then = "PUT", {"mtu": mtu, "ipv4": "none", "ipv6": "none"}, mtu
        account[name] = now + [then]
        status = ask(path, method, f"/v1/networks/{name}", body)
        if status in (200, 201, 204) or (status == 404 and method == "DELETE"):
            account[name] = [then]
            with print_lock:
                accepted += 1
                print(accepted, method, name, flush=True)
        elif status is not None and status < 500:
            print("refused", status, method, name, flush=True)
            sys.exit(1)
        elif status is None:
            stop.wait(0.01)
        turn += 1


def run(path, account_path, prefix):
    signal.signal(signal.SIGUSR1, lambda *_: stop.set())
    accounts = [{} for _ in range(WRITERS)]
    threads = [threading.Thread(target=write, args=(path, prefix, i, accounts[i]))
               for i in range(WRITERS)]
    for thread in threads:
        thread.start()
    while not stop.wait(0.1):
        pass
    for thread in threads:
        thread.join()
    with open(account_path, "w") as f:
        json.dump({k: v for a in accounts for k, v in a.items()}, f)


def compare(account_path, prefix):
    with open(account_path) as f:
        account = json.load(f)
    there = {n["name"]: n["mtu"] for n in json.load(sys.stdin)}
    if len(account) < WRITERS:
        print("the account is empty")
    for name, may_be in account.items():
        if there.get(name) not in may_be:
            print(f"{name}: {there.get(name)} instead of {may_be}")
    for name in there:
        if name.startswith(prefix) and name not in account:
            print(f"{name}: nobody made it")


if __name__ == "__main__":
    if sys.argv[1] == "--compare":
        compare(sys.argv[2], (sys.argv + ["w"])[3])
    else:
        run(sys.argv[1], sys.argv[2], (sys.argv + ["w"])[3])
