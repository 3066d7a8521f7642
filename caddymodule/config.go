package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
)

// SMTP is the mail server that takes our mail.
type SMTP struct {
	// Address is HOST or HOST:PORT. Default port: 587 with starttls, 465 with
	// implicit, 25 with none.
	Address string `json:"address,omitempty"`

	// Username signs in at the mail server; placeholders are replaced.
	// Default: none, no sign-in.
	Username string `json:"username,omitempty"`

	// Password is {env.NAME} or {file.PATH}, never the password itself.
	Password string `json:"password,omitempty"`

	// From is the sender, as address or "Name <address>". Required.
	From string `json:"from,omitempty"`

	// TLS is "starttls" (required of the server, never optional), "implicit"
	// (TLS from the first byte) or "none". None sends codes in the clear and
	// refuses a password unless the server is on loopback. Default: starttls.
	TLS string `json:"tls,omitempty"`
}

// Registration says who may make an account.
type Registration struct {
	// Mode is "closed" (who was added or invited), "invite" (so is everybody
	// else, but whoever proves an address asks for an account by it, and waits
	// for an admin) or "open" (whoever can read mail at an address).
	// Default: closed.
	Mode string `json:"mode,omitempty"`

	// Domains limits who may ask or register to addresses of these domains,
	// each compared as a whole: example.com does not cover sub.example.com.
	// Default: any.
	Domains []string `json:"domains,omitempty"`
}

// Session holds the limits of sessions, enforced by the server.
type Session struct {
	// Idle ends a session that was not used for this long, 1m or more.
	// Default: 24h.
	Idle caddy.Duration `json:"idle,omitempty"`

	// Absolute ends a session this long after sign-in, used or not; at least
	// Idle, at most 365d. Default: 30d.
	Absolute caddy.Duration `json:"absolute,omitempty"`

	// PerUser is how many sign-ins one user may have at once, 1 to 1000; the
	// one unused longest gives way. Default: 20.
	PerUser int `json:"per_user,omitempty"`
}

// Client is a program that signs people in through the JSON API.
type Client struct {
	// Name is what the program sends as client_id: a-z 0-9 . _ -
	Name string `json:"name"`

	// Title is what mails call it.
	Title string `json:"title"`

	// Origins are the web origins whose scripts may read our answers (CORS),
	// compared exactly. Default: none, for programs that are not web pages.
	Origins []string `json:"origins,omitempty"`

	// Audience is what its access tokens are for: the aud that a resource
	// server checks, such as https://api.example.com. Default: the portal's
	// origin.
	Audience string `json:"audience,omitempty"`
}

// API holds the lifetimes of the API's tokens.
type API struct {
	// AccessTTL is how long an access token is good, 10s to 10m. It is checked
	// without asking us, so it cannot be taken back. Default: 10m.
	AccessTTL caddy.Duration `json:"access_ttl,omitempty"`

	// RefreshTTL is how long a sign-in of a client lasts, refreshed or not; at
	// least AccessTTL, at most 365d. Default: 30d.
	RefreshTTL caddy.Duration `json:"refresh_ttl,omitempty"`
}

// Rate is a number of events in a stretch of time.
type Rate struct {
	// Count is how many.
	Count int `json:"count"`

	// Per is in how long.
	Per caddy.Duration `json:"per"`
}

// Limits holds rates on sign-in, invitations and the API.
type Limits struct {
	// Requests is what one client address may send (IPv6: one /64).
	// Default: 60 per 1m.
	Requests Rate `json:"requests,omitzero"`

	// Burst is what of it may come at once. Default: a third of Requests
	// per 10s.
	Burst Rate `json:"burst,omitzero"`

	// MailsPerAddress is how many mails one mailbox gets from unknown
	// browsers; at most 80 per 1h, because each mail gives a guesser five
	// tries. Default: 10 per 1h.
	MailsPerAddress Rate `json:"mails_per_address,omitzero"`
}

// Brand is what the pages look like.
type Brand struct {
	// Name stands on every page and in every mail. Default: "Sign in".
	Name string `json:"name,omitempty"`

	// Accent is the colour of buttons and links, as "#rrggbb". Text on it is
	// black or white, whichever reads better. Default: a calm blue.
	Accent string `json:"accent,omitempty"`

	// Logo is the path of an image of at most 128 KiB, .svg or .png. It is read
	// when the configuration is loaded. Default: none.
	Logo string `json:"logo,omitempty"`

	// Templates is a directory whose files replace our mails of the same name:
	// sign-in.txt, sign-in.html, codes-paused.txt, codes-paused.html.
	// Default: none.
	Templates string `json:"templates,omitempty"`
}
