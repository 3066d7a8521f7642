package settings

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const goodSecret = "Zk3v9Qw1Lr8xTn5yHb2mCd7fGj4sKp6a"

// minimal is what serve cannot do without.
var minimal = []string{"WEBAUTHN_ORIGIN=https://auth.example.com"}

// files makes a working directory; names are relative to it.
func files(t *testing.T, contents map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range contents {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoad_OriginAloneIsEnough(t *testing.T) {
	s, err := Load(Options{Environ: minimal, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if s.Host != "0.0.0.0" || s.Port != 3000 || s.RequestsPerMinute != 60 || s.MailsPerHour != 10 {
		t.Errorf("defaults: %s:%d, %d requests, %d mails", s.Host, s.Port, s.RequestsPerMinute, s.MailsPerHour)
	}
	if s.AccessTTL != 10*time.Minute || s.RefreshTTL != 30*24*time.Hour || s.LinkTTL != 10*time.Minute {
		t.Errorf("default times: %v %v %v", s.AccessTTL, s.RefreshTTL, s.LinkTTL)
	}
	if s.LogLevel != "INFO" || s.LogFormat != "console" {
		t.Errorf("default log: %s %s", s.LogLevel, s.LogFormat)
	}
}

func TestLoad_EnvironmentThenDotenvThenTOML(t *testing.T) {
	dir := files(t, map[string]string{
		".env":        "BRAND_NAME=dotenv\nWEBAUTHN_RP_NAME=dotenv\nADMIN_EMAIL=\n",
		"config.toml": "brand_name = \"toml\"\nwebauthn_rp_name = \"toml\"\nwebauthn_rp_id = \"toml.example\"\nadmin_email = [\"a@example.com\", \"b@example.com\"]\nserver_port = 4000\n",
	})
	s, err := Load(Options{
		Environ:    append([]string{"BRAND_NAME=environment", "LOG_LEVEL="}, minimal...),
		Dir:        dir,
		ConfigFile: filepath.Join(dir, "config.toml"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{
		"environment": s.BrandName, "dotenv": s.RPName, "toml.example": s.RPID, "INFO": s.LogLevel,
		"a@example.com b@example.com": strings.Join(s.AdminEmails, " "), // an empty value is none
	} {
		if got != name {
			t.Errorf("got %q, want %q", got, name)
		}
	}
	if s.Port != 4000 {
		t.Errorf("port %d", s.Port)
	}
}

func TestLoad_StrongerSourceWinsUnderEitherName(t *testing.T) {
	dir := files(t, map[string]string{".env": "JWT_SECRET=short\n", "key": goodSecret + "\n"})
	s, err := Load(Options{Environ: append([]string{"JWT_SECRET_FILE=key"}, minimal...), Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if want := Secret("{file." + filepath.Join(dir, "key") + "}"); s.JWTSecret != want {
		t.Errorf("got %s, want %s", s.JWTSecret, want)
	}
	if len(s.Environment) != 0 {
		t.Errorf("a file needs nothing in the environment: %v", s.Environment)
	}
}

func TestLoad_SecretOfDotenvMovesToTheEnvironment(t *testing.T) {
	dir := files(t, map[string]string{".env": "JWT_SECRET='" + goodSecret + "'\n"})
	s, err := Load(Options{Environ: minimal, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if s.JWTSecret != "{env.JWT_SECRET}" || s.Environment["JWT_SECRET"] != goodSecret {
		t.Errorf("place %s, environment has it: %v", s.JWTSecret, s.Environment["JWT_SECRET"] == goodSecret)
	}
}

func TestLoad_Port465SpeaksTLSAtOnce(t *testing.T) {
	for env, want := range map[string]string{"SMTP_PORT=465": "implicit", "SMTP_PORT=587": "starttls", "SMTP_TLS=none": "none"} {
		s, err := Load(Options{Environ: append([]string{"SMTP_HOST=mail.example.com", "EMAIL_FROM=login@example.com", env}, minimal...), Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if s.SMTPTLS != want {
			t.Errorf("%s: %s, want %s", env, s.SMTPTLS, want)
		}
	}
}

func TestLoad_ClientsHaveNamesTitlesAndOrigins(t *testing.T) {
	s, err := Load(Options{Environ: append([]string{"API_CLIENTS=cli, spa=Example Web https://a.example https://b.example,ios=Example for iOS"}, minimal...), Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	want := []Client{{"cli", "cli", nil}, {"spa", "Example Web", []string{"https://a.example", "https://b.example"}}, {"ios", "Example for iOS", nil}}
	if len(s.Clients) != len(want) {
		t.Fatalf("%+v", s.Clients)
	}
	for i, c := range s.Clients {
		if c.Name != want[i].Name || c.Title != want[i].Title || strings.Join(c.Origins, " ") != strings.Join(want[i].Origins, " ") {
			t.Errorf("%+v, want %+v", c, want[i])
		}
	}
}

// The words are those of the Caddyfile, however a list is written.
func TestLoad_RegistrationNamesDomains(t *testing.T) {
	toml := files(t, map[string]string{"config.toml": "registration = [\"invite\", \"example.com\", \"example.org\"]\n"})
	for _, o := range []Options{
		{Environ: append([]string{"REGISTRATION=invite example.com example.org"}, minimal...)},
		{Environ: append([]string{"REGISTRATION=invite,example.com, example.org"}, minimal...)},
		{Environ: minimal, ConfigFile: filepath.Join(toml, "config.toml")},
	} {
		o.Dir = t.TempDir()
		s, err := Load(o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Caddyfile().Adapt(); err != nil {
			t.Error(err)
		}
		if want := "\n\t\tregistration invite example.com example.org\n"; !strings.Contains(s.Caddyfile().String(), want) {
			t.Errorf("no %q in\n%s", want, s.Caddyfile())
		}
	}
}

func TestLoad_AppsBehindProxies(t *testing.T) {
	dir := files(t, map[string]string{"config.toml": "protected_hosts = [\"wiki.example.com\", \"*.example.org:8443\"]\nproxy = \"Traefik, caddy\"\ntrusted_proxies = \"172.18.0.2\"\n"})
	s, err := Load(Options{Environ: minimal, Dir: t.TempDir(), ConfigFile: filepath.Join(dir, "config.toml")})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(slices.Concat(s.ProtectedHosts, s.Proxies), " "); got != "wiki.example.com *.example.org:8443 traefik caddy" {
		t.Errorf("got %s", got)
	}
}

// Everything wrong is said at once, each by its variable.
func TestLoad_NamesEveryProblem(t *testing.T) {
	_, err := Load(Options{Environ: []string{"SERVER_PORT=0", "LOG_LEVEL=loud"}, Dir: t.TempDir()})
	if err == nil {
		t.Fatal("accepted")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 3 {
		t.Errorf("%d sentences, want 3:\n%v", len(lines), err)
	}
	for _, name := range []string{"SERVER_PORT", "LOG_LEVEL", "WEBAUTHN_ORIGIN"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named:\n%v", name, err)
		}
	}
}

func TestLoad_ErrorsNeverShowASecret(t *testing.T) {
	const secret = "your-hunter2-hunter2-hunter2-hunter2"
	dir := files(t, map[string]string{".env": "SMTP_PASSWORD=" + secret + "\n" + secret + "\n", "secret": secret})
	for _, env := range [][]string{
		{"JWT_SECRET=" + secret}, {"JWT_SECRET_FILE=secret"}, {"JWT_SECRET=" + secret, "JWT_SECRET_FILE=secret"},
	} {
		for _, in := range []string{t.TempDir(), dir} {
			_, err := Load(Options{Environ: append(env, minimal...), Dir: in})
			if err == nil {
				t.Errorf("%v accepted", env)
			} else if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the secret stands in: %v", err)
			}
		}
	}
}

func TestAddress_NeedsNothingElse(t *testing.T) {
	host, port, err := Address(Options{Environ: []string{"SERVER_PORT=4000", "LOG_LEVEL=loud", "BACKUP_DIR=/backups"}, Dir: t.TempDir()})
	if err != nil || host != "0.0.0.0" || port != 4000 {
		t.Errorf("%s %d %v", host, port, err)
	}
	if _, _, err := Address(Options{Environ: []string{"SERVER_PORT=x"}, Dir: t.TempDir()}); err == nil {
		t.Error("SERVER_PORT=x accepted")
	}
}
