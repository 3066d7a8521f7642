package outbox

import (
	"errors"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/code"
	"github.com/passwordless-auth/passwordless-auth/authcore/internal/i18n"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// Notice is the mail that says what was done in an account.
type Notice struct {
	About
	Kind  authcore.NoticeKind
	What  string // a sentence
	Email string // the address that is told, by which the reader knows the account
	Back  string // the account's address now, where "that was not me" brought it back from Email
	Link  string // for when it was somebody else; empty: Next says what to do
	Next  string // sentences
	Login string // the sign-in page, which Next ends with; empty: it does not
}

func readNotice(a About, m *store.Message, secrets map[string]string) (any, error) {
	kind := authcore.NoticeKind(m.Params[authcore.ParamWhat])
	if kind.Message() == "" {
		return nil, errors.New("it is a notice of nothing that is known")
	}
	if m.Params[authcore.ParamAgent] == "" { // it was done on the host
		a.Device = ""
	}
	n := newNotice(a, kind, m.Params[authcore.ParamName], m.To, m.Params[authcore.ParamEmail])
	if kind == authcore.NoticeDeleted {
		return n, nil
	}
	link, err := linkOf(secrets)
	return n.with(link), err
}

// newNotice is without its link yet; now is the account's address.
func newNotice(a About, kind authcore.NoticeKind, name, to, now string) Notice {
	l := i18n.Embedded().Lookup(a.Lang)
	name = unlinked(plain(name, maxBrand)) // EM-8: it is its owner's, or an attacker's
	n := Notice{About: a, Kind: kind, What: l.Text(kind.Message(), "name", name, "from", to, "to", now), Email: to}
	if next := kind.Next(); next != "" {
		n.Next = l.Text(next, "brand", a.Brand)
	}
	if kind == authcore.NoticeNotMe && now != to {
		n.Back = now
	}
	return n
}

func (n Notice) with(link string) Notice {
	if n.Next == "" {
		n.Link = link
	} else {
		n.Login = link
	}
	return n
}

func sampleNotices(a About) (list []sample) {
	for _, kind := range authcore.NoticeKinds() {
		d := newNotice(a, kind, "Laptop", "ada@example.com", "ada@example.org")
		if kind != authcore.NoticeDeleted {
			d = d.with("https://auth.example.com/not-me#token")
		}
		list = append(list, sample{d, []shown{
			{d.What, "what was done", "{{.What}}"},
			{d.Link, "the link", "{{.Link}}"},
			{d.Next, "what to do", "{{.Next}}"},
			{d.Login, "where to sign in", "{{.Login}}"},
		}})
	}
	return list
}

// Address is the mail that asks the holder of a new address to confirm it.
type Address struct {
	About
	Code string // "1234 5678"
}

func readAddress(a About, _ *store.Message, secrets map[string]string) (any, error) {
	digits, ok := code.Normalize(secrets[authcore.SecretCode])
	if !ok {
		return nil, errors.New("its code is not a code")
	}
	return Address{a, code.Group(digits)}, nil
}

func sampleAddress(a About) []sample {
	d := Address{a, "1234 5678"}
	return []sample{{d, []shown{{d.Code, "the code", "{{.Code}}"}}}}
}

// Link is a mail that carries a link and nothing else: an invitation, or word
// that there is an account now.
type Link struct {
	About
	Link string
}

func readLink(a About, _ *store.Message, secrets map[string]string) (any, error) {
	link, err := linkOf(secrets)
	return Link{a, link}, err
}

func sampleLink(link string) func(About) []sample {
	return func(a About) []sample { return []sample{{Link{a, link}, []shown{{link, "the link", "{{.Link}}"}}}} }
}

func linkOf(secrets map[string]string) (string, error) {
	if link := secrets[authcore.SecretLink]; isLink(link) {
		return link, nil
	}
	return "", errors.New("its link is not a link")
}
