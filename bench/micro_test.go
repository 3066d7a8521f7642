package main

import (
	"testing"
)

const output = `goos: linux
pkg: github.com/passwordless-auth/passwordless-auth/authcore
cpu: A Processor
BenchmarkCheck/sessions=1000-2         	 3906021	       300.0 ns/op	      16 B/op	       1 allocs/op
BenchmarkCheck/sessions=1000-2         	 3906021	       500.0 ns/op	      16 B/op	       1 allocs/op
BenchmarkCheck/sessions=1000-2         	 3906021	       310.5 ns/op	      16 B/op	       1 allocs/op
BenchmarkCheck/sessions=1000,parallel-2	 3906021	       100.0 ns/op
PASS
pkg: github.com/passwordless-auth/passwordless-auth/authcore/sessioncache
BenchmarkGetTouch/sessions=1000-2  	 3906021	       90.00 ns/op	       118.5 B/session	       0 B/op
ok  	github.com/passwordless-auth/passwordless-auth/authcore/sessioncache	9.1s
`

func TestParseBenchmarks_MedianOfRunsByPackageAndName(t *testing.T) {
	all, err := parseBenchmarks([]byte(output), 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 3 {
		t.Errorf("found %v", all)
	}
	for _, c := range []struct {
		pkg, name, unit string
		want            float64
		found           bool
	}{
		{"authcore", "Check/sessions=1000", "ns/op", 310.5, true},
		{"authcore", "Check/sessions=1000", "allocs/op", 1, true},
		{"authcore", "Check/sessions=1000,parallel", "ns/op", 100, true},
		{"authcore/sessioncache", "GetTouch/sessions=1000", "B/session", 118.5, true},
		{"authcore", "Check/sessions=100", "ns/op", 0, false},
		{"authcore", "Check/sessions=1000", "B/session", 0, false},
		{"sessioncache", "GetTouch/sessions=1000", "ns/op", 0, false},
	} {
		if got, found := find(all, c.pkg, c.name, c.unit); got != c.want || found != c.found {
			t.Errorf("%s %s %s is %v, %t", c.pkg, c.name, c.unit, got, found)
		}
	}
}

func TestParseBenchmarks_RefusesWhatItDoesNotUnderstand(t *testing.T) {
	for _, line := range []string{"BenchmarkX-2 100 fast ns/op", "BenchmarkX-2 100 12 ns/op 13"} {
		if _, err := parseBenchmarks([]byte(line), 2); err == nil {
			t.Errorf("accepted %q", line)
		}
	}
}
