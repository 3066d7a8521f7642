package authcore

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/store"
)

func identityOf(u store.User) *Identity { return newIdentity(&u) }

func TestHeaders_OneValueEachAndNoneForNothing_HD2(t *testing.T) {
	var p Policy
	h := http.Header{"Remote-User": {"left over"}, "Accept": {"*/*"}}
	p.SetHeaders(h, identityOf(store.User{ID: "id1", Name: "ally", Email: alice, Groups: []string{"guests", "staff"}}), "")
	for name, want := range map[string]string{
		"Remote-User": "ally", "Remote-Sub": "id1", "Remote-Email": alice, "Remote-Groups": "guests,staff", "Accept": "*/*",
	} {
		if got := h[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if _, ok := h["Remote-Name"]; ok {
		t.Error("there is a header for a name that nobody gave")
	}
}

func TestHeaders_RequestsShareNoMemory_FA14(t *testing.T) {
	var p Policy
	id := identityOf(store.User{ID: "id1", Name: "ally", Email: alice})
	a, b := http.Header{}, http.Header{}
	p.SetHeaders(a, id, "")
	p.SetHeaders(b, id, "")
	a["Remote-User"][0] = "mallory"
	a["Remote-User"] = append(a["Remote-User"], "x")
	if b.Get("Remote-User") != "ally" || a.Get("Remote-Sub") != "id1" {
		t.Error("one request's header reaches another")
	}
}

// A proxy overwrites what a client sent only by a header that is in the answer.
func TestAnswerHeaders_EveryNameIsThereAndEmptyForNothing_HD2(t *testing.T) {
	p, err := CompilePolicy(PolicySpec{Headers: map[string]string{"user": "X-WebAuth-User", "groups": ""}})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{
		"Remote-User": "", "Remote-Groups": "", "Remote-Name": "", // renamed, dropped, without a value
		"X-Webauth-User": "ally", "Remote-Sub": "id1", "Remote-Email": alice, "Remote-Jwt": "signed",
	}
	for _, id := range []*Identity{nil, identityOf(store.User{ID: "id1", Name: "ally", Email: alice, Groups: []string{"staff"}})} {
		h := http.Header{"Remote-User": {"left over"}}
		p.AnswerHeaders(h, id, "signed")
		for name, want := range all {
			if id == nil {
				want = ""
			}
			if got := h[name]; len(got) != 1 || got[0] != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		if len(h) != len(all) {
			t.Errorf("the answer has %v", h)
		}
		for name := range h { // FA-14
			h[name][0] = "edited"
			h[name] = append(h[name], "x")
		}
		for name := range h {
			if h[name][0] != "edited" {
				t.Errorf("%s shares memory with another header", name)
			}
		}
	}
}

func TestHeaders_EverySpellingIsStripped_HD1(t *testing.T) {
	p, err := CompilePolicy(PolicySpec{Headers: map[string]string{"user": "X-WebAuth-User", "sub": "Uid", "email": ""}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"Remote-User", "remote-user", "REMOTE-USER", "Remote_User", "remote.user", "ReMoTe-_uSer"[:7] + "user", "Remote User",
		"Remote-Sub", "Remote-Email", "Remote-Name", "Remote-Groups", "remote_groups", "Remote-Jwt",
		"X-Webauth-User", "x_webauth_user", "X.WebAuth-User", "Uid", "UID", "uid",
	} {
		if !p.Reserved(name) {
			t.Errorf("%q would reach the app", name)
		}
		h := http.Header{name: {"admin", "root"}, "Accept": {"x"}}
		p.StripHeaders(h)
		if len(h) != 1 {
			t.Errorf("%q stays: %v", name, h)
		}
	}
	for _, name := range []string{"", "R", "Remote", "Remote-", "Remote-Users", "Remote-Addr", "X-Remote-User", "Xwebauthuser", "Ui", "Uidd", "Accept"} {
		if p.Reserved(name) {
			t.Errorf("%q is taken from the client", name)
		}
	}
	var zero Policy
	if !zero.Reserved("Remote-User") || zero.Reserved("X-Webauth-User") {
		t.Error("the zero policy reserves other names than the default")
	}
}

func TestHeaders_RenamedAndDropped(t *testing.T) {
	p, err := CompilePolicy(PolicySpec{Headers: map[string]string{"user": "x-webauth-user", "groups": ""}})
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	p.SetHeaders(h, identityOf(store.User{ID: "id1", Name: "ally", Email: alice, Groups: []string{"staff"}}), "")
	if h.Get("X-Webauth-User") != "ally" || h.Get("Remote-Sub") != "id1" || len(h) != 3 {
		t.Errorf("headers are %v", h)
	}
	for name, headers := range map[string]map[string]string{
		"unknown key": {"role": "X-Role"}, "header of HTTP": {"user": "Cookie"}, "with a colon": {"user": "X-A:b"}, "with an underscore": {"user": "X_A"},
		"twice the same": {"user": "X-A", "name": "x-a"}, "one of the others": {"user": "Remote-Email"}, "too long": {"user": strings.Repeat("x", 65)},
	} {
		if _, err := CompilePolicy(PolicySpec{Headers: headers}); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestHeaderValue_IsVisibleASCIIAndDecodesUniquely_HD4(t *testing.T) {
	for in, want := range map[string]string{
		"":               "",
		"Alice Example":  "Alice Example",
		"Zoë":            "Zo%C3%AB",
		"100 %":          "100 %25",
		" a ":            "%20a%20",
		"a\r\nX-Admin: ": "a%0D%0AX-Admin:%20",
		"a,b;\"c\"":      "a,b;\"c\"",
		"\x00\x7f":       "%00%7F",
		" ":              "%20",
	} {
		got := headerValue(in)
		if got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
		if back, err := url.PathUnescape(got); err != nil || back != in {
			t.Errorf("%q decodes to %q, %v", got, back, err)
		}
	}
}

func FuzzHeaderValue_RoundTrips(f *testing.F) {
	f.Add("Zoë %")
	f.Fuzz(func(t *testing.T, s string) {
		v := headerValue(s)
		for i := range len(v) {
			if v[i] < ' ' || v[i] > '~' {
				t.Fatalf("%q becomes %q", s, v)
			}
		}
		if strings.TrimSpace(v) != v {
			t.Fatalf("%q begins or ends with a space", v)
		}
		if back, err := url.PathUnescape(v); err != nil || back != s {
			t.Fatalf("%q decodes to %q", v, back)
		}
	})
}
