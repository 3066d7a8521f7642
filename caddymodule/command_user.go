package caddymodule

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const (
	whoHelp = "WHO is an e-mail address, a user name or an id."
	who     = "the user: an e-mail address, user name or id"
)

func userCommand(at *target) *cobra.Command {
	return group("user", "Manage users",
		userListCommand(at), userAddCommand(at), userShowCommand(at),
		userChangeCommand(at, "disable", "Shut a user out and end all their sessions and tokens at once", "disabled", ""),
		userChangeCommand(at, "enable", "Let a disabled or frozen user go on", "enabled",
			`Lets a disabled user sign in again. It also lifts a freeze: after somebody has
pressed "That was not me" in a mail, nothing in the account can be changed until
a passkey from before, a recovery code or this command confirms its owner.
Speak with them first, in a way that does not go through the mailbox.`),
		userDeleteCommand(at), userNameCommand(at), userGroupsCommand(at),
		userRequestsCommand(at), userApproveCommand(at), userDeclineCommand(at))
}

func userListCommand(at *target) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List all users", Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := at.connect()
			if err != nil {
				return err
			}
			users, err := everyPage[adminUser](cmd.Context(), c, "users")
			if err != nil {
				return err
			}
			return output(cmd, users, func(w io.Writer) {
				fmt.Fprintln(w, "EMAIL\tNAME\tGROUPS\tSTATE\tSINCE")
				for _, u := range users {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", u.Email, u.Name, orDash(strings.Join(u.Groups, ",")), u.state(), u.CreatedAt.Format(time.DateOnly))
				}
			})
		},
	}
}

// state is what keeps a user from apps, or raises them above others; "active"
// is who may just sign in.
func (u adminUser) state() string {
	var words []string
	for _, w := range []struct {
		is   bool
		word string
	}{
		{u.Admin, "admin"},
		{u.Disabled, "disabled"},
		{!u.FrozenSince.IsZero(), "frozen"},
		{u.NeedsName, "needs a name"},
		{u.VerifiedAt.IsZero(), "never signed in"},
	} {
		if w.is {
			words = append(words, w.word)
		}
	}
	if len(words) == 0 {
		return "active"
	}
	return strings.Join(words, ", ")
}

func (u adminUser) print(w io.Writer) {
	fmt.Fprintf(w, "email:\t%s\nname:\t%s\n", u.Email, u.Name)
	if u.DisplayName != "" {
		fmt.Fprintf(w, "display name:\t%s\n", u.DisplayName)
	}
	fmt.Fprintf(w, "groups:\t%s\nstate:\t%s\nid:\t%s\nsince:\t%s\n", orDash(strings.Join(u.Groups, ",")), u.state(), u.ID, u.CreatedAt.Format(time.RFC3339))
}

func (u adminUserInFull) print(w io.Writer) {
	u.adminUser.print(w)
	if !u.FrozenSince.IsZero() {
		fmt.Fprintf(w, "frozen since:\t%s; user enable lifts it\n", u.FrozenSince.Format(time.RFC3339))
	}
	for _, k := range u.Passkeys {
		fmt.Fprintf(w, "passkey:\t%s\n", k)
	}
	if len(u.Passkeys) == 0 {
		fmt.Fprint(w, "passkey:\tnone\n")
	}
	app := "no"
	if u.TOTP {
		app = "yes"
	}
	fmt.Fprintf(w, "authenticator app:\t%s\nrecovery codes left:\t%d\nsessions:\t%d\naccess tokens:\t%d\n", app, u.RecoveryCodes, u.Sessions, u.Tokens)
}

// called is its name, and who keeps it where the name does not say so.
func (k adminPasskey) called() string {
	if k.Provider == "" || k.Provider == k.Name {
		return k.Name
	}
	return k.Name + " (" + k.Provider + ")"
}

// String tells its owner's passkeys apart.
func (k adminPasskey) String() string {
	words := []string{k.called(), "made " + k.CreatedAt.Format(time.DateOnly), "never used", "on one device"}
	if !k.LastUsed.IsZero() {
		words[2] = "used " + k.LastUsed.Format(time.DateOnly)
	}
	if k.Synced {
		words[3] = "synced"
	}
	if !k.Works {
		words = append(words, "useless here: it was made for "+k.RPID)
	}
	return strings.Join(words, ", ")
}

