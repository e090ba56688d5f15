#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Each function of libioth's public headers is in the NAME and the SYNOPSIS of one manual page.
set -u
cd "${1:-.}" || exit 2

# In a page: its part from .SH NAME or SYNOPSIS to the next heading, without the escapes.
part() {
    sed -n "/^\.SH $1/,/^\.SH [^$(printf %.1s "$1")]/p" docs/man/*.3
}
names=$(part NAME | grep -oE '[a-z0-9_]+')
synopses=$(part SYNOPSIS)

failed=0
for header in libioth/api/ioth.h libioth/addr/iothaddr.h libioth/conf/iothconf.h libioth/dns/iothdns.h; do
    functions=$(grep -E '^(IOTH_API|static inline|int|uint)' $header | grep -oE '\b(ioth|iothaddr|iothdns)_[a-z0-9_]+\(' | tr -d '(' | sort -u)
    for f in $functions; do
        if [ "$(printf '%s\n' "$names" | grep -cx "$f")" != 1 ]; then
            echo "$header: $f: not in the NAME of one page of docs/man"
            failed=1
        elif ! printf '%s\n' "$synopses" | grep -q "\b$f("; then
            echo "$header: $f: not in a SYNOPSIS of docs/man"
            failed=1
        fi
    done
done
exit $failed
