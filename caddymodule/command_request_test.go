package caddymodule

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// newInviting is a site where people ask for an account. Its database goes on
// through reloads.
func newInviting(t *testing.T, registration string) *site {
	t.Helper()
	s := newSite(t, "", "")
	s.app = reloadWith(t, s, "registration "+registration)
	return s
}

// messages are the rows of the outbox to an address, newest first.
func (s *site) messages(t *testing.T, to string) (list []*store.Message) {
	t.Helper()
	err := s.app.lease.value.rt.Store().View(t.Context(), func(tx store.Tx) error {
		all, err := tx.ListMessages("", "", 1000)
		list = slices.DeleteFunc(all, func(m *store.Message) bool { return m.To != to })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// asks proves an address by the mailed code, as a browser does, and answers what
// became of it.
func (s *site) asks(t *testing.T, address string) authcore.Reason {
	t.Helper()
	svc := s.service()
	flow, err := svc.NewToken()
	if err != nil {
		t.Fatal(err)
	}
	b := authcore.Browser{Flow: flow, Client: authcore.Client{UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}}
	if _, err := svc.StartEmail(t.Context(), authcore.StartEmail{Address: address, Browser: b}); err != nil {
		t.Fatal(err)
	}
	secrets, err := s.app.lease.value.rt.OpenSecrets(s.messages(t, address)[0]) // a decoy's, too
	if err != nil {
		t.Fatal(err)
	}
	_, err = svc.VerifyCode(t.Context(), secrets[authcore.SecretCode], b)
	r, ok := authcore.AsRefusal(err)
	if !ok {
		t.Fatalf("%s: %v", address, err)
	}
	return r.Reason
}

// EM-7: whoever asks has no account until an admin says so.
func TestUserRequests_AreAnsweredOnTheHost(t *testing.T) {
	s := newInviting(t, "invite example.com")
	at := []string{"--socket", s.socket()}
	cmd := func(args string) (string, string, int) {
		t.Helper()
		return runCaddy(t, append(strings.Fields(args), at...)...)
	}
	for _, who := range []string{"bob@example.com", "carol@example.com", "eve@example.com"} {
		if got := s.asks(t, who); got != authcore.ApprovalPending {
			t.Fatalf("%s: %s", who, got)
		}
	}
	if _, errOut, code := cmd("user show bob@example.com"); code != exitFailed || !strings.Contains(errOut, "There is no such user.") {
		t.Errorf("before: %d %s", code, errOut)
	}
	out, errOut, code := cmd("user requests")
	lines := strings.Split(out, "\n")
	if code != 0 || errOut != "" || len(lines) != 5 || !strings.HasPrefix(lines[0], "EMAIL ") ||
		!strings.HasPrefix(lines[1], "bob@example.com    20") || !strings.HasSuffix(lines[1], "  -     Firefox on Linux") {
		t.Errorf("%d\n%s%s", code, out, errOut)
	}
	for _, step := range []struct{ command, want string }{
		{"user approve bob@example.com --name bob --display-name Bob --group staff,ops --group b", "name:          bob\ndisplay name:  Bob\ngroups:        b,ops,staff\nstate:         never signed in\n"},
		{"user decline eve@example.com", "The request of eve@example.com is forgotten.\n"},
		{"user approve Carol@Example.com --json", `"email": "carol@example.com"`},
		{"user requests --json", "[]\n"},
		{"user list", "bob@example.com    bob                b,ops,staff  never signed in"},
	} {
		if out, errOut, code := cmd(step.command); code != 0 || errOut != "" || !strings.Contains(out, step.want) {
			t.Errorf("%s: %d\n%s%s, want %q", step.command, code, out, errOut, step.want)
		}
	}
	if m := s.messages(t, "bob@example.com")[0]; m.Template != authcore.TemplateApproved {
		t.Errorf("bob is mailed %s", m.Template)
	}
	if m := s.messages(t, "eve@example.com")[0]; m.Template != authcore.TemplateSignIn {
		t.Errorf("eve is mailed %s", m.Template)
	}
	for _, tc := range []struct {
		command string
		code    int
		want    string
	}{
		{"user approve bob@example.com", exitFailed, "caddy: Nobody with that address asks for an account.\n"},
		{"user decline eve@example.com", exitFailed, "caddy: Nobody with that address asks for an account.\n"},
		{"user approve", exitUsage, "caddy: name the e-mail address that asks, as user requests shows it\nSee: caddy passwordless user approve --help\n"},
		{"user decline", exitUsage, "caddy: name the e-mail address that asks"},
		{"user requests all", exitUsage, "caddy: \"all\" is too much; write caddy passwordless user requests\n"},
	} {
		if out, errOut, code := cmd(tc.command); code != tc.code || out != "" || !strings.HasPrefix(errOut, tc.want) {
			t.Errorf("%s: %d %s%s, want %d %q", tc.command, code, out, errOut, tc.code, tc.want)
		}
	}
	// A name that is no name leaves the request where it was.
	s.asks(t, "dan@example.com")
	if _, errOut, code := cmd("user approve dan@example.com --name D@n"); code != exitFailed || !strings.Contains(errOut, "A user name has") {
		t.Errorf("a bad name: %d %s", code, errOut)
	}
	if out, _, _ := cmd("user requests"); !strings.Contains(out, "dan@example.com") {
		t.Errorf("the request is gone:\n%s", out)
	}
}

func TestAdmin_ApprovalSaysNothingAnInvitationMay(t *testing.T) {
	s := newInviting(t, "invite")
	s.asks(t, "bob@example.com")
	for _, n := range []adminNew{{Admin: true}, {Lost: true}, {Mail: true}, {Email: "eve@example.com"}} { // BT-1
		if err := s.ask(t, http.MethodPost, "requests/bob@example.com/approve", nil, n, nil); err == nil || !strings.Contains(err.Error(), "malformed") {
			t.Errorf("%+v: %v", n, err)
		}
		if n.Email = "bob@example.com"; n.invitation() {
			if err := s.ask(t, http.MethodPost, "users", nil, n, nil); err == nil || !strings.Contains(err.Error(), "malformed") {
				t.Errorf("added with %+v: %v", n, err)
			}
		}
	}
	var list adminPage[adminRequest]
	if err := s.ask(t, http.MethodGet, "requests", nil, nil, &list); err != nil || len(list.Items) != 1 || list.Items[0].Email != "bob@example.com" || list.Items[0].AskedAt.IsZero() {
		t.Errorf("%+v, %v", list, err)
	}
}

// Where registration is closed nobody can ask, nor from outside of the domains.
func TestRegistration_SaysWhoMayAsk(t *testing.T) {
	s := newSite(t, "", "")
	for _, tc := range []struct {
		option, address string
		want            authcore.Reason
	}{
		{"registration closed", "a@example.com", authcore.FlowExpired},
		{"registration invite", "b@other.example", authcore.ApprovalPending},
		{"registration invite example.com", "c@example.com", authcore.ApprovalPending},
		{"registration invite example.com", "d@other.example", authcore.FlowExpired},
		{"registration invite example.com", "e@sub.example.com", authcore.FlowExpired},
	} {
		s.app = reloadWith(t, s, tc.option)
		if got := s.asks(t, tc.address); got != tc.want {
			t.Errorf("%s, %s: %s, want %s", tc.option, tc.address, got, tc.want)
		}
	}
}

func TestInvite_MailsTheLinkToo(t *testing.T) {
	s := newSite(t, "", "")
	at := []string{"--socket", s.socket()}
	out, errOut, code := runCaddy(t, append([]string{"invite", "dan@example.com", "--mail"}, at...)...)
	if code != 0 || errOut != "" || !strings.HasPrefix(out, "https://app.example.test:"+s.port+"/.auth/invite#") || strings.Count(out, "\n") != 1 {
		t.Fatalf("%d %s%s", code, out, errOut)
	}
	mails := s.messages(t, "dan@example.com")
	if len(mails) != 1 || mails[0].Template != authcore.TemplateInvite {
		t.Fatalf("mailed %+v", mails)
	}
	if _, _, code := runCaddy(t, append([]string{"invite", "eve@example.com"}, at...)...); code != 0 || len(s.messages(t, "eve@example.com")) != 0 {
		t.Errorf("without --mail: %d, and mails", code)
	}
	for _, tc := range []struct {
		args string
		code int
		want string
	}{
		{"invite --admin alice@example.com --mail", exitFailed, "caddy: An admin's invitation is not mailed, since whoever reads the mailbox would be admin; hand over the link yourself.\n"},
		{"invite --lost alice@example.com --mail", exitUsage, "caddy: whoever opens the link of --lost is that user, so it is never mailed; leave out --mail and hand it over\n"},
	} {
		out, errOut, code := runCaddy(t, append(strings.Fields(tc.args), at...)...)
		if code != tc.code || out != "" || !strings.HasPrefix(errOut, tc.want) {
			t.Errorf("%s: %d %s%s", tc.args, code, out, errOut)
		}
	}
	if err := s.ask(t, http.MethodPost, "invites", nil, adminNew{Email: "alice", Lost: true, Mail: true}, nil); err == nil || !strings.Contains(err.Error(), "malformed") {
		t.Errorf("a mailed hand-out: %v", err)
	}
	for _, m := range s.messages(t, "alice@example.com") {
		if m.Template == authcore.TemplateInvite {
			t.Error("a link that signs in was mailed")
		}
	}
	// Without a mail server there is no half of it: no link that nobody got.
	s.app = reloadWithout(t, s, "smtp mail.internal {\n\t\t\tfrom a@example.com\n\t\t}")
	if out, errOut, code := runCaddy(t, append([]string{"invite", "dan@example.com", "--mail"}, at...)...); code != exitFailed || out != "" || !strings.Contains(errOut, "No mail server is configured") {
		t.Errorf("without a mail server: %d %s%s", code, out, errOut)
	}
}

func reloadWithout(t *testing.T, s *site, lines string) *App {
	t.Helper()
	text := strings.Replace(s.caddyfile(), lines, "", 1)
	if text == s.caddyfile() {
		t.Fatalf("no %q", lines)
	}
	raw, err := adapt(t, text)
	if err != nil {
		t.Fatal(err)
	}
	load(t, raw)
	return running(t)
}
