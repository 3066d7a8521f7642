package caddymodule

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// The first walk sees raw routes, the second decoded ones; what the first
// accepted is what will serve.
func TestWalk_RawAndDecodedAgree(t *testing.T) {
	caddyfile, _ := isolated(t, portalOption+`
&(named) {
	passwordless_guard {
		public /named
	}
}
*.example.com {
	tls internal
	@app host app.example.com
	handle @app {
		uri strip_prefix /x
		passwordless_guard
	}
	@wiki {
		host wiki.example.com other.example.org
		path /wiki/*
	}
	handle @wiki {
		passwordless_guard
	}
	handle {
		invoke named
	}
}
auth.example.com {
	passwordless_portal
}
`)
	cfg := config(t, strings.Replace(caddyfile, "public /named", "origin https://n.example.com", 1))
	rawApp := new(caddyhttp.App)
	if err := json.Unmarshal(cfg.AppsRaw["http"], rawApp); err != nil {
		t.Fatal(err)
	}
	ctx, err := caddy.ProvisionContext(cfg)
	if err != nil {
		t.Fatal(err)
	}
	mod, err := ctx.App("http")
	if err != nil {
		t.Fatal(err)
	}
	raw, decoded := reach(t, rawApp), reach(t, mod.(*caddyhttp.App))
	if !reflect.DeepEqual(raw, decoded) || len(raw) != 4 {
		t.Errorf("raw walk:\n%q\ndecoded walk:\n%q", raw, decoded)
	}
}

