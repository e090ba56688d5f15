#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Ports: how many a user may have, and links seen by captures.
#
#      alpha 192.0.2.1  fabricd ─── underlay ─── fabricd  192.0.2.2 beta
#                        │ lan1                     │ lan1
#            a crowd of rings                      far
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun

e2e_hosts alpha beta
e2e_start alpha
e2e_start beta
status 0 ctl alpha net create lan1 --allow uid:65534
e2e_join alpha beta

# --- captures name links and tell directions -----------------------------------------------------
run_in far beta --net lan1 -- sleep 600
bg capture alpha "$IOTHCTL" capture lan1 -c 4 -w "$T/lan1.pcapng" icmp
bg one alpha "$IOTHCTL" capture lan1/link-beta -c 4 -w "$T/link.pcapng" icmp
looking() { [ "$(ctl alpha port ls -o json | jq '[.[] | select(.status.kind == "capture")] | length')" = 2 ]; }
wait_for 5 looking
answered() { ctl alpha run --net lan1 --name near -- ping -4 -c 3 -i 0.05 -W 1 -n far; }
wait_for 10 answered
e2e_wait capture
e2e_wait one
directions() { # directions FILE: INTERFACE and direction (1 in, 2 out) of each frame
    "$PYTHON" - "$1" <<'PY'
import struct, sys
data, at, names = open(sys.argv[1], "rb").read(), 0, []
while at < len(data):
    kind, size = struct.unpack_from("=II", data, at)
    if kind == 1:
        length, = struct.unpack_from("=H", data, at + 18)
        names.append(data[at + 20:at + 20 + length].decode())
    if kind == 6:
        interface, _, _, length = struct.unpack_from("=IIII", data, at + 8)
        code, flags = struct.unpack_from("=I", data, at + 28 + (length + 3) // 4 * 4 + 4)[0], 0
        print(names[interface], code & 3)
    at += size
PY
}
seen=$(directions "$T/lan1.pcapng" | sort -u | tr '\n' ';')
is "of the network what comes in" "link-beta 1;near 1;" "$seen"
seen=$(directions "$T/link.pcapng" | sort -u | tr '\n' ';')
is "of the link both ways" "link-beta 1;link-beta 2;" "$seen"
status 3 ctl alpha capture lan1/link-nobody

# --- as many ports as a user may have ------------------------------------------------------------------
(setpriv --reuid 65534 true) 2>/dev/null || skip "there is no other user here, the limit was not tested"
chmod 0711 "$T" "$T/alpha"
status 0 on alpha "$PYTHON" "$E2E_ROOT/tests/e2e/faults_plug.py" many \
    "$T/alpha/run/plug.sock" "$T/alpha/run/net/lan1" 65534
has "rings" '256 ports, then: user 65534 has 256 ports already, and may have no more' "$OUT"
has "VDE" 'VDE: refused' "$OUT"
has "when one goes" 'again: 0' "$OUT"
alone() { [ "$(ctl alpha port ls lan1 -o json | jq '[.[] | select(.status.kind != "link")] | length')" = 0 ]; }
wait_for 10 alone
rm -rf "$T/alpha/run/vde-many"
finish
