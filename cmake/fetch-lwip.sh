#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# fetch-lwip.sh FOLDER FILE SHA256: gets Debian's archive FILE of lwIP's source into FOLDER.
#
# From the Debian archive that this system's apt is set up for, out of the first suite that has
# that very file, with lists and cache of its own in FOLDER: the system's stay as they are. What
# came is FILE only if it has that SHA-256; so where this system has no key for a later suite's
# lists (they only tell where the file is), it is fetched all the same.
set -eu
folder=$1 file=$2 sha256=$3
suites="trixie forky sid"

die() {
    echo "fetch-lwip: $1" >&2
    echo "hint: cmake -DIOTH_LWIP_DIR=FOLDER with lwIP 2.2.1 unpacked in it, or -DIOTH_LWIP=OFF to build without the lwip stack" >&2
    exit 1
}

good() {
    [ -f "$1" ] && echo "$sha256  $1" | sha256sum --check --status
}

good "$folder/$file" && exit 0
command -v apt-get >/dev/null || die "this system has no apt"
archive=$(apt-get indextargets --format '$(REPO_URI)|$(COMPONENT)|$(ORIGIN)' 'Created-By: Packages' |
    awk -F'|' '$2 == "main" && ($3 == "Debian" || $3 !~ /^[A-Za-z]/) { print $1; exit }')
[ -n "$archive" ] || die "apt is set up for no Debian archive"

apt="$folder/apt"
rm -rf "$apt"
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
cd "$apt"

# try SUITE OPTIONS: the file out of one suite. OPTIONS as in sources.list(5).
try() {
    echo "deb-src $2 $archive $1 main" >"$apt/sources.list"
    set -- -q -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=- \
        -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User= \
        -o APT::Update::Post-Invoke-Success= -o Acquire::Languages=none -o Acquire::Retries=3
    apt-get "$@" update && apt-get "$@" source --download-only --tar-only lwip
}

sum_of() {
    sha256sum "$1" | cut -d' ' -f1
}

wrong=
for suite in $suites; do
    for trust in '' '[trusted=yes]'; do
        try "$suite" "$trust" >>"$apt/log" 2>&1 || continue
        if good "$apt/$file"; then
            mv "$apt/$file" "$folder/$file"
            rm -rf "$apt"
            exit 0
        fi
        if [ -f "$apt/$file" ]; then
            wrong=$(sum_of "$apt/$file")
            rm "$apt/$file"
        fi
        break # It has another version.
    done
done
[ -z "$wrong" ] || die "$file of $archive is not the one that is wanted: its SHA-256 is $wrong, not $sha256"
grep '^[EW]:' "$apt/log" | tail -n 3 >&2
die "$file is not to be had from $archive ($suites)"
