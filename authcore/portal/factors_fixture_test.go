package portal

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // RFC 6238 is made of it
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// sixDigits is what an authenticator app shows (RFC 6238, RFC 4226 section 5.3);
// secret is as the page spells it.
func sixDigits(t *testing.T, secret string, at time.Time) string {
	t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(secret, " ", ""))
	if err != nil || len(key) < 20 {
		t.Fatalf("a key of %d bytes, %v", len(key), err)
	}
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, at.Unix()/30) // a hash takes everything
	sum := mac.Sum(nil)
	from := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[from:])&0x7fffffff%1_000_000)
}

// digits is what the app shows now, after the step that was used last is over.
func (s *site) digits(secret string) string {
	s.t.Helper()
	s.wait(30 * time.Second)
	return sixDigits(s.t, secret, s.clock())
}

// wrongDigits fit no step that is good.
func (s *site) wrongDigits(secret string) string {
	s.t.Helper()
	good := map[string]bool{}
	for at := -2; at <= 2; at++ {
		good[sixDigits(s.t, secret, s.clock().Add(time.Duration(at)*30*time.Second))] = true
	}
	for n := 0; ; n++ {
		if code := fmt.Sprintf("%06d", n); !good[code] {
			return code
		}
	}
}

var (
	shownSecret = regexp.MustCompile(`<code id="secret">([^<]+)</code>`)
	shownCode   = regexp.MustCompile(`<li><code><span>([^<]+)</span><span>([^<]+)</span></code></li>`)
)

// secret is the one that a page shows.
func (a *answer) secret(t *testing.T) string {
	t.Helper()
	m := shownSecret.FindStringSubmatch(a.body)
	if m == nil {
		t.Fatalf("%s shows no secret: %d\n%s", a.url, a.StatusCode, a.body)
	}
	return html.UnescapeString(m[1])
}

// codes are the recovery codes that a page shows.
func (a *answer) codes(t *testing.T) (list []string) {
	t.Helper()
	for _, m := range shownCode.FindAllStringSubmatch(a.body, -1) {
		list = append(list, m[1]+m[2])
	}
	if len(list) != 10 {
		t.Fatalf("%s shows %d codes: %d\n%s", a.url, len(list), a.StatusCode, a.body)
	}
	return list
}

// account is the account page, at the portal or in a sidecar.
func (b *browser) account() *answer {
	b.s.t.Helper()
	return b.load(b.s.svc.URL("/account"))
}

// withTOTP is a browser that is signed in and has set up an authenticator app;
// secret is the app's.
func (s *site) withTOTP() (b *browser, secret string) {
	s.t.Helper()
	b = s.browser()
	b.signIn(ada, s.svc.URL("/account"))
	page := b.fill(b.account(), "/account/totp").want(s.t, 200, "Scan this")
	secret = page.secret(s.t)
	b.fill(page, "/account/totp/confirm", "code", s.digits(secret)).want(s.t, 200, "Authenticator app added")
	return b, secret
}

// withCodes makes recovery codes in the browser of somebody who may.
func (b *browser) withCodes() []string {
	b.s.t.Helper()
	return b.fill(b.account(), "/account/recovery-codes").want(b.s.t, 200, "They are shown only now").codes(b.s.t)
}

// firstStep gives the first step of a sign-in that has two, from a page, and
// shows the second.
func (b *browser) firstStep(address, start string) *answer {
	b.s.t.Helper()
	return b.code(b.fill(b.load(start), "/login", "email", address)).want(b.s.t, 200, "One more step")
}

// raw posts fields to a path of the portal from a page of this browser, whatever
// forms the page has. It does not follow.
func (b *browser) raw(page *answer, path string, fields ...string) *answer {
	b.s.t.Helper()
	f := b.form(page, "/language")
	target, err := page.url.Parse(b.s.svc.Base() + path)
	b.s.must(err)
	f.action = target
	f.values.Del("from")
	for ; len(fields) > 1; fields = fields[2:] {
		f.values.Set(fields[0], fields[1])
	}
	return b.sendForm(f)
}

// nowhere fails the test where a secret that was shown once is found again: on a
// page of its owner or of a stranger, in an address, a log line, an audit row or
// the copy of the data.
func (s *site) nowhere(t *testing.T, b *browser, secrets ...string) {
	t.Helper()
	stranger := s.browser()
	places := map[string]string{"the log": s.log.String(), "an address": strings.Join(b.seen, "\n")}
	for _, path := range s.routes("GET") {
		places["GET "+path] = b.send("GET", s.svc.URL(path), "", pageLoad("none")).body
		places["GET "+path+" of a stranger"] = stranger.send("GET", s.svc.URL(path), "", pageLoad("none")).body
	}
	data := b.raw(b.account(), "/account/data")
	if data.StatusCode != http.StatusOK {
		t.Errorf("the data: %d %s", data.StatusCode, data.Header.Get("Location"))
	}
	places["the copy of the data"] = data.body
	for i, r := range s.audits() {
		line, err := json.Marshal(r)
		s.must(err)
		places[fmt.Sprintf("audit row %d, %s", i, r.Type)] = string(line)
	}
	for _, secret := range secrets {
		for _, spelling := range []string{secret, strings.NewReplacer(" ", "", "-", "").Replace(secret)} {
			for place, text := range places {
				if strings.Contains(strings.ToUpper(text), strings.ToUpper(spelling)) {
					t.Errorf("%s holds a secret that was shown once", place)
				}
			}
		}
	}
}

// audits are all audit records, newest first.
func (s *site) audits() (list []*store.AuditRecord) {
	s.t.Helper()
	s.must(s.db.View(context.Background(), func(tx store.Tx) (err error) {
		list, err = tx.ListAudit("", 10_000)
		return err
	}))
	return list
}

// notices are the secrets of the mails that tell what was done, newest first.
func (s *site) notices() (secrets []string) {
	s.t.Helper()
	for _, m := range s.mails() {
		if _, secret, ok := strings.Cut(m.link, "/not-me#"); ok {
			secrets = append(secrets, secret)
		}
	}
	return secrets
}

// user is the stored record.
func (s *site) user(address string) (u *authcore.User) {
	s.t.Helper()
	s.must(s.db.View(context.Background(), func(tx store.Tx) (err error) {
		u, err = tx.UserByEmail(address)
		return err
	}))
	return u
}
