package main

import (
	"strings"
	"testing"
	"time"
)

// goodSignIn has figures that can be told from each other.
func goodSignIn() *SignIn {
	load := func(l Load, acts int, elapsed, mail time.Duration) *Load {
		l.Sample = Sample{Requests: acts, Elapsed: elapsed, CPU: time.Duration(acts) * 3 * time.Millisecond, P50: 4 * time.Millisecond, P99: 5 * time.Millisecond}
		l.Mail50, l.Mail99 = mail, 2*mail
		return &l
	}
	way := func(mail time.Duration, second time.Duration) *Way {
		return &Way{Steady: load(Load{Rate: signInRate}, 1000, 20*time.Second, mail), Crowded: []*Load{
			load(Load{Workers: 16}, 1000, 4*time.Second, mail), load(Load{Workers: 64}, 1000, second, mail), load(Load{Workers: 256}, 1000, 3*time.Second, mail),
		}}
	}
	s := &SignIn{
		People: 400, Code: way(10*time.Millisecond, 2*time.Second), Passkey: way(0, time.Second),
		Refresh: load(Load{Workers: refreshers}, 6000, 2*time.Second, 0), Weight: &Weight{Files: 6, Plain: 26_500, Compressed: 9_900},
	}
	for _, request := range timedRequests() {
		s.Timings = append(s.Timings, timingOf(request, 2000, 0))
	}
	return s
}

func TestReport_SignInShowsFactsTimesAndWeight(t *testing.T) {
	text := render(t, goodReport())
	for _, want := range []string{
		"| by code, 50 due each second | – | 50 | 4 ms | 5 ms | 3 ms | 10 ms | 20 ms |",
		"| by code, as many as it takes | 16 | 250 | 4 ms | 5 ms | 3 ms | 10 ms | 20 ms |",
		"| by passkey, as many as it takes | 256 | 333 | 4 ms | 5 ms | 3 ms | – | – |",
		"| refresh of tokens | 16 | 3000 | 4 ms | 5 ms | 3 ms | – | – |",
		"The most sign-ins by code that it took: 500 each second, 64 at a time.",
		"The most sign-ins by passkey that it took: 1000 each second, 64 at a time.",
		"| POST /login | 2000 each | 1001 µs | 1001 µs | +0 µs | 0.500 | +0 µs | 0.500 |",
		"6 files, the page and what it and its scripts name: 26.5 kB as they are, 9.90 kB from a site",
		"| telling known addresses by the time of POST /api/login/email, POST /api/login/email/verify, POST /login: AUC off ½ by | 0 · 0 · 0 | ≤ 0.03 | pass |",
		"| … beyond what chance does to unknown ones (A/A) | 0 · 0 · 0 | ≤ 0.02 | pass |",
		"| sign-in page with all that it loads, compressed | 9.90 kB | ≤ 30 kB | pass |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
}

func TestReport_SignInMissesAreNamed(t *testing.T) {
	const told = "telling known addresses by the time of POST /api/login/email, POST /api/login/email/verify, POST /login: AUC off ½ by: "
	const beyond = "… beyond what chance does to unknown ones (A/A): "
	const weight = "sign-in page with all that it loads, compressed: "
	tell := func(r *Report) { r.SignIn.Timings[1] = timingOf(r.SignIn.Timings[1].Request, 2000, 0.04) }
	for _, c := range []struct {
		name   string
		change func(*Report)
		quick  bool
		want   []string
	}{
		{"a known address takes longer", tell, false, []string{told + "0 · 0.039 · 0 instead of ≤ 0.03", beyond + "0 · 0.039 · 0 instead of ≤ 0.02"}},
		{"… in a quick run", tell, true, nil},
		{"a little longer, as chance does", func(r *Report) {
			r.SignIn.Timings[0] = timingOf(r.SignIn.Timings[0].Request, 2000, 0.025)
			r.SignIn.Timings[0].Samples[unknown2] = r.SignIn.Timings[0].Samples[known]
		}, false, nil},
		{"a little longer, and chance did nothing", func(r *Report) { r.SignIn.Timings[0] = timingOf(r.SignIn.Timings[0].Request, 2000, 0.025) }, false, []string{
			beyond + "0.025 · 0 · 0 instead of ≤ 0.02",
		}},
		{"a heavy page, quick run", func(r *Report) { r.SignIn.Weight.Compressed = 30_100 }, true, []string{weight + "30.1 kB instead of ≤ 30 kB"}},
		{"nothing was measured", func(r *Report) { r.SignIn = nil }, true, []string{
			told + "? · ? · ? instead of ≤ 0.03", beyond + "? · ? · ? instead of ≤ 0.02", weight + "? kB instead of ≤ 30 kB",
		}},
		{"it broke off", func(r *Report) {
			r.SignIn = &SignIn{Weight: r.SignIn.Weight, Code: &Way{Steady: r.SignIn.Code.Steady}, Timings: r.SignIn.Timings[:2]}
		}, false, []string{told + "0 · 0 · ? instead of ≤ 0.03", beyond + "0 · 0 · ? instead of ≤ 0.02"}},
		{"left out", func(r *Report) { r.SignIn, r.Skipped = nil, []string{"sign-in"} }, false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := goodReport()
			r.Quick = c.quick
			c.change(r)
			if got, want := strings.Join(r.failures(), "\n"), strings.Join(c.want, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if text := render(t, r); strings.Contains(text, "NaN") || strings.Contains(text, "%!") {
				t.Errorf("rendered\n%s", text)
			}
		})
	}
}

func TestReport_SignInSaysHowOftenItTried(t *testing.T) {
	r := goodReport()
	if text := render(t, r); strings.Contains(text, "Run 1") {
		t.Errorf("a first run is a repeated one:\n%s", text)
	}
	r.SignIn.Timings[2].Tries = 3
	if text := render(t, r); !strings.Contains(text, "POST /login: run 3, since the control of those before drifted by more than 0.03.") {
		t.Errorf("nothing of the runs before:\n%s", text)
	}
}
