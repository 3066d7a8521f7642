package authcore

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore/ratelimit"
	"github.com/passwordless-auth/passwordless-auth/store"
	"github.com/passwordless-auth/passwordless-auth/store/bolt/bolttest"
)

// TestGuessBudget computes from the limits what an online guesser reaches on
// one account in a day (EC-3): at most 1e-4, for every configuration that is
// accepted, and at most 100 wrong codes in a row.
func TestGuessBudget(t *testing.T) {
	const codes = 1e8 // eight digits
	type limit struct {
		mails int
		per   time.Duration
	}
	configured := func(l limit) (Config, error) {
		return Config{Portal: originOf(t, portalOrigin), MailsPerAddress: l.mails, MailsPer: l.per}.withDefaults()
	}
	for _, l := range []limit{{0, 0}, {80, time.Hour}, {1, 45 * time.Second}, {40, 30 * time.Minute}, {1000, 24 * time.Hour}} {
		c, err := configured(l)
		if err != nil {
			t.Fatalf("%v: %v", l, err)
		}
		flows, window := 0, c.MailsPer
		for at := -window + 1; at < 24*time.Hour; at += window { // the worst day begins where a window ends
			flows += c.MailsPerAddress
		}
		if p := float64(flows*maxCodeTries) / codes; p > 1e-4 {
			t.Errorf("%d mails per %v: a guesser succeeds with %.3g a day", c.MailsPerAddress, window, p)
		}
	}
	for _, l := range []limit{
		{81, time.Hour}, {2, time.Minute}, {1920, 24 * time.Hour}, {10, -time.Hour}, {-1, 0}, {1, time.Nanosecond}, {math.MaxInt, time.Hour},
	} {
		if c, err := configured(l); err == nil {
			t.Errorf("%d mails per %v are accepted", c.MailsPerAddress, c.MailsPer)
		}
	}
	if maxWrongCodes > 100 {
		t.Error("NIST SP 800-63B: at most 100 failures in a row")
	}
}

// TestGuessBudget_Guesser plays the guesser for some hours: it starts as many flows
// as it can, uses every try, and counts how many codes were compared.
func TestGuessBudget_Guesser(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	compared := 0
	for hour := range 4 {
		for i := range f.s.cfg.MailsPerAddress + 5 {
			b := f.newBrowser()
			b.IP = netip.AddrFrom4([4]byte{198, 51, byte(hour), byte(i)})
			if _, err := f.s.StartEmail(f.ctx(), StartEmail{Address: alice, Browser: b}); err != nil {
				t.Fatal(err)
			}
			real := false
			for _, m := range f.mails() {
				real = real || m.code != ""
			}
			for range maxCodeTries {
				_, err := f.s.VerifyCode(f.ctx(), "00000000", b)
				if _, refused := AsRefusal(err); !refused {
					t.Fatal("the guess was right, or the store failed: ", err)
				}
				if real {
					compared++
				}
			}
			f.dropMails()
		}
		f.clock.advance(time.Hour)
	}
	if compared > maxWrongCodes || compared < maxCodeTries*f.s.cfg.MailsPerAddress {
		t.Errorf("%d guesses were compared with a code that a mail carried, want at most %d in a row", compared, maxWrongCodes)
	}
}

func (f *fixture) dropMails() {
	f.t.Helper()
	all := f.mails()
	f.must(f.store.Update(f.ctx(), func(tx store.Tx) error {
		for _, m := range all {
			if err := tx.DeleteMessage(m.ID); err != nil {
				return err
			}
		}
		return nil
	}))
}

// mailed reports whether a start in this browser sends a mail.
func (f *fixture) mailed(addr string, b Browser) bool {
	f.t.Helper()
	_, err := f.s.StartEmail(f.ctx(), StartEmail{Address: addr, Browser: b})
	f.must(err)
	n := len(f.mails())
	f.dropMails()
	return n > 0
}

