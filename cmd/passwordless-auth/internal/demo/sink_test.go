package demo

import (
	"fmt"
	"log/slog"
	"net"
	"net/smtp"
	"strings"
	"testing"
	"time"
)

// startSink returns a running mail server and its address.
func startSink(t *testing.T) (*Sink, string) {
	t.Helper()
	now := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	s := NewSink(func() time.Time { return now }, slog.New(slog.DiscardHandler))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-done; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	return s, ln.Addr().String()
}

func send(t *testing.T, address, to, message string) error {
	t.Helper()
	return smtp.SendMail(address, nil, "login@mail.localhost", []string{to}, []byte(strings.ReplaceAll(message, "\n", "\r\n")))
}

const signInMail = `From: Demo <login@mail.localhost>
To: alice@example.com
Subject: =?utf-8?q?Your_code_f=C3=BCr_the_app?=
Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Type this code:

1234 5678

or open http://auth.localhost:8080/login/link#abc=
DEF now.
--b
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: base64

PHA+SGVsbG88L3A+
--b--
`

func TestSink_ReadsBothPartsOfAMail(t *testing.T) {
	s, address := startSink(t)
	if err := send(t, address, "alice@example.com", signInMail); err != nil {
		t.Fatal(err)
	}
	mails, version := s.Mails()
	if len(mails) != 1 || version != 1 {
		t.Fatalf("%d mails, version %d", len(mails), version)
	}
	m := mails[0]
	if m.To != "alice@example.com" || m.From != "login@mail.localhost" || m.Subject != "Your code für the app" || m.HTML != "<p>Hello</p>" {
		t.Errorf("%+v", m)
	}
	if want := "Type this code:\n\n1234 5678\n\nor open http://auth.localhost:8080/login/link#abcDEF now."; strings.TrimSpace(m.Text) != want {
		t.Errorf("text %q, want %q", m.Text, want)
	}
	shown := show(m)
	if shown.Code != "1234 5678" || shown.Link != "http://auth.localhost:8080/login/link#abcDEF" {
		t.Errorf("code %q, link %q", shown.Code, shown.Link)
	}
}

func TestSink_KeepsTheNewest(t *testing.T) {
	s, address := startSink(t)
	c, err := smtp.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	for n := range maxMails + 3 {
		if err := c.Mail("a@example.com"); err != nil {
			t.Fatal(err)
		}
		if err := c.Rcpt("b@example.com"); err != nil {
			t.Fatal(err)
		}
		w, err := c.Data()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(w, "Subject: %d\r\n\r\nhello\r\n", n)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Quit(); err != nil {
		t.Fatal(err)
	}
	mails, version := s.Mails()
	if len(mails) != maxMails || version != maxMails+3 {
		t.Fatalf("%d mails, version %d", len(mails), version)
	}
	if mails[0].Subject != fmt.Sprint(maxMails+2) || mails[maxMails-1].Subject != "3" {
		t.Errorf("from %s to %s", mails[0].Subject, mails[maxMails-1].Subject)
	}
}

func TestSink_RefusesWhatItCannotKeep(t *testing.T) {
	s, address := startSink(t)
	deep := "Content-Type: multipart/mixed; boundary=a\n\n" + strings.Repeat("--a\nContent-Type: multipart/mixed; boundary=a\n\n", 9)
	for name, message := range map[string]string{
		"too large":      "Subject: x\n\n" + strings.Repeat("0123456789abcdef\n", maxMailSize/17+1),
		"no mail":        "this is not a header\n",
		"too deep":       deep,
		"broken subject": "Subject: =?nonsense?q?x?=\n\nhello\n",
		"broken type":    "Content-Type: ;;\n\nhello\n",
	} {
		if err := send(t, address, "b@example.com", message); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if mails, _ := s.Mails(); len(mails) != 0 {
		t.Errorf("kept %d", len(mails))
	}
}

func FuzzMail(f *testing.F) {
	f.Add(signInMail)
	f.Fuzz(func(t *testing.T, message string) {
		var m Mail
		if m.parse(strings.NewReader(message)) == nil && len(m.Text)+len(m.HTML) > len(message) {
			t.Errorf("%d bytes became %d", len(message), len(m.Text)+len(m.HTML))
		}
	})
}
