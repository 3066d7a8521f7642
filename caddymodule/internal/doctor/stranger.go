package doctor

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// What people and programs get whom nobody signed in (DESIGN §9).

var strangerChecks = []check{
	{
		id: "stranger", question: "Does a stranger's page load end at sign-in?", run: checkStranger,
		why: "Either the app is open to everybody, or nobody finds the way in.",
	},
	{
		id: "other-apps", question: "Does a stranger's page load of every other app end at sign-in?", run: checkOtherApps,
		why: "An app that nobody asks about is open to everybody.",
	},
	{
		id: "everywhere", question: "Is every path and method of the app decided about?", run: checkEverywhere,
		why: "What is served beside the check is open to everybody.",
	},
	{
		id: "tunnel", question: "Is there no tunnel to the app but a WebSocket's?", run: checkTunnel,
		why: "Through a tunnel anybody sends the app whole requests that nobody has checked, in any name.",
	},
	{
		id: "scripts", question: "Do a stranger's scripts and streams get a 401 that they can use?", run: checkScripts,
		why: "A redirect or a page in answer to a script breaks the app in ways that nobody can read.",
	},
	{
		id: "reserved", question: "Do /.auth/start and /.auth/me reach us on the app's host?", run: checkReserved,
		why: "Sign-in hands the browser over there; without it, it goes in circles or ends in the app's 404.",
	},
	{
		id: "cookies", question: "Do our cookies arrive as we set them?", run: checkCookies,
		why: "A cookie with a domain, without Secure or HttpOnly can be read or replaced by somebody else.",
	},
}

func checkStranger(ctx context.Context, w *world) finding {
	got := w.send(ctx, load("/"))
	heard, err := w.seen(ctx, got.n, asked)
	if err != nil {
		return notChecked(err.Error())
	}
	if fix := w.distrusted(heard); fix != nil {
		return fail(fix, got.was()+": the proxy that asks is not the one that is configured")
	}
	if f, done := w.stranger(got, heard); done {
		return f
	}
	start := got.location()
	if !strings.HasPrefix(start, w.app.Origin+"/.auth/start?") {
		return fail(fixSignIn, "it is sent to "+got.was()+", not to "+w.app.Origin+"/.auth/start")
	}
	next := w.follow(ctx, start)
	if next.err != nil || next.StatusCode/100 != 3 || !strings.HasPrefix(next.location(), w.facts.Portal+w.signInPath("/login")) {
		return fail(fixReserved, "/.auth/start answers "+next.was()+", not the way to "+w.facts.Portal)
	}
	if head := w.send(ctx, request{target: "/", method: http.MethodHead, header: navigation}); head.err != nil || head.StatusCode != got.StatusCode {
		return fail(fixHead, "GET gets "+got.was()+", and HEAD "+head.was())
	}
	return ok(got.status() + " to /.auth/start, and on to " + hostOf(w.facts.Portal))
}

// checkOtherApps looks at the front door of each app that the run is not about.
func checkOtherApps(ctx context.Context, w *world) finding {
	var seen, many []string
	for _, app := range w.facts.Apps {
		name := hostOf(app.Origin)
		switch {
		case name == w.host:
			continue
		case strings.HasPrefix(name, "*."):
			many = append(many, name)
			continue
		}
		r := load("/")
		r.origin = app.Origin
		got := w.send(ctx, r)
		switch {
		case got.err != nil:
			return warn(fixDown, name+" does not answer: "+got.err.Error())
		case got.StatusCode == http.StatusTooManyRequests:
			return notChecked("too many requests; try again later")
		case contains(app.Public, "/", "/*"):
			continue
		case got.success():
			return fail(fixUnguarded.of(name), name+" answers everybody: "+got.was())
		case got.StatusCode != http.StatusForbidden && !strings.HasPrefix(got.location(), app.Origin+"/.auth/start?"):
			return warn(fixUnguarded.of(name), name+" answers "+got.was()+", which is not the way to sign-in")
		}
		seen = append(seen, name)
	}
	said := strings.Join(seen, ", ")
	switch {
	case len(seen) == 0 && len(many) == 0:
		return ok("there is no other that is not public")
	case len(seen) == 0:
		return notChecked(strings.Join(many, ", ") + " is many hosts; name one with --app")
	}
	return ok(said + "; name one with --app for all questions")
}

