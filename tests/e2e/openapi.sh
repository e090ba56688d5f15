#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The OpenAPI document is true: other tests run through a proxy that holds every request that is
# carried out, and every answer, against it (openapi_proxy.py). With IOTH_NPM=1, where npm can be
# asked, a linter of others (spectral) has to find nothing either.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
/usr/bin/python3 -c 'import jsonschema' 2>/dev/null || {
    echo "SKIP: python3-jsonschema is not installed (deploy/install-deps)"
    exit 77
}
log=$(mktemp "${TMPDIR:-/tmp}/ioth-openapi.XXXXXX")
trap 'rm -f "$log" "$log.document"' EXIT
for name in api iothctl apply; do
    status=0
    E2E_PROXY=$log "$here/$name.sh" >"$log.out" 2>&1 || status=$?
    if [ $status = 77 ]; then
        tail -n 1 "$log.out"
        rm -f "$log.out"
        exit 77
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

# A linter of others, where npm gives one: nothing but that nobody is to be written to.
tools=$(mktemp -d "${TMPDIR:-/tmp}/ioth-openapi.XXXXXX")
trap 'rm -rf "$log" "$log.document" "$tools"' EXIT
if [ "${IOTH_NPM:-}" = 1 ] && command -v npm >/dev/null; then
    (cd "$tools" && timeout 120 npm install --silent --no-audit --no-fund @stoplight/spectral-cli >/dev/null 2>&1) ||
        echo "npm has no spectral for us: not linted by it"
fi
if [ -x "$tools/node_modules/.bin/spectral" ]; then
    grep -q . "$log.document" || {
        echo "FAIL: the proxy has kept no document"
        exit 1
    }
    cp "$log.document" "$tools/openapi.json"
    printf 'extends: ["spectral:oas"]\nrules: {info-contact: off}\n' >"$tools/.spectral.yaml"
    (cd "$tools" && node_modules/.bin/spectral lint --fail-severity=warn openapi.json) || {
        echo "FAIL: spectral has something to say"
        exit 1
    }
    echo "spectral has nothing to say"
fi
echo PASS