func userAddCommand(at *target) *cobra.Command {
	var n adminNew
	cmd := &cobra.Command{
		Use: "add EMAIL", Short: "Add a user, who may then sign in", Args: arguments("the user's e-mail address"),
		RunE: func(cmd *cobra.Command, args []string) error {
			n.Email = args[0]
			var u adminUser
			if err := at.do(cmd.Context(), http.MethodPost, []string{"users"}, n, &u); err != nil {
				return err
			}
			return output(cmd, u, u.print)
		},
	}
	n.flags(cmd)
	return cmd
}

// flags are what may be said of an account that is made.
func (n *adminNew) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&n.Name, "name", "", "user name that apps see; it never changes (default: the e-mail address)")
	cmd.Flags().StringVar(&n.DisplayName, "display-name", "", "name for people")
	cmd.Flags().StringSliceVar(&n.Groups, "group", nil, "group; may be repeated, or name several with commas")
}

// do finds the server and sends one request.
func (t *target) do(ctx context.Context, method string, segments []string, body, into any) error {
	c, err := t.connect()
	if err != nil {
		return err
	}
	return c.call(ctx, method, segments, nil, body, into)
}

func userShowCommand(at *target) *cobra.Command {
	return &cobra.Command{
		Use: "show WHO", Short: "Show one user, and what they sign in with", Args: arguments(who),
		Long:    "Shows one user: passkeys, authenticator app, recovery codes left, whether the account is frozen, and how many sessions and access tokens there are. " + whoHelp,
		Example: "  user show alice@example.com",
		RunE: func(cmd *cobra.Command, args []string) error {
			var u adminUserInFull
			if err := at.do(cmd.Context(), http.MethodGet, []string{"users", args[0]}, nil, &u); err != nil {
				return err
			}
			return output(cmd, u, u.print)
		},
	}
}

// userChangeCommand is a command that does one thing to a user; long says more
// about it than short does, if there is more to say.
func userChangeCommand(at *target, verb, short, past, long string) *cobra.Command {
	if long == "" {
		long = short + "."
	}
	return &cobra.Command{
		Use: verb + " WHO", Short: short, Long: long + "\n\n" + whoHelp, Args: arguments(who),
		Example: "  user " + verb + " alice@example.com",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := at.do(cmd.Context(), http.MethodPost, []string{"users", args[0], verb}, nil, nil); err != nil {
				return err
			}
			return done(cmd, "%s is %s.", args[0], past)
		},
	}
}

func userDeleteCommand(at *target) *cobra.Command {
	return &cobra.Command{
		Use: "delete WHO", Short: "Delete a user for good", Args: arguments(who),
		Long: "Deletes a user with all passkeys, sessions and access tokens. The user name is never given again. " + whoHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := at.do(cmd.Context(), http.MethodDelete, []string{"users", args[0]}, nil, nil); err != nil {
				return err
			}
			return done(cmd, "%s is deleted.", args[0])
		},
	}
}

func userNameCommand(at *target) *cobra.Command {
	return &cobra.Command{
		Use: "name WHO NAME", Short: "Give a user the name that apps see, once", Args: arguments(who, "what the user is to be called"),
		Long: "Gives a user the name that apps see. It can be given once and never changes. " + whoHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := at.do(cmd.Context(), http.MethodPut, []string{"users", args[0], "name"}, map[string]string{"name": args[1]}, nil); err != nil {
				return err
			}
			return done(cmd, "%s is now called %s.", args[0], args[1])
		},
	}
}

func userGroupsCommand(at *target) *cobra.Command {
	var none bool
	cmd := &cobra.Command{
		Use: "groups WHO GROUP... | WHO --none", Short: "Set the groups of a user", Args: cobra.ArbitraryArgs,
		Long: "Sets all groups of a user; apps see it with the next request. " + whoHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError(cmd, "name %s", who)
			}
			groups := args[1:]
			if none == (len(groups) > 0) {
				return usageError(cmd, "name all groups that the user shall have, or --none")
			}
			if err := at.do(cmd.Context(), http.MethodPut, []string{"users", args[0], "groups"}, map[string][]string{"groups": groups}, nil); err != nil {
				return err
			}
			return done(cmd, "%s has these groups: %s", args[0], orDash(strings.Join(groups, ",")))
		},
	}
	cmd.Flags().BoolVar(&none, "none", false, "take all groups away")
	return cmd
}
