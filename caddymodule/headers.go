package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(new(SecurityHeaders))
}

// SecurityHeaders is the handler "passwordless_headers": it adds to every
// answer the headers by which a browser protects a page, each only where the
// answer does not have it already. Errors and refusals have them too. Our own
// pages bring stricter ones of their own (WB-1). If several of these handlers
// match a request, the first alone counts.
type SecurityHeaders struct {
	// Nosniff is X-Content-Type-Options: nosniff, which keeps browsers from
	// taking a file for what its type does not say: "on" or "off".
	// Default: on.
	Nosniff string `json:"nosniff,omitempty"`

	// ReferrerPolicy says what other sites learn of the page that a link was
	// on: a value of Referrer-Policy, or "off" to leave it out.
	// Default: strict-origin-when-cross-origin.
	ReferrerPolicy string `json:"referrer_policy,omitempty"`

	// Frame is X-Frame-Options, which says who may show the page in a frame:
	// "DENY" (nobody), "SAMEORIGIN" (pages of the same origin), or "off" to
	// leave it out. Default: DENY.
	Frame string `json:"frame,omitempty"`

	// PermissionsPolicy says which abilities of the device the page may ask
	// for: a value of Permissions-Policy such as "camera=(self), usb=()", or
	// "off" to leave it out. Default: camera=(), microphone=(),
	// geolocation=(), payment=(), usb=()
	PermissionsPolicy string `json:"permissions_policy,omitempty"`

	// HSTS makes browsers use https for this host.
	HSTS HSTS `json:"hsts,omitzero"`

	always [][2]string // name and value
	hsts   string      // of Strict-Transport-Security, "" for none
}

// HSTS is Strict-Transport-Security (RFC 6797). It is sent over https only: to
// Caddy itself, or to a proxy that Caddy trusts and that says so.
type HSTS struct {
	// Off leaves the header out. Browsers that had it before keep to it until
	// its time is over. Default: false.
	Off bool `json:"off,omitempty"`

	// MaxAge is how long browsers remember it, in whole seconds. Default: 365d.
	MaxAge caddy.Duration `json:"max_age,omitempty"`

	// Subdomains extends it to every host below this one, also to those that
	// have no https. Default: false.
	Subdomains bool `json:"subdomains,omitempty"`

	// Preload lets browsers ship this host in a list that they all have built
	// in. Getting out of that list takes months. It needs Subdomains and a
	// MaxAge of 365d or more. Default: false.
	Preload bool `json:"preload,omitempty"`
}

// What an answer has without a word of configuration. There is nothing about
// passkeys here: sign-in may be served on the app's own host.
const (
	defaultReferrerPolicy    = "strict-origin-when-cross-origin"
	defaultFrame             = "DENY"
	defaultPermissionsPolicy = "camera=(), microphone=(), geolocation=(), payment=(), usb=()"
	defaultMaxAge            = 365 * day
)

// referrerPolicies are the values of the Referrer Policy specification.
var referrerPolicies = []string{
	"no-referrer", "no-referrer-when-downgrade", "origin", "origin-when-cross-origin", "same-origin", "strict-origin",
	defaultReferrerPolicy, "unsafe-url",
}

// permissionsPolicy is the part of structured fields (RFC 9651) that the
// header's specification uses. A browser ignores the whole header when it
// cannot read it, and says so to nobody.
var permissionsPolicy = func() *regexp.Regexp {
	const (
		who    = `(?:\*|self|"[!#-+\--\[\]-~]+")`
		member = `[a-z][a-z0-9-]*=(?:` + who + `|\( *(?:` + who + `(?: +` + who + `)*)? *\))(?:;report-to=[a-z0-9_-]+)?`
	)
	return regexp.MustCompile(`^` + member + `(?: *, *` + member + `)*$`)
}()

// CaddyModule returns the Caddy module information.
func (*SecurityHeaders) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.passwordless_headers",
		New: func() caddy.Module { return new(SecurityHeaders) },
	}
}

// Provision checks the values and prepares the headers.
func (s *SecurityHeaders) Provision(caddy.Context) error {
	if err := s.check(); err != nil {
		return fmt.Errorf("passwordless_headers: %w", err)
	}
	nosniff := s.Nosniff
	if nosniff == "on" {
		nosniff = "nosniff"
	}
	s.always = nil
	for _, header := range [][3]string{
		{"X-Content-Type-Options", nosniff, "nosniff"},
		{"Referrer-Policy", s.ReferrerPolicy, defaultReferrerPolicy},
		{"X-Frame-Options", s.Frame, defaultFrame},
		{"Permissions-Policy", s.PermissionsPolicy, defaultPermissionsPolicy},
	} {
		if value := cmp.Or(header[1], header[2]); value != "off" {
			s.always = append(s.always, [2]string{header[0], value})
		}
	}
	s.hsts = s.HSTS.value()
	return nil
}

