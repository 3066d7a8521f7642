package harness

import "testing"

// StartNginx runs nginx in the foreground on the nginx.conf in dir and waits
// until it listens at the address.
func StartNginx(t testing.TB, dir, address string) *Process {
	t.Helper()
	nginx := needServer(t, "nginx")
	if check := Exec(t, dir, nil, nginx, "-p", dir, "-c", "nginx.conf", "-e", "stderr", "-t"); check.Code != 0 {
		t.Fatalf("nginx -t:\n%s", check.Stderr)
	}
	p := Start(t, dir, nil, nginx, "-p", dir, "-c", "nginx.conf", "-e", "stderr", "-g", "daemon off;")
	p.WaitListening(address)
	return p
}
