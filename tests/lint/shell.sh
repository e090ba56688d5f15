#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every shell script passes shellcheck.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "${1:-.}" || exit 2
if ! command -v shellcheck > /dev/null; then
    echo "shellcheck is not installed (apt-get install shellcheck)"
    exit 77
fi
"$here"/files.sh . '*' |
    while read -r file; do
        if [ "${file##*.}" = sh ] || head -n 1 "$file" | tr -d '\0' | grep -qE '^#!.*\b(sh|bash)$'; then
            printf '%s\n' "$file"
        fi
    done |
    xargs -n 12 -P 2 shellcheck -x -S warning