func reach(t *testing.T, app *caddyhttp.App) []string {
	t.Helper()
	w := walker{app: app, repl: caddy.NewReplacer()}
	if err := w.walk(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range append(w.guards, w.portals...) {
		where := "portal"
		if f.guard != nil {
			where = f.guard.where()
		}
		lines = append(lines, fmt.Sprint(where, f.hosts, f.auth, f.rewritten))
	}
	return lines
}

// behind is a portal with words of its own in the passwordless option.
func behind(words, sites string) string {
	return "passwordless {\nsmtp mail.internal {\nfrom a@example.com\n}\n" + words + "\nportal https://auth.example.com\n}\n%\nauth.example.com {\npasswordless_portal\n}\n" + sites
}

func TestValidate_Warns(t *testing.T) {
	for name, tc := range map[string]struct{ caddyfile, want string }{
		"nothing": {
			"passwordless {\nsmtp mail.internal {\nfrom a@example.com\n}\n}\n%\napp.example.com {\npasswordless_guard {\npublic /healthz\n}\nrewrite * ?a=b\nhandle {\nrespond hi\n}\n}",
			"",
		},
		"no mail server": {
			"app.example.com {\npasswordless_guard\n}",
			"no mail server is configured",
		},
		"a matcher keeps /.auth/ away": {
			"app.example.com {\nhandle /private/* {\npasswordless_guard\n}\n}",
			"requests for https://app.example.com/.auth/* may not reach it, and sign-in ends there; add to the site, with the same rules\nhandle /.auth/* {\n\tpasswordless_guard\n}",
		},
		"a matcher further out keeps /.auth/ away": {
			"app.example.com {\nhandle /private/* {\n@auth path /.auth/*\nhandle @auth {\npasswordless_guard\n}\n}\n}",
			"may not reach it",
		},
		"a method keeps /.auth/ away": {
			"app.example.com {\n@get method GET\npasswordless_guard @get\n}",
			"may not reach it",
		},
		"a rewrite before public paths": {
			"app.example.com {\ntry_files {path} /index.html\npasswordless_guard {\npublic /healthz\n}\n}",
			"the URI is rewritten before the guard",
		},
		"a rewrite behind public paths": {
			"app.example.com {\npasswordless_guard {\npublic /healthz\n}\nhandle_path /x/* {\nrespond hi\n}\n}",
			"the URI is rewritten behind the guard",
		},
		"a rewrite before path rules": {
			"app.example.com {\ntry_files {path} /index.html\npasswordless_guard {\npath /admin/* {\nallow group:admins\n}\n}\n}",
			"the URI is rewritten before the guard; a path is public only if both the original and the rewritten one are listed, and path rules hold for either",
		},
		"a rewrite behind path rules": {
			"app.example.com {\npasswordless_guard {\npath /admin/* {\nallow group:admins\n}\n}\nhandle_path /x/* {\nrespond hi\n}\n}",
			"the URI is rewritten behind the guard; public and path rules are compared before that",
		},
		"an app and no proxy": {
			behind("app wiki.example.com\napp git.example.com", ""),
			"app wiki.example.com at Caddyfile:15: no proxy may ask about it; add to the passwordless global option, with the kind and address of yours\nproxy traefik 172.18.0.2",
		},
		"a proxy and no app": {
			behind("proxy nginx 172.18.0.2", ""),
			"proxy nginx: there is no app that it could ask about; add to the passwordless global option\napp wiki.example.com",
		},
		"a proxy that may be many": {
			behind("app wiki.example.com\nproxy traefik 172.18.0.0/28", ""),
			"proxy traefik: everybody in 172.18.0.0/28 can ask about apps and make addresses up; name the proxy alone, as 172.18.0.1",
		},
		"a proxy of IPv6 that may be many": {
			behind("app wiki.example.com\nproxy traefik fd00::/63", ""),
			"everybody in fd00::/63 can ask about apps",
		},
		"an app that the rp_id covers": {
			behind("rp_id example.com\napp *.example.com\nproxy envoy unix", ""),
			"rp_id example.com covers the app *.example.com",
		},
		"an app below the portal": {
			behind("app *.auth.example.com\nproxy envoy unix", ""),
			"the app *.auth.example.com is below the portal's host name, and may ask browsers for the portal's passkeys; give one of them another name",
		},
		"an app, its proxy and a listener inside": {
			behind("app wiki.example.com\nproxy traefik 172.18.0.0/29 fd00::/64 unix", "http://:9080 {\npasswordless_portal\n}"),
			"",
		},
		"a listener inside beside a portal on another port": {
			behind("app wiki.example.com\nproxy caddy 127.0.0.1", "http://:9080 {\npasswordless_portal\n}\nauth.example.com:8443 {\npasswordless_portal\n}"),
			"",
		},
		"a proxy that rewrites behind public paths": {
			"app.example.com {\npasswordless_guard {\npublic /pub/*\n}\nreverse_proxy localhost:1 {\nrewrite /admin{uri}\n}\n}",
			"the URI is rewritten behind the guard",
		},
		"a proxy beside the guard's matcher": {
			"app.example.com {\npasswordless_guard /admin/*\nhandle /.auth/* {\npasswordless_guard\n}\nreverse_proxy localhost:1\n}",
			": requests for app.example.com can reach a reverse_proxy without it, and may claim there to be anybody; guard the whole site and open paths with public",
		},
		"a proxy beside a guarded handle": {
			"app.example.com {\nhandle /api/* {\nreverse_proxy localhost:1\n}\nhandle {\npasswordless_guard\nreverse_proxy localhost:1\n}\n}",
			"can reach a reverse_proxy without it",
		},
		"a proxy before the guard": {
			"app.example.com {\nroute {\nreverse_proxy /api/* localhost:1\npasswordless_guard\nreverse_proxy localhost:1\n}\n}",
			"can reach a reverse_proxy without it",
		},
		"a proxy on a site without a host": {
			":8443 {\nhandle /api/* {\nreverse_proxy localhost:1\n}\nhandle {\npasswordless_guard {\norigin https://app.example.com\n}\nreverse_proxy localhost:1\n}\n}",
			"can reach a reverse_proxy without it",
		},
		"a proxy behind the guard, and one of another site": {
			"passwordless {\nsmtp mail.internal {\nfrom a@example.com\n}\n}\n%\napp.example.com {\npasswordless_guard\nhandle /x/* {\nreverse_proxy localhost:1\n}\nreverse_proxy localhost:1\n}\nopen.example.com {\nreverse_proxy localhost:2\n}",
			"",
		},
		"a proxy in handle_errors": {
			"app.example.com {\npasswordless_guard\nreverse_proxy localhost:1\nhandle_errors {\nreverse_proxy localhost:2\n}\n}",
			"handle_errors of app.example.com leads to a reverse_proxy that no guard stands in front of: what clients claim about users reaches it, and so do our cookies and access tokens; put this before it\nrequest_header -Remote-*\nrequest_header -Cookie\nrequest_header -Authorization",
		},
		"a proxy in handle_errors and other names": {
			"app.example.com {\npasswordless_guard {\nheaders {\nuser X-App-User\nname off\n}\n}\nreverse_proxy localhost:1\nhandle_errors {\nreverse_proxy localhost:2\n}\n}",
			"put this before it\nrequest_header -Remote-*\nrequest_header -X-App-User\nrequest_header -Cookie\nrequest_header -Authorization",
		},
		"clients of as many names as browsers take": {
			behind("client spa Spa https://a.com https://b.com https://www.a.de https://c.com https://d.com https://e.com", ""),
			"",
		},
		"a client of one name too many": {
			behind("client spa Spa https://a.com https://b.com https://c.com https://d.com https://e.com https://f.com", ""),
			"client: browsers let pages of five names use the portal's passkeys, and https://f.com would be one too many; sign-in by code works there",
		},
		"an rp_id above an app": {
			"passwordless {\nportal https://auth.example.com\nrp_id example.com\n}\n%\napp.example.com {\npasswordless_guard\n}\nauth.example.com {\npasswordless_portal\n}",
			"rp_id example.com covers the app app.example.com",
		},
		"a proxy that is believed too much": {
			"servers {\ntrusted_proxies static private_ranges\n}\n%\napp.example.com {\npasswordless_guard\n}",
			"server srv0: trusted_proxies without trusted_proxies_strict lets clients behind the proxy choose their address; add to the global options\nservers {\n\ttrusted_proxies_strict\n}",
		},
		"everybody is believed": {
			"servers {\ntrusted_proxies static 0.0.0.0/0\ntrusted_proxies_strict\n}\n%\napp.example.com {\npasswordless_guard\n}",
			"server srv0: trusted_proxies static 0.0.0.0/0 believes strangers, who then choose their address; write that of the proxy in front, such as 172.18.0.2",
		},
		"everybody in pieces is believed": {
			"servers {\ntrusted_proxies static 172.18.0.2 ::/1 8000::/1\ntrusted_proxies_strict\n}\n%\napp.example.com {\npasswordless_guard\n}",
			"trusted_proxies static 8000::/1 believes strangers",
		},
		"a proxy that is believed enough": {
			"passwordless {\nsmtp mail.internal {\nfrom a@example.com\n}\n}\nservers {\ntrusted_proxies static private_ranges\ntrusted_proxies_strict\n}\n%\napp.example.com {\npasswordless_guard\n}",
			"",
		},
		"a portal on another port": {
			"passwordless {\nportal https://auth.example.com\n}\n%\nauth.example.com:8443 {\npasswordless_portal\n}",
			"portal: its site listens on 8443 and https://auth.example.com says 443; that is right only behind a port mapping, otherwise write portal https://auth.example.com:8443",
		},
		"a portal behind https_port": {
			"https_port 8443\npasswordless {\nportal https://auth.example.com\n}\n%\nauth.example.com {\npasswordless_portal\n}",
			"listens on 8443 and https://auth.example.com says 443",
		},
		"a local portal without its port": {
			"passwordless {\nportal http://auth.localhost\n}\n%\nhttp://auth.localhost:23100 {\npasswordless_portal\n}",
			"listens on 23100 and http://auth.localhost says 80; that is right only behind a port mapping, otherwise write portal http://auth.localhost:23100",
		},
		"a local portal of the other scheme": {
			"passwordless {\nportal http://auth.localhost\n}\n%\nauth.localhost {\ntls internal\npasswordless_portal\n}",
			"otherwise write portal https://auth.localhost",
		},
		"a portal on its own port": {
			"passwordless {\nsmtp mail.internal {\nfrom a@example.com\n}\nportal https://auth.example.com:8443\n}\n%\nauth.example.com:8443, auth.example.com {\npasswordless_portal\n}",
			"",
		},
		"a portal behind a proxy that ends TLS": {
			"passwordless {\nsmtp mail.internal {\nfrom a@example.com\n}\nportal https://auth.example.com\n}\n%\nhttp://:9080 {\npasswordless_portal\n}",
			"",
		},
		"localhost for everybody": {
			"http://app.localhost:8080 {\nbind 0.0.0.0\npasswordless_guard\n}",
			"plain HTTP on localhost, but other machines can connect",
		},
	} {
		t.Run(name, func(t *testing.T) {
			caddyfile, log := isolated(t, tc.caddyfile)
			if err := caddy.Validate(config(t, caddyfile)); err != nil {
				t.Fatal(err)
			}
			got := warnings(t, log)
			if tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
				t.Errorf("warned %q, want %q", got, tc.want)
			}
		})
	}
}

func warnings(t *testing.T, log string) string {
	t.Helper()
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(string(data)) {
		var entry struct{ Level, Logger, Msg string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Level == "warn" && strings.HasPrefix(entry.Logger, "passwordless") {
			all = append(all, entry.Msg)
		}
	}
	return strings.Join(all, "\n")
}
