package secret

import (
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

const idBytes = 16 // 128 bits are 26 characters of base32

// Both alphabets are lower-case: ids stand in URLs and are compared byte by
// byte. base32hex (RFC 4648 section 7) sorts as its bytes do; plain base32
// does not.
var (
	plain32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
	hex32   = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)
)

// ID draws a public id: 128 random bits as 26 characters a-z and 2-7. It names
// a thing and opens nothing.
func ID(r io.Reader) (string, error) {
	var b [idBytes]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return "", fmt.Errorf("drawing an id: %w", err)
	}
	return plain32.EncodeToString(b[:]), nil
}

// TimeID draws a public id whose byte order is the order of time: 64 bits of
// Unix nanoseconds, then 64 random bits, as 26 characters 0-9 and a-v. The
// lines of one transaction so keep their order. Times before 1970 count as
// 1970; the nanoseconds last until the year 2262.
func TimeID(r io.Reader, now time.Time) (string, error) {
	var b [idBytes]byte
	binary.BigEndian.PutUint64(b[:8], uint64(max(now.UnixNano(), 0)))
	if _, err := io.ReadFull(r, b[8:]); err != nil {
		return "", fmt.Errorf("drawing an id: %w", err)
	}
	return hex32.EncodeToString(b[:]), nil
}
