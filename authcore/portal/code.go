package portal

import (
	"net/http"
	"strconv"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/email"
)

// The page that waits for the mailed code. Its forms carry the address, so that
// a new mail can be asked for when the flow is gone; that grants nothing which
// the sign-in form does not.
func (h *Handler) getCode(w http.ResponseWriter, r *http.Request) error {
	b, err := h.browser(r)
	if err != nil {
		return err
	}
	info, err := h.svc.Flow(r.Context(), b.Flow)
	switch {
	case err != nil:
		return err
	case info != nil:
		return h.showCode(w, r, &b, http.StatusOK, codeView{email: info.Email, wait: info.ResendIn, trip: h.trip(info.To)})
	case b.Session != nil: // back button, or a tab that waited: it is done
		// The app knows the way in from here: the hand-over that this page was
		// about has happened, or the app begins one of its own.
		if t := h.trip(one(r.URL.Query(), "to")); t.app != nil {
			redirect(w, http.StatusSeeOther, t.plain())
			return nil
		}
		h.see(w, "/account")
		return nil
	case b.Flow == "":
		return h.cookieMissing(w, r, &b, trip{})
	}
	return &authcore.Refusal{Reason: authcore.FlowExpired}
}

// codeView is what differs between two showings of the code page.
type codeView struct {
	trip
	email  string
	wait   time.Duration
	failed string
	spent  bool
}

func (h *Handler) showCode(w http.ResponseWriter, r *http.Request, b *authcore.Browser, status int, v codeView) error {
	p, err := h.begin(w, r, b, "code.title", v.trip)
	if err != nil {
		return err
	}
	p.Error = v.failed
	c := h.svc.Config()
	h.render(w, r, status, codePage{
		Page: p, Email: v.email, Minutes: int(c.LinkTTL / time.Minute), Wait: seconds(v.wait), Spent: v.spent,
		Passkey: c.EmailAfterPasskey != "allow" && !c.NoPasskey, // EN: the same for every address
	})
	return nil
}

// typed is a form of the code page, read.
type typed struct {
	authcore.Browser
	fields map[string]string
	flow   *authcore.FlowInfo // nil: gone
}

func (h *Handler) readCodeForm(r *http.Request, fields ...string) (t typed, err error) {
	if err := h.allow(r); err != nil {
		return t, err
	}
	if t.Browser, err = h.browser(r); err != nil {
		return t, err
	}
	if t.fields, err = h.form(r, &t.Browser, append(fields, "email", "to")...); err != nil {
		return t, err
	}
	t.flow, err = h.svc.Flow(r.Context(), t.Flow)
	return t, err
}

// tripOf prefers what this tab came for; another tab may have begun anew since.
func (h *Handler) tripOf(t typed) trip {
	if t.flow == nil {
		return h.trip(t.fields["to"])
	}
	return h.trip(t.fields["to"], t.flow.To)
}

// address is the flow's, or the one that the page carried.
func (t typed) address() string {
	if t.flow != nil {
		return t.flow.Email
	}
	addr, err := email.Parse(t.fields["email"])
	if err != nil {
		return "" // not what our page carried: never echoed
	}
	return string(addr)
}

func (h *Handler) postCode(w http.ResponseWriter, r *http.Request) error {
	t, err := h.readCodeForm(r, "code")
	if err != nil {
		return err
	}
	to := h.tripOf(t)
	done, err := h.svc.VerifyCode(r.Context(), t.fields["code"], t.Browser)
	if err != nil {
		return h.codeRefused(w, r, t, to, err)
	}
	switch {
	case done.Second != "":
		h.see(w, "/login/totp"+to.query())
	case done.SignedIn == nil:
		h.newToken(w, done.StepUp)
		redirect(w, http.StatusSeeOther, h.confirmed(to, ""))
	default:
		h.signedIn(w, done.SignedIn)
		redirect(w, http.StatusSeeOther, h.next(to.sealed, done.Offer))
	}
	return nil
}

// codeRefused keeps the person on the page: to try again, or to ask for a new
// mail.
func (h *Handler) codeRefused(w http.ResponseWriter, r *http.Request, t typed, to trip, err error) error {
	ref, _ := authcore.AsRefusal(err)
	if ref == nil || wantsProblem(r) {
		return err
	}
	m := refusals[ref.Reason]
	l := h.language(r)
	v := codeView{trip: to, email: t.address(), failed: m.in(l).detail(l)}
	switch {
	case ref.Reason == authcore.CodeInvalid && t.flow != nil:
		v.wait = t.flow.ResendIn
	case ref.Reason == authcore.ApprovalPending:
		h.see(w, "/login/asked")
		return nil
	case ref.Reason == authcore.CodeExhausted:
		v.spent = true
	case ref.Reason == authcore.FlowExpired && t.Session != nil:
		// Back button, or the second press of one button.
		h.fail(w, r, m.status, failure{
			key: "refused.code-used", code: string(ref.Reason), action: action{Label: "action.continue", URL: h.next(to.sealed, false)},
		})
		return nil
	case ref.Reason == authcore.FlowExpired && v.email != "":
		v.spent = true
	default:
		return err
	}
	return h.showCode(w, r, &t.Browser, m.status, v)
}

// postResend mails again, under the same flow: the older mail dies (ML-2).
func (h *Handler) postResend(w http.ResponseWriter, r *http.Request) error {
	t, err := h.readCodeForm(r)
	if err != nil {
		return err
	}
	to := h.tripOf(t)
	in := authcore.StartEmail{Address: t.fields["email"], Browser: t.Browser, To: to.sealed}
	switch {
	case t.flow == nil && t.Session != nil: // back button: it is done
		h.see(w, "/account")
		return nil
	case t.flow != nil && t.flow.ResendIn > 0:
		w.Header().Set("Retry-After", strconv.Itoa(seconds(t.flow.ResendIn)))
		return h.showCode(w, r, &t.Browser, http.StatusTooManyRequests, codeView{
			trip: to, email: t.flow.Email, wait: t.flow.ResendIn,
			failed: h.language(r).Text("code.wait"),
		})
	case t.flow != nil:
		in.Address, in.StepUp = t.flow.Email, t.flow.StepUp
	}
	if in.StepUp && t.Session == nil {
		return &authcore.Refusal{Reason: authcore.FlowExpired}
	}
	if _, err := h.svc.StartEmail(r.Context(), in); err != nil {
		return err
	}
	h.see(w, "/login/code")
	return nil
}

// getAsked tells somebody who asked for an account that an admin decides.
func (h *Handler) getAsked(w http.ResponseWriter, r *http.Request) error {
	return h.plainPage(w, r, "asked.title", func(p Page) view { return askedPage{p} })
}
