#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# All of it without any privilege: a user who is nobody, with a daemon that iothctl starts by
# itself, in user namespaces of that user's own making.
#
#      nobody: iothctl ──starts──> fabricd
#                │ lan1
#             web, client
#
# As root the script becomes that user first, with a /dev/net/tun that everybody may open, as
# distributions have it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [ "$(id -u)" = 0 ] && [ -z "${E2E_INSIDE:-}" ]; then
    if ! command -v setpriv >/dev/null || ! [ -c /dev/net/tun ]; then
        echo "SKIP: needs setpriv and /dev/net/tun (sudo modprobe tun)"
        exit 77
    fi
    unshare --mount true 2>/dev/null || {
        echo "SKIP: no mount namespace may be had here"
        exit 77
    }
    # The user may not even see the folder that all this lies in.
    stage=$(mktemp -d "${TMPDIR:-/tmp}/ioth-e2e-stage.XXXXXX")
    trap 'rm -rf "$stage"' EXIT
    build=${IOTH_BUILD_DIR:-$here/../../build/dev}
    mkdir -p "$stage/tests/e2e" "$stage/build/fabricd" "$stage/build/ctl"
    cp "$here"/lib.sh "$here/$(basename "$0")" "$stage/tests/e2e/"
    cp "$build/fabricd/fabricd" "$stage/build/fabricd/"
    cp "$build/ctl/iothctl" "$stage/build/ctl/"
    if [ -e "$build/libioth/libioth-preload.so" ]; then
        mkdir -p "$stage/build/libioth/ioth"
        cp "$build"/libioth/libioth*.so* "$stage/build/libioth/"
        cp "$build"/libioth/ioth/ioth_lwip-c.so "$stage/build/libioth/ioth/"
    fi
    cp "$build/CMakeCache.txt" "$stage/build/"
    chmod -R a+rX "$stage"
    cd /
    status=0
    # shellcheck disable=SC2016 # expanded by the shell inside
    unshare --mount sh -ec '
        mount --make-rprivate /
        mount -t tmpfs -o mode=0755 tmpfs /run
        mknod -m 0666 /run/tun c 10 200
        chmod 0666 /run/tun
        mount --bind /run/tun /dev/net/tun
        exec setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs "$@"' - \
        env HOME=/nonexistent IOTH_BUILD_DIR="$stage/build" \
        "$stage/tests/e2e/$(basename "$0")" "$@" || status=$?
    exit "$status"
fi
# shellcheck source=tests/e2e/lib.sh
. "$here/lib.sh"
need_tun
need curl

e2e_hosts alpha
mkdir -m 0700 "$T/runtime" "$T/state"
# The daemon that iothctl starts: no socket is named.
mine=(env -u IOTH_SOCKET IOTH_RUN_DIR="$T/runtime/ioth" IOTH_STATE_DIR="$T/state/ioth" "$IOTHCTL")
me() { on alpha "${mine[@]}" "$@"; }

status 4 me --no-start net ls
status 0 me net create lan1
has "it says that it starts one" 'start' "$ERR"
status 0 me net ls
has "the network is there" 'lan1' "$OUT"
is "and says it once" "" "$ERR"

mkdir "$T/www"
echo "$CANARY" >"$T/www/index.html"
bg web alpha "${mine[@]}" run --net lan1 --name web -- "$PYTHON" -m http.server 80 -d "$T/www"
page() { [ "$(me run --net lan1 -- curl -sS --max-time 2 http://web/)" = "$CANARY" ]; }
wait_for 10 page
is "a user, not root" "$(id -u)" "$(me run --net lan1 -- id -u)"
status 0 me run --net lan1 -- ping -c 1 -W 2 web
status 0 me run --net lan1 -- ping -6 -c 1 -W 2 web
status 7 me exec lan1/web -- sh -c 'exit 7'
if [ -e "$E2E_BUILD/libioth/libioth-preload.so" ] &&
    ! grep -q 'IOTH_SANITIZE:STRING=.' "$E2E_BUILD/CMakeCache.txt"; then
    is "with a stack in its process" "$CANARY" \
        "$(me run --stack lwip --net lan1 -- curl -sS --max-time 5 http://web/)"
fi
status 0 me daemon stop
status 4 me --no-start net ls

finish
