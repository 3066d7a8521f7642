package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// server is the portal's JSON API (docs/api.md).
type server struct {
	url  string
	http *http.Client
}

// tokens is what the API answers to a step of a sign-in, and to a refresh. With
// Flow set, nobody is signed in yet, and one of Methods is owed.
type tokens struct {
	Flow    string   `json:"flow"`
	Methods []string `json:"methods"`

	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	SessionToken string `json:"session_token"`
	Next         string `json:"next"`
	User         struct {
		Email string `json:"email"`
	} `json:"user"`
}

type mailed struct {
	Flow      string `json:"flow"`
	ExpiresIn int    `json:"expires_in"` // seconds
}

// newServer checks the address: tokens never travel in the clear, but to this machine.
func newServer(address string) (*server, error) {
	if address == "" {
		return nil, errors.New("which server? Say -url https://auth.example.com, or set AUTH_URL")
	}
	u, err := url.Parse(strings.TrimSuffix(address, "/"))
	if err != nil || u.Host == "" || u.Path != "" || u.User != nil || u.RawQuery != "" {
		return nil, fmt.Errorf("%q is no address of a server; it looks like https://auth.example.com", address)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !local(u.Hostname())) {
		return nil, fmt.Errorf("%s: it must be https", address)
	}
	return &server{url: u.String(), http: &http.Client{
		Transport:     &http.Transport{DialContext: dial, Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// local reports whether a name is this machine's (RFC 6761, 6.3).
func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// dial finds names below localhost, which not every resolver knows.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	if host, port, err := net.SplitHostPort(address); err == nil && strings.HasSuffix(host, ".localhost") {
		address = net.JoinHostPort("localhost", port)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// problem is a refusal (RFC 9457). Programs decide by its code; people read the rest.
type problem struct {
	Title     string `json:"title"`
	Detail    string `json:"detail"`
	Status    int    `json:"status"`
	Code      string `json:"code"`
	RequestID string `json:"request_id"`

	retryAfter string
}

func (p *problem) Error() string {
	text := p.Title + ". " + p.Detail
	if p.retryAfter != "" {
		text += " Try again in " + p.retryAfter + " seconds."
	}
	if p.Status >= 500 && p.RequestID != "" {
		text += " (request " + p.RequestID + ")"
	}
	return printable(text)
}

// printable is a server's text without what a terminal would obey.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
}

func isProblem(err error, code string) bool {
	var p *problem
	return errors.As(err, &p) && p.Code == code
}

// startEmail asks for a mail. One key for all attempts: one mail.
func (s *server) startEmail(address, client string) (*mailed, error) {
	body := struct {
		Email    string `json:"email"`
		ClientID string `json:"client_id,omitempty"`
	}{address, client}
	var out mailed
	key := rand.Text()
	return &out, again(func(patience time.Duration) error {
		return s.do(request{method: "POST", path: "/api/login/email", key: key, body: body, patience: patience}, &out)
	})
}

// step sends what the person typed.
func (s *server) step(path, flow, code string) (*tokens, error) {
	var out tokens
	return &out, s.do(request{method: "POST", path: path, body: map[string]string{"flow": flow, "code": code}}, &out)
}

// refresh trades a refresh token for new tokens. Should the answer be lost, the
// spent one gives the same ones for ten seconds more.
func (s *server) refresh(token string) (*tokens, error) {
	var out tokens
	return &out, again(func(patience time.Duration) error {
		return s.do(request{method: "POST", path: "/api/token/refresh", body: map[string]string{"refresh_token": token}, patience: patience}, &out)
	})
}

// How long an answer may take. The first of two attempts gives up so early that
// the second comes within the grace of a refresh.
const quick, slow = 4 * time.Second, 30 * time.Second

var errNoAnswer = errors.New("no answer")

// again repeats a request that met no answer, or half of one, once.
func again(try func(patience time.Duration) error) error {
	err := try(quick)
	if errors.Is(err, errNoAnswer) {
		time.Sleep(time.Second)
		err = try(slow)
	}
	return err
}

// request is one call of the API.
type request struct {
	method, path string
	bearer       string        // session or access token, or ""
	key          string        // Idempotency-Key, or ""
	body         any           // JSON, or nil
	patience     time.Duration // for the answer; 0: slow
}

// do sends a request and reads the answer into out, or a problem.
func (s *server) do(r request, out any) error {
	var body io.Reader
	if r.body != nil {
		text, err := json.Marshal(r.body)
		if err != nil {
			return fmt.Errorf("writing a request: %w", err)
		}
		body = bytes.NewReader(text)
	}
	ctx, stop := context.WithTimeout(context.Background(), cmp.Or(r.patience, slow))
	defer stop()
	req, err := http.NewRequestWithContext(ctx, r.method, s.url+r.path, body)
	if err != nil {
		return fmt.Errorf("making a request: %w", err)
	}
	req.Header.Set("User-Agent", "passwordless-cli")
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+r.bearer)
	}
	if r.key != "" {
		req.Header.Set("Idempotency-Key", r.key)
	}
	res, err := s.http.Do(req)
	if err != nil {
		return fmt.Errorf("%w from %s: %w", errNoAnswer, s.url, err)
	}
	defer res.Body.Close()
	return read(res, s.url, out)
}

func read(res *http.Response, server string, out any) error {
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("%w from %s: %w", errNoAnswer, server, err)
	}
	if res.StatusCode > 299 {
		p := &problem{Status: res.StatusCode, retryAfter: res.Header.Get("Retry-After")}
		if json.Unmarshal(text, p) != nil || p.Code == "" {
			return fmt.Errorf("%s answers %s, which is not the API: is it the sign-in server's address?", server, printable(res.Status))
		}
		return p
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s answers what is not the API's: is it the sign-in server's address? %w", server, err)
	}
	return nil
}
