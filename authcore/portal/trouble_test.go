package portal

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestTrouble_TicketOfAnotherBrowserPlantsNoSession(t *testing.T) {
	s := newSite(t)
	attacker, victim := s.browser(), s.browser()
	attacker.signIn(bob, portalURL+"/")
	start := attacker.send("GET", appURL+"/.auth/start?rd=/x", "", pageLoad("none"))
	ticket := attacker.send("GET", start.Header.Get("Location"), "", pageLoad("same-site")).Header.Get("Location")
	if !strings.HasPrefix(ticket, appURL+"/.auth/callback?ticket=") {
		t.Fatalf("Location %q", ticket)
	}
	victim.load(appURL + "/") // has a nonce of its own
	victim.load(ticket).want(t, 200, "Sign in to Example")
	if victim.has(appURL, "__Host-passwordless") {
		t.Error("the victim is signed in as somebody else")
	}
	if a := attacker.send("GET", ticket, "", pageLoad("same-site")); attacker.has(appURL, "__Host-passwordless") {
		t.Errorf("a presented ticket still works: %d", a.StatusCode)
	}
}

func TestTrouble_PortalSessionWithoutFlowCookieBeginsAtTheApp(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.signIn(ada, portalURL+"/")
	delete(b.jar["auth.example.com"], "__Host-passwordless-flow") // the browser was closed
	b.seen = nil
	b.load(appURL+"/x").want(t, 200, "the app sees "+ada)
	if b.seen[2] != appURL+"/x" {
		t.Errorf("sent to %q, want the plain app URL", b.seen[2])
	}
}

func TestTrouble_AppThatKeepsNoCookieStopsAfterThreeRounds(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.signIn(ada, portalURL+"/")
	b.drop = func(host, _ string) bool { return host == "app.example.com" }
	page := b.load(appURL+"/x").want(t, 400, "The cookie was not stored")
	if strings.Contains(page.body, "/assets/") || !strings.Contains(page.body, `href="`+appURL+`/.auth/start?rd=%2Fx"`) {
		t.Errorf("not a page for an app's host:\n%s", page.body)
	}
}

func TestTrouble_AppThatLosesItsSessionCookieStopsBeforeTheBrowserDoes(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.signIn(ada, portalURL+"/")
	b.drop = func(host, name string) bool { return host == "app.example.com" && name == "__Host-passwordless" }
	b.load(appURL+"/x").want(t, 400, "One of these is the reason")
	b.load(wikiURL+"/").want(t, 200, "the app sees "+ada)
}

func TestTrouble_PortalSessionCookieRefused(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.drop = func(_, name string) bool { return name == "__Host-passwordless" }
	page := b.code(b.fill(b.load(appURL+"/"), "/login", "email", ada))
	page.want(t, 400, "Your browser did not keep our cookie")
	if page.to(t) == "" {
		t.Error("the way back to the app is lost")
	}
}

func TestTrouble_FlowCookieRefused(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.drop = func(string, string) bool { return true }
	before := s.records()
	b.fill(b.load(portalURL+"/login"), "/login", "email", ada).want(t, 403, "Allow cookies for this site")
	if got := s.records(); got.counts != before.counts || got.takes["flow"] != 0 {
		t.Error("something was stored")
	}
}

func TestTrouble_CookieDeletedHalfway(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	page := b.fill(b.load(portalURL+"/login"), "/login", "email", ada)
	b.jar = map[string]map[string]string{}
	b.load(portalURL+"/login/code").want(t, 400, "Your browser did not keep our cookie")
	b.jar = map[string]map[string]string{}
	b.code(page).want(t, 403, "did not send back the cookie")
}

func TestTrouble_TwoTabsEndAtTheirOwnApps(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	one := b.fill(b.load(appURL+"/one"), "/login", "email", ada)
	first := s.lastMail().code
	two := b.fill(b.load(wikiURL+"/two"), "/login", "email", ada)
	b.fill(one, "/login/code", "code", first).want(t, 400, "not the code from the newest mail")
	page := b.fill(b.code(one), "/login/offer").want(t, 200, "the app sees")
	if page.url.String() != appURL+"/one" {
		t.Errorf("the first tab ended at %s", page.url)
	}
	b.fill(two, "/login/code", "code", s.lastMail().code).want(t, 400, "You are signed in")
	b.load(wikiURL+"/two").want(t, 200, "the app sees")
}

