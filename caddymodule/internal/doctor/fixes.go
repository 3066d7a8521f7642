package doctor

import (
	"slices"
	"strings"
)

// fixes are the lines to write, by kind of proxy. guard is the Caddyfile of an
// app that is guarded in process, ours the configuration of passwordless-auth
// whatever stands in front of it, and everyKind holds for every kind that has no lines
// of its own. The lines are those of the folders in examples/.
type fixes map[string][]string

const (
	ours      = "ours"
	everyKind = ""
)

// titles name a configuration to people.
var titles = map[string]string{
	guard: "Caddyfile", ours: "passwordless-auth", everyKind: "the proxy", "nginx": "nginx", "haproxy": "HAProxy",
	"traefik": "Traefik", "envoy": "Envoy", "caddy": "Caddy",
}

// fixes picks what concerns the app.
func (w *world) fixes(f fixes) (list []Fix) {
	replace := strings.NewReplacer("{auth}", hostOf(w.facts.Portal), "{app}", w.host, "{origin}", w.app.Origin)
	add := func(kind string) {
		var lines []string
		for _, l := range f[kind] {
			lines = append(lines, replace.Replace(l))
		}
		if lines != nil {
			list = append(list, Fix{titles[kind], lines})
		}
	}
	for _, kind := range w.kinds {
		if f[kind] != nil {
			add(kind)
		} else if !slices.ContainsFunc(list, func(x Fix) bool { return x.Where == titles[everyKind] }) {
			add(everyKind)
		}
	}
	if len(w.kinds) == 0 {
		add(everyKind)
	}
	add(ours)
	return list
}

// of is f for another app than the one that the run is about.
func (f fixes) of(app string) fixes {
	out := fixes{}
	for kind, lines := range f {
		for _, l := range lines {
			out[kind] = append(out[kind], strings.ReplaceAll(l, "{app}", app))
		}
	}
	return out
}

// also is f with the lines of more behind its own.
func (f fixes) also(more fixes) fixes {
	out := fixes{}
	for _, from := range []fixes{f, more} {
		for kind, lines := range from {
			for _, l := range lines {
				if !slices.Contains(out[kind], l) {
					out[kind] = append(out[kind], l)
				}
			}
		}
	}
	return out
}

var fixDown = fixes{everyKind: {"the name, the port and the address of {origin}, and of the app behind it"}}

var fixUnguarded = fixes{
	"nginx":   {"include passwordless-location.conf;   # in each location of {app}; it has auth_request /.passwordless-check;"},
	"haproxy": {"http-request lua.passwordless passwordless unless on_auth || reserved"},
	"traefik": {"middlewares: [passwordless]   # in every router of Host(`{app}`)"},
	"envoy":   {"remove \"disabled: true\" of envoy.filters.http.ext_authz from every route of {app} but /.auth/"},
	"caddy":   {"import guarded ADDRESS   # in place of every reverse_proxy of {app}; it has forward_auth"},
	guard:     {"passwordless_guard   # in the site {app}, before every reverse_proxy"},
}

var fixDecisions = fixes{
	"nginx":   {"location /api/authz/ { return 404; }   # in the server of {auth}", "location = /api/verify { return 404; }", "server { listen 443 ssl default_server; return 421; }"},
	"haproxy": {"http-request deny deny_status 421 unless { var(txn.host) -m str {auth} {app} }", "http-request deny deny_status 404 if on_auth { path,url_dec -m reg -i ^/+api/+(authz|verify) }"},
	"traefik": {"rule: Host(`{auth}`) && !PathPrefix(`/api/authz`) && !PathPrefix(`/api/verify`)"},
	"envoy":   {"- match: { prefix: /api/authz/ }", "  direct_response: { status: 404 }", "- match: { path: /api/verify }", "  direct_response: { status: 404 }"},
	"caddy":   {"@decisions path /api/authz/* /api/verify   # in the site {auth}", "respond @decisions 404"},
	guard:     {"no proxy ADDRESS may hold people: remove it, or name the proxy alone"},
}

