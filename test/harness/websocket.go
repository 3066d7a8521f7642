package harness

import (
	"bufio"
	"crypto/sha1" //nolint:gosec // RFC 6455 §4.2.2 asks for SHA-1; it protects nothing here
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

// WebSocket is one end of a WebSocket (RFC 6455) that speaks short,
// unfragmented text messages: enough to see whether a connection lives.
type WebSocket struct {
	conn   net.Conn
	r      *bufio.Reader
	masked bool // a client masks what it sends (§5.3)
}

// Opcodes of §5.2.
const (
	opText  = 1
	opClose = 8
)

// maxShort is the longest payload whose length fits the 16-bit form (§5.2).
const maxShort = 1<<16 - 1

// acceptKey answers a handshake's Sec-WebSocket-Key (§4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // as above
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Send writes one text message.
func (w *WebSocket) Send(text string) error { return w.write(opText, []byte(text)) }

// Close says goodbye and closes the connection.
func (w *WebSocket) Close() error {
	_ = w.write(opClose, nil) // the other end may be gone already
	return w.conn.Close()
}

func (w *WebSocket) write(op byte, payload []byte) error {
	if len(payload) > maxShort {
		return fmt.Errorf("a message of %d bytes", len(payload))
	}
	frame := []byte{0x80 | op, 0}
	if len(payload) < 126 {
		frame[1] = byte(len(payload))
	} else {
		frame[1] = 126
		frame = binary.BigEndian.AppendUint16(frame, uint16(len(payload)))
	}
	if w.masked {
		frame[1] |= 0x80
		frame = append(frame, 0, 0, 0, 0) // a mask of zeros leaves the payload as it is
	}
	_, err := w.conn.Write(append(frame, payload...))
	return err
}

// Receive returns the next text message. It returns io.EOF after a close
// frame or at the end of the connection.
func (w *WebSocket) Receive() (string, error) {
	op, payload, err := w.read()
	if err != nil {
		return "", err
	}
	switch op {
	case opText:
		return string(payload), nil
	case opClose:
		return "", io.EOF
	}
	return "", fmt.Errorf("unexpected opcode %d", op)
}

func (w *WebSocket) read() (op byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(w.r, head[:]); err != nil {
		return 0, nil, err
	}
	size := int(head[1] & 0x7f)
	switch size {
	case 126:
		var long [2]byte
		if _, err := io.ReadFull(w.r, long[:]); err != nil {
			return 0, nil, err
		}
		size = int(binary.BigEndian.Uint16(long[:]))
	case 127:
		return 0, nil, fmt.Errorf("a message of more than %d bytes", maxShort)
	}
	var mask [4]byte
	if head[1]&0x80 != 0 {
		if _, err := io.ReadFull(w.r, mask[:]); err != nil {
			return 0, nil, err
		}
	}
	payload = make([]byte, size)
	if _, err := io.ReadFull(w.r, payload); err != nil {
		return 0, nil, err
	}
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	return head[0] & 0x0f, payload, nil
}
