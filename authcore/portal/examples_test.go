package portal

import (
	"slices"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/qr"
)

// example is a page as a person may meet it.
type example struct {
	name string
	view view
}

// examples returns every page in every state that changes its shape.
func examples(r *renderer) []example {
	at := time.Date(2026, 11, 25, 9, 30, 0, 0, time.UTC)
	base := func(title string) Page {
		p := r.page("", title)
		p.FormToken, p.To, p.App, p.Secure = "f0rm-t0ken", "sealed.state", "https://wiki.example.com", true
		return p
	}
	signedIn := func(title string) Page {
		p := base(title)
		p.SignedInAs = "ada@example.com"
		return p
	}
	failed := func(p Page, text string) Page { p.Error = text; return p }
	alone := func(p Page) Page { p.Standalone, p.Base = true, "/.auth"; return p }
	login := base("Sign in")
	const email, wiki = "ada@example.com", "wiki.example.com"
	out := []example{
		{"login", loginPage{Page: login, Passkey: true, Mail: true}},
		{"login-error", loginPage{Page: failed(login, "That is not an e-mail address we can use. Check it and try again."), Passkey: true, Mail: true}},
		{"login-mail-only", loginPage{Page: login, Mail: true, Email: email}},
		{"login-passkey-only", loginPage{Page: login, Passkey: true}},
		{"login-no-mail-server", loginPage{Page: login, Passkey: true, NoServer: true}},
		{"code", codePage{Page: base("Check your mail"), Email: email, Minutes: 10, Wait: 30}},
		{"code-passkey", codePage{Page: base("Check your mail"), Email: email, Minutes: 10, Wait: 30, Passkey: true}},
		{"code-error", codePage{Page: failed(base("Check your mail"), "That is not the code of the newest mail. Check it and try again."), Email: email, Minutes: 10}},
		{"code-spent", codePage{Page: failed(base("Check your mail"), "That was wrong five times, so the code is no longer good. Ask for a new mail."), Email: email, Minutes: 10, Spent: true}},
		{"login-in-app", loginPage{Page: login, Passkey: true, Mail: true, InApp: true, InAppName: "Instagram"}},
		{"asked", askedPage{base("Your request has arrived")}},
		{"second", secondPage{Page: base("One more step"), TOTP: true, Recovery: true}},
		{"second-error", secondPage{Page: failed(base("One more step"), "That is not the code that your authenticator app shows now."), TOTP: true}},
		{"second-recovery-error", secondPage{Page: failed(base("One more step"), "That is none of your unused recovery codes."), Recovery: true, ByRecovery: true}},
		{"second-recovery", secondPage{Page: base("One more step"), TOTP: true, Recovery: true, ByRecovery: true}},
		{"totp", exampleTOTP(signedIn("Set up an authenticator app"))},
		{"totp-again", totpPage{Page: failed(signedIn("Set up an authenticator app"), "That is not the code that your authenticator app shows now.")}},
		{"recovery", recoveryPage{Page: signedIn("Your recovery codes"), Host: "auth.example.com", MadeAt: at, Codes: slices.Repeat([]string{"8K2M-QV7D-0XH3-45TC-9WYA-4JNE"}, 10)}},
		{"address", addressPage{Page: signedIn("Change your e-mail address"), Minutes: 10}},
		{"address-sent", addressPage{Page: signedIn("Change your e-mail address"), New: "ada@example.org", Minutes: 10}},
		{"notme", notMePage{base("Was that not you?")}},
		{"notmedone", notMeDonePage{base("Done")}},
		{"token", tokenPage{Page: signedIn("Your access token"), Host: wiki, Token: "pwl_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM"}},
		{"history", historyPage{Page: signedIn("What happened in your account"), Before: "01K", Events: exampleEvents(at)}},
		{"newtoken", newTokenPage{Page: signedIn("Make an access token"), Apps: []string{"app.example.com", "wiki.example.com"}, Life: tokenLifeFirst}},
		{"newtoken-path", newTokenPage{Page: failed(signedIn("Make an access token"), "That path cannot be used. Write it like /dav or /dav/*, or leave it empty."), Apps: []string{"app.example.com"}, App: "app.example.com", Name: "Phone calendar", Write: true, Life: "30d", BadPath: true}},
		{"history-older", historyPage{Page: signedIn("What happened in your account"), Later: true, Events: exampleEvents(at)}},
		{"history-none", historyPage{Page: signedIn("What happened in your account")}},
		{"link", linkPage{Page: base("Sign in")}},
		{"invite", invitePage{Page: base("Invitation"), Mail: true}},
		{"invite-no-mail", invitePage{Page: base("Invitation")}},
		{"offer", offerPage{Page: signedIn("Use a passkey")}},
		{"offer-only-way", offerPage{Page: signedIn("Use a passkey"), OnlyWay: true}},
		{"stepup", stepUpPage{Page: signedIn("Confirm it’s you"), Passkey: true}},
		{"stepup-mail", stepUpPage{Page: signedIn("Confirm it’s you"), Mail: true}},
		{"stepup-totp", stepUpPage{Page: signedIn("Confirm it’s you"), TOTP: true, Recover: true}},
		{"stepup-both", stepUpPage{Page: signedIn("Confirm it’s you"), Passkey: true, TOTP: true, Recover: true}},
		{"stepup-frozen", stepUpPage{Page: signedIn("Confirm it’s you"), Passkey: true, Recover: true, Frozen: true, Lost: true}},
		{"stepup-recovery-wrong", stepUpPage{Page: failed(signedIn("Confirm it’s you"), "That is none of your unused recovery codes."), TOTP: true, Recover: true, Lost: true, Wrong: authcore.AMRRecovery}},
		{"stepup-app-totp", stepUpPage{Page: signedIn("Confirm it’s you"), For: wiki, TOTP: true}},
		{"stepup-app-add-totp", stepUpPage{Page: signedIn("Confirm it’s you"), For: wiki, AddTOTP: true}},
		{"stepup-app-limited", stepUpPage{Page: signedIn("Confirm it’s you"), For: wiki, Limited: true}},
		{"stepup-app-limited-passkey", stepUpPage{Page: signedIn("Confirm it’s you"), For: wiki, Limited: true, Passkey: true}},
		{"stepup-link", stepUpPage{Page: signedIn("Confirm it’s you"), Link: true}},
		{"stepup-app", stepUpPage{Page: signedIn("Confirm it’s you"), For: wiki, Passkey: true}},
		{"stepup-app-older", stepUpPage{Page: signedIn("Confirm it’s you"), For: wiki, Passkey: true, Waits: at}},
		{"stepup-app-mail", stepUpPage{Page: signedIn("Confirm it’s you"), For: wiki, Mail: true}},
		{"stepup-app-waits", stepUpPage{Page: signedIn("Your passkey does not count yet"), For: wiki, Waits: at}},
		{"stepup-app-add", stepUpPage{Page: signedIn("A passkey is needed"), For: wiki, Add: true}},
		{"stepup-app-add-waits", stepUpPage{Page: signedIn("A passkey is needed"), For: wiki, Add: true, Added: at}},
		{"stepup-app-again", stepUpPage{Page: signedIn("Confirm it’s you"), For: wiki, Again: true}},
		{"stepup-app-stuck", stepUpPage{Page: signedIn("This cannot be confirmed here"), For: wiki, Stuck: true}},
		{"account", exampleAccount(signedIn("Your account"), at)},
		{"account-new", accountPage{Page: signedIn("Your account"), Sessions: []accountSession{{ID: "s1", Device: "Safari on iPhone", IP: "192.0.2.7", How: "account.signed-in-passkey", SignedIn: at, LastSeen: at, Current: true}}}},
		{"account-limited", accountPage{Page: signedIn("Your account"), Limited: true}},
		{"account-refused", exampleRefused(failed(signedIn("Your account"), "Type your e-mail address to delete the account."), at)},
		{"account-frozen", accountPage{Page: signedIn("Your account"), Frozen: true, NoPasskey: true, Events: exampleEvents(at)}},
		{"signedout-deleted", signedOutPage{Page: base("Signed out"), Deleted: true}},
		{"signedout", signedOutPage{Page: base("Signed out")}},
		{"signedout-app", signedOutPage{Page: signedIn("Signed out")}},
		{"signedout-switch", signedOutPage{Page: signedIn("Use another account"), Switch: true}},
		{"signedout-everywhere", signedOutPage{Page: base("Signed out"), Everywhere: true}},
		{"signedout-sidecar", signedOutPage{Page: base("Signed out"), Sidecar: true}},
		{"logout", logoutPage{Page: signedIn("Sign out"), Back: "/account"}},
		{"logout-standalone", logoutPage{Page: alone(signedIn("Sign out")), Back: "/"}},
		{"denied", deniedPage{Page: signedIn("Not open to you"), Rule: "Caddyfile:17", RequestID: "req_7f3a91c2"}},
		{"denied-unnamed", deniedPage{Page: alone(signedIn("Not open to you")), Unnamed: true, RequestID: "req_7f3a91c2"}},
		{"denied-standalone", deniedPage{Page: alone(signedIn("Not open to you")), RequestID: "req_7f3a91c2"}},
		{"network", networkPage{Page: alone(base("Not from this network")), Client: "2001:db8::7", RequestID: "req_7f3a91c2"}},
		{"network-unknown", networkPage{Page: alone(base("Not from this network")), RequestID: "req_7f3a91c2"}},
		{"network-signed-in", networkPage{Page: alone(signedIn("Not from this network")), Client: "203.0.113.9", Rule: "Caddyfile:17", RequestID: "req_7f3a91c2"}},
		{"error", errorPage{Page: base("The database cannot be written"), What: "The server could not store your sign-in, so nothing has changed.", Next: "Wait a minute and try again. If it stays, tell the person who runs this server.", Action: action{Label: "Try again", URL: "/login"}, RequestID: "req_7f3a91c2"}},
		{"error-standalone", errorPage{Page: alone(base("Your session has ended")), What: "What you sent was not passed on, and this tab still holds it.", Next: "Sign in in a new tab, then come back here and reload.", Action: action{Label: "Sign in in a new tab", URL: "/.auth/start?rd=/", NewTab: true}}},
		{"error-no-next", errorPage{Page: alone(base("Not asked by a proxy")), What: "Only the proxy of this site may ask here."}},
		{"unconfigured", unconfiguredPage{Page: alone(base("Not set up")), RequestID: "req_7f3a91c2"}},
		{"cookie", cookiePage{Page: base("Cookie missing")}},
	}
	for _, cause := range []bounceCause{"", bounceCookie, bounceScheme, bounceHost, bounceClock} {
		out = append(out, example{"bounces-" + string(cause), bouncesPage{
			Page: alone(base("Sign-in keeps coming back")), Cause: cause, Expected: "https://wiki.example.com",
			Seen: "http://wiki.example.com", Retry: "/", RequestID: "req_7f3a91c2",
		}})
	}
	return out
}

