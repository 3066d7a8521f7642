package caddymodule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// What the ways to sign in make impossible together: a door that nobody could
// use, and one that would shut behind people.

// without reports whether methods leaves a way to sign in out.
func (a *App) without(method string) bool {
	return len(a.Methods) > 0 && !slices.Contains(a.Methods, method)
}

// checkWays refuses it as far as the option says it alone.
func (a *App) checkWays() error {
	switch after, mode := a.EmailAfterPasskey, a.Registration.Mode; {
	case a.without("passkey") && (after == "second" || after == "off"):
		return fmt.Errorf("email_after_passkey: %s without the method passkey would lock out whoever has a passkey; add passkey to methods, or write allow", after)
	case a.without("email") && (after == "second" || after == "allow"):
		return fmt.Errorf("email_after_passkey: %s, but no mail signs anybody in, because methods leaves out email; add it there, or remove email_after_passkey", after)
	case a.without("email") && (mode == "open" || mode == "invite"):
		return fmt.Errorf("registration: %s, but nobody could prove an address, because methods leaves out email; add it there, or write closed and invite people", mode)
	}
	for i := range a.Apps {
		if err := a.checkRequired(&a.Apps[i].Policy); err != nil {
			return fmt.Errorf("app %s: %w", a.Apps[i].Host, err)
		}
	}
	return nil
}

// checkGuards is checkWays for the apps of this Caddy.
func (a *App) checkGuards(guards []found) error {
	for _, f := range guards {
		if err := a.checkRequired(&f.guard.Policy); err != nil {
			return fmt.Errorf("%s: %w", f.guard.where(), err)
		}
	}
	return nil
}

// checkRequired refuses a rule that asks for a passkey where nobody has one to
// use. An authenticator app is never a way to sign in by itself, and so it is
// there for everybody.
func (a *App) checkRequired(p *Policy) error {
	if !a.without("passkey") {
		return nil
	}
	const what = "require: nobody could give the passkey that %s asks for, because methods leaves out passkey; add it there, or write require totp"
	if line := p.asksForPasskey(""); line != "" {
		return fmt.Errorf(what, line)
	}
	for i := range p.Paths {
		if line := p.Paths[i].asksForPasskey("path " + p.Paths[i].Path + " "); line != "" {
			return fmt.Errorf(what, line)
		}
	}
	return nil
}

// asksForPasskey is the place of a rule that only a passkey satisfies, or "".
func (r *Rules) asksForPasskey(within string) string {
	for _, methods := range r.Require {
		if slices.Equal(methods, []string{authcore.AMRPasskey}) {
			return r.place("require "+strings.Join(methods, " "), within)
		}
	}
	return ""
}
