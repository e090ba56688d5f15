#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# iothconf against dnsmasq: DHCP, DHCPv6 with and without addresses, router advertisements, on stacks of both
# kinds; renewal, the end of a lease, and what is given back.
#
#      alpha
#        fabricd
#         │ lan1 ── vde_plug ioth://lan1 tap://dtap ── dnsmasq
#         │      ── ioth_conf (a process with a stack lwip or netns)
#
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
# shellcheck source=tests/interop/ioth_lib.sh
. "$(dirname "$0")/ioth_lib.sh"
need_tun
need vde_plug dnsmasq

conf=$E2E_BUILD/tests/interop/ioth_conf
vde_plugins

e2e_hosts alpha
e2e_start alpha
status 0 ctl alpha net create lan1 --ipv4 none --ipv6 none
plug_dtap lan1

serve() { # MODE…: dnsmasq with these ranges
    : >"$T/leases"
    bg dns alpha dnsmasq --no-daemon --no-hosts --no-resolv --no-ping --log-dhcp --conf-file=/dev/null --interface=dtap \
        --bind-interfaces --dhcp-leasefile="$T/leases" --domain=example.org --dhcp-authoritative "$@"
    wait_for 5 grep -q 'DHCP' "$T/dns.out"
}
try() { # CONFIG [SECONDS]: the output of ioth_conf
    OUT=$(on alpha timeout 30 "$conf" "$1" "${2:-0}" </dev/null 2>&1) || fail "$1: $OUT"
}

n=0
released() { [ "$(grep -c 'DHCPRELEASE' "$T/dns.out")" = $((2 * $1)) ]; }

# Everything at once.
serve --dhcp-range=10.75.0.50,10.75.0.60,2m --enable-ra --dhcp-range=fd75::50,fd75::60,64,2m \
    --host-record=host.example.org,10.75.0.7,fd75::7 --local=/example.org/ \
    --dhcp-option=option:domain-search,one.example.org,example.org
for kind in lwip netns; do
    try "stack=$kind,vnl=ioth://lan1,auto,slaac,fqdn=web.example.org"
    has "$kind: an address by DHCP" '^addr 10\.75\.0\.5' "$OUT"
    has "$kind: an address by DHCPv6" '^addr fd75::5[0-9]$' "$OUT"
    has "$kind: the name's address" "^addr fd75::[0-9a-f:]*$(printf %s web.example.org | md5sum | cut -c13-16)$" "$OUT"
    has "$kind: domains" '^resolv search .*example.org' "$OUT"
    has "$kind: a name server over IPv4" '^resolv nameserver 10\.75\.0\.1$' "$OUT"
    has "$kind: a name server over IPv6" '^resolv nameserver fd75::1$' "$OUT"
    n=$((n + 1))
    wait_for 5 released "$n" # What was given is given back: IPv4 and IPv6.
done
# Names by the server that DHCP told of, found in the domain that it told.
for kind in lwip netns; do
    OUT=$(printf '%s\n' '?host' '?nobody.example.org' |
        on alpha timeout 30 "$conf" "stack=$kind,vnl=ioth://lan1,auto" 5 2>&1) || fail "$OUT"
    has "$kind: a name over IPv4" '^name 10\.75\.0\.7$' "$OUT"
    has "$kind: a name over IPv6" '^name fd75::7$' "$OUT"
    has "$kind: no name" '^name Name or service not known$' "$OUT"
done
# Another MAC while there are leases: they are asked for anew, from the address that the MAC has now.
for kind in lwip netns; do
    OUT=$(printf '%s\n' eth,mac=02:00:00:00:00:55 dhcp6,dhcp |
        on alpha timeout 30 "$conf" "stack=$kind,vnl=ioth://lan1,auto" 15 2>&1) || fail "$OUT"
    has "$kind: leases of another MAC" '^bits dhcp dhcpv6$' "$OUT"
done
# A name has its MAC, and with it its lease, whoever it is.
has "the name's MAC" "$(printf %s web.example.org | md5sum | sed 's/^\(..\)\(..\)\(..\)....\(..\)\(..\)\(..\).*/:\2:\3:\4:\5:\6/')" \
    "$(cat "$T/dns.out")"
e2e_end dns

# Leases are renewed, without a word where nothing changes, and are gone where nobody renews them.
serve --dhcp-range=10.75.0.70,10.75.0.70,2m --dhcp-option=option:T1,1 --dhcp-option=option:T2,4
bg one alpha "$conf" stack=lwip,vnl=ioth://lan1,auto4 20
renewed() { [ "$(grep -c DHCPACK "$T/dns.out")" -ge 3 ]; }
wait_for 10 renewed
is "no change, one state" 1 "$(grep -c '^addr 10.75.0.70' "$T/one.out")"
e2e_end one
e2e_end dns

# Name servers only, where the router says so; and SLAAC with the MAC.
serve --enable-ra --dhcp-range=fd75::,ra-stateless,64,2m
try "stack=netns,vnl=ioth://lan1,auto6,slaac,mac=02:00:00:00:00:09"
has "an address of the MAC" '^addr fd75::ff:fe00:9$' "$OUT"
has "name servers without an address" '^resolv nameserver fd75::1$' "$OUT"
has "it was asked for information only" 'DHCPINFORMATION-REQUEST' "$(cat "$T/dns.out")"
hasnt "nobody was asked for an address by a router's word" 'DHCPREQUEST' "$(cat "$T/dns.out")"
e2e_end dns

# By hand; and what there is nobody for, which is said in good time.
try "stack=lwip,vnl=ioth://lan1,eth,ip=10.75.0.99/24,ip=fd75::99,gw=10.75.0.1,dns=10.75.0.1,domain=hand.example"
has "IPv4 by hand" '^addr 10\.75\.0\.99$' "$OUT"
has "IPv6 by hand" '^addr fd75::99$' "$OUT"
has "a domain by hand" '^resolv search hand.example$' "$OUT"
OUT=$(on alpha "$conf" "stack=netns,vnl=ioth://lan1,eth,ip=10.75.0.99/24,gw=192.0.2.1" 0 2>&1 || true)
has "a router that is out of reach" 'unreachable' "$OUT"
OUT=$(on alpha "$conf" "stack=lwip,vnl=ioth://lan1,ehh" 0 2>&1 || true)
has "an unknown option" 'no option is named ehh' "$OUT"
OUT=$(on alpha "$conf" "stack=lwip,vnl=ioth://lan1,eth,iface=eth7" 0 2>&1 || true)
has "an unknown interface" 'no interface eth7' "$OUT"

# A server that comes late is heard all the same; -dhcp gives its address back, and takes it away.
mkfifo "$T/words"
on alpha timeout 30 "$conf" stack=lwip,vnl=ioth://lan1,eth 25 <"$T/words" >>"$T/late.out" 2>&1 &
late=$!
exec 8>"$T/words"
wait_for 5 grep -q end "$T/late.out"
echo dhcp >&8
wait_for 12 grep -q '^bits$' "$T/late.out"
serve --dhcp-range=10.75.0.80,10.75.0.80,2m
wait_for 20 grep -q '^addr 10.75.0.80' "$T/late.out"
: >"$T/late.out"
echo -dhcp >&8
wait_for 5 grep -q end "$T/late.out"
hasnt "no address any more" 10.75.0.80 "$(cat "$T/late.out")"
wait_for 5 grep -q DHCPRELEASE "$T/dns.out"
exec 8>&-
wait "$late" || fail "the end of the last process"
e2e_end dns
e2e_end plug
finish
