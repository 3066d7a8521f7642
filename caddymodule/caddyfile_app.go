package caddymodule

import (
	"encoding/json"
	"fmt"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

// laterOptions are words of the global option that come with later versions.
const laterOptions later = "redis webhook backup admin_allow"

// parseApp reads the global option. Syntax, every line optional:
//
//	passwordless {
//	    database            <path>
//	    root_key            {env.NAME} | {file.PATH}
//	    portal              <origin>
//	    rp_id               <host>
//	    rp_name             <name>
//	    smtp                <host>[:<port>] { … }
//	    registration        closed | invite [<domain>…] | open [<domain>…]
//	    admins              <address>…
//	    methods             passkey | email | passkey email
//	    email_after_passkey allow | second | off
//	    self_delete         allow | off
//	    link_ttl            <time, at most 10m>
//	    session             { … }
//	    proxy               <kind> <address or network>…
//	    app                 <host> { … }
//	    client              <name> <title> [<origin>…] { … }
//	    api                 { … }
//	    limits              { … }
//	    brand               { … }
//	    metrics_allow       <address or network>…
//	}
//
// Only proxy, app and client may stand more than once.
func parseApp(d *caddyfile.Dispenser, existing any) (any, error) {
	d.Next() // the option's name
	if existing != nil {
		return nil, d.Err("the passwordless option stands twice; put all of it into one block")
	}
	if d.NextArg() {
		return nil, d.Errf("%q is too much; open a block: passwordless { … }", d.Val())
	}
	app := new(App)
	var asking string // where something asked for a portal first
	err := parseBlock(d, app.words(), laterOptions, func() error {
		if asking == "" && app.checkPortal() != nil {
			asking = fmt.Sprintf("%s:%d", d.File(), d.Line())
		}
		return app.checkLines()
	})
	if err != nil {
		return nil, err
	}
	if err := app.checkPortal(); err != nil { // it might have come later
		return nil, fmt.Errorf("%w, at %s", err, asking)
	}
	value, err := json.Marshal(app)
	if err != nil {
		return nil, d.WrapErr(err)
	}
	return httpcaddyfile.App{Name: "passwordless", Value: value}, nil
}

func (a *App) words() words {
	return words{
		"database":            text(&a.Database),
		"root_key":            text(&a.RootKey),
		"portal":              text(&a.Portal),
		"rp_id":               text(&a.RPID),
		"rp_name":             text(&a.RPName),
		"smtp":                {parse: a.SMTP.parse},
		"registration":        {parse: a.Registration.parse},
		"admins":              list(&a.Admins),
		"methods":             list(&a.Methods),
		"email_after_passkey": text(&a.EmailAfterPasskey),
		"self_delete":         text(&a.SelfDelete),
		"link_ttl":            duration(&a.LinkTTL),
		"session":             {parse: a.Session.parse},
		"proxy":               {parse: a.parseProxy, many: true},
		"app":                 {parse: a.parseAppHost, many: true},
		"client":              {parse: a.parseClient, many: true},
		"api":                 {parse: a.API.parse},
		"limits":              {parse: a.Limits.parse},
		"brand":               {parse: a.Brand.parse},
		"metrics_allow":       list(&a.MetricsAllow),
	}
}

// parse reads the mail server. Syntax:
//
//	smtp <host>[:<port>] {
//	    username <name>
//	    password {env.NAME} | {file.PATH}
//	    from     <address> | "<name> <address>"
//	    tls      starttls | implicit | none
//	}
func (s *SMTP) parse(d *caddyfile.Dispenser) error {
	if err := text(&s.Address).parse(d); err != nil {
		return err
	}
	if err := s.check(); err != nil {
		return d.WrapErr(err)
	}
	if err := parseBlock(d, s.words(), "", s.check); err != nil {
		return err
	}
	if err := s.complete(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (s *SMTP) words() words {
	return words{"username": text(&s.Username), "password": text(&s.Password), "from": text(&s.From), "tls": text(&s.TLS)}
}

// parse reads who may make an account. Syntax:
//
//	registration closed | invite [<domain>…] | open [<domain>…]
func (r *Registration) parse(d *caddyfile.Dispenser) error {
	if err := text(&r.Mode).parse(d); err != nil {
		return err
	}
	r.Domains = d.RemainingArgs()
	return nil
}

// parse reads the limits of sessions. Syntax:
//
//	session {
//	    idle     <time>
//	    absolute <time>
//	    per_user <number>
//	}
func (s *Session) parse(d *caddyfile.Dispenser) error {
	return parseBlock(d, s.words(), "", s.check)
}

func (s *Session) words() words {
	return words{"idle": duration(&s.Idle), "absolute": duration(&s.Absolute), "per_user": number(&s.PerUser)}
}

// parseProxy reads who may ask for decisions. Syntax:
//
//	proxy traefik | caddy | nginx | haproxy | envoy   <address or network> | unix …
func (a *App) parseProxy(d *caddyfile.Dispenser) error {
	var p Proxy
	if err := text(&p.Kind).parse(d); err != nil {
		return err
	}
	p.From = d.RemainingArgs()
	a.Proxies = append(a.Proxies, p)
	return nil
}

// parseAppHost reads an app behind another proxy. Syntax:
//
//	app <host>[:<port>] | <origin> {
//	    …               the words of a policy
//	}
func (a *App) parseAppHost(d *caddyfile.Dispenser) error {
	at := place(d)
	var host string
	if err := text(&host).parse(d); err != nil {
		return err
	}
	a.Apps = append(a.Apps, AppHost{Host: host})
	app := &a.Apps[len(a.Apps)-1]
	app.note("app", at)
	if err := a.checkApps(); err != nil {
		return d.WrapErr(err)
	}
	known := app.words()
	known["origin"] = elsewhere("is the word behind app, such as app https://wiki.example.com")
	return app.parse(d, known, app.check)
}

// parseClient reads one API client. Syntax:
//
//	client <name> <title> [<origin>…] {
//	    audience <text>
//	}
func (a *App) parseClient(d *caddyfile.Dispenser) error {
	var c Client
	if !d.Args(&c.Name, &c.Title) {
		return d.Err("client needs a name and a title, such as client spa \"Example Web\" https://spa.example.com")
	}
	c.Origins = d.RemainingArgs()
	a.Clients = append(a.Clients, c)
	return parseBlock(d, words{"audience": text(&a.Clients[len(a.Clients)-1].Audience)}, "", a.checkClients)
}

// parse reads the lifetimes of API tokens. Syntax:
//
//	api {
//	    access_ttl  <time, at most 10m>
//	    refresh_ttl <time>
//	}
func (a *API) parse(d *caddyfile.Dispenser) error {
	return parseBlock(d, a.words(), "", a.check)
}

func (a *API) words() words {
	return words{"access_ttl": duration(&a.AccessTTL), "refresh_ttl": duration(&a.RefreshTTL)}
}

// parse reads the rates. Syntax:
//
//	limits {
//	    requests          <number> per <time>
//	    burst             <number> per <time>
//	    mails_per_address <number> per <time, at most 80 per 1h>
//	}
func (l *Limits) parse(d *caddyfile.Dispenser) error {
	return parseBlock(d, l.words(), "", l.check)
}

func (l *Limits) words() words {
	return words{"requests": rate(&l.Requests), "burst": rate(&l.Burst), "mails_per_address": rate(&l.MailsPerAddress)}
}

// parse reads the look. Syntax:
//
//	brand {
//	    name      <name>
//	    accent    "#rrggbb"
//	    logo      <path>
//	    templates <directory>
//	}
func (b *Brand) parse(d *caddyfile.Dispenser) error {
	return parseBlock(d, b.words(), "", b.check)
}

func (b *Brand) words() words {
	return words{"name": text(&b.Name), "accent": text(&b.Accent), "logo": text(&b.Logo), "templates": text(&b.Templates)}
}
