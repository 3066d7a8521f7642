package portal

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// Access tokens that people make for scripts and apps that cannot sign in.

// tokenLives are the lifetimes to choose from.
var tokenLives = []tokenLife{
	{"30d", 30 * 24 * time.Hour}, {"90d", 90 * 24 * time.Hour}, {"365d", 365 * 24 * time.Hour}, {"never", 0},
}

// tokenLifeFirst is chosen where the person chooses none.
const tokenLifeFirst = "90d"

type tokenLife struct {
	name string
	d    time.Duration
}

// readingMethods change nothing: those of HTTP, and of WebDAV where programs list
// folders (RFC 4918 section 9.1). GET is HEAD, too.
var readingMethods = []string{http.MethodGet, http.MethodOptions, "PROPFIND"}

// getNewToken asks for a fresh proof before the person types anything.
func (h *Handler) getNewToken(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	if err := h.mayManage(r, b); err != nil {
		return err
	}
	return h.showNewToken(w, r, b, http.StatusOK, newTokenPage{Life: tokenLifeFirst}, nil)
}

func (h *Handler) showNewToken(w http.ResponseWriter, r *http.Request, b *authcore.Browser, status int, page newTokenPage, failed *mapped) (err error) {
	if page.Apps = h.tokenApps(b.Session.User); len(page.Apps) == 0 {
		return &authcore.Refusal{Reason: authcore.NotFound}
	}
	if page.Page, err = h.begin(w, r, b, "newtoken.title", trip{}); err != nil {
		return err
	}
	if failed != nil {
		page.Error = failed.in(page.Lang).detail(page.Lang)
	}
	h.render(w, r, status, page)
	return nil
}

func (h *Handler) postToken(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	f, err := h.form(r, b, "name", "app", "path", "write", "expires")
	if err != nil {
		return err
	}
	i := slices.IndexFunc(tokenLives, func(l tokenLife) bool { return l.name == f["expires"] })
	if i < 0 || !slices.Contains(h.tokenApps(b.Session.User), f["app"]) {
		return errForm // no choice of our page
	}
	g := authcore.Grant{App: f["app"], Path: strings.TrimSpace(f["path"])}
	if f["write"] == "" {
		g.Methods = readingMethods
	}
	token, _, err := h.svc.CreateOwnToken(r.Context(), b.Session, g, f["name"], tokenLives[i].d, b.Client)
	if m := h.mistyped(w, r, err); m != nil { // everything else is chosen from a list
		m.failure = failure{key: "refused.token-path"}
		return h.showNewToken(w, r, b, m.status, newTokenPage{Name: f["name"], App: f["app"], Write: f["write"] != "", Life: f["expires"], BadPath: true}, m)
	}
	if err != nil {
		return err
	}
	p, err := h.begin(w, r, b, "token.title", trip{})
	if err != nil {
		return err
	}
	h.render(w, r, http.StatusOK, tokenPage{Page: p, Token: token.Reveal(), Host: f["app"]})
	return nil
}

func (h *Handler) postTokenRevoke(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	return h.accountForm(w, r, b, "token-revoked", func(map[string]string) error {
		return h.svc.RevokeOwnToken(r.Context(), b.Session, r.PathValue("id"), b.Client)
	})
}

// accountToken is one row of the list of access tokens.
type accountToken struct {
	ID       string // path segment
	Name     string // empty: none was given
	App      string // host
	Path     string // empty: all of it
	ReadOnly bool
	Created  time.Time
	LastUsed time.Time // zero: never
	Expires  time.Time // zero: never
}

func (h *Handler) tokenRows(r *http.Request, u *authcore.User) ([]accountToken, error) {
	list, err := h.svc.OwnTokens(r.Context(), u)
	if err != nil {
		return nil, err
	}
	var rows []accountToken
	for _, t := range list {
		rows = append(rows, accountToken{
			ID: t.ID, Name: t.Name, App: t.App, Path: t.Path, Created: t.CreatedAt, LastUsed: t.LastUsed, Expires: t.Expires,
			ReadOnly: len(t.Methods) > 0 && !slices.ContainsFunc(t.Methods, func(m string) bool { return m != http.MethodHead && !slices.Contains(readingMethods, m) }),
		})
	}
	return rows, nil
}

// tokenApps are the hosts of apps, open to the person, that take access tokens; a
// sidecar has none.
func (h *Handler) tokenApps(u *authcore.User) (hosts []string) {
	if h.svc.Sidecar() {
		return nil
	}
	for _, app := range h.svc.Config().Apps {
		if _, ok := h.svc.Admits(&app, u); ok && app.Policy.TakesTokens() && !strings.HasPrefix(app.Origin.Host, "*.") {
			hosts = append(hosts, app.Origin.Host)
		}
	}
	return hosts
}
