package test

import (
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// Passkeys through passwordless.js, with a virtual authenticator.
func TestHelper_Passkeys(t *testing.T) {
	w := helperWorld(t)

	// enrolled is a tab whose authenticator holds a passkey of the address, and
	// where nobody is signed in.
	enrolled := func(t *testing.T, address string) (helped, *harness.Authenticator) {
		t.Helper()
		b := w.browser(t)
		keys := b.AddAuthenticator()
		h := w.helped(t, b, "localStorage")
		h.signIn(t, address)
		h.want(t, `(await auth.addPasskey("Laptop")).name`, "Laptop")
		h.does(`await auth.signOut(), changes.length = calls.length = 0`)
		return h, keys
	}
	eventually := func(t *testing.T, h helped, js, want string) {
		t.Helper()
		harness.Eventually(t, "waiting for "+want+" of "+js, func() string {
			if got := h.does(js); got != want {
				return got
			}
			return ""
		})
	}

	// watched counts the ceremonies that the page has begun, and waits lets the
	// browser come to where the newest of n waits for the person: what the
	// authenticator is told sooner would be of that ceremony still.
	watched := func(h helped) {
		h.does(`window.begun = 0, window.get = navigator.credentials.get.bind(navigator.credentials), navigator.credentials.get = (o) => (begun++, get(o)), 1`)
	}
	waits := func(t *testing.T, h helped, n string) {
		t.Helper()
		eventually(t, h, `begun`, n)
		h.does(`await new Promise((done) => setTimeout(done, 500)), 1`)
	}

	t.Run("SignInByButton", func(t *testing.T) {
		h, keys := enrolled(t, "button@example.test")
		if got := keys.Credentials(); len(got) != 1 || got[0].RpID != "example.test" {
			t.Fatalf("%+v", got)
		}
		h.want(t, `(await auth.signInWithPasskey()).user.email`, "button@example.test")
		h.want(t, `JSON.stringify(changes)`, `["button@example.test"]`)
	})

	t.Run("InABrowserWithoutConversions", func(t *testing.T) {
		b := w.browser(t)
		b.AddAuthenticator()
		h := w.helped(t, b, "undefined")
		h.does(`PublicKeyCredential.parseRequestOptionsFromJSON = PublicKeyCredential.parseCreationOptionsFromJSON = undefined, PublicKeyCredential.prototype.toJSON = undefined`)
		h.signIn(t, "old@example.test")
		h.want(t, `(await auth.addPasskey()).synced`, "true")
		h.want(t, `await tried(() => auth.addPasskey())`, "STEP_UP_REQUIRED") // a mailbox adds nothing to a passkey (SE-8)
		h.want(t, `(await auth.signInWithPasskey()).user.email`, "old@example.test")
		h.want(t, `await tried(() => auth.addPasskey())`, "exists") // the excluded ids were read as well
	})

	t.Run("BothConversionsSayTheSame", func(t *testing.T) {
		h, _ := enrolled(t, "same@example.test")
		h.does(`window.options = {challenge: "-_-_AAECAwQFBgcICQoL", rpId: "example.test", userVerification: "required"}`)
		h.does(`window.native = await lib.getPasskey(options)`)
		h.does(`PublicKeyCredential.parseRequestOptionsFromJSON = undefined, PublicKeyCredential.prototype.toJSON = undefined`)
		h.does(`window.own = await lib.getPasskey(options)`)
		h.want(t, `JSON.stringify([Object.keys(own).sort(), Object.keys(own.response).sort()]) === JSON.stringify([Object.keys(native).sort(), Object.keys(native.response).sort()])`, "true")
		for _, field := range []string{"id", "rawId", "type", "authenticatorAttachment", "response.userHandle"} {
			h.want(t, "own."+field+" === native."+field, "true")
		}
		for _, got := range []string{"native", "own"} {
			h.want(t, `JSON.parse(atob(`+got+`.response.clientDataJSON)).challenge`, "-_-_AAECAwQFBgcICQoL")
		}
	})

	t.Run("AutofillSignsInWithoutAPress", func(t *testing.T) {
		h, _ := enrolled(t, "field@example.test")
		h.does(`window.first = auth.autofill(), auth.autofill(), first()`) // it ends its own, which is over
		eventually(t, h, `JSON.stringify(changes)`, `["field@example.test"]`)
		h.want(t, `calls.join()`, "/api/login/passkey/options,/api/login/passkey")
	})

	t.Run("OneCeremonyAtATime", func(t *testing.T) {
		h, keys := enrolled(t, "one@example.test")
		keys.UserPresent(false)
		watched(h)
		h.does(`auth.autofill(), 1`)
		waits(t, h, "1")
		h.does(`window.first = tried(() => auth.signInWithPasskey()), 1`) // ends the wait in the field
		waits(t, h, "2")
		h.want(t, `await Promise.race([first, "it waits"])`, "it waits")
		keys.UserPresent(true) // from the next ceremony on
		h.want(t, `await tried(() => auth.signInWithPasskey())`, "ok")
		h.want(t, `await first`, "dismissed")
		h.want(t, `JSON.stringify(changes)`, `["one@example.test"]`)
	})

	t.Run("AutofillGoesOnAfterTheButtonFailed", func(t *testing.T) {
		h, keys := enrolled(t, "again@example.test")
		keys.UserPresent(false)
		watched(h)
		h.does(`auth.autofill(), 1`)
		waits(t, h, "1")
		keys.UserVerifies(false)
		keys.UserPresent(true)
		h.want(t, `await tried(() => auth.signInWithPasskey())`, "dismissed")
		eventually(t, h, `calls.length`, "3")
		keys.UserVerifies(true)
		h.Click("#email") // the wait that had begun again ended in the same way
		eventually(t, h, `JSON.stringify(changes)`, `["again@example.test"]`)
	})

	t.Run("AutofillTakesANewChallengeWhenThePersonIsBack", func(t *testing.T) {
		h, keys := enrolled(t, "slow@example.test")
		keys.UserPresent(false)
		h.does(`window.stop = auth.autofill(), 1`)
		eventually(t, h, `calls.length`, "1")
		h.Click("#email")
		h.want(t, `calls.length`, "1") // the one it has is young
		h.does(`Date.now = () => performance.timeOrigin + 3600_000, document.activeElement.blur()`)
		h.Click("#email")
		eventually(t, h, `calls.length`, "2")
		h.does(`stop()`)
		h.does(`Date.now = () => performance.timeOrigin + 7200_000, document.activeElement.blur()`)
		h.Click("#email")
		keys.UserPresent(true)
		h.want(t, `calls.join()+changes.length`, "/api/login/passkey/options,/api/login/passkey/options0")
	})

	t.Run("APasskeyNobodyKnowsIsToldAndForgotten", func(t *testing.T) {
		h, keys := enrolled(t, "gone@example.test")
		other := w.browser(t)
		stale := keys.SyncTo(other)
		h.does(`await auth.signInWithPasskey(), await auth.api("DELETE", "/api/passkeys/" + (await auth.api("GET", "/api/passkeys")).items[0].id)`)
		o := w.helped(t, other, "undefined")
		o.does(`window.problems = [], auth.autofill((p) => problems.push(p.code)), 1`)
		eventually(t, o, `problems.join()`, "CREDENTIAL_UNKNOWN")
		harness.Eventually(t, "waiting for the browser to forget the passkey", func() string {
			if len(stale.Credentials()) != 0 {
				return "still offered"
			}
			return ""
		})
		eventually(t, o, `calls.filter((c) => c.endsWith("/options")).length`, "2") // and it waits for another one
	})

	t.Run("FailuresHaveCodes", func(t *testing.T) {
		h, keys := enrolled(t, "codes@example.test")
		h.want(t, `await tried(() => auth.addPasskey())`, "UNAUTHENTICATED")
		h.want(t, `await tried(() => lib.getPasskey({challenge: "AAAA", rpId: "example.org"}))`, "wrong-address")
		h.want(t, `await tried(() => lib.createPasskey({challenge: "AAAA", rp: {id: "example.test", name: "x"}, user: {id: "AAAA", name: "x", displayName: "x"}, pubKeyCredParams: [{type: "another", alg: -7}]}))`, "unsupported")
		h.want(t, `await tried(() => lib.getPasskey({challenge: "not base64url!"}))`, "failed")
		keys.UserVerifies(false)
		h.want(t, `await tried(() => auth.signInWithPasskey())`, "dismissed")
		keys.UserVerifies(true)
		h.does(`await auth.signInWithPasskey()`)
		h.want(t, `await tried(() => auth.addPasskey())`, "exists")
		h.want(t, `await auth.addPasskey().catch((p) => p.cause.name)`, "InvalidStateError")
	})

	t.Run("ABrowserWithoutPasskeysIsNoTrouble", func(t *testing.T) {
		h := w.helped(t, w.browser(t), "undefined")
		h.does(`delete window.PublicKeyCredential, window.lib = await import("` + w.URL(authHost, "/passwordless.js?old") + `"), window.auth = lib.createClient({url: "` + w.URL(authHost, "") + `"}), calls.length = 0`)
		h.want(t, `[lib.supported, await lib.canAutofill(), await lib.builtIn()].join()`, "false,false,false")
		h.want(t, `await tried(() => lib.getPasskey({challenge: "AAAA"}))`, "unsupported")
		h.want(t, `[await lib.signalUnknown("example.test", "AAAA"), await lib.signalAccepted("example.test", "AAAA", [])].join()`, ",")
		h.want(t, `[auth.autofill()(), calls.length].join()`, ",0")
	})
}

func TestHelper_SecondStepAndRecovery(t *testing.T) {
	w := helperWorld(t)
	const address = "two@example.test"
	b := w.browser(t)
	keys := b.AddAuthenticator()
	h := w.helped(t, b, "undefined")
	h.signIn(t, address)
	secret := h.does(`(await auth.api("POST", "/api/totp", {})).secret`)
	// Enrolling gives the session another token, and the client goes on with it.
	h.does(`await auth.api("POST", "/api/totp/confirm", {code: "` + totpCode(t, secret, -1) + `"})`)
	recovery := strings.Split(h.does(`(await auth.api("POST", "/api/recovery-codes", {})).codes.join()`), ",")
	h.want(t, `(await auth.refresh()).email`, address)
	h.does(`await auth.signOut(), changes.length = 0`)

	first := func() {
		h.does(`window.mail = await auth.startEmail("` + address + `")`)
		h.does(`window.step = await auth.verifyEmail(mail.flow, "` + w.mail.WaitCode(address) + `")`)
		h.want(t, `[step.next, step.methods.join("+"), step.user, auth.user, typeof step.flow].join()`, "totp,totp+recovery,,,string")
	}
	first()
	h.want(t, `await tried(() => auth.verifyTotp(step.flow, "`+wrongDigits(totpCode(t, secret, 0))+`"))`, "TOTP_INVALID")
	h.want(t, `(await auth.verifyTotp(step.flow, "`+totpCode(t, secret, 0)+`")).user.email`, address)
	h.does(`await auth.signOut()`)

	first()
	h.want(t, `await tried(() => auth.verifyRecovery(step.flow, "AAAA-AAAA-AAAA-AAAA"))`, "RECOVERY_INVALID")
	h.does(`window.step = await auth.verifyRecovery(step.flow, "` + recovery[0] + `")`)
	h.want(t, `[step.next, step.user.email, auth.user.email].join()`, "passkey,"+address+","+address)
	h.want(t, `await tried(() => auth.accessToken())`, "passkey-first")
	h.want(t, `(await auth.addPasskey()).usable`, "true")
	h.want(t, `(await auth.accessToken()).split(".").length`, "3")
	h.want(t, `(await auth.me()).email`, address)
	if len(keys.Credentials()) != 1 {
		t.Errorf("%d passkeys", len(keys.Credentials()))
	}
}
