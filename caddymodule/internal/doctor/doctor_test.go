package doctor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestRun_EverythingIsWell(t *testing.T) {
	for _, kind := range []string{guard, "nginx"} {
		t.Run(kind, func(t *testing.T) {
			f := newFake(t, kind, "")
			report, err := Run(t.Context(), f, f.o)
			if err != nil || report.Failed() || len(report.Results) != len(checks()) {
				t.Errorf("%v, %d results", err, len(report.Results))
			}
			for _, r := range report.Results {
				if r.Verdict != OK && r.ID != "dns" {
					t.Errorf("%+v", r)
				}
			}
		})
	}
}

// flaws are deployments with one mistake each, the row that it turns, and what
// must stand among the lines to change.
var flaws = []struct {
	kind, flaw, id string
	verdict        Verdict
	line           string
}{
	{"nginx", "proxy's clock", "clock", Fail, "timedatectl"},
	{"nginx", "plain http", "https", Fail, "listen 80"},
	{"traefik", "old TLS", "tls", Fail, "minVersion: VersionTLS12"},
	{"nginx", "unknown CA", "tls", Fail, "fullchain.pem"},
	{"caddy", "certificate ends", "tls", Warn, "renewed"},
	{"envoy", "no sign-in", "sign-in", Fail, "cluster: passwordless"},
	{"nginx", "sign-in's headers", "sign-in", Fail, "remove add_header"},
	{"nginx", "decisions", "decisions", Fail, "location /api/authz/ { return 404; }"},
	{"traefik", "decisions without a name", "decisions", Fail, "!PathPrefix(`/api/authz`)"},
	{"nginx", "decisions of others", "decisions", Fail, "default_server"},
	{"haproxy", "unguarded", "stranger", Fail, "http-request lua.passwordless"},
	{"caddy", "unguarded", "scripts", Fail, "import guarded"},
	{"nginx", "not understood", "stranger", Fail, "X-Original-Method $request_method"},
	{"nginx", "not understood", "session", Fail, "X-Original-Method $request_method"},
	{"nginx", "another host", "same-path", Fail, "$scheme://$host$request_uri"},
	{"nginx", "no redirect", "stranger", Fail, "error_page 401 = @passwordless_signin;"},
	{"haproxy", "not trusted", "stranger", Fail, "proxy haproxy 192.0.2.9"},
	{"nginx", "HEAD is another", "stranger", Fail, "X-Original-Method $request_method"},
	{"nginx", "another app open", "other-apps", Fail, "in each location of wiki.example.test"},
	{"traefik", "another app elsewhere", "other-apps", Warn, "Host(`wiki.example.test`)"},
	{"traefik", "a route beside the check", "everywhere", Fail, "middlewares: [passwordless]"},
	{"nginx", "no check of OPTIONS", "everywhere", Fail, "auth_request"},
	{"caddy", "a 404 beside the check", "everywhere", Warn, "import guarded"},
	{"caddy", "CONNECT", "tunnel", Fail, "respond @connect 405"},
	{"nginx", "any upgrade", "tunnel", Fail, "proxy_set_header Upgrade $passwordless_upgrade;"},
	{"haproxy", "any upgrade", "tunnel", Fail, "http-request del-header Upgrade unless websocket"},
	{"caddy", "switches to h2c", "tunnel", Fail, "request_header @tunnels -Upgrade"},
	{"envoy", "pages for scripts", "scripts", Fail, "exact: sec-fetch-mode"},
	{"nginx", "no problem", "scripts", Warn, "$passwordless_location"},
	{"nginx", "no route of ours", "reserved", Fail, "location /.auth/"},
	{guard, "no route of ours", "reserved", Fail, "handle /.auth/*"},
	{"nginx", "cookie's domain", "cookies", Fail, "proxy_cookie_domain"},
	{"envoy", "no cookie", "cookies", Fail, "exact: set-cookie"},
	{"haproxy", "cookie not secure", "cookies", Fail, "Set-Cookie"},
	{guard, "claims", "spoofed-stranger", Fail, "passwordless_guard"},
	{"nginx", "believes the path", "vocabulary", Fail, "proxy_set_header X-Original-URL $scheme://$host$request_uri;"},
	{"traefik", "believes the method", "vocabulary", Fail, "trustForwardHeader: false"},
	{"haproxy", "one method", "vocabulary", Fail, "txn.sf:method()"},
	{"traefik", "unguarded", "vocabulary", Fail, "trustForwardHeader: false"},
	{"traefik", "believes the address", "client-address", Fail, "trustForwardHeader: false"},
	{"haproxy", "loses the address", "client-address", Fail, "x-forwarded-for"},
	{"nginx", "no address", "client-address", Fail, "proxy_set_header X-Forwarded-For $remote_addr;"},
	{"nginx", "paths", "paths", Fail, "not $uri"},
	{"envoy", "public identity", "public", Fail, "- remove: remote-"},
	{guard, "public identity", "public", Fail, "passwordless_guard"},
	{"envoy", "no cookie to the check", "session", Fail, "exact: cookie"},
	{"nginx", "not trusted", "session", Fail, "proxy nginx 192.0.2.9"},
	{"nginx", "no Remote-Sub", "identity", Fail, "proxy_set_header Remote-Sub $passwordless_sub;"},
	{"traefik", "no Remote-Sub", "identity", Fail, "- Remote-Sub   # in authResponseHeaders"},
	{"caddy", "no assertion", "identity", Fail, "Remote-Jwt"},
	{"traefik", "spellings", "spoofed-user", Fail, "aliasHeadersStrategy: delete"},
	{"haproxy", "keeps Remote-Groups", "spoofed-user", Fail, "http-request del-header ^remote"},
	{"envoy", "another path", "same-path", Fail, "normalize_path: true"},
	{guard, "cookie to the app", "our-cookie", Fail, "passwordless_guard"},
	{"nginx", "no cookies", "our-cookie", Fail, "Cookie"},
	{"nginx", "token to the app", "our-token", Fail, "proxy_set_header Authorization $passwordless_authorization;"},
	{"caddy", "no Authorization", "authorization", Warn, "copy_headers"},
	{"nginx", "no upgrade", "websocket", Fail, "proxy_set_header Upgrade $passwordless_upgrade;"},
	{"nginx", "buffered", "events", Fail, "proxy_buffering off;"},
	{"nginx", "body to the check", "post", Fail, "proxy_pass_request_body off;"},
	{"caddy", "POST as GET", "post", Fail, "method and rewrite"},
	{"traefik", "no body", "post", Fail, "forwardBody"},
	{"traefik", "no HEAD", "head", Fail, "methods"},
	{"haproxy", "small headers", "large", Fail, "tune.bufsize 65536"},
	{guard, "bare pages", "browser", Warn, "passwordless_headers"},
}

