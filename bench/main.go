// Command bench measures what DESIGN §13 promises, in one run, and writes the
// table to docs/performance.md:
//
//	go run ./bench          about 25 minutes, on a machine that does nothing else
//	go run ./bench -quick   3 minutes; shows that measuring works
//
// Whoever has other auth servers compares them in the same run; that takes three
// minutes more for each:
//
//	go run ./bench -peers authelia=PATH,oauth2-proxy=PATH,tinyauth=PATH,caddy-security=PATH
//
// Everything compared is measured side by side, so that a figure is a ratio of
// two of the same run. It ends with 1 when a target is missed or could not be
// measured; the table is written all the same. A quick run judges only what the
// machine's load does not change: allocations, bytes, sizes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/passwordless-auth/passwordless-auth/bench/peers"
)

// options are one run's.
type options struct {
	binary     string
	out        string
	quick      bool
	skip       []string
	peers      map[string]string // binaries, by name
	slices     int               // of each variant at each level
	span       time.Duration
	tries      int // of a level whose control drifts
	starts     int
	benchCount int
	benchTime  time.Duration
}

// sections are the parts of a run, by the name that -skip knows.
var sections = []string{"http", "forward-auth", "micro", "start", "open", "sign-in"}

func main() {
	if len(os.Args) == 2 && roles[os.Args[1]] != nil {
		end(roles[os.Args[1]](os.Stdin, os.Stdout))
	}
	o, err := parseFlags(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		os.Exit(2) // the flag package has said why
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err = run(ctx, o)
	stop()
	end(err)
}

func end(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func parseFlags(args []string) (options, error) {
	o := options{slices: 30, span: time.Second, tries: 3, starts: 10, benchCount: 3, benchTime: time.Second}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.binary, "bin", "bin/passwordless-auth", "the built `binary`")
	flags.StringVar(&o.out, "out", "", "`file` for the table (default docs/performance.md; stdout with -quick)")
	flags.BoolVar(&o.quick, "quick", false, "few and short slices: a smoke test, not a measurement")
	flags.Func("skip", "comma `list` of sections to leave out: "+strings.Join(sections, " "), func(list string) error {
		o.skip = strings.Split(list, ",")
		for _, name := range o.skip {
			if !slices.Contains(sections, name) {
				return fmt.Errorf("%q is none of %s", name, strings.Join(sections, ", "))
			}
		}
		return nil
	})
	flags.Func("peers", "comma `list` of name=path, the binaries to compare with: "+strings.Join(peers.Names(), " "), func(list string) (err error) {
		if o.peers, err = peers.Parse(list); err != nil {
			return err
		}
		for name, path := range o.peers {
			if o.peers[name], err = executable(path); err != nil {
				return err
			}
		}
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.quick {
		o.slices, o.span, o.tries = 5, 200*time.Millisecond, 1
		o.starts, o.benchCount, o.benchTime = 3, 1, 100*time.Millisecond
	} else if o.out == "" {
		o.out = filepath.FromSlash("docs/performance.md")
	}
	var err error
	o.binary, err = filepath.Abs(o.binary) // a server runs in a directory of its own
	return o, err
}

// executable is the absolute path of a program, so that a wrong one is found
// before anything is measured.
func executable(path string) (string, error) {
	found, err := exec.LookPath(path)
	if err != nil {
		return "", err
	}
	return filepath.Abs(found)
}

// run measures everything, writes the table and says what was missed. A section
// that fails leaves its targets unmeasured and does not stop the others.
func run(ctx context.Context, o options) error {
	r := &Report{Date: time.Now(), Slices: o.slices, Span: o.span, Quick: o.quick, Skipped: o.skip}
	var err error
	if r.Machine, err = describeMachine(); err != nil {
		return fmt.Errorf("describing the machine: %w", err)
	}
	r.Machine.Cores, r.Machine.Go = runtime.NumCPU(), runtime.Version()
	r.Peers = make(map[string]string)
	for name, path := range o.peers {
		r.Peers[name] = peers.Version(name, path)
	}
	var errs []error
	for _, section := range []struct {
		name    string
		measure func() error
	}{
		{"start", func() (err error) { r.Start, err = measureStart(ctx, o); return err }},
		{"http", func() (err error) { r.Guards, err = compare(ctx, o, setUpGuards); return err }},
		{"forward-auth", func() (err error) { r.ForwardAuth, err = compare(ctx, o, setUpForwardAuth); return err }},
		{"micro", func() (err error) { r.Benchmarks, err = measureMicro(ctx, o); return err }},
		{"open", func() (err error) { r.Open, err = measureOpen(ctx, o); return err }},
		{"sign-in", func() (err error) { r.SignIn, err = measureSignIn(ctx, o); return err }},
	} {
		if !r.measured(section.name) {
			continue
		}
		if err := section.measure(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", section.name, err))
		}
		if ctx.Err() != nil {
			return errors.Join(errs...) // half a run is no result
		}
	}
	slog.Info("done", "took", time.Since(r.Date).Round(time.Second))
	errs = append(errs, save(r, o.out))
	if list := r.failures(); len(list) > 0 {
		errs = append(errs, fmt.Errorf("missed:\n  %s", strings.Join(list, "\n  ")))
	}
	return errors.Join(errs...)
}

// save writes the report to a file, and to stdout.
func save(r *Report, path string) error {
	if path == "" {
		return r.write(os.Stdout)
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	if err := r.write(io.MultiWriter(f, os.Stdout)); err != nil {
		return errors.Join(fmt.Errorf("writing the table: %w", err), f.Close())
	}
	return f.Close()
}
