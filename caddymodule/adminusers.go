package caddymodule

import (
	"net/http"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// adminUser is a user.
type adminUser struct {
	ID          string    `json:"id"`
	Email       string    `json:"email"`
	Name        string    `json:"name"`
	DisplayName string    `json:"display_name,omitempty"`
	Groups      []string  `json:"groups"`
	Admin       bool      `json:"admin"`
	Disabled    bool      `json:"disabled"`
	NeedsName   bool      `json:"needs_name"` // reaches no app until named
	CreatedAt   time.Time `json:"created_at"`
	VerifiedAt  time.Time `json:"verified_at,omitzero"`
	FrozenSince time.Time `json:"frozen_since,omitzero"` // its owner said "that was not me" then, and nothing can be changed
}

func toAdminUser(u *store.User) adminUser {
	groups := u.Groups
	if groups == nil {
		groups = []string{}
	}
	v := adminUser{
		ID: u.ID, Email: u.Email, Name: u.Name, DisplayName: u.DisplayName, Groups: groups, Admin: u.Admin,
		Disabled: u.Disabled, NeedsName: u.Unnamed, CreatedAt: u.CreatedAt, VerifiedAt: u.VerifiedAt,
	}
	if u.Freeze != nil {
		v.FrozenSince = u.Freeze.At
	}
	return v
}

func listUsers(svc *authcore.Service, r *http.Request) (any, error) {
	after, limit, err := page(r)
	if err != nil {
		return nil, err
	}
	users, err := svc.ListUsers(r.Context(), after, limit)
	if err != nil {
		return nil, err
	}
	list := adminPage[adminUser]{Items: []adminUser{}}
	for _, u := range users {
		list.Items = append(list.Items, toAdminUser(u))
	}
	if len(users) == limit {
		list.Next = users[limit-1].ID
	}
	return list, nil
}

// adminNew is a user to be, or whom to invite.
type adminNew struct {
	Email       string   `json:"email"`
	Name        string   `json:"name,omitempty"`
	DisplayName string   `json:"display_name,omitempty"`
	Groups      []string `json:"groups,omitempty"`
	Admin       bool     `json:"admin,omitempty"` // invitations only
	Lost        bool     `json:"lost,omitempty"`  // invitations only: of whom has an account and no passkey any more
	Mail        bool     `json:"mail,omitempty"`  // invitations only: mail the link as well
}

// invitation reports whether it says what only an invitation may.
func (n adminNew) invitation() bool { return n.Admin || n.Lost || n.Mail }

func (n adminNew) user() authcore.NewUser {
	return authcore.NewUser{Email: n.Email, Name: n.Name, DisplayName: n.DisplayName, Groups: n.Groups}
}

func addUser(svc *authcore.Service, r *http.Request) (any, error) {
	var n adminNew
	if err := decodeAdmin(r, &n); err != nil {
		return nil, err
	}
	if n.invitation() { // BT-1: the role comes by an invitation that was accepted
		return nil, errAsked
	}
	u, err := svc.AddUser(r.Context(), operator, n.user())
	if err != nil {
		return nil, err
	}
	return toAdminUser(u), nil
}

// errWhichAdmin is an invitation of the admin where there is not exactly one.
var errWhichAdmin = &authcore.Refusal{Reason: authcore.EmailInvalid, Detail: "no single admin is configured; write --admin ADDRESS"}

// adminInvite is the link of an invitation, a secret.
type adminInvite struct {
	Link string `json:"link"`
}

func (a *adminServer) invite(svc *authcore.Service, r *http.Request) (any, error) {
	var n adminNew
	if err := decodeAdmin(r, &n); err != nil {
		return nil, err
	}
	if s := a.p.newest(); n.Admin && n.Email == "" && s != nil && s.admins != 1 {
		return nil, errWhichAdmin
	}
	if n.Lost {
		if n.Admin || n.Mail || n.Name != "" || len(n.Groups) > 0 {
			return nil, errAsked
		}
		link, err := svc.HandOut(r.Context(), operator, n.Email)
		return adminInvite{link}, err
	}
	invite := svc.Invite
	if n.Mail {
		invite = svc.MailInvite
	}
	link, err := invite(r.Context(), operator, n.user(), n.Admin)
	return adminInvite{link}, err
}

func deleteUser(svc *authcore.Service, r *http.Request) (any, error) {
	return nil, svc.DeleteUser(r.Context(), operator, r.PathValue("who"))
}

func disableUser(svc *authcore.Service, r *http.Request) (any, error) {
	return nil, svc.DisableUser(r.Context(), operator, r.PathValue("who"))
}

func enableUser(svc *authcore.Service, r *http.Request) (any, error) {
	return nil, svc.EnableUser(r.Context(), operator, r.PathValue("who"))
}

func signOutUser(svc *authcore.Service, r *http.Request) (any, error) {
	return nil, svc.SignOutUser(r.Context(), operator, r.PathValue("who"))
}

func nameUser(svc *authcore.Service, r *http.Request) (any, error) {
	var body struct {
		Name string `json:"name"`
	}
	if err := decodeAdmin(r, &body); err != nil {
		return nil, err
	}
	return nil, svc.NameUser(r.Context(), operator, r.PathValue("who"), body.Name)
}

func setGroups(svc *authcore.Service, r *http.Request) (any, error) {
	var body struct {
		Groups []string `json:"groups"`
	}
	if err := decodeAdmin(r, &body); err != nil {
		return nil, err
	}
	return nil, svc.SetGroups(r.Context(), operator, r.PathValue("who"), body.Groups)
}
