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
need cmake cc pkg-config

here=$(dirname "$0")
grep -q '^IOTH_SANITIZE:STRING=$' "$E2E_BUILD/CMakeCache.txt" || skip "a sanitised library needs a sanitised program"
for part in runtime devel; do
    cmake --install "$E2E_BUILD" --prefix "$T/installed" --component "$part" >"$T/install.out" 2>&1 ||
        fail "the installation: $(cat "$T/install.out")"
done
lib=$(dirname "$(find "$T/installed" -name libioth.so)")
export PKG_CONFIG_PATH="$lib/pkgconfig"
# A place that nobody named when it was built.
read -ra flags <<<"$(pkg-config --cflags --libs ioth)"
cc -w "$here/style.c" -D_GNU_SOURCE "${flags[@]}" -o "$T/style" -lpthread
cc -w -D_GNU_SOURCE -I"$T/installed/include" "$here/style.c" -o "$T/style" -L"$lib" -Wl,-rpath,"$lib" \
    -lioth -liothconf -liothdns -liothaddr -lpthread
for kind in lwip vdestack netns; do
    status 0 timeout 20 "$T/style" "$kind"
    is "a program on $kind" "$kind hello" "$OUT"
done

# The program of docs/libioth.md, as its reader builds it.
awk '/^```c$/ && !n++ { inside = 1; next } /^```/ { inside = 0 } inside' "$E2E_ROOT/docs/libioth.md" >"$T/hello.c"
cc -Wall -Wextra -Werror "$T/hello.c" -o "$T/hello" "${flags[@]}" || fail "the program of docs/libioth.md"
export LD_LIBRARY_PATH=$lib
e2e_hosts alpha
e2e_start alpha
status 0 ctl alpha net create lan1 --ipv4 10.73.0.0/24
bg hello alpha "$T/hello" 'ioth://lan1[name=web/ip=10.73.0.10]'
hello() { [ "$(on alpha timeout 5 "$T/hello" 'ioth://lan1[name=me]' 10.73.0.10)" = 'hello from a process' ]; }
wait_for 10 hello
e2e_wait hello
unset LD_LIBRARY_PATH
rm -r "$T/installed"
finish
