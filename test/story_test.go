package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// demo is the running demo: what `make run` starts.
type demo struct {
	*harness.Process
	port int
}

func startDemo(t *testing.T, data string, port int) *demo {
	t.Helper()
	d := &demo{port: port}
	d.Process = harness.Start(t, harness.TempDir(t), nil, harness.Binary(t), "demo", "--port", fmt.Sprint(port), "--data", data)
	d.WaitOutput("The demo is ready")
	return d
}

func (d *demo) url(host, path string) string {
	return fmt.Sprintf("http://%s.localhost:%d%s", host, d.port, path)
}

// code is the code of the newest mail in the demo's mailbox.
func (d *demo) code(t *testing.T, address string) string {
	t.Helper()
	return d.nthCode(t, address, 1)
}

// nthCode waits until the mailbox has so many codes for the address, and
// returns the newest one.
func (d *demo) nthCode(t *testing.T, address string, count int) string {
	t.Helper()
	c, code := harness.NewClient(t, ""), ""
	harness.Eventually(t, "waiting for the code", func() string {
		var mails []struct{ To, Text string }
		body := c.Request(http.MethodGet, d.url("mail", "/messages.json"), "").Body
		if err := json.Unmarshal([]byte(body), &mails); err != nil {
			return err.Error()
		}
		var codes []string
		for _, m := range mails { // newest first
			if found := demoCode.FindString(m.Text); m.To == address && found != "" {
				codes = append(codes, found)
			}
		}
		if len(codes) < count {
			return body
		}
		code = codes[0]
		return ""
	})
	return code
}

var demoCode = regexp.MustCompile(`\b\d{4} ?\d{4}\b`)

// The whole story of the demo: what a stranger does in the first five minutes,
// and the next evening.
func TestDemo_WholeStory(t *testing.T) {
	const alice = "alice@example.com"
	data := harness.TempDir(t)
	d := startDemo(t, data, harness.FreePort(t))
	b := harness.StartBrowser(t)
	keys := b.AddAuthenticator()
	keys.NoAutofill()

	// Open the app: sign-in, a code by mail, a passkey is offered and made.
	b.Goto(d.url("app", "/"))
	b.WaitURL(d.url("auth", "/login"))
	b.Fill("#email", alice)
	b.Press("\r")
	b.WaitURL(d.url("auth", "/login/code"))
	b.Fill("#code", d.code(t, alice))
	b.Press("\r")
	b.WaitURL(d.url("auth", "/login/offer"))
	b.Click("#add-button")
	b.WaitURL(d.url("app", "/"))
	b.Read("Hello, " + alice)
	if n := len(keys.Credentials()); n != 1 {
		t.Fatalf("%d passkeys were made", n)
	}

	// Sign out, of this app and then of all.
	b.Click("form[action='/.auth/logout'] button")
	b.WaitURL(d.url("auth", "/signed-out"))
	b.Click("main form[action='/logout'] button")
	b.Read("You are signed out")
	b.Goto(d.url("app", "/"))
	b.WaitURL(d.url("auth", "/login"))

	// Sign in with the passkey; the second app asks nothing.
	b.Click("#passkey-button")
	b.WaitURL(d.url("app", "/"))
	b.Read("Hello, " + alice)
	b.Goto(d.url("wiki", "/"))
	b.WaitURL(d.url("wiki", "/"))
	b.Read("Hello, " + alice)

	// Another device with the same passkey ends the first one's session, and
	// the app's next request is refused.
	other := harness.StartBrowser(t)
	keys.SyncTo(other).NoAutofill()
	other.Goto(d.url("auth", "/login"))
	other.Click("#passkey-button")
	other.WaitURL(d.url("auth", "/account"))
	if got := harness.Eval[int](b, "fetch('/echo').then(r => r.status)"); got != http.StatusOK {
		t.Fatalf("before: status %d", got)
	}
	other.Click("form[action$='/revoke'] button")
	other.Read("That browser is signed out.")
	b.Expect("401")
	b.Expect("ERR_INCOMPLETE_CHUNKED_ENCODING") // the app's live updates were cut
	if got := harness.Eval[int](b, "fetch('/echo').then(r => r.status)"); got != http.StatusUnauthorized {
		t.Errorf("after: status %d", got)
	}
	b.Goto(d.url("app", "/"))
	b.WaitURL(d.url("auth", "/login"))

	// Ctrl-C ends the demo at once; the next run still knows the user.
	for _, tab := range []*harness.Browser{b, other} {
		tab.Expect("ERR_") // live updates are cut, and find no server for a moment
	}
	other.Goto(d.url("app", "/"))
	other.Read("Connected.")
	if took := d.End(os.Interrupt); took > 2*time.Second {
		t.Errorf("Ctrl-C took %v", took)
	}
	startDemo(t, data, d.port)
	other.Goto(d.url("app", "/"))
	other.Read("Hello, " + alice)
	other.Goto(d.url("auth", "/account"))
	other.Click("footer form button")
	other.Read("You are signed out")
	other.Goto(d.url("app", "/"))
	other.Click("#passkey-button")
	other.Read("Hello, " + alice)
}

func TestDemo_TakenPortSaysWhatToDo(t *testing.T) {
	ln := harness.Listen(t)
	defer ln.Close()
	_, port, _ := strings.Cut(ln.Addr().String(), ":")
	exit := harness.Exec(t, harness.TempDir(t), nil, harness.Binary(t), "demo", "--port", port, "--data", harness.TempDir(t))
	if exit.Code != 1 || !strings.Contains(exit.Stderr, "port "+port+" is taken") || !strings.Contains(exit.Stderr, "demo --port") {
		t.Errorf("code %d\n%s", exit.Code, exit.Stderr)
	}
}
