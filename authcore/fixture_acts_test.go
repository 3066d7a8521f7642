package authcore

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// What people do with a fixture.

// newBrowser is a browser that holds a flow cookie and nothing else.
func (f *fixture) newBrowser() Browser {
	f.t.Helper()
	flow, err := f.s.NewToken()
	f.must(err)
	return Browser{Client: Client{IP: netip.MustParseAddr("192.0.2.7"), UserAgent: "Browser/1"}, Flow: flow}
}

// addUser makes a user the way an operator does.
func (f *fixture) addUser(addr string, groups ...string) *store.User {
	f.t.Helper()
	u, err := f.s.AddUser(f.ctx(), "cli", NewUser{Email: addr, Groups: groups})
	f.must(err)
	return u
}

func (f *fixture) user(addr string) *store.User {
	f.t.Helper()
	u, err := f.s.FindUser(f.ctx(), addr)
	f.must(err)
	return u
}

// mail is what a queued message carries.
type mail struct {
	*store.Message
	code string
	link string // the token behind the "#"
}

// mails lists the queued messages that are no notices, newest first.
func (f *fixture) mails() []mail {
	return slices.DeleteFunc(f.queued(), isNotice)
}

// notices lists those that are.
func (f *fixture) notices() []mail {
	return slices.DeleteFunc(f.queued(), func(m mail) bool { return !isNotice(m) })
}

func isNotice(m mail) bool { return m.Template == TemplateNotice }

func isNoticeOf(m mail, kind NoticeKind) bool {
	return isNotice(m) && m.Params[ParamWhat] == string(kind)
}

func (f *fixture) queued() []mail {
	f.t.Helper()
	var out []mail
	f.must(f.store.View(f.ctx(), func(tx store.Tx) error {
		list, err := tx.ListMessages("", "", 1000)
		for _, m := range list {
			if m.Kind == store.DecoyMessage {
				continue // nobody gets it
			}
			secrets, err := f.rt.OpenSecrets(m)
			if err != nil {
				return err
			}
			_, link, _ := strings.Cut(secrets[SecretLink], "#")
			out = append(out, mail{m, secrets[SecretCode], link})
		}
		return err
	}))
	return out
}

// lastMail takes the newest message that is no notice out of the queue.
func (f *fixture) lastMail() mail {
	f.t.Helper()
	all := f.mails()
	if len(all) == 0 {
		f.t.Fatal("no mail was queued")
	}
	f.must(f.store.Update(f.ctx(), func(tx store.Tx) error { return tx.DeleteMessage(all[0].ID) }))
	return all[0]
}

// start asks for a mail in a browser and answers it.
func (f *fixture) start(addr string, b Browser) mail {
	f.t.Helper()
	_, err := f.s.StartEmail(f.ctx(), StartEmail{Address: addr, Browser: b})
	f.must(err)
	return f.lastMail()
}

// signIn signs a browser in by e-mail and answers it with its cookies.
func (f *fixture) signIn(addr string) (Browser, *SignedIn) {
	f.t.Helper()
	b := f.newBrowser()
	m := f.start(addr, b)
	v, err := f.s.VerifyCode(f.ctx(), m.code, b)
	f.must(err)
	b.Device = v.Device
	b.Session = f.live(v.Token)
	f.keep(v.Token)
	if b.Session == nil {
		f.t.Fatal("the new session is not live")
	}
	return b, v.SignedIn
}

// live is the root session of a token, or nil.
func (f *fixture) live(token Token) *Live {
	f.t.Helper()
	l, _, err := f.s.Current(f.ctx(), f.cookies(f.s.Portal(), token))
	f.must(err)
	return l
}

func (f *fixture) cookies(o Origin, token Token) []string {
	return []string{f.s.SessionCookie(o) + "=" + token.Reveal()}
}

// check is a request to an app host.
func (f *fixture) check(host, path string, token Token) Decision {
	return f.s.Check(f.ctx(), &Request{Host: host, Path: path, Here: path, Cookies: f.cookies(f.app(host).Origin, token)})
}

// allowed reports whether the app lets the token in as somebody.
func (f *fixture) allowed(host string, token Token) bool {
	d := f.check(host, "/", token)
	return d.Verdict == Allow && d.Identity != nil
}

// ticket is a hand-over of a root session up to the callback.
func (f *fixture) ticket(l *Live, host string, nonce Token) string {
	f.t.Helper()
	sealed, err := f.s.SealReturn(f.app(host), Return{Path: "/page?x=1", Tries: 0}, nonce)
	f.must(err)
	r, app := f.s.OpenReturn(sealed)
	if r == nil {
		f.t.Fatal("the return state does not open")
	}
	target, err := f.s.IssueTicket(f.ctx(), l, r, app)
	f.must(err)
	_, raw, ok := strings.Cut(target, "/.auth/callback?ticket=")
	if !ok {
		f.t.Fatalf("callback is %q", target)
	}
	return raw
}

// handOver gives an app host a session of its own.
func (f *fixture) handOver(l *Live, host string) Token {
	f.t.Helper()
	nonce, err := f.s.NewToken()
	f.must(err)
	got, err := f.s.RedeemTicket(f.ctx(), f.app(host), f.ticket(l, host, nonce), nonce, Client{})
	f.must(err)
	return got.Token
}

// apiSignIn signs a client in by a mailed code.
func (f *fixture) apiSignIn(addr, client string) *Tokens {
	f.t.Helper()
	return f.apiSignInFrom(addr, client, Client{})
}

func (f *fixture) apiSignInFrom(addr, client string, from Client) *Tokens {
	f.t.Helper()
	got, err := f.s.StartEmail(f.ctx(), StartEmail{Address: addr, Client: f.s.Client(client)})
	f.must(err)
	v, err := f.s.VerifyAPICode(f.ctx(), got.Flow, f.lastMail().code, "", from)
	f.must(err)
	tokens := v.API
	return tokens
}

// audit lists records of a type, newest first.
func (f *fixture) audit(typ string) []*store.AuditRecord {
	f.t.Helper()
	var out []*store.AuditRecord
	f.must(f.store.View(f.ctx(), func(tx store.Tx) error {
		all, err := tx.ListAudit("", 10_000)
		for _, r := range all {
			if r.Type == typ {
				out = append(out, r)
			}
		}
		return err
	}))
	return out
}

// keep remembers a session's token, which no record holds.
func (f *fixture) keep(token Token) { f.tokens.Store(store.Hash(token.Hash()), token) }

// tokenOf is the session cookie of a browser that the fixture signed in.
func (f *fixture) tokenOf(b Browser) Token {
	f.t.Helper()
	token, ok := f.tokens.Load(b.Session.Session.Hash)
	if !ok {
		f.t.Fatal("the browser was not signed in by the fixture")
	}
	return token.(Token)
}
