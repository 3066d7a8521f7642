package test

import (
	"bufio"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// spa is examples/spa as its README starts it: its Caddyfile and its files, with
// only the addresses replaced by ones that exist here.
type spa struct {
	*harness.Caddy
	mail *harness.Sink
}

func startSPA(t *testing.T) *spa {
	t.Helper()
	api := loopback(harness.FreePort(t))
	s := &spa{mail: harness.StartSink(t, harness.SinkOptions{Username: "login@example.com", Password: "secret"})}
	folder := filepath.Join(harness.Root(t), "examples", "spa")
	site := harness.TempDir(t)
	here := strings.NewReplacer(
		"smtp.example.com:587", s.mail.Host+":"+strconv.Itoa(s.mail.Port),
		"open example.com", "open example.test",
		"https://auth.example.com", "https://auth.example.test:{$HTTPS}", "https://spa.example.com", "https://spa.example.test:{$HTTPS}",
		"auth.example.com", "auth.example.test", "spa.example.com", "spa.example.test",
		"localhost:9000", api, "/srv/spa", site,
	)
	globals, sites, found := strings.Cut(readDoc(t, "examples/spa/Caddyfile"), "\n}\n")
	_, globals, opened := strings.Cut(globals, "\n{\n")
	if !found || !opened {
		t.Fatal("the Caddyfile has no global options")
	}
	s.Caddy = harness.NewCaddy(t, harness.CaddyOptions{
		Globals: here.Replace(globals), Sites: here.Replace(sites), Env: []string{"SMTP_PASSWORD=secret", "SSL_CERT_FILE=" + s.mail.CA},
	})
	copySPA(t, folder, site, "https://auth.example.com", strings.TrimSuffix(s.URL("auth.example.test", "/"), "/"))
	s.Run(t)
	s.startAPI(t, api)
	return s
}

// startAPI runs examples/verify-go behind the page's site, as the README says.
func (s *spa) startAPI(t *testing.T, addr string) {
	t.Helper()
	at := slices.IndexFunc(verifiers, func(v exampleVerifier) bool { return v.name == "verify-go" })
	program, args := verifiers[at].command(t)
	api := harness.Start(t, harness.TempDir(t), []string{
		"ISSUER=" + s.URL("auth.example.test", ""), "CLIENT_ID=spa", "AUDIENCE=https://api.example.com", "APP_ORIGIN=https://unused.example.com", "LISTEN=" + addr,
		"SSL_CERT_FILE=" + s.RootCA(t), "HTTPS_PROXY=" + loopbackProxy(t),
	}, program, args...)
	t.Cleanup(api.Kill) // it has no state that an orderly end would keep
	api.WaitListening(addr)
}

// loopbackProxy is a proxy by which a program finds every host here (RFC 9110,
// section 9.3.6): names below example.test are in no DNS.
func loopbackProxy(t *testing.T) string {
	t.Helper()
	ln := harness.Listen(t)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			from, err := ln.Accept()
			if err != nil {
				return // the test is over
			}
			go tunnel(from)
		}
	}()
	return "http://" + ln.Addr().String()
}

// tunnel serves one CONNECT, for as long as both sides keep it.
func tunnel(from net.Conn) {
	defer from.Close()
	reader := bufio.NewReader(from)
	r, err := http.ReadRequest(reader)
	if err != nil || r.Method != http.MethodConnect {
		return
	}
	_, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		return
	}
	to, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return
	}
	defer to.Close()
	if _, err := io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	go func() { _, _ = io.Copy(to, reader) }() // ends with either side
	_, _ = io.Copy(from, to)
}

// copySPA puts the example's files where a server reads them, with words replaced.
func copySPA(t *testing.T, from, to string, oldnew ...string) {
	t.Helper()
	files, err := fs.Glob(os.DirFS(from), "*.*")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		harness.WriteFile(t, to, name, strings.NewReplacer(oldnew...).Replace(string(text)))
	}
}

func (s *spa) browser(t *testing.T) *harness.Browser {
	t.Helper()
	return harness.StartBrowserOn(t, s.HTTPS, s.RootCA(t))
}

// signIn signs in by a mailed code from the app's own form.
func (s *spa) signIn(t *testing.T, b *harness.Browser, address string) {
	t.Helper()
	b.Fill("#email", address)
	b.Press("\r")
	b.Fill("#digits", s.mail.WaitCode(address))
	b.Press("\r")
}

// requests is how often the page has asked for a path.
func requests(b *harness.Browser, path string) int {
	return harness.Eval[int](b, `performance.getEntriesByType("resource").filter((e) => new URL(e.name).pathname === "`+path+`").length`)
}

// inside waits until the app shows who is here, and what its API says of them: the
// page stands still then.
func inside(b *harness.Browser, address string) {
	b.Read("Hello, " + address)
	b.Read(`"email":"` + address + `"`)
}

