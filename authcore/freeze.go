package authcore

import (
	"slices"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// MayThaw reports whether the user may still hold what lifts the freeze of their
// account without an admin: a passkey that works here, or recovery codes, of
// before the session that was not theirs (DESIGN §6).
func (s *Service) MayThaw(u *store.User, keys []*store.Passkey) bool {
	if u.Freeze == nil {
		return false
	}
	before := func(k *store.Passkey) bool { return k.CreatedAt.Before(u.Freeze.Since) }
	return slices.ContainsFunc(s.Usable(keys), before) || s.Recoverable(u) && u.Recovery.MadeAt.Before(u.Freeze.Since)
}
