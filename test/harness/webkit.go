package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// StartWebKit starts WebKitGTK, the engine nearest to Safari that runs here. It
// has no WebAuthn: a browser without passkeys. Names below .localhost reach
// loopback; any certificate will do.
func StartWebKit(t testing.TB) *Window {
	t.Helper()
	driver, xvfb := Need(t, "WebKitWebDriver"), Need(t, "Xvfb")
	browsers, err := filepath.Glob("/usr/lib/*/webkit2gtk-4.*/MiniBrowser")
	if err != nil {
		t.Fatal(err)
	}
	if len(browsers) == 0 {
		missing(t, "WebKitGTK's MiniBrowser")
	}
	home, port := TempDir(t), FreePort(t)
	p := Start(t, home, []string{
		"DISPLAY=:" + startDisplay(t, xvfb), "XDG_RUNTIME_DIR=" + home, "NO_AT_BRIDGE=1", "LIBGL_ALWAYS_SOFTWARE=1",
		"WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS=1", // its sandbox needs a session bus
	}, driver, "--host=127.0.0.1", fmt.Sprintf("--port=%d", port))
	p.WaitListening(fmt.Sprintf("127.0.0.1:%d", port))
	d := &webDriver{base: fmt.Sprintf("http://127.0.0.1:%d/session", port)}
	w := &Window{t: t, remote: d}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("WebKit ended at %s", w.describe())
		}
		w.must("Delete Session", nil)
		p.Kill() // it has no way to end that counts as one
	})
	var session struct{ SessionID string }
	if err := json.Unmarshal(w.must("New Session", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
		"acceptInsecureCerts":      true,
		"webkitgtk:browserOptions": map[string]any{"binary": browsers[len(browsers)-1], "args": []string{"--automation"}},
	}}}), &session); err != nil || session.SessionID == "" {
		t.Fatalf("starting WebKit: %v", err)
	}
	d.base += "/" + session.SessionID
	w.must("Set Timeouts", scriptTimeout)
	return w
}

// startDisplay starts an X server without a screen and returns its number, which
// it chooses itself.
func startDisplay(t testing.TB, xvfb string) string {
	t.Helper()
	x := Start(t, TempDir(t), nil, xvfb, "-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp")
	t.Cleanup(x.Kill) // like the driver, it ends as killed however it is asked
	number := ""
	Eventually(t, "waiting for a display", func() string {
		if number = regexp.MustCompile(`(?m)^\d+$`).FindString(x.Output()); number == "" {
			return "no number in " + x.Output()
		}
		return ""
	})
	return number
}

// webDriver speaks WebDriver over HTTP.
type webDriver struct{ base string }

// webDriverPaths are the commands' methods and paths below the session.
var webDriverPaths = map[string]string{
	"New Session": "POST ", "Delete Session": "DELETE ", "Set Timeouts": "POST /timeouts", "Navigate To": "POST /url",
	"Find Element": "POST /element", "Element Click": "POST /element/{id}/click", "Element Clear": "POST /element/{id}/clear",
	"Element Send Keys": "POST /element/{id}/value", "Execute Async Script": "POST /execute/async", "Get All Cookies": "GET /cookie",
}

func (d *webDriver) command(name string, parameters map[string]any) (json.RawMessage, error) {
	method, path, _ := strings.Cut(webDriverPaths[name], " ")
	if id, ok := parameters["id"].(string); ok {
		path = strings.Replace(path, "{id}", id, 1)
	}
	var body io.Reader
	if method == http.MethodPost {
		encoded, err := json.Marshal(parameters)
		if err != nil {
			return nil, fmt.Errorf("encoding a command: %w", err)
		}
		body = bytes.NewReader(encoded)
	}
	// Not the test's context: that one ends before the cleanups.
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, d.base+path, body)
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("sending a command: %w", err)
	}
	defer res.Body.Close()
	var answer struct{ Value json.RawMessage }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("reading an answer: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %.500s", name, answer.Value)
	}
	return answer.Value, nil
}
