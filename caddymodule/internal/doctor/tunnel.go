package doctor

import (
	"context"
	"net/http"
	"strings"
)

// toH2C asks to go on in HTTP/2 (RFC 7540 section 3.2, which RFC 9113 has done
// away with). Where the app agrees, a proxy steps aside.
var toH2C = []header{{"Connection", "Upgrade, HTTP2-Settings"}, {"Upgrade", "h2c"}, {"HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"}}

// checkTunnel tries CONNECT as a stranger, and an upgrade as the user (FA-13).
func checkTunnel(ctx context.Context, w *world) finding {
	path := w.public // where a stranger is let in
	if path == "" {
		path = "/doctor"
	}
	for _, target := range []string{path, w.host + ":443"} {
		got, err := w.o.Wire.send(ctx, request{origin: w.app.Origin, method: http.MethodConnect, target: target}) // a host has no query to mark
		if w.tally.count(got, err); err == nil && got.success() {
			return fail(fixConnect, "CONNECT "+target+" of a stranger gets "+got.status())
		}
	}
	if why := w.lacks(needEcho); why != "" {
		return notChecked("CONNECT is refused; for upgrades, " + why)
	}
	e, got := w.echoOf(ctx, w.signedIn(request{target: w.echo, header: append(append([]header{}, toH2C...), script...)}))
	switch {
	case got.err != nil:
		return notChecked("an upgrade to h2c gets no answer: " + got.err.Error())
	case got.StatusCode == http.StatusSwitchingProtocols:
		return fail(fixUpgrade, "the app goes on in h2c, and the proxy sees no more")
	case e == nil && got.success():
		return notChecked("the app does not say what it gets of an upgrade")
	case e == nil:
		return ok("CONNECT is refused, and an upgrade to h2c gets " + got.was())
	case len(e.values("Upgrade")) > 0:
		return fail(fixUpgrade, "the app gets Upgrade: "+strings.Join(e.values("Upgrade"), ", "))
	}
	return ok("CONNECT is refused, and no upgrade to h2c reaches the app")
}