// check refuses what no browser would understand.
func (s *SecurityHeaders) check() error {
	if !slices.Contains([]string{"", "on", "off"}, s.Nosniff) {
		return fmt.Errorf("nosniff %q; write on or off", s.Nosniff)
	}
	if p := s.ReferrerPolicy; p != "" && p != "off" && !slices.Contains(referrerPolicies, p) {
		return fmt.Errorf("referrer_policy %q; write off or one of %s", p, strings.Join(referrerPolicies, " "))
	}
	if !slices.Contains([]string{"", "DENY", "SAMEORIGIN", "off"}, s.Frame) {
		return fmt.Errorf("frame %q; write DENY, SAMEORIGIN or off", s.Frame)
	}
	if p := s.PermissionsPolicy; p != "" && p != "off" && !permissionsPolicy.MatchString(p) {
		return fmt.Errorf("permissions_policy %q; write off, or features and who may use them, such as \"camera=(), geolocation=(self)\"", p)
	}
	return s.HSTS.check()
}

func (h HSTS) check() error {
	age := h.maxAge()
	switch {
	case h.Off && h != HSTS{Off: true}:
		return errors.New("hsts: off stands alone")
	case age < time.Second || age%time.Second != 0:
		return errors.New("hsts: the time must be whole seconds, such as 365d")
	case h.Preload && (!h.Subdomains || age < defaultMaxAge):
		return errors.New("hsts: preload needs subdomains and a year; write hsts 365d subdomains preload")
	}
	return nil
}

func (h HSTS) maxAge() time.Duration {
	if h.MaxAge == 0 {
		return defaultMaxAge
	}
	return time.Duration(h.MaxAge)
}

func (h HSTS) value() string {
	if h.Off {
		return ""
	}
	value := "max-age=" + strconv.FormatInt(int64(h.maxAge()/time.Second), 10)
	if h.Subdomains {
		value += "; includeSubDomains"
	}
	if h.Preload {
		value += "; preload"
	}
	return value
}

// headersVar is the request's variable that holds its answering.
const headersVar = "passwordless_headers"

// ServeHTTP has the headers added when the answer begins.
func (s *SecurityHeaders) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if answeringOf(r) != nil { // the more specific one stands further out
		return next.ServeHTTP(w, r)
	}
	a := &answering{preset: s, secure: overTLS(r)}
	a.ResponseWriter = w
	caddyhttp.SetVar(r.Context(), headersVar, a)
	err := next.ServeHTTP(a, r)
	// An error is answered further out, past us. A reverse_proxy in
	// handle_errors adds what its app says to ours; of two values browsers keep
	// the stricter X-Frame-Options and the app's Referrer-Policy.
	a.fill()
	return err
}

func answeringOf(r *http.Request) *answering {
	a, _ := caddyhttp.GetVar(r.Context(), headersVar).(*answering)
	return a
}

// answersOurselves notes that the answer to the request is a page of ours.
func answersOurselves(r *http.Request) {
	if a := answeringOf(r); a != nil {
		a.ours = true
	}
}

// overTLS reports whether the browser speaks https: to Caddy, or to a proxy in
// front that Caddy trusts (FA-1).
func overTLS(r *http.Request) bool {
	return r.TLS != nil || toldScheme(r) == "https"
}

// answering is the writer of an answer that has headers to come.
type answering struct {
	caddyhttp.ResponseWriterWrapper
	preset *SecurityHeaders
	secure bool
	ours   bool // the answer is a page of ours
	begun  bool // its headers are out, or filled in
}

// fill adds what the answer does not say itself.
func (a *answering) fill() {
	if a.begun {
		return
	}
	a.begun = true
	h := a.Header()
	for _, header := range a.preset.always {
		if _, said := h[header[0]]; !said {
			h[header[0]] = []string{header[1]}
		}
	}
	if !a.secure || a.preset.hsts == "" {
		return
	}
	// A page of ours asks for a year. Where the site asks for as much or more,
	// so does the page: each visit to sign-in would take "includeSubDomains"
	// back, and who fetches "/" for the preload list is sent to sign-in.
	const name = "Strict-Transport-Security"
	if _, said := h[name]; !said || a.ours && a.preset.HSTS.maxAge() >= defaultMaxAge {
		h[name] = []string{a.preset.hsts}
	}
}

// WriteHeader adds the headers to a final answer. What comes before one, and a
// change to WebSocket, stays as it is.
func (a *answering) WriteHeader(status int) {
	switch {
	case status >= http.StatusOK:
		a.fill()
	case status == http.StatusSwitchingProtocols:
		a.begun = true
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write writes the body.
func (a *answering) Write(b []byte) (int, error) {
	a.fill()
	return a.ResponseWriter.Write(b)
}

// ReadFrom keeps the server's fast path for whole bodies.
func (a *answering) ReadFrom(r io.Reader) (int64, error) {
	a.fill()
	return a.ResponseWriterWrapper.ReadFrom(r)
}

// FlushError sends what is buffered.
func (a *answering) FlushError() error {
	a.fill()
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// Flush is FlushError for handlers that know http.Flusher only.
func (a *answering) Flush() { _ = a.FlushError() }

var (
	_ caddy.Provisioner           = (*SecurityHeaders)(nil)
	_ caddyhttp.MiddlewareHandler = (*SecurityHeaders)(nil)
	_ http.Flusher                = (*answering)(nil)
)
