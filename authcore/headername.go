package authcore

import (
	"slices"
	"strings"
)

// What an identity header may not be called. An identity header is written for
// the app on the way in, and by the decision endpoints into an answer, empty
// where there is no value; so a name that HTTP, a browser, a proxy or a
// framework acts on is refused in either direction (HD-1).

// takenPrefixes begin the names of whole families.
var takenPrefixes = []string{
	"accept-", "access-control-", "content-", "cross-origin-", "if-", "http2-", "proxy-", "sec-", "service-worker", "want-",
	// Proxies take and give orders by these, and so do we by ours.
	"x-accel-", "x-envoy-", "x-forwarded-", "x-original-", "x-rewrite-", "passwordless-",
	// Frameworks choose the method and the checks of a request by these.
	"x-content-", "x-csrf", "x-http-", "x-method-", "x-middleware-", "x-xsrf",
}

// takenNames are single names, each with its family.
var takenNames = []string{
	// The connection, and how a message is carried.
	"alt-svc", "alt-used", "connection", "expect", "host", "keep-alive", "max-forwards", "priority", "te", "trailer", "transfer-encoding",
	"upgrade", "via", "early-data",
	// Who asks, from where and with what.
	"accept", "authorization", "cookie", "cookie2", "dpop", "forwarded", "from", "origin", "range", "referer", "signature", "signature-input",
	"upgrade-insecure-requests", "user-agent", "x-requested-with",
	"cf-connecting-ip", "client-ip", "fastly-client-ip", "true-client-ip", "x-client-ip", "x-cluster-client-ip", "x-forwarded", "x-host", "x-real-ip",
	"baggage", "traceparent", "tracestate", "x-correlation-id", "x-request-id",
	// A CGI program finds it in HTTP_PROXY, and connects there.
	"proxy",
	// What is asked for.
	"depth", "destination", "idempotency-key", "last-event-id", "lock-token", "overwrite", "prefer", "timeout", "translate", "x-method",
	// Answers, and what browsers and caches do with them.
	"age", "allow", "authentication-info", "cache-control", "clear-site-data", "date", "etag", "expires", "last-modified", "link", "location",
	"nel", "permissions-policy", "pragma", "referrer-policy", "refresh", "report-to", "reporting-endpoints", "retry-after", "server",
	"server-timing", "set-cookie", "set-cookie2", "sourcemap", "status", "strict-transport-security", "timing-allow-origin", "vary",
	"warning", "www-authenticate", "x-dns-prefetch-control", "x-frame-options", "x-lighttpd-send-file", "x-powered-by", "x-robots-tag",
	"x-sendfile", "x-ua-compatible", "x-xss-protection",
}

// TakenHeader reports whether a header of this name, in any case of letters,
// means something to HTTP, to a browser, a proxy or a framework already.
func TakenHeader(name string) bool {
	name = lowerASCII(name)
	return slices.Contains(takenNames, name) ||
		slices.ContainsFunc(takenPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}
