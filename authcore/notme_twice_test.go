package authcore

import (
	"testing"
	"time"
)

// again signs in by mail in the browser that b was, which still has its device
// cookie and has dropped its session.
func (f *fixture) again(addr string, b Browser) Browser {
	f.t.Helper()
	anew := f.newBrowser()
	anew.Device = b.Device
	v, err := f.s.VerifyCode(f.ctx(), f.start(addr, anew).code, anew)
	f.must(err)
	f.keep(v.Token)
	anew.Session, anew.Device = f.live(v.Token), v.Device
	return anew
}

// signInNotices are those that wait.
func (f *fixture) signInNotices() (list []mail) {
	for _, m := range f.notices() {
		if isNoticeOf(m, NoticeSignIn) {
			list = append(list, m)
		}
	}
	return list
}

// Whoever reads the mailbox signs in twice; the second time their browser is a
// known one, and no notice tells of it.
func TestNotMe_EndsWhatTheMailboxOpenedSince(t *testing.T) {
	f := newFixture(t)
	owner, _ := f.signIn(alice)
	token, _ := f.createToken(alice, "", 0)
	f.bearer(token) // it is in the cache from now on
	f.clock.advance(time.Hour)
	f.forgetMails()
	thief, _ := f.signIn(alice)
	f.clock.advance(time.Minute)
	second := f.again(alice, thief)
	app := f.handOver(second.Session, appHost)
	found := f.signInNotices()
	if len(found) != 1 {
		t.Fatalf("%d notices", len(found))
	}
	client := f.apiSignIn(alice, "cli")
	f.clock.advance(time.Minute)
	f.must(f.s.NotMe(f.ctx(), found[0].link, Client{}))
	if f.live(f.tokenOf(thief)) != nil || f.live(f.tokenOf(second)) != nil || f.allowed(appHost, app) {
		t.Error("who signed in twice is still in")
	}
	if l, err := f.s.APISession(f.ctx(), client.SessionToken.Reveal(), ""); err != nil || l != nil {
		t.Errorf("a client that the mailbox opened since is still in: %v", err)
	}
	if f.live(f.tokenOf(owner)) == nil {
		t.Error("what was there before has ended")
	}

	// After the thaw the thief's browser is a stranger: it is told of again.
	f.must(f.s.EnableUser(f.ctx(), "cli", alice))
	if d := f.bearer(token); d.Verdict != Allow {
		t.Errorf("an access token of before is not good: %+v", d)
	}
	f.forgetMails()
	f.again(alice, second)
	if len(f.signInNotices()) != 1 {
		t.Error("the browser counts as known after the thaw")
	}
}
