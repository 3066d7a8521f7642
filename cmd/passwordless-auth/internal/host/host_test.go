package host

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func TestFree_SeesWhoListens(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	if err := Free("127.0.0.1", port); !errors.Is(err, ErrTaken) {
		t.Errorf("while somebody listens: %v", err)
	}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Free("127.0.0.1", port); err != nil {
		t.Errorf("when nobody does: %v", err)
	}
	if err := Free("192.0.2.1", port); err == nil || errors.Is(err, ErrTaken) {
		t.Errorf("an address of another machine: %v", err)
	}
}

func TestLoad_ErrorLeavesOutTheChainOfModules(t *testing.T) {
	err := Load([]byte(`{"admin":{"disabled":true,"config":{"persist":false}},"apps":{"http":{"servers":{"a":{"routes":[{"handle":[
		{"handler":"rewrite","path_regexp":[{"find":"("}]}]}]}}}}}`))
	if err == nil {
		_ = caddy.Stop()
		t.Fatal("accepted")
	}
	if !strings.HasPrefix(err.Error(), "starting: ") || strings.Contains(err.Error(), "provision") {
		t.Errorf("got %q", err)
	}
}
