package authcore

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// intruder is somebody who got into alice's account and added all they can, beside
// what she has.
type intruder struct {
	f                     *fixture
	owner                 Browser // signed in before, with the first passkey
	first, second         *key    // hers, of different sessions
	token                 *store.AccessToken
	b                     Browser // the intruder's
	app                   Token
	planted               *key
	totp                  *authApp
	codes                 []string
	byKey, byTOTP, byCode Browser             // signed in with what was planted
	notices               map[NoticeKind]mail // of what the intruder's session did
}

// intrude makes it all. The intruder signs in with the owner's first passkey.
func intrude(t *testing.T) *intruder {
	f := newFixture(t)
	i := &intruder{f: f, notices: map[NoticeKind]mail{}}
	i.owner, _ = f.signIn(alice)
	i.first = f.addKey(i.owner)
	f.stepUp(&i.owner, i.first)
	_, rec, err := f.s.CreateOwnToken(f.ctx(), i.owner.Session, Grant{App: appHost}, "hers", 0, i.owner.Client)
	f.must(err)
	i.token = rec
	f.clock.advance(time.Hour)
	again := f.keySignIn(i.first)
	i.second = f.addKey(again)
	f.clock.advance(time.Hour)
	f.forgetMails()

	i.b = f.keySignIn(i.first)
	i.app = f.handOver(i.b.Session, appHost)
	f.clock.advance(time.Second)
	i.planted = f.addKey(i.b)
	i.totp = f.giveTOTP(&i.b)
	i.codes = f.printed(i.b)
	_, _, err = f.s.CreateOwnToken(f.ctx(), i.b.Session, Grant{App: appHost}, "theirs", 0, i.b.Client)
	f.must(err)
	f.changeAddress(&i.b, eve)
	for _, m := range f.notices() {
		i.notices[NoticeKind(m.Params[ParamWhat])] = m
	}
	i.byKey = f.keySignIn(i.planted)
	i.byTOTP = f.signInTOTP(eve, i.totp)
	i.byCode = f.finish(f.owe(eve), SecondRecovery, i.codes[0])
	return i
}

// DESIGN §6: each notice of a session ends it, takes back what it added or changed
// and nothing else, and ends who relies on that.
func TestNotMe_TakesBackExactlyWhatTheSessionDid(t *testing.T) {
	for _, kind := range []NoticeKind{NoticeSignIn, NoticePasskeyAdded, NoticeTOTPAdded, NoticeRecoveryMade, NoticeToken, NoticeAddress} {
		t.Run(string(kind), func(t *testing.T) {
			i := intrude(t)
			f := i.f
			f.must(f.s.NotMe(f.ctx(), i.notices[kind].link, Client{}))
			for name, b := range map[string]Browser{"the intruder": i.b, "their passkey": i.byKey, "their TOTP": i.byTOTP, "their recovery code": i.byCode} {
				if f.live(f.tokenOf(b)) != nil {
					t.Errorf("%s is signed in still", name)
				}
			}
			if f.allowed(appHost, i.app) {
				t.Error("the intruder's app session is good")
			}
			if f.live(f.tokenOf(i.owner)) == nil {
				t.Error("the owner was signed out")
			}
			u := f.user(alice)
			if u.TOTP != nil || u.Recovery != nil || u.Freeze == nil || !u.Freeze.Since.Equal(i.b.Session.Session.CreatedAt) {
				t.Errorf("the user is %+v", u)
			}
			keys, err := f.s.Passkeys(f.ctx(), u)
			f.must(err)
			if len(keys) != 2 || string(keys[0].ID) != string(i.first.cred.ID) || string(keys[1].ID) != string(i.second.cred.ID) {
				t.Errorf("%d passkeys are left", len(keys))
			}
			tokens, err := f.s.OwnTokens(f.ctx(), u)
			f.must(err)
			if len(tokens) != 1 || tokens[0].ID != i.token.ID {
				t.Errorf("the access tokens are %+v", tokens)
			}
			if a := f.audit(evNotMe); len(a) != 1 || a[0].Subject != u.ID || a[0].Details["what"] != string(kind) {
				t.Errorf("the audit log has %+v", a)
			}
			f.keySignIn(i.second)
		})
	}
}

// Who pressed may be the wrong one of two: both mailboxes learn of it, and how it
// ends. Neither gets anything that signs in or takes back.
func TestNotMe_TellsTheMailboxOfNowAndOfBefore(t *testing.T) {
	i := intrude(t)
	f := i.f
	f.forgetMails()
	f.must(f.s.NotMe(f.ctx(), i.notices[NoticeAddress].link, Client{UserAgent: "Phone/2"}))
	told := map[string]bool{}
	for _, m := range f.queued() {
		told[m.To] = true
		if !isNoticeOf(m, NoticeNotMe) || m.Params[ParamEmail] != alice || m.Params[ParamAgent] != "Phone/2" || m.code != "" || f.secretLink(m) != portalOrigin+"/login" {
			t.Errorf("the mail is %+v", m.Message)
		}
	}
	if len(f.queued()) != 2 || !told[alice] || !told[eve] {
		t.Errorf("%d mails, to %v", len(f.queued()), told)
	}
}

// Another session's notice leaves it alone.
func TestNotMe_LeavesOtherSessionsAlone(t *testing.T) {
	i := intrude(t)
	f := i.f
	f.forgetMails()
	stranger := f.keySignIn(i.first)
	f.must(f.s.NotMe(f.ctx(), f.notices()[0].link, Client{}))
	if f.live(f.tokenOf(stranger)) != nil {
		t.Error("the session that the notice is about is live")
	}
	told := slices.DeleteFunc(f.notices(), func(m mail) bool { return !isNoticeOf(m, NoticeNotMe) })
	if len(told) != 1 || told[0].To != eve {
		t.Errorf("%d mailboxes are told of the press", len(told))
	}
	if u := f.user(eve); u.TOTP == nil || u.Recovery == nil || f.live(f.tokenOf(i.b)) == nil {
		t.Errorf("another session's acts were undone: %+v", u)
	}
}

