package test

import (
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// makePasskey asks for a passkey of the portal, wherever the page is.
const makePasskey = `navigator.credentials.create({publicKey: {
	rp: {id: "auth.example.test", name: "Example"}, user: {id: new Uint8Array(16), name: "a", displayName: "a"},
	challenge: new Uint8Array(32), pubKeyCredParams: [{type: "public-key", alg: -7}],
	authenticatorSelection: {residentKey: "required", userVerification: "required"},
}}).then(() => "made", (error) => error.name)`

// A real browser reads our list: pages of a client may use the portal's passkeys,
// an app's never, not even one that is written down as a client (WA-7).
func TestRelatedOrigins_InABrowser(t *testing.T) {
	w := startWorld(t, worldOptions{
		globals: portalGlobals + "client spa \"Spa\" https://spa.example.org https://app.example.org:{$HTTPS}\n",
		sites: portalSites + `(page) {
	header Content-Type text/html
	respond "<!doctype html><title>Page</title>"
}
spa.example.org {
	import page
}
other.example.org {
	import page
}
`,
	})
	for host, want := range map[string]string{"spa.example.org": "made", "other.example.org": "SecurityError", "app.example.org": "SecurityError"} {
		b := w.browser(t)
		keys := b.AddAuthenticator()
		if host == otherHost {
			w.signInByCode(t, b, w.URL(host, "/page"), "ada@example.test")
		} else {
			b.Goto("https://" + host + "/")
		}
		if got := harness.Eval[string](b, makePasskey); got != want {
			t.Errorf("a page of %s: %s, want %s", host, got, want)
		}
		if n := len(keys.Credentials()); (n == 1) != (want == "made") {
			t.Errorf("%s: %d passkeys", host, n)
		}
	}
}
