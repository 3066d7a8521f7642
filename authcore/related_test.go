package authcore

import (
	"fmt"
	"slices"
	"testing"
)

func TestRelatedOrigins_AreThoseOfClientsElsewhere_WA7(t *testing.T) {
	const (
		within  = "https://spa.auth.example.test" // below the rp_id: browsers ask nobody
		beside  = "https://spa.example.test"
		foreign = "https://spa.example.net:8443"
		local   = "http://spa.localhost"
	)
	f := newFixture(t, func(c *Config) {
		c.Clients = []APIClient{
			{ID: "cli"},
			{ID: "spa", Origins: []string{within, beside, appOrigin, appOrigin + ":8443", local, foreign}},
			{ID: "two", Origins: []string{beside, wikiOrigin, "https://two.example.net"}},
		}
	})
	if got, want := f.s.RelatedOrigins(), []string{beside, foreign, "https://two.example.net", portalOrigin}; !slices.Equal(got, want) {
		t.Errorf("listed: %q, want %q", got, want)
	}
	for id, want := range map[string][]string{
		"cli": {portalOrigin},
		"spa": {portalOrigin, within, beside, local, foreign},
		"two": {portalOrigin, beside, "https://two.example.net"},
	} {
		if got := f.s.PasskeyOrigins(f.s.Client(id)); !slices.Equal(got, want) {
			t.Errorf("pages of %s: %q, want %q", id, got, want)
		}
	}
	if got := f.s.PasskeyOrigins(nil); !slices.Equal(got, []string{portalOrigin}) {
		t.Errorf("our own pages: %q", got)
	}
}

func TestRelatedOrigins_NeverAnAppBelowAWildcard_FA12(t *testing.T) {
	f := newFixture(t, func(c *Config) {
		wild, err := ParseAppOrigin("https://*.apps.example.net")
		if err != nil {
			t.Fatal(err)
		}
		c.Apps = append(c.Apps, App{Origin: wild})
		c.Clients = []APIClient{{ID: "spa", Origins: []string{"https://a.apps.example.net", "https://a.b.apps.example.net", "https://apps.example.net"}}}
	})
	want := []string{"https://a.b.apps.example.net", "https://apps.example.net", portalOrigin}
	if got := f.s.RelatedOrigins(); !slices.Equal(got, want) {
		t.Errorf("listed: %q, want %q", got, want)
	}
}

// Nobody needs a list where clients have no pages, or only such that browsers
// let in anyway.
func TestRelatedOrigins_AreNoneWhereNobodyNeedsThem(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no clients":         func(c *Config) { c.Clients = nil },
		"no pages":           func(c *Config) { c.Clients = []APIClient{{ID: "cli"}} },
		"only an app's page": func(c *Config) { c.Clients = []APIClient{{ID: "spa", Origins: []string{appOrigin}}} },
		"below the rp_id": func(c *Config) {
			c.RPID, c.Clients = "example.test", []APIClient{{ID: "spa", Origins: []string{"https://spa.example.test"}}}
		},
	} {
		if got := newFixture(t, change).s.RelatedOrigins(); got != nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// Browsers look at five names and no further; the same name in another country
// counts once.
func TestRelatedOrigins_AreAsManyAsBrowsersLookAt(t *testing.T) {
	var origins []string
	for i := range 5 {
		origins = append(origins, fmt.Sprintf("https://spa.brand%d.com", i+1))
	}
	sixth, again := "https://brand6.com", "https://www.brand1.co.uk"
	f := newFixture(t, func(c *Config) {
		c.Clients = []APIClient{{ID: "spa", Origins: append(slices.Clone(origins), sixth, again, "https://co.uk")}}
	})
	if got, want := f.s.RelatedOrigins(), append(slices.Clone(origins), again, portalOrigin); !slices.Equal(got, want) {
		t.Errorf("listed: %q, want %q", got, want)
	}
	if got := f.s.Config().Unlisted(); !slices.Equal(got, []string{sixth, "https://co.uk"}) {
		t.Errorf("left out: %q", got)
	}
}
