package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/descope/virtualwebauthn"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// The pages in WebKit, which has no passkeys here: everything goes on by mail, and
// where a passkey is wanted the page says that there is none.
func TestWebKit(t *testing.T) {
	const address = "webkit@example.test"
	const globals = "portal https://auth.localhost:{$HTTPS}\nregistration open\n" + roomy
	sites := strings.NewReplacer(authHost, "auth.localhost", appHost, "app.localhost", otherHost, "other.localhost").Replace(portalSites)
	w := startWorld(t, worldOptions{globals: globals, sites: sites})
	at := func(path string) string { return w.URL("auth.localhost", path) }
	app := w.URL("app.localhost", "/page")
	b := harness.StartWebKit(t)

	// By code, and no passkey to say "not now" to.
	b.Goto(app)
	b.WaitURL(at("/login"))
	b.Gone("#passkey-button")
	b.Fill("#email", address)
	b.Click("form[action$='/login'] button")
	b.Fill("#code", w.mail.Wait(address).Code(t))
	b.Click("form[action$='/login/code'] button")
	b.WaitURL(at("/login/offer"))
	b.See("#unsupported")
	b.Gone("#add-button")
	b.Click("#not-now")
	b.WaitURL(app)
	b.Read(address)

	// The account page, and out.
	b.Goto(at("/account"))
	b.Read(address)
	b.See("#unsupported")
	b.Gone("#add-button")
	if kept := harness.Ask[string](b, "typeof PublicKeyCredential"); kept != "undefined" {
		t.Errorf("this WebKit has passkeys: PublicKeyCredential is a %s", kept)
	}
	for _, c := range b.Cookies() {
		if strings.Contains(c.Name, "passwordless") && (!strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HTTPOnly) {
			t.Errorf("CK-1: WebKit keeps %+v", c)
		}
	}
	b.Click("footer form button")
	b.WaitURL(at("/signed-out"))

	// By link, in the browser that asked: the secret leaves the address.
	b.Goto(app)
	b.Fill("#email", address)
	b.Click("form[action$='/login'] button")
	b.See("#code")
	link := w.mail.Wait(address).Link(t, "/login/link")
	b.Goto(link)
	b.See("[data-state=here] button")
	if here := harness.Ask[string](b, "location.href"); here != at("/login/link") {
		t.Errorf("the address still holds the secret: %s", here)
	}
	b.Click("[data-state=here] button")
	b.WaitURL(app)
	b.Goto(link) // spent
	b.See("[data-state=failed]")

	// A passkey of another device guards the account: this browser cannot confirm.
	w.keyOf(t, address, "auth.localhost")
	b.Goto(at("/account"))
	b.Click("details:has(.danger) summary")
	b.Click("form[action$='/remove'] .danger")
	b.WaitURL(at("/login/step-up"))
	b.See("#unsupported")
	b.Gone("#passkey-button")

	// Where there is nothing but passkeys, the sign-in page says so as well.
	w.Write(t, strings.Replace(w.globals, "registration open", "methods passkey", 1), sites)
	if exit := w.Reload(t); exit.Code != 0 {
		t.Fatalf("code %d\n%s", exit.Code, exit.Stderr)
	}
	b.Goto(at("/account"))
	b.Click("footer form button")
	b.WaitURL(at("/signed-out"))
	b.Goto(at("/login"))
	b.See("#unsupported")
	b.Gone("#passkey-button")
	b.Gone("#email")
}

// keyOf gives somebody a passkey, made by software on another device.
func (w *world) keyOf(t *testing.T, address, host string) {
	t.Helper()
	c := w.client(t)
	w.enter(t, c, w.URL(host, "/login"), address)
	page := c.Navigate(w.URL(host, "/account"))
	var begun struct {
		Flow      string
		PublicKey json.RawMessage
	}
	res := script(t, c, page, "/account/passkeys/options", "{}")
	if err := json.Unmarshal([]byte(res.Body), &begun); err != nil {
		t.Fatalf("%s: %s", res.Status, res.Body)
	}
	options, err := virtualwebauthn.ParseAttestationOptions(string(begun.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	key := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeRSA)
	answer := virtualwebauthn.CreateAttestationResponse(
		virtualwebauthn.RelyingParty{ID: host, Origin: strings.TrimSuffix(w.URL(host, "/"), "/")}, virtualwebauthn.NewAuthenticator(), key, *options)
	res = script(t, c, page, "/account/passkeys", fmt.Sprintf(`{"flow":%q,"credential":%s}`, begun.Flow, answer))
	if res.StatusCode != http.StatusOK {
		t.Fatalf("adding a passkey: %s: %s", res.Status, res.Body)
	}
}

// On http://*.localhost WebKit drops cookies with the Secure attribute, as Safari
// does: the demo works there because it sets none.
func TestWebKit_DemoOverPlainHTTP(t *testing.T) {
	const alice = "alice@example.com"
	d := startDemo(t, harness.TempDir(t), harness.FreePort(t))
	b := harness.StartWebKit(t)
	b.Goto(d.url("app", "/"))
	b.WaitURL(d.url("auth", "/login"))
	b.Fill("#email", alice)
	b.Click("form[action$='/login'] button")
	b.Fill("#code", d.code(t, alice))
	b.Click("form[action$='/login/code'] button")
	b.Click("#not-now")
	b.WaitURL(d.url("app", "/"))
	b.Read("Hello, " + alice)
}
