package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore"
	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// Each table of words in the documents is compared, both ways, with what the
// code knows: grammar, variables, commands, problem codes.

// tableAfter returns, from the table that follows a comment, the first code
// span of each row.
func tableAfter(t *testing.T, doc, comment string) []string {
	t.Helper()
	_, rest, found := strings.Cut(readDoc(t, doc), "<!-- "+comment+" -->\n")
	table, _, _ := strings.Cut(rest, "\n\n")
	var spans []string
	for line := range strings.Lines(table) {
		if _, cell, ok := strings.Cut(line, "| `"); ok && strings.HasPrefix(line, "| `") {
			span, _, _ := strings.Cut(cell, "`")
			spans = append(spans, span)
		}
	}
	if !found || len(spans) == 0 {
		t.Fatalf("%s has no table after <!-- %s -->", doc, comment)
	}
	return spans
}

func firstWords(spans []string) []string {
	words := make([]string, len(spans))
	for i, s := range spans {
		words[i], _, _ = strings.Cut(s, " ")
	}
	return words
}

// sameSet complains about each member that only one side has.
func sameSet(t *testing.T, what string, documented, known []string) {
	t.Helper()
	for _, w := range known {
		if !slices.Contains(documented, w) {
			t.Errorf("%s: %s is not documented", what, w)
		}
	}
	for _, w := range documented {
		if !slices.Contains(known, w) {
			t.Errorf("%s: %s is documented and does not exist", what, w)
		}
	}
}

// parsed calls visit with each declaration of the Go files that match.
func parsed(t *testing.T, pattern string, visit func(ast.Node)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(harness.Root(t), filepath.FromSlash(pattern)))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool { visit(n); return true })
	}
}

// texts are the string literals directly in the list; for key: value pairs, of
// the keys.
func texts(list []ast.Expr) []string {
	var out []string
	for _, e := range list {
		if pair, ok := e.(*ast.KeyValueExpr); ok {
			e = pair.Key
		}
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if s, err := strconv.Unquote(lit.Value); err == nil {
				out = append(out, s)
			}
		}
	}
	return out
}

// grammar reads the words of each block from the methods called words, and the
// directives from their registration.
func grammar(t *testing.T) (blocks map[string][]string, directives []string) {
	t.Helper()
	blocks = make(map[string][]string)
	parsed(t, "caddymodule/caddyfile*.go", func(n ast.Node) {
		switch n := n.(type) {
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.SelectorExpr); ok && slices.Contains([]string{"RegisterGlobalOption", "RegisterHandlerDirective"}, f.Sel.Name) {
				directives = append(directives, texts(n.Args[:1])...)
			}
		case *ast.FuncDecl:
			if n.Name.Name != "words" || n.Recv == nil {
				return
			}
			receiver := n.Recv.List[0].Type.(*ast.StarExpr).X.(*ast.Ident).Name
			ast.Inspect(n.Body, func(inner ast.Node) bool {
				if lit, ok := inner.(*ast.CompositeLit); ok && blocks[receiver] == nil {
					blocks[receiver] = texts(lit.Elts)
				}
				return true
			})
		}
	})
	if len(blocks) == 0 || len(directives) == 0 {
		t.Fatal("the grammar is written in another way now; read it anew")
	}
	return blocks, directives
}

func TestDocs_EveryWordOfTheCaddyfile(t *testing.T) {
	blocks, directives := grammar(t)
	var documented, known []string
	for _, m := range regexp.MustCompile(`<!-- words: (\w+) -->`).FindAllStringSubmatch(readDoc(t, "docs/configure.md"), -1) {
		documented = append(documented, m[1])
	}
	for name, words := range blocks {
		known = append(known, name)
		sameSet(t, name, firstWords(tableAfter(t, "docs/configure.md", "words: "+name)), words)
	}
	sameSet(t, "blocks", documented, known)
	documented = nil
	for _, m := range regexp.MustCompile("(?m)^## .*`(passwordless\\w*)`").FindAllStringSubmatch(readDoc(t, "docs/configure.md"), -1) {
		documented = append(documented, m[1])
	}
	sameSet(t, "directives", documented, directives)
}

