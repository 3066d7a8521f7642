package caddymodule

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// isolated puts global options around a Caddyfile that keep Caddy away from
// this machine, and returns the Caddyfile and the file that it logs to. The
// caller's own options end with a line of %; what follows begins on line 41.
func isolated(t *testing.T, caddyfile string) (string, string) {
	t.Helper()
	dir := t.TempDir()
	log := filepath.Join(dir, "log.json")
	options := fmt.Sprintf("admin off\npersist_config off\nskip_install_trust\ndefault_bind 127.0.0.1\nstorage file_system %s\nlog {\noutput file %s\nformat json\n}\n", dir, log)
	own, sites, ok := strings.Cut(caddyfile, "%\n")
	if !ok {
		own, sites = "", caddyfile
	}
	head := "{\n" + options + own + "}\n"
	return head + strings.Repeat("\n", 40-strings.Count(head, "\n")) + sites, log
}

func config(t *testing.T, caddyfile string) *caddy.Config {
	t.Helper()
	raw, err := adapt(t, caddyfile)
	if err != nil {
		t.Fatalf("adapting: %v", err)
	}
	cfg := new(caddy.Config)
	if err := json.Unmarshal(raw, cfg); err != nil {
		t.Fatal(err)
	}
	return cfg
}

const portalOption = "passwordless {\nportal https://auth.example.com\n}\n%\n"

