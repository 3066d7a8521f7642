package proxies

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// mistake is one that people make in a copy of an example.
type mistake struct{ file, right, wrong string }

// finding is a row of doctor's report.
type finding struct {
	ID      string `json:"id"`
	Verdict string `json:"verdict"`
	Saw     string `json:"saw"`
	Fixes   []struct {
		Where string   `json:"where"`
		Lines []string `json:"lines"`
	} `json:"fixes"`
}

// lines are all lines that the row says to write.
func (f finding) lines() string {
	var all []string
	for _, fix := range f.Fixes {
		all = append(all, fix.Lines...)
	}
	return strings.Join(all, "\n")
}

// patient is who doctor looks at the app as. Tokens are for those who have
// signed in once.
const patient = "patient@example.test"

// examine runs doctor against the stage, as somebody on the server's host would.
func (s *stage) examine(t *testing.T) (rows []finding, code int) {
	t.Helper()
	exit := harness.Exec(t, s.auth.dir, s.auth.env, harness.Binary(t), "doctor", "--json",
		"--user", patient, "--app", appHost, "--connect", s.proxy(), "--connect-http", local(s.http), "--ca", s.ca, "--from", "127.3.0.1", "--timeout", "5s")
	var report struct {
		Results []finding `json:"results"`
	}
	if err := json.Unmarshal([]byte(exit.Stdout), &report); err != nil {
		t.Fatalf("%v, code %d\n%s%s", err, exit.Code, exit.Stdout, exit.Stderr)
	}
	return report.Results, exit.Code
}

// Done when: doctor run against each example is all green.
func TestDoctor_FindsNothingInTheExamples(t *testing.T) {
	for _, p := range proxies {
		t.Run(p.name, func(t *testing.T) {
			s := newStage(t)
			p.start(t, s)
			s.ready(t)
			s.member(t, patient)
			rows, code := s.examine(t)
			for _, r := range rows {
				if r.Verdict == "FAIL" {
					t.Errorf("%s: %s\n%s", r.ID, r.Saw, r.lines())
				}
				t.Logf("%-12s %s  %s", r.Verdict, r.ID, r.Saw)
			}
			if code != 0 || len(rows) < 30 {
				t.Errorf("code %d, %d rows", code, len(rows))
			}
		})
	}
}

