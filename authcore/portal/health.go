package portal

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// private is who may read health endpoints when nobody configured it: loopback
// and private ranges (RFC 1918, RFC 4193, link-local).
var private = []netip.Prefix{
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"),
}

// serveHealth answers /health, /readiness and /liveness on any host, to
// allowed addresses only (WB-2).
func (h *Handler) serveHealth(w http.ResponseWriter, r *http.Request) {
	ip, peer := h.Address(r)
	if !ip.IsValid() && !forwarded(r.Header) {
		ip = peer // a trusted proxy that asks for itself, or on the same machine
	}
	if !h.mayReadHealth(ip) {
		h.problem(w, r, http.StatusForbidden, "FORBIDDEN", "Health is shown to the networks in metrics_allow only.")
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		h.problem(w, r, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "Use GET here.")
		return
	}
	switch r.URL.Path {
	case "/liveness":
		writeJSON(w, http.StatusOK, map[string]string{"status": "alive"})
	case "/readiness":
		h.serveReadiness(w, r)
	default:
		now := h.svc.Now()
		writeJSON(w, http.StatusOK, struct {
			Status    string `json:"status"`
			Version   string `json:"version"`
			Uptime    int64  `json:"uptime_seconds"`
			Timestamp int64  `json:"timestamp"`
		}{"healthy", h.Version, int64(now.Sub(h.svc.StartedAt()).Seconds()), now.Unix()})
	}
}

// forwarded reports whether a request came on somebody's behalf.
func forwarded(h http.Header) bool {
	for name := range h {
		if name == "Forwarded" || name == "X-Real-Ip" || name == "Via" || strings.HasPrefix(name, "X-Forwarded-") {
			return true
		}
	}
	return false
}

// serveReadiness answers 200 or 503 with each check by name. Mail and unknown
// client addresses are reported and never fatal: sign-in by passkey goes on
// without the one, and all but network rules without the other.
func (h *Handler) serveReadiness(w http.ResponseWriter, r *http.Request) {
	type check struct {
		Status string `json:"status"`
		Detail string `json:"detail,omitempty"`
	}
	checks, status, word := map[string]check{}, http.StatusOK, "ready"
	fail := func(name, detail string) {
		checks[name] = check{"failed", detail}
		status, word = http.StatusServiceUnavailable, "not ready"
	}
	for _, c := range h.svc.Ready(r.Context()) {
		checks[c.Name] = check{Status: "ok"}
		if c.Err != nil {
			h.Log.Error("readiness", "check", c.Name, "error", c.Err)
			fail(c.Name, "see the log")
		}
	}
	checks["draining"] = check{Status: "ok"}
	if h.Health.Draining() {
		fail("draining", "the process is stopping")
	}
	for name, look := range map[string]func() error{"mail": h.Health.Mail, "client_address": h.Health.Clients} {
		checks[name] = check{Status: "ok"}
		if err := look(); err != nil {
			checks[name] = check{"degraded", err.Error()}
		}
	}
	writeJSON(w, status, struct {
		Status string           `json:"status"`
		Checks map[string]check `json:"checks"`
	}{word, checks})
}

func (h *Handler) mayReadHealth(ip netip.Addr) bool {
	if !ip.IsValid() {
		return false // an unknown address is nowhere
	}
	allowed := h.MetricsAllow
	if allowed == nil {
		allowed = private
	}
	for _, p := range allowed {
		if p.Contains(ip.Unmap().WithZone("")) {
			return true
		}
	}
	return false
}

func itoa(n int) string { return strconv.Itoa(n) }
