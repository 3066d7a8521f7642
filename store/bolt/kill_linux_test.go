package bolt

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/passwordless-auth/passwordless-auth/store"
)

// TestMain runs this test binary as one of the children below, or the tests.
func TestMain(m *testing.M) {
	path := os.Getenv("BOLT_TEST_FILE")
	switch os.Getenv("BOLT_TEST_CHILD") {
	case "writes":
		fmt.Fprintln(os.Stderr, childWrites(path))
		os.Exit(1)
	case "holds":
		fmt.Fprintln(os.Stderr, childHolds(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// child starts a child on the file. It dies with us.
func child(t *testing.T, name, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "BOLT_TEST_CHILD="+name, "BOLT_TEST_FILE="+path)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if _, err := cmd.StdinPipe(); err != nil { // open until Wait
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

// childWrites is the program that is killed: eight writers store records and
// take half of them. It says "put n" once record n is acknowledged, "try n"
// before it takes it and "took n" once that is acknowledged.
func childWrites(path string) error {
	db, err := Open(path, Options{})
	if err != nil {
		return err
	}
	var first uint64
	err = db.Update(context.Background(), func(tx store.Tx) error {
		c, err := tx.AddCounter("runs", 1, time.Unix(0, 0), time.Hour)
		first = uint64(c.Count) << 32
		return err
	})
	if err != nil {
		return err
	}
	failed := make(chan error)
	for w := range uint64(8) {
		go func() {
			for n := first + w; ; n += 8 {
				if err := writeAndSay(db, n); err != nil {
					failed <- err
				}
			}
		}()
	}
	return <-failed
}

func writeAndSay(db *DB, n uint64) error {
	ctx := context.Background()
	say := func(what string) error {
		_, err := fmt.Fprintf(os.Stdout, "%s %d\n", what, n)
		return err
	}
	err := db.Update(ctx, func(tx store.Tx) error {
		return tx.Put(store.KindTicket, key(n), n, time.Unix(1<<40, 0))
	})
	if err != nil {
		return err
	}
	if err := say("put"); err != nil || n%16 >= 8 {
		return err
	}
	if err := say("try"); err != nil {
		return err
	}
	err = db.Update(ctx, func(tx store.Tx) error {
		var got uint64
		return tx.Take(store.KindTicket, key(n), &got)
	})
	if err != nil {
		return err
	}
	return say("took")
}

// childHolds keeps the file open until its input ends.
func childHolds(path string) error {
	db, err := Open(path, Options{})
	if err != nil {
		return err
	}
	fmt.Println("open")
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, db.Close())
}

func TestKill9_ST2_NothingAcknowledgedIsLostNothingTakenComesBack(t *testing.T) {
	path := filepath.Join(private(t), "auth.db")
	said := map[string]map[uint64]bool{"put": {}, "try": {}, "took": {}}
	for range 12 {
		runUntilKilled(t, path, said)
		db, err := Open(path, Options{LockTimeout: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		err = db.View(t.Context(), func(tx store.Tx) error {
			for n := range said["put"] {
				var got uint64
				switch err := tx.Peek(store.KindTicket, key(n), &got); {
				case err == nil && said["took"][n]:
					t.Errorf("record %d was taken and came back", n)
				case errors.Is(err, store.ErrNotFound) && !said["try"][n]:
					t.Errorf("record %d was acknowledged and is lost", n)
				case err != nil && !errors.Is(err, store.ErrNotFound):
					return err
				}
			}
			return nil
		})
		if err := errors.Join(err, db.Check(t.Context()), db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if len(said["put"]) == 0 || len(said["took"]) == 0 {
		t.Errorf("%d put, %d taken: nothing was tried", len(said["put"]), len(said["took"]))
	}
}

// runUntilKilled kills the child after a random number of lines, and notes all
// that it said.
func runUntilKilled(t *testing.T, path string, said map[string]map[uint64]bool) {
	t.Helper()
	var random [2]byte
	_, _ = rand.Read(random[:])
	left := int(binary.BigEndian.Uint16(random[:]))%1500 + 1
	cmd, lines := child(t, "writes", path)
	for lines.Scan() {
		var what string
		var n uint64
		if _, err := fmt.Sscanf(lines.Text(), "%s %d", &what, &n); err != nil || said[what] == nil {
			t.Errorf("child said %q", lines.Text())
			continue
		}
		said[what][n] = true
		if left--; left == 0 {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("child ended by itself: %v", err)
	}
}

func TestOpen_ST5_LockedByAnotherProcess(t *testing.T) {
	path := filepath.Join(private(t), "auth.db")
	cmd, lines := child(t, "holds", path)
	if !lines.Scan() || lines.Text() != "open" {
		t.Fatalf("child said %q", lines.Text())
	}
	begin := time.Now()
	err := refusedOpen(t, path)
	if !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("got %v, want ErrLocked", err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %v to say so", took)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	mustOpen(t, path)
}