func TestTrouble_BackButtonAfterTheCode(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	page := b.fill(b.load(appURL+"/x"), "/login", "email", ada)
	b.code(page)
	b.load(portalURL+"/login/code").want(t, 200, "Your account")
	again := b.code(page).want(t, 400, "used already")
	if !strings.Contains(again.body, "/login?in=1&amp;to=") {
		t.Errorf("no way on:\n%s", again.body)
	}
	b.fill(page, "/login/code/resend").want(t, 200, "Your account")
	if n := len(s.mails()); n != 1 {
		t.Errorf("%d mails", n)
	}
	stranger := s.browser()
	stranger.jar["auth.example.com"] = map[string]string{"__Host-passwordless-flow": b.jar["auth.example.com"]["__Host-passwordless-flow"]}
	stranger.code(page).want(t, 400, "used, is too old")
	if stranger.has(portalURL, "__Host-passwordless") {
		t.Error("a used code signed somebody in")
	}
}

func TestTrouble_FiveWrongCodesThenANewMail(t *testing.T) {
	s := newSite(t)
	for _, address := range []string{ada, nobody} { // EN: a decoy walks the same way
		b := s.browser()
		page := b.fill(b.load(appURL+"/"), "/login", "email", address)
		for range 4 {
			page = b.fill(page, "/login/code", "code", "0000 0000").want(t, 400, "not the code from the newest mail")
		}
		page = b.fill(page, "/login/code", "code", "00000000").want(t, 400, "mistyped five times")
		if strings.Contains(page.body, `name="code"`) {
			t.Error("a spent page asks for a code")
		}
		page = b.fill(page, "/login/code/resend").want(t, 200, "Check your mail")
		if address == ada {
			b.fill(b.code(page), "/login/offer").want(t, 200, "the app sees")
		}
	}
}

func TestTrouble_WhatIsNoCodeCostsNoTry(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	page := b.fill(b.load(portalURL+"/"), "/login", "email", ada)
	for range 7 {
		page = b.fill(page, "/login/code", "code", "١٢٣٤٥٦٧٨").want(t, 400, "not the code")
	}
	b.code(page).want(t, 200, "use a passkey")
}

func TestTrouble_ExpiredCodeAndLink(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	page := b.fill(b.load(appURL+"/"), "/login", "email", ada)
	_, secret, _ := strings.Cut(s.lastMail().link, "#")
	s.wait(10*time.Minute + time.Second)
	b.fetch(b.load(portalURL+"/login/link"), "/login/link", mailed{Token: secret}).want(t, 400, "LINK_INVALID")
	page = b.code(page).want(t, 400, "too old")
	page = b.fill(page, "/login/code/resend").want(t, 200, "Check your mail")
	b.fill(b.code(page), "/login/offer").want(t, 200, "the app sees")
}

func TestTrouble_ResendWaits(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	page := b.fill(b.load(portalURL+"/"), "/login", "email", ada)
	got := b.fill(page, "/login/code/resend").want(t, 429, "Wait half a minute")
	if got.Header.Get("Retry-After") != "30" || len(s.mails()) != 1 {
		t.Errorf("Retry-After %q, %d mails", got.Header.Get("Retry-After"), len(s.mails()))
	}
	s.wait(31 * time.Second)
	first := s.lastMail().code
	page = b.fill(page, "/login/code/resend").want(t, 200, "Check your mail")
	b.fill(page, "/login/code", "code", first).want(t, 400, "newest mail")
	b.code(page).want(t, 200, "use a passkey")
}

func TestTrouble_ExpiredWayBackIsDropped(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	page := b.load(appURL + "/x")
	s.wait(time.Hour + time.Second)
	page = b.load(page.url.String()).want(t, 200, "The way back to the app has run out")
	if page.to(t) != "" || strings.Contains(page.Header.Get("Content-Security-Policy"), appURL) {
		t.Error("an expired state is still used")
	}
	doubled := b.load(page.url.String()+"&to=x").want(t, 200, "Sign in to Example")
	if doubled.to(t) != "" {
		t.Error("a doubled parameter is used")
	}
}

