package caddymodule

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/caddymodule/internal/doctor"
)

// echoApp says what it gets, streams at /events and switches to WebSocket at /ws.
func echoApp(t *testing.T) *upstream {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/events":
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "data: 1\n\n")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		case "/ws":
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
			conn.Close()
		default:
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]any{"method": r.Method, "uri": r.RequestURI, "host": r.Host, "headers": r.Header, "body": string(body)})
		}
	}))
	t.Cleanup(srv.Close)
	return &upstream{addr: strings.TrimPrefix(srv.URL, "http://")}
}

// doctored runs doctor on a site with one user, and reads its report.
func doctored(t *testing.T, s *site, args ...string) (report doctor.Report, code int) {
	t.Helper()
	out, errOut, code := runCaddy(t, append([]string{
		"doctor", "--json", "--user", "alice", "--connect", "127.0.0.1:" + s.port, "--timeout", "5s",
		"--ca", filepath.Join(s.dir, "pki/authorities/local/root.crt"), "--socket", s.socket(),
	}, args...)...)
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v in %s%s", err, out, errOut)
	}
	return report, code
}

func verdicts(r doctor.Report, v doctor.Verdict) (list []string) {
	for _, x := range r.Results {
		if x.Verdict == v {
			list = append(list, x.ID+": "+x.Saw)
		}
	}
	return list
}

// A guarded site is well: every question is answered, and none of them with no.
func TestDoctor_AGuardedSiteIsWell(t *testing.T) {
	s := &site{upstream: echoApp(t), port: freePort(t), guard: "public /healthz /open/*", rest: "passwordless_headers"}
	s.start(t)
	s.cookie, s.user = s.signIn(t, authcore.NewUser{Email: "alice@example.com", Name: "alice", DisplayName: "Alice Ångström", Groups: []string{"staff", "ops"}})
	report, code := doctored(t, s)
	for _, v := range []doctor.Verdict{doctor.Fail, doctor.Warn} {
		for _, x := range verdicts(report, v) {
			t.Errorf("%s %s", v, x)
		}
	}
	asked := []string{}
	for _, x := range verdicts(report, doctor.NotChecked) {
		id, _, _ := strings.Cut(x, ":")
		asked = append(asked, id)
	}
	if got := strings.Join(asked, " "); got != "dns https our-token" || code != 0 {
		t.Errorf("not checked: %s; exit code %d", got, code)
	}
	if res, err := s.get(s.client(t, "h1")); err != nil || res != http.StatusOK {
		t.Errorf("the user's own session: %d, %v", res, err)
	}
	var sessions adminPage[adminSession]
	if err := s.ask(t, http.MethodGet, "users/alice/sessions", nil, nil, &sessions); err != nil || len(sessions.Items) != 1 {
		t.Errorf("doctor left sessions: %+v, %v", sessions, err)
	}
}

// A way around the guard is found from outside, with the line that is missing.
func TestDoctor_FindsTheWayAroundTheGuard(t *testing.T) {
	s := &site{upstream: echoApp(t), port: freePort(t), guard: "public /healthz"}
	s.rest = "@aside header X-Forwarded-User *\nhandle @aside {\nreverse_proxy " + s.addr + "\n}"
	s.options = "order handle before passwordless_guard"
	s.start(t)
	s.signIn(t, authcore.NewUser{Email: "alice@example.com", Name: "alice"})
	report, code := doctored(t, s)
	failed := strings.Join(verdicts(report, doctor.Fail), "\n")
	if code != exitFailed || !strings.Contains(failed, "spoofed-stranger: who says X-Forwarded-User is let in: 200") {
		t.Errorf("exit code %d\n%s", code, failed)
	}
	for _, x := range report.Results {
		if x.ID == "spoofed-stranger" && (len(x.Fixes) != 1 || x.Fixes[0].Where != "Caddyfile" || !strings.Contains(x.Fixes[0].Lines[0], "passwordless_guard")) {
			t.Errorf("%+v", x)
		}
	}
}

func TestDoctor_SaysWhatIsWrongWithTheCommand(t *testing.T) {
	s := newSite(t, "", "")
	for args, want := range map[string]string{
		"--echo whoami":        `--echo "whoami" is no path`,
		"--connect somewhere":  "write HOST:PORT",
		"--ca /nowhere":        "--ca: open /nowhere",
		"--from here":          "is no address",
		"--timeout 0s":         "--timeout must be more",
		"--bogus":              "unknown flag",
		"--connect-http x y":   `"y" is too much`,
		"--ca " + s.dir + "/x": "--ca: ",
	} {
		if _, errOut, code := runCaddy(t, append([]string{"doctor", "--socket", s.socket()}, strings.Fields(args)...)...); code != exitUsage || !strings.Contains(errOut, want) {
			t.Errorf("%s: %d, %s", args, code, errOut)
		}
	}
	for args, want := range map[string]string{
		"--user nobody@example.com":  "There is no such user.",
		"--app other.example.test":   "no app is configured at other.example.test; there are: app.example.test",
		"--database /nowhere/a/b.db": "no server is running",
	} {
		at := []string{"doctor"}
		if !strings.HasPrefix(args, "--database") {
			at = append(at, "--socket", s.socket())
		}
		if _, errOut, code := runCaddy(t, append(at, strings.Fields(args)...)...); code != exitFailed || !strings.Contains(errOut, want) {
			t.Errorf("%s: %d, %s", args, code, errOut)
		}
	}
}

// What doctor builds on is what the configuration says.
func TestDoctor_KnowsWhatStandsInFront(t *testing.T) {
	b := startBehindProxies(t, "app app.example.com {\npublic /healthz\n}\napp *.example.net")
	c, err := (target{socket: filepath.Join(b.dir, "data", socketName)}).connect()
	if err != nil {
		t.Fatal(err)
	}
	in := inside{c}
	got, err := in.Facts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Portal != "https://auth.example.com" || got.Sidecar || !got.NoMail || got.Version != Version() || got.Now.IsZero() ||
		fmt.Sprint(got.Apps) != "[{https://app.example.com false [/healthz]} {https://*.example.net false []}]" ||
		fmt.Sprint(got.Proxies) != "[{traefik [127.0.0.1]} {nginx [127.0.0.1]}]" {
		t.Errorf("%+v", got)
	}
	p, err := in.Probe(t.Context(), "app.example.com", "")
	if err != nil {
		t.Fatal(err)
	}
	b.ask(t, http.MethodGet, "/api/authz/forward-auth", traefik("/x?passwordless-probe="+p.Nonce)...)
	seen, err := in.Seen(t.Context(), p.Nonce)
	if err != nil || len(seen) != 1 || seen[0].Kind != "traefik" || seen[0].Path != "/x" || seen[0].Client.String() != "192.0.2.7" || seen[0].Verdict != "sign in" {
		t.Errorf("%+v, %v", seen, err)
	}
	if err := in.End(t.Context(), p.Nonce); err != nil {
		t.Error(err)
	}
	if _, err := in.Seen(t.Context(), p.Nonce); err == nil || err.Error() != "The probe is over; run doctor again." {
		t.Error(err)
	}
	if err := c.call(t.Context(), http.MethodPost, []string{"doctor", "probe"}, nil, map[string]string{"host": "x"}, nil); err == nil || err.Error() != errAsked.Error() {
		t.Error(err)
	}
}
