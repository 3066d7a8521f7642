package portal

import (
	"bytes"
	"net/http"
	"path"
	"time"
)

// The JavaScript helper for apps that use the JSON API (docs/javascript.md):
// passwordless.js and its types, at addresses that stay, for pages of any
// origin. Both are the same for everybody and hold nothing of this server's, so
// anybody may read and keep them; what a page may do is decided by the API.
func (h *Handler) routeHelper() {
	for _, name := range []string{"passwordless.js", "passwordless.d.ts"} {
		h.portal.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) { h.pages.assets.serveShared(w, r, name) })
	}
}

// serveShared answers an asset under its plain name. It may be kept for an hour
// and then asked after by its ETag: an upgrade reaches every app soon, and
// FA-9's rule against validators is about pages that know somebody.
func (a *assets) serveShared(w http.ResponseWriter, r *http.Request, plain string) {
	hashed := a.hashed[plain]
	header := w.Header()
	public(w)
	header.Set("Cache-Control", "public, max-age=3600")
	header.Set("Content-Type", assetTypes[path.Ext(plain)])
	content := a.content(w, r, hashed)
	header.Set("ETag", `"`+hashed+header.Get("Content-Encoding")+`"`) // one for each encoding (RFC 9110 section 8.8.3.3)
	http.ServeContent(w, r, plain, time.Time{}, bytes.NewReader(content))
}
