package portal

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"path"
	"strings"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
)

// Options are what a Handler needs beside the service.
type Options struct {
	Service *authcore.Service
	Brand   Brand
	Log     *slog.Logger
	Version string
	// Address is the client's address, or the zero Addr where it is unknown
	// (FA-1), and that of the peer that connected.
	Address func(*http.Request) (client, peer netip.Addr)
	// Health describes mail and draining, for readiness.
	Health HealthSource
	// MetricsAllow are the networks that may read health endpoints; nil means
	// loopback and private ranges.
	MetricsAllow []netip.Prefix
}

// HealthSource tells what only the process around us knows.
type HealthSource interface {
	// Mail is nil while mail goes out; it is reported and never fatal.
	Mail() error
	// Clients is nil while every proxy lately said whom it speaks for; an error
	// names the line to add. It is reported and never fatal.
	Clients() error
	// Draining is true once the process has begun to stop.
	Draining() bool
}

// Handler serves the portal's host, and /.auth/ on app hosts.
type Handler struct {
	Options
	svc    *authcore.Service
	pages  *renderer
	portal *http.ServeMux  // the portal's paths, below its base
	app    *http.ServeMux  // what an app host answers below /.auth
	own    map[string]bool // paths of the portal's pages, below its base

	document func() ([]byte, error) // what describes the API, made when first asked for
}

// New prepares every page; a faulty template or logo fails here.
func New(o Options) (*Handler, error) {
	pages, err := newRenderer(o.Brand)
	if err != nil {
		return nil, fmt.Errorf("preparing pages: %w", err)
	}
	h := &Handler{Options: o, svc: o.Service, pages: pages, portal: http.NewServeMux(), app: http.NewServeMux(), own: map[string]bool{}}
	h.routePages()
	h.routeApp()
	h.portal.HandleFunc("GET /.well-known/jwks.json", h.wellKnownKeys)
	if !o.Service.Sidecar() {
		h.routeAPI()
		h.routeWellKnown()
		h.routeHelper()
	}
	return h, nil
}

// ServeHTTP answers a site with passwordless_portal. Only the portal's own
// host gets pages and API (WB-2), and an app's host what is reserved there;
// health answers on any host, by address.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	hurry(w, r)
	dataHeaders(w.Header(), h.svc.Portal().Scheme == "https")
	switch r.URL.Path {
	case "/health", "/readiness", "/liveness":
		h.serveHealth(w, r)
		return
	}
	if app := h.svc.App(r.Host); app != nil && !h.svc.Sidecar() && reserved(r.URL.Path) {
		// A proxy that cannot pass our own answers on sends /.auth/ here by a route.
		h.ServeApp(w, r, app)
		return
	}
	if !h.svc.IsPortal(r.Host) || h.svc.Sidecar() {
		h.problem(w, r, http.StatusMisdirectedRequest, "MISDIRECTED", "This host does not serve sign-in; "+h.svc.Portal().String()+" does.")
		return
	}
	if h.isAPI(r) {
		h.apiHeaders(w, r)
	} else {
		h.clearBad(w, r, h.svc.Portal())
	}
	h.serve(w, r, h.portal)
}

// reserved reports whether a path is ours on every app host.
func reserved(path string) bool {
	return path == authcore.ReservedPrefix || strings.HasPrefix(path, authcore.ReservedPrefix+"/")
}

// ServeApp answers a path under /.auth/ of an app host; none of it ever
// reaches the upstream. path is the path as the client sent it.
func (h *Handler) ServeApp(w http.ResponseWriter, r *http.Request, app *authcore.App) {
	hurry(w, r)
	dataHeaders(w.Header(), app.Origin.Scheme == "https")
	h.clearBad(w, r, app.Origin)
	rest := strings.TrimPrefix(r.URL.Path, authcore.ReservedPrefix)
	sub := *r
	u := *r.URL
	sub.URL = &u
	u.Path, u.RawPath = rest, ""
	if rest == "" {
		u.Path = "/"
	}
	mux := h.app
	if h.svc.Sidecar() {
		if _, pattern := h.app.Handler(&sub); pattern == "" || strings.HasSuffix(pattern, "/logout") {
			mux = h.portal // one origin: sign-in and account live here too
		}
	}
	h.serve(w, &sub, mux)
}

// clearBad drops a session cookie that is none (CK-2), before anything else may
// set a good one.
func (h *Handler) clearBad(w http.ResponseWriter, r *http.Request, o authcore.Origin) {
	if name := h.svc.SessionCookie(o); authcore.IsBadCookie(r.Header["Cookie"], name) {
		http.SetCookie(w, h.svc.ClearCookie(o, name))
	}
}

// serve refuses what is not plain before any handler sees it (FA-5, DS-1).
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, mux *http.ServeMux) {
	if !strings.HasPrefix(r.URL.Path, "/") || r.URL.Path != path.Clean(r.URL.Path) ||
		strings.ContainsAny(r.URL.Path, "\\;\x00") || len(r.URL.RawQuery) > maxQuery {
		h.problem(w, r, http.StatusNotFound, "NOT_FOUND", "There is nothing at this address.")
		return
	}
	if _, pattern := mux.Handler(r); pattern == "" {
		h.notFound(w, r, mux)
		return
	}
	mux.ServeHTTP(w, r)
}

// hurry bounds how long the body of a request that we answer may take to arrive,
// read or not, whatever timeouts the server has (DS-1). The server sets a
// deadline of its own before the next request.
func hurry(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyWithin)) // a writer that cannot has no connection
	}
}

// notFound answers in the client's language: a page for people, a problem for
// programs; 405 where only the method is wrong. Who opens the address of a page
// that was the answer to a form gets the page with the form.
func (h *Handler) notFound(w http.ResponseWriter, r *http.Request, mux *http.ServeMux) {
	probe := *r
	var allowed []string
	for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodDelete} {
		probe.Method = m
		if _, pattern := mux.Handler(&probe); pattern != "" {
			allowed = append(allowed, m)
		}
	}
	if len(allowed) > 0 && mux == h.portal && r.Method == http.MethodGet && authcore.Negotiate(r.Method, r.Header) == authcore.Navigation {
		h.see(w, h.ownPage(r.URL.Path))
		return
	}
	if len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		h.problem(w, r, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "Use "+strings.Join(allowed, " or ")+" here.")
		return
	}
	if mux == h.portal && h.isAPI(r) {
		h.apiProblem(w, r, http.StatusNotFound, "NOT_FOUND", problem{Detail: "There is nothing at this address."})
		return
	}
	h.fail(w, r, http.StatusNotFound, failure{key: "refused.nothing-here", code: "NOT_FOUND"})
}

// handle registers a route under its Go 1.22 pattern; the handler returns what
// it could not answer itself, and fail maps that to status, page and text.
func (h *Handler) handle(mux *http.ServeMux, pattern string, fn func(http.ResponseWriter, *http.Request) error) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := fn(w, r); err != nil {
			h.refused(w, r, err)
		}
	})
}
