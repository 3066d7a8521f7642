package settings

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the Caddyfiles into the goldens")

// Each golden is an environment and the Caddyfile it becomes, which Caddy must
// accept and find well formatted.
func TestCaddyfile_Goldens(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			contents := make(map[string]string)
			for _, file := range ar.Files {
				contents[file.Name] = string(file.Data)
			}
			environ := strings.Split(strings.TrimSpace(contents["environment"]), "\n")
			s, err := Load(Options{Environ: environ, Dir: files(t, map[string]string{".env": contents[".env"]})})
			if err != nil {
				t.Fatal(err)
			}
			f := s.Caddyfile()
			if *update {
				ar.Files[len(ar.Files)-1].Data = []byte(f.String())
				if err := os.WriteFile(path, txtar.Format(ar), 0o600); err != nil {
					t.Fatal(err)
				}
			} else if f.String() != contents["Caddyfile"] {
				t.Errorf("got:\n%s\nwant:\n%s", f, contents["Caddyfile"])
			}
			if formatted := caddyfile.Format([]byte(f.String())); !bytes.Equal(bytes.TrimSpace(formatted), bytes.TrimSpace([]byte(f.String()))) {
				t.Errorf("caddy fmt would write:\n%s", formatted)
			}
			if _, err := f.Adapt(); err != nil {
				t.Errorf("adapting: %v", err)
			}
			for _, secret := range []string{goodSecret, "hunter2"} {
				if strings.Contains(f.String(), secret) {
					t.Error("a secret stands in the Caddyfile")
				}
			}
		})
	}
}

// Control codes are for terminals; a file would keep them.
func TestCaddyfile_ColourIsForTerminals(t *testing.T) {
	for format, want := range map[string]struct{ plain, colour string }{
		"console": {"format console {\n\t\t\tlevel_format upper\n", "format console\n"},
		"json":    {"format json\n", "format json\n"},
	} {
		s, err := Load(Options{Environ: append([]string{"LOG_FORMAT=" + format}, minimal...), Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Caddyfile().String(); !strings.Contains(got, want.plain) {
			t.Errorf("%s: no %q in\n%s", format, want.plain, got)
		}
		s.Colour = true
		if got := s.Caddyfile().String(); !strings.Contains(got, want.colour) {
			t.Errorf("%s in colour: no %q in\n%s", format, want.colour, got)
		}
	}
}

// The value that a variable is given must come out of the adapter as it went
// in, whatever characters it has.
func TestCaddyfile_KeepsValuesAsTheyAre(t *testing.T) {
	for _, value := range []string{`Ä "quoted" name`, `back\slash`, `# no comment`, `two  spaces`, `import x`, `"`, `\"`, `<<EOF`, `$HOME %d`} {
		s, err := Load(Options{Environ: append([]string{"BRAND_NAME=" + value}, minimal...), Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := s.Caddyfile().Adapt()
		if err != nil {
			t.Errorf("%s: %v", value, err)
			continue
		}
		if got := brandName(t, cfg); got != value {
			t.Errorf("%q became %q", value, got)
		}
	}
}

func TestWarnings_NameTheVariable(t *testing.T) {
	load := func(env ...string) string {
		s, err := Load(Options{Environ: append(env, minimal...), Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(s.Warnings(), "\n")
	}
	if w := load(); !strings.Contains(w, "TRUSTED_PROXIES is not set") || !strings.Contains(w, "API_CLIENTS") {
		t.Errorf("nothing set: %s", w)
	}
	for proxies, warned := range map[string]bool{
		"172.18.0.2": false, "172.18.0.0/29": false, "172.18.0.0/28": true, "fd00::/64": false, "fd00::/63": true,
	} {
		w := load("TRUSTED_PROXIES="+proxies, "API_CLIENTS=cli")
		if (w != "") != warned {
			t.Errorf("%s: %q", proxies, w)
		}
	}
}

// brandName reads one value out of Caddy's JSON.
func brandName(t *testing.T, cfg []byte) string {
	t.Helper()
	var v struct {
		Apps struct {
			Passwordless struct {
				Brand struct {
					Name string `json:"name"`
				} `json:"brand"`
			} `json:"passwordless"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(cfg, &v); err != nil {
		t.Fatal(err)
	}
	return v.Apps.Passwordless.Brand.Name
}
