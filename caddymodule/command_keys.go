package caddymodule

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/store/bolt"
)

func keysCommand(at *target) *cobra.Command {
	return group("keys", "Manage the keys that sign JWTs", keysListCommand(at), keysRotateCommand(at))
}

func keysListCommand(at *target) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the signing keys", Args: atMost(0),
		Long: "Lists the keys of the JWKS, the signing one first: what each does, and until when.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := at.connect()
			if err != nil {
				return err
			}
			keys, err := everyPage[adminKey](cmd.Context(), c, "keys")
			if err != nil {
				return err
			}
			return output(cmd, keys, func(w io.Writer) {
				fmt.Fprintln(w, "ID\tSTATE\tSIGNS FROM\tSIGNS UNTIL\tGONE")
				for _, k := range keys {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", k.ID, k.State, k.SignsFrom.Format(time.RFC3339), orOpen(k.SignsUntil), orOpen(k.GoneAt))
				}
			})
		},
	}
}

// orOpen is a time, or that it is not decided yet.
func orOpen(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.RFC3339)
}

func keysRotateCommand(at *target) *cobra.Command {
	var how adminRotation
	cmd := &cobra.Command{
		Use: "rotate", Short: "Have a new key sign JWTs", Args: atMost(0),
		Long: `Publishes a new key, which signs JWTs an hour later. By then every service that
keeps a copy of the JWKS has it. The old key verifies what it signed and is
deleted 15 minutes after that. No token fails. The server does this by itself
every 90 days.

With --now, for a key that has leaked: every key is deleted and the new one signs
at once. What the old ones signed is refused here from then on, and by other
services as soon as they read the JWKS again, which may take them the five
minutes that they may keep it, or longer if they do not keep to that: restart
those that must not wait. Clients get a good token by refreshing; nobody is signed
out. While the server is not running, this works on its database, and the next
start makes the new key.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var k adminKey
			err := at.do(cmd.Context(), http.MethodPost, []string{"keys", "rotate"}, how, &k)
			switch {
			case errors.Is(err, errNotRunning) && at.socket == "":
				return at.rotateOffline(cmd, how, err)
			case err != nil:
				return err
			}
			return output(cmd, k, func(w io.Writer) {
				if how.Now {
					fmt.Fprintf(w, "Key %s signs from now on, and every other one is deleted. JWTs that those signed are refused here,\n"+
						"and elsewhere as soon as the JWKS is read again: within five minutes, where copies are not kept longer.\n", k.ID)
					return
				}
				fmt.Fprintf(w, "Key %s is published and signs from %s. Until then the old one signs, and no token fails.\n",
					k.ID, k.SignsFrom.Format(time.RFC3339))
			})
		},
	}
	cmd.Flags().BoolVar(&how.Now, "now", false, "a key has leaked: delete every key, and with it what it signed, at once")
	return cmd
}

// rotateOffline works on the database of a server that is not running.
func (t target) rotateOffline(cmd *cobra.Command, how adminRotation, notRunning error) error {
	path, _, err := t.findDatabase()
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil {
		return notRunning // and no database is where it would be: it is another one
	}
	if !how.Now {
		return withHint(errors.New("a rotation that no token notices needs the running server, which publishes the new key before it signs"),
			"Start it first. If a key has leaked, --now deletes all of them without it.")
	}
	if err := removeKeysOf(cmd.Context(), path); err != nil {
		return err
	}
	return done(cmd, "Every signing key in %s is deleted, and the next start makes a new one. JWTs that the old ones signed are refused here,\n"+
		"and elsewhere as soon as the JWKS is read again: within five minutes after that start, where copies are not kept longer.", path)
}

func removeKeysOf(ctx context.Context, path string) error {
	db, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		return err
	}
	_, err = authcore.RemoveSigningKeys(ctx, db, rand.Reader, time.Now(), operator)
	return errors.Join(err, db.Close())
}
