package settings

import (
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/passwordless-auth/passwordless-auth/caddymodule"
)

// build is what config and serve do: load, write the Caddyfile, adapt it.
func build(o Options) error {
	s, err := Load(o)
	if err != nil {
		return err
	}
	_, err = s.Caddyfile().Adapt()
	return err
}

// Each refusal names the variable and says what to write.
func TestSettings_Refusals(t *testing.T) {
	mail := []string{"SMTP_HOST=mail.example.com", "EMAIL_FROM=login@example.com"}
	apps := []string{"PROTECTED_HOSTS=wiki.example.com", "PROXY=nginx", "TRUSTED_PROXIES=172.18.0.2"}
	for _, c := range []struct {
		env  []string
		want []string // parts of the message
	}{
		{[]string{"WEBAUTHN_ORIGIN="}, []string{"WEBAUTHN_ORIGIN is missing", "https://auth.example.com"}},
		{[]string{"WEBAUTHN_ORIGIN=auth.example.com"}, []string{"WEBAUTHN_ORIGIN:", "write https://HOST"}},
		{[]string{"WEBAUTHN_ORIGIN=https://auth.example.com/login"}, []string{"WEBAUTHN_ORIGIN:", "without a path"}},
		{[]string{"WEBAUTHN_ORIGIN=http://auth.example.com", "SERVER_HOST=127.0.0.1"}, []string{"WEBAUTHN_ORIGIN:", "https://auth.example.com"}},
		{[]string{"WEBAUTHN_ORIGIN=http://localhost:3000"}, []string{"SERVER_HOST:", "write 127.0.0.1"}},
		{[]string{"WEBAUTHN_RP_ID=other.example"}, []string{"WEBAUTHN_RP_ID:", "parent"}},
		{[]string{"JWT_SECRET="}, []string{"JWT_SECRET is empty", "openssl"}},
		{[]string{"JWT_SECRET=" + goodSecret[:31]}, []string{"JWT_SECRET:", "32 or more", "openssl"}},
		{[]string{"JWT_SECRET=your-production-secret-key-min-32-chars"}, []string{"JWT_SECRET:", "example"}},
		{[]string{"JWT_SECRET=your-super-secret-jwt-key-min-32-characters"}, []string{"JWT_SECRET:", "example"}},
		{[]string{"JWT_SECRET=" + strings.Repeat("ab", 32)}, []string{"JWT_SECRET:", "repeats"}},
		{[]string{"JWT_SECRET_FILE=/nonexistent/key"}, []string{"JWT_SECRET_FILE:", "/nonexistent/key"}},
		{[]string{"JWT_SECRET=" + goodSecret, "JWT_SECRET_FILE=/run/key"}, []string{"JWT_SECRET and JWT_SECRET_FILE", "remove one"}},
		{[]string{"SERVER_PORT_FILE=/run/port"}, []string{"SERVER_PORT_FILE:", "write SERVER_PORT"}},
		{[]string{"DATABASE_PATH=postgres://db/auth"}, []string{"DATABASE_PATH:", "path of a file"}},
		{[]string{"DATABASE_PATH=/data/"}, []string{"DATABASE_PATH:", "/data/auth.db"}},
		{append(mail, "SMTP_HOST=mail.example.com:587"), []string{"SMTP_HOST:", "SMTP_PORT"}},
		{append(mail, "SMTP_PORT=tcp://10.0.0.1:25"), []string{"SMTP_PORT:", "1 to 65535"}},
		{append(mail, "SMTP_TLS=maybe"), []string{"SMTP_TLS:", "starttls, implicit or none"}},
		{append(mail, "SMTP_USERNAME=login"), []string{"SMTP_USERNAME", "SMTP_PASSWORD", "both or neither"}},
		{append(mail, "SMTP_USERNAME=login", "SMTP_PASSWORD_FILE=/nonexistent/smtp"), []string{"SMTP_PASSWORD_FILE:", "/nonexistent/smtp"}},
		{append(mail, "SMTP_USERNAME=login", "SMTP_PASSWORD=your-app-password"), []string{"SMTP_PASSWORD:", "placeholder"}},
		{append(mail, "SMTP_USERNAME=login", "SMTP_PASSWORD=s3cret", "SMTP_TLS=none"), []string{"SMTP_TLS:", "in the clear"}},
		{append(mail, "EMAIL_FROM=nobody"), []string{"EMAIL_FROM:", "write an address"}},
		{append(mail, "EMAIL_FROM="), []string{"EMAIL_FROM is missing", "login@example.com"}},
		{[]string{"EMAIL_FROM=login@example.com"}, []string{"EMAIL_FROM is set, but SMTP_HOST is not"}},
		{[]string{"CORS_ALLOWED_ORIGINS=*"}, []string{"CORS_ALLOWED_ORIGINS:", "write https://HOST"}},
		{[]string{"CORS_ALLOWED_ORIGINS=https://*.example.com"}, []string{"CORS_ALLOWED_ORIGINS:", "without a wildcard"}},
		{[]string{"API_CLIENTS=my app"}, []string{"API_CLIENTS:", "NAME=Title"}},
		{[]string{"API_CLIENTS=SPA"}, []string{"API_CLIENTS:", "a-z"}},
		{[]string{"LOG_LEVEL=loud"}, []string{"LOG_LEVEL:", "info, debug, warn or error"}},
		{[]string{"LOG_FORMAT=xml"}, []string{"LOG_FORMAT:", "console or json"}},
		{[]string{"SERVER_HOST=server.example.com"}, []string{"SERVER_HOST:", "0.0.0.0"}},
		{[]string{"SERVER_PORT=70000"}, []string{"SERVER_PORT:", "1 to 65535"}},
		{[]string{"ADMIN_EMAIL=alice"}, []string{"ADMIN_EMAIL:", "no e-mail address"}},
		{[]string{"REGISTRATION=everybody"}, []string{"REGISTRATION:", "closed, invite or open"}},
		{[]string{"REGISTRATION=closed example.com"}, []string{"REGISTRATION:", "domains belong to open and invite"}},
		{[]string{"REGISTRATION=invite,@example.com"}, []string{"REGISTRATION:", "write the domain alone: example.com"}},
		{[]string{"REGISTRATION=example.com"}, []string{"REGISTRATION:", "closed, invite or open"}},
		{[]string{"TRUSTED_PROXIES=traefik"}, []string{"TRUSTED_PROXIES:", "172.18.0.2"}},
		{[]string{"TRUSTED_PROXIES=10.0.0.1/8"}, []string{"TRUSTED_PROXIES:", "10.0.0.0/8"}},
		{[]string{"RATE_LIMIT_PER_MINUTE=0"}, []string{"RATE_LIMIT_PER_MINUTE:", "requests"}},
		{[]string{"EMAIL_RATE_LIMIT_PER_HOUR=81"}, []string{"EMAIL_RATE_LIMIT_PER_HOUR:", "1 to 80"}},
		{[]string{"ACCESS_TOKEN_EXPIRY_SECONDS=3600"}, []string{"ACCESS_TOKEN_EXPIRY_SECONDS:", "10 to 600"}},
		{[]string{"REFRESH_TOKEN_EXPIRY_SECONDS=1d"}, []string{"REFRESH_TOKEN_EXPIRY_SECONDS:", "seconds"}},
		{[]string{"MAGIC_LINK_EXPIRY_SECONDS=900"}, []string{"MAGIC_LINK_EXPIRY_SECONDS:", "60 to 600"}},
		{[]string{"METRICS_ALLOW=everybody"}, []string{"METRICS_ALLOW:", "10.0.0.0/8"}},
		{[]string{"BRAND_ACCENT=blue"}, []string{`BRAND_ACCENT: "blue"; write a colour as #rrggbb, such as #3355ff`}},
		{[]string{"BRAND_NAME={env.HOME}"}, []string{"BRAND_NAME:", "braces"}},
		{[]string{"DATABASE_URL=postgres://db/auth"}, []string{"DATABASE_URL is not available in this version", "DATABASE_PATH"}},
		{[]string{"REDIS_URL=redis://r"}, []string{"REDIS_URL is not available"}},
		{[]string{"WEBHOOK_URL=https://h"}, []string{"WEBHOOK_URL is not available"}},
		{[]string{"WEBHOOK_SECRET=x"}, []string{"WEBHOOK_SECRET is not available"}},
		{[]string{"PROTECTED_HOSTS=app.example.com"}, []string{"PROTECTED_HOSTS is set, but PROXY is not", "nginx"}},
		{[]string{"PROXY=nginx"}, []string{"PROXY is set, but PROTECTED_HOSTS is not", "wiki.example.com"}},
		{[]string{"PROTECTED_HOSTS=app.example.com", "PROXY=nginx"}, []string{"PROXY is set, but TRUSTED_PROXIES is not", "172.18.0.2"}},
		{append(apps, "PROXY=trafik"), []string{`PROXY: "trafik" is no kind of proxy`, "traefik"}},
		{append(apps, "PROXY=nginx,NGINX"), []string{`PROXY: "nginx 172.18.0.2" stands twice`}},
		{append(apps, "TRUSTED_PROXIES=0.0.0.0/0"), []string{`TRUSTED_PROXIES: "0.0.0.0/0" is everybody`, "172.18.0.2"}},
		{append(apps, "TRUSTED_PROXIES=172.18.0.2,::/0"), []string{`TRUSTED_PROXIES: "::/0" is everybody`}},
		{append(apps, "TRUSTED_PROXIES=172.18.0.2, 128.0.0.0/1"), []string{`TRUSTED_PROXIES: "128.0.0.0/1" is everybody, or far more than one proxy`, "172.18.0.2"}},
		{append(apps, "TRUSTED_PROXIES=8000::/1"), []string{`TRUSTED_PROXIES: "8000::/1" is everybody`}},
		{[]string{"TRUSTED_PROXIES=0.0.0.0/0"}, []string{`TRUSTED_PROXIES: "0.0.0.0/0" is everybody`, "172.18.0.2"}},
		{[]string{"TRUSTED_PROXIES=2000::/3"}, []string{`TRUSTED_PROXIES: "2000::/3" is everybody, or far more`}},
		{append(apps, "PROTECTED_HOSTS=auth.example.com:8443"), []string{`PROTECTED_HOSTS: "auth.example.com:8443" is the portal`}},
		{append(apps, "PROTECTED_HOSTS=wiki.example.com,wiki.example.com:8443"), []string{"PROTECTED_HOSTS:", "share cookies"}},
		{append(apps, "PROTECTED_HOSTS=Wiki.example.com"), []string{"PROTECTED_HOSTS:", "lower case"}},
		{append(apps, "PROTECTED_HOSTS=http://wiki.example.com"), []string{"PROTECTED_HOSTS:", "https://wiki.example.com"}},
		{append(apps, "PROTECTED_HOSTS=*.co.uk"), []string{"PROTECTED_HOSTS:", "anybody can have a name below co.uk"}},
		{append(apps, "PROTECTED_HOSTS=10.0.0.7"), []string{"PROTECTED_HOSTS:", "is an address"}},
		{[]string{"BACKUP_DIR=/backups"}, []string{"BACKUP_DIR is not available"}},
		{[]string{"ADMIN_ALLOW=10.0.0.0/8"}, []string{"ADMIN_ALLOW is not available"}},
	} {
		t.Run(c.env[len(c.env)-1], func(t *testing.T) {
			err := build(Options{Environ: append(append([]string{}, minimal...), c.env...), Dir: t.TempDir()})
			if err == nil {
				t.Fatal("accepted")
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "Caddyfile:") {
				t.Errorf("not one sentence about the variable: %q", err)
			}
		})
	}
}

