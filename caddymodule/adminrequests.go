package caddymodule

import (
	"net/http"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// adminRequest is somebody who proved an address and asks for an account.
type adminRequest struct {
	Email     string    `json:"email"`
	AskedAt   time.Time `json:"asked_at"`
	IP        string    `json:"ip,omitempty"`
	UserAgent string    `json:"user_agent,omitempty"`
}

func listRequests(svc *authcore.Service, r *http.Request) (any, error) {
	all, err := svc.Applicants(r.Context())
	if err != nil {
		return nil, err
	}
	list := adminPage[adminRequest]{Items: []adminRequest{}}
	for _, a := range all {
		list.Items = append(list.Items, adminRequest{Email: a.Email, AskedAt: a.AskedAt, IP: a.IP, UserAgent: a.Agent})
	}
	return list, nil
}

func approveRequest(svc *authcore.Service, r *http.Request) (any, error) {
	var n adminNew
	if err := decodeAdmin(r, &n); err != nil {
		return nil, err
	}
	if n.Email != "" || n.invitation() {
		return nil, errAsked
	}
	n.Email = r.PathValue("who")
	u, err := svc.Approve(r.Context(), operator, n.user())
	if err != nil {
		return nil, err
	}
	return toAdminUser(u), nil
}

func declineRequest(svc *authcore.Service, r *http.Request) (any, error) {
	return nil, svc.Decline(r.Context(), operator, r.PathValue("who"))
}
