package portal

import (
	"net/http"
	"path"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/i18n"
)

// The language of a request: what the person chose by the switch, else what
// their browser asks for, else English. On an app's host, which never gets the
// switch's cookie, the browser decides.

// languageFor is how long a choice is kept.
const languageFor = 365 * 24 * time.Hour

func (h *Handler) language(r *http.Request) *i18n.Language {
	chosen := authcore.FindPlain(r.Header["Cookie"], h.svc.LanguageCookie(h.svc.Portal()))
	if l := h.pages.languages.Find(chosen); l != nil {
		return l
	}
	return h.pages.languages.Match(r.Header.Get("Accept-Language"))
}

// in is the action with its label in words.
func (a action) in(l *i18n.Language) action {
	if a.Label != "" {
		a.Label = l.Text(a.Label)
	}
	return a
}

// postLanguage keeps the choice and shows the page again that it was made on.
func (h *Handler) postLanguage(w http.ResponseWriter, r *http.Request) error {
	if err := h.allow(r); err != nil {
		return err
	}
	b, err := h.browser(r)
	if err != nil {
		return err
	}
	f, err := h.form(r, &b, "language", "from", "to")
	if err != nil {
		return err
	}
	l := h.pages.languages.Find(f["language"])
	if l == nil {
		return errForm
	}
	o := h.svc.Portal()
	http.SetCookie(w, h.svc.Cookie(o, h.svc.LanguageCookie(o), authcore.Token(l.Tag()), languageFor))
	h.see(w, h.ownPage(f["from"])+h.trip(f["to"]).query())
	return nil
}

// ownPage is the page of ours at a path, or else the nearest above it: a page
// that answered a form stands at an address that only takes forms. Nothing of
// what was sent is repeated but a path that we serve.
func (h *Handler) ownPage(from string) string {
	for p := path.Clean("/" + from); p != "/"; p = path.Dir(p) {
		if h.own[p] {
			return p
		}
	}
	return "/"
}