func TestSettings_FilesNameThemselves(t *testing.T) {
	dir := files(t, map[string]string{
		".env":         "LOG_LEVEL=loud\n",
		"port.toml":    "server_port = 0\n",
		"unknown.toml": "sever_port = 3000\n",
		"all.toml":     "cors_allow_all = true\n",
		"upper.toml":   "SERVER_PORT = 3000\n",
		"far.toml":     "colour = \"blue\"\n",
		"table.toml":   "[server]\nport = 3000\n",
		"float.toml":   "server_port = 1.5\n",
		"list.toml":    "admin_email = [1]\n",
		"broken.toml":  "server_port = 3000\nlog_level = \n",
		"later.toml":   "database_url = \"postgres://db/auth\"\n",
		"portal.toml":  "webauthn_origin = \"auth.example.com\"\n",
		"nothing.toml": "",
	})
	near := files(t, map[string]string{
		".env":         "PROTECTED_HOST=wiki.example.com\nCOMPOSE_PROJECT_NAME=auth\nJWT_SECRET_FILE=/run/key\n",
		"nothing.toml": "",
	})
	empty := t.TempDir()
	for _, c := range []struct {
		dir, config string
		want        []string
	}{
		{dir, "nothing.toml", []string{"LOG_LEVEL in .env:"}},
		{near, "nothing.toml", []string{"PROTECTED_HOST in .env is no variable of ours; did you mean PROTECTED_HOSTS?"}},
		{empty, "port.toml", []string{"server_port in ", "port.toml: ", "1 to 65535"}},
		{empty, "unknown.toml", []string{"sever_port in ", "did you mean server_port?"}},
		{empty, "all.toml", []string{"cors_allow_all in ", "cors_allowed_origins"}},
		{empty, "upper.toml", []string{"SERVER_PORT in ", "did you mean server_port?"}},
		{empty, "far.toml", []string{"colour in ", "there is no such key"}},
		{empty, "table.toml", []string{"server in ", "there is no such key"}},
		{empty, "float.toml", []string{"server_port in ", "whole number"}},
		{empty, "list.toml", []string{"admin_email in ", "array of strings"}},
		{empty, "broken.toml", []string{"broken.toml is no TOML", "line 2"}},
		{empty, "later.toml", []string{"database_url in ", "not available in this version"}},
		{empty, "absent.toml", []string{"absent.toml"}},
		{empty, "", []string{"WEBAUTHN_ORIGIN is missing"}},
	} {
		config := ""
		if c.config != "" {
			config = filepath.Join(dir, c.config)
		}
		env := minimal
		if c.config == "" {
			env = nil
		}
		err := build(Options{Environ: env, Dir: c.dir, ConfigFile: config})
		if err == nil {
			t.Errorf("%s accepted", c.config)
			continue
		}
		for _, part := range c.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q does not say %q", c.config, err, part)
			}
		}
	}
	// A value that the adapter refuses is led back to the file as well.
	err := build(Options{Dir: empty, ConfigFile: filepath.Join(dir, "portal.toml")})
	if err == nil || !strings.HasPrefix(err.Error(), "webauthn_origin in ") {
		t.Errorf("got %v", err)
	}
	if err := build(Options{Environ: minimal, Dir: empty, ConfigFile: dir}); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a directory: %v", err)
	}
}

