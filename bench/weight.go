package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path"
	"regexp"
)

// Weight is what a browser that was never here loads to show the sign-in page:
// the page, its stylesheet, scripts with what they import, and its icon.
type Weight struct {
	Files      int
	Plain      int // bytes of their bodies
	Compressed int // … where the site compresses (gzip)
}

// The two ways in which files of ours name others: pages by path, scripts by
// name, next to themselves. Types are for editors, and in comments.
var (
	assetPattern  = regexp.MustCompile(`"(/assets/[^"]+)"`)
	importPattern = regexp.MustCompile(`(?:from|import)\s*"\./([^"]+\.js)"`)
)

// weigh loads the page and everything that it needs, once plain, to read it, and
// once compressed.
func (d *desk) weigh(ctx context.Context) (*Weight, error) {
	w := new(Weight)
	seen := map[string]bool{"/login": true}
	for queue := []string{"/login"}; len(queue) > 0; queue = queue[1:] {
		plain, err := d.load(ctx, queue[0], "identity")
		if err != nil {
			return nil, err
		}
		compressed, err := d.load(ctx, queue[0], "gzip")
		if err != nil {
			return nil, err
		}
		w.Files, w.Plain, w.Compressed = w.Files+1, w.Plain+len(plain), w.Compressed+len(compressed)
		for _, name := range needs(queue[0], plain) {
			if !seen[name] {
				seen[name] = true
				queue = append(queue, name)
			}
		}
	}
	return w, nil
}

// needs are the paths of the files that one names.
func needs(name string, content []byte) (list []string) {
	for _, m := range assetPattern.FindAllSubmatch(content, -1) {
		list = append(list, string(m[1]))
	}
	for _, m := range importPattern.FindAllSubmatch(content, -1) {
		list = append(list, path.Join(path.Dir(name), string(m[1])))
	}
	return list
}

// load is a body as it came over the wire.
func (d *desk) load(ctx context.Context, name, encoding string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.portal+name, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Encoding", encoding)
	res, err := d.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("loading %s: %w", name, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s", res.Status)
	}
	if err != nil {
		return nil, fmt.Errorf("loading %s: %w", name, err)
	}
	return body, nil
}
