package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// strangerAt is a visitor of a server.
func strangerAt(t *testing.T, handler http.HandlerFunc) *visitor {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	c, err := dial(srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &visitor{conn: c, portal: srv.URL}
}

func TestVisitor_TypesAWrongCodeForTheFlowThatItGot(t *testing.T) {
	var got []string
	v := strangerAt(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, r.Method+" "+r.URL.Path+" "+string(body))
		if r.URL.Path == "/api/login/email" {
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, `{"flow":"f1"}`)
			return
		}
		w.WriteHeader(http.StatusBadRequest)
	})
	flow, asked, err := v.askAPI("a@example.com")
	if err != nil {
		t.Fatal(err)
	}
	typed, err := v.typeWrongCode(flow)
	if err != nil {
		t.Fatal(err)
	}
	want := `POST /api/login/email {"email":"a@example.com"}|POST /api/login/email/verify {"flow":"f1","code":"00000000"}`
	if strings.Join(got, "|") != want || asked <= 0 || typed <= 0 {
		t.Errorf("sent %v, took %v and %v", got, asked, typed)
	}
}

func TestVisitor_SendsTheFormOfAFreshPage(t *testing.T) {
	var pages int
	v := strangerAt(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			pages++
			http.SetCookie(w, &http.Cookie{Name: "flow", Value: fmt.Sprint(pages), Path: "/"})
			fmt.Fprintf(w, `<form method="post" action="/lang"><input type="hidden" name="lang" value="de"></form>
<form method="post" action="/login"><input type="hidden" name="token" value="t%d&amp;"></form>`, pages)
			return
		}
		cookie, _ := r.Cookie("flow")
		body, _ := io.ReadAll(r.Body)
		if want := fmt.Sprintf("email=a%%40example.com&token=t%d%%26", pages); string(body) != want || cookie == nil || cookie.Value != fmt.Sprint(pages) {
			t.Errorf("sent %s with %v", body, r.Header["Cookie"])
		}
		w.Header().Set("Location", "/login/code")
		w.WriteHeader(http.StatusSeeOther)
	})
	for range 2 {
		if _, took, err := v.askPage("a@example.com"); err != nil || took <= 0 {
			t.Errorf("took %v, %v", took, err)
		}
	}
	if pages != 2 {
		t.Errorf("%d pages", pages)
	}
}

func TestVisitor_ARefusalIsNoSample(t *testing.T) {
	v := strangerAt(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) })
	_, _, api := v.askAPI("a@example.com")
	_, _, page := v.askPage("a@example.com")
	_, code := v.typeWrongCode("f1")
	for what, err := range map[string]error{"API": api, "page": page, "code": code} {
		if err == nil || !strings.Contains(err.Error(), "429") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
