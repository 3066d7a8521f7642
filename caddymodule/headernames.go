package caddymodule

import (
	"fmt"
	"strings"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// Headers names the headers that tell an app who is here. A field holds
// another name for its header, or "off" to leave it out.
type Headers struct {
	// User renames Remote-User, the user name.
	User string `json:"user,omitempty"`
	// Sub renames Remote-Sub, the id that never changes.
	Sub string `json:"sub,omitempty"`
	// Email renames Remote-Email.
	Email string `json:"email,omitempty"`
	// Name renames Remote-Name, the display name.
	Name string `json:"name,omitempty"`
	// Groups renames Remote-Groups, a comma list.
	Groups string `json:"groups,omitempty"`
	// JWT renames Remote-Jwt, the assertion.
	JWT string `json:"jwt,omitempty"`
}

// headerField is one header by its word in the Caddyfile, the name that stands
// there, and the one that it has without.
type headerField struct{ word, name, def string }

func (h Headers) fields() []headerField {
	return []headerField{
		{"user", h.User, "Remote-User"},
		{"sub", h.Sub, "Remote-Sub"},
		{"email", h.Email, "Remote-Email"},
		{"name", h.Name, "Remote-Name"},
		{"groups", h.Groups, "Remote-Groups"},
		{"jwt", h.JWT, "Remote-Jwt"},
	}
}

// check refuses names that mean something else to HTTP or to a proxy.
func (h Headers) check() error {
	taken := make(map[string]string)
	for _, f := range h.fields() {
		name := f.name
		switch {
		case name == "off":
			continue
		case name == "":
			name = f.def
		case !validHeader(name):
			return fmt.Errorf("headers: %s %q; a header's name has 1 to 64 letters, digits and hyphens", f.word, name)
		case authcore.TakenHeader(name):
			return fmt.Errorf("headers: %s %q; that name means something else to HTTP, browsers or proxies; take another, such as X-App-%s", f.word, name, strings.TrimPrefix(f.def, "Remote-"))
		}
		key := strings.ToLower(name)
		if other, ok := taken[key]; ok {
			return fmt.Errorf("headers: %s and %s would both be %s", other, f.word, name)
		}
		taken[key] = f.word
	}
	return nil
}

func validHeader(s string) bool {
	return len(s) >= 1 && len(s) <= 64 && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
