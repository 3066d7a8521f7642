package authcore

import "testing"

func TestTakenHeader_RefusesWhatOthersActOn_HD1(t *testing.T) {
	for _, name := range []string{
		"Set-Cookie", "Location", "WWW-Authenticate", "Cache-Control", "Cookie", "authorization", "Content-Length", "Content-Security-Policy",
		"Transfer-Encoding", "Sec-Fetch-Site", "If-Match", "Access-Control-Allow-Origin", "Clear-Site-Data", "Refresh", "Status",
		"X-Envoy-Auth-Headers-To-Remove", "X-Accel-Redirect", "X-Accel-Expires", "X-Sendfile", "X-Forwarded-For", "X-Forwarded-User", "X-Forwarded",
		"X-Real-Ip", "True-Client-IP", "Proxy", "Proxy-Authorization", "HTTP2-Settings", "Early-Data",
		"X-Original-URL", "X-Original-Method", "X-Rewrite-Url", "X-HTTP-Method-Override", "X-Http-Method", "X-Method-Override", "x-method",
		"X-Middleware-Subrequest", "X-CSRF-Token", "X-Csrftoken", "X-Requested-With", "Destination", "Passwordless-Database", "Passwordless-Need",
	} {
		if !TakenHeader(name) {
			t.Errorf("%s is free", name)
		}
		if _, err := CompilePolicy(PolicySpec{Headers: map[string]string{"user": name}}); err == nil {
			t.Errorf("%s is accepted for the user", name)
		}
	}
}

func TestTakenHeader_LeavesWhatAppsReadUsersFrom(t *testing.T) {
	for _, name := range append(defaultHeaderNames[:],
		"X-Webauth-User", "X-Remote-User", "X-Auth-Request-Email", "X-App-User", "X-User", "X-Email", "X-Groups", "X-Proxy-User", "X-Token-Subject",
		"Cf-Access-Jwt-Assertion", "X-Goog-Iap-Jwt-Assertion", "X-Authentik-Username", "X-Vouch-User", "Auth-User", "User",
	) {
		if TakenHeader(name) {
			t.Errorf("%s is refused", name)
		}
	}
}
