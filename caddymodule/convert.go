package caddymodule

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/outbox"
	"github.com/passwordless-auth/passwordless-auth/authcore/portal"
)

// coreConfig says in authcore's terms what was configured here.
func (a *App) coreConfig(hosts []boundHost) (authcore.Config, error) {
	c := authcore.Config{
		RPID: a.RPID, RPName: a.RPName, Brand: a.brandName(hosts),
		Registration:      authcore.Registration{Mode: a.Registration.Mode, Domains: a.Registration.Domains},
		Admins:            a.Admins,
		NoPasskey:         len(a.Methods) > 0 && !slices.Contains(a.Methods, "passkey"),
		NoEmail:           len(a.Methods) > 0 && !slices.Contains(a.Methods, "email"),
		NoMailServer:      a.SMTP == (SMTP{}),
		EmailAfterPasskey: a.EmailAfterPasskey,
		SessionIdle:       time.Duration(a.Session.Idle), SessionAbsolute: time.Duration(a.Session.Absolute), SessionsPerUser: a.Session.PerUser,
		AccessTTL: time.Duration(a.API.AccessTTL), RefreshTTL: time.Duration(a.API.RefreshTTL), LinkTTL: time.Duration(a.LinkTTL),
		Requests: a.Limits.Requests.Count, RequestsPer: time.Duration(a.Limits.Requests.Per),
		Burst: a.Limits.Burst.Count, BurstPer: time.Duration(a.Limits.Burst.Per),
		MailsPerAddress: a.Limits.MailsPerAddress.Count, MailsPer: time.Duration(a.Limits.MailsPerAddress.Per),
	}
	var err error
	if a.Portal != "" {
		if c.Portal, err = authcore.ParseOrigin(a.Portal); err != nil {
			return c, fmt.Errorf("portal: %w", err)
		}
	}
	for _, client := range a.Clients {
		c.Clients = append(c.Clients, authcore.APIClient{ID: client.Name, Title: client.Title, Origins: client.Origins, Audience: client.Audience})
	}
	for _, h := range hosts {
		app := authcore.App{Policy: h.Guards[0].policy}
		if app.Origin, err = authcore.ParseOrigin(h.Origin.String()); err != nil {
			return c, fmt.Errorf("%s: %w", h.Guards[0].where(), err)
		}
		c.Apps = append(c.Apps, app)
	}
	return c, nil
}

// spec is the guard's policy with the place of each rule.
func (g *Guard) spec() authcore.PolicySpec {
	lines := func(word string, entries []string) (list []authcore.Line) {
		for _, entry := range entries {
			rule := word + " " + entry
			at := g.At[rule]
			if at == "" {
				at = rule
			}
			list = append(list, authcore.Line{Words: []string{entry}, At: at})
		}
		return list
	}
	at := g.At["passwordless_guard"]
	if at == "" {
		at = "passwordless_guard"
	}
	spec := authcore.PolicySpec{
		Public: lines("public", g.Public), Allow: lines("allow", g.Allow), Deny: lines("deny", g.Deny), At: at,
		Headers: map[string]string{},
	}
	for key, name := range map[string]string{
		"user": g.Headers.User, "sub": g.Headers.Sub, "email": g.Headers.Email, "name": g.Headers.Name, "groups": g.Headers.Groups,
	} {
		switch name {
		case "":
		case "off":
			spec.Headers[key] = ""
		default:
			spec.Headers[key] = name
		}
	}
	return spec
}

// mailWorker makes what delivers mail; without a runtime it can only check the
// settings. Without a mail server it is there all
// the same: mails wait, say so, and expire.
func (a *App) mailWorker(rt *authcore.Runtime) (*outbox.Worker, error) {
	o := outbox.Options{SMTP: a.mailServer(), Templates: a.Brand.Templates, Now: time.Now, Rand: rand.Reader, Log: a.log}
	if rt != nil {
		o.Store, o.OpenSecrets = rt.Store(), rt.OpenSecrets
	}
	return outbox.New(o)
}

func (a *App) mailServer() outbox.SMTP {
	server := outbox.SMTP{
		Host: a.SMTP.Address, Username: a.secrets.smtpUsername, Password: outbox.Password(a.secrets.smtpPassword.reveal()),
		From: a.SMTP.From, TLS: a.SMTP.TLS,
	}
	if host, port, err := net.SplitHostPort(a.SMTP.Address); err == nil {
		server.Host = host
		server.Port, _ = strconv.Atoi(port) // checkMailServer knows that it is a number
	}
	return server
}

func (b Brand) look() portal.Brand {
	return portal.Brand{Name: b.Name, Accent: strings.ToLower(b.Accent), Logo: b.Logo}
}

// brandName is what pages and mails call the place that people sign in to: by
// default what passkeys are made for, or the host of sign-in.
func (a *App) brandName(hosts []boundHost) string {
	name := cmp.Or(a.Brand.Name, a.RPName)
	if name != "" {
		return name
	}
	if portal, err := parseOrigin(a.Portal); a.Portal != "" && err == nil {
		return portal.host
	}
	if len(hosts) > 0 { // the sidecar's
		return hosts[0].Host
	}
	return ""
}

// prefixes reads the addresses and networks of metrics_allow; checkNetwork has
// seen them.
func prefixes(list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range list {
		if addr, err := netip.ParseAddr(s); err == nil {
			out = append(out, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("metrics_allow: %w", err)
		}
		out = append(out, p)
	}
	return out, nil
}
