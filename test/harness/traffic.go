package harness

import (
	"sync"

	"github.com/chromedp/cdproto/network"
	pages "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// Heard is an answer that the browser got from a server.
type Heard struct {
	URL    string
	Status int64
	Kind   network.ResourceType // what the browser wanted it for
	MIME   string
}

// Traffic is what a tab hears from servers since it was asked to listen.
type Traffic struct {
	b    *Browser
	mu   sync.Mutex
	seen []Heard
}

// Traffic begins to listen.
func (b *Browser) Traffic() *Traffic {
	b.t.Helper()
	t := &Traffic{b: b}
	if err := chromedp.Listen(b.ctx, t.hear); err != nil {
		b.t.Fatal(err)
	}
	return t
}

func (t *Traffic) hear(event any) {
	if e, ok := event.(*network.EventResponseReceived); ok {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.seen = append(t.seen, Heard{e.Response.URL, e.Response.Status, e.Type, e.Response.MimeType})
	}
}

// Wait waits for an answer from exactly this URL.
func (t *Traffic) Wait(url string) (found Heard) {
	t.b.t.Helper()
	Eventually(t.b.t, "waiting for an answer from "+url, func() string {
		t.mu.Lock()
		defer t.mu.Unlock()
		for _, h := range t.seen {
			if h.URL == url {
				found = h
				return ""
			}
		}
		return "none yet"
	})
	return found
}

// LookForManifest has the browser fetch the page's web app manifest, as it does
// before it offers to install the app.
func (b *Browser) LookForManifest() {
	b.t.Helper()
	call(b, "fetching the manifest", pages.GetAppManifest, pages.GetAppManifestParams{})
}
