package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// keeper keeps the session in a file that only its owner can read, in a folder
// of their configuration. Whoever reads it is them, until it is used or ended.
type keeper struct{ dir string }

type saved struct {
	URL          string `json:"url"`
	RefreshToken string `json:"refresh_token"`
}

var errSignedOut = errors.New("you are not signed in: cli login")

func (k *keeper) file() string { return filepath.Join(k.dir, "session.json") }

func (k *keeper) load() (saved, error) {
	var s saved
	text, err := os.ReadFile(k.file())
	if errors.Is(err, fs.ErrNotExist) {
		return s, errSignedOut
	}
	if err != nil {
		return s, fmt.Errorf("reading the session: %w", err)
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("reading the session in %s: %w", k.file(), err)
	}
	return s, nil
}

// save replaces the file in one step: a crash leaves the old one or the new one.
func (k *keeper) save(s saved) error {
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("writing the session: %w", err)
	}
	next, err := os.CreateTemp(k.dir, "session-*") // mode 0600
	if err != nil {
		return fmt.Errorf("writing the session: %w", err)
	}
	_, err = next.Write(text)
	if err = errors.Join(err, next.Sync(), next.Close()); err == nil {
		err = os.Rename(next.Name(), k.file())
	}
	if err != nil {
		_ = os.Remove(next.Name())
		return fmt.Errorf("writing the session: %w", err)
	}
	return nil
}

func (k *keeper) forget() error {
	if err := os.Remove(k.file()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the session: %w", err)
	}
	return nil
}

// lockAge is how old a lock is that nobody holds any more. No work takes a minute.
const lockAge = 2 * time.Minute

// alone runs work while no other cli does: two that use one refresh token look
// like a thief and his victim, and the server ends the session.
func (k *keeper) alone(work func() error) error {
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return fmt.Errorf("making a folder for the session: %w", err)
	}
	name := filepath.Join(k.dir, "lock")
	for {
		lock, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			_ = lock.Close()
			defer func() { _ = os.Remove(name) }() // what is left is removed by its age
			return work()
		}
		if !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("locking the session: %w", err)
		}
		if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > lockAge {
			_ = os.Remove(name) // a crash left it behind
		}
		time.Sleep(20 * time.Millisecond)
	}
}