func TestMailBudget_PerAddress_EC4(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	for i := range 10 {
		if !f.mailed(alice, f.newBrowser()) {
			t.Fatalf("mail %d is not sent", i+1)
		}
	}
	if f.mailed("ALICE@example.com", f.newBrowser()) {
		t.Error("RL-2: the eleventh is sent, in another spelling and from another browser")
	}
	if !f.mailed(bob, f.newBrowser()) {
		t.Error("another address is throttled too")
	}
	if len(f.audit(evRateLimited)) != 1 {
		t.Error("the audit log does not know")
	}
	f.clock.advance(time.Hour)
	if !f.mailed(alice, f.newBrowser()) {
		t.Error("after the hour none is sent")
	}
}

func TestMailBudget_StrangersCannotUseUpTheOwners_RL5(t *testing.T) {
	f := newFixture(t)
	owner, _ := f.signIn(alice)
	f.clock.advance(2 * time.Hour)
	f.dropMails()
	owner.Session = nil
	for f.mailed(alice, f.newBrowser()) {
	}
	f.must(f.store.Update(f.ctx(), func(tx store.Tx) error {
		_, err := tx.AddCounter("mail/all", mailsGlobal, f.s.Now(), time.Hour)
		return err
	}))
	if !f.mailed(alice, owner) {
		t.Error("a browser that signed this user in before gets no mail")
	}
	stranger := f.newBrowser()
	stranger.Device = owner.Device
	if f.mailed(bob, stranger) {
		t.Error("a device of alice's counts as one of bob's")
	}
	f.must(f.s.SignOutUser(f.ctx(), "cli", alice))
	if f.mailed(alice, owner) {
		t.Error("after signing out everywhere the browser is still known")
	}
}

func TestMailBudget_PerSourceAndItsNetwork_RL1(t *testing.T) {
	for name, ips := range map[string]func(i int) string{
		"one address":          func(int) string { return "203.0.113.9" },
		"its mapped spelling":  func(i int) string { return []string{"203.0.113.9", "::ffff:203.0.113.9"}[i%2] },
		"one /64":              func(i int) string { return fmt.Sprintf("2001:db8:1:2::%x", i+1) },
		"one /56, many /64":    func(i int) string { return fmt.Sprintf("2001:db8:1:%x::1", i%256) },
		"one /48, many /56":    func(i int) string { return fmt.Sprintf("2001:db8:1:%x::1", i<<8) },
		"nobody knows whence":  nil,
		"loopback (no excuse)": func(int) string { return "127.0.0.1" },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			limit := mailsPerSource
			switch name {
			case "one /56, many /64":
				limit *= ratelimit.WiderFactor
			case "one /48, many /56":
				limit *= ratelimit.WiderFactor * ratelimit.WiderFactor
			}
			sent := 0
			for i := range limit + 5 {
				b := f.newBrowser()
				b.IP = netip.Addr{}
				if ips != nil {
					b.IP = netip.MustParseAddr(ips(i))
				}
				if f.mailed(fmt.Sprintf("user%d@example.com", i), b) {
					sent++
				}
			}
			if sent != limit {
				t.Errorf("%d mails were sent, want %d", sent, limit)
			}
			if !f.mailed("other@example.com", f.newBrowser()) {
				t.Error("another source is throttled too")
			}
		})
	}
}

// Who is over its own budget spends nobody else's: one source silences six
// mailboxes an hour, however long it goes on.
func TestMailBudget_AnExhaustedSourceCostsTheVictimNothing_RL5(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	for i := range mailsPerSource {
		f.mailed(fmt.Sprintf("user%d@example.com", i), f.newBrowser())
	}
	for range 2 * f.s.cfg.MailsPerAddress {
		if f.mailed(alice, f.newBrowser()) {
			t.Fatal("the source is not used up")
		}
	}
	victim := f.newBrowser()
	victim.IP = netip.MustParseAddr("198.51.100.1")
	if !f.mailed(alice, victim) {
		t.Error("the address is used up by mails that were not sent")
	}
}