func TestChecks_EachFlawTurnsItsRow(t *testing.T) {
	turned := map[string]bool{"process": true, "config": true, "mail": true, "dns": true} // tests of their own
	for _, tc := range flaws {
		turned[tc.id] = true
		t.Run(tc.kind+"/"+tc.flaw+"/"+tc.id, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, tc.kind, tc.flaw)
			if tc.flaw == "buffered" {
				f.o.Events, f.o.Wire.Timeout = "/events", time.Second/2
			}
			r := f.question(tc.id)
			text := fmt.Sprint(r.Fixes)
			if r.Verdict != tc.verdict || !strings.Contains(text, tc.line) || r.Why == "" {
				t.Errorf("%s: %s\n%s; wanted %s", r.Verdict, r.Saw, text, tc.line)
			}
			if strings.Contains(text, "{a") {
				t.Errorf("a name is not filled in: %s", text)
			}
		})
	}
	for _, c := range checks() {
		if !turned[c.id] {
			t.Errorf("no flaw turns %s", c.id)
		}
	}
}

func TestChecks_WhatTheProcessTells(t *testing.T) {
	for _, tc := range []struct {
		id      string
		change  func(*fake)
		verdict Verdict
		line    string
	}{
		{"process", func(f *fake) { f.facts.Version = "v0" }, Warn, "restart the server"},
		{"config", func(f *fake) { f.facts.Proxies = nil }, Fail, "proxy traefik 172.18.0.2"},
		{"config", func(f *fake) { f.facts.Proxies[0].From = []string{"10.0.0.0/8"} }, Warn, "proxy nginx 10.0.0.1"},
		{"config", func(f *fake) { f.facts.Proxies[0].From = []string{"10.0.0.0/29", "unix"} }, OK, ""},
		{"mail", func(f *fake) { f.facts.Mail = "3 mails are waiting: refused" }, Fail, "smtp HOST:PORT"},
		{"mail", func(f *fake) { f.facts.NoMail, f.facts.Mail = true, "no mail server is configured" }, Warn, "smtp smtp.example.com:587"},
		{"clock", func(f *fake) { f.o.Now = func() time.Time { return time.Now().Add(10 * time.Second) } }, Warn, "timedatectl"},
		{"clock", func(f *fake) { f.facts.Now = time.Now().Add(-time.Minute) }, Fail, "timedatectl"},
		{"client-address", func(f *fake) { f.facts.Silent = "nginx at 192.0.2.9 sends none" }, Warn, ""},
		{"public", func(f *fake) { f.facts.Apps[1].Public = nil }, NotChecked, ""},
		{"other-apps", func(f *fake) { f.facts.Apps[0].Origin = "https://*.example.test" }, NotChecked, ""},
		{"other-apps", func(f *fake) { f.flaw, f.facts.Apps[0].Public = "another app open", []string{"/*"} }, OK, ""},
		{"our-token", func(f *fake) { f.probe.Token, f.probe.NoToken = "", "the app takes no access tokens" }, NotChecked, ""},
	} {
		f := newFake(t, "nginx", "")
		tc.change(f)
		r := f.question(tc.id)
		if r.Verdict != tc.verdict || !strings.Contains(fmt.Sprint(r.Fixes), tc.line) {
			t.Errorf("%s: %+v", tc.id, r)
		}
	}
	f := newFake(t, "nginx", "no name")
	w := &world{facts: &f.facts, app: f.facts.Apps[1], o: f.o}
	w.o.Wire.Connect = ""
	if got := checkDNS(t.Context(), w); got.verdict != Fail || !strings.Contains(got.saw, "app.example.test is not found") {
		t.Errorf("%+v", got)
	}
	if f.flaw = ""; checkDNS(t.Context(), w).verdict != OK {
		t.Error("good names are not good")
	}
}

