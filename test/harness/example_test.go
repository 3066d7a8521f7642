package harness

import (
	"strings"
	"testing"
)

func TestExample_SectionsAreComplete(t *testing.T) {
	for section, want := range map[string]struct{ globals, sites string }{
		"sidecar": {"smtp mail.example.com:587 {", "app.example.com\npasswordless_guard\nreverse_proxy localhost:8080\n"},
		"portal":  {"portal https://auth.example.com", "auth.example.com {\n\tpasswordless_portal\n}\n"},
	} {
		t.Run(section, func(t *testing.T) {
			globals, sites := Example(t, section)
			if !strings.HasPrefix(globals, "\tpasswordless {\n") || !strings.HasSuffix(globals, "\n\t}") || !strings.Contains(globals, want.globals) {
				t.Errorf("globals:\n%s", globals)
			}
			if !strings.HasPrefix(sites, want.sites) || strings.Contains(sites, "#") {
				t.Errorf("sites:\n%s", sites)
			}
		})
	}
}

func TestExample_SidecarIsTenLinesAtMost(t *testing.T) {
	globals, sites := Example(t, "sidecar")
	text := "{\n" + globals + "\n}\n" + strings.TrimSpace(sites)
	if n := strings.Count(text, "\n") + 1; n > 10 {
		t.Errorf("%d lines", n)
	}
}
