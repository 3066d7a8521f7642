package harness

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
)

var (
	formAction  = regexp.MustCompile(`action="([^"]*)"`)
	hiddenField = regexp.MustCompile(`<input type="hidden" name="([a-z_]+)" value="([^"]*)">`)
)

// Form is the action and the hidden fields of the page's form whose action ends
// as given.
func Form(t testing.TB, page Response, action string) (string, url.Values) {
	t.Helper()
	for part := range strings.SplitSeq(page.Body, "<form") {
		part, _, _ = strings.Cut(part, "</form>")
		found := formAction.FindStringSubmatch(part)
		if found == nil || !strings.HasSuffix(found[1], action) {
			continue
		}
		target, err := page.Request.URL.Parse(found[1])
		if err != nil {
			t.Fatal(err)
		}
		values := url.Values{}
		for _, field := range hiddenField.FindAllStringSubmatch(part, -1) {
			values.Set(field[1], field[2])
		}
		return target.String(), values
	}
	t.Fatalf("no form to %s at %s (%s):\n%s", action, page.Request.URL, page.Status, page.Body)
	return "", nil
}

// FillForm fills the page's form, posts it as a browser does and follows where
// it leads.
func (c *Client) FillForm(page Response, action string, fields url.Values) Response {
	c.t.Helper()
	target, values := Form(c.t, page, action)
	for name, v := range fields {
		values[name] = v
	}
	res := c.Submit(target, values)
	next, err := res.Location()
	if err != nil {
		return res
	}
	return c.Navigate(next.String())
}

// SignIn goes to the URL, signs in with a mailed code, declines the passkey
// that may be offered, and returns where it ends.
func (c *Client) SignIn(at, address string, mail *Sink) Response {
	c.t.Helper()
	page := c.FillForm(c.Navigate(at), "/login", url.Values{"email": {address}})
	page = c.FillForm(page, "/login/code", url.Values{"code": {mail.Wait(address).Code(c.t)}})
	if strings.HasSuffix(page.Request.URL.Path, "/login/offer") {
		page = c.FillForm(page, "/login/offer", nil)
	}
	return page
}
