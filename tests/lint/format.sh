#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every C file is as clang-format would write it.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "${1:-.}" || exit 2
if ! command -v clang-format > /dev/null; then
    echo "clang-format is not installed (apt-get install clang-format)"
    exit 77
fi
"$here"/files.sh . '*.[ch]' |
    xargs clang-format -n --Werror
