package demo

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/passwordless-auth/passwordless-auth/caddymodule"
)

func TestSites_CaddyfileAdapts(t *testing.T) {
	env := environment{addresses: []string{"127.0.0.1", "::1"}, data: "/tmp/my data", upstream: "/tmp/x/web", mail: "127.0.0.1:2525"}
	for _, port := range []int{80, 8080} {
		f := sites{port: port}.caddyfile(env)
		cfg, err := f.Adapt()
		if err != nil {
			t.Fatal(err)
		}
		if formatted := caddyfile.Format([]byte(f.String())); !bytes.Equal(bytes.TrimSpace(formatted), bytes.TrimSpace([]byte(f.String()))) {
			t.Errorf("caddy fmt would write:\n%s", formatted)
		}
		if cfg, err = marked(cfg); err != nil {
			t.Fatal(err)
		}
		var v struct {
			Apps struct {
				HTTP struct {
					Servers map[string]struct{ Listen []string }
				}
				Passwordless struct {
					Demo         bool
					Database     string
					Registration struct{ Mode string }
				}
			}
		}
		if err := json.Unmarshal(cfg, &v); err != nil {
			t.Fatal(err)
		}
		if p := v.Apps.Passwordless; !p.Demo || p.Database != "/tmp/my data/auth.db" || p.Registration.Mode != "open" {
			t.Errorf("%+v", p)
		}
		for name, srv := range v.Apps.HTTP.Servers {
			for _, l := range srv.Listen {
				if !strings.HasPrefix(l, "127.0.0.1:") && !strings.HasPrefix(l, "[::1]:") {
					t.Errorf("%s listens on %s", name, l)
				}
			}
		}
	}
}

func TestSites_Port80IsNotWritten(t *testing.T) {
	if got := (sites{port: 80}).url("app"); got != "http://app.localhost" {
		t.Error(got)
	}
	if got := (sites{port: 8080}).url("app"); got != "http://app.localhost:8080" {
		t.Error(got)
	}
}
