package i18n

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template/parse"
)

// readers are the folders whose sources name messages.
var readers = []string{".", "../..", "../../portal", "../../outbox", "../../useragent"}

// usage is which messages the sources name, and where.
type usage struct {
	t        *testing.T
	sections map[string]bool // what comes before the first dot of a key
	used     map[string]bool
}

func newUsage(t *testing.T) *usage {
	u := &usage{t: t, sections: map[string]bool{}, used: map[string]bool{}}
	for _, key := range English().Keys() {
		section, _, _ := strings.Cut(key, ".")
		u.sections[section] = true
	}
	return u
}

// names checks one key with the names of its arguments; nil means that they are
// not known here.
func (u *usage) names(at, key string, args []string) {
	m, ok := English().content().messages[key]
	if !ok {
		u.t.Errorf("%s: there is no message %q", at, key)
		return
	}
	u.used[key] = true
	if args == nil {
		return
	}
	var want []string
	for _, text := range m.texts() {
		want = append(want, text.arguments()...)
	}
	if m.forms != nil {
		want = append(want, "count")
	}
	slices.Sort(want)
	slices.Sort(args)
	if want = slices.Compact(want); !slices.Equal(args, want) {
		u.t.Errorf("%s: %q is given %q, and takes %q", at, key, args, want)
	}
}

// each calls with every file of the readers that has one of the endings.
func (u *usage) each(do func(file, content string), endings ...string) {
	n := 0
	for _, dir := range readers {
		err := filepath.WalkDir(dir, func(file string, _ os.DirEntry, err error) error {
			if err != nil || !slices.Contains(endings, filepath.Ext(file)) || strings.HasSuffix(file, "_test.go") {
				return err
			}
			content, err := os.ReadFile(file)
			if err == nil {
				n++
				do(file, string(content))
			}
			return err
		})
		if err != nil {
			u.t.Fatal(err)
		}
	}
	if n == 0 {
		u.t.Fatalf("no file ends in %v", endings)
	}
}

// template reads the calls of t and rich.
func (u *usage) template(file, content string) {
	tree := parse.New(file)
	tree.Mode = parse.SkipFuncCheck
	set := map[string]*parse.Tree{}
	if _, err := tree.Parse(content, "", "", set); err != nil {
		u.t.Fatal(err)
	}
	for _, t := range set {
		u.node(file, t.Root)
	}
}

func (u *usage) node(file string, n parse.Node) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, sub := range n.Nodes {
				u.node(file, sub)
			}
		}
	case *parse.ActionNode:
		u.pipe(file, n.Pipe)
	case *parse.TemplateNode:
		u.pipe(file, n.Pipe)
	case *parse.IfNode:
		u.branch(file, &n.BranchNode)
	case *parse.RangeNode:
		u.branch(file, &n.BranchNode)
	case *parse.WithNode:
		u.branch(file, &n.BranchNode)
	case *parse.PipeNode:
		u.pipe(file, n)
	}
}

func (u *usage) branch(file string, b *parse.BranchNode) {
	u.pipe(file, b.Pipe)
	u.node(file, b.List)
	u.node(file, b.ElseList)
}

func (u *usage) pipe(file string, p *parse.PipeNode) {
	if p == nil {
		return
	}
	for _, cmd := range p.Cmds {
		for _, arg := range cmd.Args {
			u.node(file, arg)
		}
		f, ok := cmd.Args[0].(*parse.IdentifierNode)
		if !ok || f.Ident != "t" && f.Ident != "rich" {
			continue
		}
		key, ok := cmd.Args[1].(*parse.StringNode)
		if !ok {
			continue // chosen in Go, where it is a literal too
		}
		args := []string{}
		for i := 2; i < len(cmd.Args); i += 2 {
			name, ok := cmd.Args[i].(*parse.StringNode)
			if !ok || i+1 >= len(cmd.Args) {
				u.t.Errorf("%s: %q: arguments are names and values in turn", file, key.Text)
				return
			}
			args = append(args, name.Text)
		}
		u.names(file, key.Text, args)
	}
}

var (
	keyShape  = regexp.MustCompile(`^[a-z][a-z0-9-]*(\.[a-z0-9-]+)+$`)
	fileShape = regexp.MustCompile(`\.(js|css|svg|png|html|txt|json|go)$`)
)

// goSource reads literals: a key, or what .title, .what and .next are added to.
func (u *usage) goSource(file, content string) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, content, parser.SkipObjectResolution)
	if err != nil {
		u.t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if s, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
				u.literal(fset.Position(n.Pos()).String(), s)
			}
		case *ast.CallExpr:
			u.call(fset, n)
		}
		return true
	})
}

func (u *usage) literal(at, s string) {
	section, _, _ := strings.Cut(s, ".")
	if !u.sections[section] || !keyShape.MatchString(s) || fileShape.MatchString(s) {
		return
	}
	if English().Has(s + ".title") {
		u.names(at, s+".title", nil)
		u.names(at, s+".what", nil)
		u.used[s+".next"] = true
		return
	}
	u.names(at, s, nil)
}

