#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Calls that are not used here, secrets compared with memcmp, and words of unfinished work.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "${1:-.}" || exit 2
status=0

# check WHY REGEX: no line of the C files on stdin matches.
check() {
    found=$(xargs grep -nE -- "$2" /dev/null)
    if [ -n "$found" ]; then
        printf '%s\n%s\n' "$1:" "$found"
        status=1
    fi
}

"$here"/files.sh . '*.[ch]' > /tmp/ioth-lint.$$
trap 'rm -f /tmp/ioth-lint.$$ /tmp/ioth-doors.$$' EXIT
check 'banned call' \
    '(^|[^A-Za-z0-9_.>])(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|atoll|gets|alloca|inet_ntoa|tmpnam|mktemp)[ ]?\(' \
    < /tmp/ioth-lint.$$
check 'secrets are compared with sodium_memcmp' \
    '(^|[^A-Za-z0-9_])(memcmp|strcmp|strncmp|bcmp)\([^;]*(secret|psk|password|_tag\b|\btag\b|mac1|mac2|cookie|private)' \
    < /tmp/ioth-lint.$$
grep -vE '^(\./)?(proto/base/door\.c|libioth/(api|sockets|preload|vdestack)/|tests/)' /tmp/ioth-lint.$$ > /tmp/ioth-doors.$$
check 'who listens in a loop has a door (proto/base/door.h), which rests when no descriptor is to be had' \
    '(^|[^A-Za-z0-9_.>])accept4?\(' < /tmp/ioth-doors.$$
check 'unfinished work' '\b(TODO|FIXME|XXX|HACK)\b|#[ ]*if 0\b' < /tmp/ioth-lint.$$
check 'no struct is laid over bytes of others' '__attribute__\(\(packed\)\)' < /tmp/ioth-lint.$$
exit $status
