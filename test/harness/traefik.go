package harness

import (
	"os"
	"path/filepath"
	"testing"
)

// traefikBinary is what test/build-traefik.sh builds. Debian has no Traefik.
const traefikBinary = "bin/tools/traefik-v3.7.13"

// NeedTraefik returns the path of the Traefik that was built for the tests.
func NeedTraefik(t testing.TB) string {
	t.Helper()
	path := filepath.Join(Root(t), filepath.FromSlash(traefikBinary))
	switch _, err := os.Stat(path); {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("%s is missing; make test-proxies builds it", traefikBinary)
	default:
		t.Skipf("%s is missing; make test-proxies builds it", traefikBinary)
	}
	return path
}

// StartTraefik runs Traefik on the traefik.yml in dir and waits until it
// listens at the address and has read its routes.
func StartTraefik(t testing.TB, dir, address string) *Process {
	t.Helper()
	p := Start(t, dir, nil, NeedTraefik(t), "--configFile="+filepath.Join(dir, "traefik.yml"))
	p.WaitListening(address)
	return p
}
