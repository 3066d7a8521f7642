package test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// What reaches an app about a person comes from the guard alone (HD-1..5). The
// app here keeps the very bytes of each request.
func TestIdentity(t *testing.T) {
	const address = "ada@example.test"
	raw := harness.StartRawUpstream(t)
	w := startWorld(t, worldOptions{app: &harness.Upstream{Addr: raw.Addr}})
	c := w.client(t)
	w.enter(t, c, w.URL(authHost, "/login"), address)
	c.Navigate(w.URL(appHost, "/healthz")) // no session made yet
	c.Navigate(w.URL(appHost, "/"))
	session := c.Cookie(w.URL(appHost, "/"), sessionCookie)
	if session == "" {
		t.Fatal("no session at the app")
	}
	ours := sessionCookie + "=" + session + "; __Host-passwordless-flow=AAAA; __Host-passwordless-device=BBBB; __Host-passwordless-lang=CCCC"

	// arrives sends a request as bytes and returns what the app got of it.
	arrives := func(t *testing.T, path, cookies, forged string) string {
		t.Helper()
		before := len(raw.Seen())
		status := w.sendRaw(t, appHost, fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\n%sConnection: close\r\n\r\n", path, w.host(appHost), cookies, forged))
		seen := raw.Seen()
		switch {
		case status == http.StatusBadRequest && len(seen) == before:
			return "" // refused as a whole: nothing arrives either
		case status != http.StatusOK || len(seen) != before+1:
			t.Fatalf("status %d, %d requests at the app", status, len(seen)-before)
		}
		return seen[before]
	}

	forgeries := map[string]string{
		"as it is written":     "Remote-User: mallory\r\n",
		"in lower case":        "remote-user: mallory\r\n",
		"in upper case":        "REMOTE-USER: mallory\r\n",
		"with underscores":     "Remote_User: mallory\r\n",
		"with a dot":           "Remote.User: mallory\r\n",
		"mixed":                "rEmOtE_eMaIl: mallory\r\nREMOTE-Groups: mallory\r\n",
		"twice":                "Remote-User: ada\r\nRemote-User: mallory\r\n",
		"every name":           "Remote-Sub: mallory\r\nRemote-Email: mallory\r\nRemote-Name: mallory\r\nRemote-Groups: mallory\r\nRemote-Jwt: mallory\r\n",
		"folded":               "X-Fine: 1\r\n Remote-User: mallory\r\n",
		"with a space":         "Remote-User : mallory\r\n",
		"nominated hop by hop": "Remote-User: mallory\r\nConnection: Remote-User, Remote-Email, X-Forwarded-For\r\n",
		"as a trailer":         "Trailer: Remote-User\r\nTE: trailers\r\n",
	}
	for name, forged := range forgeries {
		t.Run("Forged "+name, func(t *testing.T) {
			got := arrives(t, "/page", ours+"; theirs=1", forged)
			if strings.Contains(got, "mallory") && name != "folded" || named(got, "remote-user") > 1 {
				t.Errorf("the app got:\n%s", got)
			}
			if got != "" && !strings.Contains(got, "\r\nRemote-User: "+address+"\r\n") {
				t.Errorf("the app was not told who is here:\n%s", got)
			}
			got = arrives(t, "/healthz", "theirs=1", forged) // a public path, nobody signed in
			if strings.Contains(got, "mallory") && name != "folded" || named(got, "remote-") != 0 {
				t.Errorf("on a public path the app got:\n%s", got)
			}
		})
	}

	t.Run("OurCookiesStayAtTheGuard", func(t *testing.T) {
		theirs := `a="1,2"; b=x y;  odd; =nameless; _Host-passwordless=kept; c=` + strings.Repeat("é", 3)
		for _, path := range []string{"/page", "/healthz"} {
			got := arrives(t, path, ours+"; "+theirs, "")
			if strings.Contains(got, session) || strings.Contains(got, "AAAA") || strings.Contains(got, "BBBB") || strings.Contains(got, "CCCC") {
				t.Errorf("%s: the app got a cookie of ours:\n%s", path, got)
			}
			if !strings.Contains(got, theirs) {
				t.Errorf("%s: the app's own cookies were changed:\n%s", path, got)
			}
		}
		if got := arrives(t, "/page", ours, ""); named(got, "cookie") != 0 {
			t.Errorf("an empty cookie header was left:\n%s", got)
		}
	})

	t.Run("TrailersCarryNoIdentity", func(t *testing.T) {
		before := len(raw.Seen())
		status := w.sendRaw(t, appHost, fmt.Sprintf("POST /page HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\nOrigin: %s\r\n"+
			"Transfer-Encoding: chunked\r\nTrailer: Remote-User, Remote_Email, X-Fine\r\nConnection: close\r\n\r\n"+
			"4\r\nbody\r\n0\r\nRemote-User: mallory\r\nRemote_Email: mallory\r\nX-Fine: yes\r\n\r\n", w.host(appHost), ours, w.URL(appHost, "")))
		seen := raw.Seen()
		if status != http.StatusOK || len(seen) != before+1 {
			t.Fatalf("status %d, %d requests at the app", status, len(seen)-before)
		}
		if got := seen[before]; strings.Contains(got, "mallory") || !strings.Contains(got, "body") {
			t.Errorf("the app got:\n%s", got)
		}
	})

	t.Run("AppCannotSetOurCookies", func(t *testing.T) {
		// The other way round: an app that answers with our names sets nothing.
		app := startAnswer(t, "HTTP/1.1 200 OK\r\nSet-Cookie: "+sessionCookie+"=planted; Path=/; Secure\r\nSet-Cookie: theirs=1; Path=/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		hostile := startWorld(t, worldOptions{app: &harness.Upstream{Addr: app}})
		c := hostile.client(t)
		hostile.enter(t, c, hostile.URL(appHost, "/"), address)
		kept := c.Cookie(hostile.URL(appHost, "/"), sessionCookie)
		res := navigate(c, hostile.URL(appHost, "/page"))
		if res.StatusCode != http.StatusOK || len(res.Cookies()) != 1 || res.Cookies()[0].Name != "theirs" {
			t.Errorf("%s, cookies %v", res.Status, res.Cookies())
		}
		if got := c.Cookie(hostile.URL(appHost, "/"), sessionCookie); got != kept || kept == "" {
			t.Errorf("the session changed from %q to %q", kept, got)
		}
	})
}

// named counts the header lines of a raw request whose name begins so, in any
// spelling a backend might fold to it.
func named(request, name string) int {
	head, _, _ := strings.Cut(request, "\r\n\r\n")
	fold := regexp.MustCompile(`[-_.]`)
	n := 0
	for line := range strings.SplitSeq(head, "\r\n") {
		if strings.HasPrefix(fold.ReplaceAllString(strings.ToLower(line), "-"), name) {
			n++
		}
	}
	return n
}

// sendRaw sends bytes over TLS and returns the status of the answer.
func (w *world) sendRaw(t *testing.T, host, request string) int {
	t.Helper()
	conn, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(w.HTTPS)), &tls.Config{
		RootCAs: harness.Roots(t, w.RootCA(t)), ServerName: host, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

// startAnswer is an app that gives the same answer to everything.
func startAnswer(t *testing.T, answer string) (address string) {
	t.Helper()
	ln := harness.Listen(t)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return // closed by the cleanup
			}
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.WriteString(conn, answer) // a client that went away needs none
			}
			_ = conn.Close()
		}
	}()
	return ln.Addr().String()
}
