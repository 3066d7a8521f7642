package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// What is true before the first request to an app.

const (
	// clockWarn and clockFail: tickets live for a minute.
	clockWarn = 5 * time.Second
	clockFail = 30 * time.Second
	// renewal: whoever renews certificates has done so by then, or in the last
	// quarter of a short life.
	renewal = 14 * 24 * time.Hour
)

var processChecks = []check{
	{
		id: "process", question: "Is the server up, and of the version of this command?", run: checkProcess,
		why: "A command of another version may look for what the server does not do yet.",
	},
	{
		id: "config", question: "Do apps and proxies find each other?", run: checkConfig,
		why: "Nobody but a configured proxy gets a decision, and whoever is configured can ask about anybody.",
	},
	{
		id: "mail", question: "Does mail leave?", run: checkMail,
		why: "Codes and links do not arrive, so nobody signs in without a passkey.",
	},
	{
		id: "dns", question: "Do the names lead somewhere?", run: checkDNS,
		why: "Browsers find neither sign-in nor the app.",
	},
	{
		id: "tls", question: "Is TLS good: chain, name, days left, version 1.2 or newer?", run: checkTLS,
		why: "Browsers refuse the page, or somebody on the way reads the session.",
	},
	{
		id: "https", question: "Does plain http lead to https?", run: checkRedirect,
		why: "Whoever types the name alone ends elsewhere, and may send something in the clear.",
	},
	{
		id: "clock", question: "Do the clocks agree?", run: checkClock,
		why: "Tickets live for a minute and codes for ten: with a wrong clock sign-in goes in circles.",
	},
}

func checkProcess(_ context.Context, w *world) finding {
	saw := fmt.Sprintf("version %s, up %v", w.facts.Version, time.Duration(w.facts.Uptime)*time.Second)
	if w.facts.Version != w.o.Version {
		return warn(fixes{ours: {"restart the server, or run the command of its own program"}}, saw+"; this command is "+w.o.Version)
	}
	return ok(saw)
}

func checkConfig(_ context.Context, w *world) finding {
	if !w.guarded() && len(w.facts.Proxies) == 0 {
		return fail(fixes{ours: {"proxy traefik 172.18.0.2   # the kind and the address of yours"}}, "no proxy may ask about "+w.host)
	}
	for _, p := range w.facts.Proxies {
		for _, from := range p.From {
			n, err := netip.ParsePrefix(from)
			if err == nil && (n.Addr().Is4() && n.Bits() < 29 || n.Addr().Is6() && n.Bits() < 64) {
				return warn(fixes{ours: {fmt.Sprintf("proxy %s %s   # the proxy alone", p.Kind, n.Addr().Next())}},
					fmt.Sprintf("everybody in %s may ask as %s", from, p.Kind))
			}
		}
	}
	saw := "guarded in process"
	if !w.guarded() {
		saw = "behind " + strings.Join(w.kinds, ", ")
	}
	return ok(saw)
}

func checkMail(_ context.Context, w *world) finding {
	switch {
	case w.facts.NoMail:
		return warn(fixes{ours: {"smtp smtp.example.com:587 {", "\tusername …", "}"}}, "no mail server is configured; people sign in by passkey and invitation")
	case w.facts.Mail != "ok":
		return fail(fixes{ours: {"smtp HOST:PORT { … }   # see \"The mail does not come\" in docs/troubleshooting.md"}}, w.facts.Mail)
	}
	return ok("nothing waits")
}

// origins are sign-in's and the app's.
func (w *world) origins() []string {
	if w.facts.Portal == w.app.Origin {
		return []string{w.app.Origin}
	}
	return []string{w.facts.Portal, w.app.Origin}
}

func checkDNS(ctx context.Context, w *world) finding {
	if w.o.Wire.Connect != "" || w.o.Lookup == nil {
		return notChecked("--connect says where everything is")
	}
	var saw []string
	for _, origin := range w.origins() {
		found, err := w.o.Lookup(ctx, hostOf(origin))
		if err != nil || len(found) == 0 {
			return fail(fixes{everyKind: {hostOf(origin) + ". A ADDRESS   # in the zone, the proxy's public address"}}, hostOf(origin)+" is not found")
		}
		saw = append(saw, hostOf(origin)+" at "+strings.Join(found, " "))
	}
	return ok(strings.Join(saw, ", "))
}