func exampleAccount(p Page, at time.Time) accountPage {
	p.Notice = "Passkey added. Next time you can sign in with it."
	return accountPage{
		Page: p, Name: "Ada Lovelace", Groups: []string{"staff", "wiki-editors"}, Open: []string{"https://app.example.com", "https://wiki.example.com"},
		Passkeys: []accountPasskey{
			{ID: "pk1", Name: "iCloud Keychain", Created: at.AddDate(0, -3, 0), LastUsed: at, Synced: true},
			{ID: "pk2", Name: "YubiKey 5C (desk drawer, second one)", Created: at.AddDate(0, -1, 0)},
			{ID: "pk3", Name: "Windows Hello", Created: at.AddDate(0, -1, 0), Last: true},
			{ID: "pk4", Name: "Old phone", Created: at.AddDate(-1, 0, 0), MadeFor: "app.example.com"},
		},
		Sessions: []accountSession{
			{ID: "s1", Device: "Safari on iPhone", IP: "192.0.2.7", How: "account.signed-in-passkey", SignedIn: at, LastSeen: at, Current: true, Apps: []string{"wiki.example.com", "app.example.com"}},
			{ID: "s2", Device: "Firefox on Linux", IP: "2001:db8:85a3::8a2e:370:7334", How: "account.signed-in-email", SignedIn: at.Add(-50 * time.Hour), LastSeen: at.Add(-2 * time.Hour)},
		},
		OnlyOne: true, Frozen: true, Thaws: true, Strong: true, MayDelete: true, TOTP: &accountTOTP{Created: at, LastUsed: at, Waits: at.Add(24 * time.Hour)},
		Recovery: authcore.RecoveryStatus{Left: 2, Made: 10, Low: true}, MayToken: true, Events: exampleEvents(at),
		Tokens: []accountToken{
			{ID: "t1", Name: "Phone calendar", App: "wiki.example.com", Path: "/dav/*", Created: at, LastUsed: at, Expires: at.AddDate(0, 3, 0)},
			{ID: "t2", App: "app.example.com", ReadOnly: true, Created: at},
		},
		Signal: passkeySignal{RPID: "auth.example.com", UserHandle: "dXNlcg", Credentials: []string{"YQ", "Yg"}},
	}
}

