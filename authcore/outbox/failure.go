package outbox

import (
	"context"
	"errors"
	"fmt"
	"net/textproto"
	"regexp"
	"strings"
)

// failure is why one delivery came to nothing, in words that may be stored and
// logged.
type failure struct {
	doing     string // "connecting", "RCPT", …
	code      int    // SMTP reply code; 0: the server did not answer
	enhanced  string // RFC 3463, such as "5.1.1"; may be empty
	why       string
	permanent bool // trying again is of no use
}

// Error is such as "RCPT: 550 5.1.1 User unknown" or "connecting: connection
// refused".
func (f *failure) Error() string {
	answer := ""
	if f.code != 0 {
		answer = strings.TrimRight(fmt.Sprintf(" %d %s", f.code, f.enhanced), " ")
	}
	if f.why != "" {
		answer += " " + f.why
	}
	return f.doing + ":" + answer
}

// Reasons that do not come from the mail server.
var (
	errStopped  = errors.New("delivery was interrupted")
	errTimedOut = errors.New("the mail server took too long")
)

// failed explains an error of a step before the mail is handed over. It may
// pass: the next try meets another server, or a mended configuration.
func failed(ctx context.Context, doing string, err error) *failure {
	f := &failure{doing: doing}
	var reply *textproto.Error
	var garbage textproto.ProtocolError
	switch {
	case ctx.Err() != nil:
		f.why = context.Cause(ctx).Error()
	case errors.As(err, &reply):
		f.code, f.enhanced, f.why = reply.Code, enhancedCode(reply.Msg), words(reply.Msg)
	case errors.As(err, &garbage): // it quotes the server
		f.why = "the answer is not SMTP"
	default:
		f.why = capped(err.Error(), maxReason)
	}
	return f
}

// refused is failed for the steps that judge this very mail: there a reply of
// 5xx is final (RFC 5321 section 4.2.1).
func refused(ctx context.Context, doing string, err error) *failure {
	f := failed(ctx, doing, err)
	f.permanent = f.code >= 500
	return f
}

const (
	maxReason = 200
	// maxWord is far below the 43 characters of a link's token.
	maxWord = 20
)

var enhanced = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}\b`)

// enhancedCode is the status code at the start of a reply's text (RFC 2034).
func enhancedCode(reply string) string { return enhanced.FindString(reply) }

// words keeps the plain words of a server's reply: short ones of ASCII letters.
// Servers like to quote, so this leaves out by construction whatever has
// digits, dots, slashes or an @: codes, links, addresses, hosts (ML-7, LG-1),
// and every control character (LG-2).
func words(reply string) string {
	var kept []string
	for word := range strings.FieldsSeq(reply) {
		bare := strings.Trim(word, `.,:;!?()'"`)
		if bare != "" && len(word) <= maxWord && !strings.ContainsFunc(bare, notInWord) {
			kept = append(kept, word)
		}
	}
	return capped(strings.Join(kept, " "), maxReason)
}

func notInWord(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '\''
}

// capped is s on one line, at most n bytes of it, without control characters.
func capped(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\uFFFD' {
			return ' '
		}
		return r
	}, s)
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return strings.TrimSpace(s)
}
