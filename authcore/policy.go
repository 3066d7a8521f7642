package authcore

import (
	"fmt"
	"slices"
	"strings"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/canonpath"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/email"
)

// Line is one line of a policy block: its words after the keyword, and where
// it stands ("Caddyfile:17"), which every decision it makes will name.
type Line struct {
	Words []string
	At    string
}

// PolicySpec is a policy block as configured (DESIGN §3.2).
type PolicySpec struct {
	Public []Line
	Allow  []Line
	Deny   []Line
	// Headers renames an identity header ("user" → "X-WebAuth-User") or, with
	// an empty value, drops it. Keys: user, sub, email, name, groups.
	Headers map[string]string
	At      string // of the block
}

// Policy is a compiled PolicySpec. The zero value lets every signed-in user in
// and nobody else.
type Policy struct {
	public  []publicRule
	allow   []matcher
	deny    []matcher
	headers headerNames
	renamed bool // headers are not the default ones
	at      string
}

type publicRule struct {
	pattern canonpath.Pattern
	at      string
}

// matcher is one user:, group: or email: word.
type matcher struct {
	kind, value, at string
}

// CompilePolicy checks a block. Its errors name the word and what to write.
func CompilePolicy(spec PolicySpec) (Policy, error) {
	p := Policy{at: spec.At, headers: defaultHeaderNames}
	for _, l := range spec.Public {
		for _, w := range l.Words {
			pattern, err := canonpath.ParsePattern(w)
			if err != nil {
				return p, fmt.Errorf("public %q: %w", w, err)
			}
			p.public = append(p.public, publicRule{pattern, l.At})
		}
	}
	var err error
	if p.allow, err = compileMatchers("allow", spec.Allow); err != nil {
		return p, err
	}
	if p.deny, err = compileMatchers("deny", spec.Deny); err != nil {
		return p, err
	}
	for key, name := range spec.Headers {
		if err := p.headers.rename(key, name); err != nil {
			return p, err
		}
	}
	p.renamed = p.headers != defaultHeaderNames
	return p, p.headers.unique()
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

// isPublic reports whether both readings of the path match one public rule
// each; "at" is the rule that the original path matched.
func (p *Policy) isPublic(original, here string) (at string, ok bool) {
	if len(p.public) == 0 {
		return "", false
	}
	at, ok = p.publicRule(original)
	if ok && here != original {
		_, ok = p.publicRule(here) // FA-13: the stricter reading wins
	}
	return at, ok
}

func (p *Policy) publicRule(escaped string) (string, bool) {
	path, ok := canonpath.Parse(escaped)
	if !ok {
		return "", false // FA-5: not canonical, never public
	}
	for i := range p.public {
		if p.public[i].pattern.Match(path) {
			return p.public[i].at, true
		}
	}
	return "", false
}

// admits says whether the user may pass, and which line said so.
func (p *Policy) admits(id *Identity) (at string, ok bool) {
	for i := range p.deny {
		if p.deny[i].matches(id) {
			return p.deny[i].at, false
		}
	}
	if len(p.allow) == 0 {
		return p.at, true
	}
	for i := range p.allow {
		if p.allow[i].matches(id) {
			return p.allow[i].at, true
		}
	}
	return p.allow[0].at, false
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
