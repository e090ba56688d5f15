#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A user of a machine, as most are: not root, not even of a namespace; with a /dev/net/tun that
# everybody may open, and subordinate ids.
#
#      alpha
#        fabricd (of user 65534)
#         │ lan1
#        nodes
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
grep -q 4294967295 /proc/self/uid_map || skip "only real root can become another user"
need setpriv newuidmap dig
[ -c /dev/net/tun ] || skip "/dev/net/tun is missing (sudo modprobe tun)"

e2e_hosts alpha
mknod -m 0666 /run/tun c 10 200
chmod 0666 /run/tun
mount --bind /run/tun /dev/net/tun
echo nobody:100000:65536 >/run/subids
for file in /etc/subuid /etc/subgid; do
    [ -e $file ] || skip "$file is missing (deploy/install-deps)"
    mount --bind /run/subids $file
done
# The user may not even see the folder that all this lies in.
mkdir -m 0755 "$T/bin"
cp "$FABRICD" "$IOTHCTL" "$E2E_BUILD/keeper/ioth-keeper" "$T/bin/"
chmod 0755 "$T" "$T/bin/"*
mkdir -m 0700 "$T/run" "$T/state"
chown 65534:65534 "$T/run" "$T/state"
cd /
mine=(setpriv --reuid=65534 --regid=65534 --clear-groups env -u IOTH_SOCKET HOME=/nonexistent
    IOTH_RUN_DIR="$T/run/ioth" IOTH_STATE_DIR="$T/state/ioth" "$T/bin/iothctl")
me() { on alpha "${mine[@]}" "$@"; }

status 0 me net create lan1
is "the same user" 65534 "$(me run --net lan1 -- id -u)"
is "and group" 65534 "$(me run --net lan1 -- id -g)"
status 0 me run --net lan1 -- ping -c 1 -W 2 127.0.0.1
is "any port" bound "$(me run --net lan1 -- "$PYTHON" -c 'import socket
socket.create_server(("", 80))
print("bound")')"

bg node alpha "${mine[@]}" run --net lan1 --name node -- sleep 600
runs() { me exec "lan1/$1" -- true; }
wait_for 5 runs node
is "exec: the same user" 65534 "$(me exec lan1/node -- id -u)"
is "exec: no capabilities" 1 "$(me exec lan1/node -- grep -c 'CapEff:.0000000000000000' /proc/self/status)"
has "exec: names" '^10\.' "$(me exec lan1/node -- dig +short node)"
is "exec: nothing of ours is open" 0 \
    "$(me exec lan1/node -- sh -c 'ls -l /proc/self/fd | grep -c socket: || true')"

# A service, as that user, with a limit where this user may set one.
status 0 me service create web --net lan1 --check-tcp 80 -- "$PYTHON" -m http.server 80
up() { [ "$(me service show web -o json | jq -r .status.state)" = running ]; }
wait_for 10 up
is "service: the same user" 65534 "$(me exec lan1/web -- id -u)"
has "service: names" '^10\.' "$(me exec lan1/web -- dig +short node)"
status 1 on alpha "${mine[@]:0:9}" "$T/bin/fabricd" --services root --run-dir "$T/run/x" --state-dir "$T/state/x"
has "as another user" "only root's fabricd" "$ERR"
status 0 me service rm web

is "root inside, with --root" "0 65536" \
    "$(me run --net lan1 --root -- sh -c 'echo $(id -u) $(sed -n "2s/.* //p" /proc/self/uid_map)')"
bg rooted alpha "${mine[@]}" run --net lan1 --name rooted --root -- sleep 600
wait_for 5 runs rooted
status 0 me exec lan1/rooted -- sh -c 'id -u | grep -qx 0 && ip link add v0 type veth peer name v1'
status 0 me run --net lan1 --root -- sh -c 'touch /dev/shm/ioth-e2e-owned && chown 5:5 /dev/shm/ioth-e2e-owned; r=$?; rm -f /dev/shm/ioth-e2e-owned; exit $r'

# Root enters the user's node as that user, and brings no groups of its own.
root_in() { on alpha setpriv --groups 0,4 "${mine[@]:4}" exec lan1/node -- "$@"; }
is "root comes as the node's user" 65534 "$(root_in id -u)"
is "root's groups stay outside" "" "$(root_in sed -n 's/^Groups:[[:space:]]*//p' /proc/self/status)"

# Another user neither finds this daemon nor enters its nodes.
pid=$(me endpoint show lan1/node -o json | jq .status.pid)
status 1 on alpha setpriv --reuid=65533 --regid=65533 --clear-groups nsenter -t "$pid" -U -n true

# What the user lacks is said with the command that mends it.
umount /dev/net/tun
mknod -m 0600 /run/tun0 c 10 200
mount --bind /run/tun0 /dev/net/tun
status 125 me run --net lan1 -- true
has "why" '/dev/net/tun' "$ERR"
has "what to do" 'hint: sudo chmod 0666 /dev/net/tun' "$ERR"
has "or what else" '# or: iothctl run --stack lwip$' "$ERR"
: >/run/subids
status 125 me run --net lan1 --root -- true
has "what to do" 'hint: sudo usermod --add-subuids' "$ERR"
status 0 me port add lan1 desk --tap desk0
has "a port is made, and says why it is down" 'port lan1/desk is down: cannot open desk0: Operation not permitted' "$ERR"
has "what to do" '^hint: sudo ip tuntap add dev desk0 mode tap user 65534$' "$ERR"
status 0 me port rm lan1/desk
status 0 me port add lan1 lan --raw up0
has "a physical interface takes a capability" 'cannot open interface up0: Operation not permitted' "$ERR"
has "what to do" "^hint: sudo setcap cap_net_raw.ep $T/bin/fabricd, and start it again\$" "$ERR"
is "in its status" "sudo setcap" "$(me port show lan1/lan -o json | jq -r .status.hint | cut -c 1-11)"

e2e_end node
e2e_end rooted
status 0 me daemon stop
# That is all that it takes.
lan_state() { me port show lan1/lan -o json | jq -r .status.state; }
if setcap cap_net_raw+ep "$T/bin/fabricd" 2>/dev/null; then
    status 0 me net ls
    is "the interface of a user with the capability" up "$(lan_state)"
    has "promiscuous" 'promiscuity 1' "$(ip -n alpha -d link show up0)"
    pid=$(me status -o json | jq .pids.switch)
    has "not the switch's" 'CapEff:.0000000000000000' "$(cat "/proc/$pid/status")"
    status 0 me daemon stop
    has "released" 'promiscuity 0' "$(ip -n alpha -d link show up0)"
fi
finish
