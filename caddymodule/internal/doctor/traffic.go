package doctor

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
)

// What else has to get through to the app and back.

var trafficChecks = []check{
	{
		id: "websocket", question: "Does a WebSocket's upgrade reach the app?", needs: needUser, run: checkWebSocket,
		why: "Everything live in the app stands still.",
	},
	{
		id: "events", question: "Do event streams arrive as they are sent?", needs: needUser, run: checkEvents,
		why: "What the app streams would arrive late, or all at its end.",
	},
	{
		id: "post", question: "Does a POST arrive, with its body?", needs: needUser, run: checkPost,
		why: "Forms and uploads of the app fail.",
	},
	{
		id: "head", question: "Is HEAD like GET?", needs: needUser, run: checkHead,
		why: "Programs that look before they load take the app for broken.",
	},
	{
		id: "large", question: "Do large headers get through, or a clean refusal?", needs: needUser, run: checkLarge,
		why: "People with many cookies would get errors that nobody can explain.",
	},
	{
		id: "browser", question: "What protects a browser on the app's pages?", needs: needUser, run: checkBrowser,
		why: "Without them a browser takes the app's pages into frames, over plain http, and guesses types.",
	},
}

func checkWebSocket(ctx context.Context, w *world) finding {
	said := ""
	if w.echo != "" {
		e, got := w.echoOf(ctx, w.signedIn(request{target: w.echo, header: upgrade}))
		switch {
		case e == nil:
			said = "the app answers an upgrade by " + got.was()
		case !strings.EqualFold(strings.Join(e.values("Upgrade"), ","), "websocket"), !strings.Contains(strings.ToLower(strings.Join(e.values("Connection"), ",")), "upgrade"):
			return fail(fixWebSocket, "the app gets no Upgrade: websocket")
		}
	}
	path := w.o.WS
	if path == "" {
		path = "/ws"
	}
	got := w.send(ctx, w.signedIn(request{target: path, header: append([]header{{"Origin", w.app.Origin}, {"Sec-Fetch-Mode", "websocket"}}, upgrade...)}))
	switch {
	case got.err == nil && got.StatusCode == http.StatusSwitchingProtocols:
		return ok("101 at " + path)
	case w.o.WS != "":
		return fail(fixWebSocket, path+" answers "+got.was())
	case w.echo != "" && said == "":
		return ok("the app gets it")
	}
	return notChecked(strings.TrimPrefix(said+"; name the path of a WebSocket with --ws", "; "))
}

func checkEvents(ctx context.Context, w *world) finding {
	path, named := w.o.Events, true
	if path == "" {
		path, named = "/events", false
	}
	n := w.step()
	r := w.signedIn(request{origin: w.app.Origin, target: w.mark(path, n), header: []header{{"Accept", "text/event-stream"}, {"Sec-Fetch-Mode", "cors"}, {"Sec-Fetch-Dest", "empty"}, {"Sec-Fetch-Site", "same-origin"}}})
	first := ""
	res, err := w.o.Wire.exchange(ctx, r, func(_ *bufio.Reader, res *http.Response) (string, error) {
		if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
			return "", nil
		}
		line, err := bufio.NewReader(res.Body).ReadString('\n')
		first = line
		return line, err
	})
	switch {
	case err != nil && named:
		return fail(fixEvents, fmt.Sprintf("no event of %s came within %v: %v", path, w.o.Wire.timeout(), err))
	case err != nil || !named && !res.success():
		return notChecked("name the path of an event stream with --events")
	case first == "" && named:
		return fail(fixEvents, fmt.Sprintf("%s answers %d, %s", path, res.StatusCode, res.Header.Get("Content-Type")))
	case first == "":
		return notChecked("name the path of an event stream with --events")
	}
	return ok("the first event of " + path + " came at once")
}

// posted is a body that can be told from every other.
const posted = "doctor=was-here&and=left-this"

