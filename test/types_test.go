package test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// tsc runs the TypeScript compiler in a folder.
func tsc(t *testing.T, dir string, args ...string) harness.Exit {
	t.Helper()
	harness.Need(t, "node") // tsc is a script
	compiler := harness.NeedFile(t, "test/node_modules/.bin/tsc")
	return harness.Exec(t, dir, nil, compiler, append([]string{
		"--strict", "--target", "es2023", "--lib", "es2023,dom,dom.iterable", "--module", "esnext", "--moduleResolution", "bundler", "--types", "",
	}, args...)...)
}

// typed is a folder with passwordless.d.ts and one of the files in test/types.
func typed(t *testing.T, name string) string {
	t.Helper()
	dir := harness.TempDir(t)
	for _, file := range []string{"authcore/portal/assets/passwordless.d.ts", "test/types/" + name} {
		text, err := os.ReadFile(filepath.Join(harness.Root(t), file))
		if err != nil {
			t.Fatal(err)
		}
		harness.WriteFile(t, dir, filepath.Base(file), string(text))
	}
	return dir
}

// passwordless.d.ts promises what passwordless.js does, no less and no more.
// That the script keeps its own types is test/lint-assets.sh's to check.
func TestTypes_AreThoseOfTheScript(t *testing.T) {
	dir := typed(t, "same.ts")
	script := filepath.Join(harness.Root(t), "authcore/portal/assets/passwordless.js")
	made := harness.TempDir(t)
	if exit := tsc(t, dir, "--allowJs", "--declaration", "--emitDeclarationOnly", "--outDir", made, script); exit.Code != 0 {
		t.Fatal(exit.Stdout)
	}
	if err := os.Rename(filepath.Join(made, "passwordless.d.ts"), filepath.Join(dir, "made.d.ts")); err != nil {
		t.Fatal(err)
	}
	if exit := tsc(t, dir, "--noEmit", "same.ts"); exit.Code != 0 {
		t.Error(exit.Stdout)
	}
}

// An app names the helper by its address, and tells the compiler where its types
// are, as docs/javascript.md says.
func TestTypes_AnAppCompiles(t *testing.T) {
	dir := typed(t, "usage.ts")
	harness.WriteFile(t, dir, "tsconfig.json", `{"compilerOptions": {"strict": true, "target": "es2023", "lib": ["es2023", "dom"], "module": "esnext",
		"moduleResolution": "bundler", "noEmit": true, "types": [], "paths": {"https://auth.example.com/passwordless.js": ["./passwordless.d.ts"]}},
		"include": ["usage.ts"]}`)
	harness.Need(t, "node")
	if exit := harness.Exec(t, dir, nil, harness.NeedFile(t, "test/node_modules/.bin/tsc"), "--project", "."); exit.Code != 0 {
		t.Error(exit.Stdout)
	}
}
