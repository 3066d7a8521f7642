package caddymodule

import (
	"runtime/debug"
	"sync/atomic"
)

// modulePath is what build information calls us.
const modulePath = "github.com/passwordless-auth/passwordless-auth"

// linked is set by the linker (-X …/caddymodule.linked=…) where the program
// around us is not our own, as in "make xcaddy".
var linked string

// stamped is the version that the linker gave the program around us.
var stamped atomic.Pointer[string]

// SetVersion says which version this is, for programs that were given one when
// they were linked. It is called before Caddy starts.
func SetVersion(v string) { stamped.Store(&v) }

// Version is the version of passwordless-auth in this program: the one it was
// linked with, otherwise what the module system knows. "dev" is a checkout.
func Version() string {
	if v := stamped.Load(); v != nil && *v != "" {
		return *v
	}
	if linked != "" {
		return linked
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	return moduleVersion(info)
}

// moduleVersion finds us in a build, as its main module or as a dependency.
func moduleVersion(info *debug.BuildInfo) string {
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path != modulePath {
			continue
		}
		if m.Replace != nil {
			m = m.Replace
		}
		if m.Version != "" && m.Version != "(devel)" {
			return m.Version
		}
	}
	return "dev"
}
