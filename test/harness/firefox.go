package harness

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Firefox is a window of Firefox, driven without geckodriver: through Marionette,
// Firefox's own socket.
type Firefox struct {
	*Window
	authenticator string // of AddAuthenticator
}

// firefoxPrefs: passkeys are kept in software, without a look at USB for which
// every ceremony would wait; names of the tests are loopback; nothing asks the
// network for anything.
const firefoxPrefs = `user_pref("marionette.port", %d);
user_pref("security.webauth.webauthn_enable_softtoken", true);
user_pref("security.webauth.webauthn_enable_usbtoken", false);
user_pref("network.dns.localDomains", "auth.example.test,app.example.test,app.example.org");
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("app.normandy.enabled", false);
user_pref("app.update.enabled", false);
user_pref("browser.safebrowsing.update.enabled", false);
user_pref("services.settings.server", "data:,#remote-settings-dummy/v1");
user_pref("toolkit.telemetry.enabled", false);
`

// StartFirefox starts a Firefox that resolves the tests' names to loopback and
// trusts the root certificates in caFiles.
func StartFirefox(t testing.TB, caFiles ...string) *Firefox {
	t.Helper()
	program := Need(t, "firefox-esr")
	profile, port := TempDir(t), FreePort(t)
	WriteFile(t, profile, "user.js", fmt.Sprintf(firefoxPrefs, port))
	for i, ca := range caFiles {
		trust(t, profile, fmt.Sprintf("ca%d", i), ca)
	}
	p := Start(t, profile, nil, program, "--headless", "--marionette", "--no-remote", "--profile", profile, "about:blank")
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	p.WaitListening(address)
	m := dialMarionette(t, address)
	f := &Firefox{Window: &Window{t: t, remote: m}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Firefox ended at %s", f.describe())
		}
		f.must("Marionette:Quit", map[string]any{"flags": []string{"eForceQuit"}})
		p.Wait()
	})
	// Insecure certificates would do for pages, and leave WebAuthn with SecurityError.
	f.must("New Session", map[string]any{"acceptInsecureCerts": false})
	f.must("Set Timeouts", scriptTimeout)
	return f
}

// AddAuthenticator gives the window a passkey provider whose user is present and
// verified.
func (f *Firefox) AddAuthenticator() {
	f.t.Helper()
	added := f.must("WebAuthn:AddVirtualAuthenticator", map[string]any{
		"protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true, "isUserConsenting": true, "isUserVerified": true,
	})
	if err := json.Unmarshal(added, &f.authenticator); err != nil {
		f.t.Fatalf("adding an authenticator: %s: %v", added, err)
	}
}

// UserVerifies says whether the user passes the fingerprint or PIN check from now on.
func (f *Firefox) UserVerifies(yes bool) {
	f.t.Helper()
	f.must("WebAuthn:SetUserVerified", map[string]any{"authenticatorId": f.authenticator, "isUserVerified": yes})
}

// Passkeys counts those that the authenticator holds.
func (f *Firefox) Passkeys() int {
	f.t.Helper()
	var held []json.RawMessage
	if err := json.Unmarshal(f.must("WebAuthn:GetCredentials", map[string]any{"authenticatorId": f.authenticator}), &held); err != nil {
		f.t.Fatal(err)
	}
	return len(held)
}

// marionette speaks Marionette's protocol: "LENGTH:[0,id,command,parameters]"
// there, "LENGTH:[1,id,error,result]" back.
type marionette struct {
	conn net.Conn
	r    *bufio.Reader
	id   int
}

// dialMarionette connects and reads the greeting.
func dialMarionette(t testing.TB, address string) *marionette {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	m := &marionette{conn: conn, r: bufio.NewReader(conn)}
	if _, err := m.read(); err != nil {
		t.Fatalf("greeting Marionette: %v", err)
	}
	return m
}

// marionetteNames are those that Marionette has of its own for WebDriver's commands.
var marionetteNames = map[string]string{
	"New Session": "WebDriver:NewSession", "Set Timeouts": "WebDriver:SetTimeouts", "Navigate To": "WebDriver:Navigate",
	"Find Element": "WebDriver:FindElement", "Element Click": "WebDriver:ElementClick", "Element Clear": "WebDriver:ElementClear",
	"Element Send Keys": "WebDriver:ElementSendKeys", "Execute Async Script": "WebDriver:ExecuteAsyncScript", "Get All Cookies": "WebDriver:GetCookies",
}

func (m *marionette) command(name string, parameters map[string]any) (json.RawMessage, error) {
	if own, ok := marionetteNames[name]; ok {
		name = own
	}
	m.id++
	message, err := json.Marshal([]any{0, m.id, name, parameters})
	if err != nil {
		return nil, fmt.Errorf("encoding a command: %w", err)
	}
	if err := m.conn.SetDeadline(time.Now().Add(2 * patience)); err != nil {
		return nil, fmt.Errorf("setting a deadline: %w", err)
	}
	if _, err := fmt.Fprintf(m.conn, "%d:%s", len(message), message); err != nil {
		return nil, fmt.Errorf("sending a command: %w", err)
	}
	answer, err := m.read()
	if err != nil {
		return nil, err
	}
	var parts [4]json.RawMessage
	if err := json.Unmarshal(answer, &parts); err != nil {
		return nil, fmt.Errorf("reading %.100s: %w", answer, err)
	}
	if string(parts[2]) != "null" {
		return nil, fmt.Errorf("%.500s", parts[2])
	}
	var wrapped struct{ Value json.RawMessage }
	if json.Unmarshal(parts[3], &wrapped) == nil && wrapped.Value != nil {
		return wrapped.Value, nil
	}
	return parts[3], nil // some commands answer a bare list
}

// read reads one message.
func (m *marionette) read() ([]byte, error) {
	digits, err := m.r.ReadString(':')
	if err != nil {
		return nil, fmt.Errorf("reading a length: %w", err)
	}
	const longest = 16 << 20
	size, err := strconv.Atoi(strings.TrimSuffix(digits, ":"))
	if err != nil || size < 0 || size > longest {
		return nil, errors.New("no length but " + digits)
	}
	message := make([]byte, size)
	if _, err := io.ReadFull(m.r, message); err != nil {
		return nil, fmt.Errorf("reading a message: %w", err)
	}
	return message, nil
}