// stranger judges an answer that should be a redirect; done: it is none.
func (w *world) stranger(got *sent, heard []Seen) (f finding, done bool) {
	switch {
	case got.err != nil:
		return fail(fixDown, "the app does not answer: "+got.err.Error()), true
	case got.StatusCode == http.StatusTooManyRequests:
		return notChecked("too many requests; try again later"), true
	case got.success() && contains(w.app.Public, "/", "/*"):
		return notChecked("the app's front page is public"), true
	case got.success():
		return fail(fixUnguarded, "the app answers everybody: "+got.was()), true
	case got.StatusCode/100 == 3:
		return f, false
	}
	if why := misunderstood(heard); why != "" {
		return fail(fixVocabulary, "the proxy's question is not understood: "+why), true
	}
	return fail(fixSignIn, "a page load gets "+got.was()), true
}

// distrusted are the lines that make the proxy that asked one that may; nil: it
// may already, or none asked.
func (w *world) distrusted(list []Seen) fixes {
	if w.guarded() || len(w.kinds) == 0 {
		return nil
	}
	for _, s := range list {
		if s.Kind == "" {
			return fixes{ours: {"proxy " + w.kinds[0] + " " + s.Peer}}
		}
	}
	return nil
}

// misunderstood says why no decision could be made; "": one was, or none was
// asked for.
func misunderstood(list []Seen) string {
	if len(list) == 0 || contains(decisions, list[0].Verdict) {
		return ""
	}
	return list[0].Verdict
}

// decisions are the verdicts of rules; whatever else a record says is why there
// was none.
var decisions = []string{"allow", "deny", "sign in", "step up", "unavailable"}

// contains reports whether one of the words is in a list.
func contains(list []string, words ...string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return slices.Contains(words, s) })
}

// follow loads the address that a redirect leads to. It is one of the app's own.
func (w *world) follow(ctx context.Context, to string) *sent {
	return w.send(ctx, load(strings.TrimPrefix(to, w.app.Origin)))
}

// corners are where configurations make exceptions.
var corners = []string{
	"/api/doctor", "/api/v1/doctor", "/admin/doctor", "/static/doctor.js", "/assets/doctor.css", "/favicon.ico", "/robots.txt", "/manifest.json",
	"/health", "/metrics", "/events", "/ws", "/.well-known/doctor", "/login", "/doctor.png",
}

// checkEverywhere looks for ways that lead around the check.
func checkEverywhere(ctx context.Context, w *world) finding {
	var tries []request
	for _, path := range corners {
		tries = append(tries, get(path))
	}
	for _, path := range []string{w.o.Echo, w.o.Events, w.o.WS} {
		if path != "" {
			tries = append(tries, get(path))
		}
	}
	for _, method := range []string{http.MethodOptions, http.MethodPut, http.MethodDelete, "PROPFIND", "DOCTOR"} {
		r := get("/doctor", header{"Origin", w.app.Origin}, header{"Access-Control-Request-Method", http.MethodGet})
		r.method = method
		tries = append(tries, r)
	}
	worst := ok(fmt.Sprintf("%d ways in, all of them", len(tries)))
	for _, r := range tries {
		if w.isPublic(r.target) {
			continue
		}
		got := w.send(ctx, r)
		switch {
		case got.err != nil || got.StatusCode == http.StatusBadRequest || got.StatusCode >= 500 || got.StatusCode == http.StatusTooManyRequests:
		case got.success():
			return fail(fixUnguarded, fmt.Sprintf("%s %s is open to everybody: %s", r.verb(), r.target, got.was()))
		case !w.decidedAbout(ctx, got.n):
			worst = worst.worse(warn(fixUnguarded, fmt.Sprintf("%s %s is answered by %s, and no decision was made", r.verb(), r.target, got.was())))
		}
	}
	return worst
}

// decidedAbout reports whether a decision was asked for.
func (w *world) decidedAbout(ctx context.Context, n int) bool {
	list, err := w.seen(ctx, n, asked)
	return err != nil || len(list) > 0
}

// clients are what strangers come with, beside page loads.
var clients = []struct {
	name string
	request
}{
	{"fetch", request{header: script}},
	{"fetch of HTML", request{header: []header{{"Accept", "text/html, application/xhtml+xml"}, {"Sec-Fetch-Mode", "cors"}, {"Sec-Fetch-Dest", "empty"}, {"Sec-Fetch-Site", "same-origin"}}}},
	{"XMLHttpRequest", request{header: []header{{"Accept", "*/*"}, {"X-Requested-With", "XMLHttpRequest"}}}},
	{"EventSource", request{header: []header{{"Accept", "text/event-stream"}, {"Sec-Fetch-Mode", "cors"}, {"Sec-Fetch-Dest", "empty"}, {"Sec-Fetch-Site", "same-origin"}}}},
	{"WebSocket", request{header: append([]header{{"Sec-Fetch-Mode", "websocket"}, {"Sec-Fetch-Dest", "empty"}}, upgrade...)}},
	{"POST by a script", request{method: http.MethodPost, body: `{"a":1}`, header: append([]header{{"Content-Type", "application/json"}}, script...)}},
	{"gRPC", request{method: http.MethodPost, header: []header{{"Content-Type", "application/grpc"}, {"Te", "trailers"}}}},
	{"service worker", request{header: []header{{"Accept", "*/*"}, {"Service-Worker", "script"}, {"Sec-Fetch-Mode", "same-origin"}, {"Sec-Fetch-Dest", "serviceworker"}, {"Sec-Fetch-Site", "same-origin"}}}},
}

