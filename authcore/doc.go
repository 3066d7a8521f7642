// Package authcore is sign-in itself: who may, what proves it, what a session
// opens, and when it ends. It knows no Caddy, no database driver, no template
// and no proxy header; those call it.
//
//	Runtime   what survives a configuration reload: the open store, the session
//	          cache, rate limits, signing keys, live streams.
//	Service   one configuration's immutable view over a Runtime. A reload makes
//	          a new Service; the old one answers until it is gone.
//	Check     the one decision about a request, used by every door.
//
// Each way to sign in is a file that opens with its flow: email.go, passkey.go,
// invite.go, handover.go, refresh.go. Flows do not call each other. They end in
// session.go, which alone makes and ends sessions.
//
// Every change is one store transaction through Service.update: records, audit
// line and queued mail are committed together, and whatever the change makes
// invalid leaves the caches after the commit and before the answer. A refusal
// (Refusal) is a committed result: its counters and audit line are kept.
package authcore
