package authcore

import (
	"fmt"
	"net/http"
	"net/textproto"
	"strings"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// Identity is what a decision knows about a user. It is shared by all cached
// sessions of the user and never changed; a change makes a new one.
type Identity struct {
	UserID      string
	Name        string
	Email       string
	DisplayName string
	Groups      []string
	Unnamed     bool // reaches no app (DESIGN §6, user name)

	values [numHeaders]string // encoded for headers, in order of headerKeys
}

// The identity headers (DESIGN §9), in the order of headerKeys. The last is an
// assertion, which is made for each session.
const numHeaders = 6

type headerNames [numHeaders]string

var (
	headerKeys         = [numHeaders]string{"user", "sub", "email", "name", "groups", "jwt"}
	defaultHeaderNames = headerNames{"Remote-User", "Remote-Sub", "Remote-Email", "Remote-Name", "Remote-Groups", "Remote-Jwt"}
)

func newIdentity(u *store.User) *Identity {
	id := &Identity{
		UserID: u.ID, Name: u.Name, Email: u.Email, DisplayName: u.DisplayName,
		Groups: u.Groups, Unnamed: u.Unnamed,
	}
	id.values = [numHeaders]string{
		headerValue(u.Name), headerValue(u.ID), headerValue(u.Email),
		headerValue(u.DisplayName), headerValue(strings.Join(u.Groups, ",")), "",
	}
	return id
}

// headerValue keeps visible ASCII and inner spaces; every other byte of the
// UTF-8 form, and "%", is percent-encoded (HD-4), so it decodes uniquely.
func headerValue(s string) string {
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		c, inner := s[i], i > 0 && i < len(s)-1
		if c > ' ' && c < 0x7f && c != '%' || c == ' ' && inner {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}

// SetHeaders gives the upstream who is here: one value each, absent where
// there is none (HD-2). Strip has run before. assertion may be empty.
func (p *Policy) SetHeaders(h http.Header, id *Identity, assertion string) {
	// One array per request: a later handler may edit values in place, and
	// must not reach another request through a shared slice (FA-14).
	vals := new([numHeaders]string)
	*vals = id.values
	vals[numHeaders-1] = assertion
	for i, name := range p.names() {
		if name != "" && vals[i] != "" {
			h[name] = vals[i : i+1 : i+1]
		}
	}
}

// AnswerHeaders writes every identity header into a decision endpoint's answer,
// empty where there is no value, so that each proxy overwrites what a client
// sent under the name (HD-2). id nil is nobody.
func (p *Policy) AnswerHeaders(h http.Header, id *Identity, assertion string) {
	// One array per answer, as in SetHeaders. The second half stays empty: those
	// names that this app has renamed or dropped.
	vals := new([2 * numHeaders]string)
	if id != nil {
		copy(vals[:], id.values[:])
		vals[numHeaders-1] = assertion
	}
	if p.renamed {
		for i, name := range defaultHeaderNames {
			h[name] = vals[numHeaders+i : numHeaders+i+1 : numHeaders+i+1]
		}
	}
	for i, name := range p.names() {
		if name != "" {
			h[name] = vals[i : i+1 : i+1]
		}
	}
}

func (p *Policy) names() *headerNames {
	if !p.renamed {
		return &defaultHeaderNames
	}
	return &p.headers
}

// Asserts reports whether the app receives an assertion.
func (p *Policy) Asserts() bool { return p.assertion && p.names()[numHeaders-1] != "" }

// StripHeaders removes every reserved name in every spelling that a backend
// could fold to it, whoever sent it (HD-1).
func (p *Policy) StripHeaders(h http.Header) {
	for name := range h {
		if p.reserved(name) {
			delete(h, name)
		}
	}
}

// Reserved reports whether a client must not send a header or trailer of this
// name to the app.
func (p *Policy) Reserved(name string) bool { return p.reserved(name) }

func (p *Policy) reserved(name string) bool {
	if len(name) > 0 && name[0]|0x20 == 'r' && foldedPrefix(name, "remote") {
		for _, r := range defaultHeaderNames {
			if foldedEqual(name, r) {
				return true
			}
		}
	}
	if !p.renamed {
		return false
	}
	for _, r := range p.headers {
		if r != "" && foldedEqual(name, r) {
			return true
		}
	}
	return false
}

func fold(c byte) byte {
	switch {
	case c >= 'A' && c <= 'Z':
		return c + 'a' - 'A'
	case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
		return c
	}
	return '-'
}

func foldedPrefix(s, prefix string) bool {
	return len(s) >= len(prefix) && foldedEqual(s[:len(prefix)], prefix)
}

// foldedEqual compares as CGI-like backends do, some of which make "_" of
// whatever is neither letter nor digit (RFC 3875 section 4.1.18).
func foldedEqual(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if fold(a[i]) != fold(b[i]) {
			return false
		}
	}
	return true
}

func (n *headerNames) rename(key, name string) error {
	for i, k := range headerKeys {
		if k != key {
			continue
		}
		if name == "" {
			n[i] = ""
			return nil
		}
		if !validHeaderName(name) {
			return fmt.Errorf("headers %s %q: a header name has letters, digits and hyphens", key, name)
		}
		if TakenHeader(name) {
			return fmt.Errorf("headers %s %q: that name means something else to HTTP, browsers or proxies; take another, such as X-App-User", key, name)
		}
		n[i] = textproto.CanonicalMIMEHeaderKey(name)
		return nil
	}
	return fmt.Errorf("headers %q: write one of %s", key, strings.Join(headerKeys[:], ", "))
}

func validHeaderName(s string) bool {
	for i := range len(s) {
		c := fold(s[i])
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || s[i] == '-') {
			return false
		}
	}
	return len(s) > 0 && len(s) <= maxName
}

func (n *headerNames) unique() error {
	for i := range n {
		for j := range i {
			if n[i] != "" && foldedEqual(n[i], n[j]) {
				return fmt.Errorf("headers: %s and %s cannot both be called %q", headerKeys[j], headerKeys[i], n[i])
			}
		}
	}
	return nil
}