func TestDotenv_Values(t *testing.T) {
	got, err := parseDotenv("\ufeff# comment\r\n\r\nexport A=1 # one\nB='x # y'\nC=\"a\\n\\\"b\\\" \\\\ \\$\" # c\nD=\nE = spaced \nF=a#b$HOME\n")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"A": "1", "B": "x # y", "C": "a\n\"b\" \\ $", "D": "", "E": "spaced", "F": "a#b$HOME"}
	if len(got) != len(want) {
		t.Errorf("%q", got)
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %q, want %q", name, got[name], value)
		}
	}
	for text, part := range map[string]string{
		"hello": "line 1", "A=1\n=2": "line 2", "A=1\nA=2": "stands twice", "A='x": "closing '", "A=\"x\" y": "after the closing",
		`A="\d"`: "single quotes", "A B=1": "line 1",
	} {
		if _, err := parseDotenv(text); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %v does not say %q", text, err, part)
		}
	}
}

func FuzzDotenv(f *testing.F) {
	f.Add("A=1\nB='x'\n# c\nexport C=\"\\n\"")
	f.Fuzz(func(t *testing.T, text string) {
		values, err := parseDotenv(text)
		if err != nil {
			return
		}
		for name := range values {
			if !variableName.MatchString(name) {
				t.Errorf("%q is no name", name)
			}
		}
	})
}