func TestMailBudget_WhoIsSignedInIsNoStranger_RL5(t *testing.T) {
	f := newFixture(t)
	b, _ := f.signIn(alice)
	for f.mailed(alice, f.newBrowser()) {
	}
	b.Device = ""
	_, err := f.s.StartEmail(f.ctx(), StartEmail{Browser: b, StepUp: true})
	f.must(err)
	if len(f.mails()) != 1 {
		t.Error("strangers keep a signed-in person from confirming")
	}
	if f.mailed(bob, b); len(f.mails()) != 0 {
		t.Error("a session of alice's counts for bob")
	}
}

// An office behind one address: strangers there share a budget, and who signed
// in before is not held back by it.
func TestMailBudget_KnownBrowsersDoNotShareTheirSources(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	owner, _ := f.signIn(alice)
	owner.Session = nil
	for i := range mailsPerSource {
		f.mailed(fmt.Sprintf("user%d@example.com", i), f.newBrowser())
	}
	if f.mailed(bob, f.newBrowser()) {
		t.Error("the source is not used up")
	}
	if !f.mailed(alice, owner) {
		t.Error("a known browser at that source gets no mail")
	}
}

// RL-5: a subscriber who is over its limit uses up nothing of the network that
// others share, however long it goes on.
func TestSource_OneSubscriberCannotLockOutItsNetwork_RL5(t *testing.T) {
	f := newFixture(t)
	flood, neighbour := f.newBrowser(), f.newBrowser()
	flood.IP, neighbour.IP = netip.MustParseAddr("2001:db8:1:2::3"), netip.MustParseAddr("2001:db8:1:3::3")
	for i := range 3 * mailsPerSource {
		f.mailed(fmt.Sprintf("user%d@example.com", i), flood)
		f.s.AllowRequest(f.ctx(), flood.Client)
	}
	if !f.mailed(alice, neighbour) {
		t.Error("a neighbour gets no mail")
	}
	if _, ok := f.s.AllowRequest(f.ctx(), neighbour.Client); !ok {
		t.Error("a neighbour's requests are refused")
	}
	f.clock.advance(pendingWindow)
	for range 5 * pendingPerSource {
		_, _ = f.s.BeginPasskey(f.ctx(), flood)
	}
	_, err := f.s.BeginPasskey(f.ctx(), neighbour)
	f.must(err)
}

// DS-2: what is over its budget is not even queued, so that a stranger cannot
// fill the queue that everybody's mail is in.
func TestMailBudget_OverItNothingIsQueued_DS2(t *testing.T) {
	f := newFixture(t)
	for range 5 * f.s.cfg.MailsPerAddress {
		_, err := f.s.StartEmail(f.ctx(), StartEmail{Address: alice, Browser: f.newBrowser()})
		f.must(err)
	}
	if c := f.counts(); c.Queued != int64(f.s.cfg.MailsPerAddress) {
		t.Errorf("%d rows are queued, want %d", c.Queued, f.s.cfg.MailsPerAddress)
	}
}

func TestMailBudget_SurvivesARestart_RL3(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	for f.mailed(alice, f.newBrowser()) {
	}
	g := fixtureAt(t, f.store, [32]byte{1}, portalConfig(t))
	if g.mailed(alice, g.newBrowser()) {
		t.Error("a restart forgets the count")
	}
}

// RL-5: who is unknown is counted by the peer that speaks for it, so one peer
// uses up nothing of another's.
func TestSource_UnknownClientsAreCountedByTheirPeer_RL5(t *testing.T) {
	f := newFixture(t)
	flood, other := f.newBrowser(), f.newBrowser()
	flood.IP, other.IP = netip.Addr{}, netip.Addr{}
	flood.Peer, other.Peer = netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")
	for i := range mailsPerSource {
		f.mailed(fmt.Sprintf("user%d@example.com", i), flood)
	}
	for range f.s.cfg.Burst {
		f.s.AllowRequest(f.ctx(), flood.Client)
	}
	if _, ok := f.s.AllowRequest(f.ctx(), flood.Client); ok || f.mailed(alice, flood) {
		t.Error("the peer is not used up")
	}
	if _, ok := f.s.AllowRequest(f.ctx(), other.Client); !ok || !f.mailed(alice, other) {
		t.Error("another peer is throttled too")
	}
}

