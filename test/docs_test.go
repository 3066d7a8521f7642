package test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/pquerna/otp/totp"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// What users read is held to the code: each configuration in it is loaded, each
// example of the API is run, each link is followed. Its tables of words are
// compared in docs_words_test.go.

// block is a fenced block of a document, with the comment before it.
type block struct{ at, lang, mark, text string }

var fence = regexp.MustCompile("(?m)(?:^<!-- (\\w+) -->\n)?^```(\\w*)\n((?s:.*?))^```$")

func readDoc(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(harness.Root(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// docs are README.md, docs/*.md and what stands beside the examples, by path
// from the root.
func docs(t *testing.T) []string {
	t.Helper()
	names := []string{"README.md"}
	for _, pattern := range []string{"docs/*.md", "examples/*/README.md"} {
		found, err := fs.Glob(os.DirFS(harness.Root(t)), pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("no documents %s: %v", pattern, err)
		}
		names = append(names, found...)
	}
	return names
}

// blocksOf returns the blocks in the languages.
func blocksOf(t *testing.T, names []string, langs ...string) []block {
	t.Helper()
	var blocks []block
	for _, name := range names {
		text := readDoc(t, name)
		for _, m := range fence.FindAllStringSubmatchIndex(text, -1) {
			group := func(i int) string {
				if m[2*i] < 0 {
					return ""
				}
				return text[m[2*i]:m[2*i+1]]
			}
			if b := (block{fmt.Sprintf("%s:%d", name, 1+strings.Count(text[:m[4]], "\n")), group(2), group(1), group(3)}); slices.Contains(langs, b.lang) {
				blocks = append(blocks, b)
			}
		}
	}
	if len(blocks) == 0 {
		t.Fatalf("no block in %v", langs)
	}
	return blocks
}

// docSecret is long and has no pattern of an example.
const docSecret = "Zk3v9Qw1Lr8xTn5yHb2mCd7fGj4sKp6a"

// validateDoc loads a Caddyfile as it stands; only the files of its secrets
// are made here.
func validateDoc(t *testing.T, caddyfile string) {
	t.Helper()
	dir := harness.TempDir(t)
	secret := harness.WriteFile(t, dir, "secret", docSecret)
	file := harness.WriteFile(t, dir, "Caddyfile", strings.ReplaceAll(caddyfile, "/run/secrets/smtp", secret))
	env := []string{"SMTP_PASSWORD=" + docSecret, "JWT_SECRET=" + docSecret}
	exit := harness.Exec(t, dir, env, harness.Binary(t), "validate", "--config", file, "--adapter", "caddyfile")
	if exit.Code != 0 {
		t.Fatalf("%s\n%s%s", caddyfile, exit.Stdout, exit.Stderr)
	}
	for line := range strings.Lines(exit.Stderr) {
		if strings.Contains(line, `"logger":"passwordless"`) && strings.Contains(line, `"level":"warn"`) && !strings.Contains(line, "no mail server is configured") {
			t.Errorf("what we recommend is warned about: %s", line)
		}
	}
}

func TestDocs_EveryCaddyfileIsValid(t *testing.T) {
	for _, b := range blocksOf(t, docs(t), "caddyfile") {
		t.Run(b.at, func(t *testing.T) {
			t.Parallel()
			if b.mark == "fragment" { // lines of a site
				b.text = "app.example.com {\n" + b.text + "}\n"
			}
			validateDoc(t, b.text)
		})
	}
	for _, section := range []string{"sidecar", "portal"} {
		t.Run("Caddyfile.example/"+section, func(t *testing.T) {
			t.Parallel()
			globals, sites := harness.Example(t, section)
			validateDoc(t, "{\n"+globals+"\n}\n"+sites)
		})
	}
}

func TestDocs_EveryDataBlockIsWellFormed(t *testing.T) {
	for _, b := range blocksOf(t, docs(t), "json", "toml") {
		t.Run(b.at, func(t *testing.T) {
			t.Parallel()
			if b.lang == "json" {
				if !json.Valid([]byte(b.text)) {
					t.Error("not JSON")
				}
				return
			}
			dir := harness.TempDir(t)
			secret := harness.WriteFile(t, dir, "secret", docSecret)
			file := harness.WriteFile(t, dir, "config.toml", strings.ReplaceAll(b.text, "/run/secrets/smtp", secret))
			if exit := harness.Exec(t, dir, nil, harness.Binary(t), "config", "--config", file); exit.Code != 0 {
				t.Error(exit.Stderr)
			}
		})
	}
}

// shell runs a block of a document with the binary in PATH.
func shell(t *testing.T, dir, script string, env ...string) string {
	t.Helper()
	env = append(env, "PATH="+filepath.Dir(harness.Binary(t))+string(os.PathListSeparator)+os.Getenv("PATH"))
	exit := harness.Exec(t, dir, env, harness.Need(t, "bash"), "-euo", "pipefail", "-c", script)
	if exit.Code != 0 {
		t.Fatalf("%s\n%s%s", script, exit.Stdout, exit.Stderr)
	}
	return exit.Stdout
}

func TestDocs_ShellBlocksRun(t *testing.T) {
	ran := 0
	for _, b := range blocksOf(t, docs(t), "sh") {
		if b.mark == "run" {
			ran++
			t.Run(b.at, func(t *testing.T) { shell(t, harness.TempDir(t), b.text) })
		}
	}
	if ran == 0 {
		t.Error("no block is marked <!-- run -->")
	}
}

var (
	docLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notSlug = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

func TestDocs_LinksLeadSomewhere(t *testing.T) {
	for _, name := range docs(t) {
		for _, m := range docLink.FindAllStringSubmatch(readDoc(t, name), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(m[1], "#")
			target := name
			if path != "" {
				target = filepath.Join(filepath.Dir(name), path)
			}
			full := filepath.Join(harness.Root(t), target)
			if info, err := os.Stat(full); err == nil && info.IsDir() && anchor == "" {
				continue // a page of its own lists it
			}
			text, err := os.ReadFile(full)
			if err != nil {
				t.Errorf("%s: %s: %v", name, m[1], err)
				continue
			}
			found := anchor == ""
			for _, h := range heading.FindAllStringSubmatch(string(text), -1) { // as GitHub makes anchors
				slug := strings.ReplaceAll(notSlug.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-")
				found = found || slug == anchor
			}
			if !found {
				t.Errorf("%s: %s: there is no such heading", name, m[1])
			}
		}
	}
}

// The examples of api.md are one story: they run in their order, against the
// server that the document describes. What is marked later needs what the others
// made, after one more sign-in; what is marked last ends it all.
func TestDocs_APIExamplesAreAJourney(t *testing.T) {
	mail, port, dir := harness.StartSink(t, harness.SinkOptions{Plain: true}), harness.FreePort(t), harness.TempDir(t)
	origin := fmt.Sprintf("http://localhost:%d", port)
	server := harness.Start(t, dir, []string{
		"WEBAUTHN_ORIGIN=" + origin, "SERVER_HOST=127.0.0.1", "SERVER_PORT=" + strconv.Itoa(port), "DATABASE_PATH=" + filepath.Join(dir, "auth.db"),
		"SMTP_HOST=" + mail.Host, "SMTP_PORT=" + strconv.Itoa(mail.Port), "SMTP_TLS=none", "EMAIL_FROM=login@example.com",
		"REGISTRATION=open", "API_CLIENTS=spa=Example Web", "PROTECTED_HOSTS=wiki.example.com", "PROXY=nginx", "TRUSTED_PROXIES=192.0.2.1",
	}, harness.Binary(t), "serve")
	server.WaitOutput("serving sign-in")
	harness.Need(t, "curl")

	j := &apiJourney{t: t, dir: dir, mail: mail, env: map[string]string{"AUTH": origin}}
	var journey, later, last []block
	for _, b := range blocksOf(t, []string{"docs/api.md"}, "sh") {
		switch b.mark {
		case "journey":
			journey = append(journey, b)
		case "later":
			later = append(later, b)
		case "last":
			last = append(last, b)
		}
	}
	for _, b := range journey {
		j.run(b)
	}
	first := j.env["SESSION_TOKEN"] // later ones end with a sign-out
	j.again = true
	for _, b := range append(journey[:2:2], later...) {
		j.run(b)
	}
	j.env["SESSION_TOKEN"] = first
	for _, b := range last {
		j.run(b)
	}
	want := "login/email login/email/verify login/passkey/options token/refresh me sessions totp totp/confirm recovery-codes tokens tokens PATCH me me/export jwks.json " +
		"login/email login/email/verify login/totp logout DELETE me"
	if got := strings.Join(j.steps, " "); got != want {
		t.Errorf("the journey has the steps\n%s, want\n%s", got, want)
	}
}

// apiJourney runs the examples of api.md, and keeps what they answer in the
// variables that they use.
type apiJourney struct {
	t     *testing.T
	dir   string
	mail  *harness.Sink
	env   map[string]string
	steps []string
	again bool // the authenticator app is there, and its last code is spent
}

func (j *apiJourney) run(b block) {
	j.t.Helper()
	step := regexp.MustCompile(`\$AUTH/(?:api|.well-known)/([^"]+)"`).FindStringSubmatch(b.text)[1]
	if m := regexp.MustCompile(`-X (\w+) `).FindStringSubmatch(b.text); m != nil {
		step = m[1] + " " + step
	}
	j.steps = append(j.steps, step)
	if step == "login/email" {
		j.env["KEY"] = rand.Text()
	}
	var env []string
	for name, value := range j.env {
		env = append(env, name+"="+value)
	}
	out := shell(j.t, j.dir, strings.ReplaceAll(b.text, "curl -s ", "curl -sS --fail-with-body "), env...)
	if slices.Contains([]string{"logout", "PATCH me", "DELETE me"}, step) {
		if out != "" {
			j.t.Fatalf("%s: %s answers %s", b.at, step, out)
		}
		return
	}
	var answer map[string]any
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		j.t.Fatalf("%s: %s: %v: %s", b.at, step, err, out)
	}
	told := map[string]string{
		"login/email": "flow", "login/email/verify": "access_token", "login/passkey/options": "publicKey", "token/refresh": "session_token", "me": "id", "sessions": "items", "me/export": "history",
		"totp": "otpauth_uri", "totp/confirm": "session_token", "recovery-codes": "codes", "login/totp": "access_token", "jwks.json": "keys",
	}[step]
	switch {
	case step == "tokens" && !strings.Contains(b.text, "-d"):
		told = "items"
	case step == "tokens":
		told = "token"
	case j.again && step == "login/email/verify":
		told = "next"
	}
	if answer[told] == nil {
		j.t.Fatalf("%s: %s answers no %s: %s", b.at, step, told, out)
	}
	j.keep(step, answer)
}

// keep notes what later steps use.
func (j *apiJourney) keep(step string, answer map[string]any) {
	j.t.Helper()
	for _, name := range []string{"access_token", "refresh_token", "session_token", "secret"} {
		if v, ok := answer[name].(string); ok {
			j.env[strings.ToUpper(name)] = v
		}
	}
	if v, ok := answer["flow"].(string); ok && step != "login/passkey/options" {
		j.env["FLOW"] = v
	}
	switch {
	case step == "login/email":
		for j.env["CODE"] = ""; j.env["CODE"] == ""; { // there are notices, too
			if m := j.mail.Wait("alice@example.com"); regexp.MustCompile(`\b\d{4} \d{4}\b`).MatchString(m.Text) {
				j.env["CODE"] = m.Code(j.t)
			}
		}
	case step == "totp":
		j.env["CODE"] = j.shows(time.Now())
	case j.again && step == "login/email/verify": // the code of now may be spent, and clocks may differ by one
		j.env["CODE"] = j.shows(time.Now().Add(30 * time.Second))
	}
}

// shows is what the authenticator app shows at a time.
func (j *apiJourney) shows(at time.Time) string {
	j.t.Helper()
	code, err := totp.GenerateCode(j.env["SECRET"], at)
	if err != nil {
		j.t.Fatal(err)
	}
	return code
}

// Whoever pastes a configuration is not told that it is badly formatted.
func TestDocs_ConfigurationsAreFormatted(t *testing.T) {
	blocks := blocksOf(t, docs(t), "caddyfile")
	blocks = append(blocks, block{at: "Caddyfile.example", text: readDoc(t, "Caddyfile.example")})
	for _, b := range blocks {
		if formatted := string(caddyfile.Format([]byte(b.text))); strings.TrimRight(formatted, "\n") != strings.TrimRight(b.text, "\n") {
			t.Errorf("%s is not as \"caddy fmt\" would have it:\n%s", b.at, formatted)
		}
	}
}