// exampleRefused is somebody with little, who mistyped.
func exampleRefused(p Page, at time.Time) accountPage {
	return accountPage{
		Page: p, MayDelete: true, Deleting: true, MayToken: true, Events: exampleEvents(at),
		Passkeys: []accountPasskey{{ID: "pk1", Name: "Firefox on Linux", Provider: "Windows Hello", Created: at}}, Strong: true,
		Sessions: []accountSession{{ID: "s1", Device: "Firefox on Linux", IP: "192.0.2.7", How: "account.signed-in-totp", SignedIn: at, LastSeen: at, Current: true}},
	}
}

func exampleTOTP(p Page) totpPage {
	const uri = "otpauth://totp/Example:ada%40example.com?algorithm=SHA1&digits=6&issuer=Example&period=30&secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
	picture, err := qr.SVG(uri, p.Lang.Text("totp.picture"))
	if err != nil {
		panic(err)
	}
	return totpPage{Page: p, Secret: "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP", URI: uri, Picture: picture}
}

func exampleEvents(at time.Time) []accountEvent {
	return []accountEvent{
		{What: "Opened wiki.example.com", When: at, Device: "Safari on iPhone", IP: "192.0.2.7"},
		{What: "The passkey YubiKey 5C (desk drawer, second one) was used", When: at, Device: "Safari on iPhone", IP: "192.0.2.7"},
		{What: "Signed in", When: at, Device: "Safari on iPhone", IP: "192.0.2.7"},
		{What: "A wrong code was typed", When: at, Device: "Firefox on Linux", IP: "2001:db8::7", Bad: true},
	}
}