func TestNotMe_LinkWorksOnceAndForAWeek(t *testing.T) {
	f := newFixture(t)
	b, _, _ := f.owned()
	f.addKey(b)
	link := f.notices()[0].link
	for range 2 { // ML-4: looking uses nothing up
		_, err := f.s.PeekNotice(f.ctx(), link)
		f.must(err)
	}
	if won := f.race(func(int) error { return f.s.NotMe(f.ctx(), link, Client{}) }); won != 1 || len(f.audit(evNotMe)) != 1 {
		t.Errorf("%d of 50 clicks did something", won)
	}
	_, err := f.s.PeekNotice(f.ctx(), link)
	f.refused(err, LinkInvalid)

	for range 3 { // the first of an account is told to nobody
		f.signIn(bob)
	}
	var links []string
	for _, m := range f.notices() {
		if m.To == bob {
			links = append(links, m.link)
		}
	}
	f.clock.advance(noticeTTL)
	f.must(f.s.NotMe(f.ctx(), links[0], Client{}))
	f.clock.advance(time.Second)
	_, err = f.s.PeekNotice(f.ctx(), links[1])
	f.refused(err, LinkInvalid)
	f.refused(f.s.NotMe(f.ctx(), links[1], Client{}), LinkInvalid)
	for _, raw := range []string{"", "x", strings.Repeat("A", 43)} {
		f.refused(f.s.NotMe(f.ctx(), raw, Client{}), LinkInvalid)
		_, err = f.s.PeekNotice(f.ctx(), raw)
		f.refused(err, LinkInvalid)
	}
}

func TestNotMe_OfAUserWhoIsGoneOrDisabled(t *testing.T) {
	f := newFixture(t)
	f.signIn(alice)
	f.signIn(alice)
	f.must(f.s.DisableUser(f.ctx(), "cli", alice))
	f.must(f.s.NotMe(f.ctx(), f.notices()[0].link, Client{}))
	if u := f.user(alice); !u.Disabled || u.Freeze == nil {
		t.Errorf("the user is %+v", u)
	}
	f.signIn(bob)
	f.signIn(bob)
	link := f.notices()[0].link
	f.must(f.s.DeleteUser(f.ctx(), "cli", bob))
	_, err := f.s.PeekNotice(f.ctx(), link)
	f.refused(err, LinkInvalid)
	f.refused(f.s.NotMe(f.ctx(), link, Client{}), LinkInvalid)
}

// SE-5: what had begun before is over.
func TestNotMe_KillsWhatIsPending_SE5(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	f.clock.advance(time.Minute)
	f.signIn(alice)
	pending := f.newBrowser()
	m := f.start(alice, pending)
	link, err := f.s.HandOut(f.ctx(), "cli", alice)
	f.must(err)
	e, err := f.s.BeginTOTP(f.ctx(), b.Session)
	f.must(err)
	nonce, _ := f.s.NewToken()
	ticket := f.ticket(b.Session, appHost, nonce)
	for _, n := range f.notices() {
		if isNoticeOf(n, NoticeSignIn) {
			f.must(f.s.NotMe(f.ctx(), n.link, Client{}))
		}
	}
	_, err = f.s.VerifyCode(f.ctx(), m.code, pending)
	f.refused(err, FlowExpired)
	_, err = f.s.AcceptInvite(f.ctx(), urlOf(t, link).Fragment, f.newBrowser())
	f.refused(err, InviteInvalid)
	_, err = f.s.RedeemTicket(f.ctx(), f.app(appHost), ticket, nonce, Client{})
	f.refused(err, HandoverFailed)
	f.must(f.s.EnableUser(f.ctx(), "cli", alice)) // thawed
	_, err = f.s.ConfirmTOTP(f.ctx(), b.Session, f.code(f.scan(e), 0), b.Client)
	f.refused(err, FlowExpired)
}

// The link of a hand-out ends what the handed-out link began, and the link itself
// if nobody used it.
func TestNotMe_OfAHandOutEndsWhatItBegan(t *testing.T) {
	f := newFixture(t)
	owner, _ := f.signIn(alice)
	hers := f.addKey(owner)
	before := f.accept(f.handOut(alice), f.newBrowser()) // one that was hers
	f.forgetMails()
	f.clock.advance(time.Hour)
	link, err := f.s.HandOut(f.ctx(), "cli", alice)
	f.must(err)
	f.clock.advance(time.Minute)
	in, err := f.s.AcceptInvite(f.ctx(), urlOf(t, link).Fragment, f.newBrowser())
	f.must(err)
	b := Browser{Session: f.live(in.Token), Flow: f.newBrowser().Flow}
	f.addKey(b)
	for _, n := range f.notices() {
		if isNoticeOf(n, NoticeHandOut) {
			f.must(f.s.NotMe(f.ctx(), n.link, Client{}))
		}
	}
	keys, err := f.s.Passkeys(f.ctx(), f.user(alice))
	f.must(err)
	if f.live(in.Token) != nil || len(keys) != 1 || string(keys[0].ID) != string(hers.cred.ID) {
		t.Errorf("it is signed in: %v, with %d passkeys", f.live(in.Token) != nil, len(keys))
	}
	if f.live(f.tokenOf(owner)) == nil || f.live(f.tokenOf(before)) == nil {
		t.Error("the owner was signed out")
	}
}
