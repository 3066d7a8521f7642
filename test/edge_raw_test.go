package test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/passwordless-auth/passwordless-auth/test/harness"
)

// rawField is a field of HTTP/2 and 3, where the request line is fields too.
type rawField struct{ name, value string }

// In HTTP/2 and 3 there is no Connection (RFC 9113 section 8.2.2, RFC 9114
// section 4.2), and clients do not send it. Those that do nominate nothing:
// what they send is malformed and reaches no handler (HD-3).
func TestEdge_ConnectionIsRefusedInHTTP2And3_HD3(t *testing.T) {
	e := startEdge(t)
	for version, answered := range map[int]func(*testing.T, *edge, []rawField) error{2: answeredInHTTP2, 3: answeredInHTTP3} {
		request := []rawField{
			{":method", "GET"}, {":scheme", "https"}, {":authority", e.host(appHost)}, {":path", "/page"}, {"cookie", e.cookie},
		}
		if err := answered(t, e, request); err != nil || len(e.raw.Seen()) == 0 {
			t.Fatalf("HTTP/%d without it: %v, %d requests at the app", version, err, len(e.raw.Seen()))
		}
		before := len(e.raw.Seen())
		for _, name := range []string{"connection", "proxy-connection", "keep-alive", "Remote-User", "remote user"} {
			if err := answered(t, e, append(request, rawField{name, "remote-user"})); !errors.Is(err, errRefused) {
				t.Errorf("HTTP/%d with %q: %v", version, name, err)
			}
		}
		if n := len(e.raw.Seen()); n != before {
			t.Errorf("HTTP/%d: %d requests reached the app", version, n-before)
		}
	}
}

// errRefused says that a request was answered with a reset, or with 400.
var errRefused = errors.New("refused")

// answeredInHTTP2 sends the fields as they are in a connection of its own.
func answeredInHTTP2(t *testing.T, e *edge, fields []rawField) error {
	t.Helper()
	conn, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(e.HTTPS)), e.tlsFor(t, "h2"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range fields {
		if err := enc.WriteField(hpack.HeaderField{Name: f.name, Value: f.value}); err != nil {
			t.Fatal(err)
		}
	}
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_, err = io.WriteString(conn, http2.ClientPreface)
	err = errors.Join(err, framer.WriteSettings(), framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true,
	}))
	if err != nil {
		t.Fatal(err)
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return err
		}
		switch f := frame.(type) {
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return errRefused
		case *http2.MetaHeadersFrame:
			switch status := f.PseudoValue("status"); status {
			case "200":
				return nil
			case "400":
				return errRefused
			default:
				return fmt.Errorf("status %s", status)
			}
		}
	}
}

// answeredInHTTP3 does the same in frames of RFC 9114, with the field section
// of RFC 9204 that uses no table: each field as literals, 4.5.6.
func answeredInHTTP3(t *testing.T, e *edge, fields []rawField) error {
	t.Helper()
	conn, err := quic.DialAddr(t.Context(), net.JoinHostPort("127.0.0.1", strconv.Itoa(e.HTTPS)), e.tlsFor(t, "h3"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.CloseWithError(0x100, "") }() // H3_NO_ERROR
	stream, err := conn.OpenStreamSync(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_ = stream.SetDeadline(time.Now().Add(10 * time.Second))
	section := []byte{0, 0}
	for _, f := range fields {
		section = prefixed(section, 0x20, 3, f.name)
		section = prefixed(section, 0, 7, f.value)
	}
	if len(section) > 1<<14-1 {
		t.Fatal("too long for a length of two bytes")
	}
	frame := append([]byte{0x01, 0x40 | byte(len(section)>>8), byte(len(section))}, section...) // HEADERS
	if _, err := stream.Write(frame); err != nil {
		t.Fatal(err)
	}
	_ = stream.Close() // the request has no body
	answer, err := io.ReadAll(stream)
	var reset *quic.StreamError
	var closed *quic.ApplicationError
	switch {
	case errors.As(err, &reset), errors.As(err, &closed):
		return errRefused
	case err != nil:
		return err
	case bytes.Contains(answer, []byte{0, 0, 0xd9}): // :status 200 in the static table
		return nil
	}
	return fmt.Errorf("answered %x", answer)
}

// prefixed appends a string literal whose length has a prefix of so many bits
// (RFC 7541 section 5.1), without Huffman coding.
func prefixed(b []byte, first byte, bits int, s string) []byte {
	n, limit := len(s), 1<<bits-1
	if n < limit {
		return append(append(b, first|byte(n)), s...)
	}
	b = append(b, first|byte(limit))
	for n -= limit; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(append(b, byte(n)), s...)
}

func (e *edge) tlsFor(t *testing.T, protocol string) *tls.Config {
	t.Helper()
	return &tls.Config{RootCAs: harness.Roots(t, e.RootCA(t)), ServerName: appHost, MinVersion: tls.VersionTLS13, NextProtos: []string{protocol}}
}
