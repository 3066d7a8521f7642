package test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// passwordless.js in a real browser, in a page of another origin than the
// portal's: what it promises in passwordless.d.ts.

const spaHost = "spa.example.test"

// helperWorld is a portal whose client is a page at spaHost. Passkeys are bound
// to the domain that both share. /api is an app that shows what it was sent.
func helperWorld(t *testing.T) *world {
	t.Helper()
	return startWorld(t, worldOptions{
		globals: portalGlobals + `rp_id example.test
client spa "Example Web" https://spa.example.test:{$HTTPS}
`,
		sites: `auth.example.test {
	passwordless_portal
}
spa.example.test {
	handle /api/* {
		reverse_proxy {$APP}
	}
	header Content-Type "text/html; charset=utf-8"
	respond "<!doctype html><html lang=en><title>Example Web</title><link rel=icon href=data:,><input id=email autocomplete=\"username webauthn\">"
}
`,
	})
}

// helped is a tab with the helper's client in it, as auth; storage is what its
// option says, in JavaScript. Calls counts what was asked of the portal.
type helped struct {
	*harness.Browser
	w       *world
	storage string
}

func (w *world) helped(t *testing.T, b *harness.Browser, storage string) helped {
	t.Helper()
	h := helped{b, w, storage}
	b.Goto(w.URL(spaHost, "/"))
	h.load()
	return h
}

// load makes a new client; the page is new.
func (h helped) load() {
	harness.Eval[bool](h.Browser, fmt.Sprintf(`(async () => {
		const real = fetch;
		window.calls = [];
		window.meddle = (path, answer) => answer();
		window.fetch = (input, init) => {
			const url = new URL(input.url ?? input, location.href);
			calls.push(url.pathname);
			return meddle(url.pathname, () => real(input, init));
		};
		window.lib = await import(%q);
		window.changes = [];
		window.auth = lib.createClient({url: %q, storage: %s});
		auth.onchange = (user) => changes.push(user && user.email);
		window.tried = (work) => work().then((value) => "ok", (error) => error instanceof lib.Problem ? error.code : "no Problem: " + error);
		return true;
	})()`, h.w.URL(authHost, "/passwordless.js"), h.w.URL(authHost, ""), h.storage))
}

// does evaluates an expression, awaits it and returns it as text.
func (h helped) does(js string) string {
	return harness.Eval[string](h.Browser, "(async () => String("+js+"))()")
}

func (h helped) want(t *testing.T, js, want string) {
	t.Helper()
	if got := h.does(js); got != want {
		t.Errorf("%s\n\tis   %s\n\twant %s", js, got, want)
	}
}

func (h helped) signIn(t *testing.T, address string) {
	t.Helper()
	h.does(fmt.Sprintf(`window.mail = await auth.startEmail(%q)`, address))
	h.want(t, fmt.Sprintf(`(await auth.verifyEmail(mail.flow, %q)).user.email`, h.w.mail.WaitCode(address)), address)
}

func TestHelper_SignsInByMail(t *testing.T) {
	w := helperWorld(t)
	const alice = "alice@example.test"

	t.Run("ARefusalIsAProblem", func(t *testing.T) {
		h := w.helped(t, w.browser(t), "undefined")
		h.want(t, `await tried(() => auth.startEmail("nobody"))`, "EMAIL_INVALID")
		h.does(`window.mail = await auth.startEmail("wrong@example.test")`)
		h.want(t, `mail.code_length + " " + (mail.resend_after > 0)`, "8 true")
		h.want(t, `await auth.verifyEmail(mail.flow, "00000000").catch((p) => [p instanceof Error, p.name, p.code, p.status, p.title, p.requestId != "", p.retryAfter].join())`,
			"true,Problem,CODE_INVALID,400,Wrong code,true,0")
		h.want(t, `await tried(() => auth.me())`, "UNAUTHENTICATED")
		h.want(t, `await tried(() => auth.signOut())`, "ok")
		h.Expect("net::ERR_")
		h.want(t, `await lib.createClient({url: "https://auth.example.test:1"}).startEmail("a@example.test").catch((p) => p.code + p.status)`, "unreachable0")
	})

	t.Run("TokensAreInMemoryOnly", func(t *testing.T) {
		h := w.helped(t, w.browser(t), "undefined")
		h.signIn(t, alice)
		h.want(t, `JSON.stringify(changes)`, `["alice@example.test"]`)
		h.want(t, `localStorage.length + sessionStorage.length + document.cookie.length`, "0")
		h.want(t, `(await auth.me()).email`, alice)
		h.Reload()
		h.load()
		h.want(t, `auth.user`, "null")
	})

	t.Run("StorageIsTheAppsChoice", func(t *testing.T) {
		h := w.helped(t, w.browser(t), "localStorage")
		h.signIn(t, alice)
		h.Reload()
		h.load()
		h.want(t, `auth.user.email`, alice)
		h.want(t, `(await auth.refresh()).email`, alice)
		h.want(t, `await auth.signOut()`, "undefined")
		h.want(t, `[auth.user, JSON.stringify(changes), localStorage.length, calls.join()]`, `,[null],0,/api/token/refresh,/api/logout`)
	})

	t.Run("APageThatComesBackLooksAgain", func(t *testing.T) {
		h := w.helped(t, w.browser(t), "localStorage")
		h.signIn(t, alice)
		h.does(`localStorage.clear(), dispatchEvent(new PageTransitionEvent("pageshow", {persisted: true}))`)
		h.want(t, `JSON.stringify(changes)`, `["alice@example.test",null]`)
	})

	t.Run("ASecondSignInEndsTheFirst", func(t *testing.T) {
		h := w.helped(t, w.browser(t), "undefined")
		h.signIn(t, "twice@example.test")
		h.signIn(t, "twice@example.test")
		harness.Eventually(t, "waiting for the first session's end", func() string {
			return strings.TrimPrefix(h.does(`(await auth.api("GET", "/api/sessions")).items.length`), "1")
		})
	})

	t.Run("OneCallSendsOneMail", func(t *testing.T) {
		h := w.helped(t, w.browser(t), "undefined")
		// The answer is lost on its way, twice.
		h.does(`window.lost = 0, meddle = async (path, answer) => { const a = await answer(); if (lost++ < 2) throw new TypeError("lost"); return a; }`)
		h.does(`window.before = await auth.startEmail("lost@example.test")`)
		h.want(t, `lost`, "3")
		h.want(t, `(await auth.startEmail("lost@example.test")).flow === before.flow`, "true") // it is too early for another one
		h.signIn(t, "lost@example.test")
		sent := 0
		for _, m := range w.mail.Messages() {
			if m.To[0] == "lost@example.test" {
				sent++
			}
		}
		if sent != 1 {
			t.Errorf("%d mails", sent)
		}
	})
}

