#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# tsan.sh SOURCE BUILD: libioth and the stack lwip with ThreadSanitizer, built in BUILD/tsan, and many threads on one stack.
# IOTH_STRESS_MS: for how long, in milliseconds (2000).
set -euo pipefail
source=$1 build=$2/tsan
options=(-DCMAKE_BUILD_TYPE=Debug -DIOTH_SANITIZE=thread -DIOTH_WERROR=OFF)
copies=$(mktemp -d)
trap 'rm -rf "$copies"' EXIT

if command -v ccache >/dev/null; then
    options+=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)
fi
lwip_dir=$(sed -n 's/^IOTH_LWIP_DIR:PATH=//p' "$2/CMakeCache.txt")
[ -z "$lwip_dir" ] || options+=("-DIOTH_LWIP_DIR=$lwip_dir")
mkdir -p "$build/lwip"
# What was fetched once need not be fetched again.
cp -n "$2"/lwip/*.tar.xz "$build/lwip/" 2>/dev/null || true

tests=(stack_threads ioth drive pmtu)
if ! { cmake -S "$source" -B "$build" -G Ninja "${options[@]}" &&
    cmake --build "$build" --target "${tests[@]/#/test_}"; } >"$build/build.log" 2>&1; then
    tail -n 30 "$build/build.log"
    exit 1
fi

# Some kernels lay a process's memory out in a way that older ones of it do not know.
tsan=(env TSAN_OPTIONS="suppressions=$(dirname "$0")/suppressions:history_size=5:second_deadlock_stack=1:die_after_fork=0"
    IOTH_COPIES="$copies" IOTH_STRESS_MS="${IOTH_STRESS_MS:-2000}")
if ! "${tsan[@]}" "$build/tests/unit/test_drive" >"$build/try.log" 2>&1 &&
    grep -q 'unexpected memory mapping' "$build/try.log"; then
    tsan=(setarch -R "${tsan[@]}")
    "${tsan[@]}" true || { echo "skipped: ThreadSanitizer does not run on this kernel"; exit 77; }
fi
for test in "${tests[@]}"; do
    echo "$test"
    "${tsan[@]}" timeout 100 "$build/tests/unit/test_$test"
    rm -rf "${copies:?}"/*
done
