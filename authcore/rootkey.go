package authcore

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// RootKey wraps every key in the store. It is never in the store or a backup.
type RootKey [32]byte

// String keeps it out of logs.
func (RootKey) String() string { return "[redacted]" }

// GoString keeps it out of logs.
func (RootKey) GoString() string { return "[redacted]" }

// example matches what guides and samples write where a secret belongs; whoever
// deploys one of those shares it with every reader (CR-3). No secret made at
// random meets it but by a chance of one in millions.
var example = regexp.MustCompile(`(?i)^(your|my)[-_ .]|^<|(change|replace)[-_ .]?(me|this)|please[-_ .]change|placeholder|insecure|` +
	`example|secret[-_ ]?key|(super|your)[-_ ]?secret|jwt[-_ ]?secret|(min|minimum|least)[-_ ]32|password|0123456789|abcdefgh`)

// RootKeyFromSecret derives the root key from a configured secret (JWT_SECRET)
// of at least 32 bytes. Placeholders are refused; no error shows the secret.
func RootKeyFromSecret(secret string) (RootKey, error) {
	const hint = "; make one with: openssl rand -base64 48"
	distinct := map[byte]bool{}
	for i := range len(secret) {
		distinct[secret[i]] = true
	}
	switch {
	case example.MatchString(secret):
		return RootKey{}, errors.New("this secret is an example that everybody can read" + hint)
	case len(secret) < 32:
		return RootKey{}, fmt.Errorf("the secret has %d bytes and must have 32 or more%s", len(secret), hint)
	case len(distinct) < 10:
		return RootKey{}, errors.New("the secret repeats a few characters" + hint)
	}
	return sha256.Sum256([]byte("passwordless-auth root key v1\x00" + secret)), nil
}

// LoadRootKey reads the key file, making it (0600, 32 random bytes, base64)
// when it does not exist.
func LoadRootKey(path string, rand io.Reader, log *slog.Logger) (RootKey, error) {
	var key RootKey
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return createRootKey(path, rand, log)
	}
	if err != nil {
		return key, fmt.Errorf("reading the root key: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return key, fmt.Errorf("reading the root key: %w", err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return key, fmt.Errorf("%s is open to every user of this machine (mode %04o): chmod 600 it", path, info.Mode().Perm())
	}
	if info.Mode().Perm()&0o070 != 0 { // container volumes often have group bits (ST-1)
		log.Warn("the group can reach the root key; unless that is wanted, run: chmod 600 "+path, "path", path, "mode", fmt.Sprintf("%04o", info.Mode().Perm()))
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(data)))
	if err != nil || len(raw) != len(key) {
		return key, fmt.Errorf("%s does not hold a root key (32 bytes in base64): put the right file back, or move it away to start with a new key", path)
	}
	copy(key[:], raw)
	return key, nil
}

func createRootKey(path string, rand io.Reader, log *slog.Logger) (RootKey, error) {
	var key RootKey
	if _, err := io.ReadFull(rand, key[:]); err != nil {
		return key, fmt.Errorf("making the root key: %w", err)
	}
	// Written beside and linked into place: a crash leaves no half key, and of
	// two processes that start at once one wins and the other reads.
	f, err := os.CreateTemp(filepath.Dir(path), ".auth.key-*") // mode 0600
	if err != nil {
		return key, fmt.Errorf("making the root key: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(key[:]) + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return key, fmt.Errorf("making the root key: %w", err)
	}
	switch err := os.Link(f.Name(), path); {
	case errors.Is(err, fs.ErrExist):
		return LoadRootKey(path, rand, log)
	case err != nil:
		// Some network and desktop volumes have no hard links. Whoever is here
		// holds the lock of the database beside the key, so nobody is overtaken.
		if err := os.Rename(f.Name(), path); err != nil {
			return key, fmt.Errorf("making the root key: %w", err)
		}
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return key, fmt.Errorf("making the root key: %w", err)
	}
	return key, nil
}

// syncDir makes a new name durable: keys that are stored under a root key which
// a power cut took away could never be opened again (ST-2).
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
