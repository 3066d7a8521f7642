package portal

import (
	"context"
	"net/http"
	"net/netip"
)

// What only the server around us, or a trusted proxy, knows of a request.
type (
	requestIDKey struct{}
	clientKey    struct{}
	schemeKey    struct{}
)

// WithRequestID hands the server's id of a request to pages, problems and logs.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

func requestID(r *http.Request) string {
	id, _ := r.Context().Value(requestIDKey{}).(string)
	return id
}

// WithClient says whose request it is where a proxy asks on a client's behalf,
// in place of Options.Address; the zero Addr is a client whose address is
// unknown (FA-1). The peer stays the one that connected.
func WithClient(ctx context.Context, client netip.Addr) context.Context {
	return context.WithValue(ctx, clientKey{}, client)
}

// WithScheme says by which scheme the browser came, where a trusted proxy told.
// It only helps to explain what is wrong; no URL is made of it (RD-1).
func WithScheme(ctx context.Context, scheme string) context.Context {
	return context.WithValue(ctx, schemeKey{}, scheme)
}

// scheme is the one that the browser used, or "" where nobody knows: without TLS
// there may be a proxy in front that ends it.
func scheme(r *http.Request) string {
	if s, ok := r.Context().Value(schemeKey{}).(string); ok {
		return s
	}
	if r.TLS != nil {
		return "https"
	}
	return ""
}
