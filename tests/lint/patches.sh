#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Each patch of lwIP says at its head why it is there, and which tests would fail without it.
set -u
cd "${1:-.}" || exit 2
failed=0
for patch in libioth/stack/patches/*.patch; do
    head=$(sed '/^diff /,$d' "$patch" | tr '\n' ' ')
    tests=$(printf '%s\n' "$head" | sed -n 's/.* Test: *//p' | grep -oE 'tests/[A-Za-z0-9_./-]*[A-Za-z0-9_]')
    if [ -z "$tests" ]; then
        echo "$patch: names no test (Test: tests/…)"
        failed=1
    fi
    for test in $tests; do
        [ -e "$test" ] && continue
        echo "$patch: there is no $test"
        failed=1
    done
done
exit $failed