func TestHelper_Refreshes(t *testing.T) {
	w := helperWorld(t)

	t.Run("OnceForAllWhoAsk", func(t *testing.T) {
		h := w.helped(t, w.browser(t), "undefined")
		h.signIn(t, "many@example.test")
		for _, browser := range []string{"1", `Object.defineProperty(navigator, "locks", {value: undefined})`} { // with locks, without
			h.does(browser + `, calls.length = 0`)
			h.want(t, `new Set((await Promise.all(Array.from({length: 20}, () => auth.refresh()))).map((u) => u.email)).size`, "1")
			h.want(t, `calls.join()`, "/api/token/refresh")
		}
	})

	t.Run("OnceForAllTabs", func(t *testing.T) {
		one := w.helped(t, w.browser(t), "localStorage")
		one.signIn(t, "tabs@example.test")
		two := w.helped(t, one.NewTab(), "localStorage")
		two.want(t, `auth.user.email`, "tabs@example.test")
		// The first one's answer waits until the second one has asked, too.
		one.does(`calls.length = 0, meddle = async (path, answer) => { const a = await answer(); await new Promise((go) => window.release = go); return a; }, window.first = auth.refresh(), 1`)
		harness.Eventually(t, "waiting for the first tab's answer", func() string { return strings.TrimPrefix(one.does(`typeof window.release`), "function") })
		two.does(`window.second = auth.refresh(), 1`)
		harness.Eventually(t, "waiting for the second tab to wait", func() string {
			return strings.TrimPrefix(two.does(`(await navigator.locks.query()).pending.length`), "1")
		})
		one.does(`release(), (await first).email`)
		two.want(t, `(await second).email`, "tabs@example.test")
		one.does(`meddle = (path, answer) => answer(), 1`)
		// Where the second tab saw the new tokens too late, the grace gave it the same ones.
		for _, h := range []helped{one, two, one} {
			h.want(t, `(await auth.me()).email + (await auth.refresh()).email`, "tabs@example.testtabs@example.test")
		}
		one.want(t, `await auth.signOut()`, "undefined")
		harness.Eventually(t, "waiting for the other tab to hear of it", func() string { return strings.TrimPrefix(two.does(`JSON.stringify(changes)`), "[null]") })
		two.want(t, `auth.user`, "null")
	})

	t.Run("ALostAnswerIsAskedForAgain", func(t *testing.T) {
		h := w.helped(t, w.browser(t), "undefined")
		h.signIn(t, "unlucky@example.test")
		h.does(`window.lost = 0, meddle = async (path, answer) => { const a = await answer(); if (lost++ < 1) throw new TypeError("lost"); return a; }`)
		h.want(t, `(await auth.refresh()).email`, "unlucky@example.test")
		h.want(t, `lost + " " + (await auth.me()).email`, "2 unlucky@example.test")
	})

	t.Run("AServerThatIsDownSignsNobodyOut", func(t *testing.T) {
		h := w.helped(t, w.browser(t), "undefined")
		h.signIn(t, "patient@example.test")
		h.does(`meddle = async () => new Response("<h1>Bad gateway", {status: 502})`)
		h.want(t, `await tried(() => auth.refresh())`, "unexpected")
		h.does(`meddle = async () => { throw new TypeError("offline"); }`)
		h.want(t, `await tried(() => auth.refresh())`, "unreachable")
		h.does(`meddle = (path, answer) => answer()`)
		h.want(t, `(await auth.refresh()).email`, "patient@example.test")
	})

	t.Run("AReusedTokenSignsOut", func(t *testing.T) {
		h := w.helped(t, w.browser(t), "localStorage")
		h.signIn(t, "robbed@example.test")
		h.does(`window.stolen = Object.entries(localStorage)[0]`)
		h.does(`await auth.refresh(), await auth.refresh()`)
		h.does(`localStorage.setItem(...stolen)`) // whoever holds it uses it
		h.want(t, `await tried(() => auth.refresh())`, "TOKEN_REUSED")
		h.want(t, `[auth.user, localStorage.length, JSON.stringify(changes)]`, `,0,["robbed@example.test",null]`)
	})

	t.Run("AnAnswerThatComesTooLateSignsNobodyIn", func(t *testing.T) {
		h := w.helped(t, w.browser(t), "localStorage")
		h.signIn(t, "late@example.test")
		h.does(`meddle = async (path, answer) => { const a = await answer(); localStorage.clear(); return a; }`)
		h.want(t, `await tried(() => auth.refresh())`, "UNAUTHENTICATED")
		h.want(t, `[auth.user, localStorage.length]`, ",0")
	})

	t.Run("AnEndedSessionSignsOut", func(t *testing.T) {
		one := w.helped(t, w.browser(t), "undefined")
		one.signIn(t, "ended@example.test")
		two := w.helped(t, w.browser(t), "undefined")
		two.signIn(t, "ended@example.test")
		two.want(t, `await auth.signOut("others")`, "undefined")
		two.want(t, `auth.user.email`, "ended@example.test")
		one.want(t, `await tried(() => auth.me())`, "TOKEN_INVALID")
		one.want(t, `[auth.user, JSON.stringify(changes), calls.slice(-2).join()]`, `,["ended@example.test",null],/api/me,/api/token/refresh`)
	})
}