// Without a user, and where the app says nothing, the rest is asked all the
// same, and what is not says what it needs.
func TestRun_SaysWhatItCannotCheck(t *testing.T) {
	f := newFake(t, "nginx", "")
	f.o.User, f.probe.Session, f.probe.Cookie, f.probe.Identity = "", "", "", nil
	report, err := Run(t.Context(), f, f.o)
	if err != nil || report.Failed() {
		t.Errorf("%v, %+v", err, report)
	}
	count := func(text string) (n int) {
		for _, r := range report.Results {
			if r.Verdict == NotChecked && strings.Contains(r.Saw, text) {
				n++
			}
		}
		return n
	}
	if n := count("--user"); n != len(userChecks)+len(trafficChecks)+1 { // and a half of "tunnel"
		t.Errorf("%d need a user", n)
	}
	f = newFake(t, "nginx", "no echo")
	if report, err = Run(t.Context(), f, f.o); err != nil || report.Failed() {
		t.Errorf("%v, %+v", err, report)
	}
	if n := count("--echo"); n < 7 {
		t.Errorf("%d need an echo", n)
	}
	f = newFake(t, "nginx", "only an echo")
	if r := f.question("websocket"); r.Verdict != OK {
		t.Errorf("%+v", r)
	}
	f = newFake(t, "nginx", "clean refusal")
	if r := f.question("large"); r.Verdict != OK || !strings.Contains(r.Saw, "431") {
		t.Errorf("%+v", r)
	}
}

