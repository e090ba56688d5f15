#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# files.sh ROOT PATTERN...: the project's own files of these names, one a line, relative to ROOT.
# Goes by folder rather than by git, so that the checks also work on a release tarball.
set -u
cd "$1" || exit 2
shift
for pattern in "$@"; do
    find . \( -name .git -o -path ./build -o -path '*/corpus' -o -name __pycache__ \) -prune -o \
        -type f -name "$pattern" -print
done | sed 's#^\./##' | sort -u