var fixSignIn = fixes{
	"nginx":   {"auth_request_set $passwordless_location $upstream_http_location;", "error_page 401 = @passwordless_signin;", "if ($passwordless_location) { return 302 $passwordless_location; }   # in @passwordless_signin"},
	"haproxy": {"http-request return status 302 hdr Location %[var(txn.passwordless_location)] hdr Cache-Control no-store if !on_auth !reserved signin elsewhere"},
	"traefik": {"address: http://passwordless:9080/api/authz/forward-auth", "remove authRequestHeaders, or list Accept, Cookie, Authorization and every Sec-Fetch-*"},
	"envoy":   {"- { exact: accept, ignore_case: true }           # in allowed_headers", "- { exact: sec-fetch-mode, ignore_case: true }   # in allowed_headers", "- { exact: location, ignore_case: true }         # in allowed_client_headers"},
	"caddy":   {"uri /api/authz/forward-auth   # in forward_auth"},
	guard:     {"passwordless_guard   # first in the site {app}; no handle_errors in front of its answers"},
}

var fixScripts = fixes{
	"nginx":   {"auth_request_set $passwordless_location $upstream_http_location;", "if ($passwordless_location) { return 302 $passwordless_location; }   # then return 401, not a redirect of its own"},
	"haproxy": {`"sec-fetch-mode", "sec-fetch-dest", "sec-websocket-key", "x-requested-with", "accept", "content-type"   # in "passed" of passwordless.lua`, "http-request return status 401 content-type application/problem+json string '{\"status\":401,\"code\":\"UNAUTHENTICATED\"}' if !on_auth !reserved signin"},
	"traefik": {"remove authRequestHeaders, or list Accept, Content-Type, X-Requested-With, Sec-WebSocket-Key and every Sec-Fetch-*", "remove authSigninURL"},
	"envoy":   {"- { exact: sec-fetch-mode, ignore_case: true }      # in allowed_headers", "- { exact: sec-fetch-dest, ignore_case: true }", "- { exact: sec-websocket-key, ignore_case: true }", "- { exact: x-requested-with, ignore_case: true }", "- { exact: accept, ignore_case: true }", "- { exact: content-type, ignore_case: true }"},
	"caddy":   {"remove handle_response and handle_errors for 401 around forward_auth"},
	guard:     {"remove handle_errors for 401 of {app}"},
}

var fixReserved = fixes{
	"nginx":   {"location /.auth/ { proxy_pass http://passwordless; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme; }   # in the server of {app}"},
	"haproxy": {"acl reserved path_beg /.auth/", "use_backend passwordless if on_auth || reserved || refused"},
	"traefik": {"rule: Host(`{app}`)   # one router, with middlewares: [passwordless], for /.auth/ too"},
	"envoy":   {"- match: { prefix: /.auth/ }   # first in the routes of {app}", "  route: { cluster: passwordless }", "  typed_per_filter_config: *open", "- { exact: set-cookie, ignore_case: true }   # in allowed_client_headers"},
	"caddy":   {"import guarded ADDRESS   # for all paths of {app}, /.auth/ too"},
	guard:     {"handle /.auth/* {", "\tpasswordless_guard", "}"},
}

var fixCookies = fixes{
	"nginx":   {"remove proxy_cookie_domain, proxy_cookie_path and proxy_cookie_flags", "proxy_set_header X-Forwarded-Proto $scheme;"},
	"traefik": {"remove customResponseHeaders that touch Set-Cookie"},
	"haproxy": {"remove http-response rules that touch Set-Cookie"},
	"envoy":   {"- { exact: set-cookie, ignore_case: true }   # in allowed_client_headers"},
	everyKind: {"let Set-Cookie pass as it is"},
}

var fixSpellings = fixes{
	"nginx":   {"underscores_in_headers off;   # the default", "ignore_invalid_headers on;   # the default"},
	"haproxy": {"http-request del-header ^remote[^a-z0-9]+(user|sub|email|name|groups|jwt)$ -m reg   # before lua.passwordless"},
	"traefik": {"aliasHeadersStrategy: delete   # in http of the entry point websecure"},
	"envoy":   {"headers_with_underscores_action: DROP_HEADER   # in common_http_protocol_options"},
	"caddy":   {"request_header -Remote-*   # in the route, before forward_auth; and Caddy ≥ 2.11.9, which drops names with _"},
	guard:     {"passwordless_guard   # before every reverse_proxy of {app}, and no header_up Remote-… in it"},
}

