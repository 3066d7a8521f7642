package demo

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/websocket"
)

// appPage is what a page of a demo app shows. The app knows nothing but the
// headers that the guard has set.
type appPage struct {
	Name, Title, Intro   string
	OtherTitle, OtherURL string
	AccountURL, MailURL  string
	User, Email, Display string   // who is here; empty when the guard is missing
	Headers              []header // the identity headers as they came
}

type header struct{ Name, Value string }

var identityHeaders = []string{"Remote-User", "Remote-Sub", "Remote-Email", "Remote-Name", "Remote-Groups"}

func (wb *web) appPage(name string) http.HandlerFunc {
	page := appPage{
		Name: "app", Title: "The app", Intro: "Any web app could stand here. It has no login of its own: the guard in front of it says who you are.",
		OtherTitle: "the wiki", OtherURL: wb.sites.url("wiki") + "/",
		AccountURL: wb.sites.url("auth") + "/account", MailURL: wb.sites.url("mail") + "/",
	}
	if name == "wiki" {
		page.Name, page.Title, page.Intro = "wiki", "The wiki", "A second app, with a session of its own. If you were signed in at the app, you came here without a prompt."
		page.OtherTitle, page.OtherURL = "the app", wb.sites.url("app")+"/"
	}
	return func(w http.ResponseWriter, r *http.Request) {
		p := page
		p.User, p.Email, p.Display = decoded(r, "Remote-User"), decoded(r, "Remote-Email"), decoded(r, "Remote-Name")
		for _, h := range identityHeaders {
			if v := r.Header.Get(h); v != "" {
				p.Headers = append(p.Headers, header{h, v})
			}
		}
		wb.page(w, "app.html", p)
	}
}

// decoded is an identity header's value; the guard percent-encodes what is not
// visible ASCII.
func decoded(r *http.Request, name string) string {
	v := r.Header.Get(name)
	if plain, err := url.PathUnescape(v); err == nil {
		return plain
	}
	return v
}

// echo answers what arrived here.
func echo(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, struct {
		Method  string      `json:"method"`
		URI     string      `json:"uri"`
		Host    string      `json:"host"`
		Headers http.Header `json:"headers"`
	}{r.Method, r.RequestURI, r.Host, r.Header})
}

// events ticks once a second until the client, or the guard, ends it
// (server-sent events, HTML Standard section 9.2).
func events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		if _, err := fmt.Fprintf(w, "data: %d\n\n", n); err != nil {
			return
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}

// maxMessage bounds one WebSocket message.
const maxMessage = 64 << 10

// echoSocket repeats what it hears (RFC 6455). It looks at no Origin: the guard
// has done so, for it alone knows the public one.
func echoSocket() http.Handler {
	return websocket.Server{Handler: func(ws *websocket.Conn) {
		ws.MaxPayloadBytes = maxMessage
		for {
			var message string
			if websocket.Message.Receive(ws, &message) != nil || websocket.Message.Send(ws, message) != nil {
				return
			}
		}
	}}
}
