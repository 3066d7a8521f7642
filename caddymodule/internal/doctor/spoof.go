package doctor

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Attacks that need no session: names, addresses and paths that a client makes
// up.

var spoofChecks = []check{
	{
		id: "spoofed-stranger", question: "Does a stranger who claims to be somebody stay out?", run: checkSpoofedStranger,
		why: "Anybody could be anybody in the app.",
	},
	{
		id: "vocabulary", question: "Is decided about what was asked, whatever else the client says it was?", run: checkVocabulary,
		why: "A client that names a public path in a header would be let in to every other.",
	},
	{
		id: "client-address", question: "Is the client's address known, and not the client's to make up?", run: checkClient,
		why: "Limits and network rules go by it: who makes it up escapes them, and where it is unknown, network rules refuse everybody.",
	},
	{
		id: "paths", question: "Do paths that servers read in two ways stay closed?", run: checkPaths,
		why: "What is judged as one page and served as another is open to everybody.",
	},
	{
		id: "public", question: "Is nobody's identity told on public paths?", run: checkPublic,
		why: "On a path without sign-in the app would believe what the client says.",
	},
}

// spellings are names that servers take for one.
func spellings(name string) []string {
	under := strings.ReplaceAll(name, "-", "_")
	return []string{name, strings.ToLower(name), strings.ToUpper(name), under, strings.ToLower(under), strings.ReplaceAll(name, "-", ".")}
}

// mallory is whom attacks claim to be.
const mallory = "mallory-the-doctor"

// claims are one attack for each spelling of each name, each doubled, and one
// that has a proxy drop the right ones (RFC 9110 section 7.6.1).
func claims(names []string) (list [][]header) {
	for _, name := range names {
		for _, s := range spellings(name) {
			list = append(list, []header{{s, mallory}, {s, mallory + "-again"}})
		}
	}
	list = append(list, []header{{"Connection", strings.Join(names, ", ") + ", close"}})
	return list
}

func checkSpoofedStranger(ctx context.Context, w *world) finding {
	if contains(w.app.Public, "/*") {
		return notChecked("the app is public")
	}
	for _, claim := range claims([]string{"Remote-User", "Remote-Email", "X-Forwarded-User", "X-Auth-Request-User", "X-WebAuth-User"}) {
		got := w.send(ctx, get("/doctor", claim...))
		if got.err == nil && got.success() {
			return fail(fixUnguarded, fmt.Sprintf("who says %s is let in: %s", claim[0].name, got.was()))
		}
	}
	return ok("in every spelling")
}

// elsewhere are ways to say that a request is another one.
func (w *world) elsewhere(n int) map[string][]header {
	public := w.public
	if public == "" {
		public = "/.auth/start"
	}
	uri := w.mark(public, n)
	all := map[string][]header{"all of them": vocabularies(w.host, uri, "OPTIONS")}
	for _, h := range vocabularies(w.host, uri, "OPTIONS") {
		all[h.name] = []header{h}
	}
	all["X-Forwarded-Host twice"] = []header{{"X-Forwarded-Host", nobody}, {"X-Forwarded-Host", w.host}}
	all["X-Forwarded-Proto: http"] = []header{{"X-Forwarded-Proto", "http"}}
	return all
}

func checkVocabulary(ctx context.Context, w *world) finding {
	if contains(w.app.Public, "/*") {
		return notChecked("the app is public")
	}
	const path = "/doctor-asks"
	known := false
	for _, way := range sortedKeys(w.elsewhere(0)) {
		n := w.step()
		got := w.sendAs(ctx, n, get(path, w.elsewhere(n)[way]...))
		if got.err == nil && got.success() {
			return fail(fixVocabulary, way+" opens the app: "+got.was())
		}
		list, err := w.seen(ctx, n, asked)
		if err != nil {
			return notChecked(err.Error())
		}
		for _, s := range list {
			known = true
			if s.Path == "" {
				continue // it was not understood, and so refused
			}
			host, _ := hostPort(s.Host)
			scheme, _, _ := strings.Cut(w.app.Origin, "://")
			if s.Path != path || host != w.host || s.Method != http.MethodGet || s.Kind != "" && s.Scheme != scheme {
				return fail(fixVocabulary, fmt.Sprintf("with %s of the client's, what was decided about is %s %s://%s%s (%s)", way, s.Method, s.Scheme, s.Host, s.Path, s.Verdict))
			}
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodOptions, "DOCTOR"} {
		r := get(path)
		r.method = method
		got := w.send(ctx, r)
		list, err := w.seen(ctx, got.n, asked)
		if err == nil && len(list) > 0 && list[0].Method != "" && list[0].Method != method {
			return fail(fixVocabulary, fmt.Sprintf("%s was asked, and what was decided about is %s", method, list[0].Method))
		}
	}
	if !known {
		return fail(fixVocabulary.also(fixUnguarded), "no decision was made about any of these requests, as they were sent")
	}
	return ok("in every vocabulary")
}

func sortedKeys[V interface{}](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// forged is an address that nobody has (RFC 5737).
const forged = "203.0.113.66"

var addressHeaders = []header{
	{"X-Forwarded-For", forged},
	{"X-Forwarded-For", forged + ", 127.0.0.1"},
	{"X-Real-Ip", forged},
	{"Forwarded", "for=" + forged},
	{"True-Client-Ip", forged},
	{"Cf-Connecting-Ip", forged},
	{"X-Client-Ip", forged},
	{"X-Cluster-Client-Ip", forged},
}

// isProxy reports whether an address is one that a proxy may have.
func (w *world) isProxy(addr netip.Addr) bool {
	for _, p := range w.facts.Proxies {
		for _, from := range p.From {
			n, err := netip.ParsePrefix(from)
			one, _ := netip.ParseAddr(from)
			if one == addr || err == nil && n.Contains(addr) {
				return true
			}
		}
	}
	return false
}

func checkClient(ctx context.Context, w *world) finding {
	plain := w.send(ctx, get("/doctor-asks"))
	list, err := w.seen(ctx, plain.n, asked)
	if err != nil || len(list) == 0 || !contains(decisions, list[0].Verdict) {
		return notChecked("no decision was made about a plain request")
	}
	client := list[0].Client
	if !client.IsValid() {
		if plain.err == nil && w.isProxy(plain.from) {
			return notChecked(plain.from.String() + " is the proxy's own address; come from another one with --from")
		}
		return fail(fixClient, "it is unknown: the proxy at "+list[0].Peer+" does not say it, or says what is not an address")
	}
	for _, h := range addressHeaders {
		got := w.send(ctx, get("/doctor-asks", h))
		list, err := w.seen(ctx, got.n, asked)
		if err != nil {
			return notChecked(err.Error())
		}
		for _, s := range list {
			switch {
			case s.Client.IsValid() && s.Client.String() == forged:
				return fail(fixClient, "a client that sends "+h.name+" has the address that it says")
			case !s.Client.IsValid() && s.Kind != "":
				return fail(fixClient, "a client that sends "+h.name+" has no address any more")
			}
		}
	}
	saw := "it is " + client.String()
	if w.facts.Silent != "" && !w.guarded() {
		return warn(nil, saw+", but lately: "+w.facts.Silent)
	}
	return ok(saw)
}
