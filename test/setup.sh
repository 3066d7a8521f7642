#!/usr/bin/env bash
# Installs what the tests need beyond Go: a C compiler (race detector), Chromium,
# Firefox, WebKitGTK with an X server, and certutil (browser tests), nginx and
# HAProxy (make test-proxies, which builds its Traefik by itself), PyJWT
# (examples/verify-python), shellcheck, oathtool, and from npm axe-core, the TypeScript
# checker and jose (examples/verify-node), pinned by package-lock.json.
#
#   test/setup.sh          install what is missing, where that is allowed
#   test/setup.sh --check  install nothing; say what is missing
#
# Debian as root: installed. Anywhere else: listed, with what does not run
# without it. Nothing is skipped silently; with CI=true a missing part fails.
set -euo pipefail
cd "$(dirname "$0")"

# command, or "python: modules" | Debian packages | what does not run without it
parts='gcc|gcc libc6-dev|the race detector
chromium|chromium fonts-liberation|browser tests
firefox-esr|firefox-esr|passkeys in Firefox
WebKitWebDriver|webkit2gtk-driver|the pages in WebKit, a browser without passkeys
Xvfb|xvfb|the pages in WebKit
certutil|libnss3-tools|browser tests over TLS
nginx|nginx|the tests of examples/nginx
haproxy|haproxy|the tests of examples/haproxy
python: jwt, cryptography|python3-jwt python3-cryptography|the test of examples/verify-python
shellcheck|shellcheck|the check of shell scripts
oathtool|oathtool|the check of TOTP codes by a program that is not ours
npm|npm|accessibility checks, type checks of JavaScript, the test of examples/verify-node'

PATH=$PATH:/usr/sbin # where Debian keeps servers
have() {
	case $1 in
	python:*) python3 -c "import${1#python:}" || /usr/bin/python3 -c "import${1#python:}" ;;
	*) command -v "$1" ;;
	esac >/dev/null 2>&1
}

each_missing() { # calls "$1 packages purpose" for each part that is not here
	local command packages purpose
	while IFS='|' read -r command packages purpose; do
		have "$command" || "$1" "$packages" "$purpose"
	done <<<"$parts"
}

node_dirs='. ../examples/verify-node'
node_modules_current() {
	[ -f "$1/node_modules/.package-lock.json" ] && [ ! "$1/package-lock.json" -nt "$1/node_modules/.package-lock.json" ]
}

install_debian() {
	local wanted=()
	add() { read -ra words <<<"$1"; wanted+=("${words[@]}"); }
	each_missing add
	[ ${#wanted[@]} -gt 0 ] || return 0
	echo "installing ${wanted[*]}"
	# The tests start their own servers; a package must not start its one.
	local policy=/usr/sbin/policy-rc.d
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod +x "$policy"
		# shellcheck disable=SC2064 # the path as it is now
		trap "rm -f '$policy'" EXIT
	fi
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null
}

if [ "${1:-}" != --check ]; then
	if have apt-get && [ "$(id -u)" = 0 ]; then
		install_debian || echo "apt-get did not succeed; what is missing is listed below" >&2
	fi
	for dir in $node_dirs; do
		if have npm && ! node_modules_current "$dir"; then
			npm ci --prefix "$dir" --ignore-scripts --no-audit --no-fund --loglevel=error || echo "npm did not succeed in $dir" >&2
		fi
	done
fi

missing=0
report() {
	missing=1
	echo "MISSING $1: without it, not run: $2" >&2
}
each_missing report
[ -f node_modules/axe-core/axe.min.js ] || report 'axe-core (npm ci in test/)' 'accessibility checks'
[ -d ../examples/verify-node/node_modules/jose ] || report 'jose (npm ci in examples/verify-node/)' 'the test of examples/verify-node'

if [ "$missing" = 1 ]; then
	[ "$(id -u)" = 0 ] || echo "on Debian: sudo test/setup.sh" >&2
	[ "${CI:-}" != true ] || exit 1
fi
