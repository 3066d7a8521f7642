// Package email reads e-mail addresses by a grammar of its own, much narrower
// than RFC 5322 (EM-1, EM-2): what it accepts can be stored, compared byte by
// byte and handed to a mail server as exactly one recipient.
//
//	address = local "@" domain           at most 254 bytes (RFC 5321 4.5.3.1.3, less the brackets)
//	local   = atom *("." atom)           at most 64 bytes
//	atom    = 1*(letter / digit / one of !#$%&'*+-/=?^_`{|}~)
//	domain  = label 1*("." label)        the last label is not a number
//	label   = letters, digits, inner hyphens; at most 63 bytes
//
// All of it is ASCII; letters are folded to lower-case, by ASCII's rule alone.
// Plus-tags and dots are left as they are (EM-3).
package email

import "strings"

const (
	maxAddress = 254
	maxLocal   = 64
	maxLabel   = 63
)

// Problem is what is wrong with an address, as a sentence for the person who
// typed it. It never holds any part of what was typed.
type Problem string

// Error returns the sentence.
func (p Problem) Error() string { return string(p) }

// What Parse answers.
const (
	Empty     Problem = "Enter an e-mail address."
	TooLong   Problem = "This e-mail address is too long. At most 254 characters are possible, 64 of them before the @."
	Spaced    Problem = "Remove the spaces and line breaks from the e-mail address."
	NotASCII  Problem = "Use only the letters a to z, digits and signs in the e-mail address; other scripts are not supported."
	OneAt     Problem = "Enter one e-mail address with one @, such as name@example.com."
	BadLocal  Problem = "Check the part before the @. It may hold letters, digits and signs such as + - _ and single dots inside."
	BadDomain Problem = "Check the part after the @. It must be a full domain name, such as example.com."
)

// Address is a canonical address. Only Parse makes one; two addresses are the
// same exactly if they are equal as strings (EM-3).
type Address string

// Parse returns the canonical form of s. Nothing is trimmed or repaired but the
// case of ASCII letters. The error is a Problem.
func Parse(s string) (Address, error) {
	if s == "" {
		return "", Empty
	}
	if len(s) > maxAddress {
		return "", TooLong
	}
	if problem := checkBytes(s); problem != "" {
		return "", problem
	}
	local, domain, found := strings.Cut(s, "@")
	switch {
	case !found || strings.Contains(domain, "@"):
		return "", OneAt
	case len(local) > maxLocal:
		return "", TooLong
	case !isLocal(local):
		return "", BadLocal
	case !isDomain(domain):
		return "", BadDomain
	}
	return Address(lower(s)), nil
}

// Domain returns what follows the @, for allow and deny lists (EM-5).
func (a Address) Domain() string {
	_, domain, _ := strings.Cut(string(a), "@")
	return domain
}

// Mask returns the address as logs may show it: "a***@example.com" (LG-1).
// Something that is no address is masked entirely.
func (a Address) Mask() string {
	local, domain, found := strings.Cut(string(a), "@")
	if !found || local == "" || !isLocal(local) || !isDomain(domain) {
		return "***"
	}
	return local[:1] + "***@" + domain
}

func checkBytes(s string) Problem {
	for i := range len(s) {
		switch c := s[i]; {
		case c <= ' ' || c == 0x7f:
			return Spaced
		case c > 0x7f:
			return NotASCII
		}
	}
	return ""
}

func isLocal(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" {
			return false
		}
		for i := range len(atom) {
			if c := atom[i]; !isAlphanumeric(c) && strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) < 0 {
				return false
			}
		}
	}
	return true
}

func isDomain(s string) bool {
	labels, last := 0, ""
	for label := range strings.SplitSeq(s, ".") {
		if !isLabel(label) {
			return false
		}
		labels, last = labels+1, label
	}
	// A last label of digits alone is an IPv4 address, not a name (RFC 3696 section 2).
	return labels >= 2 && strings.Trim(last, "0123456789") != ""
}

func isLabel(s string) bool {
	if s == "" || len(s) > maxLabel || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && s[i] != '-' {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// lower folds A to Z and nothing else; the caller has refused bytes above
// ASCII, to which a Unicode-aware fold could map other letters (EM-2).
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