// fixHeader are the lines of one identity header that a proxy takes from the
// answer of the check.
func fixHeader(name string) fixes {
	low := strings.ToLower(name)
	variable := "$passwordless_" + strings.ReplaceAll(strings.TrimPrefix(low, "remote-"), "-", "_")
	return fixes{
		"nginx":   {"auth_request_set " + variable + " $upstream_http_" + strings.ReplaceAll(low, "-", "_") + ";", "proxy_set_header " + name + " " + variable + ";"},
		"haproxy": {`"` + low + `"   # in "identity" of passwordless.lua`, "http-request del-header ^remote[^a-z0-9]+(user|sub|email|name|groups|jwt)$ -m reg"},
		"traefik": {"- " + name + "   # in authResponseHeaders"},
		"envoy":   {"- remove: " + low + "   # in header_mutation, before ext_authz", "- { exact: " + low + ", ignore_case: true }   # in allowed_upstream_headers"},
		"caddy":   {"copy_headers Remote-User Remote-Sub Remote-Email Remote-Name Remote-Groups Remote-Jwt Authorization   # here " + name + " is missing", "request_header -" + name},
		guard:     {"passwordless_guard   # and nothing behind it that sets or removes " + name},
	}
}

var fixAuthorization = fixHeader("Authorization").also(fixes{guard: {"passwordless_guard   # before every reverse_proxy of {app}"}})

var fixVocabulary = fixes{
	"nginx":   {"proxy_set_header X-Original-URL $scheme://$host$request_uri;   # in location = /.passwordless-check", "proxy_set_header X-Original-Method $request_method;"},
	"haproxy": {`["x-original-url"] = {"https://" .. txn:get_var("txn.host") .. txn.sf:pathq()}   -- in passwordless.lua`, `["x-original-method"] = {txn.sf:method()}`},
	"traefik": {"trustForwardHeader: false", "remove forwardedHeaders.insecure from the entry point, and from trustedIPs whatever is not a proxy of yours"},
	"envoy":   {"path_prefix: /api/authz/ext-authz   # and no header of the client's in its place"},
	"caddy":   {"remove trusted_proxies of this Caddy, or name there nothing but a proxy in front of it", "uri /api/authz/forward-auth   # in forward_auth, without header_up of X-Forwarded-*"},
	guard:     {"trusted_proxies static ADDRESS   # nothing but the proxy in front of this Caddy", "trusted_proxies_strict"},
}

var fixClient = fixes{
	"nginx":   {"proxy_set_header X-Forwarded-For $remote_addr;   # in location = /.passwordless-check"},
	"haproxy": {"http-request del-header ^(x[^a-z0-9]+forwarded[^a-z0-9]|forwarded$) -m reg", `["x-forwarded-for"] = {txn.sf:src()}   -- in passwordless.lua`},
	"traefik": {"trustForwardHeader: false", "remove forwardedHeaders.insecure from the entry point, and from trustedIPs whatever is not a proxy of yours"},
	"envoy":   {"use_remote_address: true", "xff_num_trusted_hops: 0", "- { exact: x-forwarded-for, ignore_case: true }   # in allowed_headers"},
	"caddy":   {"remove trusted_proxies of this Caddy, or name there nothing but a proxy in front of it"},
	guard:     {"servers {", "\ttrusted_proxies static ADDRESS   # nothing but the proxy in front of this Caddy", "\ttrusted_proxies_strict", "}"},
}

var fixPaths = fixes{
	"nginx":   {"proxy_set_header X-Original-URL $scheme://$host$request_uri;   # as the client sent it, not $uri", "proxy_pass http://app;   # without a path behind the name, and no rewrite"},
	"haproxy": {"remove set-path, set-uri, replace-path and normalize-uri behind lua.passwordless"},
	"traefik": {"remove stripPrefix, replacePath and addPrefix of the router, and routers of Host(`{app}`) without middlewares: [passwordless]"},
	"envoy":   {"normalize_path: true", "merge_slashes: true", "path_with_escaped_slashes_action: REJECT_REQUEST"},
	"caddy":   {"route {   # forward_auth first, then handle_path, uri and rewrite", "}"},
	guard:     {"route {   # passwordless_guard first, then handle_path, uri and rewrite", "}"},
}

