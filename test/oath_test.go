package test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// oathCode is what an authenticator app shows so many steps from now, by a
// program that shares no code with us.
func oathCode(t *testing.T, secret string, steps int) string {
	t.Helper()
	at := time.Now().Add(time.Duration(steps) * 30 * time.Second)
	out, err := exec.Command(harness.Need(t, "oathtool"), "--totp", "--base32", "--now", fmt.Sprintf("@%d", at.Unix()), secret).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// noOathCode is a code of no step near now.
func noOathCode(t *testing.T, secret string) string {
	t.Helper()
	near := map[string]bool{}
	for steps := -3; steps <= 3; steps++ {
		near[oathCode(t, secret, steps)] = true
	}
	for n := 0; ; n++ {
		if code := fmt.Sprintf("%06d", n); !near[code] {
			return code
		}
	}
}
