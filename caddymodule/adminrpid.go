package caddymodule

import (
	"net/http"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// adminLoss is a user whose passkeys would stop working with another rp_id.
type adminLoss struct {
	ID    string        `json:"id"`
	Email string        `json:"email"`
	Name  string        `json:"name"`
	Admin bool          `json:"admin"`
	Loses authcore.Loss `json:"loses"`
	Stop  int           `json:"passkeys_that_stop"`
	Work  int           `json:"passkeys_that_work"`
	Mail  bool          `json:"mail"` // gets in by a mail
	TOTP  bool          `json:"totp"` // and needs the authenticator app with it
	// HandOut: nothing but a link from the host mends it.
	HandOut bool `json:"needs_hand_out"`
}

// adminRPID is one page of who would lose what.
type adminRPID struct {
	adminPage[adminLoss]
	Before string `json:"before"` // the rp_id now; empty: none was ever used
	Portal string `json:"portal"` // where people sign in; empty: not known
	Mail   string `json:"mail"`   // mailWorks, mailOff or mailUnknown
	Looked int    `json:"users"`  // how many this page looked at
}

// Whether a person can get in by a mail.
const (
	mailWorks   = "on"
	mailOff     = "off"
	mailUnknown = "unknown" // no server, and no configuration at hand
)

func toAdminRPID(p *authcore.RPIDPage) adminRPID {
	v := adminRPID{adminPage: adminPage[adminLoss]{Items: []adminLoss{}, Next: p.Next}, Before: p.Before, Looked: p.Users}
	for _, l := range p.Losses {
		v.Items = append(v.Items, adminLoss{
			ID: l.User.ID, Email: l.User.Email, Name: l.User.Name, Admin: l.User.Admin, Loses: l.Loss,
			Stop: l.Stop, Work: l.Work, Mail: l.Mail, TOTP: l.TOTP, HandOut: l.Loss.Severe(),
		})
	}
	return v
}

func previewRPID(svc *authcore.Service, r *http.Request) (any, error) {
	after, limit, err := page(r)
	if err != nil {
		return nil, err
	}
	id := r.PathValue("id")
	if checkHost(id) != nil {
		return nil, errAsked
	}
	p, err := svc.PreviewRPID(r.Context(), id, after, limit)
	if err != nil {
		return nil, err
	}
	v := toAdminRPID(p)
	v.Portal, v.Mail = svc.Portal().String(), mailOff
	if svc.Config().MailWorks() {
		v.Mail = mailWorks
	}
	return v, nil
}
