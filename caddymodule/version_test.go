package caddymodule

import (
	"runtime/debug"
	"testing"
)

func TestVersion_ComesFromTheBuild(t *testing.T) {
	ours := func(version string) *debug.Module { return &debug.Module{Path: modulePath, Version: version} }
	for name, tc := range map[string]struct {
		info debug.BuildInfo
		want string
	}{
		"our own binary":       {debug.BuildInfo{Main: *ours("v1.2.3")}, "v1.2.3"},
		"a checkout":           {debug.BuildInfo{Main: *ours("(devel)")}, "dev"},
		"a custom Caddy":       {debug.BuildInfo{Main: debug.Module{Path: "caddy", Version: "v0.0.1"}, Deps: []*debug.Module{{Path: "x", Version: "v9.9.9"}, ours("v1.2.3")}}, "v1.2.3"},
		"replaced by a fork":   {debug.BuildInfo{Deps: []*debug.Module{{Path: modulePath, Version: "v1.2.3", Replace: &debug.Module{Path: "fork", Version: "v1.2.4"}}}}, "v1.2.4"},
		"replaced by a folder": {debug.BuildInfo{Deps: []*debug.Module{{Path: modulePath, Version: "v0.0.0", Replace: &debug.Module{Path: "./here"}}}}, "dev"},
		"somebody else's":      {debug.BuildInfo{Main: debug.Module{Path: "x", Version: "v1.2.3"}}, "dev"},
	} {
		if got := moduleVersion(&tc.info); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
	if Version() == "" {
		t.Error("no version")
	}
	linked = "1.2.3"
	defer func() { linked = "" }()
	if got := Version(); got != "1.2.3" {
		t.Errorf("linked as 1.2.3: %q", got)
	}
}
