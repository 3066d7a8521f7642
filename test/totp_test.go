package test

import (
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

// totpCode is what an authenticator app shows so many steps from now.
func totpCode(t *testing.T, secret string, steps int) string {
	t.Helper()
	code, err := totp.GenerateCode(secret, time.Now().Add(time.Duration(steps)*30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// wrongDigits is another code of the same length.
func wrongDigits(code string) string {
	wrong := []byte(code)
	for i := range wrong {
		wrong[i] = '0' + (wrong[i]-'0'+5)%10
	}
	return string(wrong)
}
