package authcore

import (
	"testing"
	"time"
)

// A stranger who has used up the address's mails guesses at decoys. Those count
// in the same row, and make it no shorter (EC-3).
func TestEmail_WrongCodesOnDecoysDoNotShortenTheRow_EC3(t *testing.T) {
	f := newFixture(t)
	f.addUser(alice)
	f.exhaustMails(alice)
	b := f.newBrowser()
	_, err := f.s.StartEmail(f.ctx(), StartEmail{Address: alice, Browser: b})
	f.must(err)
	_, err = f.s.VerifyCode(f.ctx(), "00000000", b)
	f.refused(err, CodeInvalid)
	f.clock.advance(2 * time.Hour)
	if got := f.wrongCodes(alice); got != 1 {
		t.Errorf("%d wrong codes are counted two hours later", got)
	}
}

// DS-1: strangers choose the address, so what they count is soon forgotten.
func TestEmail_WrongCodesOfNobodyAreForgotten(t *testing.T) {
	f := newFixture(t)
	b := f.newBrowser()
	_, err := f.s.StartEmail(f.ctx(), StartEmail{Address: "unknown@example.com", Browser: b})
	f.must(err)
	_, err = f.s.VerifyCode(f.ctx(), "00000000", b)
	f.refused(err, CodeInvalid)
	if got := f.wrongCodes("unknown@example.com"); got != 1 {
		t.Errorf("%d wrong codes are counted", got)
	}
	f.clock.advance(time.Hour + time.Second)
	if got := f.wrongCodes("unknown@example.com"); got != 0 {
		t.Errorf("%d wrong codes are counted an hour later", got)
	}
}
