package portal

import (
	"net/http"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// maxHelper is what passwordless.js may weigh on its way, in bytes.
const maxHelper = 6000

func TestHelper_AnyPageMayLoadAndKeepIt(t *testing.T) {
	s := newSite(t, twoClients)
	b := s.browser()
	for name, kind := range map[string]string{"passwordless.js": "text/javascript; charset=utf-8", "passwordless.d.ts": "text/plain; charset=utf-8"} {
		for _, origin := range []string{"", spaURL, "https://stranger.example"} {
			a := b.send("GET", portalURL+"/"+name, "", map[string]string{"Origin": origin, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "script"})
			a.want(t, 200, "createClient")
			for header, want := range map[string]string{
				"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "", "Cross-Origin-Resource-Policy": "cross-origin",
				"Cache-Control": "public, max-age=3600", "Content-Type": kind, "X-Content-Type-Options": "nosniff", "Set-Cookie": "",
			} {
				if got := a.Header.Get(header); got != want {
					t.Errorf("%s for %q: %s is %q", name, origin, header, got)
				}
			}
			again := b.send("GET", portalURL+"/"+name, "", map[string]string{"If-None-Match": a.Header.Get("ETag")})
			if a.Header.Get("ETag") == "" || again.StatusCode != http.StatusNotModified || again.body != "" {
				t.Errorf("%s asked after again: %d, ETag %q", name, again.StatusCode, a.Header.Get("ETag"))
			}
		}
		packed := b.send("GET", portalURL+"/"+name, "", map[string]string{"Accept-Encoding": "gzip"})
		plain := b.send("GET", portalURL+"/"+name, "", nil)
		if packed.Header.Get("Content-Encoding") != "gzip" || packed.Header.Get("ETag") == plain.Header.Get("ETag") || len(packed.body) >= len(plain.body) {
			t.Errorf("%s packed: %v, plain: %v", name, packed.Header, plain.Header)
		}
		b.send("POST", portalURL+"/"+name, "", nil).want(t, 405, "")
	}
}

func TestHelper_IsSmallAndNeedsNothing(t *testing.T) {
	a := testRenderer(t, Brand{}).assets
	if n := len(a.packed[a.hashed["passwordless.js"]]()); n >= maxHelper {
		t.Errorf("%d bytes compressed", n)
	}
	for line := range strings.Lines(string(a.source["passwordless.js"])) {
		if strings.HasPrefix(line, "import") {
			t.Errorf("it imports: %s", line)
		}
	}
}

// What anybody may read is the same on every server: no name, address or key of
// this one is in it.
func TestHelper_HoldsNothingOfThisServer(t *testing.T) {
	one := newSite(t, twoClients)
	two := newSite(t, func(c *authcore.Config) {
		c.Portal, c.Brand, c.RPID = origin(t, "https://login.example.org"), "Another", "example.org"
	})
	a := one.browser().send("GET", portalURL+"/passwordless.js", "", nil)
	b := two.browser().send("GET", "https://login.example.org/passwordless.js", "", nil)
	if a.StatusCode != 200 || a.body != b.body || a.Header.Get("ETag") != b.Header.Get("ETag") {
		t.Errorf("%d and %d, ETags %q and %q", a.StatusCode, b.StatusCode, a.Header.Get("ETag"), b.Header.Get("ETag"))
	}
	hashed := one.h.pages.assets.hashed["passwordless.js"]
	if c := one.browser().send("GET", portalURL+"/assets/"+hashed, "", nil); c.body != a.body {
		t.Errorf("/assets/%s is another file", hashed)
	}
}

// A sidecar has no API, so it has no helper for it.
func TestHelper_IsNotServedWithoutAPI(t *testing.T) {
	s := newSidecar(t)
	s.browser().send("GET", appURL+"/.auth/passwordless.js", "", nil).want(t, 404, "")
}
