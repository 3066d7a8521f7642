package authcore

import (
	"encoding/base64"
	"strings"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
)

// ourToken looks for an access token in the values of Authorization: a Bearer
// token (RFC 6750) that starts as ours do, or the password of Basic (RFC 7617)
// under any user name.
//
// present means that the request is judged by the token alone, and that no app
// sees the header (HD-5). It is also true for what can never be a token and must not
// reach an app either: then raw is empty. That is a token beside another
// Authorization, one where the user name belongs, one in a value that only a
// careless decoder reads, and a whole one under any other scheme.
func ourToken(authorization []string) (raw string, present bool) {
	for _, value := range authorization {
		r, ours := tokenIn(value)
		if ours {
			raw, present = r, true
		}
	}
	if present && len(authorization) > 1 {
		return "", true // FA-3: the app might read the other one
	}
	return raw, present
}

// HoldsToken reports whether values of Authorization hold an access token, and
// so must not reach an app (HD-5).
func HoldsToken(authorization []string) bool {
	_, present := ourToken(authorization)
	return present
}

func tokenIn(value string) (raw string, ours bool) {
	value = strings.Trim(value, " \t")
	scheme, credentials := value, ""
	if i := strings.IndexAny(value, " \t"); i >= 0 {
		scheme, credentials = value[:i], strings.TrimLeft(value[i:], " \t")
	}
	switch {
	case foldedEqual(scheme, "bearer") && strings.HasPrefix(credentials, secret.AccessPrefix):
		return credentials, true
	case foldedEqual(scheme, "basic"):
		if raw, ours = tokenInBasic(credentials); ours {
			return raw, true
		}
	}
	return "", holdsToken(value)
}

func tokenInBasic(credentials string) (raw string, ours bool) {
	decoded, err := base64.StdEncoding.Strict().DecodeString(credentials)
	strict := err == nil && !strings.ContainsAny(credentials, "\r\n") // which the decoder skips
	if !strict {
		// A decoding error leaves what came before it.
		decoded, _ = base64.RawStdEncoding.DecodeString(strings.Map(careless, credentials))
	}
	user, password, _ := strings.Cut(string(decoded), ":")
	switch {
	case strings.HasPrefix(user, secret.AccessPrefix):
		return "", true
	case strings.HasPrefix(password, secret.AccessPrefix) && strict:
		return password, true
	case strings.HasPrefix(password, secret.AccessPrefix):
		return "", true
	}
	return "", holdsToken(string(decoded))
}

// careless reads base64 as the most forgiving decoders do: either alphabet, and
// everything else passed over.
func careless(r rune) rune {
	switch {
	case r == '-':
		return '+'
	case r == '_':
		return '/'
	case r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '+', r == '/':
		return r
	}
	return -1
}

// holdsToken finds a whole token anywhere in s.
func holdsToken(s string) bool {
	for {
		i := strings.Index(s, secret.AccessPrefix)
		if i < 0 {
			return false
		}
		s = s[i:]
		if _, ok := secret.ParseAccess(s[:min(len(s), secret.AccessChars)]); ok {
			return true
		}
		s = s[len(secret.AccessPrefix):]
	}
}
