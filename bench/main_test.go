package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestParseFlags_APeerIsAProgramThatIsThere(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("tinyauth", []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("notes", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := parseFlags([]string{"-quick", "-peers", "tinyauth=./tinyauth"})
	if err != nil || !filepath.IsAbs(o.peers["tinyauth"]) || filepath.Base(o.peers["tinyauth"]) != "tinyauth" {
		t.Errorf("got %v, %v", o.peers, err)
	}
	for _, list := range []string{"tinyauth=./nowhere", "tinyauth=./notes", "keycloak=./tinyauth"} {
		if _, err := parseFlags([]string{"-peers", list}); err == nil {
			t.Errorf("took %s", list)
		}
	}
}
