package authcore

import (
	"strings"
	"testing"
	"time"
)

func TestConfig_DefaultsAreTheSafeOnes(t *testing.T) {
	c, err := Config{Portal: originOf(t, portalOrigin)}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if c.Registration.Mode != "closed" || c.EmailAfterPasskey != "allow" || c.SessionIdle != 24*time.Hour || c.SessionAbsolute != 720*time.Hour ||
		c.SessionsPerUser != 20 || c.AccessTTL != 10*time.Minute || c.LinkTTL != 10*time.Minute || c.MailsPerAddress != 10 ||
		c.Requests != 60 || c.Burst != 20 || c.RPID != portalHost || c.NoPasskey || c.NoEmail || len(c.Clients) != 0 {
		t.Errorf("defaults are %+v", c)
	}
}

func TestConfig_ImpossibleOrUnsafeIsRefused_BT2(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		says   string
	}{
		"two hosts and no portal":    {func(c *Config) { c.Portal = Origin{}; c.Clients = nil }, "portal"},
		"no host and no portal":      {func(c *Config) { c.Portal, c.Apps, c.Clients = Origin{}, nil, nil }, "portal"},
		"a client without a portal":  {func(c *Config) { c.Portal, c.Apps = Origin{}, c.Apps[:1] }, "portal"},
		"an audience that is an app": {func(c *Config) { c.Clients[1].Audience = appOrigin }, "audience " + appOrigin},
		"two origins on a name":      {func(c *Config) { c.Apps = append(c.Apps, appAt(t, appOrigin+":8443", PolicySpec{})) }, appHost},
		"an app on the portal's":     {func(c *Config) { c.Apps[0] = appAt(t, portalOrigin+":8443", PolicySpec{}) }, portalHost},
		"rp_id of somebody else":     {func(c *Config) { c.RPID = "example.org" }, "example.org"},
		"rp_id below the portal":     {func(c *Config) { c.RPID = "x." + portalHost }, "rp_id"},
		"rp_id by its end only":      {func(c *Config) { c.RPID = "h.example.test" }, "rp_id"},
		"no method":                  {func(c *Config) { c.NoEmail, c.NoPasskey = true, true }, "methods"},
		"unknown registration":       {func(c *Config) { c.Registration.Mode = "anyone" }, "anyone"},
		"a domain with a star":       {func(c *Config) { c.Registration.Domains = []string{"*.example.com"} }, "*.example.com"},
		"a domain in capitals":       {func(c *Config) { c.Registration.Domains = []string{"Example.com"} }, "Example.com"},
		"unknown email_after":        {func(c *Config) { c.EmailAfterPasskey = "never" }, "never"},
		"an admin without address":   {func(c *Config) { c.Admins = []string{"root"} }, "root"},
		"two clients of a name":      {func(c *Config) { c.Clients = append(c.Clients, APIClient{ID: "spa"}) }, "spa"},
		"a client without a name":    {func(c *Config) { c.Clients = []APIClient{{}} }, "client"},
		"idle under a minute":        {func(c *Config) { c.SessionIdle = time.Second }, "idle"},
		"absolute under idle":        {func(c *Config) { c.SessionAbsolute = time.Hour }, "absolute"},
		"negative absolute":          {func(c *Config) { c.SessionAbsolute = -1 }, "absolute"},
		"no sessions":                {func(c *Config) { c.SessionsPerUser = -1 }, "per_user"},
		"JWT for an hour (JW-4)":     {func(c *Config) { c.AccessTTL = time.Hour }, "access_ttl"},
		"refresh for ever":           {func(c *Config) { c.RefreshTTL = 400 * 24 * time.Hour }, "refresh_ttl"},
		"links for an hour (ML-1)":   {func(c *Config) { c.LinkTTL = time.Hour }, "10m"},
		"negative requests":          {func(c *Config) { c.Requests = -1 }, "requests"},
		"negative request window":    {func(c *Config) { c.RequestsPer = -1 }, "requests"},
		"mails without end (EC-3)":   {func(c *Config) { c.MailsPerAddress = 1000 }, "mails_per_address"},
		"a negative window of mails": {func(c *Config) { c.MailsPer = -time.Hour }, "mails_per_address"},
	} {
		cfg := portalConfig(t, c.change)
		if err := cfg.Check(); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want a word of %q", name, err, c.says)
		}
	}
	if err := portalConfig(t, func(c *Config) { c.RPID = "example.test" }).Check(); err != nil {
		t.Errorf("a parent as rp_id is refused: %v", err)
	}
}

func TestConfig_CallersCopyIsNotTouched(t *testing.T) {
	c := portalConfig(t)
	f := newFixture(t)
	if _, err := NewService(f.rt, c); err != nil {
		t.Fatal(err)
	}
	if c.Apps[0].id != 0 || c.Brand != "" {
		t.Error("a Service writes into the configuration it was given")
	}
}

func TestReasons_AreAllListedOnce(t *testing.T) {
	seen := map[Reason]bool{}
	for _, r := range Reasons() {
		if seen[r] || r == "" || strings.ToUpper(string(r)) != string(r) {
			t.Errorf("%q is listed twice, or is no code", r)
		}
		seen[r] = true
	}
}

func TestCapText_KeepsRecordsShortAndPlain_LG2(t *testing.T) {
	for in, want := range map[string]string{
		"Mozilla/5.0": "Mozilla/5.0", "a\x1b[31mb\r\nc\x00\u0085": "a[31mbc", "\xff\xfe": "", "Zoë": "Zoë",
		strings.Repeat("é", 200):       strings.Repeat("é", 128),
		"a" + strings.Repeat("é", 200): "a" + strings.Repeat("é", 127),
	} {
		if got := capText(in, maxUserAgent); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}
