package authcore

import (
	"context"
	"slices"
	"sync"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// streams are the live connections through guards (WebSocket, extended
// CONNECT, server-sent events). Each is judged again when its session or user
// changes, when the configuration does, and every few seconds; one that would
// not be let in any more is cut.
type streams struct {
	mu   sync.Mutex
	live map[*stream]struct{}
}

type stream struct {
	req  Request
	user string // "": nobody was signed in
	hash store.Hash
	rt   *Runtime
	cut  func()
}

// same reports whether the app still speaks to whom it was told. A stream on a
// public path that began as somebody's ends with that session, too.
func (st *stream) same(d *Decision) bool {
	return st.user == "" || d.Identity != nil && d.Identity.UserID == st.user
}

func (ss *streams) init() { ss.live = map[*stream]struct{}{} }

// Watch registers a stream that Check let in. cut ends it; it may be called
// more than once and must not block. The caller calls release when the stream
// is over. Between Check and Watch the session may have ended, so it is
// checked once more: ok false means that it must not start.
func (s *Service) Watch(ctx context.Context, r Request, d *Decision, cut func()) (release func(), ok bool) {
	r.Cookies = slices.Clone(r.Cookies) // the request's own may change under way
	r.Authorization = slices.Clone(r.Authorization)
	st := &stream{req: r, hash: d.Session, rt: s.rt, cut: cut}
	if d.Identity != nil {
		st.user = d.Identity.UserID
	}
	ss := &s.rt.streams
	ss.mu.Lock()
	ss.live[st] = struct{}{}
	ss.mu.Unlock()
	release = func() {
		ss.mu.Lock()
		delete(ss.live, st)
		ss.mu.Unlock()
	}
	if again := s.Check(ctx, &r); again.Verdict != Allow || !st.same(&again) {
		release()
		return nil, false
	}
	return release, true
}

func (ss *streams) pick(which func(*stream) bool) []*stream {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	var list []*stream
	for st := range ss.live {
		if which(st) {
			list = append(list, st)
		}
	}
	return list
}

func (ss *streams) recheck(dead []store.Hash, users []string) {
	ended := make(map[store.Hash]bool, len(dead))
	for _, h := range dead {
		ended[h] = true
	}
	changed := make(map[string]bool, len(users))
	for _, u := range users {
		changed[u] = true
	}
	judge(ss.pick(func(st *stream) bool { return ended[st.hash] || st.user != "" && changed[st.user] }))
}

func (ss *streams) recheckAll() {
	judge(ss.pick(func(*stream) bool { return true })) // what was public need not be any more
}

func (ss *streams) cutAll() {
	for _, st := range ss.pick(func(*stream) bool { return true }) {
		st.cut()
	}
}

// judge cuts what the newest configuration would not let in. A store that does
// not answer cuts nothing by itself: the next round decides.
func judge(list []*stream) {
	for _, st := range list {
		s := st.rt.current.Load()
		if s == nil {
			continue
		}
		d := s.Peek(context.Background(), &st.req)
		if d.Err == nil && (d.Verdict != Allow || !st.same(&d)) {
			st.cut()
		}
	}
}
