package demo

import (
	"path/filepath"
	"strconv"

	"github.com/passwordless-auth/passwordless-auth/cmd/passwordless-auth/internal/caddyfile"
)

// sites are the demo's four hosts, all on one port.
type sites struct{ port int }

// names of the hosts below localhost; the guarded ones first.
var names = []string{"app", "wiki", "auth", "mail"}

// host is the name as browsers send it: without the port of plain HTTP.
func (s sites) host(name string) string {
	if s.port == 80 {
		return name + ".localhost"
	}
	return name + ".localhost:" + strconv.Itoa(s.port)
}

// url is the origin of a host.
func (s sites) url(name string) string { return "http://" + s.host(name) }

// environment is what the configuration needs to know of this run.
type environment struct {
	addresses []string // to listen on, all loopback
	data      string   // directory
	upstream  string   // Unix socket of the apps and the mailbox
	mail      string   // HOST:PORT of the sink
	colour    bool     // in the log
}

// caddyfile is the demo's configuration. It is that of a real installation,
// but for who may connect and register, and for where mail goes.
func (s sites) caddyfile(env environment) *caddyfile.File {
	f := new(caddyfile.File)
	f.Open("")
	f.Line("", "admin", "off")
	f.Line("", "persist_config", "off")
	f.Line("", "auto_https", "off")
	f.Line("", "grace_period", "2s")
	f.Line("", "storage", "file_system", filepath.Join(env.data, "caddy"))
	f.Open("", "log")
	caddyfile.LogFormat(f, "", "console", env.colour)
	f.Line("", "level", "ERROR") // Caddy warns that it has no admin endpoint, and that it ends
	f.Close()
	f.Open("", "servers")
	f.Line("", "protocols", "h1")
	f.Open("", "timeouts")
	f.Line("", "read_header", "500ms") // browsers connect ahead of need, and Ctrl-C would wait for such a connection
	f.Close()
	f.Close()
	f.Open("", "passwordless")
	f.Line("--data", "database", database(env.data))
	f.Line("", "portal", s.url("auth"))
	f.Line("", "rp_name", "Passwordless demo")
	f.Open("", "smtp", env.mail)
	f.Line("", "from", "Passwordless demo <login@mail.localhost>")
	f.Line("", "tls", "none")
	f.Close()
	f.Line("", "registration", "open")
	// A client for programs that try the JSON API, and for pages that a developer
	// serves on the ports that tools serve pages on.
	f.Line("", "client", "default", "localhost", "http://localhost:3000", "http://localhost:5173", "http://localhost:8000")
	f.Open("", "brand")
	f.Line("", "name", "Demo")
	f.Close()
	f.Close()
	f.Close()
	for _, name := range names {
		f.Blank()
		f.Open("--port", "http://"+name+".localhost:"+strconv.Itoa(s.port))
		s.common(f, env)
		switch name {
		case "app", "wiki":
			f.Line("", "passwordless_guard")
			f.Line("", "reverse_proxy", "unix/"+env.upstream)
		case "auth":
			f.Line("", "passwordless_portal")
		case "mail":
			f.Line("", "reverse_proxy", "unix/"+env.upstream)
		}
		f.Close()
	}
	f.Blank()
	f.Open("--port", "http://:"+strconv.Itoa(s.port))
	s.common(f, env)
	f.Close()
	return f
}

// common is what every site begins with; a name of nobody's ends there.
func (s sites) common(f *caddyfile.File, env environment) {
	hosts := []string{"passwordless_demo"}
	for _, name := range names {
		hosts = append(hosts, s.host(name))
	}
	f.Line("", append([]string{"bind"}, env.addresses...)...)
	f.Line("", hosts...)
}
