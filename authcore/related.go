package authcore

import (
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/redirect"
)

// Pages of API clients that may use our passkeys.
//
// A passkey belongs to the rp_id. Browsers let pages of that host and below it
// ask for one, and pages elsewhere only if the rp_id's host lists them (WebAuthn
// Level 3 §5.11, related origins). An app's host is never listed and never
// accepted: what runs there could otherwise ask a person for a passkey and sign
// in to everything else as them (WA-7, FA-12).

// relatedLabels is how many names browsers honour in the list. The specification
// asks for at least five, and none is known to take more.
const relatedLabels = 5

// PasskeyOrigins are the origins whose pages may hold a passkey ceremony for a
// client: our own, and those of the client that no app has. For nil it is ours
// alone. A ceremony is bound to the one of them that it began on.
func (s *Service) PasskeyOrigins(c *APIClient) []string {
	list := []string{s.portal.String()}
	if c == nil {
		return list
	}
	for _, text := range c.Origins {
		if o, ok := s.cfg.passkeyPage(text); ok && !slices.Contains(list, o.String()) {
			list = append(list, o.String())
		}
	}
	return list
}

// RelatedOrigins are the origins to list for browsers at
// https://RP_ID/.well-known/webauthn: the clients' that lie elsewhere, and then
// our own, which needs no entry but belongs to them. It is empty where no client
// needs it.
func (s *Service) RelatedOrigins() []string {
	related, _ := s.cfg.related()
	if len(related) == 0 {
		return nil
	}
	if own := s.portal.String(); !slices.Contains(related, own) {
		related = append(related, own)
	}
	return related
}

// Unlisted are the clients' origins that browsers would not honour, because
// there are more names than they look at.
func (c Config) Unlisted() []string {
	_, left := c.related()
	return left
}

// related sorts the clients' origins outside the rp_id into those that browsers
// honour, in the order of the configuration, and those that are too many.
func (c *Config) related() (listed, left []string) {
	var labels []string
	for i := range c.Clients {
		for _, text := range c.Clients[i].Origins {
			o, ok := c.passkeyPage(text)
			if !ok || o.Scheme != "https" || withinRPID(o.Host, c.rpID()) || slices.Contains(listed, o.String()) || slices.Contains(left, o.String()) {
				continue
			}
			label := registrableLabel(o.Host)
			switch {
			case label == "" || !slices.Contains(labels, label) && len(labels) == relatedLabels:
				left = append(left, o.String())
				continue
			case !slices.Contains(labels, label):
				labels = append(labels, label)
			}
			listed = append(listed, o.String())
		}
	}
	return listed, left
}

// passkeyPage is a client's origin, unless it is on the host of an app.
func (c *Config) passkeyPage(text string) (Origin, bool) {
	o, err := redirect.ParseOrigin(text)
	if err != nil {
		return o, false
	}
	for i := range c.Apps {
		app := c.Apps[i].Origin.Host
		_, above, _ := strings.Cut(o.Host, ".")
		if parent, wild := strings.CutPrefix(app, "*."); app == o.Host || wild && parent == above {
			return o, false
		}
	}
	return o, true
}

// rpID is RPID with its default.
func (c *Config) rpID() string {
	if c.RPID == "" {
		return c.Portal.Host
	}
	return c.RPID
}

// withinRPID reports whether browsers let a host use passkeys of the rp_id
// without asking anybody (WebAuthn Level 3 §5.1.3 step 7).
func withinRPID(host, rpID string) bool {
	return host == rpID || strings.HasSuffix(host, "."+rpID)
}

// registrableLabel is what browsers count: "example" of www.example.co.uk. It is
// empty where nobody can register a name.
func registrableLabel(host string) string {
	name, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return ""
	}
	label, _, _ := strings.Cut(name, ".")
	return label
}
