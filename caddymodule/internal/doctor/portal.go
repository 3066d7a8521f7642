package doctor

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Sign-in itself, and what of it must not be reached from outside.

var portalChecks = []check{
	{
		id: "sign-in", question: "Does sign-in answer, with its own headers?", run: checkSignIn,
		why: "Its headers keep other pages from framing it and from running scripts in it.",
	},
	{
		id: "decisions", question: "Are the decision endpoints closed to the outside?", run: checkDecisions,
		why: "Whoever reaches them through a trusted proxy can ask what they like about other people's sessions.",
	},
}

func checkSignIn(ctx context.Context, w *world) finding {
	res, err := w.o.Wire.send(ctx, request{origin: w.facts.Portal, target: w.signInPath("/login"), header: navigation})
	got := sent{response: res, err: err}
	if err != nil || res.StatusCode != http.StatusOK || !res.isHTML() {
		return fail(fixPortal, "the sign-in page answers "+got.was())
	}
	for _, h := range []struct{ name, holds string }{
		{"Content-Security-Policy", "frame-ancestors 'none'"},
		{"X-Content-Type-Options", "nosniff"},
		{"X-Frame-Options", "DENY"},
		{"Referrer-Policy", ""},
		{"Cache-Control", "no-store"},
	} {
		values := res.Header.Values(h.name)
		if len(values) != 1 || !strings.Contains(values[0], h.holds) || values[0] == "" {
			return fail(fixPortal, fmt.Sprintf("%s is %q", h.name, strings.Join(values, " | ")))
		}
	}
	return ok("200, strict headers")
}

// identityNames are the headers by which a decision is told.
var identityNames = []string{"Remote-User", "Remote-Sub", "Remote-Email", "Remote-Name", "Remote-Groups", "Remote-Jwt"}

// closedPaths lead to decisions, in spellings that servers take for the same.
var closedPaths = []string{
	"/api/authz/forward-auth", "/api/authz/auth-request", "/api/authz/ext-authz/", "/api/verify", "/api/authz/",
	"/API/authz/forward-auth", "/api//authz/auth-request", "/%61pi/authz/forward-auth",
}

// nobody is a name that no site has.
const nobody = "doctor.invalid"

// checkDecisions asks for a decision in every vocabulary at once, in the user's
// name where there is one, as nobody outside may.
func checkDecisions(ctx context.Context, w *world) finding {
	ways := 0
	for _, host := range append([]string{w.host, nobody}, hostOf(w.facts.Portal)) {
		for _, path := range closedPaths {
			n := w.step()
			r := get(path, vocabularies(w.host, w.mark("/", n), http.MethodGet)...)
			r.origin = w.app.Origin
			if host != w.host {
				r.origin = w.facts.Portal
			}
			r.host = hostAt(host, r.origin)
			if w.o.User != "" && w.session == "" {
				r = w.signedIn(r)
			}
			got := w.sendAs(ctx, n, r)
			if got.err != nil {
				continue // nobody answers
			}
			ways++
			if said := w.decided(ctx, got, host); said != "" {
				return fail(fixDecisions, fmt.Sprintf("%s at %s answers %s%s", path, host, got.was(), said))
			}
		}
	}
	if ways == 0 {
		return notChecked("nobody answers")
	}
	return ok(fmt.Sprintf("%d ways lead to none", ways))
}

// decided says by what an answer shows that it is a decision; "": by nothing.
func (w *world) decided(ctx context.Context, got *sent, host string) string {
	for _, name := range identityNames {
		if values, ok := got.Header[name]; ok {
			return fmt.Sprintf(", with %s: %q", name, strings.Join(values, ","))
		}
	}
	if host == w.host {
		return "" // it is a path of the app, which is asked about like any other
	}
	atPortal := host == hostOf(w.facts.Portal)
	if atPortal && (got.StatusCode < 400 || got.StatusCode == http.StatusUnauthorized) {
		return ", where there is nothing"
	}
	list, err := w.seen(ctx, got.n, asked)
	if err == nil && slices.ContainsFunc(list, func(s Seen) bool { return s.Kind != "" && (atPortal || s.Path == "/") }) {
		return ", after a decision was made"
	}
	return ""
}

// hostAt gives a name the port of an origin.
func hostAt(name, origin string) string {
	_, rest, _ := strings.Cut(origin, "://")
	if _, port := hostPort(rest); port != "" {
		return name + ":" + port
	}
	return name
}

// vocabularies are all ways in which a proxy says what a request was, pointing
// to one that there is not.
func vocabularies(host, uri, method string) []header {
	return []header{
		{"X-Forwarded-Method", method},
		{"X-Forwarded-Proto", "https"},
		{"X-Forwarded-Host", host},
		{"X-Forwarded-Uri", uri},
		{"X-Forwarded-URI", uri},
		{"X-Original-URL", "https://" + host + uri},
		{"X-Original-Method", method},
		{"X-Original-Uri", uri},
		{"X-Original-Host", host},
		{"X-Rewrite-URL", uri},
		{"X-Forwarded-Prefix", "/"},
		{"X-Http-Method-Override", method},
		{"Forwarded", fmt.Sprintf("for=203.0.113.66;host=%s;proto=https", host)},
	}
}
