package authcore

import (
	"net/url"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/qr"
)

// TO-1: whatever the brand and the address are, there is a picture of the secret.
func TestOTPAuth_FitsIntoItsPicture(t *testing.T) {
	hostile := strings.Repeat("#", 64) + "@" + strings.Repeat(strings.Repeat("a", 60)+".", 3) + "example"
	for _, brand := range []string{"Example", strings.Repeat("認", 30), strings.Repeat("&issuer=Bank", 9)} {
		for _, account := range []string{alice, hostile} {
			f := newFixture(t, func(c *Config) { c.Brand = brand })
			uri := f.s.otpauth(account, strings.Repeat("A", 32))
			if _, err := qr.SVG(uri, "code"); err != nil {
				t.Errorf("%d bytes: %v", len(uri), err)
			}
			u, err := url.Parse(uri)
			if err != nil || u.Query().Get("secret") != strings.Repeat("A", 32) || !strings.HasSuffix(u.Path, account) {
				t.Errorf("%s is read as %+v, %v", uri, u, err)
			}
			if issuer := u.Query().Get("issuer"); !strings.HasPrefix(brand, issuer) || account == alice && issuer == "" || len(u.Query()["issuer"]) > 1 {
				t.Errorf("the issuer is %q", issuer)
			}
		}
	}
}