// Each refusal is a sentence with what to write.
func TestValidate_Refuses(t *testing.T) {
	for name, tc := range map[string]struct{ caddyfile, want string }{
		"a site for any host": {
			":8080 {\npasswordless_guard\n}",
			"passwordless_guard at Caddyfile:42: its site matches any host; write origin https://HOST in the guard's block",
		},
		"a wildcard": {
			"*.example.com {\ntls internal\npasswordless_guard\n}",
			`"*.example.com" is not an exact host; write origin https://HOST`,
		},
		"a placeholder of the request": {
			"app.example.com {\n@a host {http.request.host}\nhandle @a {\npasswordless_guard\n}\n}\n:8080 {\n@b host {query.h}\nhandle @b {\npasswordless_guard\n}\n}",
			"is not an exact host",
		},
		"an address": {
			"192.0.2.1 {\npasswordless_guard\n}",
			`"192.0.2.1" is an address; cookies and passkeys need a host name`,
		},
		"plain http": {
			"http://app.example.com {\npasswordless_guard\n}",
			"http://app.example.com is plain HTTP; behind a proxy that ends TLS, write origin https://app.example.com",
		},
		"plain http by port": {
			"app.example.com:80 {\npasswordless_guard\n}",
			"http://app.example.com is plain HTTP",
		},
		"plain http by http_port": {
			"http_port 8080\n%\napp.example.com:8080 {\npasswordless_guard\n}",
			"http://app.example.com:8080 is plain HTTP",
		},
		"http and https of one host": {
			"http://app.example.com, https://app.example.com {\npasswordless_guard\n}",
			"http://app.example.com is plain HTTP",
		},
		"two ports of one host": {
			"app.example.com, app.example.com:8443 {\npasswordless_guard\n}",
			"https://app.example.com and https://app.example.com:8443 are one host name, and share cookies",
		},
		"a socket": {
			"app.example.com {\nbind unix//run/app.sock\npasswordless_guard\n}",
			"has no port; write origin https://app.example.com",
		},
		"a second host without a portal": {
			"app.example.com {\npasswordless_guard\n}\nwiki.example.com {\npasswordless_guard\n}",
			"wiki.example.com and app.example.com are guarded, so sign-in needs a host of its own; add \"portal https://auth.example.com\" to the passwordless global option",
		},
		"a second host on localhost": {
			"http://app.localhost:8080, http://wiki.localhost:8080 {\npasswordless_guard\n}",
			"add \"portal http://auth.localhost:8080\"",
		},
		"a second host in one site": {
			"example.com, www.example.com {\npasswordless_guard\n}",
			"add \"portal https://auth.example.com\"",
		},
		"a portal that nobody serves": {
			portalOption + "app.example.com {\npasswordless_guard\n}",
			"portal: no site with passwordless_portal serves https://auth.example.com; add\nauth.example.com {\n\tpasswordless_portal\n}",
		},
		"a portal on another host": {
			portalOption + "login.example.com {\npasswordless_portal\n}",
			"no site with passwordless_portal serves https://auth.example.com",
		},
		"a portal without any site of ours": {
			portalOption + "app.example.com {\nrespond hi\n}",
			"no site with passwordless_portal serves https://auth.example.com",
		},
		"a portal without any site": {
			portalOption,
			"no site with passwordless_portal serves https://auth.example.com",
		},
		"a portal that is not configured": {
			"login.example.com {\npasswordless_portal\n}",
			"passwordless_portal: no portal is configured; add \"portal https://login.example.com\"",
		},
		"an app on the portal's host": {
			portalOption + "auth.example.com {\npasswordless_portal\n}\nauth.example.com:8443 {\npasswordless_guard\n}",
			"auth.example.com is the portal; an app there would share its cookies",
		},
		"an app that is guarded here": {
			"passwordless {\nportal https://auth.example.com\napp wiki.example.com:8443\n}\n%\nwiki.example.com {\npasswordless_guard\n}\nauth.example.com {\npasswordless_portal\n}",
			"app wiki.example.com:8443 at Caddyfile:13: passwordless_guard at Caddyfile:42 guards this host already, and one host has one set of rules; remove one of them",
		},
		"an app and no site for the portal": {
			"passwordless {\nportal https://auth.example.com\napp wiki.example.com\n}\n%\n:8080 {\nrespond hi\n}",
			"portal: no site with passwordless_portal serves https://auth.example.com",
		},
		"two sets of path rules on one host": {
			"app.example.com {\nhandle /a/* {\npasswordless_guard {\npath /a/* {\nallow group:a\n}\n}\n}\nhandle {\npasswordless_guard {\npath /a/* {\nallow group:b\n}\n}\n}\n}",
			"app.example.com is guarded by other rules already (passwordless_guard at Caddyfile:43); one host has one set of rules",
		},
		"two sets of rules on one host": {
			"app.example.com {\nhandle /a/* {\npasswordless_guard {\nallow group:a\n}\n}\nhandle {\npasswordless_guard\n}\n}",
			"app.example.com is guarded by other rules already (passwordless_guard at Caddyfile:43); one host has one set of rules",
		},
		"a guard behind a guard": {
			"app.example.com {\npasswordless_guard\nhandle /admin/* {\npasswordless_guard\n}\n}",
			"passwordless_guard at Caddyfile:44 stands behind another one (passwordless_guard at Caddyfile:42)",
		},
		"a guard behind a guard, both named": {
			"&(guarded) {\npasswordless_guard\n}\napp.example.com {\nroute {\ninvoke guarded\ninvoke guarded\n}\n}",
			"stands behind another one",
		},
		"a guard in handle_errors": {
			"app.example.com {\nrespond hi\nhandle_errors {\npasswordless_guard\n}\n}",
			"handle_errors: passwordless_guard and passwordless_portal cannot work there",
		},
		"a guard in handle_response": {
			"app.example.com {\nreverse_proxy localhost:1 {\nhandle_response {\npasswordless_guard\n}\n}\n}",
			"passwordless_guard stands inside reverse_proxy, where it cannot work",
		},
		"a passkey that nobody could use": {
			"passwordless {\nmethods email\n}\n%\napp.example.com {\npasswordless_guard {\nrequire totp\nrequire passkey\n}\n}",
			"passwordless_guard at Caddyfile:42: require: nobody could give the passkey that Caddyfile:44 asks for, because methods leaves out passkey; add it there, or write require totp",
		},
		"an rp_id of somebody else": {
			"passwordless {\nrp_id example.org\n}\n%\napp.example.com {\npasswordless_guard\n}",
			`rp_id: "example.org" is neither "app.example.com", which serves sign-in, nor a parent of it`,
		},
		"a logo that is not there": {
			"passwordless {\nbrand {\nlogo /nowhere/logo.svg\n}\n}\n%\napp.example.com {\npasswordless_guard\n}",
			"brand: reading the brand's logo: stat /nowhere/logo.svg",
		},
		"a secret that is not set": {
			"passwordless {\nroot_key {env.NO_SUCH_VARIABLE}\n}\n%\napp.example.com {\npasswordless_guard\n}",
			"root_key: the environment variable NO_SUCH_VARIABLE is not set, or empty; set it where this process is started",
		},
		"a secret's file that is not there": {
			"passwordless {\nsmtp mail.internal {\nfrom a@example.com\nusername a\npassword {file./nowhere/smtp}\n}\n}\n%\napp.example.com {\npasswordless_guard\n}",
			"smtp password: the secret cannot be read (stat /nowhere/smtp: no such file or directory); put it into that file",
		},
		"a secret's file that is empty": {
			"passwordless {\nroot_key {file./dev/null}\n}\n%\napp.example.com {\npasswordless_guard\n}",
			"root_key: the file /dev/null is empty, or this process may not read it; put the secret into it",
		},
	} {
		t.Run(name, func(t *testing.T) {
			caddyfile, _ := isolated(t, tc.caddyfile)
			raw, err := adapt(t, caddyfile)
			if err != nil {
				t.Fatal(err)
			}
			inEveryOrder(t, raw, func(cfg *caddy.Config) {
				if err := caddy.Validate(cfg); err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("error: %v\nwant: %s", err, tc.want)
				}
			})
		})
	}
}

