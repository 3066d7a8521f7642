package test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

const module = "github.com/passwordless-auth/passwordless-auth"

// arrow forbids imports. A path starting with "/" is ours; a trailing "/..."
// covers everything below it.
type arrow struct {
	from   string
	never  []string
	direct bool // only what the package itself names; what its imports bring along is their affair
	reason string
}

// testOnly are packages of test code in ordinary files, so that several packages can
// share them. The rows for "/..." are about what ships and leave them out.
var testOnly = []string{"/store/storetest", "/store/bolt/bolttest", "/test/...", "/bench/..."}

// arrows is the diagram of docs/architecture.md as a table:
// cmd → caddymodule → portal, forwardauth, outbox → authcore → store, nothing backwards,
// siblings never. Tests of a package may reach further; the shipped code may not.
var arrows = []arrow{
	{from: "/...", never: append([]string{"testing"}, testOnly...), reason: "the conformance suite and the harness carry faults and test servers; only tests may link them"},
	{from: "/...", never: []string{"math/rand", "math/rand/v2"}, direct: true, reason: "CR-1: a token from a predictable generator is no token"},
	{from: "/...", never: []string{"/cmd/passwordless-auth"}, reason: "the binary is the last thing assembled; nothing depends on how it is started"},

	{from: "/cmd/passwordless-auth", never: []string{"/authcore/...", "/store/..."}, direct: true, reason: "the command turns environment and flags into one configuration; everything else is the module's, so that a custom Caddy has it too"},

	{from: "/caddymodule", never: []string{"/store/storetest", "html/template", "go.etcd.io/bbolt", "github.com/go-webauthn/..."}, direct: true, reason: "the module translates between Caddy and the core; pages, buckets and ceremonies live below it"},

	{from: "/caddymodule/internal/doctor", never: []string{"/...", "github.com/caddyserver/..."}, reason: "doctor knows a deployment by its answers; what it imported it could not find broken"},

	{from: "/authcore", never: []string{"/caddymodule/...", "/authcore/portal/...", "/authcore/forwardauth/...", "/authcore/outbox/..."}, reason: "the core does not know who asks or who delivers"},
	{from: "/authcore", never: []string{"github.com/caddyserver/..."}, reason: "sign-in outlives any one host program, and is tested without starting it"},
	{from: "/authcore", never: []string{"/store/bolt", "/store/postgres", "go.etcd.io/bbolt", "github.com/jackc/..."}, reason: "the core speaks to the Store interface, so every backend gives the same answers"},
	{from: "/authcore", never: []string{"html/template", "text/template"}, direct: true, reason: "what people read is the portal's and the outbox's"},

	{from: "/authcore/portal", never: []string{"/store/...", "/authcore/outbox/...", "/caddymodule/..."}, direct: true, reason: "a handler parses, asks the core and answers; it counts and stores nothing"},
	{from: "/authcore/portal", never: []string{"github.com/caddyserver/...", "go.etcd.io/bbolt", "/authcore/outbox/...", "/authcore/forwardauth/...", "/caddymodule/..."}, reason: "pages are plain HTTP handlers, testable without Caddy; siblings meet in the core only"},

	{from: "/authcore/forwardauth", never: []string{"/store/...", "html/template"}, direct: true, reason: "a vocabulary is turned into one question to the core; the answer that people read is the portal's"},
	{from: "/authcore/forwardauth", never: []string{"github.com/caddyserver/...", "go.etcd.io/bbolt", "/authcore/portal/...", "/authcore/outbox/...", "/caddymodule/..."}, reason: "each vocabulary is tested raw, without Caddy; siblings meet in the core only"},

	{from: "/authcore/outbox", never: []string{"github.com/caddyserver/...", "go.etcd.io/bbolt", "/authcore/portal/...", "/authcore/forwardauth/...", "/caddymodule/..."}, reason: "delivery never runs inside a request; siblings meet in the core only"},

	{from: "/authcore/internal/...", never: []string{"/..."}, reason: "a leaf is one idea that can be read, fuzzed and trusted alone"},
	{from: "/authcore/ratelimit", never: []string{"/store/...", "/caddymodule/...", "github.com/caddyserver/..."}, reason: "request counters live in memory and know no request"},
	{from: "/authcore/sessioncache", never: []string{"/store/...", "/caddymodule/...", "net/http", "github.com/caddyserver/..."}, reason: "a hit does no I/O, so the cache cannot even name what would"},

	{from: "/store", never: []string{"/..."}, reason: "everybody above imports the records; the records import nobody"},
	{from: "/store", never: []string{"net/http", "log", "log/slog", "go.etcd.io/bbolt"}, direct: true, reason: "records and contracts only: no policy, no logging, no backend"},
	{from: "/store/bolt", never: []string{"/authcore/...", "/caddymodule/...", "/store/postgres"}, reason: "a backend knows the contract, never who uses it or another backend"},
	{from: "/store/storetest", never: []string{"/store/bolt", "/store/postgres", "/authcore/...", "/caddymodule/..."}, reason: "the suite holds for any backend, so it knows none by name"},
}

