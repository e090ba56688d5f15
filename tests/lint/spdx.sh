#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every source file says its licence in its first three lines.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "${1:-.}" || exit 2
missing=$("$here"/files.sh . '*.[ch]' '*.sh' '*.py' '*.cmake' '*CMakeLists.txt' |
    while read -r file; do
        head -n 3 "$file" | grep -q 'SPDX-License-Identifier: LGPL-2.1-or-later' || printf '%s\n' "$file"
    done)
[ -z "$missing" ] && exit 0
printf 'no SPDX line:\n%s\n' "$missing"
exit 1
