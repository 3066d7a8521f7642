package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// benchmarked are the packages whose benchmarks are run and listed.
var benchmarked = []string{"./authcore", "./authcore/sessioncache", "./authcore/forwardauth", "./caddymodule", "./store/bolt"}

// Benchmark is one benchmark's figures by unit ("ns/op", "allocs/op",
// "B/session", …), medians over its runs.
type Benchmark struct {
	Package string // without the module's path
	Name    string // without "Benchmark" and the number of processors
	Values  map[string]float64
}

// measureMicro runs the packages' own benchmarks; go test runs one package at a
// time when it benchmarks.
func measureMicro(ctx context.Context, o options) ([]Benchmark, error) {
	args := []string{"test", "-run", "^$", "-bench", ".", "-benchmem", "-timeout", "15m"}
	args = append(args, "-count", strconv.Itoa(o.benchCount), "-benchtime", o.benchTime.String())
	cmd := exec.CommandContext(ctx, "go", append(args, benchmarked...)...)
	cmd.Stderr = os.Stderr
	out, failed := cmd.Output()
	if failed != nil { // the other packages' benchmarks have run all the same
		failed = fmt.Errorf("running benchmarks: %w\n%s", failed, out)
	}
	all, err := parseBenchmarks(out, runtime.GOMAXPROCS(0))
	return all, errors.Join(failed, err)
}

// parseBenchmarks reads go test's output (golang.org/design/14313): lines
// "BenchmarkName-procs  runs  value unit  value unit …" after "pkg: path".
func parseBenchmarks(out []byte, procs int) ([]Benchmark, error) {
	type key struct{ pkg, name string }
	runs := make(map[key]map[string][]float64)
	var order []key
	var pkg string
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		if path, ok := strings.CutPrefix(lines.Text(), "pkg: "); ok {
			pkg = strings.TrimPrefix(path, module+"/")
		}
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(fields[0], "Benchmark")
		if procs > 1 {
			name = strings.TrimSuffix(name, "-"+strconv.Itoa(procs))
		}
		k := key{pkg, name}
		if runs[k] == nil {
			runs[k] = make(map[string][]float64)
			order = append(order, k)
		}
		for pair := range slices.Chunk(fields[2:], 2) {
			value, err := strconv.ParseFloat(pair[0], 64)
			if err != nil || len(pair) != 2 {
				return nil, fmt.Errorf("reading a benchmark: %q", lines.Text())
			}
			runs[k][pair[1]] = append(runs[k][pair[1]], value)
		}
	}
	var result []Benchmark
	for _, k := range order {
		b := Benchmark{k.pkg, k.name, make(map[string]float64)}
		for unit, values := range runs[k] {
			b.Values[unit] = median(values)
		}
		result = append(result, b)
	}
	return result, lines.Err()
}

const module = "github.com/passwordless-auth/passwordless-auth"

// find is the figure of the first benchmark of the package whose name matches,
// and whether there is one.
func find(all []Benchmark, pkg, name, unit string) (float64, bool) {
	pattern := regexp.MustCompile(`^(?:` + name + `)$`)
	for _, b := range all {
		if value, ok := b.Values[unit]; ok && b.Package == pkg && pattern.MatchString(b.Name) {
			return value, true
		}
	}
	return 0, false
}
