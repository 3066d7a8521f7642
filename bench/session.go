package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
	"github.com/passwordless-auth/passwordless-auth/store/bolt"
)

// The bench gets its session as a person does: it opens the app, types an
// address, reads the code in the mail, and is handed over to the app.

const (
	person        = "bench@example.com"
	personID      = "bench000000000000000000000"
	sessionCookie = "passwordless" // on http://*.localhost (DESIGN §5)
)

// identity are the headers that the app gets about the person (DESIGN §9).
var identity = []struct{ name, value string }{
	{"Remote-User", person}, {"Remote-Sub", personID}, {"Remote-Email", person}, {"Remote-Name", "Bench Person"}, {"Remote-Groups", "admins,staff"},
}

// addPerson writes the person's account, with a name and groups, so that all
// five headers have something to say.
func addPerson(ctx context.Context, path string) error {
	db, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		return err
	}
	err = db.Update(ctx, func(tx store.Tx) error {
		return tx.PutUser(&store.User{
			ID: personID, Email: person, Name: person, DisplayName: "Bench Person", Groups: []string{"admins", "staff"},
			Handle: []byte(personID), Epoch: 1, CreatedAt: time.Now().UTC(),
		})
	})
	return errors.Join(err, db.Close())
}

// browser keeps cookies and opens pages by itself, without JavaScript. Every
// host is on loopback, at the port its URL names.
type browser struct{ http.Client }

func newBrowser() (*browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("making a cookie jar: %w", err)
	}
	return &browser{http.Client{Jar: jar, Transport: &http.Transport{DialContext: dialLoopback}, Timeout: patience}}, nil
}

func dialLoopback(ctx context.Context, network, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
}

// page is where the browser is after following redirects.
type page struct {
	url    *url.URL
	status int
	body   string
}

func (p page) String() string { return fmt.Sprintf("%s (%d)", p.url.Redacted(), p.status) }

func (b *browser) open(ctx context.Context, target string) (page, error) {
	return b.load(ctx, http.MethodGet, target, nil)
}

// load opens a page, or sends a form.
func (b *browser) load(ctx context.Context, method, target string, form url.Values) (page, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(form.Encode()))
	if err != nil {
		return page{}, err
	}
	navigate(req)
	res, err := b.Do(req)
	if err != nil {
		return page{}, fmt.Errorf("opening a page: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return page{}, fmt.Errorf("reading a page: %w", err)
	}
	return page{res.Request.URL, res.StatusCode, string(body)}, nil
}

// navigate makes a request a person's own act (Fetch Metadata, W3C): an address
// that was typed, or a form that was sent.
func navigate(req *http.Request) {
	site := "none"
	if req.Method == http.MethodPost {
		site = "same-origin"
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range map[string]string{
		"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": site,
	} {
		req.Header.Set(name, value)
	}
}

var (
	formPattern   = regexp.MustCompile(`(?s)<form method="post" action="([^"]*)".*?</form>`)
	hiddenPattern = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
)

// submit sends the page's form with that action and one field that was typed.
func (b *browser) submit(ctx context.Context, p page, action, field, typed string) (page, error) {
	values, ok := filled(p.body, action, field, typed)
	if !ok {
		return page{}, fmt.Errorf("no form for %s on %v", action, p)
	}
	return b.load(ctx, http.MethodPost, p.url.ResolveReference(&url.URL{Path: action}).String(), values)
}

// filled is what a page's form with that action sends: its hidden fields and one
// that was typed; false where there is no such form.
func filled(body, action, field, typed string) (url.Values, bool) {
	for _, form := range formPattern.FindAllStringSubmatch(body, -1) {
		if html.UnescapeString(form[1]) != action {
			continue
		}
		values := url.Values{field: {typed}}
		for _, hidden := range hiddenPattern.FindAllStringSubmatch(form[0], -1) {
			values.Set(html.UnescapeString(hidden[1]), html.UnescapeString(hidden[2]))
		}
		return values, true
	}
	return nil, false
}

// signIn opens an app, signs in by the code that is mailed, and returns the
// session cookie of the app's host.
func (b *browser) signIn(ctx context.Context, app string, codes <-chan string) (string, error) {
	p, err := b.open(ctx, app)
	if err != nil {
		return "", err
	}
	if p, err = b.submit(ctx, p, "/login", "email", person); err != nil {
		return "", err
	}
	var code string
	select {
	case code = <-codes:
	case <-time.After(patience):
		return "", fmt.Errorf("no mail with a code came; the browser is on %v", p)
	}
	if p, err = b.submit(ctx, p, "/login/code", "code", code); err != nil {
		return "", err
	}
	return b.arrived(p, app)
}

// visit opens another app of the same portal, which asks nothing more.
func (b *browser) visit(ctx context.Context, app string) (string, error) {
	p, err := b.open(ctx, app)
	if err != nil {
		return "", err
	}
	return b.arrived(p, app)
}

// arrived is the session cookie of the app that the browser is on.
func (b *browser) arrived(p page, app string) (string, error) {
	if p.url.String() != app || p.status != http.StatusOK {
		return "", fmt.Errorf("the sign-in ended on %v instead of %s", p, app)
	}
	for _, c := range b.Jar.Cookies(p.url) {
		if c.Name == sessionCookie {
			return c.String(), nil
		}
	}
	return "", errors.New("the sign-in left no session cookie")
}
