package caddymodule

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write what the adapter says into the goldens")

func adapt(t testing.TB, caddyfile string) ([]byte, error) {
	t.Helper()
	cfg, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	return cfg, err
}

// Each golden is a Caddyfile and either the JSON it becomes or the whole error.
func TestAdapt_Goldens(t *testing.T) {
	files, err := filepath.Glob("testdata/adapt/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := txtar.File{Name: "json"}
			cfg, err := adapt(t, string(section(t, ar, "Caddyfile")))
			if err != nil {
				got.Name, got.Data = "error", []byte(err.Error()+"\n")
			} else {
				var pretty bytes.Buffer
				if err := json.Indent(&pretty, cfg, "", "  "); err != nil {
					t.Fatal(err)
				}
				got.Data = append(pretty.Bytes(), '\n')
			}
			if *update {
				ar.Files = []txtar.File{ar.Files[0], got}
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := section(t, ar, got.Name); !bytes.Equal(got.Data, want) {
				t.Errorf("%s:\n%s\nwant:\n%s", got.Name, got.Data, want)
			}
		})
	}
}

func section(t *testing.T, ar *txtar.Archive, name string) []byte {
	t.Helper()
	i := slices.IndexFunc(ar.Files, func(f txtar.File) bool { return f.Name == name })
	if i < 0 {
		t.Fatalf("no section %q", name)
	}
	return ar.Files[i].Data
}

// A word without a golden is a word whose meaning can change unseen.
func TestAdapt_EveryWordHasAGolden(t *testing.T) {
	accepted, refused := make(map[string]bool), make(map[string]bool)
	files, err := filepath.Glob("testdata/adapt/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		seen := accepted
		if ar.Files[1].Name == "error" {
			seen = refused
		}
		for line := range strings.Lines(string(section(t, ar, "Caddyfile"))) {
			if f := strings.Fields(line); len(f) > 0 {
				seen[f[0]] = true
			}
		}
	}
	app, guard, path := new(App), new(Guard), new(Path)
	for _, block := range []words{
		app.words(), app.SMTP.words(), app.Session.words(), app.API.words(), app.Limits.words(), app.Brand.words(),
		guard.words(), guard.Headers.words(), path.words(), new(SecurityHeaders).words(),
	} {
		for w := range block {
			if !accepted[w] {
				t.Errorf("no golden uses %s", w)
			}
		}
	}
	for w := range strings.FieldsSeq(string(laterOptions)) {
		if !refused[w] {
			t.Errorf("no golden shows that %s is refused", w)
		}
	}
}

func TestNearest_ForgivesSlipsAndNoMore(t *testing.T) {
	known := []string{"portal", "session", "api", "admins", "per_user"}
	for in, want := range map[string]string{
		"portals": "portal", "potral": "portal", "Portal": "portal", "sesion": "session", "peruser": "per_user",
		"admin": "admins", "apis": "api", "sess": "session", "ap": "", "database": "", "": "", "x": "",
	} {
		if got := nearest(in, slices.Clone(known)); got != want {
			t.Errorf("nearest(%q) = %q, want %q", in, got, want)
		}
	}
}