func TestSPA_SignsInByCode(t *testing.T) {
	const alice = "alice@example.test"
	s := startSPA(t)
	b := s.browser(t)
	b.Goto(s.URL("spa.example.test", "/"))
	b.Fill("#email", alice)
	b.Looks("spa-start")
	b.Press("\r")
	b.Fill("#digits", "00000000")
	b.Press("\r")
	b.Read("That is not the code from the newest mail.")
	b.Looks("spa-code")
	b.Fill("#digits", s.mail.WaitCode(alice))
	b.Press("\r")
	inside(b, alice)
	b.Looks("spa-inside")

	b.Reload()
	inside(b, alice)
	// The access token is over, as it is after ten minutes.
	if n := requests(b, "/api/token/refresh"); n != 0 {
		t.Errorf("%d refreshes, with a token that is good", n)
	}
	harness.Eval[bool](b, `Date.now = () => performance.timeOrigin + 600_000, true`)
	b.Click("#call")
	harness.Eventually(t, "waiting for a refresh", func() string {
		if requests(b, "/api/token/refresh") != 1 || harness.Eval[bool](b, `document.querySelector("#call").ariaBusy === "true"`) {
			return "not yet"
		}
		return ""
	})
	b.Read(`"email":"alice@example.test"`)

	tab := b.NewTab()
	tab.Goto(s.URL("spa.example.test", "/"))
	inside(tab, alice)
	b.Click("#out")
	b.See("#email")
	tab.See("#email") // it hears of it
	tab.Reload()
	tab.See("#email")
	if n := harness.Eval[int](tab, "localStorage.length"); n != 0 {
		t.Errorf("%d values are left in the storage", n)
	}
}

func TestSPA_SignsInByPasskey(t *testing.T) {
	const bob = "bob@example.test"
	s := startSPA(t)
	home := s.URL("spa.example.test", "/")
	b := s.browser(t)
	keys := b.AddAuthenticator()
	b.Goto(home)
	s.signIn(t, b, bob)
	inside(b, bob)
	b.Click("#add")
	harness.Eventually(t, "waiting for the passkey", func() string {
		if n := len(keys.Credentials()); n != 1 {
			return strconv.Itoa(n) + " passkeys"
		}
		return ""
	})
	// It is the portal's: a page elsewhere may use it because the portal says so
	// (related origins).
	if got := keys.Credentials()[0].RpID; got != "auth.example.test" {
		t.Errorf("rp_id %q", got)
	}
	b.Click("#out")
	harness.Eventually(t, "waiting for the passkey to be picked from the field", func() string {
		if n := requests(b, "/api/login/passkey"); n != 1 {
			return strconv.Itoa(n) + " sign-ins by passkey"
		}
		return ""
	})
	inside(b, bob)

	keys.NoAutofill()
	b.Reload()
	inside(b, bob)
	b.Click("#out")
	b.Click("#passkey")
	inside(b, bob)
	b.Click("#out-all")
	b.See("#email")
	keys.UserVerifies(false)
	b.Click("#passkey")
	b.Read("No passkey was used.")
}

func TestSPA_AsksForTheSecondStep(t *testing.T) {
	const carol = "carol@example.test"
	s := startSPA(t)
	b := s.browser(t)
	b.Goto(s.URL("spa.example.test", "/"))
	s.signIn(t, b, carol)
	inside(b, carol)
	// The account gets an authenticator app and recovery codes, by the API.
	api := func(path, body string) string {
		return harness.Eval[string](b, `(async () => {
			const [key, text] = Object.entries(localStorage)[0], kept = JSON.parse(text);
			const response = await fetch("`+s.URL("auth.example.test", "")+`" + "`+path+`", {method: "POST", body: JSON.stringify(`+body+`),
				headers: {"Content-Type": "application/json", Authorization: "Bearer " + kept.session_token}});
			const answer = await response.json();
			if (answer.session_token) localStorage.setItem(key, JSON.stringify({...kept, session_token: answer.session_token}));
			return answer.secret ?? answer.codes?.[0] ?? answer.code ?? "";
		})()`)
	}
	secret := api("/api/totp", "{}")
	if got := api("/api/totp/confirm", `{code: "`+totpCode(t, secret, -1)+`"}`); got != "" {
		t.Fatal(got)
	}
	recovery := api("/api/recovery-codes", "{}")

	b.Click("#out")
	s.signIn(t, b, carol)
	b.Fill("#proof", wrongDigits(totpCode(t, secret, 0)))
	b.Press("\r")
	b.Read("That is not the code that your app shows now.")
	b.Looks("spa-second")
	b.Fill("#proof", totpCode(t, secret, 0))
	b.Press("\r")
	inside(b, carol)

	b.Click("#out")
	s.signIn(t, b, carol)
	b.Fill("#proof", recovery)
	b.Press("\r")
	b.Read("A recovery code let you in. Please add a passkey now.")
	b.AddAuthenticator()
	b.Click("#add")
	harness.Eventually(t, "waiting for the passkey", func() string {
		if harness.Eval[bool](b, `document.querySelector("#add").hidden`) {
			return ""
		}
		return b.Text("main")
	})
	b.Click("#call")
	b.Read(`"email":"carol@example.test"`)
}

// The single-page app of examples/spa on a developer's machine, as its README
// says: beside a demo, its files served at localhost:3000.
func TestDemo_SPASignsIn(t *testing.T) {
	d := startDemo(t, harness.TempDir(t), harness.FreePort(t))
	site := harness.TempDir(t)
	copySPA(t, filepath.Join(harness.Root(t), "examples", "spa"), site, "https://auth.example.com", d.url("auth", ""), `"/api/hello"`, `"`+d.url("auth", "/api/me")+`"`)
	files := httptest.NewServer(http.FileServer(http.Dir(site)))
	t.Cleanup(files.Close)
	at, err := url.Parse(files.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(at.Port())
	if err != nil {
		t.Fatal(err)
	}
	b := harness.StartBrowserAt(t, "localhost:3000", port)
	b.Goto("http://localhost:3000/")
	b.Fill("#email", "alice@example.com")
	b.Press("\r")
	b.Fill("#digits", d.code(t, "alice@example.com"))
	b.Press("\r")
	b.Read("Hello, alice@example.com")
	b.Read(`"email":"alice@example.com"`)
	b.Reload()
	b.Read("Hello, alice@example.com")
	b.Click("#out")
	b.See("#email")
}
