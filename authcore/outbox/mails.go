package outbox

import (
	"errors"
	"time"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/code"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/i18n"
	"github.com/passwordless-auth/passwordless-auth/authcore/useragent"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// kind is one mail. A new one is a name in authcore, an entry in kinds, a file
// NAME.txt and one NAME.html in templates/, and the messages that they name.
type kind struct {
	name    string                                                               // of the row and of the files
	subject string                                                               // message key; gets {brand}, a notice's also {event}
	read    func(About, *store.Message, map[string]string) (data any, err error) // of a row and its secrets
	samples func(About) []sample                                                 // every shape that it comes in
}

// sample is a mail to try templates with, and what makes it of use.
type sample struct {
	data  any
	shows []shown
}

// shown must be in both parts of a mail.
type shown struct {
	text string // empty: nothing
	what string // for whoever wrote a template without it
	how  string // what to write there
}

// kinds are all mails.
var kinds = []kind{
	{authcore.TemplateSignIn, "mail.sign-in.subject", readSignIn, sampleSignIns},
	{authcore.TemplatePaused, "mail.codes-paused.subject", readPaused, samplePaused},
	{authcore.TemplateNotice, "mail.notice.subject", readNotice, sampleNotices},
	{authcore.TemplateAddress, "mail.confirm-address.subject", readAddress, sampleAddress},
	{authcore.TemplateInvite, "mail.invitation.subject", readLink, sampleLink("https://auth.example.com/invite#token")},
	{authcore.TemplateApproved, "mail.approved.subject", readLink, sampleLink("https://auth.example.com/login")},
}

func kindOf(name string) (kind, bool) {
	for _, k := range kinds {
		if k.name == name {
			return k, true
		}
	}
	return kind{}, false
}

// About is what the templates of every mail are given. Every field is one line
// without control characters, so that the text part needs no escaping; none
// holds text of a stranger (EM-8, BT-3).
type About struct {
	Lang    string // BCP 47 tag of the language that it is written in
	Brand   string
	Host    string    // where sign-in is, such as "auth.example.com"
	Client  string    // the app whose API call asked; empty: a browser
	Device  string    // who asked, in our words: "Firefox on Linux"
	At      time.Time // when it was asked for, or happened
	Minutes int       // how much longer what it carries is valid, at least 1
}

// about reads what every row has.
func about(l *i18n.Language, m *store.Message, now time.Time) About {
	a := About{
		Lang:    l.Tag(),
		Host:    hostname(m.Params[authcore.ParamHost]),
		Client:  plain(m.Params[authcore.ParamClient], maxBrand),
		Device:  useragent.DescribeIn(l, m.Params[authcore.ParamAgent]),
		At:      m.CreatedAt,
		Minutes: max(1, int(m.NotAfter.Sub(now).Round(time.Minute)/time.Minute)),
	}
	if at, err := time.Parse(time.RFC3339, m.Params[authcore.ParamTime]); err == nil {
		a.At = at
	}
	if a.Brand = plain(m.Params[authcore.ParamBrand], maxBrand); a.Brand == "" {
		a.Brand = a.Host
	}
	if a.Client == "" && m.Params[authcore.ParamClient] != "" {
		a.Client = l.Text("mail.app")
	}
	return a
}

// SignIn is the mail with a code, a link or both.
type SignIn struct {
	About
	Code string // "1234 5678"; empty: none
	Link string // empty: none
}

// readSignIn tells nothing of what the row holds in its errors.
func readSignIn(a About, _ *store.Message, secrets map[string]string) (any, error) {
	d := SignIn{About: a, Link: secrets[authcore.SecretLink]}
	if c := secrets[authcore.SecretCode]; c != "" {
		digits, ok := code.Normalize(c)
		if !ok {
			return nil, errors.New("its code is not a code")
		}
		d.Code = code.Group(digits)
	}
	if d.Link != "" && !isLink(d.Link) {
		return nil, errors.New("its link is not a link")
	}
	if d.Code == "" && d.Link == "" {
		return nil, errors.New("it carries neither code nor link")
	}
	return d, nil
}

func sampleSignIns(a About) (list []sample) {
	const digits, link = "1234 5678", "https://auth.example.com/login/link#token"
	for _, client := range []string{"", "Example Web"} {
		a.Client = client
		for _, carried := range [][2]string{{digits, link}, {digits, ""}, {"", link}} {
			d := SignIn{a, carried[0], carried[1]}
			list = append(list, sample{d, []shown{{d.Code, "the code", "{{.Code}}"}, {d.Link, "the link", "{{.Link}}"}}})
		}
	}
	return list
}

// Paused is the mail that tells why no code comes.
type Paused struct{ About }

func readPaused(a About, _ *store.Message, _ map[string]string) (any, error) { return Paused{a}, nil }

func samplePaused(a About) []sample {
	a.Client = "Example Web"
	return []sample{{Paused{a}, []shown{{a.Host, "where to sign in", "{{.Host}}"}}}}
}
