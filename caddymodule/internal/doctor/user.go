package doctor

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// What the app hears about somebody who is signed in.

var userChecks = []check{
	{
		id: "session", question: "Does the user's session get through?", run: checkSession,
		why: "The cookie does not reach the check, so nobody who signs in gets in.",
	},
	{
		id: "identity", question: "Does the app hear who it is?", needs: needEcho, run: checkIdentity,
		why: "The app takes everybody for nobody, or for the one before.",
	},
	{
		id: "spoofed-user", question: "Does the app hear that from us alone?", needs: needEcho, run: checkSpoofedUser,
		why: "Whoever is signed in could be anybody in the app.",
	},
	{
		id: "same-path", question: "Does the app get the path that was decided about?", needs: needEcho, run: checkSamePath,
		why: "Rules for one path would decide about another.",
	},
	{
		id: "our-cookie", question: "Do our cookies stay with us?", needs: needEcho, run: checkOurCookie,
		why: "The app, and whoever reads its logs, could use this app as the user.",
	},
	{
		id: "our-token", question: "Do our access tokens stay with us?", needs: needEcho, run: checkOurToken,
		why: "The app, and whoever reads its logs, could use the token.",
	},
	{
		id: "authorization", question: "Does the app's own Authorization arrive?", needs: needEcho, run: checkAuthorization,
		why: "Programs that sign in to the app itself cannot.",
	},
}

func checkSession(_ context.Context, w *world) finding {
	if w.o.User == "" {
		return notChecked("name a user with --user")
	}
	if w.home.err != nil {
		return fail(fixDown, "the app does not answer: "+w.home.err.Error())
	}
	switch {
	case w.session == "":
		return ok(w.home.was() + " for the user")
	case !strings.HasPrefix(w.session, "see "):
		return notChecked(w.session)
	case len(w.heard) == 0:
		return fail(fixVocabulary.also(fixUnguarded), "the user gets "+w.home.was()+", and no decision was made")
	}
	if fix := w.distrusted(w.heard); fix != nil {
		return fail(fix, "the user gets "+w.home.was()+": the proxy that asks is not the one that is configured")
	}
	if why := misunderstood(w.heard); why != "" {
		return fail(fixVocabulary, "the proxy's question is not understood: "+why)
	}
	s := w.heard[len(w.heard)-1]
	if cookie := s.Header.Get("Cookie"); !strings.Contains(cookie, "ours") {
		return fail(fixSession, "the user gets "+w.home.was()+": the session cookie does not reach the decision")
	}
	return fail(fixSession, fmt.Sprintf("the user gets %s; the decision is %q", w.home.was(), s.Verdict))
}

// hears compares what the app got with what it must hear; "": the same.
func (w *world) hears(e *echoed) (name, wrong string) {
	for _, name := range sortedKeys(w.probe.Identity) {
		want, got := w.probe.Identity[name], e.values(name)
		switch {
		case want == "" && strings.Join(got, "") == "":
		case len(got) == 1 && got[0] == want:
		case len(got) == 0:
			return name, "it does not arrive"
		case len(got) > 1:
			return name, fmt.Sprintf("it arrives %d times, as %s", len(got), strings.Join(e.spelled(name), ", "))
		case want == "":
			return name, fmt.Sprintf("it is %q, and there is nothing to say", got[0])
		default:
			return name, fmt.Sprintf("it is %q, not %q", got[0], want)
		}
	}
	if name := w.probe.Assertion; name != "" {
		if got := e.values(name); len(got) != 1 || strings.Count(got[0], ".") != 2 {
			return name, "the assertion does not arrive"
		}
	}
	return "", ""
}

func checkIdentity(_ context.Context, w *world) finding {
	e := parseEcho(w.home.body)
	if name, wrong := w.hears(e); wrong != "" {
		return fail(fixHeader(name), name+": "+wrong)
	}
	return ok("every header once, and right")
}

func checkSpoofedUser(ctx context.Context, w *world) finding {
	names := sortedKeys(w.probe.Identity)
	tried := 0
	for _, claim := range claims(names) {
		e, got := w.echoOf(ctx, w.signedIn(get(w.echo, claim...)))
		if e == nil {
			if got.err == nil && got.StatusCode/100 == 4 {
				tried++ // refused as a whole
			}
			continue
		}
		tried++
		name, wrong := w.hears(e)
		if claim[0].name == "Connection" && !w.guarded() && len(e.values(name)) == 0 {
			continue // who does so is nobody to the app, and that is all
		}
		if wrong != "" {
			fix := fixHeader(name)
			if !slices.Contains([]string{name, strings.ToLower(name), strings.ToUpper(name)}, claim[0].name) {
				fix = fixSpellings.also(fix)
			}
			return fail(fix, fmt.Sprintf("with %s of the client's, %s: %s", claim[0].name, name, wrong))
		}
	}
	if tried == 0 {
		return notChecked("the app did not answer any of these requests")
	}
	return ok(fmt.Sprintf("%d attacks change nothing", tried))
}

func checkOurCookie(ctx context.Context, w *world) finding {
	e, got := w.echoOf(ctx, get(w.echo, header{"Cookie", w.cookie().value + "; theirs=kept"}))
	if e == nil {
		return notChecked("the app answers " + got.was())
	}
	cookies := strings.Join(e.values("Cookie"), "; ")
	switch {
	case !strings.Contains(cookies, "theirs=kept"):
		return fail(fixSession, "the app's own cookies do not arrive")
	case !strings.Contains(cookies, w.probe.Cookie+"="):
		return ok("they do, and the app's own arrive")
	case w.guarded():
		return fail(fixes{guard: {"passwordless_guard   # before every reverse_proxy of {app}"}}, w.probe.Cookie+" reaches the app")
	}
	return ok(w.probe.Cookie + " reaches the app, where it opens nothing but this app")
}

func checkOurToken(ctx context.Context, w *world) finding {
	if w.probe.Token == "" {
		return notChecked(w.probe.NoToken)
	}
	for _, value := range []string{
		"Bearer " + w.probe.Token,
		"Basic " + base64.StdEncoding.EncodeToString([]byte("doctor:"+w.probe.Token)),
	} {
		e, got := w.echoOf(ctx, get(w.echo, header{"Authorization", value}))
		scheme, _, _ := strings.Cut(value, " ")
		if e == nil {
			return fail(fixAuthorization.also(fixes{
				"envoy": {"- { exact: authorization, ignore_case: true }   # in allowed_headers"}, "haproxy": {`"authorization"   # in "passed" of passwordless.lua`},
			}), "a program with a token as "+scheme+" gets "+got.was())
		}
		if strings.Join(e.values("Authorization"), "") != "" {
			return fail(fixAuthorization, "a token as "+scheme+" reaches the app")
		}
		if name, wrong := w.hears(e); wrong != "" && name != w.probe.Assertion {
			return fail(fixHeader(name), "with a token, "+name+": "+wrong)
		}
	}
	return ok("as Bearer and as Basic")
}

func checkAuthorization(ctx context.Context, w *world) finding {
	const theirs = "Basic dGhlaXI6b3du"
	e, got := w.echoOf(ctx, w.signedIn(get(w.echo, header{"Authorization", theirs})))
	if e == nil {
		return warn(fixAuthorization, "with an Authorization of the app's own the user gets "+got.was())
	}
	if values := e.values("Authorization"); len(values) != 1 || values[0] != theirs {
		return warn(fixAuthorization, fmt.Sprintf("the app gets %d", len(values)))
	}
	return ok("it does")
}
