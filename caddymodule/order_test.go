package caddymodule

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
)

func init() {
	caddy.RegisterModule(new(orderedStorage))
}

// orderedStorage is a storage module that decides which app is provisioned
// first. Caddy's own order is that of a map; the storage comes before it.
type orderedStorage struct {
	First string `json:"first"`
	Root  string `json:"root"`
}

func (*orderedStorage) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.storage.test_ordered", New: func() caddy.Module { return new(orderedStorage) }}
}

func (s *orderedStorage) Provision(ctx caddy.Context) error {
	certmagic.Default.Storage = &certmagic.FileStorage{Path: s.Root}
	_, err := ctx.App(s.First)
	return err
}

func (s *orderedStorage) CertMagicStorage() (certmagic.Storage, error) {
	return &certmagic.FileStorage{Path: s.Root}, nil
}

// inEveryOrder calls f with the configuration, once for each app of ours and
// Caddy's that may be provisioned first.
func inEveryOrder(t *testing.T, raw []byte, f func(*caddy.Config)) {
	t.Helper()
	for _, first := range []string{"http", "passwordless"} {
		cfg := new(caddy.Config)
		if err := json.Unmarshal(raw, cfg); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		cfg.StorageRaw = fmt.Appendf(nil, `{"module":"test_ordered","first":%q,"root":%q}`, first, dir)
		// That early the configuration has no storage yet, so Caddy's own CA gets one.
		cfg.AppsRaw["pki"] = fmt.Appendf(nil, `{"certificate_authorities":{"local":{"install_trust":false,"storage":{"module":"file_system","root":%q}}}}`, dir)
		f(cfg)
	}
}
