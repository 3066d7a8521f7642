package authcore

import (
	"fmt"
	"slices"
	"strings"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/email"
)

// matcher is one user:, group: or email: word.
type matcher struct {
	kind, value, at string
}

func compileMatchers(word string, lines []Line) ([]matcher, error) {
	var ms []matcher
	for _, l := range lines {
		for _, w := range l.Words {
			m, err := compileMatcher(w)
			if err != nil {
				return nil, fmt.Errorf("%s %q: %w", word, w, err)
			}
			m.at = l.At
			ms = append(ms, m)
			if word == "deny" && m.kind == "user" && strings.Contains(m.value, "@") {
				// Who is denied by the address stays denied when an admin gives
				// them a short name. Allowing stays with the name: an address
				// may be somebody else's by then.
				ms = append(ms, matcher{kind: "email", value: m.value, at: l.At})
			}
		}
	}
	return ms, nil
}

func compileMatcher(w string) (matcher, error) {
	kind, value, _ := strings.Cut(w, ":")
	m := matcher{kind: kind, value: value}
	switch kind {
	case "user":
		if _, err := email.Parse(value); err != nil && !ValidName(value) {
			return m, fmt.Errorf("user: takes a user name (a-z 0-9 . _ -) or an e-mail address")
		}
		m.value = lowerASCII(value)
	case "group":
		if !ValidGroup(value) {
			return m, fmt.Errorf("group: takes a group name (a-z 0-9 . _ -)")
		}
	case "email":
		// EM-5: "*@domain" compares the whole domain after the only "@".
		m.value = lowerASCII(value)
		probe := m.value
		if domain, ok := strings.CutPrefix(m.value, "*@"); ok {
			m.value, probe = "@"+domain, "x@"+domain
		}
		if _, err := email.Parse(probe); err != nil || strings.HasPrefix(probe, "*") {
			return m, fmt.Errorf("email: takes an address or *@domain")
		}
	default:
		return m, fmt.Errorf("write user:NAME, group:NAME, email:ADDRESS or email:*@DOMAIN")
	}
	return m, nil
}

func (m *matcher) matches(id *Identity) bool {
	switch m.kind {
	case "user":
		return id.Name == m.value
	case "group":
		return slices.Contains(id.Groups, m.value)
	case "email":
		if m.value[0] == '@' {
			return strings.HasSuffix(id.Email, m.value) // there is one "@", so this is the whole domain
		}
		return id.Email == m.value
	}
	return false // unknown kinds never match (FA-10)
}

// ValidName reports whether s may be a user name: [a-z0-9._-]{1,64}.
func ValidName(s string) bool {
	if len(s) == 0 || len(s) > maxName {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return false
		}
	}
	return true
}

// ValidGroup has the same grammar: Remote-Groups is a comma list, and no group
// may look like two (HD-4).
func ValidGroup(s string) bool { return ValidName(s) }

// lowerASCII folds A-Z only; no Unicode case function touches an identifier
// (EM-2).
func lowerASCII(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= 'A' && c <= 'Z' {
			b := []byte(s)
			for j := i; j < len(b); j++ {
				if b[j] >= 'A' && b[j] <= 'Z' {
					b[j] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
