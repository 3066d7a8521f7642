package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// inProcess runs a role in this process.
func inProcess(t *testing.T, role string) *child {
	t.Helper()
	childIn, in := io.Pipe()
	out, childOut := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- roles[role](childIn, childOut) }()
	t.Cleanup(func() {
		_ = in.Close()
		if err := <-ended; err != nil {
			t.Errorf("%s: %v", role, err)
		}
	})
	return &child{role: role, in: in, out: json.NewDecoder(out)}
}

func TestLoad_KeepsItsConnectionsBetweenSlices(t *testing.T) {
	up, load := inProcess(t, "upstream"), inProcess(t, "load")
	var state upstreamState
	if err := up.ask(struct{}{}, &state); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var r sliceResult
		err := load.ask(slice{state.Addr, []byte("GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n"), 4, 20 * time.Millisecond}, &r)
		if err != nil {
			t.Fatal(err)
		}
		if r.Requests < 4 || r.Elapsed < 20*time.Millisecond || r.P50 <= 0 || r.P99 < r.P50 {
			t.Errorf("got %+v", r)
		}
	}
	if err := up.ask(struct{}{}, &state); err != nil {
		t.Fatal(err)
	}
	if state.Opened != 4 {
		t.Errorf("%d connections were opened, want 4", state.Opened)
	}
}

func TestLoad_RefusalIsAnErrorAndNoFigure(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer srv.Close()
	err := inProcess(t, "load").ask(slice{srv.Listener.Addr().String(), []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 1, 200 * time.Millisecond}, new(sliceResult))
	if err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("got %v", err)
	}
}

func TestLoad_AnyAllowingStatusCounts(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	defer srv.Close()
	var r sliceResult
	err := inProcess(t, "load").ask(slice{srv.Listener.Addr().String(), get("/", "x"), 1, 20 * time.Millisecond}, &r)
	if err != nil || r.Requests == 0 {
		t.Errorf("got %+v, %v", r, err)
	}
}
