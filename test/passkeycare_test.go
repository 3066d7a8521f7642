package test

import (
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// What pages tell a passkey provider and what they ask of it, seen from the
// browser's own interface.

// overhear notes on each page what the page asks of the browser's passkeys.
const overhear = `window.heard = [];
const note = (what, options) => { window.heard.push([what, JSON.parse(JSON.stringify(options ?? null))]); return Promise.resolve() };
if (window.PublicKeyCredential) {
	PublicKeyCredential.signalCurrentUserDetails = (o) => note("details", o);
	PublicKeyCredential.signalAllAcceptedCredentials = (o) => note("accepted", o);
}
const create = navigator.credentials.create.bind(navigator.credentials);
navigator.credentials.create = (o) => { note("create", { hints: o.publicKey.hints }); return create(o) };`

// The account page tells the provider what
// its owner is called and which passkeys work, and asks for another device where
// the person wants one.
func TestPasskey_ProviderIsToldAndAsked(t *testing.T) {
	w := startWorld(t, worldOptions{})
	p := w.person(t, "cared@example.test")
	p.EveryPage(overhear)
	p.addPasskey()
	hear := func(what string, wants ...string) {
		t.Helper()
		harness.Eventually(t, "waiting for what the page says of "+what, func() string {
			got := harness.Eval[string](p.Browser, `JSON.stringify(heard.filter(h => h[0] === "`+what+`").map(h => h[1]))`)
			for _, want := range wants {
				if !strings.Contains(got, want) {
					return got + " has no " + want
				}
			}
			return ""
		})
	}
	hear("details", `"name":"cared@example.test"`, `"displayName":"cared@example.test"`, `"rpId":"auth.example.test"`)
	id := harness.Eval[string](p.Browser, `document.querySelector("#signal").dataset.credentials`)
	hear("accepted", `"allAcceptedCredentialIds":["`+id+`"]`)
	if id == "" {
		t.Error("the page knows of no passkey")
	}
	p.confirm()
	p.Click("details:has(#display-name) summary")
	p.Fill("#display-name", "Ada")
	p.Press("\r")
	p.Read("Name changed.")
	hear("details", `"displayName":"Ada"`)
	p.Click("#add-other")
	p.Read("This device already has a passkey for your account.")
	hear("create", `[{"hints":["hybrid","security-key"]}]`)
	p.Click("#add-button")
	p.Read("This device already has a passkey for your account.")
	hear("create", `[{"hints":["hybrid","security-key"]},{"hints":[]}]`)
}

// A passkey that was made and then refused by the server would be offered at the
// next sign-in for nothing: the provider is told. Where nobody knows whether the
// server has it, it stays.
func TestPasskey_MadeAndRefusedIsForgotten(t *testing.T) {
	w := startWorld(t, worldOptions{})
	p := w.person(t, "refused@example.test")
	// How the answer to the ceremony comes to grief.
	p.EveryPage(`const really = window.fetch;
window.fetch = (url, options) => {
	if (!url.endsWith("/account/passkeys") || !window.spoil) return really(url, options);
	if (window.spoil === "lost") return really(url, options).then(() => { throw new TypeError("the connection was lost") });
	return really(url, { ...options, body: options.body.replace(/"flow":"..../, '"flow":"AAAA') });
}`)
	p.Goto(p.account())
	harness.Eval[bool](p.Browser, `(window.spoil = "flow", true)`)
	p.Click("#add-button")
	p.Read("was used, is too old")
	harness.Eventually(t, "waiting for the browser to forget the passkey", func() string {
		if len(p.keys.Credentials()) != 0 {
			return "still offered"
		}
		return ""
	})
	harness.Eval[bool](p.Browser, `(window.spoil = "lost", true)`)
	p.Click("#add-button")
	p.Read("The server could not be reached.")
	p.Reload()
	p.See(".list details") // the server has it
	if n := len(p.keys.Credentials()); n != 1 {
		t.Errorf("the browser holds %d passkeys", n)
	}

	// A provider that never answers holds up no words.
	p.EveryPage(`if (window.PublicKeyCredential) PublicKeyCredential.signalUnknownCredential = () => new Promise(() => {})`)
	stale := w.browser(t)
	copied := p.keys.SyncTo(stale)
	copied.NoAutofill()
	stale.EveryPage(`if (window.PublicKeyCredential) PublicKeyCredential.signalUnknownCredential = () => new Promise(() => {})`)
	p.confirm()
	p.Click("details:has([action$='/remove']) summary")
	p.Click("[action$='/remove'] .danger")
	p.Read("Passkey removed.")
	stale.Goto(w.URL(authHost, "/login"))
	stale.Click("#passkey-button")
	stale.Read("That passkey is not registered here any more.")
}

// The last passkey of somebody who gets no mail is the last way in.
func TestPasskey_TheLastWayInStays(t *testing.T) {
	w := startWorld(t, worldOptions{globals: strings.Replace(portalGlobals, "registration open", "methods passkey", 1)})
	b := w.browser(t)
	keys := b.AddAuthenticator()
	keys.NoAutofill()
	b.Goto(w.invite(t, "only@example.test"))
	b.Click("[data-state=here] button")
	b.Click("#add-button")
	b.Read("Passkey added.")
	b.Read("Your only way in; it cannot be removed.")
	if n := harness.Eval[int](b, `document.querySelectorAll("[action$='/remove']").length`); n != 0 {
		t.Errorf("%d forms to remove it", n)
	}
}
