#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# No file over 900 lines, no function over 100, no line over 100 columns in C.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "${1:-.}" || exit 2

"$here"/files.sh . '*.[ch]' '*.sh' '*.py' '*.cmake' |
    xargs awk '
    function close_file() {
        if (lines > 900) {
            printf "%s: %d lines (900 at most)\n", name, lines
            failed = 1
        }
    }
    FNR == 1 {
        close_file()
        name = FILENAME
        start = 0
    }
    { lines = FNR }
    name ~ /\.[ch]$/ && /^\{/ { start = FNR }
    name ~ /\.c$/ && /^\}/ && start {
        if (FNR - start > 101) {
            printf "%s:%d: a function of %d lines (100 at most)\n", name, start, FNR - start - 1
            failed = 1
        }
        start = 0
    }
    END {
        close_file()
        exit failed
    }'