var fixSession = fixes{
	"nginx":   {"remove proxy_set_header Cookie and proxy_pass_request_headers off from location = /.passwordless-check"},
	"haproxy": {`"cookie"   # in "passed" of passwordless.lua`},
	"traefik": {"remove authRequestHeaders, or list Cookie there"},
	"envoy":   {"- { exact: cookie, ignore_case: true }   # in allowed_headers of ext_authz"},
	"caddy":   {"remove header_up Cookie and header_up -Cookie from forward_auth"},
	guard:     {"remove request_header Cookie before passwordless_guard"},
}

// The maps of nginx that hand on a WebSocket's upgrade and no other.
const (
	nginxUpgrade    = "map $http_upgrade $passwordless_upgrade { default ''; websocket websocket; }"
	nginxConnection = "map $passwordless_upgrade $passwordless_connection { default upgrade; '' ''; }"
)

var fixUpgrade = fixes{
	"nginx":   {nginxUpgrade, nginxConnection, "proxy_set_header Upgrade $passwordless_upgrade;", "proxy_set_header Connection $passwordless_connection;", `proxy_set_header HTTP2-Settings "";`},
	"haproxy": {"acl websocket req.fhdr(upgrade) -m str -i websocket", "http-request set-header Upgrade websocket if websocket", "http-request del-header Upgrade unless websocket", "http-request del-header HTTP2-Settings"},
	"traefik": {"remove customRequestHeaders that touch Connection or Upgrade"},
	"envoy":   {"upgrade_configs:", "  - upgrade_type: websocket   # and no other"},
	"caddy":   {`@tunnels expression {header.Upgrade}.lowerAscii() != "websocket"   # in the snippet guarded`, "request_header @tunnels -Upgrade   # in its route, before forward_auth", "request_header -HTTP2-Settings"},
	guard:     {"passwordless_guard   # before every reverse_proxy of {app}"},
}

var fixConnect = fixes{
	"nginx":   {"if ($request_method = CONNECT) { return 405; }   # in every server"},
	"haproxy": {"http-request deny deny_status 400 if METH_CONNECT"},
	"traefik": {"middlewares: [passwordless]   # in every router of Host(`{app}`)"},
	"envoy":   {"remove connect_matcher and every upgrade_type but websocket"},
	"caddy":   {"@connect method CONNECT   # in every site, in a route of which this comes first", "respond @connect 405"},
	guard:     {"passwordless_guard   # before every reverse_proxy of {app}"},
}

var fixWebSocket = fixes{
	"nginx":   {nginxUpgrade, nginxConnection, "proxy_http_version 1.1;", "proxy_set_header Upgrade $passwordless_upgrade;", "proxy_set_header Connection $passwordless_connection;"},
	"haproxy": {"timeout tunnel 1h   # and no option httpclose, no del-header Upgrade but the one \"unless websocket\""},
	"envoy":   {"upgrade_configs:", "  - upgrade_type: websocket"},
	"traefik": {"remove customRequestHeaders that touch Connection or Upgrade"},
	"caddy":   {"reverse_proxy ADDRESS   # without header_up of Connection or Upgrade"},
	guard:     {"reverse_proxy ADDRESS   # without header_up of Connection or Upgrade"},
}

var fixEvents = fixes{
	"nginx":   {"proxy_buffering off;   # in the location of the app"},
	"haproxy": {"no option http-buffer-request; timeout server 1h", "remove filter compression for text/event-stream"},
	"traefik": {"remove the buffering middleware from the router", "excludedContentTypes: [text/event-stream]   # in compress"},
	"envoy":   {"route: { cluster: app, timeout: 0s }", "remove envoy.filters.http.buffer"},
	"caddy":   {"flush_interval -1   # in reverse_proxy"},
	guard:     {"flush_interval -1   # in reverse_proxy"},
}

var fixBody = fixes{
	"nginx":   {"proxy_pass_request_body off;   # in location = /.passwordless-check", `proxy_set_header Content-Length "";`, `proxy_set_header Connection "";`},
	"haproxy": {"core.httpclient():get{   -- in passwordless.lua, without body"},
	"traefik": {"remove forwardBody and preserveRequestMethod from forwardAuth"},
	"envoy":   {"remove with_request_body from ext_authz"},
	"caddy":   {"remove method and rewrite that change the request behind forward_auth"},
	guard:     {"remove method and request_body that change the request"},
}

