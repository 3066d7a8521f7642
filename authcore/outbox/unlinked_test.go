package outbox

import (
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/store"
)

// EM-8: mail programs make a link of a name that has no scheme, too, and whoever
// is in an account may call a passkey anything.
func TestNotice_NameMakesNoLink_EM8(t *testing.T) {
	for name, want := range map[string]string{
		"Hacked? See evil.example/fix":                "Hacked? See evil. example/fix",
		"Write to help@evil.example":                  "Write to help@ evil. example",
		"evil\u3002example evil\uff0eexample":         "evil\u3002 example evil\uff0e example",
		"https://evil.example 192.0.2.1.evil.example": "192.0.2.1. evil. example",
		"Mr. Smith's YubiKey 5.7 (rev. 2)":            "Mr. Smith's YubiKey 5.7 (rev. 2)",
		".net":                                        ".net",
	} {
		n, err := readNotice(About{Lang: "en"}, &store.Message{Params: map[string]string{
			authcore.ParamWhat: string(authcore.NoticePasskeyAdded), authcore.ParamName: name,
		}}, map[string]string{authcore.SecretLink: "https://auth.example.com/not-me#x"})
		if err != nil {
			t.Fatal(err)
		}
		if got := n.(Notice).What; !strings.Contains(got, want) {
			t.Errorf("%q is told as %q", name, got)
		}
	}
}
