package caddymodule

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/passwordless-auth/passwordless-auth/caddymodule/spelling"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("passwordless", parseApp)
	httpcaddyfile.RegisterHandlerDirective("passwordless_guard", parseGuard)
	httpcaddyfile.RegisterHandlerDirective("passwordless_portal", parsePortal)
	httpcaddyfile.RegisterHandlerDirective("passwordless_limit", parseLimit)
	httpcaddyfile.RegisterHandlerDirective("passwordless_headers", parseSecurityHeaders)

	// Outside of header, so that what header says counts as said.
	httpcaddyfile.RegisterDirectiveOrder("passwordless_headers", httpcaddyfile.Before, "header")
	// What is limited is counted before anybody is asked who they are.
	httpcaddyfile.RegisterDirectiveOrder("passwordless_limit", httpcaddyfile.Before, "basic_auth")
	httpcaddyfile.RegisterDirectiveOrder("passwordless_guard", httpcaddyfile.Before, "basic_auth")
	httpcaddyfile.RegisterDirectiveOrder("passwordless_portal", httpcaddyfile.Before, "reverse_proxy")
}

// words are what may stand in a block.
type words map[string]word

// word reads the arguments of one word; the dispenser stands on the word.
type word struct {
	parse func(d *caddyfile.Dispenser) error
	many  bool // may stand on more than one line
}

// later lists words, separated by spaces, of the documented grammar that this
// version does not know.
type later string

// parseBlock reads the block that may follow: known words, each once unless it
// says otherwise. check looks at what was read so far after every line, so that
// an error names the line that broke something.
func parseBlock(d *caddyfile.Dispenser, known words, unavailable later, check func() error) error {
	lines := make(map[string]int)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		w, ok := known[name]
		if !ok {
			return unknownWord(d, known, unavailable)
		}
		if line, ok := lines[name]; ok && !w.many {
			return d.Errf("%s stands on line %d already", name, line)
		}
		lines[name] = d.Line()
		if err := w.parse(d); err != nil {
			return err
		}
		if d.NextArg() {
			return d.Errf("%s: %q is too much", name, d.Val())
		}
		if err := check(); err != nil {
			return d.WrapErr(err)
		}
	}
	return nil
}

// unknownWord tells a word of a later version from a slip of the keyboard.
func unknownWord(d *caddyfile.Dispenser, known words, unavailable later) error {
	name := d.Val()
	all := strings.Fields(string(unavailable))
	if slices.Contains(all, name) {
		return d.Errf("%s is not available in this version", name)
	}
	for w := range known {
		all = append(all, w)
	}
	if near := nearest(name, all); near != "" {
		return d.Errf("unknown word %q; did you mean %s?", name, near)
	}
	return d.Errf("unknown word %q", name)
}

// text reads one argument.
func text(field *string) word {
	return word{parse: func(d *caddyfile.Dispenser) error {
		name := d.Val()
		if !d.NextArg() || d.Val() == "" {
			return d.Errf("%s needs a value", name)
		}
		*field = d.Val()
		return nil
	}}
}

// list reads one argument or more.
func list(field *[]string) word {
	return word{parse: func(d *caddyfile.Dispenser) error {
		name := d.Val()
		args := d.RemainingArgs()
		if len(args) == 0 {
			return d.Errf("%s needs a value", name)
		}
		*field = append(*field, args...)
		return nil
	}}
}

// onOff reads "on" or "off".
func onOff(set func(on bool)) word {
	return word{parse: func(d *caddyfile.Dispenser) error {
		name := d.Val()
		if !d.NextArg() || d.Val() != "on" && d.Val() != "off" {
			return d.Errf("%s: write %s on or %s off", name, name, name)
		}
		set(d.Val() == "on")
		return nil
	}}
}

// duration reads a length of time such as 90s, 24h or 30d.
func duration(field *caddy.Duration) word {
	return word{parse: func(d *caddyfile.Dispenser) error {
		name := d.Val()
		if !d.NextArg() {
			return d.Errf("%s needs a time, such as 24h", name)
		}
		t, err := caddy.ParseDuration(d.Val())
		if err != nil || t <= 0 {
			return d.Errf("%s: %q; write a time such as 90s, 24h or 30d", name, d.Val())
		}
		*field = caddy.Duration(t)
		return nil
	}}
}

// number reads a whole number above zero.
func number(field *int) word {
	return word{parse: func(d *caddyfile.Dispenser) error {
		name := d.Val()
		if !d.NextArg() {
			return d.Errf("%s needs a number", name)
		}
		n, err := strconv.Atoi(d.Val())
		if err != nil || n < 1 {
			return d.Errf("%s: %q; write a number above zero", name, d.Val())
		}
		*field = n
		return nil
	}}
}

// rate reads "N per TIME".
func rate(field *Rate) word {
	return word{parse: func(d *caddyfile.Dispenser) error {
		name := d.Val()
		err := number(&field.Count).parse(d)
		if err != nil {
			return err
		}
		if !d.NextArg() || d.Val() != "per" {
			return d.Errf("%s; write a rate such as 10 per 1m", name)
		}
		return duration(&field.Per).parse(d)
	}}
}

// place is where the current token stands, short enough for a log line.
func place(d *caddyfile.Dispenser) string {
	return fmt.Sprintf("%s:%d", filepath.Base(d.File()), d.Line())
}

// nearest is the word that s probably was meant to be, or "".
func nearest(s string, known []string) string {
	best, bestDistance := "", 3
	slices.Sort(known) // the same answer every time
	for _, w := range known {
		if len(s) > 2 && (strings.HasPrefix(w, s) || strings.HasPrefix(s, w)) {
			return w
		}
		if n := spelling.Distance(strings.ToLower(s), w); n < bestDistance && n < len(w)/2 {
			best, bestDistance = w, n
		}
	}
	return best
}
