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
	Link  string // for when it was somebody else
}

func readNotice(a About, m *store.Message, secrets map[string]string) (any, error) {
	kind := authcore.NoticeKind(m.Params[authcore.ParamWhat])
	if kind.Message() == "" {
		return nil, errors.New("it is a notice of nothing that is known")
	}
	link, err := linkOf(secrets)
	if err != nil {
		return nil, err
	}
	if m.Params[authcore.ParamAgent] == "" { // it was done on the host
		a.Device = ""
	}
	// EM-8: the name of a passkey or token is its owner's, or an attacker's.
	name := unlinked(plain(m.Params[authcore.ParamName], maxBrand))
	what := i18n.Embedded().Lookup(a.Lang).Text(kind.Message(), "name", name, "from", m.To, "to", m.Params[authcore.ParamEmail])
	return Notice{a, kind, what, m.To, link}, nil
}

func sampleNotices(a About) (list []sample) {
	for _, kind := range authcore.NoticeKinds() {
		d := Notice{a, kind, i18n.Embedded().Lookup(a.Lang).Text(kind.Message(), "name", "Laptop", "from", "ada@example.com", "to", "ada@example.org"), "ada@example.com", "https://auth.example.com/not-me#token"}
		list = append(list, sample{d, []shown{{d.What, "what was done", "{{.What}}"}, {d.Link, "the link", "{{.Link}}"}}})
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
