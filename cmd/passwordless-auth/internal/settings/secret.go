package settings

import (
	"errors"
	"regexp"
	"slices"
	"strings"
)

const makeOne = "make one with: openssl rand -base64 48"

// checkRootKey holds CR-3: 256 bits, and not what was copied from a document.
// Messages never show the secret.
func checkRootKey(s string) error {
	switch {
	case isExample(s):
		return errors.New("this secret is an example that everybody can read; " + makeOne)
	case len(s) < 32:
		return errors.New("the secret must have 32 bytes or more; " + makeOne)
	case distinct(s) < 8:
		return errors.New("the secret repeats a few characters; " + makeOne)
	}
	return nil
}

func checkPassword(s string) error {
	switch {
	case s == "":
		return errors.New("the file is empty; write the mail server's password into it")
	case isExample(s):
		return errors.New("this is the placeholder of an example; write the mail server's password")
	}
	return nil
}

// example matches what documents write where a secret belongs. Each pattern is
// long or anchored enough that no random secret meets it by chance.
var example = regexp.MustCompile(`(?i)^(your|my)[-_ .]|^<|change[-_ .]?(me|this)|replace[-_ .]?(me|this)|placeholder|insecure|example|secret[-_ ]?key|super[-_ ]?secret|jwt[-_ ]?secret|min[-_ ]32|password123|0123456789012345|abcdefghijklmnop`)

func isExample(s string) bool { return example.MatchString(s) }

func distinct(s string) int {
	bytes := strings.Split(s, "")
	slices.Sort(bytes)
	return len(slices.Compact(bytes))
}
