#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Who may include whom: proto/base <- proto/wire <- proto/* <- libioth <- fabricd, ctl, routerd, keeper.
# Rooms of proto/ do not know each other, programs do not either, and nobody knows tests/.
# Outside proto/base, proto/ touches neither sockets nor clocks nor threads.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "${1:-.}" || exit 2

"$here"/files.sh . '*.[ch]' | grep -E '^(proto|libioth|fabricd|ctl|routerd|keeper|tests)/' |
    xargs awk '
    function bad(why) {
        printf "%s:%d: %s: %s\n", FILENAME, FNR, $0, why
        failed = 1
    }
    function under(path, folder) {
        return index(path, folder "/") == 1
    }
    FNR == 1 {
        split(FILENAME, at, "/")
        top = at[1]
        room = at[1] "/" at[2]
    }
    /^#[ \t]*include[ \t]*"/ {
        split($0, quoted, "\"")
        inc = quoted[2]
        if (inc == "ioth_version.h")
            next # Generated into the build folder.
        if (inc !~ /\//)
            bad("the path must name the room")
        else if (top == "tests")
            next
        else if (under(inc, "tests"))
            bad("only tests may include tests")
        else if (top == "proto") {
            if (!under(inc, "proto/base") && room == "proto/base")
                bad("proto/base may use itself only")
            else if (!under(inc, "proto/base") && !under(inc, "proto/wire") && !under(inc, room))
                bad("a room of proto/ may use proto/base, proto/wire and itself")
        } else if (top == "libioth") {
            if (!under(inc, "proto") && !under(inc, "libioth"))
                bad("libioth may use proto and itself")
        } else if (top == "routerd") {
            if (!under(inc, "proto") && !under(inc, "libioth") && !under(inc, top))
                bad("routerd may use proto, libioth and itself")
        } else if (!under(inc, "proto") && !under(inc, "libioth/plug") && !under(inc, top) &&
                   !(top != "fabricd" && under(inc, "libioth")))
            bad(top " may use proto, its part of libioth, and itself")
    }
    /^#[ \t]*include[ \t]*</ && top == "proto" && room != "proto/base" {
        if ($0 ~ /<(sys\/(socket|epoll|un|eventfd|mman|ioctl|time)|time|pthread|threads|unistd|syslog|poll|netdb|netinet\/.*|net\/.*)\.h>/)
            bad("proto/ is pure: only proto/base touches the system")
    }
    END { exit failed }'