// bound provisions a configuration and walks its decoded routes, as Start does.
func bound(t *testing.T, cfg *caddy.Config) []string {
	t.Helper()
	ctx, err := caddy.ProvisionContext(cfg)
	if err != nil {
		t.Fatalf("provisioning: %v", err)
	}
	mod, err := ctx.App("passwordless")
	if err != nil {
		t.Fatal(err)
	}
	b, err := mod.(*App).bindHosts()
	if err != nil {
		t.Fatalf("binding: %v", err)
	}
	var lines []string
	for _, h := range b.hosts {
		line := h.Origin.String()
		if len(h.Guards) == 0 {
			line += " " + h.at
		}
		for _, g := range h.Guards {
			if g.app != mod {
				t.Errorf("%s: the guard is not one that was provisioned", line)
			}
			_, at, _ := strings.Cut(g.where(), " at ")
			line += " " + at
		}
		lines = append(lines, line)
	}
	return lines
}

func TestBind_FindsTheOrigin(t *testing.T) {
	t.Setenv("TEST_DOMAIN", "app.example.com")
	for name, tc := range map[string]struct {
		caddyfile string
		want      []string
	}{
		"a site": {
			"app.example.com {\npasswordless_guard\n}",
			[]string{"https://app.example.com Caddyfile:42"},
		},
		"its own port": {
			"app.example.com:8443 {\npasswordless_guard\n}",
			[]string{"https://app.example.com:8443 Caddyfile:42"},
		},
		"https_port is what people see": {
			"https_port 8443\n%\napp.example.com {\npasswordless_guard\n}",
			[]string{"https://app.example.com:8443 Caddyfile:42"},
		},
		"upper case": {
			"App.Example.COM {\npasswordless_guard\n}",
			[]string{"https://app.example.com Caddyfile:42"},
		},
		"another script": {
			"bücher.example {\npasswordless_guard\n}",
			[]string{"https://xn--bcher-kva.example Caddyfile:42"},
		},
		"a placeholder of the environment": {
			"*.example.com {\ntls internal\n@app host {env.TEST_DOMAIN}\nhandle @app {\npasswordless_guard\n}\n}",
			[]string{"https://app.example.com Caddyfile:45"},
		},
		"http on localhost": {
			"http://app.localhost:8080 {\npasswordless_guard\n}",
			[]string{"http://app.localhost:8080 Caddyfile:42"},
		},
		"http on localhost, standard port": {
			"http://localhost {\npasswordless_guard\n}",
			[]string{"http://localhost Caddyfile:42"},
		},
		"https on localhost": {
			"app.localhost {\ntls internal\npasswordless_guard\n}",
			[]string{"https://app.localhost Caddyfile:43"},
		},
		"auto_https off": {
			"auto_https off\n%\napp.example.com {\npasswordless_guard\n}",
			[]string{"https://app.example.com Caddyfile:42"},
		},
		"behind a proxy that ends TLS": {
			"http://app.example.com:8080 {\npasswordless_guard {\norigin https://app.example.com\n}\n}",
			[]string{"https://app.example.com Caddyfile:42"},
		},
		"any host": {
			":8080 {\npasswordless_guard {\norigin https://app.example.com:8443\n}\n}",
			[]string{"https://app.example.com:8443 Caddyfile:42"},
		},
		"http and https with an origin": {
			"http://app.example.com, https://app.example.com {\npasswordless_guard {\norigin https://app.example.com\n}\n}",
			[]string{"https://app.example.com Caddyfile:42 Caddyfile:42"},
		},
		"one host of a wildcard": {
			"*.example.com {\ntls internal\n@app host app.example.com\nhandle @app {\npasswordless_guard\n}\nhandle {\nrespond hi\n}\n}",
			[]string{"https://app.example.com Caddyfile:45"},
		},
		"a host that the site has not": {
			portalOption + "app.example.com {\n@other host other.example.com\nhandle @other {\npasswordless_guard\n}\n}\nauth.example.com {\npasswordless_portal\n}",
			nil,
		},
		"the same rules in two places": {
			"app.example.com {\nhandle /.auth/* {\npasswordless_guard\n}\nhandle /private/* {\npasswordless_guard\nreverse_proxy localhost:1\n}\nhandle {\nrespond hi\n}\n}",
			[]string{"https://app.example.com Caddyfile:46 Caddyfile:43"},
		},
		"handle_path, route and snippets": {
			"app.example.com {\nroute {\nhandle_path /x/* {\nroute {\npasswordless_guard\n}\n}\n}\n}",
			[]string{"https://app.example.com Caddyfile:45"},
		},
		"a named route": {
			portalOption + "&(guarded) {\npasswordless_guard\nrespond hi\n}\na.example.com {\ninvoke guarded\n}\nb.example.com:8443 {\nrespond /x hi\ninvoke guarded\n}\nauth.example.com {\npasswordless_portal\n}",
			[]string{"https://a.example.com Caddyfile:42", "https://b.example.com:8443 Caddyfile:42"},
		},
		"a portal behind a wildcard": {
			portalOption + "app.example.org {\npasswordless_guard\n}\n*.example.com {\ntls internal\npasswordless_portal\n}",
			[]string{"https://app.example.org Caddyfile:42"},
		},
		"a portal that another proxy leads to": {
			portalOption + "app.example.org {\npasswordless_guard\n}\nhttp://:9080 {\npasswordless_portal\n}",
			[]string{"https://app.example.org Caddyfile:42"},
		},
		"apps behind other proxies": {
			"passwordless {\nportal https://auth.example.com\napp wiki.example.com\napp *.example.com {\nallow group:staff\n}\n}\n%\napp.example.com {\npasswordless_guard\n}\nauth.example.com {\npasswordless_portal\n}\nhttp://:9080 {\npasswordless_portal\n}",
			[]string{"https://*.example.com app *.example.com at Caddyfile:14", "https://app.example.com Caddyfile:42", "https://wiki.example.com app wiki.example.com at Caddyfile:13"},
		},
		"apps on localhost": {
			"passwordless {\napp wiki.localhost:8080\napp https://files.localhost\napp *.apps.localhost\nportal http://localhost:3000\n}\n%\nhttp://localhost:3000 {\npasswordless_portal\n}",
			[]string{"http://*.apps.localhost app *.apps.localhost at Caddyfile:14", "http://wiki.localhost:8080 app wiki.localhost:8080 at Caddyfile:12", "https://files.localhost app https://files.localhost at Caddyfile:13"},
		},
		"two domains": {
			portalOption + "app.example.com, app.example.org {\npasswordless_guard\n}\nauth.example.com {\npasswordless_portal\n}",
			[]string{"https://app.example.com Caddyfile:42", "https://app.example.org Caddyfile:42"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			caddyfile, _ := isolated(t, tc.caddyfile)
			raw, err := adapt(t, caddyfile)
			if err != nil {
				t.Fatal(err)
			}
			inEveryOrder(t, raw, func(cfg *caddy.Config) {
				got := bound(t, cfg)
				slices.Sort(got) // hosts of one site come in no order
				if !slices.Equal(got, tc.want) {
					t.Errorf("bound %q, want %q", got, tc.want)
				}
			})
		})
	}
}

