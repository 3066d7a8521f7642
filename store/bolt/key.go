package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/passwordless-auth/passwordless-auth/store"
)

var (
	errEmptyKey = errors.New("empty key")
	errText     = errors.New("key is not valid UTF-8")
)

// Keys of indexes are put together so that no value of one part can be read
// as another part (AD-3): a part of variable length that is not the last one
// carries its length in front, times have a fixed length, and the last part
// runs to the end of the key.

// owned is the key prefix of everything that belongs to owner.
func owned[T ~string | ~[]byte](owner T, rest ...[]byte) []byte {
	key := binary.BigEndian.AppendUint16(nil, uint16(min(len(owner), 1<<16-1)))
	key = append(key, owner...)
	for _, part := range rest {
		key = append(key, part...)
	}
	return key
}

// timeLen is the length of an encoded time.
const timeLen = 12

// timeKey encodes every time.Time so that byte order is time order: seconds
// with the sign flipped, then nanoseconds.
func timeKey(t time.Time) []byte {
	key := binary.BigEndian.AppendUint64(nil, uint64(t.Unix())^1<<63)
	return binary.BigEndian.AppendUint32(key, uint32(t.Nanosecond()))
}

// keyTime decodes what timeKey encoded, in UTC.
func keyTime(key []byte) time.Time {
	sec := int64(binary.BigEndian.Uint64(key) ^ 1<<63)
	return time.Unix(sec, int64(binary.BigEndian.Uint32(key[8:]))).UTC()
}

// checkKey refuses what no backend takes as a key.
func checkKey(key []byte) error {
	switch {
	case len(key) == 0:
		return errEmptyKey
	case len(key) > store.MaxKey:
		return fmt.Errorf("key of %d bytes: %w", len(key), store.ErrTooLarge)
	}
	return nil
}

// checkText refuses ids and unique values that are not UTF-8: JSON would mend
// them, and the record would no longer fit its keys.
func checkText(parts ...string) error {
	for _, part := range parts {
		if !utf8.ValidString(part) {
			return errText
		}
	}
	return nil
}

// utc makes times come back as they went in, whatever zone the caller used.
func utc(times ...*time.Time) {
	for _, t := range times {
		*t = t.UTC()
	}
}