// upgrade asks for a WebSocket (RFC 6455).
var upgrade = []header{
	{"Connection", "Upgrade"}, {"Upgrade", "websocket"}, {"Sec-WebSocket-Version", "13"}, {"Sec-WebSocket-Key", "ZG9jdG9yIGtub2NraW5nIQ=="},
}

func checkScripts(ctx context.Context, w *world) finding {
	worst := ok(fmt.Sprintf("%d kinds of client do", len(clients)))
	for _, c := range clients {
		r := c.request
		r.target = "/doctor"
		got := w.send(ctx, r)
		switch {
		case got.err != nil:
			worst = worst.worse(fail(fixScripts, c.name+": "+got.err.Error()))
		case got.success() || got.StatusCode == http.StatusSwitchingProtocols:
			if contains(w.app.Public, "/*") {
				return notChecked("the app is public")
			}
			worst = worst.worse(fail(fixUnguarded, c.name+" is let in: "+got.was()))
		case got.StatusCode == http.StatusTooManyRequests:
			return notChecked("too many requests; try again later")
		case got.StatusCode != http.StatusUnauthorized || got.isHTML():
			worst = worst.worse(fail(fixScripts, fmt.Sprintf("%s gets %s, %s", c.name, got.was(), got.Header.Get("Content-Type"))))
		case got.location() != "":
			worst = worst.worse(fail(fixScripts, c.name+" gets a 401 that leads to "+got.was()))
		case !got.isProblem():
			worst = worst.worse(warn(fixScripts, fmt.Sprintf("%s gets a 401 of the type %q, not application/problem+json", c.name, got.Header.Get("Content-Type"))))
		}
		if worst.verdict == Fail {
			return worst
		}
	}
	return worst
}

func checkReserved(ctx context.Context, w *world) finding {
	start := w.send(ctx, load("/.auth/start?rd=/"))
	if start.err != nil || start.StatusCode/100 != 3 || !strings.HasPrefix(start.location(), w.facts.Portal) {
		return fail(fixReserved, "/.auth/start answers "+start.was())
	}
	me := w.send(ctx, get("/.auth/me"))
	if me.err != nil || me.StatusCode != http.StatusUnauthorized && me.StatusCode != http.StatusNotFound || me.isHTML() || !strings.Contains(me.Header.Get("Cache-Control"), "no-store") {
		return fail(fixReserved, "/.auth/me answers "+me.was()+", which is not our answer")
	}
	return ok("they do")
}

func checkCookies(ctx context.Context, w *world) finding {
	got := w.send(ctx, load("/.auth/start?rd=/"))
	if got.err != nil {
		return notChecked("/.auth/start does not answer: " + got.err.Error())
	}
	secure := strings.HasPrefix(w.app.Origin, "https://")
	found := 0
	for _, line := range got.Header.Values("Set-Cookie") {
		c, err := http.ParseSetCookie(line)
		if err != nil || !strings.Contains(c.Name, "passwordless") {
			continue
		}
		found++
		var wrong []string
		for _, a := range []struct {
			bad bool
			say string
		}{
			{secure && !strings.HasPrefix(c.Name, "__Host-"), "no __Host- before its name"},
			{c.Secure != secure, "Secure is wrong"},
			{!c.HttpOnly, "no HttpOnly"},
			{c.SameSite != http.SameSiteLaxMode, "SameSite is not Lax"},
			{c.Domain != "", "a Domain"},
			{c.Path != "/", "Path is not /"},
		} {
			if a.bad {
				wrong = append(wrong, a.say)
			}
		}
		if wrong != nil {
			return fail(fixCookies, c.Name+" has "+strings.Join(wrong, ", "))
		}
	}
	if found == 0 {
		return fail(fixCookies, "/.auth/start sets no cookie of ours here")
	}
	if !secure {
		return ok("HttpOnly, SameSite, no Domain; browsers take no __Host- and Secure on plain http")
	}
	return ok("__Host-, Secure, HttpOnly, SameSite, no Domain")
}