// JSON needs no app block either, and may listen on both ports.
func TestBind_PlainJSON(t *testing.T) {
	raw := `{"admin":{"disabled":true},"apps":{"http":{"servers":{"a":{
		"listen":["127.0.0.1:80","127.0.0.1:443"],
		"routes":[
			{"match":[{"host":["app.example.com"],"path":["/old"]}],"handle":[{"handler":"rewrite","uri":"/new"}]},
			{"match":[{"host":["app.example.com"]}],"handle":[{"handler":"passwordless_guard","public":["/healthz"]}]},
			{"handle":[{"handler":"static_response","body":"{\"handler\":\"passwordless_guard\"}"}]}]}}}}}`
	inEveryOrder(t, []byte(raw), func(cfg *caddy.Config) {
		if got := bound(t, cfg); !slices.Equal(got, []string{"https://app.example.com "}) {
			t.Errorf("bound %q", got)
		}
	})
}

// A server is asked about before and after Caddy has decoded it (hosts.go).
func TestStaticRanges_OfWhatIsStillRaw(t *testing.T) {
	for raw, want := range map[string]string{
		`{"source":"static","ranges":["0.0.0.0/1","128.0.0.0/1"]}`: "[0.0.0.0/1 128.0.0.0/1]",
		`{"source":"other","ranges":["0.0.0.0/1"]}`:                "[]",
		"": "[]",
	} {
		if got := fmt.Sprint(staticRanges(&caddyhttp.Server{TrustedProxiesRaw: []byte(raw)})); got != want {
			t.Errorf("%s: %s, want %s", raw, got, want)
		}
	}
}
