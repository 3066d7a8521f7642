package doctor

import (
	"bufio"
	"context"
	"encoding/json"
	"html"
	"net/http"
	"slices"
	"strings"
)

// echoed is a request as the app got it, in the words of an app that says so:
// JSON {method, uri, host, headers: {name: [values]}, body}, alone or within a
// page, or the request itself with "Name: value" lines, as traefik/whoami has it.
type echoed struct {
	Method  string              `json:"method"`
	URI     string              `json:"uri"`
	Host    string              `json:"host"`
	Headers map[string][]string `json:"headers"`
	Body    string              `json:"body"`
}

// parseEcho reads the body of an answer; nil: it is no echo.
func parseEcho(body string) *echoed {
	if i, j := strings.IndexByte(body, '{'), strings.LastIndexByte(body, '}'); i >= 0 && j > i {
		for _, text := range []string{body[i : j+1], html.UnescapeString(body[i : j+1])} {
			var e echoed
			if json.Unmarshal([]byte(text), &e) == nil && e.Method != "" && e.Headers != nil {
				return &e
			}
		}
	}
	for _, method := range []string{"GET", "POST", "HEAD"} {
		start := strings.Index("\n"+body, "\n"+method+" /")
		if start < 0 {
			continue
		}
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(body[start:], "\r\n", "\n") + "\n\n")))
		if err == nil && r.Host != "" {
			return &echoed{Method: r.Method, URI: r.RequestURI, Host: r.Host, Headers: r.Header}
		}
	}
	return nil
}

// fold is what many servers make of a header's name: letters in one case, and
// everything but letters and digits the same (RFC 3875 section 4.1.18).
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return '-'
	}, name)
}

// values are all that an app could take for a header.
func (e *echoed) values(name string) (list []string) {
	for n, vs := range e.Headers {
		if fold(n) == fold(name) {
			list = append(list, vs...)
		}
	}
	slices.Sort(list)
	return list
}

// spelled are the names under which a header came.
func (e *echoed) spelled(name string) (list []string) {
	for n := range e.Headers {
		if fold(n) == fold(name) {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list
}

// meet tries the user's session, and looks for an echo.
func (w *world) meet(ctx context.Context) {
	paths := []string{"/echo", "/"}
	if w.o.Echo != "" {
		paths = []string{w.o.Echo}
	}
	for _, path := range paths {
		got := w.send(ctx, w.signedIn(get(path)))
		if w.home == nil || got.err == nil && got.success() {
			w.home = got
		}
		if got.err == nil && got.success() {
			if parseEcho(got.body) != nil {
				w.home, w.echo = got, path
				break
			}
		}
	}
	w.heard, _ = w.seen(ctx, w.home.n, asked) // "session" says so where nothing was
	w.session = w.unusable()
}

// unusable says why the session opens nothing; "": it does.
func (w *world) unusable() string {
	const look = "see \"session\" above"
	switch {
	case w.home.err != nil:
		return look
	case w.home.StatusCode == http.StatusForbidden && w.decidedHome("deny"):
		return "the app is not open to this user; name another with --user"
	case w.decidedHome("step up"):
		return "the app wants a stronger sign-in than doctor can have"
	case w.home.StatusCode == http.StatusUnauthorized || w.home.StatusCode == http.StatusForbidden || w.home.StatusCode/100 == 3 && strings.Contains(w.home.location(), "/.auth/"), w.home.StatusCode >= 500:
		return look
	}
	return ""
}

// decidedHome reports whether rules made a verdict about the user's request.
func (w *world) decidedHome(verdict string) bool {
	return slices.ContainsFunc(w.heard, func(s Seen) bool { return s.Verdict == verdict })
}

// echoOf sends a request as it is and reads what the app got of it; nil: the
// app did not say.
func (w *world) echoOf(ctx context.Context, r request) (*echoed, *sent) {
	got := w.send(ctx, r)
	if got.err != nil || !got.success() {
		return nil, got
	}
	return parseEcho(got.body), got
}
