package harness

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Caddy is a running server that was started from a Caddyfile with `run`.
type Caddy struct {
	*Process
	Dir        string // its HOME, storage, database and Caddyfile
	HTTP       int    // port of plain sites; {$HTTP} in the Caddyfile
	HTTPS      int    // port of TLS sites; {$HTTPS} in the Caddyfile
	binary     string
	env        []string
	caddyfile  string
	adminSock  string
	rootCAFile string
}

// CaddyOptions says what to run.
type CaddyOptions struct {
	Binary  string   // default: Binary(t)
	Globals string   // lines for the global options block, e.g. the passwordless block
	Sites   string   // the rest of the Caddyfile
	Env     []string // KEY=value, for {env.KEY} and {$KEY}
	Dir     string   // default: a new one; give one to start again on old data
	Ports   [2]int   // HTTP, HTTPS; default: free ones; give them to start again on the same origins
}

// StartCaddy writes the Caddyfile, runs the binary and waits until it answers
// under every name. Sites use Caddy's internal CA; {$HTTP} and {$HTTPS} are the
// ports that origins have to name.
func StartCaddy(t testing.TB, o CaddyOptions) *Caddy {
	t.Helper()
	c := NewCaddy(t, o)
	c.Run(t)
	return c
}

// NewCaddy prepares a server without starting it: for validate, and for
// starts that must fail.
func NewCaddy(t testing.TB, o CaddyOptions) *Caddy {
	t.Helper()
	c := &Caddy{Dir: o.Dir, HTTP: o.Ports[0], HTTPS: o.Ports[1], binary: o.Binary}
	if c.Dir == "" {
		c.Dir = TempDir(t)
	}
	if c.binary == "" {
		c.binary = Binary(t)
	}
	if c.HTTP == 0 {
		c.HTTP = FreePort(t)
	}
	if c.HTTPS == 0 {
		c.HTTPS = FreePort(t)
	}
	c.adminSock = filepath.Join(c.Dir, "caddy-admin.sock")
	c.rootCAFile = filepath.Join(c.Dir, "storage/pki/authorities/local/root.crt")
	c.env = append([]string{"HTTP=" + strconv.Itoa(c.HTTP), "HTTPS=" + strconv.Itoa(c.HTTPS)}, o.Env...)
	c.tidied(t)
	c.Write(t, o.Globals, o.Sites)
	return c
}

// tidied tells Caddy that its storage was cleaned a moment ago. It would do so
// at the start, and now and then remove the folder of a certificate that it is
// about to write; it tries again a minute later.
func (c *Caddy) tidied(t testing.TB) {
	t.Helper()
	storage := filepath.Join(c.Dir, "storage")
	if err := os.MkdirAll(storage, 0o700); err != nil {
		t.Fatal(err)
	}
	WriteFile(t, storage, "last_clean.json", fmt.Sprintf(`{"tls":{"timestamp":%q}}`, time.Now().Format(time.RFC3339)))
}

// Write replaces the Caddyfile; Reload makes it live. The head keeps every
// trace of the server inside Dir and away from the machine's trust store.
func (c *Caddy) Write(t testing.TB, globals, sites string) {
	t.Helper()
	c.caddyfile = WriteFile(t, c.Dir, "Caddyfile", fmt.Sprintf(`{
	storage file_system %s
	skip_install_trust
	local_certs
	persist_config off
	default_bind 127.0.0.1
	http_port {$HTTP}
	https_port {$HTTPS}
	admin unix/%s
	grace_period 2s
	%s
}
%s
`, filepath.Join(c.Dir, "storage"), c.adminSock, globals, sites))
}

// Run starts the server and waits until it answers under every name.
func (c *Caddy) Run(t testing.TB) {
	t.Helper()
	c.Process = Start(t, c.Dir, c.env, c.binary, "run", "--config", c.caddyfile, "--adapter", "caddyfile")
	c.WaitOutput("serving initial configuration")
	c.WaitCertificates(t)
}

// WaitCertificates waits until every name of the configuration has its
// certificate: Caddy listens before its internal CA has issued them.
func (c *Caddy) WaitCertificates(t testing.TB) {
	t.Helper()
	for line := range strings.Lines(c.Output()) {
		var entry struct {
			Msg     string
			Domains []string
		}
		if json.Unmarshal([]byte(line), &entry) != nil || entry.Msg != "enabling automatic TLS certificate management" {
			continue
		}
		roots := Roots(t, c.RootCA(t))
		for _, name := range entry.Domains {
			Eventually(t, "waiting for the certificate of "+name, func() string {
				config := &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12}
				conn, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(c.HTTPS)), config)
				if err != nil {
					return err.Error()
				}
				_ = conn.Close()
				return ""
			})
		}
	}
}

// Reload makes the written Caddyfile live through Caddy's own command.
func (c *Caddy) Reload(t testing.TB) Exit {
	t.Helper()
	return c.Command(t, "reload", "--config", c.caddyfile, "--adapter", "caddyfile", "--address", "unix/"+c.adminSock)
}

// Command runs another command of the same binary with the server's
// environment and folder: validate, user list, …
func (c *Caddy) Command(t testing.TB, args ...string) Exit {
	t.Helper()
	return Exec(t, c.Dir, c.env, c.binary, args...)
}

// Validate runs `validate` on the written Caddyfile.
func (c *Caddy) Validate(t testing.TB) Exit {
	t.Helper()
	return c.Command(t, "validate", "--config", c.caddyfile, "--adapter", "caddyfile")
}

// RootCA is the file of the internal CA's root certificate, made at first start.
func (c *Caddy) RootCA(t testing.TB) string {
	t.Helper()
	Eventually(t, "waiting for Caddy's root certificate", func() string {
		if _, err := os.Stat(c.rootCAFile); err != nil {
			return err.Error()
		}
		return ""
	})
	return c.rootCAFile
}

// URL is https://host:port/path of this server.
func (c *Caddy) URL(host, path string) string {
	return fmt.Sprintf("https://%s:%d%s", host, c.HTTPS, path)
}
