package authcore

import (
	"net/http"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/cookies"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
)

// CookieStatus says what a request carried under one of our names.
type CookieStatus = cookies.Status

// Cookie names (DESIGN §5). On http://*.localhost, and nowhere else, they lose
// the prefix and the Secure attribute, since WebKit drops Secure cookies there.
const (
	sessionCookie  = "passwordless"
	flowCookie     = "passwordless-flow"
	deviceCookie   = "passwordless-device"
	languageCookie = "passwordless-lang"
	hostPrefix     = "__Host-"
)

// SessionCookie is the name of the session cookie on an origin.
func (s *Service) SessionCookie(o Origin) string {
	if o.Scheme == "https" {
		return hostPrefix + sessionCookie
	}
	return sessionCookie
}

// FlowCookie is the name of the cookie that binds a browser to what it began.
func (s *Service) FlowCookie(o Origin) string {
	if o.Scheme == "https" {
		return hostPrefix + flowCookie
	}
	return flowCookie
}

// DeviceCookie is the name of the cookie by which the portal knows a browser.
func (s *Service) DeviceCookie(o Origin) string {
	if o.Scheme == "https" {
		return hostPrefix + deviceCookie
	}
	return deviceCookie
}

// LanguageCookie is the name of the cookie that keeps the language which somebody
// chose. Its value is no secret, and none of ours: only a tag.
func (s *Service) LanguageCookie(o Origin) string {
	if o.Scheme == "https" {
		return hostPrefix + languageCookie
	}
	return languageCookie
}

// OurCookies are the names that never reach an upstream of this origin, nor
// come from one. On https an unprefixed twin is somebody else's cookie: we
// ignore it, and it passes.
func (s *Service) OurCookies(o Origin) []string {
	if o.Scheme == "https" {
		return []string{hostPrefix + sessionCookie, hostPrefix + flowCookie, hostPrefix + deviceCookie, hostPrefix + languageCookie}
	}
	return []string{sessionCookie, flowCookie, deviceCookie, languageCookie}
}

// CookieNames are our cookies on any origin.
func CookieNames() []string {
	return []string{
		hostPrefix + sessionCookie, hostPrefix + flowCookie, hostPrefix + deviceCookie, hostPrefix + languageCookie,
		sessionCookie, flowCookie, deviceCookie, languageCookie,
	}
}

// StripCookies removes our cookies from raw Cookie headers; all others stay
// byte for byte (HD-5).
func StripCookies(headers, names []string) (kept []string, changed bool) {
	return cookies.Strip(headers, names...)
}

// IsOurCookie reports whether a Set-Cookie header sets one of the names.
func IsOurCookie(setCookie string, names []string) bool { return cookies.IsOurs(setCookie, names...) }

// FindCookie reads one of our tokens from raw Cookie headers; ok only when it
// is there exactly once and well formed (CK-2).
func FindCookie(headers []string, name string) (Token, bool) {
	value, status := cookies.Find(headers, name)
	if status != cookies.One {
		return "", false
	}
	return secret.Parse(value)
}

// FindPlain reads a cookie of ours that is no token, or "" unless it is there
// exactly once and well formed (CK-2).
func FindPlain(headers []string, name string) string {
	value, status := cookies.Find(headers, name)
	if status != cookies.One {
		return ""
	}
	return value
}

// IsBadCookie reports whether a cookie is there in a form that we never set, or
// more than once, and so should be cleared (CK-2).
func IsBadCookie(headers []string, name string) bool {
	_, status := cookies.Find(headers, name)
	return status == cookies.Bad
}

// NewToken makes a flow or nonce secret.
func (s *Service) NewToken() (Token, error) { return secret.New(s.rt.rand) }

// Cookie builds a cookie for an origin (CK-1). maxAge 0 lasts as long as the
// browser session.
func (s *Service) Cookie(o Origin, name string, value Token, maxAge time.Duration) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value.Reveal(), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: o.Scheme == "https", MaxAge: int(maxAge / time.Second),
	}
}

// ClearCookie builds the header that removes it.
func (s *Service) ClearCookie(o Origin, name string) *http.Cookie {
	c := s.Cookie(o, name, "", 0)
	c.MaxAge = -1
	return c
}

// What a request carried under one of our names.
const (
	NoCookie  = cookies.Absent
	OneCookie = cookies.One
	BadCookie = cookies.Bad
)
