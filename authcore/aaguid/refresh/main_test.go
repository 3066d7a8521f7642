package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// list is a JSON object of n good entries and more.
func list(n int, more string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%q: %q,\n", fmt.Sprintf("00000000-0000-0000-0000-%012x", i+1), fmt.Sprintf("Provider %d", i+1))
	}
	return "{" + b.String() + more + "}"
}

func refresh(t *testing.T, text string) (made, said string, err error) {
	t.Helper()
	in, out := filepath.Join(t.TempDir(), "list.json"), filepath.Join(t.TempDir(), "names.json")
	for path, content := range map[string]string{in: text, out: "before"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var b strings.Builder
	err = run([]string{in, out}, &b)
	after, rerr := os.ReadFile(out)
	if rerr != nil {
		t.Fatal(rerr)
	}
	return string(after), b.String(), err
}

func TestRefresh_ReadsBothShapesAndDropsWhatDoesNotFit(t *testing.T) {
	const id = `-9f32-4b8c-8c5d-2f7d13e8c942": `
	made, said, err := refresh(t, list(fewest, strings.Join([]string{
		`"A11A5FAA` + id + `{"name": " Alias\u0020\u0020Vault ", "icon_dark": "data:image/svg+xml;base64,AAAA"}`,
		`"a2000000` + id + `"Phone App: unlocks ` + strings.Repeat("everything ", 6) + `"`,
		`"a3000000` + id + `"` + strings.Repeat("x", maxName+1) + `"`,
		`"a4000000` + id + `"go to https://evil.example"`,
		`"a5000000` + id + `"turn\u202eround"`,
		`"a6000000` + id + `""`,
		`"` + none + `": "Nobody"`,
		`"no-uuid": "Nothing"`,
	}, ",\n")))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"a11a5faa-9f32-4b8c-8c5d-2f7d13e8c942":"Alias Vault"`, `"a2000000-9f32-4b8c-8c5d-2f7d13e8c942":"Phone App"`} {
		if !strings.Contains(made, want) {
			t.Errorf("%s is not in\n%s", want, made)
		}
	}
	for _, bad := range []string{"a3000000", "evil", "round", "a6000000", "Nobody", "Nothing", "icon"} {
		if strings.Contains(made, bad) {
			t.Errorf("%s is in\n%s", bad, made)
		}
	}
	if n := strings.Count(said, "left out"); n != 6 || !strings.Contains(said, fmt.Sprint(fewest+2, " names")) {
		t.Errorf("%d left out: %s", n, said)
	}
	again, _, err := refresh(t, made)
	if err != nil || again != made {
		t.Errorf("its own file is read as something else: %v", err)
	}
}

// The community's list will be an empty object when it is given up.
func TestRefresh_KeepsTheNamesThatWeHave(t *testing.T) {
	for name, bad := range map[string]string{
		"given up": "{}", "too few": list(fewest-1, `"x": "y"`), "no list": `["a"]`, "no JSON": "<html>", "a number": list(fewest, `"x": 7`),
	} {
		if made, _, err := refresh(t, bad); err == nil || made != "before" {
			t.Errorf("%s: %v, %.40s", name, err, made)
		}
	}
	if run(nil, nil) == nil {
		t.Error("no list is enough")
	}
}
