package portal

import (
	"net/http"
	"slices"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// Answers that several routes give.
var (
	apiSignedIn = apiAnswer{http.StatusOK, tokensDoc{}, "Signed in."}
	apiDone     = apiAnswer{http.StatusNoContent, nil, "Done."}
)

// apiRoutes is the API (DESIGN §7).
func apiRoutes() []apiRoute {
	return append(slices.Concat(apiLoginRoutes(), apiAccountRoutes(), apiFactorRoutes(), apiPersonRoutes()), apiRoute{
		method: "GET", path: "/api/openapi.json", id: "getOpenAPI", summary: "This document",
		apiAct:  bare((*Handler).apiDocument),
		answers: []apiAnswer{{http.StatusOK, openAPIDoc{}, "OpenAPI 3.1. Any page may read it, and keep it for five minutes."}},
	})
}

func apiLoginRoutes() []apiRoute {
	return []apiRoute{{
		method: "POST", path: "/api/login/email", id: "startEmailLogin", summary: "Mail a sign-in code",
		about:   "The answer is the same for every address: known, unknown, disabled or asked too often. Under an Idempotency-Key, a repeat gets the same flow, and no second mail before resend_after.",
		charged: true, keyed: true, apiAct: with((*Handler).apiLoginEmail),
		answers: []apiAnswer{{http.StatusAccepted, flowDoc{}, "The sign-in has begun."}},
		refuses: []authcore.Reason{authcore.EmailInvalid, authcore.ClientUnknown, authcore.OriginForbidden, authcore.MethodOff},
	}, {
		method: "POST", path: "/api/login/email/verify", id: "finishEmailLogin", summary: "Sign in with a mailed code",
		charged: true, apiAct: with((*Handler).apiLoginVerify),
		answers: []apiAnswer{apiSignedIn, {http.StatusAccepted, nextDoc{}, "The account asks for a second step."}},
		refuses: []authcore.Reason{authcore.CodeInvalid, authcore.CodeExhausted, authcore.FlowExpired, authcore.MethodOff, authcore.ApprovalPending},
	}, {
		method: "POST", path: "/api/login/passkey/options", id: "startPasskeyLogin", summary: "Options for navigator.credentials.get",
		about:   "The passkey tells who it is: nobody is named before. The answer has to come from the origin that asked for the options.",
		charged: true, apiAct: with((*Handler).apiPasskeyOptions),
		answers: []apiAnswer{{http.StatusOK, optionsDoc{}, "A new challenge, for five minutes and one answer."}},
		refuses: []authcore.Reason{authcore.ClientUnknown, authcore.OriginForbidden, authcore.MethodOff},
	}, {
		method: "POST", path: "/api/login/passkey", id: "finishPasskeyLogin", summary: "Sign in with a passkey",
		charged: true, apiAct: with((*Handler).apiPasskey),
		answers: []apiAnswer{apiSignedIn},
		refuses: []authcore.Reason{authcore.FlowExpired, authcore.PasskeyRefused, authcore.CredentialUnknown, authcore.MethodOff},
	}, {
		method: "POST", path: "/api/login/totp", id: "finishLoginByTOTP", summary: "Second step: a code of the authenticator app",
		charged: true, apiAct: with((*Handler).apiLoginTOTP),
		answers: []apiAnswer{apiSignedIn},
		refuses: []authcore.Reason{authcore.TOTPInvalid, authcore.CodeExhausted, authcore.FlowExpired, authcore.GuessesSpent, authcore.MethodOff},
	}, {
		method: "POST", path: "/api/login/recovery", id: "finishLoginByRecoveryCode", summary: "Second step: a recovery code",
		about:   "The session can add a passkey and do little else: next is passkey, and there is no access token.",
		charged: true, apiAct: with((*Handler).apiLoginRecovery),
		answers: []apiAnswer{apiSignedIn},
		refuses: []authcore.Reason{authcore.RecoveryInvalid, authcore.CodeExhausted, authcore.FlowExpired, authcore.GuessesSpent, authcore.MethodOff},
	}, {
		method: "POST", path: "/api/token/refresh", id: "refreshTokens", summary: "Spend a refresh token for new tokens",
		about:   "Within ten seconds, and while the successor is unused, a repeat gets the same successor. Any other use of a spent token ends the session.",
		charged: true, spares: (*Handler).refreshHolder, apiAct: with((*Handler).apiRefresh),
		answers: []apiAnswer{{http.StatusOK, tokensDoc{}, "A whole new set. The old refresh and session token are spent."}},
		refuses: []authcore.Reason{authcore.TokenInvalid, authcore.TokenReused},
	}}
}

func apiAccountRoutes() []apiRoute {
	return []apiRoute{{
		method: "POST", path: "/api/logout", id: "logout", summary: "Sign out",
		auth: authSession, limited: true, apiAct: with((*Handler).apiLogout),
		answers: []apiAnswer{{http.StatusNoContent, nil, "Signed out. A repeat is 401: the session is gone."}},
	}, {
		method: "GET", path: "/api/me", id: "getMe", summary: "Who is signed in",
		auth: authEither, limited: true, apiAct: bare((*Handler).apiMe),
		answers: []apiAnswer{{http.StatusOK, userDoc{}, "The user."}},
	}, {
		method: "GET", path: "/api/sessions", id: "listSessions", summary: "Where the user is signed in, the one used last first",
		auth: authSession, apiAct: bare((*Handler).apiSessions),
		answers: []apiAnswer{{http.StatusOK, listDoc[sessionDoc]{}, "All of them."}},
	}, {
		method: "DELETE", path: "/api/sessions/{id}", id: "endSession", summary: "End a session",
		auth: authSession, charged: true, apiAct: bare((*Handler).apiSessionRevoke),
		answers: []apiAnswer{apiDone},
		refuses: []authcore.Reason{authcore.NotFound},
	}, {
		method: "GET", path: "/api/tokens", id: "listTokens", summary: "The user's access tokens, the oldest first",
		auth: authSession, apiAct: bare((*Handler).apiTokens),
		answers: []apiAnswer{{http.StatusOK, listDoc[tokenDoc]{}, "All that are good."}},
	}, {
		method: "POST", path: "/api/tokens", id: "makeToken", summary: "Make an access token for an app",
		auth: authSession, charged: true, apiAct: with((*Handler).apiTokenMake),
		answers: []apiAnswer{{http.StatusCreated, madeDoc{}, "Made."}},
		refuses: []authcore.Reason{authcore.StepUpRequired, authcore.Frozen, authcore.NotFound, authcore.Conflict, authcore.TooMany},
		faults:  []*apiFault{errGrant},
	}, {
		method: "DELETE", path: "/api/tokens/{id}", id: "revokeToken", summary: "Revoke an access token",
		auth: authSession, charged: true, apiAct: bare((*Handler).apiTokenRevoke),
		answers: []apiAnswer{apiDone},
		refuses: []authcore.Reason{authcore.StepUpRequired, authcore.Frozen, authcore.NotFound},
	}}
}

func apiFactorRoutes() []apiRoute {
	return []apiRoute{{
		method: "GET", path: "/api/passkeys", id: "listPasskeys", summary: "The user's passkeys, the oldest first",
		auth: authSession, limited: true, apiAct: bare((*Handler).apiPasskeys),
		answers: []apiAnswer{{http.StatusOK, listDoc[passkeyDoc]{}, "All of them."}},
	}, {
		method: "POST", path: "/api/passkeys/options", id: "startPasskey", summary: "Options for navigator.credentials.create",
		about: "The answer has to come from the origin and the session that asked for the options.",
		auth:  authSession, limited: true, charged: true, apiAct: with((*Handler).apiPasskeyAddOptions),
		answers: []apiAnswer{{http.StatusOK, optionsDoc{}, "A new challenge, for five minutes and one answer."}},
		refuses: []authcore.Reason{authcore.StepUpRequired, authcore.Frozen, authcore.TooMany, authcore.MethodOff, authcore.OriginForbidden},
	}, {
		method: "POST", path: "/api/passkeys", id: "addPasskey", summary: "Add a passkey",
		auth: authSession, limited: true, charged: true, apiAct: with((*Handler).apiPasskeyAdd),
		answers: []apiAnswer{{http.StatusCreated, addedDoc{}, "Added."}},
		refuses: []authcore.Reason{
			authcore.StepUpRequired, authcore.Frozen, authcore.TooMany, authcore.MethodOff,
			authcore.FlowExpired, authcore.PasskeyRefused, authcore.CredentialTaken,
		},
	}, {
		method: "PATCH", path: "/api/passkeys/{id}", id: "renamePasskey", summary: "Give a passkey another name",
		auth: authSession, charged: true, apiAct: with((*Handler).apiPasskeyRename),
		answers: []apiAnswer{apiDone},
		refuses: []authcore.Reason{authcore.StepUpRequired, authcore.Frozen, authcore.NameInvalid, authcore.NotFound},
	}, {
		method: "DELETE", path: "/api/passkeys/{id}", id: "removePasskey", summary: "Remove a passkey",
		about: "Every other session ends, and every access token. The last way in cannot be removed.",
		auth:  authSession, charged: true, apiAct: bare((*Handler).apiPasskeyRemove),
		answers: []apiAnswer{apiDone},
		refuses: []authcore.Reason{authcore.StepUpRequired, authcore.Frozen, authcore.NotFound, authcore.Conflict},
	}, {
		method: "GET", path: "/api/totp", id: "getTOTP", summary: "Whether there is an authenticator app",
		auth: authSession, apiAct: bare((*Handler).apiTOTP),
		answers: []apiAnswer{{http.StatusOK, totpStatusDoc{}, "Whether, and since when."}},
	}, {
		method: "POST", path: "/api/totp", id: "startTOTP", summary: "Begin with an authenticator app",
		about: "Nothing has changed until a first code confirms it. A repeat makes a new secret.",
		auth:  authSession, charged: true, apiAct: with((*Handler).apiTOTPBegin),
		answers: []apiAnswer{{http.StatusOK, totpDoc{}, "Its secret, for 15 minutes."}},
		refuses: []authcore.Reason{authcore.StepUpRequired, authcore.Frozen, authcore.Conflict},
	}, {
		method: "POST", path: "/api/totp/confirm", id: "confirmTOTP", summary: "Confirm the authenticator app by its first code",
		auth: authSession, charged: true, apiAct: with((*Handler).apiTOTPConfirm),
		answers: []apiAnswer{{http.StatusOK, sessionTokenDoc{}, "It is the account's now."}},
		refuses: []authcore.Reason{authcore.StepUpRequired, authcore.Frozen, authcore.FlowExpired, authcore.TOTPInvalid, authcore.GuessesSpent},
	}, {
		method: "DELETE", path: "/api/totp", id: "removeTOTP", summary: "Remove the authenticator app",
		about: "Every other session ends, and every access token.",
		auth:  authSession, charged: true, apiAct: bare((*Handler).apiTOTPRemove),
		answers: []apiAnswer{apiDone},
		refuses: []authcore.Reason{authcore.StepUpRequired, authcore.Frozen, authcore.NotFound, authcore.Conflict},
	}, {
		method: "GET", path: "/api/recovery-codes", id: "getRecoveryCodes", summary: "How many recovery codes are left",
		auth: authSession, apiAct: bare((*Handler).apiRecovery),
		answers: []apiAnswer{{http.StatusOK, recoveryDoc{}, "How many."}},
	}, {
		method: "POST", path: "/api/recovery-codes", id: "makeRecoveryCodes", summary: "Make new recovery codes",
		auth: authSession, charged: true, apiAct: with((*Handler).apiRecoveryMake),
		answers: []apiAnswer{{http.StatusCreated, codesDoc{}, "Ten codes. Those of before are worthless."}},
		refuses: []authcore.Reason{authcore.StepUpRequired, authcore.Frozen, authcore.Conflict, authcore.MethodOff},
	}}
}

// apiPersonRoutes end with the one after which there is nobody to ask for the
// others: tests walk the table.
func apiPersonRoutes() []apiRoute {
	return []apiRoute{{
		method: "PATCH", path: "/api/me", id: "changeMe", summary: "Change the display name",
		auth: authSession, charged: true, apiAct: with((*Handler).apiMeChange),
		answers: []apiAnswer{apiDone},
		refuses: []authcore.Reason{authcore.StepUpRequired, authcore.Frozen, authcore.NameInvalid},
	}, {
		method: "GET", path: "/api/me/export", id: "exportMe", summary: "A copy of what is kept about the user",
		about: "It has no secrets.",
		auth:  authSession, charged: true, apiAct: bare((*Handler).apiMeExport),
		answers: []apiAnswer{{http.StatusOK, authcore.Export{}, "All of it."}},
		refuses: []authcore.Reason{authcore.StepUpRequired, authcore.Frozen},
	}, {
		method: "DELETE", path: "/api/me", id: "deleteMe", summary: "Delete the user's account",
		about: "At once and for good: passkeys, sessions and access tokens end with it. The last admin cannot be deleted, and the server's `self_delete` may forbid it.",
		auth:  authSession, charged: true, apiAct: with((*Handler).apiMeDelete),
		answers: []apiAnswer{{http.StatusNoContent, nil, "Deleted. A repeat is 401: the session is gone."}},
		refuses: []authcore.Reason{authcore.StepUpRequired, authcore.Frozen, authcore.MethodOff, authcore.Conflict},
	}}
}
