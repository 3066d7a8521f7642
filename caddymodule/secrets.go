package caddymodule

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// secret is a resolved secret; the zero value is none. It stands behind a
// pointer, because fmt prints fields that are not exported without asking
// their methods, and would print a string.
type secret struct{ value *string }

// reveal returns the secret itself.
func (s secret) reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// String hides the secret from fmt and slog.
func (secret) String() string { return "[redacted]" }

// MarshalText hides it from encoders.
func (secret) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// secrets are the values behind the placeholders. They live beside the
// configuration and never in it: Caddy's admin endpoint shows the latter (AD-4).
type secrets struct {
	rootKey      secret
	smtpUsername string
	smtpPassword secret
}

var placeholder = regexp.MustCompile(`^\{(env\.[A-Za-z_][A-Za-z0-9_]*|file\.[^{}]+)\}$`)

// checkSecret accepts the place of a secret, never a secret. The message leaves
// the value out: it is probably one.
func checkSecret(word, value string) error {
	if !placeholder.MatchString(value) {
		return fmt.Errorf("%s: a secret must not stand in the configuration; write {env.NAME} or {file./path/of/it}", word)
	}
	return nil
}

// CheckRootKey refuses a secret that is too short to be a root key, or known to
// others (CR-3). The error says how to make one and does not show the secret.
func CheckRootKey(s string) error {
	_, err := authcore.RootKeyFromSecret(s)
	return err
}

func (a *App) resolveSecrets(repl *caddy.Replacer) (secrets, error) {
	var s secrets
	var err error
	if s.rootKey, err = resolveSecret(repl, "root_key", a.RootKey); err != nil {
		return s, err
	}
	if s.rootKey != (secret{}) {
		if err := CheckRootKey(s.rootKey.reveal()); err != nil {
			return s, fmt.Errorf("root_key: %w", err)
		}
	}
	if s.smtpPassword, err = resolveSecret(repl, "smtp password", a.SMTP.Password); err != nil {
		return s, err
	}
	s.smtpUsername, err = repl.ReplaceOrErr(a.SMTP.Username, true, true)
	if err != nil {
		return s, fmt.Errorf("smtp username: %w", err)
	}
	return s, nil
}

// resolveSecret replaces a placeholder. Files usually end in a newline that is
// not part of the secret.
func resolveSecret(repl *caddy.Replacer, word, value string) (secret, error) {
	if value == "" {
		return secret{}, nil
	}
	resolved, err := repl.ReplaceOrErr(value, true, true)
	resolved = strings.TrimRight(resolved, "\r\n")
	if err != nil || resolved == "" {
		return secret{}, fmt.Errorf("%s: %s", word, absent(value))
	}
	return secret{&resolved}, nil
}

// absent says what to do about the place of a secret where there is none. Caddy
// does not tell a file that it cannot read from an empty one.
func absent(place string) string {
	kind, name, _ := strings.Cut(strings.Trim(place, "{}"), ".")
	if kind == "env" {
		return fmt.Sprintf("the environment variable %s is not set, or empty; set it where this process is started, or write {file./path/of/the/secret}", name)
	}
	if _, err := os.Stat(name); err != nil {
		return fmt.Sprintf("the secret cannot be read (%v); put it into that file", err)
	}
	return fmt.Sprintf("the file %s is empty, or this process may not read it; put the secret into it", name)
}
