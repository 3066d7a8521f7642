package doctor

import (
	"fmt"
	"io"
	"strings"
)

// Print writes the table, and for each failure and warning what to change.
func (r *Report) Print(w io.Writer) {
	front := "guarded in process"
	if len(r.Kinds) == 0 || r.Kinds[0] != guard {
		front = "behind " + strings.Join(r.Kinds, ", ")
	}
	fmt.Fprintf(w, "sign-in  %s\napp      %s, %s\n\n", r.Portal, r.App, front)
	id, question := 0, 0
	for i := range r.Results {
		id, question = max(id, len(r.Results[i].ID)), max(question, len(r.Results[i].Question))
	}
	for _, x := range r.Results {
		fmt.Fprintf(w, "%-11s  %-*s  %-*s  %s\n", x.Verdict, id, x.ID, question, x.Question, oneLine(x.Saw))
	}
	for _, verdict := range []Verdict{Fail, Warn} {
		for i := range r.Results {
			if r.Results[i].Verdict == verdict {
				r.Results[i].print(w)
			}
		}
	}
	fmt.Fprintf(w, "\n%s\n", r.sum())
}

func (x *Result) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s %s: %s\n  seen: %s\n  why it matters: %s\n", x.Verdict, x.ID, x.Question, oneLine(x.Saw), x.Why)
	for _, f := range x.Fixes {
		fmt.Fprintf(w, "  change in %s:\n", f.Where)
		for _, l := range f.Lines {
			fmt.Fprintf(w, "    %s\n", strings.ReplaceAll(l, "\t", "    "))
		}
	}
}

// sum counts verdicts.
func (r *Report) sum() string {
	n := map[Verdict]int{}
	for i := range r.Results {
		n[r.Results[i].Verdict]++
	}
	return fmt.Sprintf("%d ok, %d failed, %d warnings, %d not checked", n[OK], n[Fail], n[Warn], n[NotChecked])
}

// oneLine keeps what came from outside from drawing on the terminal (LG-2).
func oneLine(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 {
			return ' '
		}
		return c
	}, s)
}
