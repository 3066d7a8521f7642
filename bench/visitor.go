package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// visitor is a stranger with a watch and one connection.
type visitor struct {
	conn   *conn
	portal string
}

// askAPI asks for a code.
func (v *visitor) askAPI(address string) (flow string, took time.Duration, err error) {
	body, took, err := v.send("/api/login/email", `{"email":`+strconv.Quote(address)+`}`, http.StatusAccepted)
	if err != nil {
		return "", 0, err
	}
	var begun struct {
		Flow string `json:"flow"`
	}
	if err := json.Unmarshal(body, &begun); err != nil {
		return "", 0, fmt.Errorf("reading a flow: %w", err)
	}
	return begun.Flow, took, nil
}

// typeWrongCode does so for a flow. In one of 10^8 it is the right one.
func (v *visitor) typeWrongCode(flow string) (time.Duration, error) {
	_, took, err := v.send("/api/login/email/verify", `{"flow":`+strconv.Quote(flow)+`,"code":"00000000"}`, http.StatusBadRequest)
	return took, err
}

// send sends a document to the API.
func (v *visitor) send(path, document string, want int) ([]byte, time.Duration, error) {
	req, err := http.NewRequest(http.MethodPost, v.portal+path, strings.NewReader(document))
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	return v.do(req, want)
}

// askPage loads the sign-in page, as somebody who was never here, and sends its
// form; only that is timed.
func (v *visitor) askPage(address string) (flow string, took time.Duration, err error) {
	req, err := http.NewRequest(http.MethodGet, v.portal+"/login", nil)
	if err != nil {
		return "", 0, err
	}
	navigate(req)
	page, err := v.conn.exchange(req)
	if err != nil {
		return "", 0, err
	}
	form, ok := filled(string(page.body), "/login", "email", address)
	if !ok {
		return "", 0, fmt.Errorf("/login answers %d and no form", page.status)
	}
	if req, err = http.NewRequest(http.MethodPost, v.portal+"/login", strings.NewReader(form.Encode())); err != nil {
		return "", 0, err
	}
	navigate(req)
	for _, c := range page.cookies {
		req.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	_, took, err = v.do(req, http.StatusSeeOther)
	return "", took, err
}

func (v *visitor) do(req *http.Request, want int) ([]byte, time.Duration, error) {
	r, err := v.conn.exchange(req)
	if err == nil && r.status != want {
		err = fmt.Errorf("%s answers %d instead of %d", req.URL.Path, r.status, want)
	}
	return r.body, r.took, err
}

// reply is an answer, and how long it took from the request's first byte to its
// own last one.
type reply struct {
	status  int
	cookies []*http.Cookie
	body    []byte
	took    time.Duration
}

// exchange sends a request and reads the whole answer.
func (c *conn) exchange(req *http.Request) (r reply, err error) {
	var out strings.Builder
	if err := req.Write(&out); err != nil {
		return r, fmt.Errorf("writing a request: %w", err)
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return r, err
	}
	begin := time.Now()
	if _, err := io.WriteString(c.Conn, out.String()); err != nil {
		return r, fmt.Errorf("sending: %w", err)
	}
	res, err := http.ReadResponse(c.r, req)
	if err != nil {
		return r, fmt.Errorf("receiving: %w", err)
	}
	defer res.Body.Close()
	if r.body, err = io.ReadAll(res.Body); err != nil {
		return r, fmt.Errorf("receiving: %w", err)
	}
	r.took, r.status, r.cookies = time.Since(begin), res.StatusCode, res.Cookies()
	return r, nil
}
