// Package portal serves what a person sees of sign-in: the login, code, link,
// step-up and account pages, and the JSON that their scripts speak.
//
// A page is a struct here and a template of the same name in templates/:
// loginPage is rendered by templates/login.html. Handlers fill the struct and
// hand it to [renderer.render]; nothing else writes HTML. Scripts are an
// improvement everywhere but for passkeys and mailed links, which need one.
package portal

import (
	"html/template"
	"net/url"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/passwordless-auth/passwordless-auth/authcore"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/i18n"
)

// Page is what every template gets. Handlers start from [Handler.page] or
// [Handler.begin]. Texts in it are in the page's language already.
type Page struct {
	Brand      PageBrand
	Lang       *i18n.Language
	From       string // our path of this page, to come back to from the language switch
	Base       string // "" at the portal, "/.auth" on an app's host; goes before every path
	Title      string // without the brand's name
	FormToken  string // binds forms and script calls to this browser (CS-1)
	To         string // sealed return state, opaque here (RD-3); empty: the account page
	App        string // configured origin the person came from; empty: none. The CSP lets forms end there
	Portal     string // configured origin of the portal, on a page of an app's host: forms end there too; otherwise empty
	SignedInAs string // e-mail address of this browser's session; empty: nobody
	Error      string // one fixed sentence: what is wrong and what to do
	Notice     string // one fixed sentence: what was just done
	Secure     bool   // the configured origin is https: HSTS is sent
	Standalone bool   // the stylesheet stands in the page: for hosts that serve no assets (DESIGN 4.2)
}

// PageBrand is the operator's name and logo as a template needs them.
type PageBrand struct {
	Name string
	Logo string // asset name; empty: the name's initial stands in
}

// Initial is the first letter of the name, drawn where no logo is configured.
func (b PageBrand) Initial() string {
	r, _ := utf8.DecodeRuneInString(b.Name)
	return string(unicode.ToUpper(r))
}

// AppHost is the host of the app the person came from, for display.
func (p Page) AppHost() string {
	u, err := url.Parse(p.App)
	if err != nil {
		return ""
	}
	return u.Host
}

func (p Page) shared() Page { return p }

// view is a page with the template that shows it.
type view interface {
	shared() Page
	template() string
}

// loginPage starts a sign-in: passkey first, e-mail beside it.
type loginPage struct {
	Page
	Email   string // canonical address only; refused input is never echoed
	Passkey bool   // configuration lets passkeys start a sign-in
	Mail    bool   // configuration lets e-mail start a sign-in
	// NoServer: it would, but no mail server is configured.
	NoServer bool
	// InApp: the page is shown inside another app, where passkeys may not work.
	InApp     bool
	InAppName string // which one; empty: unknown
}

// secondPage asks for the second step of a sign-in by mail.
type secondPage struct {
	Page
	TOTP       bool // the account has an authenticator app
	Recovery   bool // it has recovery codes
	ByRecovery bool // a recovery code is asked for
}

// codeField is a field for a code that people type.
type codeField struct {
	Focus bool // it is what the page is about
	Bad   bool // what was typed is wrong
}

// Field is the page's one.
func (p secondPage) Field() codeField { return codeField{Focus: true, Bad: p.Error != ""} }

// Field is the page's one.
func (p totpPage) Field() codeField { return codeField{Focus: true, Bad: p.Error != ""} }

// TOTPField is for the authenticator app. Beside a passkey's button it is the
// second choice.
func (p stepUpPage) TOTPField() codeField {
	bad := p.Wrong == authcore.AMRTOTP
	return codeField{Focus: bad || p.Wrong == "" && !p.Passkey, Bad: bad}
}

// RecoveryField is for a recovery code.
func (p stepUpPage) RecoveryField() codeField {
	bad := p.Wrong == authcore.AMRRecovery
	return codeField{Focus: bad, Bad: bad}
}

// totpPage sets up an authenticator app. After a wrong code it asks for another
// one, and shows the secret no more (TO-1).
type totpPage struct {
	Page
	Picture template.HTML // QR code
	Secret  string        // base32 in groups; empty: shown before
	URI     template.URL  // otpauth://
}

// recoveryPage shows new recovery codes, once.
type recoveryPage struct {
	Page
	Codes  []string
	Host   string // where they work
	MadeAt time.Time
}