func TestDocs_EveryVariable(t *testing.T) {
	lists := make(map[string][]string)
	parsed(t, "cmd/passwordless-auth/internal/settings/names.go", func(n ast.Node) {
		if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
			if lit, ok := spec.Values[0].(*ast.CompositeLit); ok {
				lists[spec.Names[0].Name] = texts(lit.Elts)
			}
		}
	})
	for _, name := range []string{"known", "later", "secrets"} {
		if len(lists[name]) == 0 {
			t.Fatalf("settings has no list %s any more; read it anew", name)
		}
	}
	sameSet(t, "variables", tableAfter(t, "docs/configure.md", "variables"), lists["known"])
	sameSet(t, "refused variables", tableAfter(t, "docs/configure.md", "variables: refused"), lists["later"])
	help := harness.Exec(t, harness.TempDir(t), nil, harness.Binary(t), "serve", "--help").Stdout
	for _, name := range lists["known"] {
		if !strings.Contains(help, name) {
			t.Errorf("serve --help does not know %s", name)
		}
	}
	for _, name := range lists["secrets"] {
		if !strings.Contains(readDoc(t, "docs/configure.md"), "`"+name+"_FILE`") {
			t.Errorf("%s_FILE is not documented", name)
		}
	}
}

func TestDocs_EveryCommand(t *testing.T) {
	help := func(args ...string) string {
		return harness.Exec(t, harness.TempDir(t), nil, harness.Binary(t), append(args, "--help")...).Stdout
	}
	known := []string{"invite", "explain", "doctor", "health"}
	below := regexp.MustCompile(`(?m)^  ([a-z]+)  +[A-Z]`)
	for _, group := range []string{"user", "session", "token", "keys"} {
		_, list, _ := strings.Cut(help(group), "Available Commands:\n")
		for _, m := range below.FindAllStringSubmatch(list, -1) {
			known = append(known, group+" "+m[1])
		}
	}
	var documented []string
	usage := regexp.MustCompile(`^[a-z ]*[a-z]`)
	for _, span := range tableAfter(t, "docs/configure.md", "commands") {
		documented = append(documented, usage.FindString(span))
	}
	sameSet(t, "commands", documented, known)
}

// The tables of codes hold every code that can be answered, with the status it
// comes with.
func TestDocs_EveryProblemCode(t *testing.T) {
	documented := make(map[string]string)
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\| (\\d{3}) \\|").FindAllStringSubmatch(readDoc(t, "docs/api.md"), -1) {
		if documented[m[1]] != "" {
			t.Errorf("%s stands twice", m[1])
		}
		documented[m[1]] = m[2]
	}
	source := readDoc(t, "authcore/reason.go") + readDoc(t, "authcore/portal/problem.go") + readDoc(t, "authcore/portal/portal.go") +
		readDoc(t, "authcore/portal/health.go") + readDoc(t, "authcore/portal/refuse.go") + readDoc(t, "authcore/portal/api_problem.go") +
		readDoc(t, "authcore/forwardauth/handler.go")
	for _, r := range authcore.Reasons() {
		name := regexp.MustCompile(`(\w+)\s+Reason = "` + string(r) + `"`).FindStringSubmatch(source)
		if name == nil {
			t.Fatalf("%s is defined in another way now; read it anew", r)
		}
		status := regexp.MustCompile(`authcore\.` + name[1] + `: +\{(\d{3}),`).FindStringSubmatch(source)
		if status == nil || documented[string(r)] != status[1] {
			t.Errorf("%s is documented with status %q, and comes with %v", r, documented[string(r)], status)
		}
	}
	for _, m := range regexp.MustCompile(`"([A-Z]+(?:_[A-Z]+)*)"`).FindAllStringSubmatch(source, -1) {
		if documented[m[1]] == "" && m[1] != "GET" && m[1] != "HEAD" && m[1] != "POST" {
			t.Errorf("%s is not documented", m[1])
		}
	}
	for code := range documented {
		if !strings.Contains(source, `"`+code+`"`) {
			t.Errorf("%s is documented and does not exist", code)
		}
	}
}
