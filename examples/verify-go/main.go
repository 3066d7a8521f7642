// Command verify-go is an API that verifies the tokens of passwordless-auth:
// access tokens that clients send it, and the Remote-Jwt that the guard adds.
// It asks nobody about a token; it only reads the issuer's public keys.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"
)

// claims are what tokens say of the user. An assertion names no client.
type claims struct {
	jwt.RegisteredClaims
	ClientID string   `json:"client_id"`
	Email    string   `json:"email"`
	Groups   []string `json:"groups"`
}

// verifier accepts one kind of token for one audience.
type verifier struct {
	keys     keyfunc.Keyfunc
	typ      string // at+jwt or remote+jwt: one must never pass for the other
	audience string
	parser   *jwt.Parser
}

func newVerifier(keys keyfunc.Keyfunc, typ, issuer, audience string) *verifier {
	return &verifier{keys, typ, audience, jwt.NewParser(
		jwt.WithValidMethods([]string{"EdDSA"}), jwt.WithIssuer(issuer), jwt.WithAudience(audience),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(30*time.Second), jwt.WithStrictDecoding(),
	)}
}

func (v *verifier) verify(token string) (*claims, error) {
	var c claims
	_, err := v.parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		if t.Header["typ"] != v.typ {
			return nil, errors.New("another kind of token")
		}
		return v.keys.Keyfunc(t)
	})
	switch {
	case err != nil:
		return nil, err
	case len(c.Audience) != 1 || c.Subject == "":
		return nil, errors.New("not for us alone, or of nobody")
	}
	return &c, nil
}

// keysOf reads the issuer's keys: every five minutes, as their Cache-Control
// says, and when a token names one that is new, but not more often than every
// five seconds, whatever strangers send. RateLimitWaitMax bounds that reading,
// too.
func keysOf(issuer string) (keyfunc.Keyfunc, error) {
	return keyfunc.NewDefaultOverrideCtx(context.Background(), []string{issuer + "/.well-known/jwks.json"}, keyfunc.Override{
		RefreshInterval: 5 * time.Minute, HTTPTimeout: 10 * time.Second,
		RefreshUnknownKID: rate.NewLimiter(rate.Every(5*time.Second), 1), RateLimitWaitMax: 3 * time.Second,
	})
}

func main() {
	issuer := setting("ISSUER")
	keys, err := keysOf(issuer)
	if err != nil {
		fatal("reading the keys", err)
	}
	access := newVerifier(keys, "at+jwt", issuer, setting("AUDIENCE"))
	assertion := newVerifier(keys, "remote+jwt", issuer, setting("APP_ORIGIN"))
	client := setting("CLIENT_ID")

	// For programs: Authorization: Bearer, an access token of our own client.
	http.HandleFunc("GET /api/hello", func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		c, err := access.verify(token)
		if err == nil && c.ClientID != client {
			err = errors.New("a token of another client")
		}
		answer(w, c, err)
	})
	// For people, behind passwordless_guard with "assertion on".
	http.HandleFunc("GET /hello", func(w http.ResponseWriter, r *http.Request) {
		c, err := assertion.verify(r.Header.Get("Remote-Jwt"))
		answer(w, c, err)
	})
	server := &http.Server{Addr: setting("LISTEN"), ReadHeaderTimeout: 5 * time.Second}
	slog.Info("listening", "address", server.Addr)
	fatal("listening", server.ListenAndServe())
}

// answer tells who is here. Why a token is refused is for the log alone.
func answer(w http.ResponseWriter, c *claims, err error) {
	if err != nil {
		slog.Warn("refused", "why", err)
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, "not signed in", http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"sub": c.Subject, "email": c.Email, "groups": c.Groups})
}

func setting(name string) string {
	value := os.Getenv(name)
	if value == "" {
		fatal("reading the environment", errors.New("set "+name+"; README.md says what to"))
	}
	return value
}

func fatal(what string, err error) {
	slog.Error(what, "error", err)
	os.Exit(1)
}
