package outbox

import (
	"mime"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/i18n"
	"github.com/passwordless-auth/passwordless-auth/store"
)

const testNotMe = "https://auth.example.com/not-me#token"

// writeNotice renders the notice of a kind to ada@example.com; change edits the
// row first.
func writeNotice(t *testing.T, kind authcore.NoticeKind, change ...func(*store.Message)) letter {
	t.Helper()
	return write(t, "", testNotMe, append([]func(*store.Message){func(m *store.Message) {
		m.Template = authcore.TemplateNotice
		m.Params[authcore.ParamWhat], m.Params[authcore.ParamEmail] = string(kind), "ada@example.com"
		m.Params[authcore.ParamName] = "Ada's laptop"
	}}, change...)...)
}

func in(lang string) func(*store.Message) {
	return func(m *store.Message) { m.Params[authcore.ParamLang] = lang }
}

func subjectOf(t *testing.T, l letter) string {
	t.Helper()
	s, err := new(mime.WordDecoder).DecodeHeader(l.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ML-7: a subject is shown on locked screens. It says what was done, and names
// nothing that somebody chose.
func TestNotice_SubjectSaysWhatWasDoneAndNoMore_ML7(t *testing.T) {
	for _, l := range i18n.Embedded().Languages() {
		seen := map[string]authcore.NoticeKind{}
		for _, kind := range authcore.NoticeKinds() {
			s := subjectOf(t, writeNotice(t, kind, in(l.Tag())))
			if event := l.Text(kind.Event()); !strings.Contains(s, event) || !strings.Contains(s, "Example") {
				t.Errorf("%s: the subject of %s is %q", l.Tag(), kind, s)
			}
			if strings.Contains(s, "laptop") || strings.Contains(s, "ada@") {
				t.Errorf("%s: the subject of %s is %q, which a person chose", l.Tag(), kind, s)
			}
			if other := seen[s]; other != "" {
				t.Errorf("%s: %s and %s both have the subject %q", l.Tag(), kind, other, s)
			}
			seen[s] = kind
		}
	}
	for lang, want := range map[string]string{"en": "Passkey added: your account at Example", "de": "Passkey hinzugefügt: Ihr Konto bei Example"} {
		if s := subjectOf(t, writeNotice(t, authcore.NoticePasskeyAdded, in(lang))); s != want {
			t.Errorf("%s: %q, want %q", lang, s, want)
		}
	}
}

// What was done on the host's command line came from no device.
func TestNotice_OfNoDeviceNamesNone(t *testing.T) {
	for _, l := range i18n.Embedded().Languages() {
		got := writeNotice(t, authcore.NoticeHandOut, in(l.Tag()), func(m *store.Message) { m.Params[authcore.ParamAgent] = "" })
		for _, body := range []string{got.text, got.html} {
			if strings.Contains(body, l.Text("device.unknown")) || !strings.Contains(body, l.Time(newClock().now())) {
				t.Errorf("%s: %s", l.Tag(), body)
			}
		}
	}
	if got := writeNotice(t, authcore.NoticeSignIn); !strings.Contains(got.text, "From Firefox on Linux, ") {
		t.Errorf("%s", got.text)
	}
}

// Whose address was taken knows the account by the old one: the mail begins with
// it, and names the new one as what it was changed to.
func TestNotice_OfANewAddressBeginsWithTheOld_EM6(t *testing.T) {
	for _, l := range i18n.Embedded().Languages() {
		got := writeNotice(t, authcore.NoticeAddress, in(l.Tag()), func(m *store.Message) { m.Params[authcore.ParamEmail] = "thief@example.org" })
		bare := strings.NewReplacer("\u2068", "", "\u2069", "", "<bdi>", "", "</bdi>", "")
		for _, body := range []string{bare.Replace(got.text), bare.Replace(got.html)} {
			account, _, _ := strings.Cut(bare.Replace(l.Text("mail.notice.account", "email", "ada@example.com", "brand", "Example")), "Example")
			what := bare.Replace(l.Text("notice.address-changed", "from", "ada@example.com", "to", "thief@example.org"))
			if !strings.Contains(body, account) || !strings.Contains(body, what) || strings.Count(body, "thief@example.org") != 1 {
				t.Errorf("%s: %s", l.Tag(), body)
			}
		}
	}
	want := "In your account ada@example.com at Example:\n\nThe e-mail address was changed from ada@example.com to thief@example.org.\n"
	got := writeNotice(t, authcore.NoticeAddress, func(m *store.Message) { m.Params[authcore.ParamEmail] = "thief@example.org" })
	if !strings.HasPrefix(got.text, want) {
		t.Errorf("%s", got.text)
	}
}

// What is over cannot be taken back by a press: the mail has no such link, and
// says what to do.
func TestNotice_WithoutALinkThatTakesBackSaysWhatToDo(t *testing.T) {
	const login = "https://auth.example.com/login"
	for _, l := range i18n.Embedded().Languages() {
		for kind, link := range map[authcore.NoticeKind]string{authcore.NoticeDeleted: "", authcore.NoticeNotMe: login} {
			got := write(t, "", link, in(l.Tag()), func(m *store.Message) {
				m.Template = authcore.TemplateNotice
				m.Params[authcore.ParamWhat], m.Params[authcore.ParamEmail] = string(kind), "ada@example.com"
			})
			next := l.Text(kind.Next(), "brand", "Example")
			for _, body := range []string{got.text, got.html} {
				if !strings.Contains(body, next) || !strings.Contains(body, l.Text(kind.Message())) || strings.Contains(body, l.Text("mail.notice.not-you")) {
					t.Errorf("%s, %s: %s", l.Tag(), kind, body)
				}
			}
			if links := strings.Join(got.links(), " "); links != link || got.alone(login) != len(got.links()) || strings.Contains(got.text, "#") {
				t.Errorf("%s, %s: the links are %q", l.Tag(), kind, links)
			}
		}
	}
}

// Whose mailbox the account does not have any more learns which it has.
func TestNotice_OfNotMeNamesTheAddressThatIsBack(t *testing.T) {
	for now, want := range map[string]bool{"ada@example.com": false, "old@example.org": true} {
		got := writeNotice(t, authcore.NoticeNotMe, func(m *store.Message) { m.Params[authcore.ParamEmail] = now })
		for _, body := range []string{got.text, got.html} {
			if strings.Contains(body, "e-mail address is "+now+" again") != want || !strings.Contains(body, "In your account ada@example.com at Example:") {
				t.Errorf("%s: %s", now, body)
			}
		}
	}
}
