package harness

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

// page is a page with a field, a script of its own origin and a strict CSP.
const page = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>Form</title><link rel="icon" href="data:,">
<script src="/script.js" defer></script></head><body><main><h1>Form</h1><form method="post" action="/done">
<label for="email">E-mail</label> <input id="email" name="email"> <button id="go">Continue</button></form>
<p id="script">no script</p></main></body></html>`

func startSite(t *testing.T, body string) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; img-src data:; form-action 'self'")
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1", Path: "/", HttpOnly: true})
		fmt.Fprint(w, body)
	})
	mux.HandleFunc("/script.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, "document.getElementById('script').textContent = 'script ran'")
	})
	mux.HandleFunc("POST /done", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "<!doctype html><link rel=icon href=data:,><p>refused %s</p>", r.PostFormValue("email"))
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return "http://auth.localhost:" + portOfAddr(t, srv.Listener.Addr().String())
}

func TestBrowser_FillsAndSubmits(t *testing.T) {
	site, b := startSite(t, page), StartBrowser(t)
	b.Goto(site + "/")
	b.Read("script ran")
	b.Fill("#email", "old@example.test")
	b.Fill("#email", "ada@example.test")
	b.Click("#go")
	b.WaitURL(site + "/done")
	b.Read("refused ada@example.test")
	if b.Status() != http.StatusForbidden {
		t.Errorf("status %d", b.Status())
	}
	b.Back()
	b.WaitURL(site + "/")
	b.Fill("#email", "keys@example.test")
	b.Press(kb.Enter)
	b.Read("refused keys@example.test")
	if len(b.Cookies(site)) != 1 {
		t.Error("the cookie was not kept")
	}
	b.DeleteCookie(site, "session")
	if len(b.Cookies(site)) != 0 {
		t.Error("the cookie is still there")
	}
}

func TestBrowser_WithoutJavaScript(t *testing.T) {
	site, b := startSite(t, page), StartBrowser(t)
	b.Script(false)
	b.Goto(site + "/")
	if got := b.Text("#script"); got != "no script" {
		t.Errorf("%q", got)
	}
	b.Fill("#email", "ada@example.test")
	b.Click("#go")
	b.Read("refused ada@example.test")
	b.Script(true)
	b.Goto(site + "/")
	b.Read("script ran")
}

func TestBrowser_LooksAreCleanOnAGoodPage(t *testing.T) {
	t.Setenv("SHOTS", t.TempDir())
	site, b := startSite(t, page), StartBrowser(t)
	b.Goto(site + "/")
	b.Looks("form")
	files, err := os.ReadDir(os.Getenv("SHOTS"))
	if err != nil || len(files) != 4 {
		t.Errorf("%d images, %v", len(files), err)
	}
}

func TestBrowser_AxeFindsFaults(t *testing.T) {
	b := StartBrowser(t)
	b.Goto(startSite(t, strings.ReplaceAll(page, `<label for="email">E-mail</label>`, "")) + "/")
	if found := b.Axe(); len(found) != 1 || !strings.HasPrefix(found[0], "label (critical): #email") {
		t.Errorf("%q", found)
	}
}

func TestBrowser_HearsWhatTheConsoleSays(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"a CSP violation":      {page + "<script>1</script>", "Content Security Policy"},
		"an uncaught error":    {page, "exception: "},
		"an unheard rejection": {page, "exception: "},
		"console.error":        {page, "console.error: \"sorry\""},
	} {
		t.Run(name, func(t *testing.T) {
			b := StartBrowser(t)
			b.Goto(startSite(t, c.body) + "/")
			switch name {
			case "an uncaught error":
				Eval[bool](b, "setTimeout(() => { throw new Error('boom') }), true")
			case "an unheard rejection":
				Eval[bool](b, "void Promise.reject(new Error('boom')), true")
			case "console.error":
				Eval[bool](b, "console.error('sorry'), true")
			}
			Eventually(t, "waiting for the console", func() string {
				if found := b.Problems(); len(found) == 1 && strings.Contains(found[0], c.want) {
					return ""
				}
				return fmt.Sprintf("%q", b.Problems())
			})
			b.Expect(c.want)
			if found := b.Problems(); len(found) != 0 {
				t.Errorf("still %q", found)
			}
		})
	}
}

func TestBrowser_PasskeysStayWithTheirAuthenticator(t *testing.T) {
	const create = `navigator.credentials.create({publicKey: {rp: {id: 'auth.localhost', name: 'x'}, challenge: new Uint8Array(32),
		user: {id: new Uint8Array(16), name: 'ada', displayName: 'Ada'}, pubKeyCredParams: [{type: 'public-key', alg: -7}],
		authenticatorSelection: {residentKey: 'required', userVerification: 'required'}}}).then(c => c.id)`
	const get = `navigator.credentials.get({publicKey: {rpId: 'auth.localhost', challenge: new Uint8Array(32), userVerification: 'required'}})
		.then(c => c.id, e => e.name)`
	site, b := startSite(t, page), StartBrowser(t)
	b.Goto(site + "/")
	a := b.AddAuthenticator()
	id := Eval[string](b, create)
	if got := Eval[string](b, get); got != id {
		t.Errorf("%s instead of %s", got, id)
	}
	if keys := a.Credentials(); len(keys) != 1 || keys[0].UserName != "ada" || !keys[0].BackupState {
		t.Errorf("%d passkeys", len(keys))
	}
	a.UserVerifies(false)
	if got := Eval[string](b, get); got != "NotAllowedError" {
		t.Errorf("an unverified user got %s", got)
	}
	a.UserVerifies(true)
	a.UserPresent(false)
	abort := "(() => { const c = new AbortController(); const p = " +
		strings.Replace(get, "get({", "get({signal: c.signal, ", 1) + "; c.abort(); return p })()"
	if got := Eval[string](b, abort); got != "AbortError" {
		t.Errorf("an absent user got %s", got)
	}

	other := StartBrowser(t)
	other.Goto(site + "/")
	synced := a.SyncTo(other)
	if got := Eval[string](other, get); got != id {
		t.Errorf("the synced device got %s", got)
	}
	synced.Clear()
	if len(synced.Credentials()) != 0 {
		t.Error("a cleared authenticator has passkeys")
	}
	synced.Remove()
}

func TestBrowser_TabsShareCookiesBrowsersDoNot(t *testing.T) {
	site, b := startSite(t, page), StartBrowser(t)
	b.Goto(site + "/")
	if n := len(b.NewTab().Cookies(site)); n != 1 {
		t.Errorf("%d cookies in another tab", n)
	}
	if n := len(StartBrowser(t).Cookies(site)); n != 0 {
		t.Errorf("%d cookies in another browser", n)
	}
}

func TestBrowser_TrustsOnlyTheGivenCA(t *testing.T) {
	cert, ca := selfSigned(t, "auth.example.test")
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><link rel="icon" href="data:,"><p>hello</p>`)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // one client refuses the certificate, as it should
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	srv.StartTLS()
	defer srv.Close()
	origin := "https://auth.example.test:" + portOfAddr(t, srv.Listener.Addr().String())

	b := StartBrowser(t, ca)
	b.Goto(origin + "/")
	if !Eval[bool](b, "isSecureContext") {
		t.Error("not a secure context")
	}
	if res := NewClient(t, ca).Navigate(origin + "/"); res.StatusCode != http.StatusOK {
		t.Errorf("status %d", res.StatusCode)
	}
	stranger := StartBrowser(t)
	if got := Eval[string](stranger, "fetch('"+origin+"/').then(() => 'trusted', () => 'refused')"); got != "refused" {
		t.Errorf("a browser without the CA: %s", got)
	}
	stranger.Expect("ERR_CERT_AUTHORITY_INVALID")
}
