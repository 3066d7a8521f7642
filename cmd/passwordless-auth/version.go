package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/passwordless-auth/passwordless-auth/caddymodule"
)

// version is set by the linker (-X main.version=…) in builds from the Makefile.
var version string

const caddyModule = "github.com/caddyserver/caddy/v2"

// caddyVersion is the version of the Caddy inside.
func caddyVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == caddyModule {
				return dep.Version
			}
		}
	}
	return "unknown"
}

func versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the versions of this program, its Caddy and its Go",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := struct {
				Version string `json:"version"`
				Caddy   string `json:"caddy"`
				Go      string `json:"go"`
			}{caddymodule.Version(), caddyVersion(), runtime.Version()}
			if asJSON {
				return failed(json.NewEncoder(cmd.OutOrStdout()).Encode(v), "")
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s\nCaddy %s\n%s %s/%s\n", name, v.Version, v.Caddy, v.Go, runtime.GOOS, runtime.GOARCH)
			return failed(err, "")
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
