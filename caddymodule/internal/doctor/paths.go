package doctor

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// tricks are paths that two servers read as two pages, with public and ours as
// the harmless one.
func (w *world) tricks() []string {
	list := []string{
		"/doctor/../doctor", "//doctor", "/.//doctor", "/;/doctor", "/doctor;x=/", "/\\doctor", "/%2fdoctor", "/%5cdoctor", "/doctor%00", "/%252e%252e/doctor",
		"/.auth/../doctor", "/.auth/%2e%2e/doctor", "/.auth/..%2fdoctor", "/.auth/..;/doctor", "/.auth//../doctor", "/.auth/start/../../doctor", "/.AUTH/../doctor",
		"/.auth%2f..%2fdoctor", "/.auth;/doctor", "/.auth/start%2f..%2f..%2fdoctor",
		w.app.Origin + "/doctor",
	}
	if w.public == "" {
		return list
	}
	base := w.public
	if below, ok := strings.CutSuffix(base, "/doctor"); ok {
		base = below
	}
	for _, up := range []string{"/../doctor", "/..%2fdoctor", "/%2e%2e/doctor", "/.%2e/doctor", "/%2e%2e%2fdoctor", "/..;/doctor", "/..%5cdoctor", "\\..\\doctor", "/..%252fdoctor", "/x/../../doctor", "//../doctor", "%2f..%2fdoctor"} {
		list = append(list, base+up)
	}
	if upper := strings.ToUpper(w.public); upper != w.public {
		list = append(list, upper)
	}
	return append(list, "/"+w.public, "/."+w.public)
}

func checkPaths(ctx context.Context, w *world) finding {
	if contains(w.app.Public, "/*") {
		return notChecked("the app is public")
	}
	for _, path := range w.tricks() {
		got := w.send(ctx, get(path))
		if got.err != nil || !got.success() {
			continue
		}
		if e := parseEcho(got.body); e != nil && w.isPublic(e.URI) {
			continue // it was read as the public page by everybody
		}
		return fail(fixPaths, path+" leads into the app: "+got.was())
	}
	return ok("dot segments, slashes, backslashes, semicolons, cases")
}

// isPublic reports whether a path, as the app got it, is plainly a public one.
func (w *world) isPublic(uri string) bool {
	path, _, _ := strings.Cut(uri, "?")
	if strings.ContainsAny(path, "%\\;") || strings.Contains(path, "//") || strings.Contains(path, "/.") {
		return false
	}
	for _, p := range w.app.Public {
		below, wild := strings.CutSuffix(p, "*")
		if path == p || wild && strings.HasPrefix(path, below) {
			return true
		}
	}
	return false
}

// checkSamePath compares, for the user, what was decided about with what the
// app got.
func checkSamePath(ctx context.Context, w *world) finding {
	compared := 0
	for _, more := range []string{"", "/a%2fb", "//a", "/a;b=c", "/%61", "/a%20b", "/a+b", "/../doctor", "?a=%2F&b=//"} {
		target := strings.TrimSuffix(w.echo, "/") + more
		if !strings.HasPrefix(target, "/") {
			target = "/" + target
		}
		e, got := w.echoOf(ctx, w.signedIn(get(target)))
		if e == nil {
			continue // the app, or something before it, does not like the path
		}
		list, err := w.seen(ctx, got.n, asked)
		if err != nil || len(list) == 0 {
			continue
		}
		compared++
		path, _, _ := strings.Cut(e.URI, "?")
		if s := list[len(list)-1]; s.Path != path {
			return fail(fixPaths, "decided about "+s.Path+", and the app got "+path)
		}
		if e.Method != http.MethodGet {
			return fail(fixBody, "the app got "+e.Method+" for GET")
		}
	}
	if wrong := w.otherHost(ctx); wrong != "" {
		return fail(fixVocabulary, wrong)
	}
	if compared == 0 {
		return notChecked("the app answered none of these paths")
	}
	return ok(fmt.Sprintf("%d paths, byte for byte", compared))
}

// otherHost asks for another app in the request line, and for the user's own in
// Host (RFC 9112 section 3.2.2). It says where the two are served and decided
// about as if they were one; "": nowhere.
func (w *world) otherHost(ctx context.Context) string {
	for _, app := range w.facts.Apps {
		name := hostOf(app.Origin)
		if name == w.host || strings.HasPrefix(name, "*.") || strings.HasPrefix(app.Origin, "http:") {
			continue
		}
		r := w.signedIn(get(app.Origin + w.echo))
		r.host = hostAt(w.host, w.app.Origin)
		e, got := w.echoOf(ctx, r)
		list, err := w.seen(ctx, got.n, asked)
		if err != nil || e == nil || len(list) == 0 {
			continue
		}
		served, _ := hostPort(e.Host)
		if decided, _ := hostPort(list[0].Host); decided != served {
			return "decided about " + decided + ", and what was served is " + served
		}
	}
	return ""
}

func checkPublic(ctx context.Context, w *world) finding {
	if w.public == "" {
		return notChecked("the app has no public path")
	}
	names := identityNames
	if w.probe.Identity != nil {
		names = sortedKeys(w.probe.Identity)
	}
	checked := false
	for _, claim := range claims(names) {
		got := w.send(ctx, get(w.public, claim...))
		if got.err != nil {
			continue
		}
		headers := []map[string][]string{}
		if e := parseEcho(got.body); e != nil && got.success() {
			headers = append(headers, e.Headers)
		}
		list, err := w.seen(ctx, got.n, handed)
		if err != nil {
			return notChecked(err.Error())
		}
		for _, s := range list {
			headers = append(headers, s.Header)
		}
		for _, h := range headers {
			checked = true
			e := echoed{Headers: h}
			for _, name := range names {
				if strings.Join(e.values(name), "") != "" {
					return fail(fixHeader(name).also(fixSpellings), claimed(claim, e.spelled(name)))
				}
			}
		}
	}
	if !checked {
		return notChecked("the app does not say what it gets at " + w.public)
	}
	return ok("in every spelling")
}

// claimed says which of the client's own words arrived.
func claimed(claim []header, as []string) string {
	return "a client that sends " + claim[0].name + " reaches the app with " + strings.Join(as, ", ")
}