var fixLarge = fixes{
	"nginx":   {"large_client_header_buffers 8 32k;", "proxy_buffer_size 16k;   # in location = /.passwordless-check", "proxy_buffers 4 16k;"},
	"haproxy": {"tune.bufsize 65536"},
	"envoy":   {"max_request_headers_kb: 64"},
	"caddy":   {"max_header_size 64KB   # in the servers option"},
	guard:     {"max_header_size 64KB   # in the servers option"},
	everyKind: {"allow headers of 32 KiB, also to the app"},
}

var fixHead = fixes{
	"haproxy": {`["x-original-method"] = {txn.sf:method()}   -- in passwordless.lua`},
	"nginx":   {"proxy_set_header X-Original-Method $request_method;"},
	"traefik": {"remove methods from the router's rule"},
	everyKind: {"let HEAD take the way of GET"},
}

var fixTLS = fixes{
	"nginx":   {"ssl_protocols TLSv1.2 TLSv1.3;", "ssl_certificate /path/to/fullchain.pem;   # the certificate with its intermediates"},
	"haproxy": {"bind :443 ssl crt /etc/haproxy/certs/ ssl-min-ver TLSv1.2 alpn h2,http/1.1   # each file: key, certificate and its intermediates"},
	"traefik": {"minVersion: VersionTLS12   # in tls.options.default", "certFile: fullchain.pem   # the certificate with its intermediates"},
	"envoy":   {"tls_params: { tls_minimum_protocol_version: TLSv1_2 }   # in common_tls_context", "certificate_chain: { filename: fullchain.pem }"},
	"caddy":   {"tls   # the default: remove protocols, and names of files that are not renewed"},
	guard:     {"tls   # the default: remove protocols, and names of files that are not renewed"},
}

var fixRedirect = fixes{
	"nginx":   {"server { listen 80; server_name {app} {auth}; return 308 https://$host$request_uri; }"},
	"haproxy": {"http-request redirect scheme https code 308   # in the frontend of :80"},
	"traefik": {"redirections: { entryPoint: { to: websecure, scheme: https } }   # in http of the entry point web"},
	"envoy":   {"redirect: { https_redirect: true }   # in a listener on port 80"},
	"caddy":   {"{app} { … }   # without http:// and without auto_https off: Caddy redirects by itself"},
	guard:     {"{app} { … }   # without http:// and without auto_https off: Caddy redirects by itself"},
}

var fixBrowser = fixes{
	"nginx":   {"add_header Strict-Transport-Security max-age=31536000 always;", "add_header X-Content-Type-Options nosniff always;", "add_header X-Frame-Options DENY always;", "add_header Referrer-Policy strict-origin-when-cross-origin always;"},
	"haproxy": {"http-response set-header Strict-Transport-Security max-age=31536000", "http-response set-header X-Content-Type-Options nosniff", "http-response set-header X-Frame-Options DENY", "http-response set-header Referrer-Policy strict-origin-when-cross-origin"},
	"traefik": {"headers: { stsSeconds: 31536000, contentTypeNosniff: true, frameDeny: true, referrerPolicy: strict-origin-when-cross-origin }   # a middleware"},
	"envoy":   {"response_headers_to_add:   # strict-transport-security, x-content-type-options, x-frame-options, referrer-policy"},
	"caddy":   {"header { Strict-Transport-Security max-age=31536000; X-Content-Type-Options nosniff; X-Frame-Options DENY; Referrer-Policy strict-origin-when-cross-origin }"},
	guard:     {"passwordless_headers"},
}

var fixPortal = fixes{
	"nginx":   {"proxy_pass http://passwordless;   # in the server of {auth}", "proxy_set_header Host $host;", "remove add_header and proxy_hide_header there"},
	"haproxy": {"use_backend passwordless if on_auth || reserved || refused", "remove http-response set-header and del-header there"},
	"traefik": {"rule: Host(`{auth}`) && !PathPrefix(`/api/authz`) && !PathPrefix(`/api/verify`)", "service: passwordless", "remove middlewares of that router"},
	"envoy":   {"domains: [{auth}]", "- match: { prefix: / }", "  route: { cluster: passwordless }"},
	"caddy":   {"reverse_proxy localhost:9080   # in the site {auth}, without header"},
	guard:     {"passwordless_portal   # in the site {auth}; no header, no passwordless_headers in front that replaces ours"},
}
