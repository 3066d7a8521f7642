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
		SelfDelete:        a.SelfDelete,
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
		app := authcore.App{Policy: h.policy}
		if app.Origin, err = authcore.ParseAppOrigin(h.Origin.String()); err != nil {
			return c, fmt.Errorf("%s: %w", h.at, err)
		}
		c.Apps = append(c.Apps, app)
	}
	return c, nil
}

// spec is the policy with the place of each rule; block is the word of its
// block.
func (p *Policy) spec(block string) authcore.PolicySpec {
	spec := p.Rules.spec(block, "")
	spec.Assertion = p.Assertion
	for i := range p.Paths {
		spec.Paths = append(spec.Paths, p.Paths[i].spec())
	}
	spec.Headers = make(map[string]string)
	for key, name := range map[string]string{
		"user": p.Headers.User, "sub": p.Headers.Sub, "email": p.Headers.Email, "name": p.Headers.Name, "groups": p.Headers.Groups, "jwt": p.Headers.JWT,
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

func (p *Path) spec() authcore.PathSpec {
	return authcore.PathSpec{Path: p.Path, Methods: p.Methods, Rules: p.Rules.spec("path", "path "+p.Path+" ")}
}

// spec names what has no place by itself, behind within.
func (r *Rules) spec(block, within string) authcore.PolicySpec {
	lines := func(word string, entries []string) (list []authcore.Line) {
		for _, entry := range entries {
			list = append(list, authcore.Line{Words: []string{entry}, At: r.place(word+" "+entry, within)})
		}
		return list
	}
	spec := authcore.PolicySpec{
		Public: lines("public", r.Public), Allow: lines("allow", r.Allow), Deny: lines("deny", r.Deny), Network: lines("network", r.Network),
		Reauth: time.Duration(r.Reauth), ReauthAt: r.place("reauth", within),
		At: cmp.Or(r.At[block], strings.TrimSpace(within), block),
	}
	for _, methods := range r.Require {
		spec.Require = append(spec.Require, authcore.Line{Words: methods, At: r.place("require "+strings.Join(methods, " "), within)})
	}
	if r.Tokens != nil {
		spec.Tokens = authcore.Off
		if *r.Tokens {
			spec.Tokens = authcore.On
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