// addressPage changes the e-mail address.
type addressPage struct {
	Page
	New     string // address that waits for its code; empty: none was named yet
	Minutes int    // how long the code lives
}

// notMePage is where the link of a notice lands; the same rules as [linkPage].
type notMePage struct{ Page }

// notMeDonePage says what was done then.
type notMeDonePage struct{ Page }

// newTokenPage asks what an access token shall be for. After a refusal it holds
// what was typed and not refused.
type newTokenPage struct {
	Page
	Apps    []string // hosts to choose from
	Name    string
	App     string
	Write   bool
	Life    string // of tokenLives
	BadPath bool
}

// tokenPage shows a new access token, once.
type tokenPage struct {
	Page
	Token string
	Host  string // of the app that it opens
}

// historyPage is what happened in the account, a page at a time.
type historyPage struct {
	Page
	Events []accountEvent
	Before string // where the next page begins; empty: this is the last
	Later  bool   // it is not the newest
}

// askedPage tells somebody who asked for an account that an admin decides.
type askedPage struct{ Page }

// codePage waits for the mailed code. It is the same for every address (EN).
type codePage struct {
	Page
	Email   string // canonical address that was typed
	Minutes int    // how long link and code live
	Wait    int    // seconds until another mail may be asked for
	Spent   bool   // the code is gone (too many tries, expired): only a new mail helps
	Passkey bool   // who has a passkey may get no mail, and is shown the way to use it
}

// linkPage is where a mailed link lands. The script learns the rest by
// POST /login/link/peek; the server never sees the token before (ML-4, ML-7).
type linkPage struct{ Page }

// invitePage is where an invitation lands; the same rules as [linkPage].
type invitePage struct {
	Page
	Mail bool // e-mail signs in here
}

// offerPage offers a passkey after a sign-in by e-mail or invitation.
type offerPage struct {
	Page
	OnlyWay bool // without one there is no way back in
}

// stepUpPage asks for a fresh proof, by the methods named (SE-8).
type stepUpPage struct {
	Page
	For     string    // host of the app that asks; empty: it is about the account
	Met     bool      // nothing is to confirm any more
	Passkey bool      // a passkey of the account does
	Mail    bool      // e-mail is enough here
	Link    bool      // only a link made on the host is
	TOTP    bool      // the account's authenticator app does
	Recover bool      // a recovery code lets a passkey be added
	Limited bool      // the session was begun with a recovery code: a passkey comes first
	Waits   time.Time // when the account's next factor begins to count; zero: all do
	Add     bool      // the app asks for a passkey, and there is none
	AddTOTP bool      // the app asks for an authenticator app, and there is none
	Added   time.Time // Add, AddTOTP: when a new one begins to count; zero: at once
	Again   bool      // only a new sign-in does
	Stuck   bool      // nothing does that this site has
	Frozen  bool      // somebody said "not me": a passkey or recovery code of before is asked for
	Lost    bool      // the form for a recovery code is open
	Wrong   string    // method whose code was wrong; empty: none was
	Back    string    // page of the account that asks; empty: the account page
}

// accountPage is everything a person may see and end about themselves.
type accountPage struct {
	Page
	Name     string // display name; empty: none
	Groups   []string
	Open     []string // configured origins of the apps that are open to this person
	Passkeys []accountPasskey
	Sessions []accountSession // this browser's first
	Signal   passkeySignal

	OnlyOne    bool // one passkey is all that there is against a lost device
	NoPasskey  bool // passkeys are switched off
	Frozen     bool // nothing can be changed
	Thaws      bool // Frozen: there is a passkey or recovery code that ends it
	Limited    bool // a recovery code let this session in: it adds a passkey and does nothing else, and nothing else is shown
	TOTP       *accountTOTP
	Recovery   authcore.RecoveryStatus
	Strong     bool // there is a factor that recovery codes are for
	Tokens     []accountToken
	TokensStay bool // signing out all others leaves them
	MayToken   bool // there are apps that this person may make access tokens for
	Events     []accountEvent
	MayDelete  bool
	Deleting   bool // it was tried: the form stays open
}

// accountPasskey is one row of the passkey list.
type accountPasskey struct {
	ID       string // path segment
	Name     string
	Provider string // password manager or device that made it; empty: unknown
	Created  time.Time
	LastUsed time.Time // zero: never
	Synced   bool      // kept by a password manager on several devices (BS flag)
	Last     bool      // the last way in: cannot be removed
	MadeFor  string    // rp_id that it was made for, where that is not ours: it does not work here
}

