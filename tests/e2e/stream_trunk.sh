#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A trunk on a stream port: QEMU itself is its client, and joins it to a TAP where a guest's interface would be.
#
#      alpha: office (10, 20, 30)                              guest (a network namespace)
#        pa: access 10   pb: access 20   pc: access 30
#        vm: --stream, trunk 10,20, native 10 ══ QEMU ══ trunk0 ── v20, the VLAN 20 on it
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
need_tun
need qemu-system-x86_64 iperf3
[ "$(id -u)" = 0 ] || skip "only root may"

e2e_hosts alpha
e2e_start alpha
ip netns add guest
status 0 ctl alpha net create office --vlan 10 --vlan 20 --vlan 30
status 0 ctl alpha net set office vlans.10.ipv4=10.10.0.0/24 vlans.20.ipv4=10.20.0.0/24
for port in pa:10 pb:20 pc:30; do
    status 0 ctl alpha port add office "${port%:*}" --tap "${port%:*}" --access "${port#*:}"
    ip -n alpha link set "${port%:*}" up
done
status 0 ctl alpha port add office vm --stream vm.sock --trunk 10,20 --native 10

# --- QEMU without a machine: two of its network backends on a hub ---------------------------------
qemu() {
    bg qemu guest qemu-system-x86_64 -M none -nodefaults -nographic -monitor none -serial none \
        -netdev "stream,id=s0,server=off,addr.type=unix,addr.path=$T/alpha/run/net/office/vm.sock" \
        -netdev hubport,id=p0,hubid=0,netdev=s0 \
        -netdev tap,id=t0,ifname=trunk0,script=no,downscript=no \
        -netdev hubport,id=p1,hubid=0,netdev=t0
}
up() { ctl alpha port show office/vm -o json | jq -e '.status.state == "up"' && ip -n guest link set trunk0 up; }
qemu
wait_for 10 up

# --- tags in and out -------------------------------------------------------------------------------
cat >"$T/frames.py" <<'PY'
"""frames.py FROM TAGS TO…: sends a broadcast into FROM, prints with which tags it came at each of TO. An
interface is NETNS/NAME. TAGS as in vlan_frames.py."""
import ctypes, os, socket, sys, time
sys.path.insert(0, sys.argv[1])
import vlan_frames as v
def opened(where):
    netns, name = where.split("/")
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    other = os.open("/run/netns/" + netns, os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.setns(other, 0) == 0
    s = v.opened(name)
    assert libc.setns(own, 0) == 0
    os.close(own), os.close(other)
    return s
source, tags, others = sys.argv[2], sys.argv[3], sys.argv[4:]
socks = {o: opened(o) for o in others}
serial = int(time.monotonic() * 1000) & 0x7FFFFFFF
opened(source).send(v.frame(source, v.tags_of(tags), "ff:ff:ff:ff:ff:ff", serial))
end = time.monotonic() + 1
out = []
for o, s in socks.items():
    came = "-"
    while (got := v.received(s, max(end - time.monotonic(), 0.01))) is not None:
        if got[1] == serial:
            came = ".".join("%s%d" % ("p%d." % (t >> 13) if t >> 13 else "", t & 0xFFF) for t in got[0]) or "0"
            break
    out.append(o.split("/")[1] + "=" + came)
print(*out)
PY
frames() { "$PYTHON" "$T/frames.py" "$E2E_ROOT/tests/e2e" "$@"; }
forwards() { [ "$(frames guest/trunk0 20 alpha/pb)" = "pb=0" ]; }
wait_for 10 forwards
is "the native VLAN" "pa=0 pb=- pc=-" "$(frames guest/trunk0 0 alpha/pa alpha/pb alpha/pc)"
is "the native VLAN with its tag" "pa=0 pb=- pc=-" "$(frames guest/trunk0 10 alpha/pa alpha/pb alpha/pc)"
is "VLAN 20" "pa=- pb=0 pc=-" "$(frames guest/trunk0 20p5 alpha/pa alpha/pb alpha/pc)"
is "a VLAN that is not the trunk's" "pa=- pb=- pc=-" "$(frames guest/trunk0 30 alpha/pa alpha/pb alpha/pc)"
is "out, native" "trunk0=0" "$(frames alpha/pa 0 guest/trunk0)"
is "out, tagged, with its priority" "trunk0=p5.20" "$(frames alpha/pb p5 guest/trunk0)"
is "out, not the trunk's" "trunk0=-" "$(frames alpha/pc 0 guest/trunk0)"

# --- bulk: what comes in superframes is cut and tagged, both ways --------------------------------------
run_in ten alpha --net office:10 --ip 10.10.0.2 -- iperf3 -s
run_in twenty alpha --net office:20 --ip 10.20.0.2 -- iperf3 -s
listens_ten() { listens alpha office/ten 5201 && listens alpha office/twenty 5201; }
wait_for 5 listens_ten
ip -n guest addr add 10.10.0.9/24 dev trunk0
bg v20 guest "$PYTHON" "$E2E_ROOT/tests/e2e/vlan_frames.py" vlan_if trunk0 v20 20
has_v20() { ip -n guest link show v20; }
wait_for 5 has_v20
ip -n guest addr add 10.20.0.9/24 dev v20
ip -n guest link set v20 mtu 1500 up
bulk() { # ADDRESS [-R]
    local rate
    rate=$(timeout 20 ip netns exec guest iperf3 -J -t 2 -c "$@" | jq '.end.sum_received.bits_per_second / 1e6 | floor')
    echo "bulk with $*: $rate Mbit/s"
    [ "${rate:-0}" -ge 20 ] || fail "$*: $rate Mbit/s"
}
bulk 10.10.0.2
bulk 10.10.0.2 -R
bulk 10.20.0.2
bulk 10.20.0.2 -R
is "nothing is dropped for its form" 0 "$(ctl alpha port show office/vm -o json |
    jq '[.status.counters | .. | objects | .malformed, .too_big | numbers] | add // 0')"

# --- another trunk under the client, and another client ----------------------------------------------------
status 0 ctl alpha port set office/vm 'trunk=[10, 30]'
is "VLAN 20 no more" "pb=- pc=-" "$(frames guest/trunk0 20 alpha/pb alpha/pc)"
is "VLAN 30" "pb=- pc=0" "$(frames guest/trunk0 30 alpha/pb alpha/pc)"
e2e_end v20
e2e_end qemu
down() { ! ctl alpha port show office/vm -o json | jq -e '.status.state == "up"'; }
wait_for 5 down
qemu
wait_for 10 up
thirty() { [ "$(frames alpha/pc 0 guest/trunk0)" = "trunk0=30" ]; }
wait_for 10 thirty
e2e_end qemu
ip netns del guest
finish
