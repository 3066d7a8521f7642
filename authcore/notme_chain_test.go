package authcore

import (
	"strings"
	"testing"
	"time"
)

// chain is an intruder in alice's account who goes on with what they planted: what
// hangs on that goes with it, or "that was not me" leaves them inside. The
// session in between may have ended, and its passkey may be gone, by then.
type chain struct {
	f       *fixture
	owner   *key
	notice  mail // of what the first session did
	planted *key // by the last session
	last    Browser
}

func (c *chain) wantOut() {
	c.f.t.Helper()
	f := c.f
	f.must(f.s.NotMe(f.ctx(), c.notice.link, Client{}))
	if f.live(f.tokenOf(c.last)) != nil {
		f.t.Error("who came in by what was planted is signed in still")
	}
	b := f.newBrowser()
	ceremony, err := f.s.BeginPasskey(f.ctx(), b)
	f.must(err)
	_, err = f.s.FinishPasskey(f.ctx(), ceremony.ID.Reveal(), f.assert(c.planted, ceremony), b)
	f.refused(err, CredentialUnknown)
	u := f.user(alice)
	if tokens, err := f.s.OwnTokens(f.ctx(), u); err != nil || len(tokens) != 0 || u.TOTP != nil || u.Recovery != nil {
		f.t.Errorf("left are the tokens %+v, %v; %+v", tokens, err, u)
	}
	f.keySignIn(c.owner)
}

// dig adds what a session can, and answers the passkey.
func (f *fixture) dig(b *Browser) *key {
	f.t.Helper()
	k := f.addKey(*b)
	f.giveTOTP(b)
	f.printed(*b)
	_, _, err := f.s.CreateOwnToken(f.ctx(), b.Session, Grant{App: appHost}, "", 0, b.Client)
	f.must(err)
	return k
}

func newChain(t *testing.T) (*chain, Browser) {
	f := newFixture(t)
	c := &chain{f: f, owner: f.givePasskey(alice)}
	f.clock.advance(time.Hour)
	f.forgetMails()
	return c, f.keySignIn(c.owner)
}

func TestNotMe_TakesBackWhatHangsOnAPlantedPasskey(t *testing.T) {
	for _, ended := range []bool{false, true} {
		c, b := newChain(t)
		f := c.f
		f.forgetMails()
		first := f.addKey(b)
		c.notice = f.notices()[0]
		second := f.keySignIn(first)
		third := f.addKey(second)
		c.last = f.keySignIn(third)
		if ended { // the links in between are gone
			f.must(f.s.SignOut(f.ctx(), second))
			f.must(f.s.RemovePasskey(f.ctx(), c.last.Session, first.cred.ID, Client{}))
		}
		c.planted = f.dig(&c.last)
		c.wantOut()
	}
}

// The session that a hand-out link began may have ended as well.
func TestNotMe_TakesBackWhatHangsOnAHandOutLink(t *testing.T) {
	c, _ := newChain(t)
	f := c.f
	f.forgetMails()
	link, err := f.s.HandOut(f.ctx(), "host", alice)
	f.must(err)
	c.notice = f.notices()[0]
	_, raw, _ := strings.Cut(link, "#")
	b := f.newBrowser()
	in, err := f.s.AcceptInvite(f.ctx(), raw, b)
	f.must(err)
	b.Session = f.live(in.Token)
	stays := f.addKey(b)
	f.must(f.s.SignOut(f.ctx(), b))
	c.last = f.keySignIn(stays)
	c.planted = f.dig(&c.last)
	c.wantOut()
}

// What the owner added before, and by what was there before, stays.
func TestNotMe_LeavesWhatHangsOnNothingOfTheCulprit(t *testing.T) {
	c, b := newChain(t)
	f := c.f
	f.forgetMails()
	f.addKey(b)
	link := f.notices()[0].link
	mine := f.keySignIn(c.owner)
	own := f.addKey(mine)
	mine = f.keySignIn(own)
	f.giveTOTP(&mine)
	f.must(f.s.NotMe(f.ctx(), link, Client{}))
	if u := f.user(alice); u.TOTP == nil || f.live(f.tokenOf(mine)) == nil {
		t.Errorf("the owner lost something: %+v", u)
	}
	f.keySignIn(own)
}

func TestNotMe_TakesBackWhatHangsOnAChangedAddress_EM6(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	var link string
	f.clock.advance(time.Minute)
	f.changeAddress(&b, eve)
	for _, m := range f.notices() {
		if isNoticeOf(m, NoticeAddress) {
			link = m.link
		}
	}
	last, _ := f.signIn(eve)
	stays := f.addKey(last)
	last = f.keySignIn(stays)
	f.dig(&last)
	f.must(f.s.NotMe(f.ctx(), link, Client{}))
	if f.live(f.tokenOf(last)) != nil {
		t.Error("who came in by the changed address is signed in still")
	}
	u := f.user(alice)
	if keys, err := f.s.Passkeys(f.ctx(), u); err != nil || len(keys) != 0 || u.TOTP != nil || u.Recovery != nil {
		t.Errorf("%d passkeys are left, %v; %+v", len(keys), err, u)
	}
	f.signIn(alice)
}