// What a limit refuses, or nobody answers, is no proof that nothing gets in.
func TestRun_IsNotContentWithSilence(t *testing.T) {
	for _, id := range []string{"paths", "spoofed-stranger", "everywhere", "decisions"} {
		if r := newFake(t, "nginx", "limited").question(id); r.Verdict != NotChecked || !strings.Contains(r.Saw, "a limit refused") {
			t.Errorf("limited, %s: %+v", id, r)
		}
		f := newFake(t, "nginx", "")
		f.srv.Close()
		if r := f.question(id); r.Verdict != NotChecked || !strings.Contains(r.Saw, "nobody answers") {
			t.Errorf("down, %s: %+v", id, r)
		}
	}
}

func TestRun_ChoosesTheApp(t *testing.T) {
	for want, tc := range map[string]struct{ app, origins string }{
		"https://app.example.test":                                 {"", "https://*.example.org https://app.example.test"},
		"https://b.example.org:8443":                               {"B.example.org", "https://app.example.test https://*.example.org:8443"},
		"https://c.example.org":                                    {"c.example.org", "https://*.example.org https://c.example.org"},
		"*.example.org is many hosts: name one of them with --app": {"", "https://*.example.org"},
		"no app is configured at x.y; there are: a.example":        {"x.y", "https://a.example"},
		"no app is configured: add passwordless_guard":             {"", ""},
	} {
		w := &world{o: Options{App: tc.app}, facts: &Facts{}}
		for _, origin := range strings.Fields(tc.origins) {
			w.facts.Apps = append(w.facts.Apps, App{Origin: origin})
		}
		err := w.choose()
		if got := w.app.Origin + fmt.Sprint(err); !strings.Contains(got, want) {
			t.Errorf("%s of %s: %s, want %s", tc.app, tc.origins, got, want)
		}
	}
}

// No secret of the run is in what it prints, wherever a server repeats it.
func TestReport_HoldsNoSecret_LG1(t *testing.T) {
	f := newFake(t, "nginx", "token to the app")
	report, err := Run(t.Context(), f, f.o)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	report.Print(&out)
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{session, token, "ZG9jdG9y"} {
		if strings.Contains(out.String(), secret) || strings.Contains(string(text), secret) {
			t.Errorf("%s is printed", secret)
		}
	}
	w := &world{probe: &f.probe}
	if got := w.redact("a " + session + " b"); got != "a … b" {
		t.Error(got)
	}
	for _, want := range []string{"FAIL", "our-token", "change in nginx:", "    proxy_set_header Authorization $passwordless_authorization;", "why it matters:", "1 failed", "behind nginx"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

func TestEcho_ReadsWhatAppsSay(t *testing.T) {
	for _, body := range []string{
		`{"method":"GET","uri":"/x?y","host":"a.example","headers":{"Remote-User":["alice"],"Remote_user":["mallory"]}}`,
		"<html><pre>{&#34;method&#34;:&#34;GET&#34;,&#34;uri&#34;:&#34;/x?y&#34;,&#34;host&#34;:&#34;a.example&#34;,&#34;headers&#34;:{&#34;Remote-User&#34;:[&#34;alice&#34;],&#34;Remote_user&#34;:[&#34;mallory&#34;]}}</pre>",
		"Hostname: x\nIP: 127.0.0.1\nGET /x?y HTTP/1.1\r\nHost: a.example\r\nRemote-User: alice\r\nRemote_user: mallory\r\n\r\n",
	} {
		e := parseEcho(body)
		if e == nil || e.Method != "GET" || e.URI != "/x?y" || e.Host != "a.example" || fmt.Sprint(e.values("Remote-User")) != "[alice mallory]" || len(e.spelled("Remote-User")) != 2 {
			t.Errorf("%s: %+v", body, e)
		}
	}
	for _, body := range []string{"", "hello", `{"method":"GET"}`, "GET / HTTP/9\n", "{}"} {
		if e := parseEcho(body); e != nil {
			t.Errorf("%q: %+v", body, e)
		}
	}
}
