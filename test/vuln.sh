#!/usr/bin/env bash
# Fails on a known flaw in code that ours can reach (SECURITY BT-4).
#
#   test/vuln.sh GOVULNCHECK
#
# The database comes as a Go module, so that the check needs nothing but the
# module proxy. vuln-accepted.txt holds the findings that were judged not to
# matter here; one that is no longer found has to leave it.
set -euo pipefail
cd "$(dirname "$0")/.."
govulncheck=$1

db=$(go mod download -json golang.org/x/vulndb@latest | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
status=0
report=$("$govulncheck" -db "file://$db/data/osv" ./...) || status=$?
if [ "$status" != 0 ] && [ "$status" != 3 ]; then # 3: flaws were found
	echo "$report"
	exit "$status"
fi

ids() { grep -oE "$1" | grep -oE 'GO-[0-9]+-[0-9]+' | sort -u || true; }
found=$(ids '^Vulnerability #[0-9]+: GO-[0-9]+-[0-9]+' <<<"$report")
accepted=$(ids '^GO-[0-9]+-[0-9]+' <test/vuln-accepted.txt)
new=$(comm -23 <(echo "$found") <(echo "$accepted"))
gone=$(comm -13 <(echo "$found") <(echo "$accepted"))

if [ -n "$new" ]; then
	echo "$report"
	echo "known flaws that our code can reach: ${new//$'\n'/ }" >&2
	exit 1
fi
if [ -n "$gone" ]; then
	echo "no longer found, remove from test/vuln-accepted.txt: ${gone//$'\n'/ }" >&2
	exit 1
fi
(cd examples/verify-go && "$govulncheck" -db "file://$db/data/osv" .) >/dev/null || { # a module of its own, which people copy
	echo "known flaws that examples/verify-go can reach; run $govulncheck there" >&2
	exit 1
}
echo "no known flaws in reach (database ${db##*@})"
