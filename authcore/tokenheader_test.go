package authcore

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/passwordless-auth/passwordless-auth/authcore/internal/secret"
)

// aToken is a token of zeros: well-formed and nobody's.
const aToken = "pwl_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA1l9Nu9"

func basic(userAndPassword string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(userAndPassword))
}

func TestOurToken_IsFoundWhereverAClientMayPutIt(t *testing.T) {
	short := aToken[:len(aToken)-1]
	for name, tc := range map[string]struct {
		values  []string
		raw     string
		present bool
	}{
		"none":           {nil, "", false},
		"no values":      {[]string{}, "", false},
		"empty":          {[]string{""}, "", false},
		"scheme alone":   {[]string{"Bearer"}, "", false},
		"foreign bearer": {[]string{"Bearer eyJhbGciOi.x.y"}, "", false},
		"foreign basic":  {[]string{basic("alice:secret")}, "", false},
		"foreign twice":  {[]string{basic("alice:secret"), "Bearer x"}, "", false},
		"digest":         {[]string{`Digest username="pwl_bob", realm="x"`}, "", false},
		"capitals":       {[]string{"Bearer PWL_" + aToken[4:]}, "", false},
		"inside":         {[]string{"Bearer xpwl_abc"}, "", false},
		"another scheme": {[]string{"Bearerpwl_x y"}, "", false},
		"name only":      {[]string{basic("alice:")}, "", false},
		"junk basic":     {[]string{"Basic ????"}, "", false},

		"bearer":               {[]string{"Bearer " + aToken}, aToken, true},
		"bearer, any case":     {[]string{"bEARER " + aToken}, aToken, true},
		"bearer, spaces":       {[]string{" Bearer \t " + aToken + " "}, aToken, true},
		"basic":                {[]string{basic("alice:" + aToken)}, aToken, true},
		"basic, any case":      {[]string{"bASIC " + basic("alice:" + aToken)[6:]}, aToken, true},
		"basic, no name":       {[]string{basic(":" + aToken)}, aToken, true},
		"cut short":            {[]string{"Bearer " + short}, short, true},
		"prefix alone":         {[]string{"Bearer pwl_"}, "pwl_", true},
		"cut short in basic":   {[]string{basic("alice:" + short)}, short, true},
		"colon behind it":      {[]string{basic("alice:" + aToken + ":x")}, aToken + ":x", true},
		"as user name":         {[]string{basic(aToken + ":")}, "", true},
		"as user name with x":  {[]string{basic(aToken + ":x")}, "", true},
		"as both":              {[]string{basic(aToken + ":" + aToken)}, "", true},
		"without a colon":      {[]string{basic(aToken)}, "", true},
		"twice":                {[]string{"Bearer " + aToken, "Bearer " + aToken}, "", true},
		"beside a foreign one": {[]string{basic("alice:secret"), "Bearer " + aToken}, "", true},
		"before a foreign one": {[]string{"Bearer " + aToken, basic("alice:secret")}, "", true},
		"beside an empty one":  {[]string{"Bearer " + aToken, ""}, "", true},
		"joined by a proxy":    {[]string{basic("alice:secret") + ", Bearer " + aToken}, "", true},
		"another scheme's":     {[]string{"Token " + aToken}, "", true},
		"no scheme":            {[]string{aToken}, "", true},
		"deep in a password":   {[]string{basic("alice:x:" + aToken)}, "", true},
		"unpadded":             {[]string{strings.TrimRight(basic("b:"+aToken), "=")}, "", true},
		"unpadded, cut short":  {[]string{strings.TrimRight(basic("bb:"+short), "=")}, "", true},
		"URL alphabet":         {[]string{strings.NewReplacer("+", "-", "/", "_").Replace(basic("\xff\xfe>?:" + aToken))}, "", true},
		"foreign characters":   {[]string{"Basic !" + basic("alice:" + aToken)[6:]}, "", true},
		"a line break":         {[]string{"Basic \n" + basic("alice:" + aToken)[6:]}, "", true},
		"stray bits":           {[]string{strings.Replace(basic("alicexy:"+aToken), "OQ==", "OR==", 1)}, "", true},
	} {
		raw, present := ourToken(tc.values)
		if raw != tc.raw || present != tc.present {
			t.Errorf("%s (%q): %q, %v; want %q, %v", name, tc.values, raw, present, tc.raw, tc.present)
		}
	}
}

func TestOurToken_CostsNothingWithoutAHeader(t *testing.T) {
	for name, values := range map[string][]string{"none": nil, "bearer": {"Bearer " + aToken}, "foreign": {"Bearer eyJ.x.y"}} {
		if n := testing.AllocsPerRun(100, func() { ourToken(values) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// A whole token that a client puts into a value is never taken for foreign,
// and what is answered as a token stood in the value.
func FuzzOurToken(f *testing.F) {
	for _, s := range []string{"", "Bearer ", "Basic ", "bearer\t", "x:", ":"} {
		f.Add(s, "")
		f.Add(s, ":x")
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		for _, value := range []string{before + aToken + after, basic(before + aToken + after)} {
			raw, present := ourToken([]string{value})
			if !present {
				t.Errorf("%q is taken for foreign", value)
			}
			if raw != "" && !strings.HasPrefix(raw, secret.AccessPrefix) {
				t.Errorf("%q answers %q", value, raw)
			}
		}
		if raw, present := ourToken([]string{before + after}); !present && raw != "" {
			t.Errorf("%q answers %q and is not present", before+after, raw)
		}
	})
}
