package caddymodule

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/passwordless-auth/passwordless-auth/caddymodule/internal/doctor"
)

// errUnwell is a run of doctor that found something: the report has said it.
var errUnwell = errors.New("something is wrong; the report says what to change")

func doctorCommand(at *target) *cobra.Command {
	o := doctor.Options{Version: Version(), Now: time.Now, Lookup: net.DefaultResolver.LookupHost}
	var ca, from, rpID string
	cmd := &cobra.Command{
		Use: "doctor", Short: "Attack the deployment from outside, and say which line to change", Args: atMost(0),
		Long: `Sends requests through the public addresses of sign-in and one app, as strangers,
attackers and, with --user, somebody who is signed in would; asks the running
server what arrived; and prints a table. For whatever failed it names the lines
to change in the proxy at hand.

The user is told nothing, and loses no session. What is sent in their name opens
this app for five minutes at most, and nothing else. The app sees GET, HEAD and
POST requests with made-up paths and headers.

With --rp-id nothing is attacked: it lists who would lose what if rp_id became
that name, worst first, and works without a running server too.`,
		Example: "  doctor --app app.example.com --user alice@example.com --echo /whoami --events /stream --ws /socket",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("rp-id") {
				return at.doctorRPID(cmd, rpID)
			}
			if err := doctorFlags(cmd, &o, ca, from); err != nil {
				return err
			}
			c, err := at.connect()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			report, err := doctor.Run(ctx, inside{c}, o)
			if err != nil {
				return err
			}
			if err := output(cmd, report, func(w io.Writer) { report.Print(w) }); err != nil {
				return err
			}
			if report.Failed() {
				return errUnwell
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.App, "app", "", "host of the app to look at in full (default: the first one)")
	flags.StringVar(&o.User, "user", "", "who is signed in: an e-mail address, user name or id")
	flags.StringVar(&o.Echo, "echo", "", "path of the app that answers with the request it got (default: /echo, then /)")
	flags.StringVar(&o.Events, "events", "", "path of an event stream of the app")
	flags.StringVar(&o.WS, "ws", "", "path of a WebSocket of the app")
	flags.StringVar(&o.Wire.Connect, "connect", "", "HOST:PORT to connect to, whatever names say")
	flags.StringVar(&o.Wire.Plain, "connect-http", "", "HOST:PORT to connect to for plain http on port 80")
	flags.StringVar(&ca, "ca", "", "file of certificates to trust, in place of the system's")
	flags.StringVar(&from, "from", "", "address of this machine to come from")
	flags.StringVar(&rpID, "rp-id", "", "list who would lose access if rp_id became this name, and nothing else")
	flags.DurationVar(&o.Wire.Timeout, "timeout", 10*time.Second, "how long one request may take")
	return cmd
}

// doctorFlags reads what flags name.
func doctorFlags(cmd *cobra.Command, o *doctor.Options, ca, from string) error {
	if host, _, ok := splitURL(o.App); ok { // as reports write it
		o.App = host
	}
	if host, _, err := net.SplitHostPort(o.App); err == nil {
		o.App = host
	}
	for _, path := range []struct{ flag, value string }{{"--echo", o.Echo}, {"--events", o.Events}, {"--ws", o.WS}} {
		if path.value != "" && (!strings.HasPrefix(path.value, "/") || strings.ContainsAny(path.value, " #\r\n\t")) {
			return usageError(cmd, "%s %q is no path; write one such as /whoami", path.flag, path.value)
		}
	}
	for _, addr := range []struct{ flag, value string }{{"--connect", o.Wire.Connect}, {"--connect-http", o.Wire.Plain}} {
		if _, _, err := net.SplitHostPort(addr.value); addr.value != "" && err != nil {
			return usageError(cmd, "%s %q; write HOST:PORT", addr.flag, addr.value)
		}
	}
	if o.Wire.Timeout <= 0 {
		return usageError(cmd, "--timeout must be more than nothing")
	}
	if from != "" {
		var err error
		if o.Wire.From, err = netip.ParseAddr(from); err != nil {
			return usageError(cmd, "--from %q is no address; write one such as 192.0.2.7", from)
		}
	}
	if ca == "" {
		return nil
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return usageError(cmd, "--ca: %w", err)
	}
	if o.Wire.CAs = x509.NewCertPool(); !o.Wire.CAs.AppendCertsFromPEM(pem) {
		return usageError(cmd, "--ca: %s", fmt.Sprintf("%s holds no certificate in PEM form", ca))
	}
	return nil
}
