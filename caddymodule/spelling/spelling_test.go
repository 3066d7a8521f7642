package spelling

import "testing"

func TestDistance_CountsLettersToChange(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"allow", "allow", 0},
		{"alow", "allow", 1},
		{"registratoin", "registration", 2},
		{"smpt", "smtp", 2},
		{"kitten", "sitting", 3},
	} {
		if got := Distance(c.a, c.b); got != c.want {
			t.Errorf("%q to %q is %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
