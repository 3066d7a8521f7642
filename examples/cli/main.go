// Command cli signs in from a terminal, over the JSON API of passwordless-auth:
// by a mailed code, and a second step where the account has one. It keeps a
// refresh token, and trades it for an access token when one is needed.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

const usage = `cli signs in with passwordless-auth and calls its API.

  cli [-url https://auth.example.com] [-client NAME] login [ADDRESS]
  cli me        who is signed in
  cli token     a fresh access token, alone on standard output
  cli logout    end the session

AUTH_URL and AUTH_CLIENT stand for the flags. NAME is needless where the server
has one client, or one called default.
`

func main() {
	c := &cli{in: bufio.NewReader(os.Stdin), out: os.Stdout, ask: os.Stderr}
	err := c.run(os.Args[1:])
	switch {
	case err == nil:
	case errors.Is(err, errUsage):
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "cli:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("not understood")

type cli struct {
	in  *bufio.Reader
	out io.Writer // answers
	ask io.Writer // questions: a pipe from out gets answers only
}

func (c *cli) run(args []string) error {
	flags := flag.NewFlagSet("cli", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	url := flags.String("url", os.Getenv("AUTH_URL"), "")
	client := flags.String("client", os.Getenv("AUTH_CLIENT"), "")
	if flags.Parse(args) != nil || flags.NArg() == 0 || flags.NArg() > 2 || flags.NArg() == 2 && flags.Arg(0) != "login" {
		return errUsage
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return fmt.Errorf("finding your configuration folder: %w", err)
	}
	k := &keeper{dir: filepath.Join(dir, "passwordless-cli")}
	switch flags.Arg(0) {
	case "login":
		return c.login(k, *url, *client, flags.Arg(1))
	case "me":
		return c.withTokens(k, func(s *server, t *tokens) error { return c.me(s, t) })
	case "token":
		return c.withTokens(k, func(_ *server, t *tokens) error {
			_, err := fmt.Fprintln(c.out, printable(t.AccessToken))
			return err
		})
	case "logout":
		return c.logout(k)
	}
	return errUsage
}

// login signs in, and ends the session before.
func (c *cli) login(k *keeper, url, client, address string) error {
	before, err := k.load()
	if err != nil && !errors.Is(err, errSignedOut) {
		return err
	}
	s, err := newServer(cmp.Or(url, before.URL))
	if err != nil {
		return err
	}
	if address == "" {
		if address, err = c.question("E-mail address"); err != nil {
			return err
		}
	}
	flow, err := s.startEmail(address, client)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.ask, "A code is on its way to %s. It is good for %d minutes.\n", address, flow.ExpiresIn/60)
	t, err := c.code(s, flow.Flow)
	if err != nil {
		return err
	}
	if t.Next == "passkey" {
		return fmt.Errorf("a recovery code lets you add a passkey and nothing else: do that in a browser, at %s/login", s.url)
	}
	err = k.alone(func() error {
		if before, err := k.load(); err == nil {
			_ = end(before) // it may be over already
		}
		return k.save(saved{URL: s.url, RefreshToken: t.RefreshToken})
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.out, "Signed in as", printable(t.User.Email))
	return err
}

// code asks for the code until it is right, or spent.
func (c *cli) code(s *server, flow string) (*tokens, error) {
	for {
		code, err := c.question("Code")
		if err != nil {
			return nil, err
		}
		t, err := s.step("/api/login/email/verify", flow, code)
		switch {
		case isProblem(err, "CODE_INVALID"):
			fmt.Fprintln(c.ask, err)
		case err != nil:
			return nil, err
		case t.Flow != "":
			return c.second(s, t)
		default:
			return t, nil
		}
	}
}

var sixDigits = regexp.MustCompile(`^[0-9]{6}$`)

// second asks for the second step that an account owes.
func (c *cli) second(s *server, owed *tokens) (*tokens, error) {
	if len(owed.Methods) == 0 {
		return nil, fmt.Errorf("this account signs in by passkey, which a terminal cannot: open %s/login in a browser", s.url)
	}
	for {
		proof, err := c.question("Code of your authenticator app, or a recovery code")
		if err != nil {
			return nil, err
		}
		path := "/api/login/recovery"
		if proof = strings.ReplaceAll(proof, " ", ""); sixDigits.MatchString(proof) {
			path = "/api/login/totp"
		}
		t, err := s.step(path, owed.Flow, proof)
		if !isProblem(err, "TOTP_INVALID") && !isProblem(err, "RECOVERY_INVALID") {
			return t, err
		}
		fmt.Fprintln(c.ask, err)
	}
}

// withTokens does something with fresh tokens.
func (c *cli) withTokens(k *keeper, do func(*server, *tokens) error) error {
	return k.alone(func() error {
		kept, err := k.load()
		if err != nil {
			return err
		}
		s, err := newServer(kept.URL)
		if err != nil {
			return err
		}
		t, err := s.refresh(kept.RefreshToken)
		if isProblem(err, "TOKEN_INVALID") || isProblem(err, "TOKEN_REUSED") {
			return errors.Join(err, k.forget(), errSignedOut)
		}
		if err != nil {
			return err
		}
		// First of all: the one that was sent is spent.
		if err := k.save(saved{URL: kept.URL, RefreshToken: t.RefreshToken}); err != nil {
			return err
		}
		return do(s, t)
	})
}

func (c *cli) me(s *server, t *tokens) error {
	var user json.RawMessage
	if err := s.do(request{method: "GET", path: "/api/me", bearer: t.AccessToken}, &user); err != nil {
		return err
	}
	_, err := fmt.Fprintln(c.out, printable(string(user)))
	return err
}

// logout ends the session. Whatever the server says, it is over here.
func (c *cli) logout(k *keeper) error {
	return k.alone(func() error {
		kept, err := k.load()
		if err != nil {
			return err
		}
		err = end(kept)
		if isProblem(err, "TOKEN_INVALID") || isProblem(err, "TOKEN_REUSED") {
			err = nil // it was over
		}
		if err = errors.Join(err, k.forget()); err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.out, "Signed out.")
		return err
	})
}

// end ends a kept session. Only a session token can, and a refresh makes one.
func end(kept saved) error {
	s, err := newServer(kept.URL)
	if err != nil {
		return err
	}
	t, err := s.refresh(kept.RefreshToken)
	if err != nil {
		return err
	}
	return s.do(request{method: "POST", path: "/api/logout", bearer: t.SessionToken, body: struct{}{}}, nil)
}

func (c *cli) question(text string) (string, error) {
	fmt.Fprint(c.ask, text+": ")
	line, err := c.in.ReadString('\n')
	if line = strings.TrimSpace(line); line == "" {
		if err == nil || errors.Is(err, io.EOF) {
			err = errors.New("nothing was typed")
		}
		return "", err
	}
	return line, nil
}
