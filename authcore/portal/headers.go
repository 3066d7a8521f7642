package portal

import (
	"net/http"
	"regexp"
	"strings"
)

// configuredOrigin is the only shape of origin that may enter a policy.
var configuredOrigin = regexp.MustCompile(`^https?://[a-z0-9.-]+(:[0-9]{1,5})?$`)

// pageHeaders sets what every HTML answer of ours carries (WB-1, FA-9). style
// is the CSP source of the page's stylesheet.
func pageHeaders(h http.Header, p Page, template, style string) {
	dataHeaders(h, p.Secure)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Add("Vary", "Accept-Language, Cookie")
	h.Set("Content-Security-Policy", contentPolicy(style, p.App, p.Portal))
	h.Set("Permissions-Policy", "publickey-credentials-get=(self), publickey-credentials-create=(self), "+
		"camera=(), microphone=(), geolocation=(), payment=(), usb=()")
	if template == "link" || template == "invite" || template == "notme" {
		// ML-7: these pages hold a mailed secret. Their form posts carry
		// Origin: null then, and are judged by Sec-Fetch-Site (CS-1).
		h.Set("Referrer-Policy", "no-referrer")
	}
}

// dataHeaders sets what every answer of ours carries, JSON and redirects too.
func dataHeaders(h http.Header, secure bool) {
	h.Set("Cache-Control", "no-store") // FA-9; SE-4: the back button shows nothing
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Robots-Tag", "noindex")
	h.Set("Referrer-Policy", "same-origin") // no-referrer would make form posts carry Origin: null
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// contentPolicy allows our own assets and nothing inline. form-action names
// where the flow leads too, because browsers apply it to the redirects after a
// form.
func contentPolicy(style string, ends ...string) string {
	formAction := "form-action 'self'"
	for _, origin := range ends {
		if configuredOrigin.MatchString(origin) {
			formAction += " " + origin
		}
	}
	return strings.Join([]string{
		"default-src 'none'", "script-src 'self'", "style-src " + style, "img-src 'self'", "connect-src 'self'",
		"object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", formAction,
		"require-trusted-types-for 'script'", "trusted-types 'none'",
	}, "; ")
}
