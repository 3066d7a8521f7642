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

type tokenLife struct {
	name string
	d    time.Duration
}

func (h *Handler) postToken(w http.ResponseWriter, r *http.Request, b *authcore.Browser) error {
	f, err := h.form(r, b, "name", "app", "path", "write", "expires")
	if err != nil {
		return err
	}
	i := slices.IndexFunc(tokenLives, func(l tokenLife) bool { return l.name == f["expires"] })
	if i < 0 {
		return errForm
	}
	g := authcore.Grant{App: f["app"], Path: strings.TrimSpace(f["path"])}
	if f["write"] == "" {
		g.Methods = []string{"GET", "OPTIONS", "PROPFIND"}
	}
	token, _, err := h.svc.CreateOwnToken(r.Context(), b.Session, g, f["name"], tokenLives[i].d, b.Client)
	if m := h.mistyped(r, err); m != nil {
		p, err := h.begin(w, r, b, "account.title", trip{})
		if err != nil {
			return err
		}
		p.Error = m.in(p.Lang).detail(p.Lang)
		return h.account(w, r, b, m.status, p)
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
			ReadOnly: len(t.Methods) > 0 && !slices.ContainsFunc(t.Methods, func(m string) bool { return m != "GET" && m != "HEAD" && m != "OPTIONS" && m != "PROPFIND" }),
		})
	}
	return rows, nil
}

// tokenApps are the hosts of apps, open to the person, that take access tokens
// at all; a sidecar has none.
func (h *Handler) tokenApps(open []string) (hosts []string) {
	if h.svc.Sidecar() {
		return nil
	}
	for _, origin := range open {
		host := Page{App: origin}.AppHost()
		if name, _, ok := strings.Cut(host, ":"); ok {
			host = name
		}
		if !strings.HasPrefix(host, "*.") {
			hosts = append(hosts, host)
		}
	}
	return hosts
}