func TestHelper_FetchCarriesTheToken(t *testing.T) {
	w := helperWorld(t)
	h := w.helped(t, w.browser(t), "undefined")
	h.want(t, `await tried(() => auth.fetch("/api/x"))`, "UNAUTHENTICATED")
	h.signIn(t, "caller@example.test")
	h.want(t, `(await (await auth.fetch("/api/x?a=b", {method: "POST", body: "hello", headers: {"X-Mine": "1"}})).json()).headers.Authorization[0] === "Bearer " + await auth.accessToken()`, "true")
	if e := w.app.Seen()[0]; e.Method != "POST" || e.URI != "/api/x?a=b" || e.Body != "hello" || e.Headers["X-Mine"][0] != "1" {
		t.Errorf("the API saw %+v", e)
	}
	h.want(t, `(await (await auth.fetch(new Request("`+w.URL(authHost, "/api/me")+`"))).json()).email`, "caller@example.test")

	// A 401 is met with a new token, once.
	h.does(`calls.length = 0, window.times = 1, meddle = async (path, answer) => path === "/api/y" && times-- > 0 ? new Response("", {status: 401}) : answer()`)
	h.want(t, `(await auth.fetch("/api/y", {method: "PUT", body: "again"})).status`, "200")
	h.want(t, `calls.join()`, "/api/y,/api/token/refresh,/api/y")
	if seen := w.app.Seen(); seen[len(seen)-1].Body != "again" {
		t.Errorf("the second time the API saw %+v", seen[len(seen)-1])
	}
	h.does(`calls.length = 0, times = 9`)
	h.want(t, `(await auth.fetch("/api/y")).status`, "401")
	h.want(t, `calls.join()+" "+auth.user.email`, "/api/y,/api/token/refresh,/api/y caller@example.test")

	// Nobody else gets it.
	h.does(`calls.length = 0`)
	for _, foreign := range []string{"https://evil.example/x", "//evil.example/x", w.URL("app.example.test", "/x"), "http://" + spaHost + "/", "data:text/plain,x"} {
		h.want(t, fmt.Sprintf(`await tried(() => auth.fetch(%q))`, foreign), "foreign-origin")
	}
	h.want(t, `calls.length`, "0")
	h.does(`meddle = async () => new Response("from there")`)
	h.want(t, `await lib.createClient({url: "`+w.URL(authHost, "")+`", apis: ["https://api.example.org"], storage: {getItem: () => JSON.stringify({access_token: "x", until: Date.now() + 1e6}), setItem() {}, removeItem() {}}}).fetch("https://api.example.org/x").then((r) => r.text())`, "from there")
}