func checkTLS(ctx context.Context, w *world) finding {
	worst := notChecked("plain http")
	for _, origin := range w.origins() {
		if strings.HasPrefix(origin, "https://") {
			worst = worst.worse(w.handshake(ctx, origin))
		}
	}
	return worst
}

func (w *world) handshake(ctx context.Context, origin string) finding {
	ctx, cancel := context.WithTimeout(ctx, w.o.Wire.timeout())
	defer cancel()
	name := hostOf(origin)
	conn, err := w.o.Wire.dial(ctx, origin, w.o.Wire.tls())
	if err != nil {
		said := name + ": " + err.Error()
		if unknown := new(x509.UnknownAuthorityError); errors.As(err, unknown) && w.o.Wire.CAs == nil {
			said += "; if that is a CA of your own, name its file with --ca"
		}
		return fail(fixTLS, said)
	}
	state := conn.(*tls.Conn).ConnectionState()
	conn.Close()
	leaf := state.PeerCertificates[0]
	left := leaf.NotAfter.Sub(w.o.Now())
	days := fmt.Sprintf("%s: %d days left", name, int(left.Hours()/24))
	if left < 48*time.Hour {
		days = fmt.Sprintf("%s: %d hours left", name, int(left.Hours()))
	}
	old := w.o.Wire.tls()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if conn, err := w.o.Wire.dial(ctx, origin, old); err == nil {
		conn.Close()
		return fail(fixTLS, name+" speaks TLS 1.1 and older")
	}
	if left < min(renewal, leaf.NotAfter.Sub(leaf.NotBefore)/4) {
		return warn(fixes{everyKind: {"see to it that the certificate of " + name + " is renewed"}}, days)
	}
	return ok(days + ", " + tls.VersionName(state.Version))
}

func checkRedirect(ctx context.Context, w *world) finding {
	worst := notChecked("plain http is what is configured")
	if w.o.Wire.Connect != "" && w.o.Wire.Plain == "" && strings.HasPrefix(w.app.Origin, "https://") {
		return notChecked("--connect names one port; name that of plain http with --connect-http")
	}
	for _, origin := range w.origins() {
		if !strings.HasPrefix(origin, "https://") {
			continue
		}
		name := hostOf(origin)
		res, err := w.o.Wire.send(ctx, request{origin: "http://" + name, target: "/", header: navigation})
		got := sent{response: res, err: err}
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
			worst = worst.worse(ok("port 80 is closed"))
		case err != nil:
			worst = worst.worse(warn(fixRedirect, name+": "+err.Error()))
		case res.StatusCode/100 == 3 && strings.HasPrefix(res.location(), "https://"+name):
			worst = worst.worse(ok("it does"))
		case res.success():
			worst = worst.worse(fail(fixRedirect, name+" answers plain http by "+got.was()))
		default:
			worst = worst.worse(warn(fixRedirect, name+" answers plain http by "+got.was()))
		}
	}
	return worst
}

func checkClock(ctx context.Context, w *world) finding {
	res, err := w.o.Wire.send(ctx, request{origin: w.facts.Portal, target: w.signInPath("/login"), header: navigation})
	if err != nil {
		return notChecked("sign-in does not answer: " + err.Error())
	}
	here := w.o.Now()
	server := here.Add(w.facts.Now.Sub(w.since)) // now, by its clock
	there, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		there = server
	}
	saw, off := "they do", time.Duration(0)
	for _, c := range []struct {
		name string
		at   time.Time
	}{{"the proxy's", there}, {"this machine's", here}} {
		if d := c.at.Sub(server).Round(time.Second).Abs(); d > off {
			off, saw = d, fmt.Sprintf("%s clock and the server's are %v apart", c.name, d)
		}
	}
	fix := fixes{everyKind: {"timedatectl set-ntp true   # on the machine whose clock is wrong"}}
	switch {
	case off > clockFail:
		return fail(fix, saw)
	case off > clockWarn:
		return warn(fix, saw)
	}
	return ok("within " + clockWarn.String())
}

// signInPath is a path of the portal, which a sidecar has below /.auth.
func (w *world) signInPath(path string) string {
	if w.facts.Sidecar {
		return "/.auth" + path
	}
	return path
}
