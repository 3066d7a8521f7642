package forwardauth

import (
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// allow is the one place that answers 2xx: 200, because Envoy knows no other,
// and without a body, because Caddy opens a new connection after one. Every
// identity header is there, empty where there is nothing to say, so that each
// proxy overwrites what a client sent (HD-2). No cookie is set: most proxies
// would lose it.
func (c *call) allow(d *authcore.Decision, assertion string) {
	h := c.w.Header()
	policy := &d.App.Policy
	policy.AnswerHeaders(h, d.Identity, assertion)
	// One array per answer: a later handler may edit values in place, and must
	// not reach another request through a shared slice (FA-14).
	values := &[...]string{"no-store", "0", authorization(c.r.Header, d), ""}
	h["Cache-Control"] = values[0:1:1] // FA-9
	h["Content-Length"] = values[1:2:2]
	h["Authorization"] = values[2:3:3]
	if c.speaks.removes {
		values[3] = emptyNames(h, policy)
		h[removeHeader] = values[3:4:4]
	}
	c.status(http.StatusOK)
}

const removeHeader = "X-Envoy-Auth-Headers-To-Remove"

// authorization is what the upstream shall receive: the client's own, if it is
// one that can be told from everything else, and never our token (HD-5).
func authorization(h http.Header, d *authcore.Decision) string {
	values := h["Authorization"]
	if len(values) != 1 || d.Token {
		return ""
	}
	for i := range len(values[0]) {
		if c := values[0][i]; c < ' ' || c > '~' {
			return ""
		}
	}
	return values[0]
}

// emptyNames lists what the proxy must remove, since it does not overwrite with
// an empty value.
func emptyNames(h http.Header, policy *authcore.Policy) string {
	names := make([]string, 0, 16)
	for name, values := range h {
		if (name == "Authorization" || policy.Reserved(name)) && len(values) == 1 && values[0] == "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.ToLower(strings.Join(names, ","))
}

// refuse answers a decision that is not allow.
func (c *call) refuse(d *authcore.Decision) {
	level, paged := slog.LevelInfo, !c.speaks.bare && d.App != nil
	switch d.Verdict {
	case authcore.SignIn, authcore.StepUp:
		level = slog.LevelDebug // every visit begins so
	case authcore.Unavailable:
		level = slog.LevelError
	}
	if paged && (d.Verdict == authcore.Deny || d.Verdict == authcore.Unavailable) {
		level = slog.LevelDebug // the page that says no logs it
	}
	more := []any{"verdict", d.Verdict.String(), "at", d.At}
	if d.Err != nil {
		more = append(more, "error", d.Err)
	}
	if d.App == nil && c.svc.IsPortal(c.asked.host) {
		more = append(more, "hint", "this is the portal's own host; take the check off it, so that people can sign in")
	}
	c.note(level, string(d.Why), more...)
	if c.speaks.bare {
		c.refuseBare(d)
		return
	}
	if !c.deny(func(w http.ResponseWriter) { c.pages.Refuse(w, c.original(), d) }) {
		c.bare(http.StatusForbidden)
	}
}

// refuseBare answers by a status: 401 where a sign-in helps, with the address of
// one only for what a browser would follow (FA-8), and 403 for everything else.
func (c *call) refuseBare(d *authcore.Decision) {
	h, client := c.w.Header(), authcore.Negotiate(c.asked.method, c.r.Header)
	switch challenge := d.Challenge(c.r.Header); {
	case d.Verdict != authcore.SignIn && d.Verdict != authcore.StepUp && d.Verdict != authcore.BadToken:
		c.bare(http.StatusForbidden)
		return
	case d.Verdict != authcore.BadToken && client == authcore.Navigation:
		h["Location"] = []string{authcore.StartURL(d.App, c.asked.uri, 0, d.Need)}
	case d.Verdict != authcore.BadToken && client == authcore.PostOther: // not replayed: what it sent is gone
		h["Location"] = []string{authcore.StartURL(d.App, "/", 0, d.Need)}
	case challenge != "":
		h["Www-Authenticate"] = []string{challenge}
	}
	c.bare(http.StatusUnauthorized)
}

// serveReserved answers /.auth/ of an app's host (DESIGN §4.2). Whatever is 2xx
// there would mean "allow" to the proxy, and hand the path to the upstream.
func (c *call) serveReserved() {
	switch {
	case c.speaks.bare: // its own route brings these paths to us
		c.note(slog.LevelWarn, "this path is ours and was asked about", "hint", "add the route of "+authcore.ReservedPrefix+"/ to us, before the check")
		c.bare(http.StatusForbidden)
	case c.asked.decoded == authcore.ReservedPrefix+"/logout" && (c.asked.method == http.MethodGet || c.asked.method == http.MethodHead):
		// A page with a button, so 200; the portal has one for the whole browser.
		c.w.Header()["Location"] = []string{c.svc.URL("/logout")}
		c.bare(http.StatusSeeOther)
	case !c.deny(func(w http.ResponseWriter) { c.pages.ServeApp(w, c.original(), c.app) }):
		c.fail(http.StatusNotFound, "NOT_FOUND", "Nothing here", "Through a check by a proxy there is nothing at this address.")
	}
}

// fail answers what is about no decision.
func (c *call) fail(status int, code, title, detail string) {
	if c.speaks != nil && c.speaks.bare {
		c.bare(http.StatusForbidden)
		return
	}
	r := c.r.WithContext(withClient(c.r.Context(), c.client))
	if !c.deny(func(w http.ResponseWriter) { c.pages.Fail(w, r, status, code, title, detail) }) {
		c.bare(status)
	}
}

// bare answers a status and nothing else.
func (c *call) bare(status int) {
	h := c.w.Header()
	h["Cache-Control"] = []string{"no-store"}
	h["Content-Length"] = []string{"0"}
	c.status(status)
}

func (c *call) status(code int) {
	c.w.WriteHeader(code)
	c.answered = true // not before: a panic in between would leave the 200 that net/http sends for silence
}

// deny has somebody else answer. It reports false, and nothing was written,
// where that would have been a 2xx, or nothing at all, which net/http makes a
// 200 of (FA-10).
func (c *call) deny(answer func(http.ResponseWriter)) bool {
	d := denial{call: c, header: http.Header{}}
	answer(&d)
	return d.code >= http.StatusMultipleChoices
}

// denial is the writer of every answer that does not come from this file.
type denial struct {
	call   *call
	header http.Header // goes out only with a good status
	code   int
}

// Header are the headers of the answer, unless it is swallowed.
func (d *denial) Header() http.Header { return d.header }

// WriteHeader lets through what denies, without identity (FA-8) and without
// anything that a cache could use (FA-9).
func (d *denial) WriteHeader(code int) {
	if d.code != 0 || code < http.StatusOK { // an early hint is no answer
		return
	}
	if d.code = code; code < http.StatusMultipleChoices {
		return
	}
	policy := new(authcore.Policy)
	if d.call.app != nil {
		policy = &d.call.app.Policy
	}
	maps.DeleteFunc(d.header, func(name string, _ []string) bool {
		return name == "Authorization" || name == removeHeader || name == "Etag" || name == "Last-Modified" || policy.Reserved(name)
	})
	d.header["Cache-Control"] = []string{"no-store"}
	maps.Copy(d.call.w.Header(), d.header)
	d.call.status(code)
}

// Write writes the body of what denies.
func (d *denial) Write(p []byte) (int, error) {
	if d.WriteHeader(http.StatusOK); d.code < http.StatusMultipleChoices {
		return len(p), nil
	}
	return d.call.w.Write(p)
}
