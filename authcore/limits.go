package authcore

import "time"

// Every bound of the package that is not configuration, with its reason.
const (
	// maxCodeTries: five wrong codes destroy the flow (EC-2).
	maxCodeTries = 5
	// maxGuesses a day on one account succeed with p ≤ 1e-4, since a code has
	// eight digits (EC-3). No configuration may allow more; the default allows
	// an eighth. TestGuessBudget computes it.
	maxGuesses = 10_000
	// maxWrongCodes: after so many wrong codes in a row on one account its
	// mails carry the link only, until a sign-in succeeds (EC-3, NIST
	// 800-63B-4 §3.2.2).
	maxWrongCodes = 100
	// wrongCodesKept is how long they are counted as one row; a year without a
	// sign-in is a long one. Those of an address without an account are of use to
	// nobody, and strangers choose the address (DS-1).
	wrongCodesKept     = 365 * 24 * time.Hour
	wrongCodesOfNobody = time.Hour
	// mailsPerSource and mailsGlobal bound mail that strangers can cause, per
	// hour (EC-4); the first grows with the requests that one may send a minute.
	// A browser that signed the user in before is no stranger, so an office
	// behind one address does not run into either.
	mailsPerSource = 60
	mailsGlobal    = 5000
	// resendAfter is how long a person waits before "send again" works.
	resendAfter = 30 * time.Second
	// ceremonyTTL is how long a WebAuthn challenge lives. Autofill keeps one
	// open while the sign-in page is; the script asks for a new one after.
	ceremonyTTL = 5 * time.Minute
	// returnTTL bounds a sealed return state: a person may read mail first.
	returnTTL = time.Hour
	// ticketTTL: the hand-over is three redirects (DESIGN §4.2).
	ticketTTL = 60 * time.Second
	// ticketsPerRoot bounds the tickets that one root session asks for in their
	// lifetime, and so those that can be pending (DS-1): a browser that opens a
	// window full of tabs needs dozens. Those that are refused count as well.
	ticketsPerRoot = 200
	// maxChildren bounds the app sessions of one root session: a wildcard app
	// has any number of hosts, and each hand-over, step-up and sign-out reads
	// them all in the one write transaction (DS-1). Nobody uses a hundred apps in
	// one browser, and the app that is missed gets a new session unasked.
	maxChildren = 100
	// deniedEvery: one line in the audit log tells that an app is not open to
	// somebody; a thousand a minute tell no more (DS-1).
	deniedEvery = time.Minute
	// stepUpAge: account acts need a proof this fresh (DESIGN §6).
	stepUpAge = 15 * time.Minute
	// deviceTTL: how long a browser is remembered as known.
	deviceTTL = 365 * 24 * time.Hour
	// inviteTTL: invitations are single use and short.
	inviteTTL = 24 * time.Hour
	// notNow: how long the offer of a passkey rests after "not now".
	notNow = 30 * 24 * time.Hour
	// noticeTTL is how long "that was not me" works (DESIGN §6).
	noticeTTL = 7 * 24 * time.Hour
	// actsPerHour bounds what one account does to itself, most of which mails its
	// owner (DS-1): somebody who cleans up does dozens of things.
	actsPerHour = 300
	// signInNotices an hour tell an account's owner of new devices: who got so
	// many has been told, and a loop of sign-ins must not fill the queue (DS-1).
	signInNotices = 20
	// maxBehind bounds what a session is known to hang on. Nobody who is at home adds
	// passkey by passkey, each from a sign-in by the one before, so often; of a
	// chain that somebody else made, the notice of its beginning undoes it all.
	maxBehind = 32
	// requestTTL is how long an admin has to answer somebody who asks for an
	// account; maxRequests bounds those who wait, over all sources (DS-1).
	requestTTL = 30 * 24 * time.Hour
	// requestsPerSource bounds those of one network, so that one cannot keep the
	// others from asking.
	maxRequests       = 1000
	requestsPerSource = 100
	// historyReads bounds how often one page of the history is read on because
	// it held ceremonies that only began: somebody may begin very many.
	historyReads = 10

	// exportHistory bounds the history in a person's copy of their data, which is
	// made in one transaction.
	exportHistory = 5000
	// maxSecondGuesses wrong second steps in any guessWindow are an account's,
	// over all flows (TO-3). With three valid steps at a time that is a chance of
	// 9e-5 a day, for somebody who has the first factor already.
	maxSecondGuesses = 30
	guessWindow      = 24 * time.Hour
	// recoveryCodes are made at a time; lowRecoveryCodes or fewer are worth a
	// warning (TO-4).
	recoveryCodes    = 10
	lowRecoveryCodes = 3
	// refreshGrace: a client that lost the answer may repeat its refresh and
	// gets the same successor (RT-2).
	refreshGrace = 10 * time.Second
	// maxPasskeys bounds credentials per account (WA-9).
	maxPasskeys = 20
	// minRSA and maxRSA bound the RSA keys of passkeys, in bits: the least is RFC
	// 8230 section 6.1's; above the most each sign-in would cost us (DS-3).
	minRSA = 2048
	maxRSA = 8192
	// maxTokens bounds access tokens per account: one for each machine and app
	// of a busy person, and a script that makes one at each run is noticed
	// (DS-1).
	maxTokens = 50
	// maxGrantList bounds methods and networks of one grant, which each request
	// goes through.
	maxGrantList = 32
	// maxCachedTokens bounds access tokens kept in memory, some hundreds of
	// bytes each: more than are used in any one minute.
	maxCachedTokens = 10_000
	// tokenTouchEvery is the grain of last_used: it tells a token in use from a
	// forgotten one, and so needs no seconds.
	tokenTouchEvery = time.Minute
	// maxPending bounds flows, and separately ceremonies, over all sources
	// (DS-1). They live ten minutes at most, so this is sustained abuse.
	maxPending = 100_000
	// pendingPerSource bounds what one source begins of them in pendingWindow,
	// so that filling maxPending takes hundreds of networks. It is a third of
	// the requests that one may send by default, and grows with the configured
	// ones. An office behind one address opens fewer sign-in pages.
	pendingPerSource = 200
	pendingWindow    = 10 * time.Minute
	// assertionTTL is how long an app may believe an assertion (DESIGN §9).
	assertionTTL = 5 * time.Minute
	// keyAge is how long a signing key signs: long enough to be no event, short
	// enough that whoever verifies has met a rotation before a leak forces one.
	keyAge = 90 * 24 * time.Hour
	// keyAhead is how long a key stands in the JWKS before it signs. Copies may
	// be kept for five minutes, as we say with it; libraries and proxies that do
	// not read that keep it for 10 to 20 minutes, and some for an hour.
	keyAhead = time.Hour
	// keyKept is how long a key verifies after it signed last: the ten minutes of
	// an access token, and what clocks may differ by at the most patient verifier.
	keyKept = 15 * time.Minute
	// keysEvery: the ring is compared with the store, where another process may
	// have changed it.
	keysEvery = 10 * time.Second
	// maxAssertions bounds those kept to be used again, some 8 MB.
	maxAssertions = 10_240
	// maxReturnPath bounds the path kept through a sign-in (DESIGN §4.2).
	maxReturnPath = 2048
	// probeTTL is how long what doctor gets for a user works, and probeKept how
	// long what arrived can be read.
	probeTTL  = 5 * time.Minute
	probeKept = 10 * time.Minute
	// maxProbes and maxSeen bound the probes at a time and the requests that each
	// keeps: doctor reads on after some dozens. maxSeenHeaders and maxSeenValue
	// bound one of those (DS-1).
	maxProbes      = 20
	maxSeen        = 200
	maxSeenHeaders = 100
	maxSeenValue   = 512
	// maxUserAgent and maxName cap what strangers write into records (LG-2);
	// bytes, and characters where a person typed them.
	maxUserAgent = 256
	maxName      = 64
	// maxOTPAuth is what a QR code on a screen has room for (internal/qr).
	maxOTPAuth = 512
	// maxMethod bounds a method's name; the longest registered one has 17
	// letters (UPDATEREDIRECTREF).
	maxMethod = 32
	// maxNeeds bounds the methods that the address of a start may ask for; a
	// policy has a handful.
	maxNeeds = 8
	// factorWait is how long a passkey that an e-mail-only session added does
	// not count where a policy requires one: time for its owner to notice
	// (DESIGN §6).
	factorWait = 24 * time.Hour
	// registrationSpan tells the session that made the first proof of an address
	// from one that came right after: the two times are of one transaction.
	registrationSpan = 5 * time.Second
	// registrationAge is how long after an invitation, a hand-out or the first
	// proof a passkey belongs to it. A person may read the page first.
	registrationAge = time.Hour
	// flushEvery: last_seen is written in batches (DESIGN §5).
	flushEvery = 30 * time.Second
	// touchEvery is the grain of last_seen in seconds; within it a hit takes
	// one lock instead of two.
	touchEvery = 10
	// sweepEvery: expired records are deleted in small transactions.
	sweepEvery = time.Minute
	sweepBatch = 500
	// sweepDelay leaves a flush that failed once time to come again.
	sweepDelay = 3 * flushEvery
	// recheckEvery: live streams are judged again, so that one which idles
	// past its session's end is cut soon after.
	recheckEvery = 10 * time.Second
	// bounceWindow and maxBounces: so many app sessions of one root session
	// made in so short a time, none of which came back, mean that the app's
	// cookie is not kept. Browsers stop at 20 redirects; a round has four.
	bounceWindow = 30 * time.Second
	maxBounces   = 4
)
