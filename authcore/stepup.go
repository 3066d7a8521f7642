package authcore

import (
	"context"
	"slices"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// Ways are how somebody who is signed in can give the proof that an app asks for
// (SE-8): with their own credentials only. The zero value means that nothing
// they have does, and that they can do nothing about it.
type Ways struct {
	Met     bool      // nothing is missing
	Methods bool      // it asks for a method, and not only for a fresh sign-in
	Passkey bool      // a passkey of theirs does
	Mail    bool      // a mailed code does
	Waits   time.Time // when the next of their passkeys begins to count; zero: all do
	Add     bool      // a passkey would do, and they have none
	Added   time.Time // Add: from when on one counts that this session adds
}

// Ways finds out what would let the session in where the sign-in leads.
func (s *Service) Ways(ctx context.Context, l *Live, r *Return, app *App) (w Ways, err error) {
	need := app.Policy.NeedAt(r.Path).with(r.Need)
	err = s.rt.store.View(ctx, func(tx store.Tx) error {
		w = Ways{Methods: len(need.Require) > 0}
		bits, err := s.proofBits(tx, l.Proof())
		if err != nil {
			return err
		}
		if w.Met = need.meets(bits, s.now().Sub(l.Proof().AuthTime)); w.Met {
			return nil
		}
		keys, err := s.usablePasskeys(tx, l.User.ID)
		if err != nil {
			return err
		}
		w.Mail = !w.Methods && len(keys) == 0 && s.cfg.MailWorks()
		if s.cfg.NoPasskey || !need.meets(bits|bitTrustedPasskey, 0) {
			return nil
		}
		counted := s.counted(keys, w.Methods)
		w.Passkey, w.Add = len(counted) > 0, w.Methods && len(keys) == 0
		for _, k := range keys {
			if !slices.Contains(counted, k) && (w.Waits.IsZero() || k.TrustedAt.Before(w.Waits)) {
				w.Waits = k.TrustedAt
			}
		}
		if w.Add {
			w.Added, err = s.trustedFrom(tx, l)
		}
		return err
	})
	return w, err
}

// counted are the passkeys that confirm: all of them or, where a policy requires
// a passkey, those that count by now (DESIGN §6).
func (s *Service) counted(keys []*store.Passkey, required bool) (list []*store.Passkey) {
	for _, k := range keys {
		if !required || !s.now().Before(k.TrustedAt) {
			list = append(list, k)
		}
	}
	return list
}
