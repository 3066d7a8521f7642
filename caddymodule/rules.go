package caddymodule

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// check refuses what cannot be meant in a block of paths by itself.
func (p *Path) check() error {
	if err := checkPath(p.Path); err != nil {
		return fmt.Errorf("path: %w", err)
	}
	for i, m := range p.Methods {
		if err := checkMethod(m); err != nil {
			return fmt.Errorf("path %q: methods: %w", p.Path, err)
		}
		if slices.ContainsFunc(p.Methods[:i], func(other string) bool { return strings.EqualFold(m, other) }) {
			return fmt.Errorf("path %q: methods: %q stands twice", p.Path, m)
		}
	}
	if err := p.Rules.check(); err != nil {
		return fmt.Errorf("path %q: %w", p.Path, err)
	}
	_, err := authcore.CompilePolicy(authcore.PolicySpec{Paths: []authcore.PathSpec{p.spec()}})
	return err
}

// complete refuses a block without rules: it would switch off the app's public
// paths and say nothing else, which its writer hardly meant.
func (p *Path) complete() error {
	r := &p.Rules
	if len(r.Public)+len(r.Allow)+len(r.Deny)+len(r.Network)+len(r.Require) == 0 && r.Reauth == 0 && r.Tokens == nil {
		return fmt.Errorf("path %q: its block has no rule; write what holds there, such as allow group:admins", p.Path)
	}
	return nil
}

// commonMethods are those of RFC 9110, RFC 5789 and WebDAV, in small letters.
const commonMethods = "get head post put patch delete options trace connect propfind proppatch mkcol copy move lock unlock report search m-search purge"

// checkMethod takes any token, but not a slip of the keyboard: a rule for DELTE
// would leave DELETE open.
func checkMethod(m string) error {
	if !authcore.ValidMethod(m) {
		return fmt.Errorf("%q; write names such as GET or POST", m)
	}
	common := strings.Fields(commonMethods)
	if slices.Contains(common, strings.ToLower(m)) {
		return nil
	}
	if near := nearest(m, common); near != "" {
		return fmt.Errorf("%q; did you mean %s?", m, strings.ToUpper(near))
	}
	return nil
}

// check refuses rules that cannot be meant.
func (r *Rules) check() error {
	for i, path := range r.Public {
		if err := checkPublic(path); err != nil {
			return fmt.Errorf("public: %w", err)
		}
		if slices.Contains(r.Public[:i], path) {
			return fmt.Errorf("public: %q stands twice", path)
		}
	}
	for _, list := range []struct {
		word    string
		entries []string
		check   func(string) error
	}{{"allow", r.Allow, checkWho}, {"deny", r.Deny, checkWho}, {"network", r.Network, checkFrom}} {
		for i, entry := range list.entries {
			if err := list.check(entry); err != nil {
				return fmt.Errorf("%s: %w", list.word, err)
			}
			if slices.Contains(list.entries[:i], entry) {
				return fmt.Errorf("%s: %q stands twice", list.word, entry)
			}
		}
	}
	for _, entry := range r.Deny {
		if slices.Contains(r.Allow, entry) {
			return fmt.Errorf("deny: %q is allowed as well; deny outweighs allow, so remove one", entry)
		}
	}
	return r.checkRequire()
}

func (r *Rules) checkRequire() error {
	for i, line := range r.Require {
		if len(line) == 0 {
			return errors.New("require: write passkey, totp, or passkey totp for either")
		}
		for j, method := range line {
			switch {
			case method != authcore.AMRPasskey && method != authcore.AMRTOTP:
				return fmt.Errorf("require: %q; write require passkey, require totp, or require passkey totp for either", method)
			case slices.Contains(line[:j], method):
				return fmt.Errorf("require: %q stands twice", method)
			}
		}
		for _, other := range r.Require[:i] {
			if slices.Equal(slices.Sorted(slices.Values(line)), slices.Sorted(slices.Values(other))) {
				return fmt.Errorf("require: %q stands twice", strings.Join(line, " "))
			}
		}
	}
	return nil
}

// checkFrom accepts where requests may come from.
func checkFrom(s string) error {
	if _, err := authcore.ParseNetwork(s); err != nil {
		return fmt.Errorf("%q; %w", s, err)
	}
	return nil
}

// checkPublic accepts canonical paths only (FA-5): what two parsers could read
// in two ways must never open a door.
func checkPublic(path string) error {
	if path == "/*" {
		return errors.New("\"/*\" makes every page public; remove the guard instead")
	}
	return checkPath(path)
}

// checkPath accepts the path of a rule, as a request can have it.
func checkPath(path string) error {
	exact := strings.TrimSuffix(path, "/*")
	switch {
	case !strings.HasPrefix(path, "/"):
		return fmt.Errorf("%q; a path begins with /", path)
	case strings.Contains(exact, "*"):
		return fmt.Errorf("%q; a * stands only at the end, after a slash, as in /assets/*", path)
	case strings.ContainsAny(path, `%?#;\`) || hasControl(path):
		return fmt.Errorf("%q; write the path decoded, without %% ? # ; or backslash", path)
	case path == "/.auth" || strings.HasPrefix(path, "/.auth/"):
		return fmt.Errorf("%q; /.auth/ is ours", path)
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return fmt.Errorf("%q; write the path without dot segments", path)
		}
	}
	if strings.Contains(path, "//") {
		return fmt.Errorf("%q; write the path without //", path)
	}
	return nil
}

func checkWho(entry string) error {
	kind, value, _ := strings.Cut(entry, ":")
	switch kind {
	case "user":
		if !validName(value) && checkEmail(value) != nil {
			return fmt.Errorf("%q; a user name has 1 to 64 of a-z 0-9 . _ - or is an e-mail address", entry)
		}
	case "group":
		if !validName(value) {
			return fmt.Errorf("%q; a group's name has 1 to 64 of a-z 0-9 . _ -", entry)
		}
	case "email":
		domain, ok := strings.CutPrefix(value, "*@")
		if ok && checkDomain(domain) != nil || !ok && checkEmail(value) != nil { // EM-5: the whole domain
			return fmt.Errorf("%q; write email:ADDRESS or email:*@DOMAIN", entry)
		}
	default:
		return fmt.Errorf("%q; write user:NAME, group:NAME, email:ADDRESS or email:*@DOMAIN", entry)
	}
	return nil
}
