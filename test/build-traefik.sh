#!/usr/bin/env bash
# Builds the real Traefik, which no Debian package has, from its Go module:
#
#   test/build-traefik.sh bin/tools/traefik-v3.7.13
#
# The version is the end of the file's name. About four minutes cold, seconds
# when the build cache is warm; 1.7 GB of cache, 144 MB of binary.
#
# A module's replace directives count in its own checkout only, so they are
# repeated here. Three replaced parts are not to be had as modules and get a
# stand-in: the types of paid extensions, the 180 DNS providers of ACME, and a
# fork for basic and digest authentication. None of them is near forwardAuth.
set -euo pipefail

out=$(realpath -m "$1")
version=v${out##*-v}
[ "$out" != "${out%-v*}" ] || { echo "usage: build-traefik.sh FOLDER/traefik-vX.Y.Z" >&2; exit 2; }
work=$(mktemp -d)
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
cd "$work"
export GOFLAGS="-buildvcs=false -mod=mod"

# source prints the folder of a module in the module cache.
source_of() { (cd / && GOFLAGS='' go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p'); }
# copy_of makes a copy that can be changed.
copy_of() { cp -r "$(source_of "$1")" "$2" && chmod -R u+w "$2"; }

traefik=$(source_of "github.com/traefik/traefik/v3@$version")
lego=$(sed -n 's|^\tgithub.com/go-acme/lego/v5 \(v[^ ]*\).*|\1|p' "$traefik/go.mod")
mux=$(sed -n 's|.*github.com/gorilla/mux => ||p' "$traefik/go.mod")

mkdir ext main
cat >ext/go.mod <<'END'
module github.com/traefik/traefik/dynamic/ext

go 1.26
END
cat >ext/ext.go <<'END'
package ext

type HTTP struct{}

type Router struct{}
END

copy_of "github.com/go-acme/lego/v5@$lego" lego
rm -rf lego/providers lego/cmd lego/e2e
mkdir -p lego/providers/dns
cat >lego/providers/dns/none.go <<'END'
package dns

import (
	"errors"

	"github.com/go-acme/lego/v5/challenge"
)

func NewDNSChallengeProviderByName(string) (challenge.Provider, error) {
	return nil, errors.New("not in this build")
}
END

copy_of github.com/abbot/go-http-auth@v0.4.0 httpauth
cat >httpauth/go.mod <<'END'
module github.com/abbot/go-http-auth

go 1.12

require golang.org/x/crypto v0.45.0
END
cat >httpauth/fork.go <<'END'
package auth

import "net/http"

func CheckSecret(password, secret string) bool { return false }

func (da *DigestAuth) RequireAuthStale(w http.ResponseWriter, r *http.Request) { da.RequireAuth(w, r) }
END

cat >main/go.mod <<END
module example.test/traefik

go 1.26.0

require github.com/traefik/traefik/v3 $version

replace (
	github.com/abbot/go-http-auth => ../httpauth
	github.com/go-acme/lego/v5 => ../lego
	github.com/gorilla/mux => $mux
	github.com/traefik/traefik/dynamic/ext => ../ext
)
END
install -m 0644 "$traefik/go.sum" main/go.sum
cd main
go build -trimpath -ldflags '-s -w' -o "$out" github.com/traefik/traefik/v3/cmd/traefik
