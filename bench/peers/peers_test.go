package peers

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestParse_NamesAndPaths(t *testing.T) {
	got, err := Parse("authelia=/a b/authelia,tinyauth=bin/x=y")
	if err != nil || len(got) != 2 || got["authelia"] != "/a b/authelia" || got["tinyauth"] != "bin/x=y" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestParse_SaysWhatToWrite(t *testing.T) {
	for list, want := range map[string]string{
		"keycloak=/x":             "authelia, oauth2-proxy, tinyauth, caddy-security",
		"tinyauth":                "tinyauth=PATH",
		"tinyauth=":               "tinyauth=PATH",
		"tinyauth=/x,tinyauth=/y": "named twice",
		"":                        "authelia, oauth2-proxy",
		"tinyauth=/x,":            "none of the peers",
	} {
		if _, err := Parse(list); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("of %q it says %v, not %q", list, err, want)
		}
	}
}

func TestNew_RefusesWhomItDoesNotKnow(t *testing.T) {
	if _, err := New("keycloak", Place{}); err == nil {
		t.Error("made one")
	}
}

// all are the peers, in a place on port 4711.
func all(t *testing.T) []*Peer {
	t.Helper()
	var list []*Peer
	for _, name := range Names() {
		p, err := New(name, Place{Dir: "/home/of/it", Port: 4711, Upstream: "127.0.0.1:4712"})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

// written is everything that a peer is given.
func (p *Peer) written() string {
	text := strings.Join(append(slices.Clone(p.Args), p.Env...), "\n")
	for _, file := range p.Files {
		text += "\n" + file
	}
	return text
}

func TestPeers_ListenOnLoopbackOnly(t *testing.T) {
	for _, p := range all(t) {
		text := p.written()
		if !strings.Contains(text, "127.0.0.1") || !strings.Contains(text, "4711") {
			t.Errorf("%s is not told where to listen:\n%s", p.Name, text)
		}
		if strings.Contains(text, "0.0.0.0") || strings.Contains(text, "%!") {
			t.Errorf("%s is told wrong:\n%s", p.Name, text)
		}
	}
}

func TestPeers_EveryRunHasNewSecrets(t *testing.T) {
	before, now := all(t), all(t)
	for i, p := range before {
		if p.Name == "tinyauth" { // its sessions are random ids in its database
			continue
		}
		if p.written() == now[i].written() {
			t.Errorf("%s has the secrets of the run before", p.Name)
		}
	}
}

func TestPeers_HaveAnEndpointOrStandInFront(t *testing.T) {
	for _, p := range all(t) {
		if (p.Ask == "") != Inside(p.Name) {
			t.Errorf("%s: endpoint %q, inside %t", p.Name, p.Ask, Inside(p.Name))
		}
		if p.Ready == "" || p.User == "" || !strings.Contains(p.App, "://") {
			t.Errorf("%s is not complete: %+v", p.Name, p)
		}
	}
}

// door answers the sign-in of each peer as its documentation says, and sets a
// cookie for whoever knows the password.
func door(w http.ResponseWriter, r *http.Request) {
	var body struct{ Username, Password string }
	var cookie string
	known := false
	switch r.Method + " " + r.URL.Path {
	case "POST /api/firstfactor": // Authelia knows its own origin by these
		_ = json.NewDecoder(r.Body).Decode(&body)
		known = r.Header.Get("X-Forwarded-Proto") == "https" && r.Header.Get("X-Forwarded-Host") == "auth.example.com"
		cookie = "authelia_session"
	case "POST /api/user/login":
		_ = json.NewDecoder(r.Body).Decode(&body)
		known, cookie = true, "tinyauth-session-1a2b"
	case "POST /oauth2/sign_in":
		body.Username, body.Password = r.PostFormValue("username"), r.PostFormValue("password")
		known, cookie = true, "_oauth2_proxy"
	case "GET /auth/basic/login/local":
		body.Username, body.Password, known = r.BasicAuth()
		cookie = "AUTHP_ACCESS_TOKEN"
	}
	http.SetCookie(w, &http.Cookie{Name: "lang", Value: "en"})
	if !known || body.Username != user || body.Password != password {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: "secret", Domain: "example.com", Secure: true, HttpOnly: true})
}

// answeredBy has a handler answer, whatever the address.
func answeredBy(h http.HandlerFunc) Do {
	return func(r *http.Request) (*http.Response, error) {
		if r.Body == nil {
			r.Body = http.NoBody
		}
		w := httptest.NewRecorder()
		h(w, r)
		return w.Result(), nil
	}
}

func TestSignIn_BringsTheSessionCookieAndNoOther(t *testing.T) {
	for _, p := range all(t) {
		cookie, err := p.SignIn(context.Background(), answeredBy(door))
		if err != nil || !strings.HasSuffix(cookie, "=secret") || strings.HasPrefix(cookie, "lang") {
			t.Errorf("%s: %q, %v", p.Name, cookie, err)
		}
	}
}

func TestSignIn_RefusedIsAnErrorThatNamesThePeer(t *testing.T) {
	shut := answeredBy(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	for _, p := range all(t) {
		if _, err := p.SignIn(context.Background(), shut); err == nil || !strings.Contains(err.Error(), p.Name) || !strings.Contains(err.Error(), "401") {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}

func TestVersion_EmptyWhereTheBinaryDoesNotSay(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{self, "/no/such/file"} {
		if v := Version("authelia", path); v != "" {
			t.Errorf("%s is version %q of Authelia", path, v)
		}
	}
}