// boltUsers may name the embedded backend; everybody else gets a store.Store.
var boltUsers = []string{"/caddymodule"}

// goPackage is what `go list -json` says of a package (go help list).
type goPackage struct {
	ImportPath string
	Doc        string // first sentence of the package comment
	Imports    []string
	Deps       []string
}

// listPackages asks the go command for every package of the module.
func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Doc,Imports,Deps", "./...")
	cmd.Dir = harness.Root(t)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		t.Fatal(err)
	}
	var packages []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// matches says whether the import path is covered by the pattern.
func matches(pattern, path string) bool {
	if strings.HasPrefix(pattern, "/") {
		pattern = module + pattern
	}
	if below, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == below || strings.HasPrefix(path, below+"/")
	}
	return path == pattern
}

func anyMatches(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return matches(pattern, path) })
}

// broken lists the imports of p that the arrow forbids.
func (a arrow) broken(p goPackage) []string {
	imports := p.Deps
	if a.direct {
		imports = p.Imports
	}
	var found []string
	for _, path := range imports {
		if path != p.ImportPath && anyMatches(a.never, path) {
			found = append(found, path)
		}
	}
	return found
}

func TestArrows_ImportsPointOneWay(t *testing.T) {
	packages := listPackages(t)
	for _, a := range arrows {
		present := false
		for _, p := range packages {
			if !matches(a.from, p.ImportPath) {
				continue
			}
			present = true
			if a.from == "/..." && anyMatches(testOnly, p.ImportPath) {
				continue
			}
			for _, path := range a.broken(p) {
				t.Errorf("%s imports %s: %s", p.ImportPath, path, a.reason)
			}
		}
		if !present {
			t.Errorf("%s is gone; its arrow guards nothing any more", a.from)
		}
	}
}

func TestArrows_OnlyTheModuleNamesABackend(t *testing.T) {
	for _, p := range listPackages(t) {
		allowed := anyMatches(boltUsers, p.ImportPath) || anyMatches(testOnly, p.ImportPath)
		if !allowed && slices.Contains(p.Imports, module+"/store/bolt") {
			t.Errorf("%s imports store/bolt; the one place that opens stores is %v", p.ImportPath, boltUsers)
		}
	}
}

// The table itself is tested on an invented tree, so that a mistake in the
// matching does not pass as a clean result.
func TestArrows_ForbiddenImportIsFound(t *testing.T) {
	p := goPackage{
		ImportPath: module + "/authcore",
		Imports:    []string{"fmt", module + "/store"},
		Deps:       []string{"fmt", module + "/store", "go.etcd.io/bbolt", "github.com/caddyserver/caddy/v2/modules"},
	}
	for _, c := range []struct {
		arrow arrow
		want  int
	}{
		{arrow{never: []string{"go.etcd.io/bbolt"}}, 1},
		{arrow{never: []string{"go.etcd.io/bbolt"}, direct: true}, 0},
		{arrow{never: []string{"github.com/caddyserver/..."}}, 1},
		{arrow{never: []string{"/..."}}, 1},
		{arrow{never: []string{"/stor/...", "/store/bolt"}}, 0},
	} {
		if got := c.arrow.broken(p); len(got) != c.want {
			t.Errorf("%v found %v", c.arrow.never, got)
		}
	}
}

func TestPackages_SayWhatTheyAreFor(t *testing.T) {
	for _, p := range listPackages(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}
