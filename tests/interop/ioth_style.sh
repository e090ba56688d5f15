#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What is installed of libioth is enough for programs in the manner of VirtualSquare's: headers, the four names of the
# library, the stacks and what they need.
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
# shellcheck source=tests/interop/ioth_lib.sh
. "$(dirname "$0")/ioth_lib.sh"
need_tun
need cmake cc

here=$(dirname "$0")
grep -q '^IOTH_SANITIZE:STRING=$' "$E2E_BUILD/CMakeCache.txt" || skip "a sanitised library needs a sanitised program"
for part in runtime devel; do
    cmake --install "$E2E_BUILD" --prefix "$T/installed" --component "$part" >"$T/install.out" 2>&1 ||
        fail "the installation: $(cat "$T/install.out")"
done
lib=$(dirname "$(find "$T/installed" -name libioth.so)")
cc -w -D_GNU_SOURCE -I"$T/installed/include" "$here/style.c" -o "$T/style" -L"$lib" -Wl,-rpath,"$lib" \
    -lioth -liothconf -liothdns -liothaddr -lpthread
for kind in lwip vdestack netns; do
    status 0 timeout 20 "$T/style" "$kind"
    is "a program on $kind" "$kind hello" "$OUT"
done
status 0 env PKG_CONFIG_PATH="$lib/pkgconfig" pkg-config --libs ioth
has "pkg-config" '-lioth' "$OUT"
rm -r "$T/installed"
finish
