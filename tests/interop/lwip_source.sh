#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Where the source of lwIP comes from: Debian, by way of apt's own configuration but not of its lists, if it is the very file
# that is wanted; or a folder of somebody's own, which stays as it is. apt itself is played here.
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
need cmake patch
archive=$(find "$E2E_BUILD/lwip" -maxdepth 1 -name 'lwip_*.orig.tar.xz' 2>/dev/null || true)
[ -n "$archive" ] || skip "this build has not fetched lwIP"
name=$(basename "$archive")
sum=$(sha256sum "$archive" | cut -d' ' -f1)
has "the pinned file and sum" "$sum" "$(cat "$E2E_ROOT/cmake/IothLwip.cmake")"

# --- from Debian --------------------------------------------------------------------------------
mkdir "$T/bin"
cat >"$T/bin/apt-get" <<'END'
#!/bin/bash
echo "$*" >>"$APT_LOG"
case " $* " in
*' indextargets '*) echo 'http://deb.example.org/debian/|main|Debian' ;;
*' update '*) [ "$APT" != away ] || { echo 'E: Could not connect to deb.example.org' >&2; exit 100; } ;;
*' source '*) case $APT in
    good) cp "$APT_ARCHIVE" . ;;
    other) echo 'somebody changed it' >"$(basename "$APT_ARCHIVE")" ;;
    esac ;;
esac
END
chmod +x "$T/bin/apt-get"
fetch() { # WHAT: how apt is today
    APT=$1 APT_LOG=$T/apt.log APT_ARCHIVE=$archive PATH="$T/bin:$PATH" \
        "$E2E_ROOT/cmake/fetch-lwip.sh" "$T/$1" "$name" "$sum"
}
mkdir "$T/good" "$T/other" "$T/away"
status 0 fetch good
is "the file" "$sum" "$(sha256sum "$T/good/$name" | cut -d' ' -f1)"
is "nothing else is left" "$name" "$(ls "$T/good")"
has "lists of its own" "Dir::State::lists=$T/good/apt/lists" "$(cat "$T/apt.log")"
hasnt "no list but its own" ' update' "$(grep -v "Dir::State::lists=$T/good/apt/lists" "$T/apt.log")"
status 0 fetch good # It is there: nobody is asked.
status 1 fetch other
has "another file is refused, by both sums" "^fetch-lwip: lwip_.* of http://deb.example.org/debian/ is not .*: its SHA-256 is [0-9a-f]{64}, not $sum\$" "$ERR"
has "and what to do" '^hint: cmake -DIOTH_LWIP_DIR=' "$ERR"
[ ! -e "$T/other/$name" ] || fail "the wrong file was kept"
status 1 fetch away
has "nobody there" '^E: Could not connect' "$ERR"
has "nobody there, in our words" "^fetch-lwip: lwip_.* is not to be had from http://deb.example.org" "$ERR"

# --- from a folder ------------------------------------------------------------------------------
mkdir "$T/given" "$T/project"
tar xf "$archive" -C "$T/given" --strip-components=1
cat >"$T/project/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.22)
project(lwip_source LANGUAGES C)
set(PROJECT_SOURCE_DIR $E2E_ROOT)
include($E2E_ROOT/cmake/IothLwip.cmake)
END
sums() { find "$1" -type f -exec sha256sum {} + | sort; }
configure() { cmake -S "$T/project" -B "$T/build" -DIOTH_LWIP_DIR="$1"; }
sums "$T/given" >"$T/before"
chmod -R a-w "$T/given"
status 0 configure "$T/given"
is "the folder is as it was" "$(cat "$T/before")" "$(sums "$T/given")"
is "it is what a fetched one becomes" "$(cd "$E2E_BUILD/lwip/source/src" && sums .)" \
    "$(cd "$T/build/lwip/source/src" && sums .)"
touch "$T/build/lwip/source/src/core/tcp.c" # Writable, though the given one is not.
status 1 configure "$T/project"
has "no lwIP" 'IOTH_LWIP_DIR=.* is no source of lwIP' "$(tr -s ' \n' ' ' <<<"$ERR")"
status 0 configure "$T/given" # And back again.
chmod -R u+w "$T/given"
rm -r "$T/build"
sed -i 's/tcp_port == TCP_LOCAL_PORT_RANGE_END/tcp_port >= TCP_LOCAL_PORT_RANGE_END/' "$T/given/src/core/tcp.c"
status 1 configure "$T/given"
has "another version" 'it is not 2\.2\.1' "$(tr -s ' \n' ' ' <<<"$ERR")"
finish