func checkPost(ctx context.Context, w *world) finding {
	path := w.echo
	if path == "" {
		return notChecked("the app does not say what it gets; name a path that does with --echo")
	}
	r := w.signedIn(request{
		target: path, method: http.MethodPost, body: posted,
		header: append([]header{{"Content-Type", "application/x-www-form-urlencoded"}, {"Origin", w.app.Origin}}, script...),
	})
	e, got := w.echoOf(ctx, r)
	list, err := w.seen(ctx, got.n, asked)
	if err == nil && len(list) > 0 && !w.guarded() {
		if length := list[0].Header.Get("Content-Length"); length != "" && length != "0" {
			return fail(fixBody, "the check gets the body's length, and waits for the body")
		}
	}
	switch {
	case e == nil && got.err == nil && (got.StatusCode == http.StatusMethodNotAllowed || got.StatusCode == http.StatusNotFound):
		return notChecked("the app takes no POST at " + path)
	case e == nil:
		return fail(fixBody, "the user's POST gets "+got.was())
	case e.Method != http.MethodPost:
		return fail(fixBody, "the app gets "+e.Method+" for POST")
	case e.Body != "" && e.Body != posted, e.Body == "" && strings.Join(e.values("Content-Length"), "") != fmt.Sprint(len(posted)) && len(e.values("Transfer-Encoding")) == 0:
		return fail(fixBody, "the body does not arrive")
	}
	return ok("it does")
}

func checkHead(ctx context.Context, w *world) finding {
	path := w.echo
	if path == "" {
		path = "/"
	}
	page := w.send(ctx, w.signedIn(get(path)))
	head := w.send(ctx, w.signedIn(request{target: path, method: http.MethodHead, header: script}))
	switch {
	case page.err != nil:
		return notChecked("the app does not answer: " + page.err.Error())
	case head.err != nil || head.StatusCode == http.StatusMethodNotAllowed && page.success() || head.StatusCode != page.StatusCode && head.StatusCode/100 != 2:
		return fail(fixHead, "GET gets "+page.was()+", and HEAD "+head.was())
	}
	return ok(head.was())
}

// clean are answers to a request that is too large (RFC 6585, RFC 9110).
var clean = []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong, http.StatusRequestHeaderFieldsTooLarge}

func checkLarge(ctx context.Context, w *world) finding {
	const size = 15 << 10 // we read 16 KiB of cookies, and no more
	big := strings.Repeat("0123456789abcdef", size/2/16)
	cookie := header{"Cookie", w.cookie().value + "; a=" + big + "; b=" + big}
	path := w.echo
	if path == "" {
		path = "/"
	}
	got := w.send(ctx, get(path, cookie))
	switch {
	case got.err != nil:
		return fail(fixLarge, "15 KiB of cookies: "+got.err.Error())
	case got.StatusCode == w.home.StatusCode:
		return ok("15 KiB of cookies get through")
	}
	for _, status := range clean {
		if got.StatusCode == status {
			return ok("15 KiB of cookies get a clean " + got.status())
		}
	}
	return fail(fixLarge, "15 KiB of cookies get "+got.was())
}

func checkBrowser(ctx context.Context, w *world) finding {
	path := w.echo
	if path == "" {
		path = "/"
	}
	got := w.send(ctx, w.signedIn(load(path)))
	if got.err != nil {
		return notChecked("the app does not answer: " + got.err.Error())
	}
	var missing []string
	for _, name := range []string{"Strict-Transport-Security", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy"} {
		framed := name == "X-Frame-Options" && strings.Contains(got.Header.Get("Content-Security-Policy"), "frame-ancestors")
		plain := name == "Strict-Transport-Security" && strings.HasPrefix(w.app.Origin, "http://")
		if got.Header.Get(name) == "" && !framed && !plain {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		return warn(fixBrowser, "the app's pages come without "+strings.Join(missing, ", "))
	}
	return ok("HSTS, nosniff, frames, referrer")
}
