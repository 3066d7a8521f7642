package test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

type exampleVerifier struct {
	name    string
	command func(*testing.T) (program string, args []string)
}

// verifiers are the examples of services that verify our tokens, each as its
// README starts it.
var verifiers = []exampleVerifier{
	{"verify-go", func(t *testing.T) (string, []string) {
		program := filepath.Join(harness.TempDir(t), "verify-go")
		build := exec.Command("go", "build", "-o", program, ".")
		build.Dir = filepath.Join(harness.Root(t), "examples", "verify-go")
		build.Env = append(os.Environ(), "GOWORK=off")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("building examples/verify-go: %v\n%s", err, out)
		}
		return program, nil
	}},
	{"verify-node", func(t *testing.T) (string, []string) {
		harness.NeedFile(t, "examples/verify-node/node_modules/jose/package.json")
		return harness.Need(t, "node"), []string{filepath.Join(harness.Root(t), "examples", "verify-node", "server.js")}
	}},
	{"verify-python", func(t *testing.T) (string, []string) {
		return harness.NeedPython(t, "jwt", "cryptography"), []string{filepath.Join(harness.Root(t), "examples", "verify-python", "server.py")}
	}},
}

const (
	verifiedClient   = "spa"
	verifiedAudience = "https://api.example.test"
)

// verifier is a running one.
type verifier struct {
	*harness.Process
	addr   string
	client *harness.Client
}

// startVerifier runs one that believes the issuer, and trusts the certificates
// in the file caFile beside no other ("" for an issuer without TLS).
func startVerifier(t *testing.T, program string, args []string, addr, issuer, origin, caFile string) *verifier {
	t.Helper()
	v := &verifier{addr: addr, client: harness.NewClient(t, "")}
	v.Process = harness.Start(t, harness.TempDir(t), []string{
		"ISSUER=" + issuer, "CLIENT_ID=" + verifiedClient, "AUDIENCE=" + verifiedAudience, "APP_ORIGIN=" + origin, "LISTEN=" + addr,
		"SSL_CERT_FILE=" + caFile, "NODE_EXTRA_CA_CERTS=" + caFile,
	}, program, args...)
	t.Cleanup(v.Kill) // it has no state that an orderly end would keep
	v.WaitListening(addr)
	return v
}

// says asks with an access token, and answers the status and the subject.
func (v *verifier) says(t *testing.T, token string) (status int, sub string) {
	t.Helper()
	return v.ask(t, "/api/hello", "Authorization", "Bearer "+token)
}

// asserts asks with an assertion.
func (v *verifier) asserts(t *testing.T, token string) (status int, sub string) {
	t.Helper()
	return v.ask(t, "/hello", "Remote-Jwt", token)
}

func (v *verifier) ask(t *testing.T, path string, header ...string) (status int, sub string) {
	t.Helper()
	res := v.client.Request(http.MethodGet, "http://"+v.addr+path, "", header...)
	return res.StatusCode, subject(t, res)
}

// subject is who a verifier says is here, "" for nobody.
func subject(t *testing.T, res harness.Response) string {
	t.Helper()
	var who struct{ Sub string }
	if res.StatusCode == http.StatusOK {
		if err := json.Unmarshal([]byte(res.Body), &who); err != nil || who.Sub == "" {
			t.Errorf("it answers %q", res.Body)
		}
	}
	return who.Sub
}

func loopback(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
