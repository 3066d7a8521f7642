package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/passwordless-auth/passwordless-auth/authcore/useragent"
)

func sessionCommand(at *target) *cobra.Command {
	return group("session", "List and end sessions", sessionListCommand(at), sessionRevokeCommand(at))
}

func sessionListCommand(at *target) *cobra.Command {
	return &cobra.Command{
		Use: "list [WHO]", Short: "List who is signed in", Args: atMost(1),
		Long: "Lists the live sessions of one user or of everybody. " + whoHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := at.connect()
			if err != nil {
				return err
			}
			path := []string{"sessions"}
			if len(args) > 0 {
				path = []string{"users", args[0], "sessions"}
			}
			sessions, err := everyPage[adminSession](cmd.Context(), c, path...)
			if err != nil {
				return err
			}
			return output(cmd, sessions, func(w io.Writer) {
				fmt.Fprintln(w, "ID\tUSER\tWITH\tBY\tLAST SEEN\tFROM\tAPPS")
				for _, s := range sessions {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, s.User, s.device(), strings.Join(s.Methods, ","),
						s.LastSeen.Format(time.RFC3339), orDash(s.IP), orDash(strings.Join(s.Apps, ",")))
				}
			})
		},
	}
}

// device is what people call what they signed in with.
func (s adminSession) device() string {
	if s.Client != "" {
		return s.Client
	}
	return useragent.Describe(s.UserAgent)
}

func sessionRevokeCommand(at *target) *cobra.Command {
	var who string
	cmd := &cobra.Command{
		Use: "revoke ID... | --user WHO", Short: "End sessions at once", Args: cobra.ArbitraryArgs,
		Long: "Ends sessions by their ids, as session list shows them, or everything that a user is signed in with and all their access tokens. " + whoHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			if (who == "") == (len(args) == 0) {
				return usageError(cmd, "name sessions, or a user with --user")
			}
			if who != "" {
				if err := at.do(cmd.Context(), http.MethodDelete, []string{"users", who, "sessions"}, nil, nil); err != nil {
					return err
				}
				return done(cmd, "%s is signed out everywhere.", who)
			}
			for _, id := range args {
				if err := at.do(cmd.Context(), http.MethodDelete, []string{"sessions", id}, nil, nil); err != nil {
					return fmt.Errorf("%s: %w", id, err)
				}
			}
			return done(cmd, "Ended: %s", strings.Join(args, " "))
		},
	}
	cmd.Flags().StringVar(&who, "user", "", "end everything that this user is signed in with, and their access tokens")
	return cmd
}

func inviteCommand(at *target) *cobra.Command {
	var n adminNew
	cmd := &cobra.Command{
		Use: "invite EMAIL | --admin [EMAIL] | --lost WHO", Short: "Print a link that signs somebody in, once", Args: atMost(1),
		Long: `Prints an invitation: a link that works once, within 24 hours, and makes the
account if there is none. Whoever opens it is signed in, so hand it over in
private. With --admin it also gives the admin role, which takes effect when the
user has a passkey or an authenticator app; without an address it is for the one
configured admin.

With --mail the invited address gets the link by mail, too: whoever reads that
mail has the account. It needs a mail server, and is refused with --admin.

With --lost it is for a user who has lost every passkey: it opens the account,
where a new one can be added within 15 minutes. Their mailbox is told that the
link was made, and never gets the link. See who it is before you hand it over.`,
		Example: `  invite bob@example.com --name bob --group staff
  invite bob@example.com --mail
  invite --admin alice@example.com
  invite --lost alice@example.com`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				n.Email = args[0]
			} else if !n.Admin {
				return usageError(cmd, "name the e-mail address to invite")
			}
			switch {
			case n.Lost && (n.Admin || n.Name != "" || len(n.Groups) > 0):
				return usageError(cmd, "--lost is for an account as it is; leave out --admin, --name and --group")
			case n.Lost && n.Mail:
				return usageError(cmd, "whoever opens the link of --lost is that user, so it is never mailed; leave out --mail and hand it over")
			}
			var made adminInvite
			if err := at.do(cmd.Context(), http.MethodPost, []string{"invites"}, n, &made); err != nil {
				return err
			}
			return output(cmd, made, func(w io.Writer) { fmt.Fprintln(w, made.Link) })
		},
	}
	cmd.Flags().BoolVar(&n.Admin, "admin", false, "invite an admin")
	cmd.Flags().BoolVar(&n.Lost, "lost", false, "let a user in who has lost every passkey")
	cmd.Flags().BoolVar(&n.Mail, "mail", false, "mail the link to the address as well")
	cmd.Flags().StringVar(&n.Name, "name", "", "user name that apps will see")
	cmd.Flags().StringSliceVar(&n.Groups, "group", nil, "group; may be repeated, or name several with commas")
	return cmd
}

func healthCommand(at *target) *cobra.Command {
	return &cobra.Command{
		Use: "health", Short: "Ask the running server how it is", Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var p adminPing
			if err := at.do(cmd.Context(), http.MethodGet, []string{"ping"}, nil, &p); err != nil {
				return err
			}
			return output(cmd, p, func(w io.Writer) {
				fmt.Fprintf(w, "version:\t%s\nsign-in:\t%s\ndatabase:\t%s\nup:\t%v\nmail:\t%s\n", p.Version, p.Origin, p.Database, time.Duration(p.Uptime)*time.Second, p.Mail)
			})
		},
	}
}