// Done when: it turns red on deliberately broken copies, and names the line.
func TestDoctor_NamesTheLineThatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name     string
		start    func(*testing.T, *stage)
		mistakes []mistake
		row      string // that must fail
		line     string // that it must say to write
	}{
		{
			"nginx passes a header of the client", startNginx,
			[]mistake{{"nginx/passwordless-location.conf", "proxy_set_header Remote-Sub $passwordless_sub;\n", ""}},
			"spoofed-user", "proxy_set_header Remote-Sub $passwordless_sub;",
		},
		{
			"nginx asks about another path than it serves", startNginx,
			[]mistake{{"nginx/passwordless-server.conf", "$scheme://$host$request_uri", "$scheme://$host$uri$is_args$args"}},
			"vocabulary", "proxy_set_header X-Original-URL $scheme://$host$request_uri;",
		},
		{
			"nginx believes the client's address", startNginx,
			[]mistake{{"nginx/passwordless-server.conf", "proxy_set_header X-Forwarded-For $remote_addr;", "proxy_set_header X-Forwarded-For $http_x_forwarded_for;"}},
			"client-address", "proxy_set_header X-Forwarded-For $remote_addr;",
		},
		{
			"nginx hands on no upgrade", startNginx,
			[]mistake{{"nginx/passwordless-location.conf", "proxy_set_header Upgrade $passwordless_upgrade;\n", ""}},
			"websocket", "proxy_set_header Upgrade $passwordless_upgrade;",
		},
		{
			"nginx hands on every upgrade", startNginx,
			[]mistake{{"nginx/nginx.conf", "\t\tdefault '';\n\t\twebsocket websocket;\n", "\t\tdefault $http_upgrade;\n"}},
			"tunnel", "map $http_upgrade $passwordless_upgrade { default ''; websocket websocket; }",
		},
		{
			"nginx sends /.auth/ to the app", startNginx,
			[]mistake{{"nginx/passwordless-server.conf", "location /.auth/ {", "location /.other/ {"}},
			"reserved", "location /.auth/ {",
		},
		{
			"nginx forgets the check in one place", startNginx,
			[]mistake{{"nginx/nginx.conf", "include passwordless-location.conf;\n\t\t\tproxy_pass http://app;", "proxy_pass http://app;"}},
			"stranger", "include passwordless-location.conf;",
		},
		{
			"our side does not know nginx", startNginx,
			[]mistake{{"nginx/Caddyfile", "proxy nginx 127.0.0.1", "proxy nginx 127.0.0.9"}},
			"stranger", "proxy nginx 127.0.0.1",
		},
		{
			"Traefik passes a header of the client", startTraefik,
			[]mistake{{"traefik/dynamic.yml", "          - Remote-Groups\n", ""}},
			"spoofed-user", "Remote-Groups",
		},
		{
			"Traefik passes aliases of headers", startTraefik,
			[]mistake{{"traefik/traefik.yml", "      tls: {}\n      aliasHeadersStrategy: delete\n", "      tls: {}\n"}},
			"spoofed-user", "aliasHeadersStrategy: delete",
		},
		{
			"Traefik believes what clients forward", startTraefik,
			[]mistake{
				{"traefik/dynamic.yml", "trustForwardHeader: false", "trustForwardHeader: true"},
				{"traefik/traefik.yml", "    address: \":443\"\n", "    address: \":443\"\n    forwardedHeaders:\n      insecure: true\n"},
			},
			"vocabulary", "trustForwardHeader: false",
		},
		{
			"HAProxy passes headers of the client", startHAProxy,
			[]mistake{{"haproxy/haproxy.cfg", "\thttp-request del-header ^remote[^a-z0-9]+(user|sub|email|name|groups|jwt)$ -m reg\n", ""}},
			"spoofed-user", "http-request del-header ^remote",
		},
		{
			"HAProxy tells the check no cookie", startHAProxy,
			[]mistake{{"haproxy/passwordless.lua", "\"cookie\", ", ""}},
			"session", `"cookie"`,
		},
		{
			"Caddy guards one site less", startForwardAuth,
			[]mistake{{"caddy-forward-auth/proxy.Caddyfile", "import guarded localhost:8081", "reverse_proxy localhost:8081"}},
			"stranger", "import guarded",
		},
		{
			"Caddy hands on every upgrade", startForwardAuth,
			[]mistake{{"caddy-forward-auth/proxy.Caddyfile", "\t\trequest_header @tunnels -Upgrade\n", ""}},
			"tunnel", "request_header @tunnels -Upgrade",
		},
		{
			"Caddy copies one header less", startForwardAuth,
			[]mistake{{"caddy-forward-auth/proxy.Caddyfile", "copy_headers Remote-User ", "copy_headers "}},
			"identity", "copy_headers",
		},
		{
			"Envoy tells the check no cookie", startEnvoy,
			[]mistake{{"envoy/envoy.yaml", "                          - { exact: cookie, ignore_case: true }\n", ""}},
			"session", "{ exact: cookie, ignore_case: true }",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t)
			s.mistakes = c.mistakes
			c.start(t, s)
			s.waitFor(t, s.authURL+"/login", http.StatusOK)
			s.command(t, "user", "add", patient)
			rows, code := s.examine(t)
			for _, r := range rows {
				if r.Verdict != "ok" {
					t.Logf("%s %s: %s\n%s", r.Verdict, r.ID, r.Saw, r.lines())
				}
				if r.ID == c.row && (r.Verdict != "FAIL" || !strings.Contains(r.lines(), c.line)) {
					t.Errorf("%s is %s, and says to write\n%s", r.ID, r.Verdict, r.lines())
				}
			}
			if code != 1 {
				t.Errorf("code %d", code)
			}
		})
	}
}