func TestAllowRequest_BothWindowsHold(t *testing.T) {
	f := newFixture(t)
	ip := netip.MustParseAddr("203.0.113.9")
	for i := range f.s.cfg.Burst {
		if _, ok := f.s.AllowRequest(f.ctx(), Client{IP: ip}); !ok {
			t.Fatalf("request %d is refused", i+1)
		}
	}
	q, ok := f.s.AllowRequest(f.ctx(), Client{IP: ip})
	if ok || q.Reset <= 0 || q.Reset > f.s.cfg.BurstPer+time.Second {
		t.Errorf("one more than the burst: %v, come back in %v", ok, q.Reset)
	}
	if _, ok := f.s.AllowRequest(f.ctx(), Client{IP: netip.MustParseAddr("203.0.113.10")}); !ok {
		t.Error("another client is refused")
	}
	f.clock.advance(f.s.cfg.BurstPer + time.Second)
	if _, ok := f.s.AllowRequest(f.ctx(), Client{IP: ip}); !ok {
		t.Error("after the burst window the client is refused")
	}
}

// One source fills a small part of what may be pending over all of them.
func TestPending_IsBoundedPerSource_DS1(t *testing.T) {
	f := newFixture(t)
	stranger, owner := f.newBrowser(), f.newBrowser()
	stranger.IP = netip.MustParseAddr("2001:db8:1:2::3")
	for kind, begin := range map[string]func(b Browser) error{
		"flows": func(b Browser) error {
			_, err := f.s.StartEmail(f.ctx(), StartEmail{Address: alice, Browser: b})
			return err
		},
		"ceremonies": func(b Browser) error { _, err := f.s.BeginPasskey(f.ctx(), b); return err },
	} {
		for range pendingPerSource {
			f.must(begin(stranger))
		}
		stranger.IP = netip.MustParseAddr("2001:db8:1:2::4") // the same subscriber
		if r := f.refused(begin(stranger), RateLimited); r.RetryAfter <= 0 || r.RetryAfter > pendingWindow {
			t.Errorf("%s: come back in %v", kind, r.RetryAfter)
		}
		f.must(begin(owner))
	}
	f.clock.advance(pendingWindow)
	_, err := f.s.BeginPasskey(f.ctx(), stranger)
	f.must(err)
	f.reload(portalConfig(t, func(c *Config) { c.Requests = 6000 })) // who lets more in has room for more
	for range 2 * pendingPerSource {
		_, err := f.s.BeginPasskey(f.ctx(), stranger)
		f.must(err)
	}
}

func TestStartEmail_PendingFlowsAreBounded_DS1(t *testing.T) {
	f := fixtureAt(t, crowded{bolttest.Open(t), store.KindFlow}, [32]byte{1}, portalConfig(t))
	_, err := f.s.StartEmail(f.ctx(), StartEmail{Address: alice, Browser: f.newBrowser()})
	if r := f.refused(err, RateLimited); r.RetryAfter <= 0 {
		t.Error("the refusal does not say when to come back")
	}
	g := fixtureAt(t, crowded{bolttest.Open(t), store.KindCeremony}, [32]byte{1}, portalConfig(t))
	_, err = g.s.BeginPasskey(g.ctx(), g.newBrowser())
	g.refused(err, RateLimited)
}

// crowded is a store that holds as many records of a kind as we let pend.
type crowded struct {
	store.Store
	kind store.Kind
}

type crowdedTx struct {
	store.Tx
	kind store.Kind
}

func (c crowded) Update(ctx context.Context, fn func(store.Tx) error) error {
	return c.Store.Update(ctx, func(tx store.Tx) error { return fn(crowdedTx{tx, c.kind}) })
}

func (c crowdedTx) CountTakes(kind store.Kind) (int64, error) {
	if kind == c.kind {
		return maxPending, nil
	}
	return c.Tx.CountTakes(kind)
}