func TestTrouble_LateTicket(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.signIn(ada, portalURL+"/")
	start := b.send("GET", appURL+"/.auth/start?rd=/x", "", pageLoad("none"))
	ticket := b.send("GET", start.Header.Get("Location"), "", pageLoad("same-site")).Header.Get("Location")
	s.wait(61 * time.Second)
	b.seen = nil
	page := b.follow(b.send("GET", ticket, "", pageLoad("same-site"))).want(t, 200, "the app sees "+ada)
	if page.url.Path != "/x" || !strings.HasPrefix(b.seen[0], appURL+"/.auth/start?rd=%2Fx&n=1") {
		t.Errorf("ended at %s by %v", page.url, b.seen)
	}
	// Once more, now that the app session lives.
	page = b.follow(b.send("GET", ticket, "", pageLoad("same-site"))).want(t, 200, "the app sees "+ada)
	if page.url.Path != "/" {
		t.Errorf("a late ticket with a live session ended at %s", page.url)
	}
}

func TestTrouble_NotOpenToThisAccount(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	page := b.signIn(bob, wikiURL+"/secret").want(t, 403, "This app is not open to you")
	for _, want := range []string{"<strong>" + bob + "</strong>", "<strong>wiki.example.org</strong>", "Caddyfile:17"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	page = b.fill(page, "/logout?switch=1").want(t, 200, "to continue to <strong>wiki.example.org</strong>")
	page = b.fill(b.code(b.fill(page, "/login", "email", ada)), "/login/offer").want(t, 200, "the app sees "+ada)
	if page.url.Path != "/secret" {
		t.Errorf("ended at %s", page.url)
	}
}

func TestTrouble_OnlyAPageLoadHandsOver(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	to := b.load(appURL + "/x").to(t)
	b.signIn(ada, portalURL+"/")
	target := portalURL + "/login?to=" + url.QueryEscape(to)
	before := s.records().takes["ticket"]
	for name, c := range map[string]struct {
		method string
		header map[string]string
		status int
	}{
		"fetch":    {"GET", map[string]string{"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, 401},
		"image":    {"GET", map[string]string{"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, 401},
		"frame":    {"GET", map[string]string{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 401},
		"prefetch": {"GET", map[string]string{"Sec-Purpose": "prefetch;prerender", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, 503},
		"HEAD":     {"HEAD", pageLoad("none"), 401},
	} {
		if a := b.send(c.method, target, "", c.header); a.StatusCode != c.status || a.Header.Get("Location") != "" {
			t.Errorf("%s: %d to %q, want %d", name, a.StatusCode, a.Header.Get("Location"), c.status)
		}
	}
	if got := s.records().takes["ticket"]; got != before {
		t.Errorf("%d tickets were made", got-before)
	}
}

func TestTrouble_TamperedAddressOfASpentCodeIsNotShown(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	page := b.fill(b.load(portalURL+"/login"), "/login", "email", ada)
	s.wait(11 * time.Minute)
	got := b.fill(page, "/login/code", "code", "00000000", "email", "<i>"+marker).want(t, 400, "Start again")
	if strings.Contains(got.body, marker) {
		t.Error("the address is echoed")
	}
	b.fill(page, "/login/code/resend", "email", marker).want(t, 400, "Check the address")
	if n := len(s.mails()); n != 1 {
		t.Errorf("%d mails", n)
	}
}

func TestTrouble_RightsLostWhileSignedIn(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.signIn(ada, wikiURL+"/").want(t, 200, "the app sees")
	s.must(s.svc.SetGroups(t.Context(), "cli", ada, nil))
	page := b.load(wikiURL+"/x").want(t, 403, "This app is not open to you")
	b.load(wikiURL+"/.auth/denied").want(t, 403, "Caddyfile:17")
	page = b.fill(page, "/.auth/logout?switch=1").want(t, 200, "Use another account")
	b.load(wikiURL+"/.auth/denied").want(t, 403, "<strong>"+ada+"</strong>") // asked of the portal
	page = b.fill(page, "/logout?switch=1").want(t, 200, "to continue to <strong>wiki.example.org</strong>")
	s.must(s.svc.SetGroups(t.Context(), "cli", bob, []string{"staff"}))
	b.fill(b.code(b.fill(page, "/login", "email", bob)), "/login/offer").want(t, 200, "the app sees "+bob)
}
