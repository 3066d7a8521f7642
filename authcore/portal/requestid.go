package portal

import (
	"context"
	"net/http"
)

type requestIDKey struct{}

// WithRequestID hands the server's id of a request to pages, problems and logs.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

func requestID(r *http.Request) string {
	id, _ := r.Context().Value(requestIDKey{}).(string)
	return id
}
