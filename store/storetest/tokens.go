package storetest

import (
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func tokensPromises() []promise {
	return []promise{
		{"RoundTrip", tokenRoundTrip},
		{"TakenOnce", tokenTake},
		{"OneWinnerOf64Takers", tokenOneTaker},
		{"IDOfAnotherHashConflicts", tokenConflict},
		{"TouchOnlyMovesForward", tokenTouch},
		{"OfUserOldestFirst", tokensOfUser},
		{"ReplaceMovesIndexes", tokenReplace},
		{"OwnersWithCommonPrefixStayApart", tokenPrefixes},
		{"SweptByExpiryAndNeverWithoutOne", tokenSweep},
		{"GoWithTheirUser", tokenUserDeleted},
	}
}

func token(n int, id, userID string) *store.AccessToken {
	return &store.AccessToken{
		Hash: hash(n), ID: id, UserID: userID, Epoch: 3, Name: "backup", App: "app.example.com", Path: "/dav/*",
		Methods: []string{"GET", "PUT"}, Networks: []string{"10.0.0.0/8"}, CreatedBy: "host",
		CreatedAt: after(time.Duration(n) * time.Second), Expires: after(24 * time.Hour), LastUsed: after(time.Minute),
	}
}

func tokenIDs(tokens []*store.AccessToken) []string {
	return ids(tokens, func(a *store.AccessToken) string { return a.ID })
}

func tokenRoundTrip(t *testing.T, s store.Store) {
	bare := &store.AccessToken{Hash: hash(2), ID: "a2", UserID: "u"}
	all := []*store.AccessToken{token(1, "a1", "u"), bare}
	zoned, zone := *all[0], time.FixedZone("east", 2*3600)
	zoned.CreatedAt, zoned.Expires, zoned.LastUsed = zoned.CreatedAt.In(zone), zoned.Expires.In(zone), zoned.LastUsed.In(zone)
	puts(t, s, &zoned, bare)
	view(t, s, func(tx store.Tx) error {
		for _, want := range all {
			got, err := tx.Token(want.Hash)
			refused(t, "Token", err, nil)
			equal(t, "Token", got, want)
			got, err = tx.TokenByID(want.ID)
			refused(t, "TokenByID", err, nil)
			equal(t, "TokenByID", got, want)
		}
		for _, absent := range []store.Hash{hash(3), {}} {
			_, err := tx.Token(absent)
			refused(t, "absent hash", err, store.ErrNotFound)
		}
		for _, absent := range []string{"", "a", "a1\x00"} {
			_, err := tx.TokenByID(absent)
			refused(t, "absent id", err, store.ErrNotFound)
		}
		return nil
	})
}

func tokenTake(t *testing.T, s store.Store) {
	want, other := token(1, "a1", "u"), token(2, "a2", "u")
	puts(t, s, want, other)
	update(t, s, func(tx store.Tx) error {
		got, err := tx.TakeToken(want.Hash)
		equal(t, "taken", got, want)
		return err
	})
	update(t, s, func(tx store.Tx) error {
		_, err := tx.TakeToken(want.Hash)
		refused(t, "taking again", err, store.ErrNotFound)
		_, err = tx.Token(want.Hash)
		refused(t, "Token", err, store.ErrNotFound)
		_, err = tx.TokenByID("a1")
		refused(t, "TokenByID", err, store.ErrNotFound)
		list, err := tx.TokensOf("u")
		equal(t, "left", list, []*store.AccessToken{other})
		return err
	})
}

func tokenOneTaker(t *testing.T, s store.Store) {
	puts(t, s, token(1, "a", "u"))
	equal(t, "takers", winners(t, s, func(tx store.Tx) error {
		_, err := tx.TakeToken(hash(1))
		return err
	}), 1)
}

func tokenConflict(t *testing.T, s store.Store) {
	first := token(1, "a", "u")
	puts(t, s, first)
	update(t, s, func(tx store.Tx) error {
		refused(t, "same ID", tx.PutToken(token(2, "a", "u")), store.ErrConflict)
		return nil
	})
	view(t, s, func(tx store.Tx) error {
		list, err := tx.TokensOf("u")
		equal(t, "tokens", list, []*store.AccessToken{first})
		_, absent := tx.Token(hash(2))
		refused(t, "the refused", absent, store.ErrNotFound)
		return err
	})
}

func tokenTouch(t *testing.T, s store.Store) {
	puts(t, s, token(1, "a", "u"))
	later := after(2 * time.Minute)
	update(t, s, func(tx store.Tx) error {
		refused(t, "touch", tx.TouchToken(hash(1), later), nil)
		refused(t, "touch earlier", tx.TouchToken(hash(1), after(time.Second)), nil)
		refused(t, "touch absent", tx.TouchToken(hash(2), later), nil)
		return nil
	})
	view(t, s, func(tx store.Tx) error {
		want := token(1, "a", "u")
		want.LastUsed = later
		got, err := tx.Token(hash(1))
		equal(t, "token", got, want)
		_, absent := tx.Token(hash(2))
		refused(t, "touched absent", absent, store.ErrNotFound)
		return err
	})
}

func tokensOfUser(t *testing.T, s store.Store) {
	oldest := token(9, "oldest", "u")
	oldest.CreatedAt = after(-time.Hour)
	puts(t, s, token(2, "second", "u"), token(1, "first", "u"), oldest, token(5, "other", "v"))
	view(t, s, func(tx store.Tx) error {
		list, err := tx.TokensOf("u")
		equal(t, "order", tokenIDs(list), []string{"oldest", "first", "second"})
		none, _ := tx.TokensOf("nobody")
		equal(t, "of nobody", len(none), 0)
		return err
	})
}

func tokenReplace(t *testing.T, s store.Store) {
	now := token(1, "new", "v")
	puts(t, s, token(1, "old", "u"), now)
	view(t, s, func(tx store.Tx) error {
		_, err := tx.TokenByID("old")
		refused(t, "old id", err, store.ErrNotFound)
		of, _ := tx.TokensOf("u")
		equal(t, "of the old user", len(of), 0)
		of, err = tx.TokensOf("v")
		equal(t, "of the new user", of, []*store.AccessToken{now})
		return err
	})
}

func tokenPrefixes(t *testing.T, s store.Store) {
	for i, owner := range awkward() {
		puts(t, s, token(i, "token of "+owner, owner))
	}
	view(t, s, func(tx store.Tx) error {
		for _, owner := range awkward() {
			list, err := tx.TokensOf(owner)
			refused(t, "TokensOf", err, nil)
			equal(t, "tokens", tokenIDs(list), []string{"token of " + owner})
		}
		return nil
	})
}

func tokenSweep(t *testing.T, s store.Store) {
	forever := token(2, "forever", "u")
	forever.Expires = time.Time{}
	puts(t, s, token(1, "a", "u"), forever)
	update(t, s, func(tx store.Tx) error { return tx.TouchToken(hash(1), after(time.Hour)) })
	equal(t, "at the end", sweep(t, s, after(24*time.Hour), 10), 0)
	equal(t, "a nanosecond later", sweep(t, s, after(24*time.Hour+1), 10), 1)
	equal(t, "in 100 years", sweep(t, s, after(100*365*24*time.Hour), 10), 0)
	view(t, s, func(tx store.Tx) error {
		list, err := tx.TokensOf("u")
		equal(t, "left", list, []*store.AccessToken{forever})
		_, absent := tx.TokenByID("a")
		refused(t, "TokenByID", absent, store.ErrNotFound)
		return err
	})
}

func tokenUserDeleted(t *testing.T, s store.Store) {
	other := token(2, "of another", "ab")
	puts(t, s, user("a"), user("ab"), token(1, "a1", "a"), other)
	update(t, s, func(tx store.Tx) error {
		hashes, err := tx.DeleteUser("a")
		equal(t, "hashes", hashes, []store.Hash{hash(1)})
		return err
	})
	view(t, s, func(tx store.Tx) error {
		_, err := tx.Token(hash(1))
		refused(t, "Token", err, store.ErrNotFound)
		_, err = tx.TokenByID("a1")
		refused(t, "TokenByID", err, store.ErrNotFound)
		left, err := tx.TokensOf("ab")
		equal(t, "of another", left, []*store.AccessToken{other})
		return err
	})
}
