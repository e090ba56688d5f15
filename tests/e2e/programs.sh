#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What deploy/quickstart builds is all that README.md sends its reader to: the daemon, iothctl,
# the keeper of services, and the stacks of `run --stack` with what they need. No test is among it.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
build=${IOTH_BUILD_DIR:-$root/build/dev}
if ! command -v ninja >/dev/null || [ ! -f "$build/build.ninja" ]; then
    echo "SKIP: $build was not made by ninja"
    exit 77
fi
# shellcheck disable=SC2016 # the text of the script
target=$(sed -n 's/.*cmake --build "$build" --target \([a-z ]*\)).*/\1/p' "$root/deploy/quickstart")
[ -n "$target" ] || {
    echo "FAIL: deploy/quickstart names no target" >&2
    exit 1
}
# shellcheck disable=SC2086 # words
commands=$(ninja -C "$build" -t commands $target)
wanted="fabricd/fabricd ctl/iothctl keeper/ioth-keeper libioth/ioth/ioth-holder
    libioth/ioth/ioth_netns-r.so libioth/vdeplug/libvdeplug_ioth.so"
if grep -q '^IOTH_LWIP:BOOL=ON' "$build/CMakeCache.txt"; then
    wanted+=" libioth/libioth-preload.so libioth/ioth/ioth_lwip-c.so"
fi
for file in $wanted; do
    grep -qF -- "-o $file" <<<"$commands" || {
        echo "FAIL: deploy/quickstart does not build $file" >&2
        exit 1
    }
done
if grep -q -- '-o tests/' <<<"$commands"; then
    echo "FAIL: deploy/quickstart builds tests" >&2
    exit 1
fi
