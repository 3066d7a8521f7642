package portal

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // RFC 6238 has it
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/store"
)

const (
	spaURL  = "https://spa.example.com"
	bankURL = "https://bank.example.com"
)

func twoClients(c *authcore.Config) {
	c.Clients = []authcore.APIClient{
		{ID: "spa", Title: "Example Web", Origins: []string{spaURL}},
		{ID: "bank", Title: "Example Bank", Origins: []string{bankURL}, Audience: "https://api.bank.example.com"},
	}
}

// program is a client of the API; origin is the page it runs in, if any.
type program struct {
	*browser
	origin string
}

func (s *site) program() program { return program{s.browser(), ""} }

// call sends a request as a careful client would. body is JSON, or "".
func (p program) call(method, path, body, bearer string) *answer {
	p.s.t.Helper()
	return p.callWith(method, path, body, bearer, nil)
}

func (p program) callWith(method, path, body, bearer string, header map[string]string) *answer {
	p.s.t.Helper()
	h := map[string]string{"Origin": p.origin}
	if body != "" {
		h["Content-Type"] = "application/json"
	}
	if bearer != "" {
		h["Authorization"] = "Bearer " + bearer
	}
	for k, v := range header {
		h[k] = v
	}
	return p.send(method, portalURL+path, body, h)
}

// send is browser.send, held against the API's document.
func (p program) send(method, target, body string, header map[string]string) *answer {
	p.s.t.Helper()
	a := p.browser.send(method, target, body, header)
	if strings.HasPrefix(a.url.Path, apiPrefix) {
		p.s.contract().check(p.s.t, method, body, a, p.s.shown.note)
	}
	return a
}

func doc(pairs ...string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	b, _ := json.Marshal(m) // strings marshal
	return string(b)
}

// into reads an answer into a document.
func (a *answer) into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), v); err != nil {
		t.Fatalf("%s answers %d %q: %v", a.url, a.StatusCode, a.body, err)
	}
}

// text is a member of an answer.
func (a *answer) text(t *testing.T, name string) string {
	t.Helper()
	s, _ := a.json(t)[name].(string)
	if s == "" {
		t.Fatalf("%s answers no %s: %s", a.url, name, a.body)
	}
	return s
}

// start begins a sign-in by mail and answers its flow.
func (p program) start(address, client string) string {
	p.s.t.Helper()
	return p.call("POST", "/api/login/email", doc("email", address, "client_id", client), "").want(p.s.t, 202, "code_length").text(p.s.t, "flow")
}

// verify types the newest mail's code.
func (p program) verify(flow string) *answer {
	p.s.t.Helper()
	return p.call("POST", "/api/login/email/verify", doc("flow", flow, "code", p.s.codes()[0]), "")
}

func (p program) signIn(t *testing.T, address, client string) tokensDoc {
	t.Helper()
	var tokens tokensDoc
	p.verify(p.start(address, client)).want(t, 200, "access_token").into(t, &tokens)
	return tokens
}

// codes are those that were mailed, the newest first.
func (s *site) codes() (list []string) {
	s.t.Helper()
	for _, m := range s.mails() {
		if m.code != "" {
			list = append(list, m.code)
		}
	}
	if list == nil {
		s.t.Fatal("no code was mailed")
	}
	return list
}

// second goes as far as the second step of a sign-in by mail.
func (p program) second(t *testing.T, address, client string) string {
	t.Helper()
	return p.verify(p.start(address, client)).want(t, 202, `"next":"`).text(t, "flow")
}

// authenticator makes a passkey of the page that the program runs in.
func (p program) authenticator() *authenticator {
	k := newAuthenticator()
	if p.origin != "" {
		k.rp.Origin = p.origin
	}
	return k
}

