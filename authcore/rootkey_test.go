package authcore

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestRootKey_SecretMustBeLongAndNobodyElses_CR3(t *testing.T) {
	good := "k9Tq2Zx7LwPf4RbN8vYc3JmHs6DgUaEo"
	a, err := RootKeyFromSecret(good)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := RootKeyFromSecret(good); a != b {
		t.Error("the same secret gives two keys")
	}
	if b, _ := RootKeyFromSecret(good + "x"); a == b {
		t.Error("two secrets give the same key")
	}
	for _, bad := range []string{
		"", "short", good[:31], strings.Repeat("a", 64), strings.Repeat("abc123", 12), "your-super-secret-jwt-key-at-least-32-chars",
		"CHANGE-ME-please-k9Tq2Zx7LwPf4RbN8vYc", "0123456789abcdef0123456789abcdef",
	} {
		_, err := RootKeyFromSecret(bad)
		if err == nil {
			t.Errorf("%q is accepted", bad)
		} else if len(bad) > 8 && strings.Contains(err.Error(), bad) {
			t.Errorf("LG-1: the error repeats the secret: %v", err)
		}
	}
}

func TestRootKey_IsNeverPrinted_LG1(t *testing.T) {
	key := RootKey{1, 2, 3, 250}
	for _, s := range []string{fmt.Sprint(key), fmt.Sprintf("%v %+v %#v %s", key, key, key, key), fmt.Sprint(&key)} {
		if strings.Contains(s, "250") || strings.Contains(s, "fa") {
			t.Errorf("printed as %s", s)
		}
	}
}

func TestLoadRootKey_MakesItOnceForThisUserOnly_ST1(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.key")
	keys := make([]RootKey, 16)
	var wg sync.WaitGroup
	for i := range keys { // processes that start at once agree
		wg.Go(func() {
			var err error
			if keys[i], err = LoadRootKey(path, rand.Reader, slog.New(slog.DiscardHandler)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, k := range keys {
		if k != keys[0] || k == (RootKey{}) {
			t.Fatal("two starts got two keys")
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("%d files are left beside it", len(left)-1)
	}
}

func TestLoadRootKey_RefusesWhatIsNotOne(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := strings.Repeat("A", 43) + "="
	for name, path := range map[string]string{
		"open to all":      write("a", key, 0o644),
		"writable by all":  write("b", key, 0o602),
		"empty":            write("c", "", 0o600),
		"short":            write("d", "AAAA", 0o600),
		"long":             write("e", key+key, 0o600),
		"not base64":       write("f", strings.Repeat("!", 44), 0o600),
		"a directory":      dir,
		"in a missing dir": filepath.Join(dir, "no", "auth.key"),
	} {
		if _, err := LoadRootKey(path, rand.Reader, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if _, err := LoadRootKey(write("g", key+"\n", 0o600), rand.Reader, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
}

type brokenRand struct{}

func (brokenRand) Read([]byte) (int, error) { return 0, errors.New("no randomness") }

func TestLoadRootKey_WithoutRandomnessMakesNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "auth.key")
	if _, err := LoadRootKey(path, brokenRand{}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a key was made of nothing")
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a file was made")
	}
}