// accountSession is one browser that is signed in.
type accountSession struct {
	ID       string // path segment
	Device   string // "Firefox on Linux"
	IP       string
	How      string // message key: signed in with a passkey, by e-mail …
	SignedIn time.Time
	LastSeen time.Time
	Current  bool     // the browser that asks
	Apps     []string // app hosts it is signed in to
}

// passkeySignal lets the browser forget passkeys that we no longer accept
// (WebAuthn L3, signalAllAcceptedCredentials). Identifiers are base64url.
type passkeySignal struct {
	RPID        string
	UserHandle  string
	UserName    string // as new passkeys would say it
	DisplayName string
	Credentials []string
}

// logoutPage asks whoever followed a link to /logout, which ends nothing by
// itself (CS-1). With App set it is that app's.
type logoutPage struct {
	Page
	Back string // where to stay
}

// signedOutPage follows a sign-out. With SignedInAs set only App was left, and
// the page offers to end the rest (DESIGN 4.2).
type signedOutPage struct {
	Page
	Everywhere bool // every browser was signed out
	Deleted    bool // the account is no more
	Sidecar    bool // the site is the one app that there is
	Switch     bool // the person wants to be somebody else
}

// deniedPage says that this person may not use this app.
type deniedPage struct {
	Page
	Rule      string // the line that decided, e.g. "Caddyfile:17"; for the administrator
	Unnamed   bool   // no app opens before an administrator gives this account a user name
	RequestID string
}

// networkPage says that the app does not open from the client's address. Nobody
// need be signed in.
type networkPage struct {
	Page
	Client    string // the address that we saw; empty: unknown (FA-1)
	Rule      string // the line that decided, for somebody who is signed in
	RequestID string
}

// errorPage is every other refusal: what happened and what to do next.
type errorPage struct {
	Page
	What      string // one or two sentences
	Next      string // one sentence; empty: there is nothing to do
	Action    action // zero: none
	RequestID string
}

// action is a link drawn as a button.
type action struct {
	Label  string // a message key, and its text on a page
	URL    string
	NewTab bool // keeps the page that a form was sent from
}

// bounceCause is why a hand-over did not stick.
type bounceCause string

// The causes that a hand-over can be told apart by.
const (
	bounceCookie bounceCause = "cookie" // the browser did not store it
	bounceScheme bounceCause = "scheme" // http and https mixed
	bounceHost   bounceCause = "host"   // another host name than configured
	bounceClock  bounceCause = "clock"  // this server's clock is wrong
)

// bouncesPage stops a sign-in that came back three times.
type bouncesPage struct {
	Page
	Cause     bounceCause // empty: unknown; all are listed
	Expected  string      // configured origin
	Seen      string      // origin the browser used; empty: unknown
	Retry     string      // address that starts afresh
	RequestID string
}

// unconfiguredPage answers for a host that nobody configured.
type unconfiguredPage struct {
	Page
	RequestID string
}

// cookiePage says that the browser did not keep the flow's cookie.
type cookiePage struct{ Page }

func (loginPage) template() string        { return "login" }
func (codePage) template() string         { return "code" }
func (secondPage) template() string       { return "second" }
func (totpPage) template() string         { return "totp" }
func (recoveryPage) template() string     { return "recovery" }
func (addressPage) template() string      { return "address" }
func (notMePage) template() string        { return "notme" }
func (notMeDonePage) template() string    { return "notmedone" }
func (newTokenPage) template() string     { return "newtoken" }
func (tokenPage) template() string        { return "token" }
func (historyPage) template() string      { return "history" }
func (askedPage) template() string        { return "asked" }
func (linkPage) template() string         { return "link" }
func (invitePage) template() string       { return "invite" }
func (offerPage) template() string        { return "offer" }
func (stepUpPage) template() string       { return "stepup" }
func (accountPage) template() string      { return "account" }
func (logoutPage) template() string       { return "logout" }
func (signedOutPage) template() string    { return "signedout" }
func (deniedPage) template() string       { return "denied" }
func (networkPage) template() string      { return "network" }
func (errorPage) template() string        { return "error" }
func (bouncesPage) template() string      { return "bounces" }
func (unconfiguredPage) template() string { return "unconfigured" }
func (cookiePage) template() string       { return "cookie" }