// call checks the arguments of Text, Format and Rich with a literal key.
func (u *usage) call(fset *token.FileSet, c *ast.CallExpr) {
	f, ok := c.Fun.(*ast.SelectorExpr)
	if !ok || len(c.Args) == 0 || c.Ellipsis.IsValid() || !slices.Contains([]string{"Text", "Format", "Rich"}, f.Sel.Name) {
		return
	}
	text := func(e ast.Expr) (string, bool) {
		lit, ok := e.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return "", false
		}
		s, err := strconv.Unquote(lit.Value)
		return s, err == nil
	}
	key, ok := text(c.Args[0])
	if !ok || !English().Has(key) {
		return // a literal that is no key is found as such
	}
	args := []string{}
	for i := 1; i < len(c.Args); i += 2 {
		name, ok := text(c.Args[i])
		if !ok {
			u.t.Errorf("%s: %q: arguments are names and values in turn", fset.Position(c.Pos()), key)
		}
		args = append(args, name)
	}
	u.names(fset.Position(c.Pos()).String(), key, args)
}

var (
	wordCall = regexp.MustCompile(`\bword\(("([^"]*)")?(?:, \{([^}]*)\})?`)
	property = regexp.MustCompile(`([a-z_]+)(?:: [^,}]+)?`)
)

// script reads the calls of word.
func (u *usage) script(file, content string) {
	for _, m := range wordCall.FindAllStringSubmatch(content, -1) {
		if m[0] == "word(" && strings.Contains(content, "export function word(") {
			continue
		}
		if m[1] == "" {
			u.t.Errorf("%s: %s takes a key that is written out", file, m[0])
			continue
		}
		args := []string{}
		for _, p := range property.FindAllStringSubmatch(m[3], -1) {
			args = append(args, p[1])
		}
		u.names(file, m[2], args)
		if len(English().content().messages[m[2]].text.tags()) > 0 {
			u.t.Errorf("%s: %q has tags, and scripts write text", file, m[2])
		}
	}
}

func TestMessages_AreAllThereAndAllUsed(t *testing.T) {
	u := newUsage(t)
	u.each(u.template, ".html", ".txt")
	u.each(u.goSource, ".go")
	u.each(u.script, ".js")
	u.used["language"] = true // read by its place in the file
	for _, key := range English().Keys() {
		if !u.used[key] && !strings.HasPrefix(key, "detail.") {
			t.Errorf("nobody uses %q", key)
		}
	}
}

// What authcore says of a refusal is in the catalogue under detail., in the same
// words, so that the portal can say it in another language.
func TestDetails_AreWhatAuthcoreSays(t *testing.T) {
	said := map[string]string{}
	for _, dir := range []string{"../..", "../email"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", dir, err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				maps.Copy(said, details(t, file))
			}
		}
	}
	if len(said) < 10 {
		t.Fatalf("only %d sentences were found", len(said))
	}
	known := map[string]bool{}
	for _, key := range English().Keys() {
		if strings.HasPrefix(key, "detail.") {
			text := English().Text(key)
			if known[text] = true; said[text] == "" {
				t.Errorf("authcore does not say %q: %s", key, text)
			}
		}
	}
	for text, at := range said {
		if !known[text] {
			t.Errorf("%s: en.json has no detail. message with these words: %s", at, text)
		}
	}
}

// The portal finds a detail by its English words, so one of two with the same
// words would never be shown, and nobody could tell which.
func TestDetails_SayEachSentenceOnce(t *testing.T) {
	keys := map[string]string{}
	for _, key := range English().Keys() {
		if !strings.HasPrefix(key, "detail.") {
			continue
		}
		text := English().Text(key)
		if other := keys[text]; other != "" {
			t.Errorf("%q and %q both say %q", other, key, text)
		}
		keys[text] = key
	}
	if len(keys) < 10 {
		t.Fatalf("only %d details were found", len(keys))
	}
}

// details are the sentences that people may read of a file's refusals and
// problems with addresses.
func details(t *testing.T, file string) map[string]string {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	note := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok {
			if s, err := strconv.Unquote(lit.Value); err == nil {
				found[s] = fmt.Sprint(fset.Position(lit.Pos()))
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			if name, ok := n.Type.(*ast.Ident); !ok || name.Name != "Refusal" {
				return true
			}
			fields := map[string]ast.Expr{}
			for _, e := range n.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok {
					fields[kv.Key.(*ast.Ident).Name] = kv.Value
				}
			}
			reason, ok := fields["Reason"].(*ast.Ident)
			if ok && slices.Contains([]string{"EmailInvalid", "NameInvalid", "Conflict"}, reason.Name) {
				note(fields["Detail"])
			}
		case *ast.ValueSpec:
			if name, ok := n.Type.(*ast.Ident); ok && name.Name == "Problem" {
				note(n.Values[0])
			}
		}
		return true
	})
	return found
}
