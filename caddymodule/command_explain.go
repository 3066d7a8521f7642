package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

func explainCommand(at *target) *cobra.Command {
	ask := adminQuestion{Method: http.MethodGet}
	var age time.Duration
	cmd := &cobra.Command{
		Use: "explain URL", Short: "Say what becomes of a request, and which line decides", Args: arguments("the address, such as https://app.example.com/admin/"),
		Long: `Asks the running server what it would do with a request, by the same rules that
decide about real ones, and names the line of the configuration that decides.

Without --user it is a request of nobody. With it, of somebody who has just
signed in with --with, by default by e-mail.`,
		Example: "  explain https://app.example.com/admin/ --user alice@example.com --with passkey",
		RunE: func(cmd *cobra.Command, args []string) error {
			ask.URL = args[0]
			if _, _, ok := splitURL(ask.URL); !ok {
				return usageError(cmd, "%q is no address; write https://HOST/PATH", ask.URL)
			}
			if !authcore.ValidMethod(ask.Method) {
				return usageError(cmd, "--method %q is no method; write one such as GET or POST", ask.Method)
			}
			if _, err := netip.ParseAddr(ask.From); ask.From != "" && err != nil {
				return usageError(cmd, "--from %q is no address; write one such as 192.0.2.7", ask.From)
			}
			for _, m := range ask.With {
				if !slices.Contains([]string{authcore.AMREmail, authcore.AMRPasskey, authcore.AMRTOTP}, m) {
					return usageError(cmd, "--with %q; write email, passkey or totp", m)
				}
			}
			ask.Seconds = int64(age / time.Second)
			var e adminExplanation
			if err := at.do(cmd.Context(), http.MethodPost, []string{"explain"}, ask, &e); err != nil {
				return err
			}
			return output(cmd, e, func(w io.Writer) { e.print(w, &ask) })
		},
	}
	cmd.Flags().StringVar(&ask.User, "user", "", "who asks: an e-mail address, user name or id")
	cmd.Flags().StringVar(&ask.Method, "method", ask.Method, "method of the request")
	cmd.Flags().StringVar(&ask.From, "from", "", "the client's address (default: unknown)")
	cmd.Flags().StringSliceVar(&ask.With, "with", []string{authcore.AMREmail}, "how they signed in: email, passkey, totp")
	cmd.Flags().DurationVar(&age, "age", 0, "how long ago they did")
	return cmd
}

func (e *adminExplanation) print(w io.Writer, ask *adminQuestion) {
	fmt.Fprintf(w, "request:\t%s %s\n", ask.Method, ask.URL)
	if e.User == "" {
		fmt.Fprintln(w, "of:\tnobody")
	} else {
		fmt.Fprintf(w, "of:\t%s, groups %s, signed in by %s\n", e.User, orDash(strings.Join(e.Groups, ",")), orDash(strings.Join(ask.With, ",")))
	}
	if e.App != "" {
		fmt.Fprintf(w, "app:\t%s\n", e.App)
	}
	fmt.Fprintf(w, "verdict:\t%s\nbecause:\t%s\n", e.Verdict, e.because(ask))
	if e.At != "" {
		fmt.Fprintf(w, "line:\t%s\n", e.At)
	}
	if len(e.Blocks) > 1 || !e.Canonical && e.App != "" {
		fmt.Fprintf(w, "blocks:\t%s\n", strings.Join(e.Blocks, ", "))
	}
	if !e.Canonical && e.App != "" {
		fmt.Fprintln(w, "note:\tservers may read this path in different ways, so it must satisfy every block, and is never public")
	}
}

// because is the kind of rule in words.
func (e *adminExplanation) because(ask *adminQuestion) string {
	switch authcore.Why(e.Why) {
	case authcore.WhyHost:
		return "no app has this host"
	case authcore.WhyPublic:
		return "the path is public"
	case authcore.WhySession:
		return "nobody is signed in"
	case authcore.WhyNetwork:
		if ask.From == "" {
			return "an unknown address is in no network; name one with --from"
		}
		return ask.From + " is in none of the networks"
	case authcore.WhyName:
		return "the account needs a user name: user name " + e.User + " NAME"
	case authcore.WhyDeny:
		return "deny names them"
	case authcore.WhyRequire:
		return "it requires " + strings.Join(e.Need, " and ")
	case authcore.WhyReauth:
		return fmt.Sprintf("the sign-in is older than %v", time.Duration(e.MaxAge)*time.Second)
	}
	if e.Verdict == authcore.Deny.String() {
		return "allow does not name them"
	}
	return "allow names them, or everybody who is signed in"
}
