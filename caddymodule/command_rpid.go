package caddymodule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/store"
	"github.com/passwordless-auth/passwordless-auth/store/bolt"
)

// errLosesAccess is a change of rp_id that takes an operator to mend; the report
// has named whom.
var errLosesAccess = errors.New("somebody would lose access; the report says who")

// lossOrder is worst first.
var lossOrder = []authcore.Loss{authcore.LosesEverything, authcore.LosesRole, authcore.LosesPasskeys, authcore.LosesSome}

// rpidReport is who would lose what, worst first, of all users.
type rpidReport struct {
	RPID   string                `json:"rp_id"` // as it would be
	Before string                `json:"before"`
	Portal string                `json:"portal"`
	Mail   string                `json:"mail"`
	Notes  []string              `json:"notes"`
	Users  int                   `json:"users"`
	Loses  map[authcore.Loss]int `json:"loses"` // users by what they lose
	Items  []adminLoss           `json:"items"`
}

// doctorRPID is doctor --rp-id. It is a question about users, so it takes none
// of the flags that say how to reach an app.
func (t *target) doctorRPID(cmd *cobra.Command, id string) error {
	for _, beside := range []string{"app", "user", "echo", "events", "ws", "connect", "connect-http", "ca", "from", "timeout"} {
		if cmd.Flags().Changed(beside) {
			return usageError(cmd, "--rp-id asks about users only; leave --%s out", beside)
		}
	}
	if err := checkHost(id); err != nil {
		return usageError(cmd, "--rp-id: %w", err)
	}
	report, err := t.previewRPID(cmd.Context(), id)
	if err != nil {
		return err
	}
	if err := output(cmd, report, report.print); err != nil {
		return err
	}
	if report.severe() > 0 {
		return errLosesAccess
	}
	return nil
}

// previewRPID asks the running server or, if there is none, its database.
func (t *target) previewRPID(ctx context.Context, id string) (*rpidReport, error) {
	c, err := t.connect()
	if err != nil {
		return nil, err
	}
	report, err := gatherRPID(id, func(after string) (page adminRPID, err error) {
		err = c.call(ctx, http.MethodGet, []string{"rp-id", id}, url.Values{"after": {after}}, nil, &page)
		return page, err
	})
	if errors.Is(err, errNotRunning) && t.socket == "" {
		return t.previewOffline(ctx, id, err)
	}
	return report, err
}

// previewOffline works on the database of a server that is not running. Whether
// mail goes out is known only from a configuration; where there is none at hand,
// nobody is counted on to get in by it.
func (t *target) previewOffline(ctx context.Context, id string, notRunning error) (report *rpidReport, err error) {
	path, _, err := t.findDatabase()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, notRunning // and no database is where it would be: it is another one
	}
	mail, portal := mailUnknown, ""
	if file := t.findConfig(); file != "" {
		app := new(App)
		if err := app.read(file); err != nil {
			return nil, err
		}
		core, err := app.coreConfig(nil)
		if err != nil {
			return nil, err
		}
		if mail, portal = mailOff, app.Portal; core.MailWorks() {
			mail = mailWorks
		}
	}
	db, err := bolt.Open(path, bolt.Options{})
	if errors.Is(err, store.ErrLocked) {
		return nil, withHint(err, "Or name the socket of the server that has it open, with --socket.")
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return gatherRPID(id, func(after string) (adminRPID, error) {
		p, err := authcore.PreviewRPID(ctx, db, authcore.RPIDChange{New: id, Mail: mail == mailWorks}, after, maxPage)
		if err != nil {
			return adminRPID{}, err
		}
		v := toAdminRPID(p)
		v.Mail, v.Portal = mail, portal
		return v, nil
	})
}

// gatherRPID reads page by page, and keeps those who lose something.
func gatherRPID(id string, next func(after string) (adminRPID, error)) (*rpidReport, error) {
	r := &rpidReport{RPID: id, Notes: []string{}, Loses: map[authcore.Loss]int{}, Items: []adminLoss{}}
	for _, l := range lossOrder {
		r.Loses[l] = 0
	}
	for after := ""; ; {
		page, err := next(after)
		if err != nil {
			return nil, err
		}
		r.Before, r.Portal, r.Mail, r.Users = page.Before, page.Portal, page.Mail, r.Users+page.Looked
		for _, l := range page.Items {
			r.Loses[l.Loses]++
			r.Items = append(r.Items, l)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	slices.SortFunc(r.Items, func(a, b adminLoss) int {
		return cmp.Or(cmp.Compare(slices.Index(lossOrder, a.Loses), slices.Index(lossOrder, b.Loses)), byAdmin(a, b), strings.Compare(a.Email, b.Email))
	})
	r.note()
	return r, nil
}

// byAdmin puts admins first.
func byAdmin(a, b adminLoss) int {
	switch {
	case a.Admin == b.Admin:
		return 0
	case a.Admin:
		return -1
	}
	return 1
}

// note adds what the list itself does not say.
func (r *rpidReport) note() {
	if r.RPID == r.Before {
		r.Notes = append(r.Notes, "that is the rp_id already, so nothing changes")
	}
	if r.Mail == mailUnknown {
		r.Notes = append(r.Notes, "whether mail lets people in is known from the configuration only; name it with --config")
	}
	portal, err := parseOrigin(r.Portal)
	if app := (App{RPID: r.RPID}); err == nil && app.checkRPID(portal.host) != nil {
		r.Notes = append(r.Notes, fmt.Sprintf("people sign in at %s, where no browser would make a passkey for %s; sign-in has to move to that name or below it", r.Portal, r.RPID))
	}
}

// severe is how many it takes an operator to let in again.
func (r *rpidReport) severe() (n int) {
	for loss, users := range r.Loses {
		if loss.Severe() {
			n += users
		}
	}
	return n
}

func (r *rpidReport) print(w io.Writer) {
	fmt.Fprintf(w, "rp_id:\t%s, now %s\nsign-in:\t%s\nmail:\t%s\n", r.RPID, orDash(r.Before), orDash(r.Portal), r.Mail)
	for _, n := range r.Notes {
		fmt.Fprintf(w, "note:\t%s\n", n)
	}
	if len(r.Items) > 0 {
		fmt.Fprintln(w, "\nLOSES\tUSER\tROLE\tPASSKEYS LOST\tKEPT\tWAY IN")
	}
	for i := range r.Items {
		l := &r.Items[i]
		role := "-"
		if l.Admin {
			role = "admin"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\n", l.Loses, l.Email, role, l.Stop, l.Work, l.way())
	}
	fmt.Fprintf(w, "\nUsers: %d", r.Users)
	for _, loss := range lossOrder {
		fmt.Fprintf(w, ", %d lose %s", r.Loses[loss], loss)
	}
	fmt.Fprintln(w)
	if r.severe() > 0 {
		fmt.Fprintf(w, "Once it is changed, make a link for each whom only that lets in: %s invite --lost EMAIL\n", commandLine())
	}
}

// way is how the user gets in after the change.
func (l *adminLoss) way() string {
	switch {
	case l.Loses == authcore.LosesEverything:
		return "none but a link"
	case l.Loses == authcore.LosesRole:
		return "mail, and a link for the role"
	case l.Loses == authcore.LosesSome:
		return "another passkey"
	case l.TOTP:
		return "mail with the authenticator app"
	}
	return "mail"
}
