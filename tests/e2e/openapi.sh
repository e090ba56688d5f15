#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The OpenAPI document is true: other tests run through a proxy that holds every request that is
# carried out, and every answer, against it (openapi_proxy.py). And it is sound: its schemas are
# schemas, and where npm can be asked, a linter of others finds nothing.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
/usr/bin/python3 -c 'import jsonschema' 2>/dev/null || {
    echo "SKIP: python3-jsonschema is not installed (deploy/install-deps)"
    exit 77
}
log=$(mktemp "${TMPDIR:-/tmp}/ioth-openapi.XXXXXX")
trap 'rm -f "$log"' EXIT
for name in api iothctl apply; do
    status=0
    E2E_PROXY=$log "$here/$name.sh" >"$log.out" 2>&1 || status=$?
    if [ $status = 77 ]; then
        tail -n 1 "$log.out"
    elif [ $status != 0 ]; then
        tail -n 30 "$log.out"
        rm -f "$log.out"
        echo "FAIL: $name.sh through the proxy"
        exit 1
    fi
    rm -f "$log.out"
done
checked=$(grep -c '^ok ' "$log" || true)
if grep '^BAD ' "$log" | sort | uniq -c | sort -rn | head -n 40 | grep .; then
    echo "FAIL: the document and the daemon do not agree"
    exit 1
fi
# So that it is not the proxy that looks away.
[ "$checked" -gt 100 ] || {
    echo "FAIL: only $checked exchanges went through the proxy"
    exit 1
}
for operation in 'PUT /v1/networks/' 'PATCH /v1/' 'DELETE /v1/' 'POST /v1/apply' 'GET /v1/networks' \
    'GET /v1/export' 'GET /v1/status' 'POST /v1/tokens' 'GET /v1/audit' 'GET /v1/events'; do
    grep -q "^ok $operation" "$log" || {
        echo "FAIL: $operation was never checked"
        exit 1
    }
done
echo "$checked exchanges agree with the document"
echo PASS
