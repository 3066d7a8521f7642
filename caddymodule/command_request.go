package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/passwordless-auth/passwordless-auth/authcore/useragent"
)

// whoAsks names the argument of the commands that answer a request.
const whoAsks = "the e-mail address that asks, as user requests shows it"

func userRequestsCommand(at *target) *cobra.Command {
	return &cobra.Command{
		Use: "requests", Short: "List who asks for an account", Args: atMost(0),
		Long: `Lists who asks for an account, where registration is by invitation: people who
have proved that they read mail at the address. They have no account until
user approve makes it. A request that nobody answers is forgotten after 30 days.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := at.connect()
			if err != nil {
				return err
			}
			requests, err := everyPage[adminRequest](cmd.Context(), c, "requests")
			if err != nil {
				return err
			}
			return output(cmd, requests, func(w io.Writer) {
				fmt.Fprintln(w, "EMAIL\tASKED\tFROM\tWITH")
				for _, r := range requests {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Email, r.AskedAt.Format(time.RFC3339), orDash(r.IP), useragent.Describe(r.UserAgent))
				}
			})
		},
	}
}

func userApproveCommand(at *target) *cobra.Command {
	var n adminNew
	cmd := &cobra.Command{
		Use: "approve EMAIL", Short: "Give an account to somebody who asks for one", Args: arguments(whoAsks),
		Long: `Makes the account that somebody asks for, and mails them that they can sign in.
The address alone says who they are: whoever reads its mail gets the account.`,
		Example: "  user approve bob@example.com --name bob --group staff",
		RunE: func(cmd *cobra.Command, args []string) error {
			var u adminUser
			if err := at.do(cmd.Context(), http.MethodPost, []string{"requests", args[0], "approve"}, n, &u); err != nil {
				return err
			}
			return output(cmd, u, u.print)
		},
	}
	n.flags(cmd)
	return cmd
}

func userDeclineCommand(at *target) *cobra.Command {
	return &cobra.Command{
		Use: "decline EMAIL", Short: "Forget somebody's request for an account", Args: arguments(whoAsks),
		Long:    "Forgets the request of somebody who asks for an account. They are not told, and may ask again.",
		Example: "  user decline eve@example.com",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := at.do(cmd.Context(), http.MethodDelete, []string{"requests", args[0]}, nil, nil); err != nil {
				return err
			}
			return done(cmd, "The request of %s is forgotten.", args[0])
		},
	}
}
