package proxies

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// twists are what two parsers read differently. A $ in a template is a twist's place.
var twists = []string{
	"/", "//", "///", "/./", "/../", "/.../", "/x/../", "/x/../../", "/%2e/", "/%2e%2e/", "/.%2e/", "/%2E%2E/", "/%252e%252e/", "%2f", "%2F", "%252f", "/..%2f", "/%2e%2e%2f",
	"/..%5c", `\`, `/..\`, "%5c", "/;/", ";/", "/..;/", "/.;/", ";x=/../", "/%3b/", "%00/", "/%00", "%09/", "/%0d%0a/", "/%20/", "/%23/", "#/../", "/?/../", "%3f/../",
	"/%c0%af", "/%c0%ae%c0%ae/", "/%e0%80%ae/", "/%ff/", "/%u002e/", "/%zz/", "/*/", "/~/", "/+/", "/@/", "/:/", "/./../", "/.//../", "//../",
}

// strangers aim past a public prefix, insiders at a closed one.
var (
	strangers = []string{"/public$secret", "/public/a$$secret", "$public/../secret", "$public$", "/secret$public/x", "/healthz$secret"}
	insiders  = []string{"/admin$x", "$admin/x", "/x$admin/y", "/public$admin/", "/x$..$admin", "/ADMIN$x"}
)

// others need no twist.
var (
	strangersToo = []string{"/public/x", "/healthz", "/PUBLIC/x", "/Public/x", "/%70ublic/../secret", "/public", "/publicly", "/public%2fx", "/healthz/", "/HEALTHZ", "/healthz/../secret"}
	insidersToo  = []string{"/other/x", "/admin", "/Admin", "/ADMIN", "/%61dmin", "/%2561dmin", "/admin/", "/adm%69n/x", "/admin?x", "/admin#x", "/admin;x", "/admin.", "/admin%20", "/admin%00", `/\admin`, "/./admin", "/public/../admin/x"}
)

func spread(templates, more []string) []string {
	paths := slices.Clone(more)
	for _, template := range templates {
		for _, twist := range twists {
			paths = append(paths, strings.ReplaceAll(template, "$", twist))
		}
	}
	return paths
}

// paths is a differential test (FA-5, FA-13): whatever the proxy and the check
// make of an address, what arrives at the app is what may arrive.
func paths(t *testing.T, s *stage, _ *proxy) {
	c := s.member(t, "insider@example.test") // no admin
	arrived := s.sendAll(t, spread(strangers, strangersToo))
	for sent, target := range arrived {
		if !isPublic(target) {
			t.Errorf("a stranger's %q arrived as %q", sent, target)
		}
	}
	if arrived["/public/x"] != "/public/x" || arrived["/healthz"] != "/healthz" {
		t.Errorf("what is open to strangers did not arrive, but %v", arrived)
	}
	arrived = s.sendAll(t, spread(insiders, insidersToo), cookieLine(c, s.appURL))
	for sent, target := range arrived {
		if reading, closed := readsAsAdmin(target); closed {
			t.Errorf("an insider's %q arrived as %q, which some read as %q", sent, target, reading)
		}
	}
	if arrived["/other/x"] != "/other/x" {
		t.Errorf("what is open to insiders did not arrive, but %v", arrived)
	}
}

// sendAll sends each path, and returns which arrived at the app, and as what.
func (s *stage) sendAll(t *testing.T, paths []string, lines ...string) map[string]string {
	t.Helper()
	mark := s.raw.mark()
	for i, p := range paths {
		s.exchange(t, appHost, crlf(append([]string{"GET " + p + " HTTP/1.1", "Host: " + s.named(appHost), fmt.Sprintf("X-Probe: probe-%d-", i), "Connection: close"}, lines...)...))
	}
	sent, arrived := s.raw.since(mark), map[string]string{}
	for i, p := range paths {
		if target, ok := targetOf(sent, fmt.Sprintf("probe-%d-", i)); ok {
			arrived[p] = target
		}
	}
	return arrived
}

// twisted is what has no one reading: encoded dots, slashes and percents,
// backslashes, parameters, controls, bytes that are not ASCII.
var twisted = regexp.MustCompile(`(?i)%(2[ef5]|5c|3b|23|[01][0-9a-f]|7f|[89a-f][0-9a-f])|[\\;#]|[^\x21-\x7e]`)

// isPublic: the address is one of those that the example opens, written in the
// one way that every app reads alike.
func isPublic(target string) bool {
	p, _, _ := strings.Cut(target, "?")
	if twisted.MatchString(p) || p != path.Clean(p) && p != path.Clean(p)+"/" {
		return false
	}
	return p == "/healthz" || strings.HasPrefix(p, "/public/")
}

// readsAsAdmin reports whether an app could take the target for /admin. It
// reads as lenient apps do: any case, decoded up to twice, backslashes as
// slashes, parameters left out, dots and double slashes resolved.
func readsAsAdmin(target string) (string, bool) {
	p, _, _ := strings.Cut(target, "?")
	readings := []string{p}
	for range 2 {
		last := readings[len(readings)-1]
		decoded, err := url.PathUnescape(last)
		if err != nil {
			break
		}
		readings = append(readings, decoded)
	}
	for _, r := range readings {
		r = strings.ToLower(strings.ReplaceAll(r, `\`, "/"))
		segments := strings.Split(r, "/")
		plain := make([]string, len(segments))
		for i, s := range segments {
			plain[i], _, _ = strings.Cut(s, ";")
		}
		for _, reading := range []string{path.Clean("/" + r), path.Clean("/" + strings.Join(plain, "/"))} {
			if reading == "/admin" || strings.HasPrefix(reading, "/admin/") {
				return reading, true
			}
		}
	}
	return "", false
}
