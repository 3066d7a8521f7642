package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

func tokenCommand(at *target) *cobra.Command {
	return group("token", "Manage access tokens, for scripts and apps that cannot sign in",
		tokenCreateCommand(at), tokenListCommand(at), tokenRevokeCommand(at))
}

func tokenCreateCommand(at *target) *cobra.Command {
	var n adminNewToken
	var expires string
	cmd := &cobra.Command{
		Use: "create EMAIL --grant app=HOST", Short: "Print a new access token", Args: arguments("the user's e-mail address"),
		Long: `Prints a new access token, alone and for the only time. Whoever has it is that
user at one app, within the grant:

  app=HOST          the app's host name, without a port; required
  path=/dav/*       /dav and what is below it; /x is that path alone
  methods=GET+PUT   these only; GET is HEAD too
  networks=10.0.0.0/8+192.168.1.5
                    from there only

They are written as one word, joined by commas. The token is sent as
"Authorization: Bearer TOKEN", or as the password of Basic with any user name.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			n.Email = args[0]
			if n.Grant == "" {
				return usageError(cmd, "say what the token opens, with --grant app=HOST")
			}
			if _, err := authcore.ParseGrant(n.Grant); err != nil {
				return usageError(cmd, "%w", err)
			}
			if expires != "" {
				d, err := caddy.ParseDuration(expires)
				if err != nil || d < time.Second {
					return usageError(cmd, "--expires %s is no time to live; write --expires 24h or 30d, or leave it out", expires)
				}
				n.ExpiresSeconds = int64(d / time.Second)
			}
			var made adminMadeToken
			if err := at.do(cmd.Context(), http.MethodPost, []string{"tokens"}, n, &made); err != nil {
				return err
			}
			return output(cmd, made, func(w io.Writer) { fmt.Fprintln(w, made.Token) })
		},
	}
	cmd.Flags().StringVar(&n.Grant, "grant", "", "what the token opens: app=HOST,path=/dav/*,methods=GET+PUT,networks=10.0.0.0/8")
	cmd.Flags().StringVar(&n.Name, "name", "", "what it is for, for lists")
	cmd.Flags().StringVar(&expires, "expires", "", "how long it lives, such as 24h or 30d (default: until it is revoked)")
	return cmd
}

func tokenListCommand(at *target) *cobra.Command {
	return &cobra.Command{
		Use: "list WHO", Short: "List the access tokens of a user", Args: arguments(who),
		Long: "Lists the access tokens of a user that are good, without their secrets. " + whoHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := at.connect()
			if err != nil {
				return err
			}
			tokens, err := everyPage[adminToken](cmd.Context(), c, "users", args[0], "tokens")
			if err != nil {
				return err
			}
			return output(cmd, tokens, func(w io.Writer) {
				fmt.Fprintln(w, "ID\tNAME\tGRANT\tEXPIRES\tLAST USED")
				for _, t := range tokens {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", t.ID, orDash(t.Name), t.grant(), orNever(t.Expires), orNever(t.LastUsed))
				}
			})
		},
	}
}

func (t adminToken) grant() authcore.Grant {
	return authcore.Grant{App: t.App, Path: t.Path, Methods: t.Methods, Networks: t.Networks}
}

func orNever(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Format(time.RFC3339)
}

func tokenRevokeCommand(at *target) *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID...", Short: "End access tokens at once", Args: cobra.ArbitraryArgs,
		Long: "Ends access tokens by their ids, as token list shows them.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError(cmd, "name tokens by their ids, as token list shows them")
			}
			for _, id := range args {
				if err := at.do(cmd.Context(), http.MethodDelete, []string{"tokens", id}, nil, nil); err != nil {
					return fmt.Errorf("%s: %w", id, err)
				}
			}
			return done(cmd, "Revoked: %s", strings.Join(args, " "))
		},
	}
}
