package authcore

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Need is what a session must show before a request may pass: of each entry of
// Require one method, and a proof that is not older than MaxAge. The zero value
// needs nothing.
type Need struct {
	Require []string      `json:"require,omitempty"` // "passkey", "totp" or "passkey totp"
	MaxAge  time.Duration `json:"max_age,omitempty"` // 0: any age
}

// IsZero reports whether nothing is needed.
func (n Need) IsZero() bool { return len(n.Require) == 0 && n.MaxAge == 0 }

func (n *Need) add(words string) {
	if !slices.Contains(n.Require, words) {
		n.Require = append(n.Require, words)
	}
}

// with is what both need together.
func (n Need) with(other Need) Need {
	n.Require = slices.Clone(n.Require)
	for _, words := range other.Require {
		n.add(words)
	}
	if other.MaxAge > 0 && (n.MaxAge == 0 || other.MaxAge < n.MaxAge) {
		n.MaxAge = other.MaxAge
	}
	return n
}

// query writes a need into the address of a start.
func (n Need) query() string {
	var b strings.Builder
	for _, words := range n.Require {
		b.WriteString("&require=" + url.QueryEscape(words))
	}
	if n.MaxAge > 0 {
		b.WriteString("&max_age=" + strconv.FormatInt(int64(n.MaxAge/time.Second), 10))
	}
	return b.String()
}

// ParseNeed reads what query wrote. Anybody may write such an address, so
// whatever else stands there is left out; what a policy needs is asked again
// when the request comes.
func ParseNeed(q url.Values) (n Need) {
	for _, words := range q["require"] {
		if r, err := compileRequire([]Line{{Words: strings.Fields(words)}}); err == nil && len(n.Require) < maxNeeds {
			n.add(r[0].words)
		}
	}
	if age, err := strconv.ParseInt(q.Get("max_age"), 10, 32); err == nil && age >= int64(time.Minute/time.Second) {
		n.MaxAge = time.Duration(age) * time.Second
	}
	return n
}

// bitsOf are the methods of an entry of Require; 0 is none that we know, which
// nobody satisfies (FA-10).
func bitsOf(words string) uint8 {
	r, err := compileRequire([]Line{{Words: strings.Fields(words)}})
	if err != nil {
		return 0
	}
	return r[0].bits
}

// Methods a session used, as bits for the cache. Trusted says that the method
// may satisfy a require (DESIGN §6).
const (
	bitPasskey uint8 = 1 << iota
	bitEmail
	bitInvite
	bitHandOut
	bitTOTP
	bitTrustedPasskey
	bitTrustedTOTP
	bitRecovery
)

// Methods names each method that a need speaks of, once.
func (n Need) Methods() (list []string) {
	for _, words := range n.Require {
		for _, m := range strings.Fields(words) {
			if !slices.Contains(list, m) {
				list = append(list, m)
			}
		}
	}
	return list
}

// meets reports whether methods and age satisfy the need.
func (n Need) meets(bits uint8, age time.Duration) bool {
	for _, words := range n.Require {
		if bitsOf(words)&bits == 0 {
			return false
		}
	}
	return n.MaxAge == 0 || age <= n.MaxAge
}

// helps reports whether a method that the session has not used would bring it
// nearer: it is asked for, or only the age is wrong.
func (n Need) helps(bits, method uint8) bool { return n.misses(bits, method) || n.meets(bits, 0) }

// misses reports whether the method is asked for and not shown, nor another that
// does in its place.
func (n Need) misses(bits, method uint8) bool {
	return slices.ContainsFunc(n.Require, func(words string) bool {
		need := bitsOf(words)
		return need&bits == 0 && need&method != 0
	})
}
