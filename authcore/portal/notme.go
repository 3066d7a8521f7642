package portal

import (
	"net/http"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/useragent"
)

// The page behind "that was not me" of a notice; the same rules as for a mailed
// link (link.go).

func (h *Handler) getNotMe(w http.ResponseWriter, r *http.Request) error {
	return h.plainPage(w, r, "notme.title", func(p Page) view { return notMePage{p} })
}

// noticeDoc says what the notice was about.
type noticeDoc struct {
	Email  string `json:"email"`
	What   string `json:"what"`             // a sentence
	Device string `json:"device,omitempty"` // "": it was done in none, but on the host
	At     string `json:"requested_at"`
}

func (h *Handler) postNotMePeek(w http.ResponseWriter, r *http.Request) error {
	m, _, err := h.readMailed(r)
	if err != nil {
		return err
	}
	n, err := h.svc.PeekNotice(r.Context(), m.Token)
	if err != nil {
		return err
	}
	l := h.language(r)
	about := noticeDoc{Email: n.Email, What: l.Text(n.What.Message(), "name", n.Name, "from", n.Email, "to", n.Now), At: n.At.UTC().Format(time.RFC3339)}
	if n.Agent != "" {
		about.Device = useragent.DescribeIn(l, n.Agent)
	}
	writeJSON(w, http.StatusOK, about)
	return nil
}

func (h *Handler) postNotMe(w http.ResponseWriter, r *http.Request) error {
	m, b, err := h.readMailed(r)
	if err != nil {
		return err
	}
	if err := h.svc.NotMe(r.Context(), m.Token, b.Client); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, goOn{h.svc.Base() + "/not-me/done"})
	return nil
}

func (h *Handler) getNotMeDone(w http.ResponseWriter, r *http.Request) error {
	return h.plainPage(w, r, "notme.done", func(p Page) view { return notMeDonePage{p} })
}
