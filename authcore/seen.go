package authcore

import (
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ProbeParam is the parameter of a query by which a request belongs to a probe.
const ProbeParam = "passwordless-probe"

// Seen is a request of a probe as it arrived at one place.
type Seen struct {
	At    time.Time `json:"at"`
	Place string    `json:"place"`          // SeenAsked or SeenHanded
	Kind  string    `json:"kind,omitempty"` // of the proxy that asked; empty: in process
	Peer  string    `json:"peer,omitempty"` // who connected to us
	// Client is the client's address; the zero Addr: unknown.
	Client netip.Addr `json:"client"`

	Method  string      `json:"method"`
	Scheme  string      `json:"scheme"`
	Host    string      `json:"host"`
	Path    string      `json:"path"`  // escaped
	Query   string      `json:"query"` // raw
	Header  http.Header `json:"header"`
	Verdict string      `json:"verdict,omitempty"` // or what was not understood
}

// Places where requests are seen.
const (
	SeenAsked  = "asked"  // what is decided about
	SeenHanded = "handed" // what goes on to the app, in process
)

// probes are those under way. open is nil while there are none: then a request
// costs one load.
type probes struct {
	open atomic.Pointer[map[string]*probing]
	mu   sync.Mutex // who changes open
}

// records are what was seen of one probe.
type records struct {
	until time.Time

	mu   sync.Mutex
	list []Seen // guarded by mu
}

// change replaces the map by one without what is over.
func (p *probes) change(now time.Time, edit func(map[string]*probing)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := map[string]*probing{}
	if open := p.open.Load(); open != nil {
		maps.Copy(next, *open)
	}
	maps.DeleteFunc(next, func(_ string, under *probing) bool { return !now.Before(under.until) })
	edit(next)
	if len(next) == 0 {
		p.open.Store(nil)
		return
	}
	p.open.Store(&next)
}

func (p *probes) add(nonce string, under *probing, now time.Time) (ok bool) {
	under.until = now.Add(probeKept)
	p.change(now, func(all map[string]*probing) {
		if ok = len(all) < maxProbes; ok {
			all[nonce] = under
		}
	})
	return ok
}

// take ends a probe; nil if there is none.
func (p *probes) take(nonce string) (under *probing) {
	p.change(time.Time{}, func(all map[string]*probing) {
		under = all[nonce]
		delete(all, nonce)
	})
	return under
}

func (p *probes) find(nonce string) *probing {
	if open := p.open.Load(); open != nil {
		return (*open)[nonce]
	}
	return nil
}

// Probing reports whether a probe is under way, so that requests are worth a
// closer look.
func (s *Service) Probing() bool { return s.rt.probes.open.Load() != nil }

// NoteSeen keeps a request for the probe that its query names, if there is such
// a one. Only then what is asked.
func (s *Service) NoteSeen(rawQuery string, what func() Seen) {
	under := s.rt.probes.find(nonceIn(rawQuery))
	now := s.now()
	if under == nil {
		return
	}
	if !now.Before(under.until) {
		s.rt.probes.change(now, func(map[string]*probing) {})
		return
	}
	seen := what()
	seen.At, seen.Header = now, reduced(seen.Header)
	seen.Query, seen.Path = capText(rawQuery, maxReturnPath), capText(seen.Path, maxReturnPath)
	under.mu.Lock()
	defer under.mu.Unlock()
	if len(under.list) == maxSeen {
		under.list = slices.Delete(under.list, 0, 1) // doctor has read it
	}
	under.list = append(under.list, seen)
}

// nonceIn is the nonce of a query, which no parser needs to understand.
func nonceIn(rawQuery string) string {
	for part := range strings.SplitSeq(rawQuery, "&") {
		if nonce, ok := strings.CutPrefix(part, ProbeParam+"="); ok {
			return nonce
		}
	}
	return ""
}

// Probed is what was seen of a probe so far, in the order of arrival; ok is
// false for one that is over.
func (s *Service) Probed(nonce string) (list []Seen, ok bool) {
	under := s.rt.probes.find(nonce)
	if under == nil || !s.now().Before(under.until) {
		return nil, false
	}
	under.mu.Lock()
	defer under.mu.Unlock()
	return slices.Clone(under.list), true
}

// reduced copies headers without what is secret in them (LG-1).
func reduced(h http.Header) http.Header {
	out := make(http.Header, len(h))
	for name, values := range h {
		if len(out) == maxSeenHeaders {
			break
		}
		switch {
		case foldedEqual(name, "Cookie"):
			out[name] = []string{whoseCookies(values)}
		case foldedEqual(name, "Authorization"), foldedEqual(name, "Proxy-Authorization"):
			out[name] = []string{whoseAuthorization(values)}
		default:
			kept := make([]string, 0, len(values))
			for _, v := range values[:min(len(values), maxSeenHeaders)] {
				if strings.Count(v, ".") == 2 && strings.HasPrefix(v, "eyJ") {
					v = "a signed assertion"
				}
				kept = append(kept, capText(v, maxSeenValue))
			}
			out[capText(name, maxName)] = kept
		}
	}
	return out
}

// Whose a cookie or an Authorization is.
const (
	Ours   = "ours"
	Theirs = "theirs"
	Both   = "ours, theirs"
)

func whoseCookies(values []string) string {
	kept, changed := StripCookies(values, CookieNames())
	switch {
	case changed && len(kept) > 0:
		return Both
	case changed:
		return Ours
	}
	return Theirs
}

func whoseAuthorization(values []string) string {
	switch _, ours := ourToken(values); {
	case ours:
		return Ours
	case len(strings.Join(values, "")) == 0:
		return ""
	}
	return Theirs
}
