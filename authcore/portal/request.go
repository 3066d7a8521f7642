package portal

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/strictjson"
)

// Bounds of what a browser or client may send (DS-1).
const (
	maxForm  = 16 << 10
	maxJSON  = 64 << 10
	maxQuery = 8 << 10

	bodyWithin = 20 * time.Second // a credential over the slowest of networks
)

// Refusals of a request before it is understood.
var (
	errForm    = errors.New("the form is malformed")
	errCross   = errors.New("the request comes from another site")
	errExpired = errors.New("the form is from another browser or too old")
	errJSON    = errors.New("the JSON is malformed")
	errType    = errors.New("the content type is wrong")
)

// client describes who sends the request.
func (h *Handler) client(r *http.Request) authcore.Client {
	ip, peer := h.Address(r)
	if told, ok := r.Context().Value(clientKey{}).(netip.Addr); ok {
		ip = told
	}
	return authcore.Client{IP: ip, Peer: peer, UserAgent: r.UserAgent(), Lang: h.language(r).Tag()}
}

// browser reads our cookies of the portal. The session is looked up live.
func (h *Handler) browser(r *http.Request) (authcore.Browser, error) {
	o := h.svc.Portal()
	b := authcore.Browser{Client: h.client(r)}
	b.Flow, _ = authcore.FindCookie(r.Header["Cookie"], h.svc.FlowCookie(o))
	b.Device, _ = authcore.FindCookie(r.Header["Cookie"], h.svc.DeviceCookie(o))
	var err error
	b.Session, _, err = h.svc.Current(r.Context(), r.Header["Cookie"])
	if err != nil {
		return b, fmt.Errorf("reading the session: %w", err)
	}
	return b, nil
}

// ensureFlow gives the browser its flow cookie if it has none, so that forms
// can be bound to it. It stores nothing (DS-3).
func (h *Handler) ensureFlow(w http.ResponseWriter, b *authcore.Browser) error {
	if b.Flow != "" {
		return nil
	}
	var err error
	if b.Flow, err = h.svc.NewToken(); err != nil {
		return fmt.Errorf("making a flow cookie: %w", err)
	}
	o := h.svc.Portal()
	http.SetCookie(w, h.svc.Cookie(o, h.svc.FlowCookie(o), b.Flow, 0))
	return nil
}

// signedIn sets the cookies of a fresh root session.
func (h *Handler) signedIn(w http.ResponseWriter, s *authcore.SignedIn) {
	o := h.svc.Portal()
	if s.Token != "" {
		http.SetCookie(w, h.svc.Cookie(o, h.svc.SessionCookie(o), s.Token, h.svc.Config().SessionAbsolute))
	}
	if s.Device != "" {
		http.SetCookie(w, h.svc.Cookie(o, h.svc.DeviceCookie(o), s.Device, 365*24*time.Hour))
	}
}

// newToken sets the session cookie after a step-up.
func (h *Handler) newToken(w http.ResponseWriter, t authcore.Token) {
	o := h.svc.Portal()
	http.SetCookie(w, h.svc.Cookie(o, h.svc.SessionCookie(o), t, h.svc.Config().SessionAbsolute))
}

// next is where a finished sign-in leads: through /login, which sees whether
// the cookie was kept and hands over to the app.
func (h *Handler) next(to string, offer bool) string {
	page := "/login"
	if offer {
		page = "/login/offer"
	}
	q := "?in=1"
	if to != "" {
		q += "&to=" + url.QueryEscape(to)
	}
	return h.svc.Base() + page + q
}

// form reads an urlencoded body with exactly the given fields, and what every
// form of ours carries, each at most once, and checks that it was sent by our own page of this browser (CS-1).
func (h *Handler) form(r *http.Request, b *authcore.Browser, fields ...string) (map[string]string, error) {
	if !authcore.SameOrigin(r.Header, h.svc.Portal()) {
		return nil, errCross
	}
	values, err := readForm(r, append(fields, "token", "to"))
	if err != nil {
		return nil, err
	}
	if !h.svc.CheckForm(b.Flow, values["token"]) {
		return nil, errExpired
	}
	return values, nil
}

func readForm(r *http.Request, fields []string) (map[string]string, error) {
	if mt, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || mt != "application/x-www-form-urlencoded" {
		return nil, errType
	}
	body, err := readBody(r, maxForm)
	if err != nil {
		return nil, err
	}
	parsed, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errForm
	}
	known := map[string]bool{}
	for _, f := range fields {
		known[f] = true
	}
	values := map[string]string{}
	for name, list := range parsed {
		if !known[name] || len(list) != 1 || !plainText(list[0]) {
			return nil, errForm
		}
		values[name] = list[0]
	}
	return values, nil
}

// scripted is in every body that our scripts send: the page's form token. In a
// header it would stand in access logs (LG-1).
type scripted struct {
	Form string `json:"form"`
}

func (s scripted) formToken() string { return s.Form }

// script reads a JSON body sent by our own script of this browser: same
// origin, JSON content type (CS-3), form token (CS-1).
func (h *Handler) script(r *http.Request, b *authcore.Browser, into interface{ formToken() string }) error {
	if !authcore.SameOrigin(r.Header, h.svc.Portal()) {
		return errCross
	}
	if err := readJSON(r, into); err != nil {
		return err
	}
	if !h.svc.CheckForm(b.Flow, into.formToken()) {
		return errExpired
	}
	return nil
}

func readJSON(r *http.Request, into any) error {
	body, err := jsonBody(r)
	if err != nil {
		return err
	}
	return decodeJSON(body, into)
}

func jsonBody(r *http.Request) ([]byte, error) {
	mt, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mt != "application/json" || params["charset"] != "" && !strings.EqualFold(params["charset"], "utf-8") {
		return nil, errType
	}
	return readBody(r, maxJSON)
}

func decodeJSON(body []byte, into any) error {
	if !utf8.Valid(body) {
		return errJSON
	}
	if err := strictjson.Decode(body, into); err != nil {
		return misfitOf(err, into)
	}
	return nil
}

func readBody(r *http.Request, limit int64) ([]byte, error) {
	if len(r.Header["Content-Type"]) != 1 || r.Header.Get("Content-Encoding") != "" {
		return nil, errType // no decompression (DS-1)
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, limit))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, large
	}
	if err != nil {
		return nil, errForm
	}
	return body, nil
}

// plainText refuses control characters and broken UTF-8 in every field.
func plainText(s string) bool {
	for _, r := range s {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return false
		}
	}
	return true
}

// allow charges the client's rate limit before any work is done (DS-3).
func (h *Handler) allow(r *http.Request) error {
	if q, ok := h.svc.AllowRequest(r.Context(), h.client(r)); !ok {
		return &authcore.Refusal{Reason: authcore.RateLimited, RetryAfter: q.Reset}
	}
	return nil
}
