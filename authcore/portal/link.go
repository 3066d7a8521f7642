package portal

import (
	"net/http"
	"slices"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/useragent"
)

// A mailed link and an invitation land on a page that knows nothing: the secret
// is in the fragment, which no server sees (ML-7). The page's script shows it
// to peek, which spends nothing, and a press sends it to be spent (ML-4, ML-5).

// mailed is what those scripts send.
type mailed struct {
	scripted
	Token string `json:"token"`
}

// goOn tells a script where to go.
type goOn struct {
	Next string `json:"next"`
}

func (h *Handler) getLink(w http.ResponseWriter, r *http.Request) error {
	return h.plainPage(w, r, "link.title", func(p Page) view { return linkPage{p} })
}

func (h *Handler) getInvite(w http.ResponseWriter, r *http.Request) error {
	return h.plainPage(w, r, "invite.title", func(p Page) view { return invitePage{p, h.svc.Config().MailWorks()} })
}

// plainPage is a page that is the same for everybody. It neither redirects nor
// signs anybody in (ML-4).
func (h *Handler) plainPage(w http.ResponseWriter, r *http.Request, title string, show func(Page) view) error {
	b, err := h.browser(r)
	if err != nil {
		return err
	}
	p, err := h.begin(w, r, &b, title, trip{})
	if err != nil {
		return err
	}
	h.render(w, r, http.StatusOK, show(p))
	return nil
}

// readMailed reads a secret from our page's script.
func (h *Handler) readMailed(r *http.Request) (m mailed, b authcore.Browser, err error) {
	err = h.open(r, &b, &m)
	return m, b, err
}

// open reads what a script of somebody who need not be signed in sends.
func (h *Handler) open(r *http.Request, b *authcore.Browser, into interface{ formToken() string }) (err error) {
	if err := h.allow(r); err != nil {
		return err
	}
	if *b, err = h.browser(r); err != nil {
		return err
	}
	return h.script(r, b, into)
}

// linkDoc says whom a link signs in, and who asked for it.
type linkDoc struct {
	Same        bool   `json:"same_browser"`
	Email       string `json:"email"`
	Device      string `json:"device"`
	RequestedAt string `json:"requested_at"`
	CurrentUser string `json:"current_user,omitempty"`
}

func (h *Handler) postLinkPeek(w http.ResponseWriter, r *http.Request) error {
	m, b, err := h.readMailed(r)
	if err != nil {
		return err
	}
	info, err := h.svc.PeekLink(r.Context(), m.Token, b)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, linkDoc{
		Same: info.Same, Email: info.Email, Device: useragent.DescribeIn(h.language(r), info.Agent),
		RequestedAt: info.AskedAt.UTC().Format(time.RFC3339), CurrentUser: currentUser(&b),
	})
	return nil
}

// postLink signs in the browser that asks, never the one that began (ML-6).
func (h *Handler) postLink(w http.ResponseWriter, r *http.Request) error {
	m, b, err := h.readMailed(r)
	if err != nil {
		return err
	}
	done, err := h.svc.RedeemLink(r.Context(), m.Token, b)
	if ref, ok := authcore.AsRefusal(err); ok && ref.Reason == authcore.ApprovalPending { // it did what it was for
		writeJSON(w, http.StatusOK, goOn{h.svc.Base() + "/login/asked"})
		return nil
	}
	if err != nil {
		return err
	}
	t := h.trip(done.To)
	switch {
	case done.Second != "":
		writeJSON(w, http.StatusOK, goOn{h.svc.Base() + "/login/totp" + t.query()})
		return nil
	case done.SignedIn == nil:
		h.newToken(w, done.StepUp)
		writeJSON(w, http.StatusOK, goOn{h.confirmed(t, "")})
		return nil
	case done.Same || t.app == nil:
		h.arrived(w, done.SignedIn, h.next(t.sealed, done.Offer))
		return nil
	}
	// The state is another browser's: this one begins its own hand-over.
	h.arrived(w, done.SignedIn, t.plain())
	return nil
}

// arrived sets the cookies of a sign-in and says where to go.
func (h *Handler) arrived(w http.ResponseWriter, s *authcore.SignedIn, next string) {
	h.signedIn(w, s)
	writeJSON(w, http.StatusOK, goOn{next})
}

// inviteDoc says whom an invitation is for.
type inviteDoc struct {
	Email       string `json:"email"`
	Admin       bool   `json:"admin"`
	State       string `json:"state,omitempty"` // of the page, where it is not "here"
	CurrentUser string `json:"current_user,omitempty"`
}

func (h *Handler) postInvitePeek(w http.ResponseWriter, r *http.Request) error {
	m, b, err := h.readMailed(r)
	if err != nil {
		return err
	}
	info, err := h.svc.PeekInvite(r.Context(), m.Token)
	if err != nil {
		return err
	}
	about := inviteDoc{Email: info.Email, Admin: info.Admin, CurrentUser: currentUser(&b)}
	if info.Lost {
		about.State = "lost"
	}
	writeJSON(w, http.StatusOK, about)
	return nil
}

func (h *Handler) postInvite(w http.ResponseWriter, r *http.Request) error {
	m, b, err := h.readMailed(r)
	if err != nil {
		return err
	}
	done, err := h.svc.AcceptInvite(r.Context(), m.Token, b)
	if ref, ok := authcore.AsRefusal(err); ok && ref.Reason == authcore.StepUpRequired {
		f := failure{key: "invite.account", code: string(ref.Reason)}
		if slices.Contains(ref.Methods, authcore.AMRPasskey) {
			f.key = "invite.passkey"
		}
		p := f.problem(h.language(r))
		p.Methods = ref.Methods
		h.writeProblem(w, r, http.StatusForbidden, p)
		return nil
	}
	if err != nil {
		return err
	}
	next := h.next("", done.Offer)
	if slices.Contains(done.Session.AMR, authcore.AMRHandOut) { // in time to add a passkey
		next = h.svc.Base() + "/account?done=handed-out"
	}
	h.arrived(w, done, next)
	return nil
}

func currentUser(b *authcore.Browser) string {
	if b.Session == nil {
		return ""
	}
	return b.Session.User.Email
}
