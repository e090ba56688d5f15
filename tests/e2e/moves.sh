# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# For tests in which the service web moves, under a client that connects without a pause. Read after
# lib.sh.
#
#   $T/srv                      a folder that each host has as its own: $T/srv.HOST
#   $T/client.py WAIT PAUSE     the client: connects again and again, each time for WAIT seconds at most,
#                               and writes "TIME ANSWER" for each answer; it runs as `bg client`
#   lines, answers N            how many there are; whether there are more than N
#   rises                       answers are numbers that rise; else tells the first place where not

# ip netns exec gives a host's daemon mounts of its own.
mkdir "$T/srv"
real=$FABRICD
FABRICD=$T/fabricd
cat >"$FABRICD" <<SH
#!/bin/sh
mkdir -p "$T/srv.\$2" && mount --bind "$T/srv.\$2" "$T/srv" && exec "$real" "\$@"
SH
chmod +x "$FABRICD"

cat >"$T/client.py" <<'PY'
import socket, sys, time
wait, pause = float(sys.argv[1]), float(sys.argv[2])
addr = socket.getaddrinfo("web", 80, socket.AF_INET)[0][4]
while True:
    try:
        with socket.create_connection(addr, timeout=wait) as s:
            s.settimeout(0.3)
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
            text = b""
            while (part := s.recv(4096)):
                text += part
        head, body = text.split(b"\r\n\r\n") # An answer that was cut short is none.
        if b"\r\nContent-Length: %d\r\n" % len(body) in head + b"\r\n":
            print("%.4f" % time.monotonic(), body.decode().strip(), flush=True)
    except (OSError, ValueError):
        pass
    time.sleep(pause)
PY
lines() { wc -l <"$T/client.out"; }
answers() { [ "$(lines)" -gt "$1" ]; }
rises() {
    # The last line may be half written.
    ! head -n "$(lines)" "$T/client.out" | awk '$2 <= last { print "line " NR ": " $0 " after " before; exit } { last = $2; before = $0 }' |
        grep .
}
