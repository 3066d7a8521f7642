#!/usr/bin/env bash
# Checks what Go's linters do not read: shell scripts, and the types of the
# pages' JavaScript. A checker that is not installed is named; with CI=true it fails.
set -euo pipefail
cd "$(dirname "$0")"

absent() {
	echo "MISSING $1 (test/setup.sh): $2 not checked" >&2
	[ "${CI:-}" != true ]
}

if command -v shellcheck >/dev/null; then
	shellcheck ./*.sh ../.ci/run
else
	absent shellcheck 'shell scripts'
fi

if [ -x node_modules/.bin/tsc ]; then
	node_modules/.bin/tsc --project tsconfig.json
else
	absent typescript 'types of the JavaScript'
fi