// addKey registers a passkey.
func (p program) addKey(t *testing.T, k *authenticator, bearer string) *answer {
	t.Helper()
	c := p.call("POST", "/api/passkeys/options", "{}", bearer).want(t, 200, "challenge").ceremony(t)
	return p.call("POST", "/api/passkeys", credential(c, k.create(t, c)), bearer)
}

// credential is the result of a ceremony.
func credential(c ceremony, made string) string {
	b, _ := json.Marshal(map[string]any{"flow": c.Flow, "credential": json.RawMessage(made)}) // it is JSON
	return string(b)
}

// keyOptions begins a sign-in by passkey.
func (p program) keyOptions(t *testing.T, client string) ceremony {
	t.Helper()
	return p.call("POST", "/api/login/passkey/options", doc("client_id", client), "").want(t, 200, "challenge").ceremony(t)
}

func (p program) keySignIn(t *testing.T, k *authenticator, client string) tokensDoc {
	t.Helper()
	c := p.keyOptions(t, client)
	var tokens tokensDoc
	p.call("POST", "/api/login/passkey", credential(c, k.get(t, c)), "").want(t, 200, "access_token").into(t, &tokens)
	return tokens
}

// phone is an authenticator app: RFC 6238, written here once more.
type phone struct{ secret string }

// code is what it shows at a time.
func (f phone) code(t testing.TB, now time.Time) string {
	t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(f.secret)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, uint64(now.Unix()/30)) // a hash takes everything
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}

// next waits for a code that was not shown yet.
func (s *site) next(f phone) string {
	s.t.Helper()
	s.wait(30 * time.Second)
	return f.code(s.t, s.clock())
}

// addPhone enrols an authenticator app, and answers the session's new token.
func (p program) addPhone(t *testing.T, bearer string) (phone, string) {
	t.Helper()
	f := phone{p.call("POST", "/api/totp", "{}", bearer).want(t, 200, "otpauth://totp/").text(t, "secret")}
	return f, p.call("POST", "/api/totp/confirm", doc("code", p.s.next(f)), bearer).want(t, 200, "").text(t, "session_token")
}

// makeCodes makes recovery codes.
func (p program) makeCodes(t *testing.T, bearer string) []string {
	t.Helper()
	var codes codesDoc
	p.call("POST", "/api/recovery-codes", "{}", bearer).want(t, 201, "").into(t, &codes)
	return codes.Codes
}

// recovered is somebody who has an authenticator app and lost it: signed in by
// mail and a recovery code.
func (p program) recovered(t *testing.T, address string) tokensDoc {
	t.Helper()
	_, bearer := p.addPhone(t, p.signIn(t, address, "spa").SessionToken)
	codes := p.makeCodes(t, bearer)
	var tokens tokensDoc
	p.call("POST", "/api/login/recovery", doc("flow", p.second(t, address, "spa"), "code", codes[0]), "").want(t, 200, `"next":"passkey"`).into(t, &tokens)
	return tokens
}

// change alters a user's record behind the server's back, as only time or an
// operator could.
func (s *site) change(address string, alter func(*store.User)) {
	s.t.Helper()
	s.must(s.db.Update(context.Background(), func(tx store.Tx) error {
		u, err := tx.UserByEmail(address)
		if err != nil {
			return err
		}
		alter(u)
		return tx.PutUser(u)
	}))
}

// spareKeys gives a user so many passkeys that nobody has.
func (s *site) spareKeys(address string, n int) {
	s.t.Helper()
	s.must(s.db.Update(context.Background(), func(tx store.Tx) error {
		u, err := tx.UserByEmail(address)
		if err != nil {
			return err
		}
		for i := range n {
			err := tx.PutPasskey(&store.Passkey{
				ID: fmt.Appendf(nil, "spare %d", i), UserID: u.ID, Name: "Spare", Credential: []byte(`{"id":"c3BhcmU="}`),
				AAGUID: make([]byte, 16), CreatedAt: s.clock(), RPID: "auth.example.com",
			})
			if err != nil {
				return err
			}
		}
		return nil
	}))
}
