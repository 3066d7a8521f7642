package harness

import (
	"context"

	"github.com/chromedp/cdproto/cdp"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// Authenticator is a virtual passkey provider attached to one tab: a platform
// authenticator whose user is present and verified, and whose passkeys look
// synced. It stays through navigation, across origins too.
type Authenticator struct {
	b  *Browser
	id webauthn.AuthenticatorID
}

// Device says how an authenticator differs from the common one.
type Device struct {
	KeepsNothing   bool // no discoverable passkeys: an old security key
	VerifiesNobody bool // no fingerprint, face or PIN: an old security key again
	NotSynced      bool // its passkeys could be synced, and are not yet
	NeverSyncable  bool // its passkeys never leave it
}

// AddAuthenticator attaches a new, empty authenticator to the tab.
func (b *Browser) AddAuthenticator() *Authenticator {
	b.t.Helper()
	return b.AddDevice(Device{})
}

// AddDevice is AddAuthenticator for one that differs.
func (b *Browser) AddDevice(d Device) *Authenticator {
	b.t.Helper()
	call(b, "enabling WebAuthn", webauthn.Enable, webauthn.EnableParams{})
	added := call(b, "adding an authenticator", webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
		Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Ctap2version: "ctap2_1",
			Transport:      webauthn.AuthenticatorTransportInternal,
			HasResidentKey: !d.KeepsNothing, HasUserVerification: !d.VerifiesNobody, IsUserVerified: !d.VerifiesNobody,
			AutomaticPresenceSimulation: true,
			DefaultBackupEligibility:    !d.NeverSyncable, DefaultBackupState: !d.NeverSyncable && !d.NotSynced,
		},
	})
	return &Authenticator{b: b, id: added.AuthenticatorID}
}

// UserVerifies says whether the user passes the fingerprint or PIN check from now on.
func (a *Authenticator) UserVerifies(yes bool) {
	a.b.t.Helper()
	call(a.b, "setting user verification", webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: a.id, IsUserVerified: yes})
}

// UserPresent says whether the user reacts to prompts at all. One who does not
// leaves a ceremony open until the page aborts it.
func (a *Authenticator) UserPresent(yes bool) {
	a.b.t.Helper()
	call(a.b, "setting presence", webauthn.SetAutomaticPresenceSimulation, webauthn.SetAutomaticPresenceSimulationParams{AuthenticatorID: a.id, Enabled: yes})
}

// Credentials are the passkeys it holds.
func (a *Authenticator) Credentials() []*webauthn.Credential {
	a.b.t.Helper()
	return call(a.b, "reading passkeys", webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: a.id}).Credentials
}

// NoAutofill makes the tab, from its next page on, one whose fields list no
// passkeys, as in older browsers: the only way to one is its button. In a tab
// with autofill a user who is present picks a passkey as soon as it is listed.
func (a *Authenticator) NoAutofill() {
	a.b.t.Helper()
	call(a.b, "switching autofill off", cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{
		Source: "if (window.PublicKeyCredential) PublicKeyCredential.isConditionalMediationAvailable = async () => false",
	})
}

// SyncTo gives another tab or browser an authenticator with the same passkeys,
// as a password manager does.
func (a *Authenticator) SyncTo(other *Browser) *Authenticator {
	a.b.t.Helper()
	// The generated parameters always name the CMTG fields, which Chromium
	// refuses for an authenticator without that extension.
	type credential struct {
		CredentialID         []byte  `json:"credentialId"`
		IsResidentCredential bool    `json:"isResidentCredential"`
		RpID                 string  `json:"rpId"`
		PrivateKey           []byte  `json:"privateKey"`
		UserHandle           []byte  `json:"userHandle"`
		SignCount            float64 `json:"signCount"`
		BackupEligibility    bool    `json:"backupEligibility"`
		BackupState          bool    `json:"backupState"`
		UserName             string  `json:"userName"`
		UserDisplayName      string  `json:"userDisplayName"`
	}
	type params struct {
		AuthenticatorID webauthn.AuthenticatorID `json:"authenticatorId"`
		Credential      credential               `json:"credential"`
	}
	add := cdp.Command[params, cdp.Empty]{Method: webauthn.CommandAddCredential}
	copied := other.AddAuthenticator()
	for _, c := range a.Credentials() {
		call(other, "copying a passkey", add, params{copied.id, credential{
			c.CredentialID, c.IsResidentCredential, c.RpID, c.PrivateKey, c.UserHandle, c.SignCount,
			c.BackupEligibility, c.BackupState, c.UserName, c.UserDisplayName,
		}})
	}
	return copied
}

// Sync sets whether its passkeys may be synced, and whether they are.
func (a *Authenticator) Sync(may, are bool) {
	a.b.t.Helper()
	for _, c := range a.Credentials() {
		call(a.b, "setting the backup flags", webauthn.SetCredentialProperties, webauthn.SetCredentialPropertiesParams{
			AuthenticatorID: a.id, CredentialID: c.CredentialID, BackupEligibility: &may, BackupState: &are,
		})
	}
}

// Clear forgets every passkey: the device was wiped.
func (a *Authenticator) Clear() {
	a.b.t.Helper()
	call(a.b, "clearing passkeys", webauthn.ClearCredentials, webauthn.ClearCredentialsParams{AuthenticatorID: a.id})
}

// Remove detaches the authenticator: the tab has none.
func (a *Authenticator) Remove() {
	a.b.t.Helper()
	call(a.b, "removing the authenticator", webauthn.RemoveVirtualAuthenticator, webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: a.id})
}

// call sends a raw protocol command to the tab.
func call[P, R any](b *Browser, what string, command cdp.Command[P, R], params P) R {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	answer, err := chromedp.Call(ctx, command, params)
	if err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
	return answer
}
